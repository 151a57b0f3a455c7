"""Recordings whose cost would grow with the square of their size: 1 s for each MB, and a floor."""

import pytest
from fuzz.test_mutants import encode
from malformed_cases import dump
from rrweb_events import change, click, element, meta, snapshot, text

pytestmark = pytest.mark.fuzz

START = [meta(0), snapshot(1, element(10, "div", element(11, "p", text(12, "a"))))]


def _add(node, parent_id, next_id=None):
    return {"parentId": parent_id, "nextId": next_id, "node": node}


def _chain(levels):
    return [_add(element(100 + n, "b"), 99 + n if n else 10) for n in range(levels)]


def _siblings(number, next_id):
    return [_add(element(100 + n, "i"), 10, next_id(n)) for n in range(number)]


def _deep_texts(levels, number):
    texts = [_add(text(10**6 + n, "a b"), 99 + levels) for n in range(number)]
    changed = [{"id": 10**6 + n, "value": "c d"} for n in range(number)]
    return [
        change(2, 0, adds=_chain(levels)),
        change(3, 0, adds=texts),
        change(4, 0, texts=changed),
    ]


def _options(number):
    return [_add(element(100 + n, "option", value=f"v{n}"), 99) for n in range(number)]


def _removes(number):
    return [{"id": 100 + n, "parentId": 10} for n in range(number)]


SIZES = {
    "20,000 levels": [change(2, 0, adds=_chain(20_000))],
    "20,000 levels, the innermost first": [change(2, 0, adds=_chain(20_000)[::-1])],
    "10,000 siblings before the last one": [
        change(2, 0, adds=_siblings(10_000, lambda n: 100 if n else None))
    ],
    "20,000 siblings, each before the one that comes next": [
        change(2, 0, adds=_siblings(20_000, lambda n: 101 + n))
    ],
    "10,000 siblings removed from the first": [
        change(2, 0, adds=_siblings(10_000, lambda _: None)),
        change(3, 0, removes=_removes(10_000)),
    ],
    "10,000 siblings removed from the last": [
        change(2, 0, adds=_siblings(10_000, lambda _: None)),
        change(3, 0, removes=_removes(10_000)[::-1]),
    ],
    "20,000 times the same node moved": [change(2, 0, adds=[_add(element(11, "p"), 10)] * 20_000)],
    "3,000 clicks at 3,000 levels": [
        change(2, 0, adds=_chain(3_000)),
        *(click(3 + n, 3_099 - n) for n in range(3_000)),
    ],
    "5,000 texts changed at 5,000 levels": _deep_texts(5_000, 5_000),
    "3,000 clicks on 3,000 siblings": [
        change(2, 0, adds=_siblings(3_000, lambda _: None)),
        *(click(3 + n, 100 + n) for n in range(3_000)),
    ],
    "100,000 positions in a batch": [
        change(
            2, 1, positions=[{"x": n, "y": n, "id": n, "timeOffset": -n} for n in range(100_000)]
        )
    ],
    "100,000 turns in a batch": [
        change(
            2,
            1,
            positions=[
                {"x": n % 2 * 9 + n % 7, "y": 0, "id": 11, "timeOffset": n - 100_000}
                for n in range(100_000)
            ],
        )
    ],
    "200 class names of 4,000 digits": [
        change(
            2 + n,
            0,
            attributes=[{"id": 11, "attributes": {"class": f"css-{n}{'1' * 4_000}!"}}],
        )
        for n in range(200)
    ],
    "20,000 choices of 20,000 options": [
        change(2, 0, adds=[_add(element(99, "select"), 10), *_options(20_000)]),
        *(change(3 + n, 5, id=99, text=f"{n}", isChecked=False) for n in range(20_000)),
    ],
    "3,000 mentions of 13 elements beside 20,000 empty ones": [
        change(2, 0, adds=_siblings(20_000, lambda _: None)),
        change(3, 0, adds=[_add(element(n, "b"), 10, 100) for n in range(30, 43)]),
        *(click(4 + n, (10, *range(30, 43))[n % 14]) for n in range(3_000)),
    ],
    "20,000 attributes of a node": [
        change(
            2, 0, attributes=[{"id": 11, "attributes": {f"data-{n}": "a" for n in range(20_000)}}]
        )
    ],
    "a class of 100,000 names": [
        change(2, 0, attributes=[{"id": 11, "attributes": {"class": "a1b2 " * 100_000}}])
    ],
    "a style of a megabyte": [
        change(2, 0, attributes=[{"id": 11, "attributes": {"style": "a:b;" * 250_000}}])
    ],
    "an address of a megabyte": [
        meta(2, "http://a.test/" + "a/" * 500_000),
        meta(3, "/" * 1_000_000),
    ],
    "a megabyte typed": [change(2, 5, id=11, text="4111 1111 " * 100_000, isChecked=False)],
    "a megabyte of a label": [
        change(2, 0, texts=[{"id": 12, "value": "ab 12 " * 180_000}]),
        *(click(3 + n, 11) for n in range(50)),
    ],
    "50,000 custom events": [
        {
            "type": 5,
            "timestamp": 2 + n,
            "data": {"tag": f"t{n % 100}", "payload": {f"k{n % 100}": 1}},
        }
        for n in range(50_000)
    ],
    "a payload of 100,000 keys": [
        {
            "type": 5,
            "timestamp": 2,
            "data": {"tag": "t", "payload": {f"k{n}": n for n in range(100_000)}},
        }
    ],
    "100,000 halves of surrogate pairs": [
        change(2, 0, texts=[{"id": 12, "value": "\ud83d" * 100_000 + "\\" * 100_000}])
    ],
    "100,000 ranges selected": [
        change(2, 14, ranges=[{"start": 12, "startOffset": 0, "end": 12, "endOffset": 1}] * 100_000)
    ],
}


@pytest.mark.parametrize("name", SIZES)
def test_the_cost_grows_with_the_size_alone(name, tmp_path):
    assert encode(dump(*START, *SIZES[name]), name, tmp_path).is_ok
