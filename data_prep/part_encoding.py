"""Tasks -> sealed parts, on this machine or brought here from another one."""

from __future__ import annotations

import hashlib
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from data_prep.encoding import (
    EncoderFactory,
    EncodingOptions,
    SessionEncoder,
    encode_source,
    tokenizer_code_hash,
    tokenizer_hashes,
)
from data_prep.engine import Engine, TaskWork
from data_prep.errors import DataError
from data_prep.manifest import Source
from data_prep.parts import PART_SUFFIXES, PartWriter, put_part, source_key
from data_prep.pool import do_one
from data_prep.tasks import tasks_of

__all__ = ["DonePart", "encode_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DonePart:
    """A part that was sealed."""

    name: str
    num_files: int
    num_bytes: int
    num_retries: int
    """How often the transfer of its files was tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CarriedPart:
    """A part on its way from another machine."""

    part: DonePart
    arrow: npt.NDArray[np.uint8]
    lines: npt.NDArray[np.uint8]
    """(n,) uint8: the bytes of its files. As arrays they are read in place, not copied."""


def encode_parts(
    sources: Sequence[Source],
    encoder: SessionEncoder,
    factory: EncoderFactory,
    options: EncodingOptions,
    folder: Path,
    engine: Engine,
) -> Iterator[DonePart]:
    """Encode files into sealed parts, and yield each when it is there, in no particular order.

    Args:
        sources: The files.
        encoder: Used where this process does it all.
        factory: Makes the encoder of each further process.
        options: Grouping, fractions and limits.
        folder: Where the parts go.
        engine: What does it.

    Raises:
        DataError: A process died, or the disk is full.
    """
    scale = engine.task_scale(sum(source.num_bytes for source in sources))
    tasks = tasks_of(sources, scale=scale)
    if engine.shares_disk:
        here: TaskWork[DonePart] = partial(
            _encode_part, encoder=encoder, options=options, folder=folder
        )
        yield from engine.map_tasks(tasks, here, partial(_part_work, factory, options, folder))
        return
    carry = partial(_carry_part, encoder=encoder, options=options)
    make_work = partial(_carrying_work, factory, options, _identity(encoder))
    for carried in engine.map_tasks(tasks, carry, make_work):
        with _written_to(folder):
            put_part(folder, carried.part.name, carried.arrow, carried.lines)
        yield carried.part


def _part_work(
    factory: EncoderFactory, options: EncodingOptions, folder: Path
) -> TaskWork[DonePart]:
    return partial(_encode_part, encoder=factory(), options=options, folder=folder)


def _carrying_work(
    factory: EncoderFactory, options: EncodingOptions, identity: dict[str, str]
) -> TaskWork[_CarriedPart]:
    encoder = factory()
    # Another release on one machine would give other ids to some sessions, and nobody would know.
    if _identity(encoder) != identity:
        raise DataError(
            f"{socket.gethostname()} has another tokenizer, or another release of rrweb-bert, than "
            "the machine that started this; install the same on all of them"
        )
    return partial(_carry_part, encoder=encoder, options=options)


def _identity(encoder: SessionEncoder) -> dict[str, str]:
    return tokenizer_hashes(encoder) | {"code": tokenizer_code_hash()}


def _carry_part(
    task: list[Source], encoder: SessionEncoder, options: EncodingOptions
) -> _CarriedPart:
    with tempfile.TemporaryDirectory(prefix="rrweb-bert-") as folder:
        part = _encode_part(task, encoder, options, Path(folder))
        arrow, lines = (
            np.fromfile(Path(folder, part.name + suffix), np.uint8) for suffix in PART_SUFFIXES
        )
    return _CarriedPart(part=part, arrow=arrow, lines=lines)


def _encode_part(
    task: list[Source], encoder: SessionEncoder, options: EncodingOptions, folder: Path
) -> DonePart:
    keys = [source_key(source) for source in task]
    name = hashlib.blake2b("".join(keys).encode(), digest_size=16).hexdigest()
    num_retries = 0
    with _written_to(folder):
        part = PartWriter(folder, name)
        is_sealed = False
        try:
            for source, key in zip(task, keys, strict=True):
                work = partial(encode_source, encoder=encoder, options=options, accept=part.add)
                encoded = do_one(source, work)
                num_retries += encoded.num_retries
                part.end_file(key, encoded.sha256, encoded.reasons)
            part.seal()
            is_sealed = True
        finally:
            if not is_sealed:
                part.abort()
    return DonePart(
        name=name,
        num_files=len(task),
        num_bytes=sum(source.num_bytes for source in task),
        num_retries=num_retries,
    )


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written ({error.strerror or error}); free some space and run the "
            "same command again, it goes on from here"
        ) from error
