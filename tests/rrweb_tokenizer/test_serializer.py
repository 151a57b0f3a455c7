import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rrweb_events import WordEncoder, change, click, element, meta, snapshot, text, typed
from serialized_events import encode

from rrweb_tokenizer.chapters import MAX_CHAPTER_IDS
from rrweb_tokenizer.serializer import copy_events, serialize
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS

KEYS = {STRUCTURAL_IDS[f"[KEY_{kind}]"] for kind in ("HEAD", "MID", "TAIL", "CONT")}
BUY = element(10, "button", text(11, "Buy now"), id="buy")
FIELD = element(12, "input", type="email", name="mail")
SELECT = element(
    13, "select", element(14, "option", value="de"), element(15, "option", value="fr"), name="land"
)


def test_a_click_names_the_button_not_its_number() -> None:
    _, events = encode(meta(0), snapshot(1, BUY), click(501, 10))
    assert events[-1] == [
        *("[MI_Click]", "[DT_10]", "[REF_NEW]", "[TAG_button]", "[AT_id]", "buy"),
        *("[TXT]", "Buy", "now", "[DEPTH_0-3]", "[NTH_0]", "[X_10]", "[Y_10]"),
    ]


def test_the_second_click_is_a_pointer_and_the_tag() -> None:
    _, events = encode(meta(0), snapshot(1, BUY, FIELD), click(2, 10), click(3, 12), click(4, 10))
    assert events[-1][2:4] == ["[REF_1]", "[TAG_button]"]


def test_a_page_is_written_in_document_order_with_levels() -> None:
    items = element(20, "ul", element(21, "li", text(22, "one")), element(23, "li"))
    _, events = encode(meta(0), snapshot(1, items, BUY))
    page_words = events[1]
    assert page_words[:3] == ["[EV_FullSnapshot]", "[DT_1]", "[N_8-15]"]
    tail = page_words[page_words.index("[TAG_ul]") :]
    assert tail == [
        *("[TAG_ul]", "[TAG_li]", "one", "[UP_1]", "[TAG_li]"),
        *("[UP_2]", "[TAG_button]", "[AT_id]", "buy", "[TXT]", "Buy", "now"),
    ]


def test_an_identical_snapshot_is_one_token() -> None:
    _, events = encode(meta(0), snapshot(1, BUY), snapshot(60_001, BUY))
    assert events[-1] == ["[EV_FullSnapshot]", "[DT_24]", "[N_4-7]", "[SNAP_SAME]"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("secret words", ["[VAL]", "[N_8-15]"]),
        ("jane.doe@example.com", ["[V_EMAIL]", "[N_16-31]"]),
        ("", ["[V_EMPTY]"]),
    ],
)
def test_what_is_typed_is_a_class_and_a_length_never_characters(value, words) -> None:
    encoder = WordEncoder()
    events = typed(meta(0), snapshot(1, FIELD), change(2, 5, id=12, text=value, isChecked=False))
    session = serialize(events, encoder)
    last = encoder.render(session.ids[int(session.event_starts[-1]) :])
    assert last[last.index("[NTH_0]") + 1 : -1] == words
    assert not set(value.split()) & set(encoder.known)


def test_what_stands_in_a_textarea_or_value_attribute_never_becomes_text() -> None:
    encoder = WordEncoder()
    note = element(30, "textarea", text(31, "private thoughts"))
    serialize(
        typed(
            meta(0),
            snapshot(1, note, element(32, "input", type="text", value="private name")),
            change(2, 0, texts=[{"id": 31, "value": "private again"}]),
            change(3, 0, attributes=[{"id": 32, "attributes": {"value": "private more"}}]),
            change(4, 0, adds=[{"parentId": 30, "nextId": None, "node": text(33, "private too")}]),
            click(5, 30),
        ),
        encoder,
    )
    assert "private" not in encoder.known


def test_edits_choices_and_selections_are_told_apart() -> None:
    box = element(40, "input", type="checkbox")
    _, events = encode(
        meta(0),
        snapshot(1, FIELD, SELECT, box),
        change(2, 5, id=12, text="ab", isChecked=False),
        change(3, 5, id=12, text="a", isChecked=False),
        change(4, 5, id=12, text="", isChecked=False, userTriggered=True),
        change(5, 5, id=13, text="fr", isChecked=False),
        change(6, 5, id=40, text="on", isChecked=True),
    )
    ends = [words[-1] for words in events[2:]]
    assert ends == ["[ED_TYPED]", "[ED_DELETED]", "[IN_USER]", "[NTH_1]", "[IN_CHECKED]"]


def test_a_click_inside_a_batch_of_moves_stands_between_its_positions() -> None:
    positions = [{"x": 100 * i, "y": 0, "id": 10, "timeOffset": -400 + 100 * i} for i in range(5)]
    _, events = encode(
        meta(0), snapshot(1, BUY), click(750, 10), change(1_000, 1, positions=positions)
    )
    heads = [words[0] for words in events]
    assert heads[2:] == ["[IS_MouseMove]", "[MI_Click]", "[IS_MouseMove]"]
    assert events[2][-5:-2] != events[4][-5:-2]


def test_an_animation_is_one_event_and_a_count() -> None:
    frames = [
        change(10 + i, 0, attributes=[{"id": 10, "attributes": {"style": f"left: {i}px"}}])
        for i in range(20)
    ]
    session, events = encode(meta(0), snapshot(1, BUY), *frames)
    assert len(events) == 3
    assert events[-1][-2:] == ["[MUT_REPEAT]", "[N_16-31]"]
    assert session.counts["joined repeats"] == 19
    assert session.num_events == 22


def test_removed_and_unknown_targets_have_tokens_of_their_own() -> None:
    _, events = encode(
        meta(0),
        snapshot(1, BUY),
        change(2, 0, removes=[{"parentId": 4, "id": 10}]),
        click(3, 10),
        click(4, 999),
    )
    assert [words[2] for words in events[-2:]] == ["[REF_GONE]", "[REF_UNK]"]


def test_query_values_and_ids_in_addresses_are_not_kept() -> None:
    url = "http://shop.test/order/4f9a8b7c6d5e4f3a2b1c/edit?token=s3cr3t&step=2#done"
    encoder = WordEncoder()
    serialize(typed(meta(0, url)), encoder)
    assert set(encoder.known) == {"shop.test", "order", "edit", "token", "step", "done"}


def test_every_head_is_an_event_and_times_ascend() -> None:
    session, _ = encode(meta(0), snapshot(1, BUY), click(9, 10), click(5, 10))
    assert session.event_times_ms.tolist() == [0, 1, 5, 9]
    assert np.all(np.diff(session.event_starts.astype(int)) > 0)


def test_events_without_a_snapshot_say_so_at_the_keyframe() -> None:
    _, events = encode(click(5, 10))
    assert events == [["[MI_Click]", "[DT_0]", "[REF_UNK]", "[X_7]", "[Y_11]"]]
    session, _ = encode(click(5, 10))
    assert STRUCTURAL_IDS["[NO_SNAPSHOT]"] in session.ids[: session.event_starts[0]]


def large_session(num_rows: int, num_clicks: int) -> list[dict]:
    rows = [
        element(100 + 3 * i, "p", element(101 + 3 * i, "a", text(102 + 3 * i, f"row {i} here")))
        for i in range(num_rows)
    ]
    clicks = [click(10 + i, 101 + 3 * (i * 7 % num_rows)) for i in range(num_clicks)]
    return [meta(0), snapshot(1, *rows), *clicks]


@given(st.integers(1, 400), st.integers(0, 200))
def test_chapters_open_with_keyframes_and_hold_at_most_512_ids(num_rows, num_clicks) -> None:
    session = serialize(typed(*large_session(num_rows, num_clicks)), WordEncoder())
    assert session.keyframes[0] == 0
    assert {int(session.ids[start]) for start in session.keyframes} <= KEYS
    lengths = np.diff(np.append(session.keyframes, len(session.ids)))
    assert lengths.max() <= MAX_CHAPTER_IDS
    assert len(session.event_starts) == 2 + num_clicks


def test_a_long_page_goes_on_in_the_next_chapters_and_the_end_is_marked() -> None:
    session = serialize(typed(*large_session(300, 200)), WordEncoder())
    names = [STRUCTURAL_TOKENS[session.ids[start]] for start in session.keyframes]
    assert names[:3] == ["[KEY_HEAD]", "[KEY_CONT]", "[KEY_CONT]"]
    assert names[-1] == "[KEY_TAIL]"


def test_no_reference_reaches_back_over_a_keyframe() -> None:
    session = serialize(typed(*large_session(30, 300)), WordEncoder())
    first, last = STRUCTURAL_IDS["[REF_0]"], STRUCTURAL_IDS["[REF_11]"]
    bounds = [*session.keyframes.tolist(), len(session.ids)]
    for start, stop in itertools.pairwise(bounds):
        known = 0
        for token_id in session.ids[start:stop].tolist():
            if token_id == STRUCTURAL_IDS["[REF_NEW]"]:
                known += 1
            elif first <= token_id <= last:
                assert token_id - first < known


def test_a_page_over_its_cap_loses_containers_and_text_before_what_can_be_clicked() -> None:
    rows = [
        element(100 + 4 * i, "p", text(101 + 4 * i, " ".join(["word"] * 20))) for i in range(200)
    ]
    buttons = [element(2_000 + i, "button") for i in range(100)]
    session, events = encode(meta(0), snapshot(1, *rows, *buttons))
    assert events[1].count("[TAG_button]") == 100
    assert 1_000 < len(events[1]) < 1_700
    assert events[1][-2:] == ["[ELIDED]", "[N_256-1023]"]
    assert session.counts["elided nodes"] > 0


def test_copied_events_leave_the_originals_as_they_are() -> None:
    events = typed(
        meta(0),
        snapshot(1, BUY, FIELD),
        change(2, 0, adds=[{"parentId": 10, "nextId": None, "node": element(50, "b")}]),
        change(3, 0, removes=[{"parentId": 4, "id": 12}]),
        change(4, 0, adds=[{"parentId": 50, "nextId": None, "node": element(51, "i")}]),
        click(5, 51),
    )
    first = serialize(copy_events(events), WordEncoder())
    second = serialize(copy_events(events), WordEncoder())
    assert first.ids.tolist() == second.ids.tolist()
    assert first.ids.tolist() == serialize(events, WordEncoder()).ids.tolist()


@pytest.mark.parametrize("odd", [{"a": 1}, [1], True, None, 1e300, ""])
def test_odd_attribute_values_are_written_or_left_out_never_raised(odd) -> None:
    names = ("role", "type", "class", "href", "style", "value", "tabindex", "src", "id")
    field = element(10, "input", **dict.fromkeys(names, odd))
    added = {"parentId": 4, "nextId": None, "node": element(20, "div", role=odd)}
    _, events = encode(
        meta(0),
        snapshot(1, field),
        change(2, 0, adds=[added]),
        change(3, 0, attributes=[{"id": 10, "attributes": dict.fromkeys(names, odd)}]),
        click(4, 10),
    )
    assert len(events) == 5


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            change(1, 7, type=3, id=10, volume=0.25, muted=True, currentTime=9),
            ["[ME_VolumeChange]", "[DT_1]", "[N_16-31]", "[MUTED]"],
        ),
        (
            change(1, 7, type=0, id=10, currentTime=9, playbackRate=1),
            ["[ME_Play]", "[DT_1]", "[N_8-15]"],
        ),
        (change(1, 7, type=4, id=10, playbackRate=2), ["[ME_RateChange]", "[DT_1]", "[N_128-255]"]),
        (change(1, 7, type=9, id=10), ["[IS_MediaInteraction]", "[DT_1]"]),
        (change(1, 9, id=10, type=2, commands=[{}, {}]), ["[IS_CanvasMutation]", "[CV_WebGL2]"]),
        (change(1, 8, id=10, replace="a{}"), ["[N_0]", "[N_0]", "[ED_REPLACED]"]),
        (
            change(1, 13, id=10, set={"property": "display", "value": "none"}),
            ["[IS_StyleDeclaration]", "[DT_1]", "[MUT_STYLE]", "[ST_HIDE]"],
        ),
        (
            change(1, 16, define={"name": "shop-cart"}),
            ["[IS_CustomElement]", "[DT_1]", "shop-cart"],
        ),
        (change(1, 11, level="assert"), ["[IS_Log]", "[DT_1]", "[CON_error]"]),
        (change(1, 10, family="Inter"), ["[IS_Font]", "[DT_1]"]),
        (change(1, 99), ["[EV_Incremental]", "[DT_1]"]),
        ({"type": 77, "timestamp": 1}, ["[EV_UNKNOWN]", "[DT_1]"]),
        (
            {
                "type": 7,
                "timestamp": 1,
                "data": {"url": "/a/font.woff2", "failed": {"status": 503}},
            },
            ["[EV_Asset]", "[DT_1]", "[R_FONT]", "[NET_5xx]"],
        ),
        (
            {"type": 8, "timestamp": 1, "data": {"type": "caption", "text": "Look here"}},
            ["[EV_Annotation]", "[DT_1]", "caption", "[TXT]", "Look", "here"],
        ),
    ],
)
def test_a_rare_event_is_told_by_its_own_tokens(event: dict, words: list[str]) -> None:
    _, events = encode(meta(0), event)
    told = [word for word in events[-1] if word in words]
    assert told == words


def test_network_requests_are_method_initiator_outcome_and_duration_never_addresses() -> None:
    request = {"name": "http://shop.test/api/secret", "method": "post", "initiatorType": "fetch"}
    failed = {**request, "responseStatus": 0}
    slow = {**request, "status": 201, "duration": 40_000}
    data = {"plugin": "rrweb/network@1", "payload": {"requests": [slow, failed, "odd"]}}
    _, events = encode(meta(0), {"type": 6, "timestamp": 1, "data": data})
    assert events[-1] == [
        *("[EV_Plugin]", "[DT_1]", "[N_2]"),
        *("[NET_POST]", "[NI_fetch_xhr]", "[NET_2xx]", "[DT_23]"),
        *("[NET_POST]", "[NI_fetch_xhr]", "[NET_FAIL]"),
    ]


def test_a_drawing_canvas_is_one_event_and_a_count() -> None:
    drawing = [change(n, 9, id=10, type=0, property="fill", args=[]) for n in range(2, 42)]
    _, events = encode(meta(0), snapshot(1, BUY), *drawing, click(50, 10))
    assert events[2][-2:] == ["[MUT_REPEAT]", "[N_32-63]"]
    assert [event[0] for event in events] == [
        *("[EV_Meta]", "[EV_FullSnapshot]", "[IS_CanvasMutation]", "[MI_Click]"),
    ]


def test_an_option_in_a_group_is_told_by_its_place() -> None:
    group = element(42, "optgroup", element(43, "option", text(44, "Blue")))
    select = element(40, "select", element(41, "option", value="red"), group)
    chosen = change(2, 5, id=40, text="Blue", isChecked=False)
    _, events = encode(meta(0), snapshot(1, select), chosen)
    assert events[-1][-1] == "[NTH_1]"


def test_keyframes_tell_how_far_the_page_is_scrolled() -> None:
    many = [click(n * 10, 12) for n in range(100)]
    session, _ = encode(meta(0), snapshot(1, FIELD), change(2, 3, id=1, x=0, y=2000), *many)
    depth = STRUCTURAL_TOKENS[session.ids[int(session.keyframes[1]) + 4]]
    assert depth == "[SDEPTH_3]"


def test_comments_and_code_that_change_or_are_selected_are_not_text() -> None:
    comment = {"type": 5, "id": 21, "textContent": "old"}
    body = element(20, "div", comment, element(22, "style", text(23, "p { margin: 0 }")))
    texts = [{"id": 21, "value": "secret note"}, {"id": 20, "value": "no text node"}]
    selected = {"start": 23, "startOffset": 0, "end": 23, "endOffset": 1}
    _, events = encode(
        meta(0), snapshot(1, body), change(2, 0, texts=texts), change(3, 14, ranges=[selected])
    )
    assert events[2] == ["[IS_Mutation]", "[DT_1]"]
    assert events[3][2:] == ["[N_1]", "[REF_NEW]", "[NT_Text]", "[DEPTH_4-7]", "[NTH_0]", "[N_1]"]


def test_what_is_added_to_a_blocked_element_is_not_read() -> None:
    blocked = element(20, "div") | {"needBlock": True}
    adds = [
        {"parentId": 20, "nextId": None, "node": element(21, "p", text(22, "private words"))},
        {"parentId": 20, "nextId": None, "node": text(23, "private text")},
    ]
    _, events = encode(meta(0), snapshot(1, blocked), change(2, 0, adds=adds), click(3, 21))
    words = {word for event in events for word in event}
    assert words.isdisjoint(("private", "words", "text"))


def test_unknown_targets_of_joined_repeats_are_counted_too() -> None:
    frames = [
        change(10 + i, 0, attributes=[{"id": 99, "attributes": {"style": "left: 0"}}])
        for i in range(3)
    ]
    session, _ = encode(meta(0), snapshot(1, BUY), *frames)
    assert session.counts["unknown targets"] == 3


words_or_nothing = st.text("ab ", max_size=40)


@given(
    hrefs=st.lists(words_or_nothing, min_size=1, max_size=12),
    label=st.text("abc ", min_size=1, max_size=60),
)
def test_no_chapter_is_longer_than_512_ids_however_long_its_targets_are(hrefs, label) -> None:
    """Mutations told of many targets with as much to say as a target can have."""
    names = "aria-label name placeholder data-testid href id title alt".split()
    links = [
        element(
            100 + n,
            "a",
            text(200 + n, label * 9),
            type="text",
            role="button",
            **{name: f"http://{'h.' * 9}x/{'/'.join(href * 5)}?{href}=1#{href}" for name in names},
        )
        for n, href in enumerate(hrefs)
    ]
    changed = [
        {"id": 100 + n, "attributes": {"hidden": str(n % 2), "title": label}}
        for n in range(len(hrefs))
    ]
    events = [change(10 + n, 0, attributes=changed) for n in range(6)]
    session, _ = encode(meta(0, f"http://{'h.' * 40}/{'p/' * 40}"), snapshot(1, *links), *events)
    ends = [*session.keyframes.tolist(), len(session.ids)]
    assert max(b - a for a, b in itertools.pairwise(ends)) <= MAX_CHAPTER_IDS
    assert not {int(session.ids[start]) for start in session.event_starts} & KEYS
