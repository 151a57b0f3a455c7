"""What the pages of `report` are made of, and that they do no harm."""

import html.parser
import json
import re

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Tags(html.parser.HTMLParser):
    """Collects the tags and attributes of a page, and whether it could load or run anything."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.ids, self.links = set(), set(), set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.add(value)
            if name == "href":
                self.links.add(value)


def assert_harmless(page):
    tags = Tags(page)
    assert not tags.tags & {"script", "img", "iframe", "link", "object", "embed", "form", "base"}
    assert not {name for name in tags.attributes if name.startswith("on")} | (
        tags.attributes & {"src", "action", "srcset"}
    )
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", page)
    assert {link[:1] for link in tags.links} <= {"#"}
    assert {link[1:] for link in tags.links} <= tags.ids


def history(output_dir, *, num_steps=30):
    train = [
        {
            "step": s,
            "loss": 9 - s / 10,
            "learning_rate": (s % 10) and 1 / (s % 10),
            "tokens_per_second": 1000.0 + s,
            "data_wait_share": 0.01,
            "grad_norm": float("nan") if s == 5 else 1.0,
        }
        for s in range(1, num_steps)
    ]
    evaluation = [{"step": s, "eval_loss": 8 - s / 10, "eval_loss_head": 1.0} for s in (10, 20)]
    content = {"format": 1, "train": train, "evaluation": evaluation}
    (output_dir / "training_history.json").write_text(json.dumps(content))
