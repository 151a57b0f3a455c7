"""Made-up sessions that go through every event kind and odd branch, repeatable from a seed.

Unlike `synthetic`, nothing here is plausible: ids that no document has, empty and hostile texts,
attributes with odd values, pages over their cap, floods of the same change.
"""

import random
from typing import Any

from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS

TEXTS = (
    *("", " ", "\u200b", "Buy now", "a", "jane.doe@example.com", "+44 20 7946 0958", "12.50"),
    *(
        "$12.50",
        "2024-05-01",
        "10:30",
        "****",
        "\u202eevil\x1b[31m",
        "[MI_Click] [REF_0]",
        "\ufffe",
    ),
    *("4f9a8b7c6d5e4f3a2b1c", "de89370400440532013000", "word " * 60, "x" * 300, "\u4f60\u597d"),
    *("4111 1111 1111 1111", "SSN 078-05-1120", "12 Main Street, Springfield", "a/b" * 40),
    *("192.168.0.1", "9" * 30, "css-1a2b3c", "btn btn-primary mt-3 _x9f8a7", "caf\u00e9 \u2615"),
)
URLS = (
    *("", "/", "#", "#!", "?", "?=1", "?a=1&b=2&&c", "/a/b/c/d/e/f?x=1#y/z", "//host.test/x"),
    *("http://shop.test/item/4711?ref=mail#top", "https://[bad", "data:image/png;base64,AAAA"),
    *("blob:http://x/1", "javascript:void(0)", "mailto:a@b.example", "tel:+441234", "a.png"),
    *(
        "\u200b",
        "http://\u200b/",
        "http://a.test/" + "long-path/" * 40 + "?" + "key=1&" * 9,
        "x.woff2",
    ),
    *("x.svg", "x.css", "x.js", "x.mp4", "x.mp3", "http://www.shop.test/caf%C3%A9/"),
)
TAGS = (
    *(t[5:-1] for t in STRUCTURAL_TOKENS if t.startswith("[TAG_")),
    *("x-widget", "marquee", "base", "text", "DIV", "", "div", "span", "div", "span"),
)
ATTRIBUTES = (
    *(t[4:-1] for t in STRUCTURAL_TOKENS if t.startswith("[AT_")),
    *("style", "transform", "d", "width", "class", "rr_dataURL", "rr_scrollTop", "rr_width"),
    *("rr_mediaState", "aria-owns", "data-x", "data-cy", "onclick", "nonce", ""),
)
ROLES = tuple(t[6:-1] for t in STRUCTURAL_TOKENS if t.startswith("[ROLE_"))
TYPES = tuple(t[6:-1] for t in STRUCTURAL_TOKENS if t.startswith("[TYPE_"))
STYLES = (
    *("display: none", "display:block", "opacity:0; left: 1px", "color: red", "", "--x: 1"),
    *("transform: none", "height: 1px", "visibility: hidden"),
    *({"width": "1px"}, {"top": ["1px", "important"]}, {}, False),
)


def adds_of(node: dict[str, Any], parent_id: int) -> list[dict[str, Any]]:
    """A subtree as rrweb adds it: node by node, each without its children."""
    found = [{"parentId": parent_id, "nextId": None, "node": {**node, "childNodes": []}}]
    for child in node.get("childNodes", []):
        found += adds_of(child, node["id"])
    return found


class OddSession:
    """Builds one session.

    Args:
        seed: decides everything.
        num_nodes: size of the pages, about.
        num_events: how many events there are beside pages.
    """

    def __init__(self, seed: int, *, num_nodes: int = 40, num_events: int = 30) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._num_nodes = num_nodes
        self._next_id = 1
        self._time_ms = 1_700_000_000_000.0
        self.events: list[dict[str, Any]] = []
        self._window = self._rng.choice((None, None, "first"))
        if self._rng.random() < 0.8:
            self.meta()
            self.snapshot()
        for _ in range(num_events):
            self._time_ms += self._rng.random() * self._rng.choice(
                (0, 3, 40, 700, 5_000, 90_000, 1e6, 4e6, -30)
            )
            self._rng.choice(self._KINDS)(self)

    def add(self, kind: int, data: Any) -> None:
        event = {"type": kind, "timestamp": self._time_ms, "data": data}
        if self._window is not None:
            event["windowId"] = self._rng.choices((self._window, "other", 3), (20, 1, 1))[0]
        self.events.append(event)

    def change(self, source: int, **members: Any) -> None:
        self.add(3, {"source": source, **members})

    # What events are made of.

    def maybe(self, value: Any) -> Any:
        return value if self._rng.random() < 0.6 else None

    def text(self) -> str:
        return self._rng.choice(TEXTS)

    def node_id(self) -> int:
        return self._rng.randint(1, self._next_id + 3)

    def attribute_value(self, name: str) -> Any:
        rng = self._rng
        if name == "style":
            return rng.choice(STYLES)
        if name in ("href", "src", "action", "srcset"):
            return rng.choice(URLS)
        if name in ("tabindex", "max", "min"):
            return rng.choice(("-1", "0", "3", "odd", "150", "1e9", 12))
        if name == "type":
            return rng.choice((*TYPES, "odd"))
        if name == "role":
            return rng.choice((*ROLES, "odd"))
        return rng.choice((self.text(), self.text(), "", True, False, 7, None, {"a": 1}, [1]))

    def attributes(self, most: int = 6) -> dict[str, Any]:
        names = self._rng.sample(ATTRIBUTES, self._rng.randint(0, most))
        names += [name for name in ("type", "role") if self._rng.random() < 0.3]
        return {name: self.attribute_value(name) for name in names}

    def node(self, num_below: int) -> dict[str, Any]:
        """A subtree of about so many nodes."""
        rng = self._rng
        node_id, self._next_id = self._next_id, self._next_id + 1
        kind = rng.choices((2, 3, 0, 1, 4, 5), (70, 25, 2, 1, 1, 1))[0]
        if kind in (3, 4, 5):
            return {"type": kind, "id": node_id, "textContent": self.text()}
        if kind == 1:
            return {"type": 1, "id": node_id, "name": "html"}
        children = []
        is_deep = rng.random() < 0.5
        while num_below > 0:
            share = num_below if is_deep else rng.randint(1, min(num_below, 9))
            children.append(self.node(share - 1))
            num_below -= share
        if kind == 0:
            return {"type": 0, "id": node_id, "childNodes": children}
        flags = {
            name: True
            for name, share in (("isSVG", 0.1), ("isShadow", 0.05), ("needBlock", 0.04))
            if rng.random() < share
        }
        is_wrapper = rng.random() < 0.4
        tag = rng.choice(("div", "span") if is_wrapper else TAGS)
        attributes = {} if is_wrapper else self.attributes()
        return {
            **{"type": 2, "id": node_id, "tagName": tag, "attributes": attributes},
            **{"childNodes": children, **flags},
        }

    # Events.

    def meta(self) -> None:
        sizes = self._rng.choice(((1280, 720), (400, 500), (0, 0), (2000, 1100), (800, 900)))
        href = self._rng.choice(URLS)
        self.add(4, {"href": href, "width": sizes[0], "height": sizes[1]})

    def snapshot(self) -> None:
        if self._rng.random() < 0.7:
            self._next_id = 1
        root_id, self._next_id = self._next_id, self._next_id + 1
        num_nodes = self._num_nodes * self._rng.choice((1, 1, 2, 20))
        children = [self.node(num_nodes)] if self._rng.random() < 0.95 else []
        self.add(2, {"node": {"type": 0, "id": root_id, "childNodes": children}})

    def same_snapshot(self) -> None:
        pages = [event for event in self.events if event["type"] == 2]
        if pages:
            self.add(2, pages[-1]["data"])

    def plain(self) -> None:
        self.add(self._rng.choice((0, 1, 42)), {})

    def asset(self) -> None:
        failed = self._rng.choice(({}, {"failed": {}}, {"failed": {"status": 404}}))
        self.add(7, {"url": self._rng.choice(URLS), **failed})

    def annotation(self) -> None:
        self.add(8, {"type": self.text(), "text": self.maybe(self.text())})

    def unknown_source(self) -> None:
        self.change(99)

    def custom(self) -> None:
        tag = self._rng.choice((*TEXTS, "visibilitychange", "idle", "$pageview", "window focus"))
        href = {"href": self._rng.choice(URLS)}
        keys = {self.text(): 1, "plan": "pro"}
        payload = self._rng.choice((None, "hidden", 3, {}, keys, href, {**keys, **href}))
        self.add(5, {"tag": tag, "payload": payload})

    def plugin(self) -> None:
        requests = [
            {
                "method": self._rng.choice(("GET", "post", "PATCH", "DELETE", "HEAD", None)),
                "initiatorType": self._rng.choice(("fetch", "img", "navigation", "beacon", None)),
                "status": self._rng.choice((200, 301, 404, 500, 0, None)),
                "duration": self._rng.choice((None, 12.5, 4_000)),
            }
            for _ in range(self._rng.randint(0, 9))
        ]
        name, payload = self._rng.choice(
            (
                (
                    "rrweb/console@1",
                    {"level": self._rng.choice(("log", "info", "warn", "error", "debug", "table"))},
                ),
                ("rrweb/network@1", {"requests": [*requests, 3]}),
                ("rrweb/network@1", {"requests": None}),
                ("other", None),
                ("other", {"key": 1}),
            )
        )
        self.add(6, {"plugin": name, "payload": payload})

    def moves(self) -> None:
        x, step = self._rng.randint(-50, 2000), self._rng.choice((1, 1000))
        positions = [
            {
                **{
                    "x": x + self._rng.randint(-40, 40),
                    "y": self._rng.randint(0, 900) // step * step,
                },
                **{"id": self.node_id(), "timeOffset": -50 * self._rng.randint(-2, 9)},
            }
            for _ in range(self._rng.randint(0, 9))
        ]
        self.change(self._rng.choice((1, 6, 12)), positions=positions)

    def interaction(self) -> None:
        place = {"x": self.maybe(self._rng.randint(0, 1300)), "y": self.maybe(50)}
        pointer = self.maybe(self._rng.choice((0, 1, 2, 9)))
        kind = self._rng.randint(-1, 12)
        self.change(2, type=kind, id=self.node_id(), pointerType=pointer, **place)

    def scroll(self) -> None:
        x, y = (
            self._rng.choice((0, 0, 90)),
            self._rng.choice((0, 5, 100, 300, 900, 1_800, 4_000, 9_000)),
        )
        self.change(3, id=self._rng.choice((1, self.node_id())), x=x, y=y)

    def resize(self) -> None:
        self.change(4, width=self._rng.choice((0, 600, 1900)), height=700)

    def input(self) -> None:
        checked = self._rng.random() < 0.5
        by = self.maybe(checked)
        self.change(5, id=self.node_id(), text=self.text(), isChecked=checked, userTriggered=by)

    def media(self) -> None:
        members = {"currentTime": self.maybe(3.5), "volume": self.maybe(0.5)}
        kind = self._rng.randint(-1, 6)
        rate, muted = self.maybe(2.0), self._rng.choice((None, True, False))
        self.change(7, type=kind, id=self.node_id(), playbackRate=rate, muted=muted, **members)

    def styles(self) -> None:
        rules = self.maybe([{"rule": "a{}"}])
        whole = self._rng.choice(({}, {}, {"replace": "a{}"}))
        self.change(8, id=self.node_id(), adds=rules, removes=self.maybe([{"index": 0}]), **whole)
        changed = {"property": self._rng.choice(("width", "odd", "display")), "value": "none"}
        self.change(13, id=1, set=self.maybe(changed))
        self.change(15, id=1, styleIds=[1, 2, 3])

    def rare(self) -> None:
        start = self.node_id()
        end = self._rng.choice((start, self.node_id()))
        ranges = [{"start": start, "startOffset": 0, "end": end, "endOffset": 1}]
        data: dict[str, Any] = self._rng.choice(
            (
                {"source": 9, "id": self.node_id(), "type": self._rng.randint(-1, 4)},
                {"source": 9, "id": 1, "type": 1, "commands": [{}, {}]},
                {"source": 10, "family": "x"},
                {"source": 11, "level": self._rng.choice(("warn", "odd"))},
                {"source": 14, "ranges": self._rng.choice((ranges, []))},
                {"source": 16, "define": self.maybe({"name": self.text()})},
            )
        )
        self.add(3, data)

    def mutation(self) -> None:
        rng = self._rng
        ids = [self.node_id() for _ in range(rng.randint(0, 12))]
        nodes = [self.node(rng.choice((0, 2, 12, 60))) for _ in range(rng.choice((0, 0, 1, 3, 9)))]
        moved = [{"type": 2, "id": i, "tagName": "p", "childNodes": []} for i in ids[:2]]
        added = [*nodes, *(moved if rng.random() < 0.3 else [])]
        self.change(
            0,
            removes=[{"id": i, "parentId": 1} for i in ids if rng.random() < 0.3],
            adds=[add for node in added for add in adds_of(node, self.node_id())],
            texts=[{"id": i, "value": self.maybe(self.text())} for i in ids if rng.random() < 0.3],
            attributes=[
                {"id": i, "attributes": self.attributes()} for i in ids if rng.random() < 0.5
            ],
        )

    def flood(self) -> None:
        """The same change over and over: repeats, and no room left for their count."""
        node_id = self.node_id()
        names = self._rng.choice((("style",), ("class",), ("d", "transform"), ("width", "style")))
        console = {"plugin": "rrweb/console@1", "payload": {"level": "warn", "payload": ["a"]}}
        repeated: list[tuple[int, dict[str, Any]]] = [
            (3, {"source": 9, "id": node_id, "type": 0}),
            (3, {"source": 8, "id": node_id, "adds": [{"rule": "a{}"}]}),
            (3, {"source": 13, "id": node_id, "set": {"property": "top"}}),
            (3, {"source": 15, "id": node_id, "styleIds": [1]}),
            (3, {"source": 10, "family": "x"}),
            (3, {"source": 11, "level": "warn"}),
            (6, console),
        ]
        is_looks = self._rng.random() < 0.6
        kind, data = self._rng.choice(repeated)
        for _ in range(self._rng.choice((2, 2, 40))):
            values = {name: self._rng.choice((None, "left:1px", "a b")) for name in names}
            changed = [{"id": node_id, "attributes": values}]
            if is_looks:
                self.change(0, adds=[], removes=[], texts=[], attributes=changed)
            else:
                self.add(kind, data)

    _KINDS = (
        *(meta, snapshot, same_snapshot, plain, unknown_source, custom, plugin, styles, rare),
        *(asset, annotation),
        *(moves, interaction, scroll, resize, input, media, mutation, flood),
        *(moves, interaction, interaction, scroll, input, mutation, mutation, rare),
    )
