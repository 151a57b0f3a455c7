"""Mutants of real recordings: the same number gives the same bytes.

A mutant is a recording of the embedded sample with one to eight faults. Most are faults of
structure, made before the recording is written as JSON; some are faults of bytes.
"""

import gzip
import json
import random
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec
import zstandard

SAMPLE = Path(str(resources.files("data_prep").joinpath("sample")))
MAX_BASE_BYTES = 120_000
"""Larger recordings of the sample make no mutants: more cases tell more than larger ones."""

_ODD_NUMBERS = [-1, 0, 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 0.1, -0.0, 1e308, 5e-324, True]
_NO_JSON = {
    f"NUMBER {number}": number for number in "1e400 -1e400 NaN -Infinity 01 1. 0x1 +1 1e".split()
}
_ODD_VALUES = [
    None,
    True,
    False,
    "",
    "x",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"id": {"id": 1}},
    "5",
    -7,
]
_ODD_UNITS = [
    *(
        "a",
        " ",
        "1",
        "[MASK]",
        "\ud800",
        "\udfff\ud83d",
        "\0",
        "\u202e",
        "\u2581",
        "\U0010ffff",
        "\n",
    ),
    *("jane@example.com ", "4111 ", "+1 ", "://", "?a=b&", "%", "<", "=", ".", ":", "a.", "A1"),
]
_ID_KEYS = ("id", "parentId", "nextId", "previousId")


@cache
def bases():
    """The events of the recordings that mutants are made from, each as JSON."""
    texts = []
    for path in sorted(SAMPLE.glob("*.json.zst")):
        text = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        if len(text) <= MAX_BASE_BYTES:
            decoded = msgspec.json.decode(text)
            texts.append(
                msgspec.json.encode(decoded if isinstance(decoded, list) else decoded["events"])
            )
    return texts


def _copied(value):
    """A copy of JSON-like data of any depth, without recursion."""
    top = [value]
    stack = [top]
    while stack:
        place = stack.pop()
        for key, inner in enumerate(place) if isinstance(place, list) else list(place.items()):
            if isinstance(inner, list | dict):
                place[key] = inner.copy()
                stack.append(place[key])
    return top[0]


def _odd(rng):
    """A value of its own: what mutants share would make one depend on those before it."""
    return _copied(rng.choice(_ODD_VALUES))


class _Places:
    """All containers of a session, for picking one at random."""

    def __init__(self, rng, events):
        self.rng = rng
        self.objects, self.lists, self.ids = [], [], []
        stack = [events]
        while stack:
            inner = stack.pop()
            if isinstance(inner, list):
                self.lists.append(inner)
                stack += [value for value in inner if isinstance(value, list | dict)]
            else:
                self.objects.append(inner)
                if isinstance(inner.get("id"), int):
                    self.ids.append(inner["id"])
                stack += [value for value in inner.values() if isinstance(value, list | dict)]

    def an_object(self, *keys):
        """A random object, one that has one of the keys where there is any."""
        if keys:
            having = [inner for inner in self.objects if any(key in inner for key in keys)]
            if having:
                return self.rng.choice(having)
        return self.rng.choice(self.objects) if self.objects else {}

    def an_id(self):
        return self.rng.choice(self.ids) if self.ids else 1


def _delete_event(rng, events, places):
    del events[rng.randrange(len(events))]


def _duplicate_event(rng, events, places):
    events.insert(rng.randrange(len(events) + 1), _copied(rng.choice(events)))


def _swap_events(rng, events, places):
    a, b = rng.randrange(len(events)), rng.randrange(len(events))
    events[a], events[b] = events[b], events[a]


def _shuffle_events(rng, events, places):
    rng.shuffle(events)


def _splice_events(rng, events, places):
    others = msgspec.json.decode(rng.choice(bases()))
    start = rng.randrange(len(others))
    place = rng.randrange(len(events) + 1)
    events[place:place] = others[start : start + rng.randrange(1, 20)]


def _retarget(rng, events, places):
    for _ in range(rng.randrange(1, 20)):
        target = places.an_object(*_ID_KEYS)
        key = rng.choice([key for key in _ID_KEYS if key in target] or ["id"])
        target[key] = rng.choice([places.an_id(), places.an_id(), 1, 0, -1, None, 10**12])


def _all_one_id(rng, events, places):
    key, value = rng.choice(_ID_KEYS), places.an_id()
    for inner in places.objects:
        if key in inner:
            inner[key] = value


def _cycle(rng, events, places):
    a, b = places.an_id(), places.an_id()
    node = {"type": 2, "tagName": "div", "attributes": {}, "childNodes": []}
    adds = [
        {"parentId": a, "nextId": None, "node": {**node, "id": b}},
        {"parentId": b, "nextId": rng.choice([None, a]), "node": {**node, "id": a}},
    ]
    _insert_mutation(rng, events, {"adds": adds})


def _insert_mutation(rng, events, members):
    place = rng.randrange(len(events) + 1)
    near = events[place - 1].get("timestamp", 0) if isinstance(events[place - 1], dict) else 0
    data = {"source": 0, "adds": [], "removes": [], "texts": [], "attributes": [], **members}
    events.insert(place, {"type": 3, "timestamp": near, "data": data})


def _nest(rng, events, places):
    levels = rng.choice([10, 100, 400, 600, 2_000])
    node = {"type": 3, "id": 10**6, "textContent": "deep"}
    for number in range(levels):
        node = {"type": 2, "id": 10**6 + 1 + number, "tagName": "div", "childNodes": [node]}
    places.an_object("childNodes")["childNodes"] = [node]


def _nest_one_by_one(rng, events, places):
    levels = rng.choice([100, 1_000])
    parents = [places.an_id(), *range(10**7, 10**7 + levels)]
    node = {"type": 2, "tagName": rng.choice(["div", "b", "svg"]), "childNodes": []}
    adds = [
        {"parentId": parent, "nextId": None, "node": {**node, "id": 10**7 + number}}
        for number, parent in enumerate(parents)
    ]
    if rng.random() < 0.2:
        rng.shuffle(adds)
    _insert_mutation(rng, events, {"adds": adds})


def _many_siblings(rng, events, places):
    parent, number = places.an_id(), rng.choice([100, 2_000])
    adds = [
        {
            "parentId": parent,
            "nextId": rng.choice([None, 10**8 + index - 1]),
            "node": {"type": 3, "id": 10**8 + index, "textContent": "x"},
        }
        for index in range(number)
    ]
    removes = [{"parentId": parent, "id": 10**8 + index} for index in range(number)]
    _insert_mutation(rng, events, {"adds": adds})
    _insert_mutation(rng, events, {"removes": removes})


def _odd_text(rng, events, places):
    unit = rng.choice(_ODD_UNITS)
    content = unit * rng.choice([1, 3, 1_000 // len(unit), 30_000 // len(unit)])
    target = places.an_object(
        rng.choice(
            ["textContent", "attributes", "href", "tagName", "text", "value", "tag", "style"]
        )
    )
    texts = [key for key, value in target.items() if isinstance(value, str)]
    target[rng.choice(texts or ["textContent"])] = content
    if isinstance(target.get("attributes"), dict):
        target["attributes"][
            rng.choice(["title", "class", "href", "id", "style", "value", unit])
        ] = content


def _odd_number(rng, events, places):
    for _ in range(rng.randrange(1, 6)):
        target = places.an_object()
        numbers = [key for key, value in target.items() if isinstance(value, int | float)]
        if numbers:
            target[rng.choice(numbers)] = rng.choice(_ODD_NUMBERS)


def _missing_member(rng, events, places):
    for _ in range(rng.randrange(1, 6)):
        target = places.an_object()
        if target:
            del target[rng.choice(list(target))]


def _extra_member(rng, events, places):
    places.an_object()[rng.choice(["new", "", "type", "source", "\ud800", "id"])] = rng.choice(
        _ODD_VALUES
    )


def _odd_value(rng, events, places):
    for _ in range(rng.randrange(1, 6)):
        target = places.an_object()
        if target:
            target[rng.choice(list(target))] = _odd(rng)


def _odd_member_of_a_list(rng, events, places):
    target = rng.choice(places.lists)
    target.insert(rng.randrange(len(target) + 1), _odd(rng))


def _unknown_member_of_an_enum(rng, events, places):
    target = places.an_object(rng.choice(["type", "source", "pointerType"]))
    for key in ("type", "source", "pointerType"):
        if key in target:
            target[key] = rng.choice([-1, 8, 11, 17, 99, "0", 0.5, None, [2]])


def _odd_times(rng, events, places):
    for event in events:
        if isinstance(event, dict) and rng.random() < 0.5:
            event["timestamp"] = rng.choice(
                [0, -1, None, 1e300, -1e300, 1.7e12, 1.7e15, *_ODD_NUMBERS]
            )


def _swap_subtrees(rng, events, places):
    a, b = places.an_object("childNodes"), places.an_object("childNodes")
    # Copies: one of them may stand within the other, and JSON knows no circles.
    of_a, of_b = _copied([a.get("childNodes"), b.get("childNodes")])
    a["childNodes"], b["childNodes"] = of_b, of_a


def _empty_lists(rng, events, places):
    for _ in range(rng.randrange(1, 20)):
        target = rng.choice(places.lists)
        if target is not events:
            target.clear()


def _no_json_number(rng, events, places):
    target = places.an_object(rng.choice(["x", "timestamp", "width", "id", "value"]))
    if target:
        target[rng.choice(list(target))] = rng.choice(list(_NO_JSON))


STRUCTURE = [
    _delete_event,
    _duplicate_event,
    _swap_events,
    _shuffle_events,
    _splice_events,
    _retarget,
    _all_one_id,
    _cycle,
    _nest,
    _nest_one_by_one,
    _many_siblings,
    _odd_text,
    _odd_number,
    _no_json_number,
    _missing_member,
    _extra_member,
    _odd_value,
    _odd_member_of_a_list,
    _unknown_member_of_an_enum,
    _odd_times,
    _swap_subtrees,
    _empty_lists,
]


def _flip_bytes(rng, content):
    for _ in range(rng.randrange(1, 30)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _random_bytes(rng, content):
    place = rng.randrange(len(content))
    content[place:place] = rng.randbytes(rng.randrange(1, 50))


def _cut_out(rng, content):
    start = rng.randrange(len(content))
    del content[start : start + rng.randrange(1, 1_000)]


def _repeat(rng, content):
    start = rng.randrange(len(content))
    content[start:start] = content[start : start + rng.randrange(1, 1_000)]


def _truncate(rng, content):
    del content[rng.randrange(1, len(content)) :]


def _other_digits(rng, content):
    for _ in range(200):
        place = rng.randrange(len(content))
        if 0x30 <= content[place] <= 0x39:
            content[place] = rng.choice(b"0123456789-.eE")


BYTES = [_flip_bytes, _random_bytes, _cut_out, _repeat, _truncate, _other_digits]


def mutant(number):
    """The bytes of the mutant of a number, and the names of its faults."""
    rng = random.Random(number)  # noqa: S311 - no secret
    events = msgspec.json.decode(bases()[number % len(bases())])
    faults = []
    for _ in range(rng.choice([1, 1, 2, 3, 5, 8])):
        if not events:
            break
        fault = rng.choice(STRUCTURE)
        fault(rng, events, _Places(rng, events))
        faults.append(fault.__name__)
    content = bytearray(_written(rng, events))
    if rng.random() < 0.2:
        for fault in rng.sample(BYTES, rng.choice([1, 2])):
            if content:
                fault(rng, content)
                faults.append(fault.__name__)
    return _wrapped(rng, bytes(content)), faults


def _written(rng, events):
    """As JSON: a list, an object with events, or a line for each event."""
    form = rng.random()
    try:
        if form < 0.8:
            text = json.dumps(events)
        elif form < 0.9:
            text = json.dumps({"userId": "u", "events": events})
        else:
            text = "\n".join(json.dumps(event) for event in events)
    except RecursionError:  # nested too deeply for this writer: a text of its own
        text = "[" * 20_000 + "]" * 20_000
    for written, number in _NO_JSON.items():
        text = text.replace(f'"{written}"', number)
    return text.encode()


def _wrapped(rng, content):
    form = rng.random()
    if form < 0.03:
        return gzip.compress(content, 1, mtime=0)
    if form < 0.06:
        return zstandard.compress(content)
    return content.decode(errors="replace").encode("utf-16") if form < 0.08 else content
