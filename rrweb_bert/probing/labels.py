"""A file of labels, and which of them are asked for.

The file is JSON Lines, one session a line, found by its `file` (or `path`, `session_id`, `id`):

    {"file": "shop/visit-1.json", "site": "shop", "goal": "search", "outcome": "completed",
     "spans": [{"type": "rage-click", "t0": 1700000000000, "t1": 1700000004000}]}

A task is named as FIELD, or FIELD:OTHER=VALUE,VALUE to take only sessions whose other field has
one of these values. A list counts as "yes" where it holds something, and as "no" where it is empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from data_prep.errors import DataError

__all__ = ["SpanTask", "Task", "label_of", "parse_span_task", "parse_task", "read_labels"]

_NAMES: Final = ("file", "path", "session_id", "id")

Labels = Mapping[str, Any]
SpanLabel = Literal["yes", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted of a session: a field of its label."""

    field: str
    only_field: str = ""
    only_values: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The task as it was asked for."""
        return self.field + _only_text(self.only_field, self.only_values)

    def takes(self, labels: Labels) -> bool:
        """Whether a session with these labels is part of the task."""
        return not self.only_field or str(labels.get(self.only_field)) in self.only_values


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanTask(Task):
    """What is predicted of a window: whether it meets one of the session's spans.

    Spans are objects with `t0` and `t1` in epoch ms, and a `type`. Where `evidence_field` is given,
    only types that it lists count; a window that meets none but another span is left out, since
    what happened there may or may not be seen in the recording.
    """

    evidence_field: str = ""

    @property
    def name(self) -> str:
        """The task as it was asked for."""
        evidence = f":{self.evidence_field}" if self.evidence_field else ""
        return self.field + evidence + _only_text(self.only_field, self.only_values)

    def label_of_window(self, labels: Labels, start_ms: float, end_ms: float) -> SpanLabel | None:
        """The window's label, None where it is left out."""
        met = [s for s in labels[self.field] if s["t0"] <= end_ms and start_ms <= s["t1"]]
        if not met:
            return "no"
        if not self.evidence_field:
            return "yes"
        is_evident = any(span["type"] in labels[self.evidence_field] for span in met)
        return "yes" if is_evident else None


def parse_task(text: str) -> Task:
    """The task of "goal" or "outcome:goal=search,edit".

    Raises:
        ValueError: it is neither.
    """
    field, *rest = text.split(":")
    if not field or len(rest) > 1:
        raise ValueError(f"{text!r} is neither FIELD nor FIELD:OTHER=VALUE,VALUE")
    only_field, only_values = _parse_only(rest[0], text) if rest else ("", frozenset[str]())
    return Task(field=field, only_field=only_field, only_values=only_values)


def parse_span_task(text: str) -> SpanTask:
    """The task of "spans", "spans:evident_types" or "spans:evident_types:visitor=human".

    Raises:
        ValueError: it is none of these.
    """
    field, *rest = text.split(":")
    evidence = rest.pop(0) if rest and "=" not in rest[0] else ""
    if not field or len(rest) > 1:
        raise ValueError(f"{text!r} is not FIELD[:EVIDENCE][:OTHER=VALUE,VALUE]")
    only_field, only_values = _parse_only(rest[0], text) if rest else ("", frozenset[str]())
    return SpanTask(
        field=field, only_field=only_field, only_values=only_values, evidence_field=evidence
    )


def _parse_only(text: str, whole: str) -> tuple[str, frozenset[str]]:
    field, equals, values = text.partition("=")
    if not field or not equals or not values:
        raise ValueError(f"{whole!r}: {text!r} is not OTHER=VALUE,VALUE")
    return field, frozenset(values.split(","))


def _only_text(field: str, values: Iterable[str]) -> str:
    return f":{field}={','.join(sorted(values))}" if field else ""


def label_of(labels: Labels, task: Task) -> str | None:
    """A session's label, None where it has none or is no part of the task."""
    value = labels.get(task.field)
    if value is None or not task.takes(labels):
        return None
    if isinstance(value, list):
        return "yes" if value else "no"
    return str(value)


def read_labels(
    path: Path, session_ids: Sequence[str], fields: Iterable[str]
) -> list[dict[str, Any] | None]:
    """The labels of each session, None where the file has none.

    Args:
        path: JSON Lines.
        session_ids: as a corpus names sessions: the path below the input folder, without suffixes.
        fields: each has to stand in some line.

    Raises:
        DataError: the file cannot be read, lacks a field, or knows none of the sessions.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    by_name: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            labels = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(labels, dict):
            raise DataError(f"{path}, line {number}: no JSON object")
        found = [str(labels[name]) for name in _NAMES if labels.get(name)]
        if not found:
            raise DataError(f"{path}, line {number}: none of {', '.join(_NAMES)} names a session")
        for name in found:
            by_name.setdefault(_stem(name), labels)
    for field in fields:
        if not any(field in labels for labels in by_name.values()):
            raise DataError(f"{path}: no line has a field {field!r}")
    matched = [by_name.get(_stem(session_id)) for session_id in session_ids]
    if not any(labels is not None for labels in matched):
        example = next(iter(by_name), "nothing")
        raise DataError(
            f"{path}: names none of the sessions: it has {example!r}, the sessions are called "
            f"{session_ids[0]!r} and the like"
        )
    return matched


def _stem(name: str) -> str:
    """A name without the suffixes of its last part."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_name(path.name.split(".")[0] or path.name).as_posix()
