"""docs/coverage.md against rrweb's own types: every field has a row, and every row is true."""

import copy
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from rrweb_events import WordEncoder, change, click, element, meta, page, snapshot, text, typed

from rrweb_tokenizer import enums
from rrweb_tokenizer.serializer import serialize

TYPES = json.loads((Path(__file__).parent / "rrweb_types.json").read_text())
DOCUMENT = Path(__file__).parents[2] / "docs" / "coverage.md"
OUTCOMES = {"head", "token", "text", "class", "reference", "place", "state", "dropped"}

CHECKBOX = element(12, "input", type="checkbox", name="terms")
FIELD = element(13, "input", type="text", name="city")
CHOICE = element(
    14, "select", element(15, "option", value="a"), element(16, "option", value="b"), name="size"
)
LIST = element(20, "ul", element(21, "li", text(22, "one")), element(23, "li", text(24, "two")))
BODY = (element(10, "button", text(11, "Buy")), CHECKBOX, FIELD, CHOICE, LIST)
PAGE = (meta(0), snapshot(1, *BODY))
STYLED = {"width": "1px"}
POSITIONS = [
    {"x": 10, "y": 10, "id": 10, "timeOffset": -400},
    {"x": 300, "y": 20, "id": 10, "timeOffset": -100},
]
REQUEST = {
    **{"name": "/api/a", "method": "GET", "status": 200, "initiatorType": "fetch"},
    **{"startTime": 1, "endTime": 9, "duration": 8, "entryType": "resource", "isInitial": False},
    **{"requestHeaders": "a", "responseHeaders": "b"},
    **{"requestBody": "a", "responseBody": "b"},
}
NODES = {
    "Document": {"type": 0, "id": 50, "childNodes": [element(51, "p", text(52, "inner"))]},
    "DocumentType": {"type": 1, "id": 50, "name": "html", "publicId": "", "systemId": ""},
    "Element": element(50, "a", text(52, "inner"), href="/x"),
    "Text": text(50, "inner"),
    "CDATA": {"type": 4, "id": 50, "textContent": ""},
    "Comment": {"type": 5, "id": 50, "textContent": "old"},
}
VIDEO = element(50, "video", **{"rr_mediaState": "paused"})
VIDEO["attributes"] = {
    **{"rr_mediaState": "paused", "rr_mediaCurrentTime": 1, "rr_mediaLoop": False},
    **{"rr_mediaMuted": False, "rr_mediaPlaybackRate": 1, "rr_mediaVolume": 1},
}


def event(kind: int, **members: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": 900, "data": members}


def mutation(**changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"adds": [], "removes": [], "texts": [], "attributes": []}
    return change(900, 0, **{**empty, **changes})


# Name of the event -> its example; where it is told only by what comes later, what comes later.
EXAMPLES: dict[str, dict[str, Any]] = {
    "event": click(900, 10) | {"delay": 5},
    "DomContentLoaded": {**event(0), "data": ""},
    "Load": {**event(1), "data": ""},
    "Meta": event(4, href="http://shop.test/a", width=1000, height=800),
    "FullSnapshot": event(2, node=page(*BODY), initialOffset={"left": 0, "top": 0}),
    "Custom": event(5, tag="checkout", payload={"step": 1}),
    "Plugin": event(6, plugin="shop/clock@1", payload={"step": 1}),
    "plugin console": event(
        6, plugin="rrweb/console@1", payload={"level": "log", "payload": ["a"], "trace": ["f:1"]}
    ),
    "plugin network": event(
        6, plugin="rrweb/network@1", payload={"requests": [REQUEST], "isInitial": False}
    ),
    "Asset": event(
        7, url="a.png", payload="", timestamp=1, failed={"status": 404, "message": "no"}
    ),
    "Annotation": event(8, type="caption", text="Here it breaks"),
    "MouseMove": change(900, 1, positions=POSITIONS),
    "TouchMove": change(900, 6, positions=POSITIONS),
    "Drag": change(900, 12, positions=POSITIONS),
    "MouseInteraction": change(900, 2, type=2, id=10, x=5, y=5, pointerType=0),
    "Scroll": change(900, 3, id=1, x=0, y=100),
    "ViewportResize": change(900, 4, width=1000, height=800),
    "Input": change(900, 5, id=13, text="Rome", isChecked=False, userTriggered=True),
    "Input of a box": change(900, 5, id=12, text="on", isChecked=False),
    "MediaInteraction": change(
        900, 7, type=3, id=10, currentTime=1, volume=0.1, muted=False, loop=False, playbackRate=1
    ),
    "Media played": change(900, 7, type=0, id=10, currentTime=1),
    "Media sped": change(900, 7, type=4, id=10, playbackRate=1),
    "StyleSheetRule": change(
        900,
        8,
        **{"id": 10, "styleId": 1, "adds": [{"rule": "a{}", "index": [0]}]},
        **{"removes": [{"index": [0]}], "replace": None, "replaceSync": None},
    ),
    "CanvasMutation": change(
        900,
        9,
        **{"id": 10, "type": 0, "property": "fill", "args": [1], "setter": True},
        commands=[{"property": "fill", "args": [1], "setter": True}],
    ),
    "Font": change(900, 10, family="Inter", fontSource="a", buffer=False, descriptors=["a"]),
    "StyleDeclaration": change(
        900,
        13,
        **{"id": 10, "styleId": 1, "index": [0]},
        set={"property": "width", "value": "1px", "priority": ""},
    ),
    "Declaration removed": change(900, 13, id=10, index=[0], remove={"property": "width"}),
    "Selection": change(
        900, 14, ranges=[{"start": 11, "end": 11, "startOffset": 0, "endOffset": 2}]
    ),
    "AdoptedStyleSheet": change(
        900,
        15,
        **{"id": 10, "styleIds": [1]},
        styles=[{"styleId": 1, "rules": [{"rule": "a{}", "index": [0]}]}],
    ),
    "CustomElement": change(900, 16, define={"name": "shop-cart"}),
    "Mutation": mutation(
        adds=[{"parentId": 20, "nextId": None, "node": element(30, "li", text(31, "new"))}],
        removes=[{"id": 21, "parentId": 20, "isShadow": False}],
        texts=[{"id": 11, "value": "Sold"}],
        attributes=[{"id": 10, "attributes": {"style": STYLED, "class": "big"}}],
        isAttachIframe=False,
    ),
    "old Mutation": mutation(
        adds=[{"parentId": 20, "previousId": 23, "node": element(30, "li", text(31, "new"))}],
    ),
    **{f"node {kind}": event(2, node=page(node)) for kind, node in NODES.items()},
    "attribute": event(2, node=page(VIDEO)),
}
# Fields whose effect is told by events that come later.
LATER = {
    "FullSnapshot": (change(950, 3, id=1, x=10, y=300),),
    "StyleSheetRule": (EXAMPLES["StyleSheetRule"],),
    "StyleDeclaration": (EXAMPLES["StyleDeclaration"],),
    "AdoptedStyleSheet": (EXAMPLES["AdoptedStyleSheet"],),
    "Mutation": (click(950, 30),),
    "old Mutation": (click(950, 30),),
    "node": (click(950, 50),),
}
# Field -> another value (and another example than the event's own).
CHANGES: dict[str, Any] = {
    "event.timestamp": 5_000,
    "Meta.data.href": "http://shop.test/b",
    "Meta.data.width": 400,
    "Meta.data.height": 500,
    "FullSnapshot.data.node": page(*BODY[:2]),
    "FullSnapshot.data.initialOffset.top": 300,
    "FullSnapshot.data.initialOffset.left": 20,
    "node *.id": 51_000,
    "node Document.childNodes[]": element(51, "h1", text(52, "inner")),
    "node Element.childNodes[]": text(52, "outer"),
    "node Element.tagName": "b",
    "node Element.attributes.*": "/y",
    "node Element.isSVG": True,
    "node Element.needBlock": True,
    "node Element.isShadow": True,
    "node Text.textContent": "outer",
    "attribute.rr_mediaState": "played",
    "Mutation.adds[].node": element(30, "li", text(31, "old")),
    "Mutation.adds[].parentId": 4,
    "Mutation.adds[].nextId": 23,
    "Mutation.adds[].previousId": ("old Mutation", 21),
    "Mutation.removes[].id": 10,
    "Mutation.removes[].parentId": 999,
    "Mutation.texts[].id": 24,
    "Mutation.texts[].value": "Gone",
    "Mutation.attributes[].id": 20,
    "Mutation.attributes[].attributes.*": {"style": STYLED, "class": "small"},
    "Mutation.attributes[].attributes.*.*": {"style": {"color": "red"}, "class": "big"},
    **{f"{kind}.positions[].x": 900 for kind in ("MouseMove", "TouchMove", "Drag")},
    **{f"{kind}.positions[].y": 700 for kind in ("MouseMove", "TouchMove", "Drag")},
    **{
        f"{kind}.positions[].id": (kind, [POSITIONS[0], {**POSITIONS[1], "id": 20}])
        for kind in ("MouseMove", "TouchMove", "Drag")
    },
    **{f"{kind}.positions[].timeOffset": -800 for kind in ("MouseMove", "TouchMove", "Drag")},
    "MouseInteraction.type": 4,
    "MouseInteraction.id": 20,
    "MouseInteraction.x": 900,
    "MouseInteraction.y": 700,
    "MouseInteraction.pointerType": 2,
    "Scroll.id": 20,
    "Scroll.x": 50,
    "Scroll.y": 500,
    "ViewportResize.width": 400,
    "ViewportResize.height": 500,
    "Input.id": 12,
    "Input.text": "A longer city",
    "Input.isChecked": ("Input of a box", True),
    "Input.userTriggered": False,
    "Selection.ranges[].start": 22,
    "Selection.ranges[].end": 22,
    "Selection.ranges[].startOffset": 1,
    "Selection.ranges[].endOffset": 3,
    "MediaInteraction.type": 1,
    "MediaInteraction.id": 20,
    "MediaInteraction.currentTime": ("Media played", 60),
    "MediaInteraction.volume": 0.9,
    "MediaInteraction.muted": True,
    "MediaInteraction.playbackRate": ("Media sped", 8),
    "CanvasMutation.id": 20,
    "CanvasMutation.type": 1,
    "StyleSheetRule.id": 20,
    "StyleSheetRule.styleId": 2,
    "StyleSheetRule.replace": "a{}",
    "StyleSheetRule.replaceSync": "a{}",
    "StyleDeclaration.set.property": "color",
    "StyleDeclaration.set.value": ("StyleDeclaration", {"property": "display", "value": "none"}),
    "StyleDeclaration.remove.property": ("Declaration removed", "color"),
    "StyleDeclaration.id": 20,
    "StyleDeclaration.styleId": 2,
    "AdoptedStyleSheet.id": 20,
    "AdoptedStyleSheet.styleIds[]": ("AdoptedStyleSheet", [1, 2, 3]),
    "CustomElement.define.name": "shop-list",
    "Custom.data.tag": "cancel",
    "Custom.data.payload": {"place": 1},
    "Plugin.data.plugin": "shop/map@1",
    "Plugin.data.payload": {"place": 1},
    "plugin console.level": "error",
    "plugin console.payload[]": ("plugin console", ["a", "b", "c"]),
    "plugin network.requests[].method": "POST",
    "plugin network.requests[].status": 500,
    "plugin network.requests[].initiatorType": "navigation",
    "plugin network.requests[].duration": 9_000,
    "Asset.data.url": "a.woff2",
    "Asset.data.failed.status": 500,
    "Annotation.data.type": "timelineMarker",
    "Annotation.data.text": "Here it works",
}
# Places where a whole member is replaced, not what is within.
WHOLE = {
    "Mutation.attributes[].attributes.*": "Mutation.attributes[].attributes",
    "Mutation.attributes[].attributes.*.*": "Mutation.attributes[].attributes",
    "StyleDeclaration.set.value": "StyleDeclaration.set",
    "AdoptedStyleSheet.styleIds[]": "AdoptedStyleSheet.styleIds",
    "plugin console.payload[]": "plugin console.payload",
    **{
        f"{kind}.positions[].id": f"{kind}.positions" for kind in ("MouseMove", "TouchMove", "Drag")
    },
}


def rows() -> dict[str, str]:
    """Pattern -> outcome, of all tables."""
    found: dict[str, str] = {}
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) >= 3:
            for pattern in re.findall(r"`([^`]+)`", cells[0]):
                assert pattern not in found, f"two rows for {pattern}"
                found[pattern] = cells[1]
    return found


ROWS = rows()


def patterns_of(field: str) -> list[str]:
    """The rows of a field; only `node *` stands for several."""
    if field in ROWS:
        return [field]
    return [p for p in ROWS if p.startswith("node *") and fnmatchcase(field, p)]


def test_every_field_of_rrwebs_types_has_one_row_and_every_row_a_field() -> None:
    fields = TYPES["fields"]
    assert {field: len(patterns_of(field)) for field in fields} == dict.fromkeys(fields, 1)
    used = {pattern for field in fields for pattern in patterns_of(field)}
    extra = set(ROWS) - used
    assert extra == {"Mutation.attributes[].attributes.*"} & extra
    assert set(ROWS.values()) <= OUTCOMES


@pytest.mark.parametrize("name", TYPES["enums"])
def test_our_enums_have_the_members_and_numbers_of_rrwebs_types(name: str) -> None:
    ours = {member.name.replace("D2", "2D"): member.value for member in getattr(enums, name)}
    assert ours == TYPES["enums"][name]


def encoded(*events: dict[str, Any]) -> list[str]:
    encoder = WordEncoder()
    return encoder.render(serialize(typed(*copy.deepcopy(events)), encoder).ids)


def members_of(event: dict[str, Any], example: str) -> Any:
    """Where the members of a field's path begin."""
    if example.startswith(("node ", "attribute")):
        node = event["data"]["node"]["childNodes"][0]["childNodes"][1]["childNodes"][0]
        return node["attributes"] if example == "attribute" else node
    if example.startswith("plugin "):
        return event["data"]["payload"]
    return event["data"] if event["type"] == 3 and example != "event" else event


def another(value: Any) -> Any:
    """A value of the same type, `True` in place of a member that is not there."""
    if isinstance(value, bool) or value is None:
        return not value
    return value + 7 if isinstance(value, int) else type(value)("x")


def replaced(event: dict[str, Any], example: str, path: list[str], value: Any) -> dict[str, Any]:
    """The event with a value (None: any other one) at a path such as `ranges[].start`."""
    event = copy.deepcopy(event)
    place = members_of(event, example)
    for step in path[:-1]:
        place = place[step.removesuffix("[]")]
        place = place[0] if step.endswith("[]") else place
    key: Any = path[-1].removesuffix("[]")
    if path[-1].endswith("[]"):
        place, key = place[key], 0
    elif key == "*":
        key = next(iter(place))
    elif key not in place and key == "rootId":
        place[key] = 1
    present = place[0] if key == 0 else place.get(key)
    place[key] = another(present) if value is None else value
    return event


@pytest.mark.parametrize("field", TYPES["fields"])
def test_a_row_is_true_a_changed_field_changes_the_ids_unless_it_is_dropped(field: str) -> None:
    (pattern,) = patterns_of(field)
    outcome = ROWS[pattern]
    example, value = field.partition(".")[0], None
    if outcome != "dropped":
        value = CHANGES[field] if field in CHANGES else CHANGES[pattern]
        example, value = value if isinstance(value, tuple) else (example, value)
    path = WHOLE.get(field, field).partition(".")[2].split(".")
    later = LATER.get(example, LATER["node"] if example.startswith("node ") else ())
    base = EXAMPLES[example]
    other = replaced(base, example, path, value)
    assert other != base
    is_same = encoded(*PAGE, base, *later) == encoded(*PAGE, other, *later)
    assert is_same == (outcome == "dropped")
