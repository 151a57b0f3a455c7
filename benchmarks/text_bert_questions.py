"""Of which kind is this event? Asked of held-out sessions, answered by counts of train sessions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from text_bert_events import EVENT_PREFIX, KINDS, RawSession
from tokenizers import ByteLevelBPETokenizer, Tokenizer

from rrweb_tokenizer import EncodedSession, RRWebTokenizer
from rrweb_tokenizer.schema import decode_events
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS

WINDOW_TOKENS = 2048
# A window's text, cut from the JSON before it is tokenised: 3.3 characters an id are usual, and
# where the first cut was too short, the second is not.
_CHARS_PER_TOKEN = (5, 64)


def first_ids(text: str, start: int, bpe: ByteLevelBPETokenizer) -> list[int]:
    """The ids of a text from `start` on, a window's at most."""
    ids: list[int] = []
    for chars_per_token in _CHARS_PER_TOKEN:
        stop = start + WINDOW_TOKENS * chars_per_token
        ids = bpe.encode(text[start:stop]).ids[: WINDOW_TOKENS - 2]
        if len(ids) == WINDOW_TOKENS - 2 or stop >= len(text):
            break
    return ids


CONTEXTS = {"frequency": (0, 0), "after one": (1, 0), "after two": (2, 0), "between": (1, 1)}
BACK_OFF = {(0, 0): None, (1, 0): (0, 0), (2, 0): (1, 0), (1, 1): (1, 0)}


@dataclass(slots=True)
class KindCounts:
    """How often kinds stand in which contexts in train sessions."""

    counts: dict[tuple[int, int], Counter[tuple[int, ...]]] = field(
        default_factory=lambda: {context: Counter() for context in BACK_OFF}
    )

    def add(self, kinds: list[int]) -> None:
        """Count a session's kinds, one by one with what stands around each."""
        for (before, after), counter in self.counts.items():
            counter.update(
                (*kinds[i - before : i], *kinds[i + 1 : i + 1 + after], kinds[i])
                for i in range(before, len(kinds) - after)
                if kinds[i] >= 0
            )

    def log_probabilities(
        self, before: tuple[int, ...], after: tuple[int, ...], context: tuple[int, int]
    ) -> npt.NDArray[np.float64]:
        """(K,) natural logarithms, from counts in a context, smoothed (Witten-Bell) by a shorter.

        Args:
            before: kinds before, as many as there are up to two.
            after: the same after.
            context: how many of them to look at.
        """
        shares = np.full(len(KINDS), 1 / len(KINDS))
        shorter = BACK_OFF[context]
        if shorter is not None:
            shares = np.exp(self.log_probabilities(before, after, shorter))
        if len(before) >= context[0] and len(after) >= context[1]:
            around = (*before[len(before) - context[0] :], *after[: context[1]])
            counter = self.counts[context]
            numbers = np.array([counter[(*around, k)] for k in range(len(KINDS))], np.float64)
            num_types = np.count_nonzero(numbers)
            if num_types:
                shares = (numbers + num_types * shares) / (numbers.sum() + num_types)
        return np.log(shares)


ID_ROWS = ("json before", "json after", "our before", "our after")


@dataclass(slots=True, kw_only=True)
class Questions:
    """What is asked of held-out sessions; `add` draws from one."""

    bpe: Tokenizer
    tokenizer: RRWebTokenizer
    per_session: int
    ids: dict[str, list[npt.NDArray[np.uint16]]] = field(
        default_factory=lambda: {name: [] for name in ID_ROWS}
    )
    before: list[tuple[int, ...]] = field(default_factory=list)
    after: list[tuple[int, ...]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)

    def add(self, session: RawSession) -> None:
        """Ask about events that both representations tell apart, drawn uniformly."""
        encoded = self.tokenizer.encode_events(decode_events(session.parts).events)
        heads = encoded.ids[encoded.event_starts]
        written: dict[tuple[float, int], list[int]] = {}
        kind_of_head = {STRUCTURAL_IDS[token]: place for place, token in enumerate(KINDS)}
        for start, head, time_ms in zip(
            encoded.event_starts, heads, encoded.event_times_ms, strict=True
        ):
            place = kind_of_head.get(int(head))
            if place is not None:
                written.setdefault((float(time_ms), place), []).append(int(start))
        named = Counter((event.time_ms, event.kind) for event in session.events)
        can_ask = []
        for number, event in enumerate(session.events):
            key = (event.time_ms, event.kind)
            is_clear = named[key] == 1 and len(written.get(key, ())) == 1
            if number and event.kind >= 0 and is_clear and event.text.startswith(EVENT_PREFIX):
                can_ask.append((number, written[key][0]))
        rng = session.rng("questions")
        drawn = rng.permutation(len(can_ask))[: self.per_session]
        stops = np.append(encoded.event_starts[1:], len(encoded.ids))
        stop_of = dict(zip(encoded.event_starts.tolist(), stops.tolist(), strict=True))
        for number, start in (can_ask[place] for place in sorted(drawn)):
            self._ask_ours(encoded, start, stop_of[start])
            self._ask_json(session, number)

    def _ask_ours(self, encoded: EncodedSession, start: int, stop: int) -> None:
        room = WINDOW_TOKENS - 3  # [CLS], [MASK], [SEP]
        keyframes = encoded.keyframes
        inside = keyframes[(keyframes <= start) & (keyframes >= start - room)]
        opening = int(inside[0]) if len(inside) else max(0, start - room)
        self.ids["our before"].append(encoded.ids[opening:start])
        self.ids["our after"].append(encoded.ids[stop : stop + room])

    def _ask_json(self, session: RawSession, number: int) -> None:
        # Room for [CLS], [MASK], [SEP], and for the source and `,"type":` of the second question.
        room = WINDOW_TOKENS - 8
        begin, chars = int(session.starts[number]), room * _CHARS_PER_TOKEN[0]
        text = session.text[max(0, begin - chars) : begin] + EVENT_PREFIX
        self.ids["json before"].append(np.array(self.bpe.encode(text).ids[-room:], np.uint16))
        end = begin + len(session.events[number].text)
        text = "}}" + session.text[end : end + chars]
        self.ids["json after"].append(np.array(self.bpe.encode(text).ids[:room], np.uint16))
        kinds = [event.kind for event in session.events[max(0, number - 2) : number + 2]]
        self.before.append(tuple(kinds[: min(2, number)]))
        self.after.append(tuple(kinds[min(2, number) + 1 :]))
        self.answers.append(session.events[number].kind)
        self.sessions.append(session.session_id)
        self.groups.append(session.group)
        self.splits.append(session.split)

    def save(self, path: Path, counts: KindCounts) -> None:
        """Write everything as arrays; ragged ones flat, with where each stops."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "answers": np.array(self.answers, np.int64),
            "sessions": np.array(self.sessions),
            "groups": np.array(self.groups),
            "splits": np.array(self.splits),
            "previous": np.array([before[-1] for before in self.before], np.int64),
        }
        for name, rows in self.ids.items():
            arrays[f"ids {name}"] = np.concatenate([np.zeros(0, np.uint16), *rows])
            arrays[f"stops {name}"] = np.cumsum([len(row) for row in rows])
        for name, context in CONTEXTS.items():
            arrays[f"counts {name}"] = np.array(
                [
                    counts.log_probabilities(before, after, context)
                    for before, after in zip(self.before, self.after, strict=True)
                ]
            )
        np.savez(path, **arrays)
