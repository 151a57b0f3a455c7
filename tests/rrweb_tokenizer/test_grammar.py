import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_sessions import OddSession
from synthetic import SITES, make_events

from data_prep.limits import DEFAULT_LIMITS
from data_prep.readers import read_sessions
from rrweb_tokenizer import RRWebTokenizer, attributes, grammar
from rrweb_tokenizer.grammar import (
    classes_of,
    illegal_share,
    illegal_successions,
    successor_matrix,
)
from rrweb_tokenizer.grammar_table import CLASSES, FIRST_FIELDS, FOLLOWERS, NEVER_WRITTEN, SETS
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import (
    GROUPS,
    MAX_VOCAB_SIZE,
    NUM_STRUCTURAL,
    STRUCTURAL_IDS,
    STRUCTURAL_TOKENS,
)

SAMPLE = sorted(Path(str(resources.files("data_prep").joinpath("sample"))).glob("*.json.zst"))
HEAD_GROUPS = ("EventType", "IncrementalSource", "MouseInteractions", "MediaInteractions")


@pytest.fixture(scope="module")
def tokenizer() -> RRWebTokenizer:
    return RRWebTokenizer()


def ids_of(words: str) -> list[int]:
    """Ids of tokens without brackets; a lower-case word is some text piece."""
    return [600 if word.islower() else STRUCTURAL_IDS[f"[{word}]"] for word in words.split()]


def encode(tokenizer: RRWebTokenizer, events: list[dict]) -> np.ndarray:
    decoded = decode_events([json.dumps(events).encode()])
    assert decoded.num_rejected == 0, decoded.first_error
    return tokenizer.encode_events(decoded.events).ids


def places(ids: np.ndarray) -> list[str]:
    """Illegal successions with what stands around them, for a readable failure."""
    names = [*STRUCTURAL_TOKENS, "text"]
    return [
        " ".join(names[min(i, NUM_STRUCTURAL)] for i in ids[max(place - 3, 0) : place + 4])
        for place in np.flatnonzero(illegal_successions(ids))
    ]


CLICK = "MI_Click DT_9 REF_NEW TAG_button TXT buy now DEPTH_0-3 NTH_1 X_5 Y_9 PT_Mouse"
KEY = "KEY_HEAD EL_0 VW_1024 VH_600 SDEPTH_0"


@pytest.mark.parametrize(
    ("words", "num_illegal"),
    [
        (CLICK, 0),
        (f"{KEY} {CLICK} {CLICK}", 0),
        (f"CLS {KEY} {CLICK} SEP {KEY} SEP PAD PAD", 0),
        ("CLS KEY_MID EL_2 SEP", 0),  # a window may be cut anywhere
        ("MI_Click DT_9 MASK MASK X_5 MASK PT_Mouse", 0),
        ("X_5 X_6", 1),
        ("IS_Scroll DT_1 NAV", 1),  # a field of another event, told by the head before the time
        ("EV_Meta DT_1 NAV URL PATH", 0),
        ("DIR_3 DIST_4 DT_1 REF_0", 1),
        ("DIR_3 DIST_4 DT_1 DIR_5", 0),
        ("TAB DT_3 NTH_1 EV_Load DT_0", 0),
        ("KEY_MID EL_2 TAB NTH_1 VW_1024 VH_600 SDEPTH_2 URL PATH NO_SNAPSHOT", 0),
        ("MI_Click REF_0", 1),
        ("PAD KEY_HEAD", 1),
        ("KEY_HEAD KEY_HEAD", 1),
        ("TXT UP_1", 1),
        ("TAG_script TAG_div", 0),  # needs no closing: nothing is in it
        ("WRAPPED UP_1", 1),
        ("UNK buy", 1),
    ],
)
def test_successions_are_judged_by_the_table(words, num_illegal) -> None:
    assert illegal_successions(ids_of(words)).sum() == num_illegal


def test_illegal_places_and_their_share_are_told() -> None:
    ids = ids_of("X_5 Y_9 Y_9 PT_Mouse MI_Click")
    assert illegal_successions(ids).tolist() == [False, True, False, False]
    assert illegal_share(ids) == 0.25
    assert illegal_share([]) == illegal_share(ids[:1]) == 0.0


@pytest.mark.parametrize("ids", [[[1, 2]], [0.5, 1.0], [-1, 3], [3, MAX_VOCAB_SIZE], ["a"]])
def test_what_is_no_row_of_ids_is_refused(ids) -> None:
    with pytest.raises(ValueError, match="ids"):
        illegal_successions(ids)


# The table itself.


def named_classes(table: dict[str, str]) -> set[str]:
    return {name for right in table.values() for name in grammar._expand(right)}


def test_every_name_in_the_table_is_a_token_a_class_or_a_set() -> None:
    tokens = {token[1:-1] for token in STRUCTURAL_TOKENS}
    classes = set(classes_of())
    heads = tokens | set(HEAD_GROUPS) | {"distance", "outcome", "tab"}
    assert {token for names in CLASSES.values() for token in names.split()} <= tokens
    assert named_classes(FOLLOWERS) | named_classes(FIRST_FIELDS) <= classes
    assert {name for left in FOLLOWERS for name in grammar._expand(left)} <= classes
    assert set(FIRST_FIELDS) <= heads
    assert not set(SETS) & (classes | tokens)


def test_no_token_stands_in_two_classes() -> None:
    names = [token for names in CLASSES.values() for token in names.split()]
    assert len(names) == len(set(names))


def test_every_class_has_a_row_and_something_that_leads_to_it() -> None:
    classes = set(classes_of())
    rows = {name for left in FOLLOWERS for name in grammar._expand(left)}
    assert classes - rows == {"time delta"}
    framing = {"cls", "sep", "pad", "mask"}
    reached = named_classes(FOLLOWERS) | named_classes(FIRST_FIELDS)
    assert classes - reached - framing == {"never"}


def test_every_head_says_what_may_be_its_first_field() -> None:
    heads = [token[1:-1] for g in GROUPS if g.name in HEAD_GROUPS for token in g.tokens]
    groups = {t[1:-1]: g.name for g in GROUPS for t in g.tokens}
    assert [head for head in heads if not {head, groups[head]} & set(FIRST_FIELDS)] == []


def test_attribute_classes_are_those_of_the_attribute_writer() -> None:
    def names(*classes: str) -> set[str]:
        return {token[3:] for name in classes for token in CLASSES[name].split()}

    named = {token[4:-1] for token in STRUCTURAL_TOKENS if token.startswith("[AT_")}
    assert names("label", "other label") == named & attributes._TEXTS
    assert names("flag", "other flag") == named & attributes._BOOLEANS | {"rr_media"}
    assert names("number") == named & attributes._NUMBERS
    assert names("link", "other link") == named & attributes._URLS
    assert names("source", "other source") == named & attributes._RESOURCES


def test_the_table_forbids_most_pairs() -> None:
    assert successor_matrix().mean() < 0.35
    _, firsts = np.unique(classes_of(), return_index=True)
    assert successor_matrix()[np.ix_(firsts, firsts)].mean() < 0.25


# What is written.


@pytest.mark.parametrize("path", SAMPLE, ids=lambda path: path.name.split(".")[0])
def test_nothing_in_the_sample_is_illegal(path, tokenizer) -> None:
    for session in read_sessions(path, DEFAULT_LIMITS):
        ids = tokenizer.encode_events(decode_events(session.parts).events).ids
        assert len(ids) > 100
        assert places(ids) == []


@pytest.mark.parametrize("site", SITES)
def test_nothing_in_plausible_sessions_is_illegal(site, tokenizer) -> None:
    assert places(encode(tokenizer, make_events(site, 1))) == []


@given(st.integers(0, 2**32), st.sampled_from([(5, 10), (40, 30), (40, 30), (120, 40)]))
def test_nothing_in_odd_sessions_is_illegal(tokenizer, seed, sizes) -> None:
    events = OddSession(seed, num_nodes=sizes[0], num_events=sizes[1]).events
    assert places(encode(tokenizer, events)) == []


@pytest.mark.slow
def test_odd_sessions_reach_every_token_that_is_ever_written(tokenizer) -> None:
    seen = np.zeros(NUM_STRUCTURAL + 1, np.bool_)
    for seed in range(1_000):
        ids = encode(tokenizer, OddSession(seed).events)
        assert places(ids) == []
        seen[np.minimum(ids, NUM_STRUCTURAL)] = True
    unseen = {
        token[1:-1] for token, is_seen in zip(STRUCTURAL_TOKENS, seen, strict=False) if not is_seen
    }
    # These are a matter of numbers, not of grammar; names come from recognisers that users plug in.
    numbers = {"REF_10", "REF_11", "DEPTH_16-23", "DEPTH_24+", "SY_UP_1", "EL_2"}
    assert unseen - numbers - {"V_NAME"} == {
        *("PAD", "CLS", "SEP", "MASK"),
        *NEVER_WRITTEN.split(),
    }


# What is not written.


def test_shuffled_sessions_are_full_of_illegal_successions(tokenizer) -> None:
    rng = np.random.default_rng(0)
    ids = encode(tokenizer, make_events("shop", 2, num_actions=200))
    shuffled = rng.permutation(ids)
    is_structural = np.minimum(shuffled[:-1], shuffled[1:]) < NUM_STRUCTURAL
    assert illegal_successions(shuffled)[is_structural].mean() > 0.6
    assert illegal_share(rng.integers(0, NUM_STRUCTURAL, 10_000)) > 0.65


def test_the_head_of_another_event_shows_unless_it_takes_a_target_too() -> None:
    names = [token[1:-1] for g in GROUPS if g.name in HEAD_GROUPS for token in g.tokens]
    fields = ids_of(CLICK)[1:]
    fits = {name for name in names if illegal_share([STRUCTURAL_IDS[f"[{name}]"], *fields]) == 0.0}
    targeted = {
        "IS_CanvasMutation",
        "IS_MouseInteraction",
        "IS_MediaInteraction",
        "IS_Scroll",
        "IS_Input",
    }
    assert fits == targeted | {name for name in names if name.startswith(("MI_", "ME_"))}


@given(st.integers(0, 2**32), st.integers(1, 600))
def test_windows_of_sessions_are_legal_wherever_they_are_cut(tokenizer, seed, length) -> None:
    rng = np.random.default_rng(seed)
    events = decode_events([json.dumps(OddSession(seed).events).encode()]).events
    session = tokenizer.encode_events(events)
    window = [STRUCTURAL_IDS["[CLS]"]]
    for start in rng.choice(session.keyframes, size=2):
        window += session.ids[start : start + length].tolist()
        window.append(STRUCTURAL_IDS["[SEP]"])
    window += [STRUCTURAL_IDS["[PAD]"]] * int(rng.integers(3))
    assert places(np.array(window)) == []
    is_masked = (rng.random(len(window)) < 0.15) & (np.array(window) > STRUCTURAL_IDS["[MASK]"])
    assert places(np.where(is_masked, STRUCTURAL_IDS["[MASK]"], window)) == []
