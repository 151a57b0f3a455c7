import itertools
import re

import pytest
from odd_sessions import adds_of
from rrweb_events import (
    WordEncoder,
    change,
    click,
    element,
    meta,
    snapshot,
    text,
    typed,
)

from rrweb_bert.sample_plan import sample_directory
from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.serializer import serialize
from rrweb_tokenizer.structural_vocab import (
    GROUPS,
    MAX_VOCAB_SIZE,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
)
from rrweb_tokenizer.telling import phrases
from rrweb_tokenizer.telling.parser import parse_ids
from rrweb_tokenizer.telling.reader import VALUE_NAMES
from rrweb_tokenizer.telling.records import Event, Keyframe, Target
from rrweb_tokenizer.telling.told import verbs_of
from rrweb_tokenizer.transcript import Entry, entries, text_lines

BUY = element(10, "button", text(11, "Add to cart"))
FIELD = element(12, "input", type="search", aria_label="Search")
COOKIES = element(20, "dialog", element(21, "button", text(22, "Accept")), aria_label="Cookies")
VISIT = [
    meta(0, "http://shop.test/item/4711?ref=1"),
    snapshot(5, element(5, "h1", text(6, "Red shoe")), BUY, FIELD),
    click(3_200, 10),
    change(5_000, 5, id=12, text="hello", isChecked=False),
    change(7_100, 3, id=1, x=0, y=1_200),
    change(9_800, 0, adds=adds_of(COOKIES, 4)),
    click(250_000, 21),
    click(250_900, 10),
    change(251_000, 0, removes=[{"id": 20, "parentId": 4}]),
    change(251_100, 0, attributes=[{"id": 10, "attributes": {"disabled": True, "title": None}}]),
    change(251_200, 0, texts=[{"id": 11, "value": "Added"}]),
    change(251_400, 4, width=400, height=900),
    {"type": 5, "timestamp": 252_000, "data": {"tag": "checkout", "payload": {"plan": 1}}},
    meta(253_000, "http://shop.test/cart"),
]


@pytest.fixture(scope="module")
def tokenizer() -> RRWebTokenizer:
    return RRWebTokenizer()


def encode(*events: dict) -> tuple[EncodedSession, dict]:
    """A session, and what `entries` needs to tell it."""
    encoder = WordEncoder()
    session = serialize(typed(*events), encoder)
    words = {token_id: word for word, token_id in encoder.known.items()}
    return session, {"decode": lambda ids: " ".join(words.get(i, "?") for i in ids)}


def told(*events: dict, with_times: bool = True, **options) -> list[Entry]:
    session, needed = encode(*events)
    if with_times:
        needed |= {"event_starts": session.event_starts, "event_times_ms": session.event_times_ms}
    return entries(session.ids.tolist(), **needed, **options)


def lines(*events: dict, **options) -> list[str]:
    return [re.sub(" {2,}", " ", line.strip()) for line in text_lines(told(*events, **options))]


def ids_of(words: str) -> list[int]:
    return [STRUCTURAL_IDS[f"[{word}]"] for word in words.split()]


def no_words(ids: list[int]) -> str:
    return "word " * len(ids)


# A visit as a person would tell it.


def test_a_visit_reads_as_a_person_would_tell_it() -> None:
    assert lines(*VISIT)[1:] == [
        "0:00.0 goes to shop.test/item/<number>?ref: viewport 768+ x 800+ px",
        '0:00.0 page shown 1 button, 1 field; heading "Red shoe"; 8 to 15 nodes',
        '0:03.2 clicks button "Add to cart", at the centre',
        '0:05.0 types into search field "Search": now 4 to 7 characters',
        "0:07.1 scrolls down more than a viewport; 1 to 2 viewports deep",
        '0:09.8 page changes + 1 node; + dialog "Cookies" with 1 more inside, '
        'in body "Red shoe Add to cart Accept"',
        "(4 minutes pass)",
        '4:10.0 clicks button "Accept", at the centre',
        '4:10.9 clicks button "Add to cart", at the centre',
        "4:11.0 page changes - 1 node, first dialog",
        '4:11.1 page changes button "Add to cart": disabled = true, no title',
        '4:11.2 page changes button "Add to cart" says "Added"',
        "4:11.4 resizes viewport under 480 x 800+ px",
        '4:12.0 custom event "checkout": with plan',
        "4:13.0 goes to shop.test/cart: viewport 768+ x 800+ px",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (change(9, 2, type=6, id=10), 'leaves button "Add to cart"'),
        (change(9, 2, type=77, id=999), "unknown action unknown element"),
        (
            change(9, 2, type=7, id=10, x=990, y=1, pointerType=2),
            'touches button "Add to cart", at the top right: with a finger',
        ),
        (
            change(9, 3, id=10, x=40, y=0),
            'scrolls in button "Add to cart": to the right; near the top',
        ),
        (change(9, 5, id=12, text=""), 'clears search field "Search"'),
        (
            change(9, 5, id=12, text="jane@example.com", userTriggered=False),
            'types into search field "Search": now an e-mail address, 16 to 31 characters; '
            "by a script",
        ),
        (change(9, 7, type=1, id=10, currentTime=3), 'pauses button "Add to cart": 3 seconds in'),
        (
            change(9, 7, type=3, id=10, volume=0.02, muted=True),
            'sets volume button "Add to cart": 2%; muted',
        ),
        (change(9, 9, id=10, type=1), 'canvas drawn button "Add to cart": WebGL; 1'),
        (change(9, 8, id=1, replace="a{}"), "style rules 0; 0; replaced as a whole"),
        (change(9, 10, family="x"), "font loaded"),
        (change(9, 11, level="error"), "console reports an error"),
        (change(9, 13, id=1, set={"property": "width"}), "style rules change; size"),
        (change(9, 14, ranges=[]), "selects nothing"),
        (
            change(9, 14, ranges=[{"start": 11, "startOffset": 0, "end": 11, "endOffset": 3}]),
            'selects in text "Add to cart": 3 characters',
        ),
        (
            change(9, 14, ranges=[{"start": 11, "startOffset": 0, "end": 12, "endOffset": 0}]),
            'selects from text "Add to cart" to search field "Search"',
        ),
        (
            {"type": 8, "timestamp": 9, "data": {"type": "caption", "text": "Look here"}},
            'note "caption"; "Look here"',
        ),
        (change(9, 99), "unknown change"),
        ({"type": 42, "timestamp": 9, "data": {}}, "unknown event"),
        ({"type": 7, "timestamp": 9, "data": {"url": "a.png"}}, "asset image"),
        (
            {"type": 5, "timestamp": 9, "data": {"tag": "tab", "payload": "hidden"}},
            'custom event "tab": page hidden',
        ),
        (
            {
                "type": 6,
                "timestamp": 9,
                "data": {"plugin": "rrweb/network@1", "payload": {"requests": [{"status": 404}]}},
            },
            "plugin 1; GET; for a resource; is refused",
        ),
        (snapshot(9, BUY, FIELD), "page shown as before; 4 to 7 nodes"),
    ],
)
def test_every_kind_of_event_has_its_words(event, line) -> None:
    assert lines(meta(0), snapshot(1, BUY, FIELD), event)[-1] == f"0:00.0 {line}"


def test_repeats_are_told_with_their_number() -> None:
    frames = [change(10 + i, 9, id=10, type=0) for i in range(3)]
    assert lines(meta(0), snapshot(1, BUY), *frames)[-1].endswith("2D; 1; 2 times more")
    assert lines(meta(0), snapshot(1, BUY), *frames[:2])[-1].endswith("2D; 1; once more")


def test_a_change_of_window_is_told_and_forgets_what_was_mentioned() -> None:
    first = [{**event, "windowId": "a"} for event in (meta(0), snapshot(1, BUY), click(2, 10))]
    other = [{**event, "windowId": "b"} for event in (meta(3), snapshot(4, FIELD))]
    back = {**click(5, 10), "windowId": "a"}
    found = lines(*first, *other, back)
    assert found[4] == "0:00.0 goes to tab 2"
    assert found[-2:] == [
        "0:00.0 goes to tab 1",
        '0:00.0 clicks button "Add to cart", at the centre',
    ]
    ids = ids_of("MI_Click DT_0 REF_NEW TAG_a DEPTH_0-3 NTH_0 TAB DT_0 NTH_1 MI_Click DT_0 REF_0")
    assert entries(ids, no_words)[-1].told.target == "element [REF_0]"


def test_a_keyframe_tells_the_window_and_how_far_its_page_is_scrolled() -> None:
    ids = ids_of("KEY_MID EL_2 TAB NTH_1 VW_1024 VH_600 SDEPTH_2 URL PATH NO_SNAPSHOT")
    (keyframe,) = entries([*ids, *ids_of("TAB DT_0 NTH_0")], no_words)[:-1]
    assert keyframe.told.details == (
        *("tab 2", "viewport 1024+ x 600+ px", "1 to 2 viewports deep"),
        "what the page shows is not known",
    )


def test_choices_are_told_by_their_place_and_ticks_by_their_state() -> None:
    land = element(30, "select", element(31, "option", value="de"), name="land")
    box = element(32, "input", type="checkbox", name="news")
    found = lines(
        meta(0),
        snapshot(1, land, box),
        change(2, 5, id=30, text="de"),
        change(3, 5, id=32, isChecked=True),
        change(4, 5, id=32, isChecked=False),
    )
    assert [line.partition(" ")[2] for line in found[-3:]] == [
        'chooses in drop-down "land": option 1 of the list',
        'ticks checkbox "news"',
        'unticks checkbox "news"',
    ]


def test_moves_in_a_row_are_told_once_with_the_last_place() -> None:
    moves = [
        change(100 * i, 1, positions=[{"x": 100 * i, "y": 50, "id": 10, "timeOffset": 0}])
        for i in range(1, 9)
    ]
    found = lines(meta(0), snapshot(1, BUY), *moves, click(2_000, 10))
    assert found[-2:] == [
        "0:00.1 moves mouse to the top right (8 times, until 0:00.8)",
        '0:02.0 clicks button "Add to cart", at the centre',
    ]


def test_a_whole_page_is_told_node_by_node_when_asked_for() -> None:
    (shown,) = [e for e in told(*VISIT[:2], full=True) if e.told.action == "page shown"]
    assert shown.outline == (
        "html",
        "  head",
        "  body",
        "    heading",
        '      "Red shoe"',
        "    button",
        '      "Add to cart"',
        '    search field "Search"',
    )


def test_long_mutations_are_cut_short_unless_all_is_asked_for() -> None:
    boxes = [element(100 + i, "input", type="checkbox", name=f"box{i}") for i in range(6)]
    changes = [{"id": 100 + i, "attributes": {"checked": True}} for i in range(6)]
    events = [meta(0), snapshot(1, *boxes), change(2, 0, attributes=changes)]
    assert lines(*events)[-1].endswith("; and 3 more")
    assert lines(*events, full=True)[-1].count("checked = true") == 6


# References.


def test_a_reference_is_what_was_described_when_it_was_first_mentioned() -> None:
    session, needed = encode(*VISIT)
    records = parse_ids(session.ids.tolist(), **needed)
    targets = [
        [field for field in record.fields if isinstance(field, Target)]
        for record in records
        if isinstance(record, Event) and record.head == "[MI_Click]"
    ]
    assert [target.reference for (target,) in targets] == ["[REF_NEW]", "[REF_NEW]", "[REF_3]"]
    assert targets[0][0].element == targets[2][0].element
    assert targets[2][0].tag == "[TAG_button]"


def test_references_start_anew_at_keyframes_and_pages() -> None:
    described = "REF_NEW TAG_button DEPTH_0-3 NTH_0"
    for between in ("KEY_MID EL_0 VW_1024 VH_600", "EV_FullSnapshot DT_0 N_3 TAG_html", "SEP"):
        ids = ids_of(f"MI_Click DT_0 {described} {between} MI_Click DT_0 REF_0 TAG_a")
        last = entries(ids, no_words)[-1]
        assert last.told.target == "link [REF_0]"
    ids = ids_of(f"MI_Click DT_0 {described} MI_Click DT_0 REF_0 TAG_button")
    assert entries(ids, no_words)[-1].told.target == "button"


def test_a_session_tells_the_same_from_any_keyframe_on() -> None:
    rows = [
        element(100 + 3 * i, "p", element(101 + 3 * i, "a", text(102 + 3 * i, f"row {i}")))
        for i in range(40)
    ]
    clicks = [click(10 + i, 101 + 3 * (i * 7 % 40)) for i in range(150)]
    session, needed = encode(meta(0), snapshot(1, *rows), *clicks)
    ids = session.ids.tolist()
    whole = {e.record.start: e.told for e in entries(ids, **needed)}
    starts = session.keyframes.tolist()
    assert len(starts) > 3
    for start in starts[1:]:
        part = entries(ids[start:], **needed)
        clicked = [e for e in part if isinstance(e.record, Event) and e.record.head == "[MI_Click]"]
        assert clicked
        assert all(whole[start + e.record.start] == e.told for e in clicked)
        assert not any("[REF" in e.told.target for e in clicked)


# Times.


def test_times_are_those_of_the_recording_or_estimates_marked_as_such() -> None:
    exact = [entry.elapsed_ms for entry in told(*VISIT) if isinstance(entry.record, Event)]
    assert exact[:3] == [0, 5, 3_200]
    estimated = told(*VISIT, with_times=False)
    assert all(entry.is_estimate for entry in estimated)
    last = estimated[-1].elapsed_ms
    assert 0.5 < last / 253_000 < 4
    assert list(text_lines(estimated))[1].lstrip().startswith("~0:00.0")


def test_a_window_begins_at_the_time_of_its_keyframe() -> None:
    ids = ids_of("CLS KEY_MID EL_4 VW_1024 VH_600 EV_Load DT_0 SEP KEY_HEAD EL_0 EV_Load DT_0 SEP")
    found = [line.split()[0] for line in text_lines(entries(ids, no_words))]
    assert found == ["~1:00.0", "~1:00.0", "~0:00.0", "~0:00.0", "~0:00.0"]


@pytest.mark.parametrize("time_ms", [1e308, -1e308, 0.0])
def test_absurd_times_are_told_too(time_ms) -> None:
    assert len(lines(meta(-1e308), meta(time_ms, "http://a.test/"))) >= 3


# Anything at all.


def test_what_does_not_fit_is_shown_as_it_is() -> None:
    (entry,) = entries(ids_of("MI_Click DT_0 REF_GONE NAV X_3 Y_3 V_EMPTY DT_4"), no_words)
    assert entry.told.target == "element that is gone"
    assert entry.told.details == ("? [NAV] [V_EMPTY] [DT_4]",)


def test_masked_tokens_stay_visible() -> None:
    (entry,) = entries(ids_of("MI_Click DT_0 MASK X_3 Y_3"), no_words)
    assert entry.told.details == ("? [MASK]",)


def test_ids_outside_the_vocabulary_are_refused() -> None:
    for outside in (-1, MAX_VOCAB_SIZE):
        with pytest.raises(ValueError, match="outside"):
            entries([outside], no_words)


# What pages and models could do to a terminal.


# The words.


def test_phrases_are_there_for_all_heads_values_and_bins() -> None:
    tokens = {group.name: group.tokens for group in GROUPS}
    heads = itertools.chain(
        *(tokens[name] for name in ("EventType", "IncrementalSource", "MouseInteractions")),
        tokens["MediaInteractions"],
    )
    assert set(phrases.ACTIONS) == {*heads, "[TAB]"}
    assert set(tokens["value class"]) <= set(phrases.VALUES)
    assert set(tokens["value class"]) == set(VALUE_NAMES)
    assert len(phrases.DISTANCES_PX) == len(tokens["distance"])
    assert len(phrases.DIRECTIONS) * 2 == len(tokens["direction"])
    assert len(phrases.SCROLL_DEPTHS) == len(tokens["scroll depth"])
    assert len(phrases.SCROLL_STEPS) == sum("DOWN" in token for token in tokens["scroll"])
    assert set(phrases.MARKS) <= set(STRUCTURAL_TOKENS)


def test_every_event_is_told_by_a_verb_of_its_kind(tokenizer) -> None:
    told_of: dict[str, set[str]] = {}
    for path in sorted(sample_directory().glob("*.json.zst"))[::4]:
        session = tokenizer.encode_session(path)
        starts, times = session.event_starts.tolist(), session.event_times_ms.tolist()
        found = entries(
            session.ids.tolist(),
            tokenizer.text_model.decode_plain,
            event_starts=starts,
            event_times_ms=times,
        )
        for entry in found:
            if isinstance(entry.record, Event) and entry.record.head:
                told_of.setdefault(entry.record.head, set()).add(entry.told.action)
    for head, actions in told_of.items():
        # "scrolls" has its direction behind it.
        assert all(action.startswith(verbs_of(head)) for action in actions), (head, actions)
    assert {"types", "chooses", "clears"} <= told_of["[IS_Input]"]


def test_a_kind_of_several_verbs_names_them_all() -> None:
    assert verbs_of("[MI_Click]") == ("clicks",)
    assert verbs_of("[EV_Meta]") == ("goes to", "stays on")
    assert verbs_of("[IS_Input]")[:3] == ("types", "deletes", "replaces")
    assert "chooses" in verbs_of("[IS_Input]")


def test_keyframes_within_a_page_do_not_end_it() -> None:
    rows = [element(100 + i, "a", title=f"link number {i}") for i in range(150)]
    session, needed = encode(meta(0), snapshot(1, *rows))
    records = parse_ids(session.ids.tolist(), **needed)
    (shown,) = [r for r in records if isinstance(r, Event) and r.head == "[EV_FullSnapshot]"]
    within = [r for r in records if isinstance(r, Keyframe) and r.key == "[KEY_CONT]"]
    assert len(within) >= 1
    assert shown.stop == len(session.ids)
