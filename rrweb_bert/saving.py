"""Writes checkpoints: beside, synced, hashed, then renamed; older ones go only after that.

The trainer fills a `_checkpoint-<step>.partial` folder with what is quick to write. A thread adds
the optimizer state, seals the folder, gives it its name and prunes, while training goes on. A kill
or a full disk at any moment leaves the checkpoints before it as they were.
"""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from .background_save import BackgroundWorker
from .callbacks import say
from .checkpoints import (
    find_checkpoints,
    give_name,
    partial_of,
    prune_checkpoints,
    remove_leftovers,
    write_overview,
)
from .disk_space import CheckpointError, free_bytes, no_room_message, require_room
from .sealing import SealError, problem_of, read_seal, seal_folder, seal_hash

__all__ = ["CheckpointSaver"]

Write = Callable[[Path], None]


class CheckpointSaver:
    """The checkpoints of one run.

    Args:
        output_dir: of the run.
        limit: how many to keep; the last and the best are always among them.
    """

    def __init__(self, output_dir: Path, *, limit: int | None) -> None:
        self.output_dir = output_dir
        self._limit = limit
        self._worker = BackgroundWorker()

    def prepare(self, needed: int) -> None:
        """Remove what a kill left half done, and check that a first checkpoint fits.

        Raises:
            CheckpointError: it does not.
        """
        for name in remove_leftovers(self.output_dir):
            say(f"note: {self.output_dir / name} was half done when a run was stopped; removed")
        require_room(self.output_dir, "a checkpoint", needed)
        num_more = 1 + (self._limit or 1) - len(find_checkpoints(self.output_dir))
        free = free_bytes(self.output_dir)
        if num_more > 1 and free < num_more * needed:
            say(
                f"note: {num_more} more checkpoints of about {needed / 1e9:.2f} GB are to lie in "
                f"{self.output_dir}, and {free / 1e9:.2f} GB are free"
            )

    def last_bytes(self) -> int:
        """Size of the newest checkpoint, 0 if there is none with a seal."""
        for checkpoint in find_checkpoints(self.output_dir):
            try:
                return read_seal(checkpoint.path).num_bytes
            except SealError:
                continue
        return 0

    def begin(self, step: int, needed: int) -> Path:
        """An empty folder for the checkpoint of `step`, once the one before is sealed.

        Raises:
            CheckpointError: there is no room, or the one before could not be written.
        """
        self.wait()
        require_room(self.output_dir, f"checkpoint-{step}", needed)
        partial = partial_of(self.output_dir, step)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        return partial

    @contextmanager
    def writing(self, name: str, needed: int) -> Iterator[None]:
        """Turn a failure to write in here into a `CheckpointError`, and free the room it took.

        Args:
            name: of what is written, `checkpoint-<step>` or another.
            needed: bytes that it takes.
        """
        # torch and safetensors report a full disk as errors of their own.
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            free = free_bytes(self.output_dir)
            shutil.rmtree(self.output_dir / f"_{name}.partial", ignore_errors=True)
            if free < needed:
                message = no_room_message(self.output_dir, name, needed=needed, free=free)
                raise CheckpointError(f"{message} ({error})") from error
            raise CheckpointError(
                f"{name} could not be written in {self.output_dir}: {error}. Whatever was saved "
                "before is as it was; run the same command again to continue"
            ) from error

    def finish(
        self,
        step: int,
        needed: int,
        *,
        last_writes: list[tuple[str, Write]],
        best: str | None,
        metric: float | None,
        started: float,
    ) -> None:
        """Write what is left, seal, rename and prune: in the thread, while training goes on.

        Args:
            step: as for `begin`.
            needed: as for `begin`.
            last_writes: file name -> function that writes a file of that name.
            best: name of the best checkpoint so far.
            metric: its metric.
            started: `time.perf_counter()` when the checkpoint was begun.
        """
        waited = time.perf_counter() - started

        def job() -> None:
            name = f"checkpoint-{step}"
            partial = partial_of(self.output_dir, step)
            with self.writing(name, needed):
                for file_name, write in last_writes:
                    write(partial / file_name)
                seal = seal_folder(partial, step=step)
                give_name(partial, self.output_dir / name)
                write_overview(self.output_dir, last=name, best=best, metric=metric)
            keep = {name} if best is None else {name, best}
            for note in prune_checkpoints(self.output_dir, limit=self._limit, keep=keep):
                say(f"note: {note}")
            say(
                f"{name} sealed: {seal.num_bytes / 1e6:,.0f} MB in "
                f"{time.perf_counter() - started:.1f} s, of which training waited {waited:.1f} s"
            )

        self._worker.start(job)

    def adopt(self, folder: Path) -> Path:
        """Copy a checkpoint that lies elsewhere, so that the run needs that folder no more.

        Raises:
            CheckpointError: there is no room, or it cannot be copied.
        """
        seal = read_seal(folder)
        final = self.output_dir / f"checkpoint-{seal.step}"
        if seal_hash(final) == seal_hash(folder) and problem_of(final) is None:
            return final
        partial = self.begin(seal.step, seal.num_bytes)
        with self.writing(final.name, seal.num_bytes):
            for name in seal.files:
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, partial / name)
            if seal_folder(partial, step=seal.step) != seal:
                raise OSError(errno.EIO, "the copy differs", str(partial))
            give_name(partial, final)
        say(f"{folder}, the best so far, was copied to {final}")
        return final

    def check(self) -> None:
        """Raise the failure of a checkpoint that was being written, if there is one by now."""
        self._worker.check()

    def wait(self) -> None:
        """Return when every checkpoint is sealed.

        Raises:
            CheckpointError: one could not be written.
        """
        self._worker.wait()
