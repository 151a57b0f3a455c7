"""`python -m data_prep inspect PATH...`: what is there, before anything is written.

Every file is read and decoded once; what costs most, tokenising, is done for a sample of sessions
(or for all) and extrapolated with its uncertainty.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from data_prep.encoding import (
    EncoderFactory,
    SessionEncoder,
    group_of_session,
    load_tokenizer,
)
from data_prep.errors import DataError
from data_prep.findings import Findings, TokenCounts, count_tokens
from data_prep.grouping import Grouping, parse_grouping
from data_prep.limits import DEFAULT_LIMITS, Limits
from data_prep.manifest import Source, list_sources
from data_prep.pool import Work, map_sources, processes_for
from data_prep.progress import Progress
from data_prep.readers import Rejected, Session, reader_of
from data_prep.remote import is_remote, shown
from data_prep.session_facts import facts_of
from data_prep.session_row import SPLITS
from data_prep.sessions import sessions_of
from data_prep.size_sample import MAX_SAMPLE, Estimate, SampledSession, SizeSample, estimate_total
from data_prep.splits import check_not_empty, split_of
from data_prep.summary import nothing_accepted
from rrweb_tokenizer.collection import paused_collection
from rrweb_tokenizer.schema import FullSnapshotEvent, decode_events

__all__ = ["InspectOptions", "Inspection", "inspect_recordings"]

# Bytes of a shard's row beside ids, keyframes and texts, and of a ledger line beside its texts.
_ROW_BYTES: Final = 120
_LEDGER_LINE_BYTES: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectOptions:
    """How recordings are inspected.

    Raises:
        ValueError: A sample or a fraction is out of its range.
    """

    grouping: Grouping = field(default_factory=lambda: parse_grouping("auto"))
    """What a split would keep together."""

    test_fraction: float = 0.05
    """Share of the groups that would be set aside for the test split, first."""

    validation_fraction: float = 0.1
    """Share of the others that would validate."""

    salt: str = ""
    """Another salt deals the groups out anew."""

    sample: int = 200
    """Sessions that are tokenised to estimate the ids of all."""

    exact: bool = False
    """Tokenise all sessions."""

    tokenizer_name_or_path: str | None = None
    """Folder of a tokenizer; the shipped one where not given."""

    recogniser: str | None = None
    """Name of a recogniser for what patterns cannot find, "module:function"."""

    num_proc: int | None = None
    """Processes; where not given, as many as there are cores and work for them."""

    show_progress: bool = True
    """Show a bar on a terminal, plain lines elsewhere."""

    limits: Limits = field(default_factory=lambda: DEFAULT_LIMITS)
    """Caps on what is read from one file."""

    reader: str | None = None
    """Name of the reader that reads every file; by content where not given."""

    def __post_init__(self) -> None:
        for name in ("test_fraction", "validation_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not 1 <= self.sample <= MAX_SAMPLE:
            raise ValueError(f"sample must be in [1, {MAX_SAMPLE}], got {self.sample}")
        if self.num_proc is not None and self.num_proc < 1:
            raise ValueError(f"num_proc must be positive, got {self.num_proc}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found, and what a corpus made of it would hold."""

    inputs: tuple[str, ...]
    findings: Findings
    skipped: dict[str, int]
    """Files that were not looked at, by reason."""

    num_tokenised: int
    """Sessions that the figures of ids come from."""

    num_ids: Estimate
    disk_bytes: Estimate
    tokens: TokenCounts
    """Of all sessions; estimated where not all were tokenised."""

    grouping: str
    seconds: float
    is_corpus: bool = False
    """Whether a prepared corpus was looked at, not recordings."""

    notes: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether all sessions were tokenised."""
        return self.num_tokenised == self.findings.num_sessions


def inspect_recordings(
    inputs: Sequence[Path | str],
    options: InspectOptions,
    *,
    encoder_factory: EncoderFactory | None = None,
) -> Inspection:
    """Inspect recordings: folders (recursively), files and addresses. Writes nothing.

    Memory is flat in the number of sessions; the list of the files is held.

    Raises:
        DataError: An input is missing, or no session in all of them can be used.
    """
    began = time.monotonic()
    if options.reader is not None:
        reader_of(options.reader)  # a wrong name is an error before any work
    manifest = list_sources(inputs)
    factory = encoder_factory or partial(
        load_tokenizer, options.tokenizer_name_or_path, options.recogniser
    )
    num_proc = processes_for(options.num_proc, manifest.num_bytes)
    findings = Findings(sample=SizeSample(max_sessions=options.sample))
    make_look = partial(_look_work, factory if options.exact else None, options)
    progress = Progress(
        len(manifest.sources), manifest.num_bytes, verb="inspected", is_shown=options.show_progress
    )
    try:
        here = make_look() if num_proc == 1 else _unused
        for source, found in zip(
            manifest.sources,
            map_sources(manifest.sources, here, make_look, num_proc),
            strict=True,
        ):
            findings.merge(found)
            progress.advance(source.num_bytes)
    finally:
        progress.close()
    if not findings.num_sessions:
        raise DataError(nothing_accepted(findings.num_files, findings.reasons, findings.examples))
    tokens, num_ids, num_tokenised = _tokens_of(
        findings, manifest.sources, factory, options, num_proc
    )
    return Inspection(
        inputs=tuple(shown(str(g)) if is_remote(g) else str(g) for g in inputs),
        findings=findings,
        skipped=manifest.skipped,
        num_tokenised=num_tokenised,
        num_ids=num_ids,
        disk_bytes=_disk_bytes(findings, tokens, num_ids),
        tokens=tokens,
        grouping=options.grouping.rule,
        seconds=time.monotonic() - began,
        notes=_warnings(findings, options),
    )


def _warnings(findings: Findings, options: InspectOptions) -> tuple[str, ...]:
    """Return why `prepare` would refuse these recordings, where it would."""
    if not findings.num_sessions:
        return ()
    try:
        check_not_empty(
            {split: findings.splits[split] for split in SPLITS},
            findings.num_groups.estimate(),
            group_by=options.grouping.rule,
            test_fraction=options.test_fraction,
            validation_fraction=options.validation_fraction,
        )
    except DataError as error:
        return (f"prepare would stop: {error}",)
    return ()


def _look_work(factory: EncoderFactory | None, options: InspectOptions) -> Work[Findings]:
    return partial(look_at, options=options, encoder=factory() if factory is not None else None)


def _unused(source: Source) -> NoReturn:
    raise RuntimeError(f"{source.path} was to be looked at in another process")


def look_at(source: Source, options: InspectOptions, encoder: SessionEncoder | None) -> Findings:
    """Return the figures of one file; tokenises its sessions where an encoder is given."""
    found = Findings(sample=SizeSample(max_sessions=options.sample))
    found.num_files, found.num_bytes = 1, source.num_bytes
    found.suffixes["".join(source.path.suffixes[-2:]).lower() or "no suffix"] += 1
    if encoder is not None:
        found.tokens = TokenCounts()
    for ordinal, session in enumerate(sessions_of(source, options.limits, reader=options.reader)):
        reason = (
            session.reason
            if isinstance(session, Rejected)
            else _add_session(session, ordinal, source, options, encoder, found)
        )
        if reason is not None:
            found.reject(reason, source.relative)
            found.num_rejected_sessions += not isinstance(session, Rejected)
    found.num_accepted = int(found.num_sessions > 0)
    found.num_rejected = 1 - found.num_accepted
    found.num_ledger_bytes += _LEDGER_LINE_BYTES + len(source.relative)
    return found


@paused_collection()
def _add_session(
    session: Session,
    ordinal: int,
    source: Source,
    options: InspectOptions,
    encoder: SessionEncoder | None,
    found: Findings,
) -> str | None:
    """Add a session's figures, or return why it cannot be used."""
    decoded = decode_events(session.parts)
    found.num_rejected_events += decoded.num_rejected
    if not decoded.events:
        return "no usable event"
    group = group_of_session(session, source, decoded.events, options.grouping)
    if group is None:
        return options.grouping.reason_without()
    if encoder is not None and found.tokens is not None:
        encoded = encoder.encode_events(decoded.events)
        if len(encoded.ids) == 0:
            return "no event that the tokenizer encodes"
        found.tokens.merge(count_tokens(encoded.ids, len(encoded.keyframes)))
    facts = facts_of(session, decoded.events)
    split = split_of(
        group,
        test_fraction=options.test_fraction,
        validation_fraction=options.validation_fraction,
        salt=options.salt,
    )
    found.num_sessions += 1
    found.num_row_bytes += _ROW_BYTES + len(session.session_id) + len(group) + len(split) + 64
    found.num_ledger_bytes += len(session.session_id) + len(group)
    found.forms[session.form or "no name"] += 1
    found.kinds.update(facts.kinds)
    found.versions.add(facts.version)
    found.notes.update(session.notes)
    if not any(isinstance(event, FullSnapshotEvent) for event in decoded.events):
        found.notes["no full snapshot"] += 1
    found.splits[split] += 1
    found.days.add(facts.day)
    found.groups.add(group)
    found.num_groups.add(group)
    found.num_contents.add(session.sha256)
    found.durations_s.add(facts.duration_s)
    found.sizes.add(session.num_bytes)
    found.lengths.add(facts.num_events)
    found.sample.add(source.source_id, ordinal, session.num_bytes, facts.num_events)
    return None


def _tokens_of(
    findings: Findings,
    sources: Sequence[Source],
    factory: EncoderFactory,
    options: InspectOptions,
    num_proc: int,
) -> tuple[TokenCounts, Estimate, int]:
    """Return the tokens of all sessions, how sure their number is, and how many it comes from."""
    if findings.tokens is not None:
        tokens = findings.tokens
        return tokens, Estimate(tokens.num_ids, 0.0), findings.num_sessions
    chosen = findings.sample.chosen()
    num_sampled = sum(map(len, chosen.values()))
    if not num_sampled:
        return TokenCounts(), Estimate(0.0, 0.0), 0
    counts = _tokenise(chosen, sources, factory, options, num_proc)
    num_sessions = {
        number: stratum.num_sessions for number, stratum in findings.sample.strata.items()
    }
    tokens = TokenCounts()
    for number, found in counts.items():
        for count in found:
            tokens.merge(count, num_sessions[number] / len(found))
    estimate = estimate_total(
        num_sessions, {number: [c.num_ids for c in found] for number, found in counts.items()}
    )
    return tokens, estimate, num_sampled


def _tokenise(
    chosen: Mapping[int, Sequence[SampledSession]],
    sources: Sequence[Source],
    factory: EncoderFactory,
    options: InspectOptions,
    num_proc: int,
) -> dict[int, list[TokenCounts]]:
    """Tokenise the sampled sessions; return their counts by stratum."""
    strata = {
        (session.source_id, session.ordinal): number
        for number, sessions in chosen.items()
        for session in sessions
    }
    wanted: defaultdict[str, set[int]] = defaultdict(set)
    for source_id, ordinal in strata:
        wanted[source_id].add(ordinal)
    sampled = [source for source in sources if source.source_id in wanted]
    num_bytes = sum(source.num_bytes for source in sampled)
    progress = Progress(len(sampled), num_bytes, verb="tokenised", is_shown=options.show_progress)
    num_proc = min(num_proc, processes_for(options.num_proc, num_bytes))
    make_work = partial(_tokenise_work, factory, dict(wanted), options)
    here = make_work() if num_proc == 1 else _unused
    counts: dict[int, list[TokenCounts]] = {number: [] for number in chosen}
    try:
        for source, found in zip(
            sampled, map_sources(sampled, here, make_work, num_proc), strict=True
        ):
            for ordinal, count in found:
                counts[strata[source.source_id, ordinal]].append(count)
            progress.advance(source.num_bytes)
    finally:
        progress.close()
    if sum(map(len, counts.values())) != len(strata):
        raise DataError("files changed while they were inspected; start again")
    return counts


def _tokenise_work(
    factory: EncoderFactory, wanted: dict[str, set[int]], options: InspectOptions
) -> Work[list[tuple[int, TokenCounts]]]:
    return partial(_tokenise_file, encoder=factory(), wanted=wanted, options=options)


def _tokenise_file(
    source: Source,
    encoder: SessionEncoder,
    wanted: dict[str, set[int]],
    options: InspectOptions,
) -> list[tuple[int, TokenCounts]]:
    """Return the counts of the wanted sessions of a file, by their number in it."""
    left = set(wanted[source.source_id])
    counts = []
    for ordinal, session in enumerate(sessions_of(source, options.limits, reader=options.reader)):
        if ordinal in left and not isinstance(session, Rejected):
            encoded = encoder.encode_events(decode_events(session.parts).events)
            counts.append((ordinal, count_tokens(encoded.ids, len(encoded.keyframes))))
            left.remove(ordinal)
        if not left:
            break
    return counts


def _disk_bytes(findings: Findings, tokens: TokenCounts, num_ids: Estimate) -> Estimate:
    """Return what the corpus would take: 2 bytes an id, 4 a keyframe, rows and the ledger."""
    fixed = findings.num_row_bytes + findings.num_ledger_bytes
    keyframes = tokens.num_keyframes / max(tokens.num_ids, 1)
    per_id = 2 + 4 * keyframes
    return Estimate(fixed + per_id * num_ids.total, per_id * num_ids.margin)
