"""96 recordings with something wrong, written by hand: name -> (bytes, what must come out).

"ok" means ids; other words must stand in the reason for which the file is rejected. A number after
"ok" is how many of its events are left out.
"""

import codecs
import gzip
import json

import zstandard
from rrweb_events import change, click, element, meta, snapshot, text

LONE = "\ud800"


def dump(*events, **members):
    """Events as a JSON list, or as an object where there are other members."""
    content = {**members, "events": list(events)} if members else list(events)
    return json.dumps(content).encode()


def with_number(number):
    """A click whose x is any text that stands for a number."""
    return dump(meta(0), snapshot(1, BUTTON), click(2, 10)).replace(b'"x": 500', b'"x": ' + number)


BUTTON = element(10, "button", text(11, "Buy"))
GOOD = dump(meta(0), snapshot(1, BUTTON), click(2, 10))
_BAD_UTF8 = GOOD.replace(b"Buy", b"B\xff\xfey")

ENCODING = {
    "UTF-8 with a byte-order mark": (codecs.BOM_UTF8 + GOOD, "ok"),
    "UTF-16 with a mark": (GOOD.decode().encode("utf-16"), "ok"),
    "UTF-32 with a mark": (GOOD.decode().encode("utf-32"), "ok"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-le"), "not JSON"),
    "invalid UTF-8 in a text": (_BAD_UTF8, "ok 1"),
    "Latin-1": (GOOD.replace(b"Buy", "caf\u00e9".encode("latin-1")), "ok 1"),
    "a lone surrogate as bytes": (GOOD.replace(b"Buy", b"\xed\xa0\x80"), "ok 1"),
    "an overlong form": (GOOD.replace(b"Buy", b"\xc0\xaf"), "ok 1"),
    "a NUL byte between events": (GOOD.replace(b"}, {", b"}, \0{", 1), "not JSON"),
    "UTF-16 cut in the middle of a character": (GOOD.decode().encode("utf-16")[:-1], "UTF-16"),
}

CONTAINER = {
    "an empty file": (b"", "empty"),
    "white space alone": (b" \n\t ", "none of the known forms"),
    "an empty list": (b"[]", "empty list"),
    "an object without events": (b'{"a": 1}', "without an 'events'"),
    "events that are no list": (b'{"events": {"type": 4}}', "not a list"),
    "cut off in the middle": (GOOD[: len(GOOD) // 2], "not JSON"),
    "two lists one after the other": (GOOD + GOOD, "not JSON"),
    "text behind the list": (GOOD + b"x", "not JSON"),
    "a gzip within a gzip": (gzip.compress(gzip.compress(GOOD)), "none of the known forms"),
    "a zstd cut short": (zstandard.compress(GOOD)[:-4], "zstd"),
}

TYPE_FIELD = {
    "no type": (dump(meta(0), {"timestamp": 1}), "ok 1"),
    "type null": (dump(meta(0), {"type": None, "timestamp": 1}), "ok 1"),
    "type as digits in a text": (dump(meta(0), {"type": "0", "timestamp": 1}), "ok 1"),
    "type as a word": (dump(meta(0), {"type": "Load", "timestamp": 1}), "ok 1"),
    "type as a whole float": (GOOD.replace(b'"type": 4', b'"type": 4.0'), "ok 1"),
    "type as a broken float": (GOOD.replace(b'"type": 4', b'"type": 4.5'), "ok 1"),
    "type true": (dump(meta(0), {"type": True, "timestamp": 1}), "ok 1"),
    "type beyond 64 bits": (GOOD.replace(b'"type": 4', b'"type": 99999999999999999999'), "ok"),
}

TIMESTAMP = {
    "no timestamp anywhere": (dump({"type": 0}, {"type": 1}), "ok"),
    "timestamp null": (dump(meta(5), {"type": 0, "timestamp": None}), "ok"),
    "timestamp as text": (dump(meta(5), {"type": 0, "timestamp": "6"}), "ok"),
    "timestamp as a date": (dump(meta(5), {"type": 0, "timestamp": "2024-01-01"}), "ok 1"),
    "timestamp negative": (dump(meta(-5), {"type": 0, "timestamp": -1e12}), "ok"),
    "timestamp NaN": (dump(meta(5)).replace(b"5", b"NaN", 1), "not JSON"),
    "timestamp 1e400": (dump(meta(7), {"type": 0}).replace(b": 7", b": 1e400"), "ok 1"),
    "timestamp 1e300": (dump(meta(1e300), {"type": 0, "timestamp": 1}), "ok"),
    "timestamp true": (dump(meta(5), {"type": 0, "timestamp": True}), "ok 1"),
    "timestamp in microseconds": (dump(meta(1.7e15), {"type": 0, "timestamp": 1.7e12}), "ok"),
}

ORDER = {
    "the newest event first": (dump(click(9, 10), snapshot(1, BUTTON), meta(0)), "ok"),
    "mutations before the snapshot": (
        dump(change(0, 0, removes=[{"id": 10, "parentId": 4}]), snapshot(1, BUTTON)),
        "ok",
    ),
    "no snapshot at all": (dump(meta(0), click(1, 10), click(2, 10)), "ok"),
    "all at the same time": (dump(meta(5), snapshot(5, BUTTON), click(5, 10), click(5, 10)), "ok"),
    "every event twice": (dump(*[meta(0), snapshot(1, BUTTON), click(2, 10)] * 2), "ok"),
    "two snapshots with nothing between": (dump(snapshot(0, BUTTON), snapshot(1)), "ok"),
}


def _deep(levels):
    opening = '{"type":2,"id":%d,"tagName":"div","childNodes":['
    inner = "".join(opening % number for number in range(10, 10 + levels))
    body = inner + "]}" * levels
    return (
        f'[{{"type":2,"timestamp":1,"data":{{"node":{body}}}}},{json.dumps(click(2, 10))}]'.encode()
    )


def _add(node, parent_id=4, next_id=None, **members):
    return {"parentId": parent_id, "nextId": next_id, "node": node, **members}


def _changed(*adds, **members):
    return dump(
        meta(0), snapshot(1, BUTTON), change(2, 0, adds=list(adds), **members), click(3, 10)
    )


DOM = {
    "20,000 levels in a snapshot": (_deep(20_000), "nested too deeply"),
    "300 levels in a snapshot": (_deep(300), "ok"),
    "20,000 levels, added one by one": (
        _changed(*[_add(element(100 + n, "div"), 99 + n if n else 4) for n in range(20_000)]),
        "ok",
    ),
    "1,000 levels, the innermost first": (
        _changed(*[_add(element(100 + n, "b"), 99 + n if n else 4) for n in range(1_000)][::-1]),
        "ok",
    ),
    "the same id throughout": (dump(snapshot(1, *[element(10, "p") for _ in range(50)])), "ok"),
    "a node within itself": (_changed(_add(element(10, "p"), 10)), "ok"),
    "a node moved below its child": (_changed(_add(element(4, "body"), 10)), "ok"),
    "two nodes, each other's parent": (
        _changed(_add(element(20, "p"), 21), _add(element(21, "p"), 20)),
        "ok",
    ),
    "two nodes, each other's next sibling": (
        _changed(_add(element(20, "p"), 4, 21), _add(element(21, "p"), 4, 20)),
        "ok",
    ),
    "the document is removed": (_changed(removes=[{"id": 1, "parentId": 0}]), "ok"),
    "an unknown parent": (_changed(_add(element(20, "p"), 999)), "ok"),
    "negative ids": (dump(snapshot(1, element(-5, "p")), click(2, -5)), "ok"),
    "ids beyond 32 bits": (dump(snapshot(1, element(2**40, "p")), click(2, 2**40)), "ok"),
    "ids as text": (dump(meta(0), snapshot(1, element("10", "p"))), "ok"),
    "a tag name of 100,000 letters": (dump(snapshot(1, element(10, "x" * 100_000))), "ok"),
    "children null": (dump(meta(0), snapshot(1, {**element(10, "p"), "childNodes": None})), "ok 1"),
    "attributes that are no texts": (
        dump(snapshot(1, element(10, "p", title=[1], id={"a": 1}, name=1.5, alt=True, role=None))),
        "ok",
    ),
    "a snapshot of a text node": (
        dump({"type": 2, "timestamp": 1, "data": {"node": text(1, "alone")}}, click(2, 1)),
        "ok",
    ),
}

COORDINATES = {
    "negative": (with_number(b"-99999"), "ok"),
    "huge": (with_number(b"1e300"), "ok"),
    "beyond a double": (with_number(b"1e400"), "ok 1"),
    "NaN": (with_number(b"NaN"), "not JSON"),
    "null": (with_number(b"null"), "ok"),
    "as text": (with_number(b'"500"'), "ok"),
    "a viewport of nothing": (
        dump({**meta(0), "data": {"href": "", "width": 0, "height": -1}}, snapshot(1), click(2, 4)),
        "ok",
    ),
}


def _says(content):
    paragraph = element(10, "p", text(11, content), title=content, id=content)
    return json.dumps([meta(0, content), snapshot(1, paragraph), click(2, 10)]).encode()


TEXT = {
    "empty": (_says(""), "ok"),
    "a million letters": (_says("a" * 1_000_000), "ok"),
    "a million spaces": (_says(" " * 1_000_000), "ok"),
    "a million digits": (_says("1" * 1_000_000), "ok"),
    "a lone surrogate, escaped": (_says(f"a{LONE}b"), "ok"),
    "surrogates in the wrong order": (_says("\udc00\ud800"), "ok"),
    "NUL and controls": (_says("a\0b\x01\x1f\x7f\x9f"), "ok"),
    "names of structural tokens": (_says("[MASK] [CLS] [PAD][SEP] [UNK] [MI_Click]"), "ok"),
    "right to left with marks": (_says("\u202eabc\u202c \u05d0\u05d1 \u0627\u0628\u200f"), "ok"),
    "a thousand accents on one letter": (_says("e" + "\u0301" * 1_000), "ok"),
    "emoji joined to families": (_says("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 200), "ok"),
    "private use and non-characters": (_says("\ue000\uf8ff\ufffe\uffff\U0010ffff"), "ok"),
    "the mark of spaces of the text model": (_says("\u2581a\u2581\u2581b"), "ok"),
    "an address with brackets": (_says("http://[::1/x]y[?q=%zz%ff%00#]["), "ok"),
    "a text that is a number": (
        dump(meta(0), snapshot(1, {"type": 3, "id": 10, "textContent": 5})),
        "ok 1",
    ),
}

FUTURE = {
    "an event type": (dump(meta(0), {"type": 8, "timestamp": 1, "data": {"new": 1}}), "ok"),
    "a negative event type": (dump(meta(0), {"type": -1, "timestamp": 1}), "ok"),
    "an incremental source": (dump(meta(0), change(1, 17, new=[1, 2])), "ok"),
    "a negative source": (dump(meta(0), change(1, -1)), "ok"),
    "a source that is a word": (dump(meta(0), change(1, "Mutation")), "ok 1"),
    "a mouse interaction": (dump(meta(0), snapshot(1, BUTTON), change(2, 2, type=11, id=10)), "ok"),
    "a pointer type": (dump(meta(0), change(2, 2, type=2, id=10, x=1, y=1, pointerType=3)), "ok"),
    "a media interaction": (dump(meta(0), change(2, 7, type=5, id=10)), "ok"),
    "a canvas context": (dump(meta(0), change(2, 9, type=3, id=10, commands=[])), "ok"),
    "a node type": (dump(snapshot(1, {"type": 6, "id": 10, "new": {}}), click(2, 10)), "ok"),
    "new members everywhere": (
        dump(*({**event, "new": [{}], "delay": 5} for event in (meta(0), click(1, 10)))),
        "ok",
    ),
    "a plugin and its payload": (
        dump({"type": 6, "timestamp": 1, "data": {"plugin": "new/thing@9", "payload": [[1]]}}),
        "ok",
    ),
}

FAMILIES = {
    "encoding": ENCODING,
    "container": CONTAINER,
    "type field": TYPE_FIELD,
    "timestamp": TIMESTAMP,
    "order": ORDER,
    "DOM": DOM,
    "coordinates": COORDINATES,
    "text": TEXT,
    "future enum values": FUTURE,
}
SIZES = dict(zip(FAMILIES, (10, 10, 8, 10, 6, 18, 7, 15, 12), strict=True))
