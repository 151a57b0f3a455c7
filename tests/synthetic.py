"""Made-up rrweb recordings: plausible visitors of plausible sites, repeatable from a seed.

Each site has its own pages and words, each visitor their own habits, so that a model has something
to learn and a split by site or visitor something to keep apart.
"""

import json
import random
from pathlib import Path

START_MS = 1_700_000_000_000
_WORDS = {
    "shop": "cart order checkout price size colour delivery sale shirt shoes jacket review",
    "news": "headline politics weather sport opinion science culture markets today editor",
    "bank": "account balance transfer payment savings card statement loan branch interest",
    "wiki": "article history references edit chapter river mountain century species theory",
}
SITES = tuple(_WORDS)


class _Page:
    """Builds one page and remembers which node is what."""

    def __init__(self, site: str, rng: random.Random) -> None:
        self._rng = rng
        self._words = _WORDS[site].split()
        self._next_id = 0
        self.links: list[int] = []
        self.inputs: list[int] = []
        self.list_id = 0
        self.texts: list[int] = []

    def new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def phrase(self, num_words: int) -> str:
        return " ".join(self._rng.choice(self._words) for _ in range(num_words))

    def text(self, content: str) -> dict:
        node = {"type": 3, "id": self.new_id(), "textContent": content}
        self.texts.append(node["id"])
        return node

    def element(self, tag: str, *children: dict, **attributes: str) -> dict:
        names = {name.rstrip("_").replace("_", "-"): v for name, v in attributes.items()}
        node_id = self.new_id()
        kind = {"type": 2, "id": node_id, "tagName": tag, "attributes": names}
        return {**kind, "childNodes": list(children)}

    def item(self) -> dict:
        link = self.element(
            "a", self.text(self.phrase(2)), href=f"/{self._rng.choice(self._words)}"
        )
        self.links.append(link["id"])
        return self.element("li", link, class_="item")

    def document(self, title: str) -> dict:
        head = self.element("head", self.element("title", self.text(title)))
        field = self.element("input", type="search", name="q", placeholder=self.phrase(1))
        self.inputs.append(field["id"])
        button = self.element("button", self.text("Search"), type="submit")
        self.links.append(button["id"])
        items = self.element("ul", *(self.item() for _ in range(self._rng.randint(4, 9))))
        self.list_id = items["id"]
        paragraphs = [self.element("p", self.text(self.phrase(12))) for _ in range(3)]
        body = self.element(
            "body",
            self.element("header", self.element("h1", self.text(title)), field, button),
            self.element("main", *paragraphs, items),
        )
        html = self.element("html", head, body, lang="en")
        doctype = {"type": 1, "id": self.new_id(), "name": "html", "publicId": "", "systemId": ""}
        return {"type": 0, "id": self.new_id(), "childNodes": [doctype, html]}


def make_events(site: str, seed: int, *, num_actions: int = 60) -> list[dict]:
    """The events of one visit: two pages, each with moves, clicks, scrolls, input and mutations."""
    rng = random.Random(f"{site}-{seed}")  # noqa: S311 - no secret
    time_ms = START_MS + seed * 3_600_000
    events: list[dict] = []
    for page_number in range(2):
        page = _Page(site, rng)
        href = f"https://{site}.example/{rng.choice(_WORDS[site].split())}"
        time_ms += rng.randint(200, 900)
        size = {"href": href, "width": 1280, "height": 720}
        events.append({"type": 4, "timestamp": time_ms, "data": size})
        snapshot = {"node": page.document(page.phrase(2)), "initialOffset": {"left": 0, "top": 0}}
        events.append({"type": 2, "timestamp": time_ms + 5, "data": snapshot})
        for _ in range(num_actions // 2):
            time_ms += int(rng.lognormvariate(5.5, 1.2)) + 20
            data = _action(page, rng, time_ms, page_number)
            events.append({"type": 3, "timestamp": time_ms, "data": data})
    return events


def _action(page: _Page, rng: random.Random, time_ms: int, page_number: int) -> dict:
    kind = rng.choices(["move", "click", "scroll", "input", "mutation"], [4, 3, 3, 1, 3])[0]
    if kind == "move":
        steps = [
            {"x": rng.randrange(1280), "y": rng.randrange(720), "id": rng.choice(page.links)}
            for _ in range(rng.randint(1, 4))
        ]
        positions = [{**step, "timeOffset": -50 * (len(steps) - i)} for i, step in enumerate(steps)]
        return {"source": 1, "positions": positions}
    if kind == "click":
        place = {"x": rng.randrange(1280), "y": rng.randrange(720)}
        return {"source": 2, "type": 2, "id": rng.choice(page.links), **place}
    if kind == "scroll":
        return {"source": 3, "id": 1, "x": 0, "y": rng.randrange(0, 3000, 100)}
    if kind == "input":
        field = page.inputs[0]
        return {"source": 5, "id": field, "text": page.phrase(1), "isChecked": False}
    change: dict = {"source": 0, "adds": [], "removes": [], "texts": [], "attributes": []}
    if rng.random() < 0.5:
        parent = {"parentId": page.list_id, "nextId": None}
        change["adds"] = [{**parent, "node": page.item()}]
    else:
        change["texts"] = [{"id": rng.choice(page.texts), "value": page.phrase(3)}]
        names = {"class": rng.choice(["open", "closed", "active"])}
        change["attributes"] = [{"id": rng.choice(page.links), "attributes": names}]
    return change


def write_recordings(folder: Path, *, num_per_site: int, num_actions: int = 60) -> list[Path]:
    """Write `folder/SITE/NUMBER.json` recordings and return their paths in order."""
    paths = []
    for site in SITES:
        (folder / site).mkdir(parents=True, exist_ok=True)
        for number in range(num_per_site):
            path = folder / site / f"{number:03d}.json"
            events = make_events(site, number, num_actions=num_actions)
            path.write_text(json.dumps(events))
            paths.append(path)
    return paths
