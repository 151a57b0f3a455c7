import json

import numpy as np
import pytest
import torch
from rrweb_events import typed
from synthetic import make_events
from transformers import BatchEncoding, DataCollatorForLanguageModeling, DataCollatorWithPadding

from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import CLS_ID, PAD_ID, SEP_ID

TRACES = ("overflow_to_sample_mapping", "window_starts", "event_spans", "event_times_ms")


@pytest.fixture(scope="module")
def tokenizer():
    return RRWebTokenizer()


@pytest.fixture(scope="module")
def events():
    return make_events("shop", 1, num_actions=400)


@pytest.fixture(scope="module")
def session(tokenizer, events):
    return tokenizer.encode_session(events)


@pytest.fixture(scope="module")
def short(tokenizer):
    return tokenizer.encode_session(make_events("news", 2, num_actions=4)[:4])


def windows(tokenizer, inputs, **options):
    given = {"truncation": True, "max_length": 512, "return_overflowing_tokens": True}
    return tokenizer(inputs, **(given | options))


def test_every_form_of_a_session_gives_the_same_windows(tokenizer, events, session, tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(events))
    forms = [path, path.read_bytes(), events, tuple(events), typed(*events), session]
    forms.append({"events": events})
    expected = windows(tokenizer, session)
    for form in forms:
        found = windows(tokenizer, form)
        assert found["input_ids"] == expected["input_ids"]
        assert found["window_starts"] == expected["window_starts"]
    batch = windows(tokenizer, forms)
    assert batch["input_ids"] == expected["input_ids"] * len(forms)
    num_windows = len(expected["input_ids"])
    assert batch["overflow_to_sample_mapping"] == [
        number for number in range(len(forms)) for _ in range(num_windows)
    ]


def test_windows_are_framed_and_start_at_keyframes(tokenizer, session):
    encoding = windows(tokenizer, session, max_length=1024, stride=64)
    assert len(encoding["input_ids"]) > 2
    for row, start in zip(encoding["input_ids"], encoding["window_starts"], strict=True):
        assert row == [CLS_ID, *session.ids[start : start + len(row) - 2].tolist(), SEP_ID]
        assert len(row) <= 1024
        assert start in session.keyframes


def test_a_place_in_a_window_leads_back_to_a_moment(tokenizer, events, session):
    encoding = windows(tokenizer, session, padding=True, return_tensors="pt")
    seen = set()
    for row, spans, times in zip(
        encoding["input_ids"], encoding["event_spans"], encoding["event_times_ms"], strict=True
    ):
        for (event, start, stop), time_ms in zip(spans, times, strict=True):
            whole = session.ids[session.event_starts[event] :].tolist()
            part = row[start:stop].tolist()
            if start > 1:  # not cut on the left
                assert part == whole[: len(part)]
            assert session.event_times_ms[event] == time_ms
            seen.add(event)
    assert seen == set(range(len(session.event_starts)))
    # Moves count from their first position, which was before the event's own timestamp.
    clicks = {e["timestamp"] for e in events if e["data"].get("source") == 2}
    assert clicks <= {int(t) for times in encoding["event_times_ms"] for t in times}


@pytest.mark.parametrize("side", ["left", "right"])
def test_spans_count_padding_on_either_side(tokenizer, session, short, side):
    options = {"padding": "max_length", "padding_side": side}
    encoding = windows(tokenizer, [short, session], **options)
    assert {len(row) for row in encoding["input_ids"]} == {512}
    for row, spans in zip(encoding["input_ids"], encoding["event_spans"], strict=True):
        event, start, stop = spans[-1]
        whole = session if encoding["overflow_to_sample_mapping"] == 1 else None
        assert PAD_ID not in row[start:stop]
        assert CLS_ID not in row[start:stop]
        assert whole is None or row[start] == whole.ids[whole.event_starts[event]]
    first = encoding["input_ids"][0]
    start = encoding["event_spans"][0][0][1]
    assert first[start] == short.ids[short.event_starts[0]]


def test_without_truncation_a_session_is_one_row(tokenizer, session):
    whole = [CLS_ID, *session.ids.tolist(), SEP_ID]
    plain = tokenizer(session)
    assert dict(plain) == {"input_ids": whole, "attention_mask": [1] * len(whole)}
    assert tokenizer([session])["input_ids"] == [whole]
    assert tokenizer.encode(session) == whole
    encoding = tokenizer(session, return_overflowing_tokens=True)
    assert encoding["input_ids"] == [whole]
    assert encoding["overflow_to_sample_mapping"] == [0]
    bare = tokenizer(session, add_special_tokens=False, return_event_spans=True)
    assert bare["input_ids"] == session.ids.tolist()
    assert bare["event_spans"][:, 1].tolist() == session.event_starts.tolist()


def test_truncation_alone_keeps_the_first_window(tokenizer, session, short):
    first = windows(tokenizer, session)["input_ids"][0]
    assert tokenizer(session, truncation=True, max_length=512)["input_ids"] == first
    assert tokenizer(session, max_length=512)["input_ids"] == first
    batch = tokenizer([session, short], truncation=True, max_length=512)["input_ids"]
    assert [len(row) for row in batch] == [512, len(short.ids) + 2]


def test_truncation_without_a_length_takes_the_models(tokenizer, session):
    rows = windows(tokenizer, session, max_length=None)["input_ids"]
    assert len(rows) > 1
    assert max(map(len, rows)) == tokenizer.model_max_length == 2048


def test_masks_lengths_and_types_are_as_for_texts(tokenizer, short, session):
    encoding = windows(
        tokenizer,
        [short, session],
        padding=True,
        pad_to_multiple_of=8,
        return_special_tokens_mask=True,
        return_token_type_ids=True,
        return_length=True,
    )
    assert {len(row) % 8 for row in encoding["input_ids"]} == {0}
    for row, length, mask, special, types in zip(
        *(encoding[k] for k in ("input_ids", "length", "attention_mask")),
        *(encoding[k] for k in ("special_tokens_mask", "token_type_ids")),
        strict=True,
    ):
        num_pads = len(row) - length
        assert row[length:] == [PAD_ID] * num_pads
        assert mask == [1] * length + [0] * num_pads
        assert special == [1] + [0] * (length - 2) + [1] * (num_pads + 1)
        assert types == [0] * len(row)
    assert "attention_mask" not in tokenizer(short, return_attention_mask=False)
    bare = tokenizer(short, add_special_tokens=False, return_special_tokens_mask=True)
    assert not any(bare["special_tokens_mask"])


def test_traces_stay_lists_whatever_the_tensors_and_the_device(tokenizer, session):
    for tensors, kind in (("pt", torch.Tensor), ("np", np.ndarray), (None, list)):
        encoding = windows(tokenizer, session, padding=True, return_tensors=tensors)
        assert isinstance(encoding, BatchEncoding)
        assert isinstance(encoding["input_ids"], kind)
        num_windows = len(encoding["input_ids"])
        for name in TRACES:
            assert isinstance(encoding[name], list)
            assert len(encoding[name]) == num_windows
    moved = windows(tokenizer, session, padding=True, return_tensors="pt").to("cpu")
    assert isinstance(moved["event_spans"][0], np.ndarray)
    inputs = {name: moved[name] for name in tokenizer.model_input_names}
    assert all(value.shape == (num_windows, 512) for value in inputs.values())


def test_a_single_session_as_tensors_is_a_batch_of_one(tokenizer, short):
    encoding = tokenizer(short, return_tensors="pt", return_event_spans=True)
    assert encoding["input_ids"].shape == (1, len(short.ids) + 2)
    assert len(encoding["event_spans"]) == 1


def test_collators_take_sessions(tokenizer, session, short):
    rows = [
        tokenizer(s, truncation=True, return_special_tokens_mask=True) for s in (session, short)
    ]
    batch = DataCollatorForLanguageModeling(tokenizer)(rows)
    assert batch["input_ids"].shape == batch["labels"].shape == (2, 2048)
    rows = [tokenizer(s, truncation=True) for s in (session, short)]
    batch = DataCollatorWithPadding(tokenizer)(rows)
    assert batch["attention_mask"].sum(1).tolist() == [2048, len(short.ids) + 2]


def test_a_session_without_ids_is_an_empty_row(tokenizer):
    moves = {"source": 1, "positions": []}
    encoding = windows(tokenizer, [{"type": 3, "timestamp": 1, "data": moves}])
    assert encoding["input_ids"] == [[CLS_ID, SEP_ID]]
    assert encoding["event_spans"][0].shape == (0, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 2}, "max_length=2 leaves no room"),
        ({"stride": 510}, r"stride=510 .* less than the 510 ids"),
        ({"stride": -1}, "stride=-1"),
        ({"return_offsets_mapping": True}, "return_event_spans"),
        ({"is_split_into_words": True}, "lists of words"),
        ({"truncation": "only_second"}, "no second part"),
        ({"text_pair": "words"}, "no text_pair"),
        ({"return_tensors": "pt"}, "padding"),
        ({"padding": "widest"}, "widest"),
    ],
)
def test_what_makes_no_sense_for_sessions_is_refused(tokenizer, session, options, message):
    with pytest.raises(ValueError, match=message):
        windows(tokenizer, session, **options)


def test_cutting_from_the_left_is_refused_with_the_remedy(session):
    tokenizer = RRWebTokenizer(truncation_side="left")
    assert tokenizer(session)["input_ids"][0] == CLS_ID
    with pytest.raises(ValueError, match="take the last"):
        tokenizer(session, truncation=True)


def test_sessions_and_texts_in_one_list_are_refused_by_place(tokenizer, session, events):
    for mixed in ([session, "text"], [events, ["text"]], ["text", "more", events]):
        with pytest.raises(ValueError, match=r"place \d: encode texts and sessions in calls"):
            tokenizer(mixed)
    with pytest.raises(ValueError, match="no pair"):
        tokenizer("text", session)
    with pytest.raises(ValueError, match="a text has no events"):
        tokenizer("text", return_event_spans=True)


def test_a_bad_session_of_a_batch_is_named(tokenizer, session, tmp_path):
    with pytest.raises(ValueError, match=r"session 1 of 2: .* an empty list"):
        tokenizer([session, []])
    path = tmp_path / "broken.json"
    path.write_text("[")
    with pytest.raises(ValueError, match=r"session 0 of 2: .*broken\.json"):
        tokenizer([path, session])
    with pytest.raises(ValueError, match=r"path or bytes"):
        tokenizer([{"type": 4, "timestamp": np.int64(1)}])


def test_texts_are_what_they_were(tokenizer):
    texts = ["[MI_Click] Buy", "plain words"]
    encoding = tokenizer(texts, padding=True, return_tensors="pt")
    assert encoding["input_ids"].shape[0] == 2
    assert tokenizer(texts[1], texts[1])["input_ids"].count(SEP_ID) == 2
    assert tokenizer([["plain", "words"]], is_split_into_words=True)["input_ids"]
    assert tokenizer([5, 6, 7])["input_ids"] == [CLS_ID, 5, 6, 7, SEP_ID]
    short = tokenizer("plain words and more", truncation=True, max_length=4)["input_ids"]
    assert len(short) == 4
    overflow = tokenizer(
        "plain words and more", truncation=True, max_length=4, return_overflowing_tokens=True
    )
    assert "overflowing_tokens" in overflow
