"""Window stream -> batches on the device: in one order for any number of workers, none left out.

Every batch says which samples it holds, and the loader knows which they should be. So a worker that
ends early, or makes a batch twice, is found at the batch itself. A worker that dies, fails or hangs
ends the run with an error that names it and the sessions it was at.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from threading import current_thread, main_thread
from typing import Any, Final

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from data_prep.errors import DataError
from data_prep.plain_text import in_one_line, without_controls
from data_prep.streaming import StreamSource, source_of
from rrweb_tokenizer.structural_vocab import CLS_ID, SEP_ID

from .arguments import RRWebTrainingArguments
from .guards import TrainingStoppedError, name_sessions
from .patience import Patience
from .signals import shield_worker

__all__ = ["WindowLoader", "make_loader"]

# A worker that does not end by itself within this time is killed.
_GRACE_S: Final = 3.0
_START_UP: Final = 5.0
_RUN_AGAIN: Final = "Run the same command again to continue from the last checkpoint"


def make_loader(
    stream: Any, args: RRWebTrainingArguments, *, batch_size: int, collator: Any
) -> WindowLoader:
    """The loader of a stream that was made for this process by `window_stream` or the like.

    Raises:
        ValueError: the stream was made for another batch size or another process.
    """
    source = source_of(stream)
    plan = source.batches
    if (plan.batch_size, plan.rank, plan.num_ranks) != (
        batch_size,
        args.process_index,
        args.world_size,
    ):
        raise ValueError(f"the stream is for {plan}, not for batches of {batch_size} of this one")
    cores = _num_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # More workers than cores only slow down; the order of the batches is the same for any.
    num_workers = min(args.dataloader_num_workers, stream.num_shards, max(1, cores))
    timeout = source.seconds_a_batch if args.loader_timeout is None else args.loader_timeout
    return WindowLoader(
        stream,
        source=source,
        args=args,
        collator=collator,
        num_workers=num_workers,
        patience_s=timeout,
    )


@dataclass(frozen=True, slots=True)
class _CheckedCollator:
    """A collator that refuses windows which cannot be, and notes which samples a batch holds."""

    collator: Any
    source: StreamSource

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        num_ids = self.collator.tokenizer.vocab_size
        for sample in samples:
            self._check(sample["input_ids"], sample["sample_index"], num_ids)
        batch: dict[str, Any] = self.collator(samples)
        # A numpy array, so that it stays on the CPU.
        return batch | {"sample_index": np.array([sample["sample_index"] for sample in samples])}

    def _check(self, window: Any, sample: int, num_ids: int) -> None:
        if int(window.max()) >= num_ids:
            what = f"holds id {int(window.max())}, but the vocabulary has {num_ids:,}"
        elif window[0] != CLS_ID or window[-1] != SEP_ID:
            what = "does not stand between [CLS] and [SEP]"
        else:
            return
        names = name_sessions([sample], self.source.names_of)
        raise DataError(
            f"the window of sample {sample} {what} ({names}): its shard is damaged, or of another "
            "tokenizer. Check it with: python -m data_prep verify CORPUS"
        )


class WindowLoader(DataLoader[Any]):
    """The batches of this process, checked, on the device.

    Args:
        stream: the windows.
        source: what `source_of(stream)` gives.
        args: device and how loader processes are started.
        collator: windows -> batch.
        num_workers: processes that make batches; 0 is this one.
        patience_s: seconds that the wait for a batch may last; 0 is any time.
    """

    def __init__(
        self,
        stream: Any,
        *,
        source: StreamSource,
        args: RRWebTrainingArguments,
        collator: Any,
        num_workers: int,
        patience_s: float,
    ) -> None:
        self.source = source
        self._patience_s = patience_s
        self._is_hanging = False
        self._found_dead: set[int] = set()
        self._device = args.device
        self._workers: Sequence[BaseProcess] = ()
        self._next_batch = 0
        super().__init__(
            stream,
            batch_size=source.batches.batch_size,
            collate_fn=_CheckedCollator(collator, source),
            num_workers=num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers and num_workers > 0,
            prefetch_factor=args.dataloader_prefetch_factor if num_workers else None,
            multiprocessing_context=(
                args.dataloader_multiprocessing_context if num_workers else None
            ),
            worker_init_fn=shield_worker,
        )

    def __iter__(self) -> Iterator[dict[str, Tensor]]:  # type: ignore[override]
        """Yield all batches of the plan, then end.

        Raises:
            TrainingStoppedError: a batch did not come, or is not the one that it should be.
        """
        is_cuda = self._device.type == "cuda"
        # Starting the workers may fail as they themselves may.
        batches: Iterator[dict[str, Any]] = iter(())
        patience: Patience | None = None
        try:
            for number in range(self.source.batches.num_batches):
                self._next_batch = number
                try:
                    if number == 0:
                        with _sigchld_left_alone():
                            batches = super().__iter__()
                        self._workers = getattr(batches, "_workers", ())
                        if self._workers and self._patience_s:
                            patience = Patience(self._patience_s, self._lose_patience)
                    first = _START_UP if number == 0 else 1.0  # workers import and open first
                    with nullcontext() if patience is None else patience.waiting(first):
                        batch = next(batches)
                except StopIteration:
                    raise self._ended_early(number, "nothing") from None
                # An error in a worker comes back as whatever type it had there.
                except Exception as error:
                    if self._is_of_others(error):
                        raise
                    raise self.explained(error) from error
                self._check(number, batch.pop("sample_index"))
                yield {n: t.to(self._device, non_blocking=is_cuda) for n, t in batch.items()}
            self._workers = ()
        finally:
            if patience is not None:
                patience.stop()

    def _is_of_others(self, error: Exception) -> bool:
        """Whether torch reports the death of another loader's worker."""
        is_death = "DataLoader worker (pid" in str(error)
        return is_death and all(process.is_alive() for process in self._workers)

    def _lose_patience(self) -> None:
        """Kill the workers, which ends the wait for them with an error.

        The loader's own time-out covers a batch that does not come, but not one that comes in part:
        a batch lies in memory that its worker hands over, which a stopped one never does.
        """
        self._found_dead = {n for n, p in enumerate(self._workers) if not p.is_alive()}
        self._is_hanging = not self._found_dead
        for process in self._workers:
            process.kill()

    def _check(self, number: int, found: Any) -> None:
        expected = self.source.batches.samples(number)
        if not np.array_equal(found, np.arange(expected.start, expected.stop)):
            self.end_workers()
            raise self._ended_early(number, f"samples {', '.join(map(str, found))}")

    def _ended_early(self, number: int, found: str) -> TrainingStoppedError:
        expected = self._told_batches(number, is_exact=True)
        return TrainingStoppedError(
            f"{self._maker(number)} ended early: instead of {expected} came {found}. {_RUN_AGAIN}"
        )

    def _maker(self, number: int) -> str:
        if self.num_workers == 0:
            return "the window stream"
        return f"loader worker {number % self.num_workers}"

    def is_cause_of(self, error: RuntimeError) -> bool:
        """Whether torch reports a dead worker, as it does in the midst of whatever is running."""
        return bool(self._workers) and "DataLoader worker" in str(error)

    def explained(self, error: Exception) -> TrainingStoppedError:
        """The error with the worker and its sessions named; the workers are ended.

        A stopped or hanging worker would otherwise keep the program from ending.
        """
        number = self._next_batch
        dead = [(n, p) for n, p in enumerate(self._workers) if not p.is_alive()]
        # Those that were killed here died of nothing else, and come last.
        dead.sort(
            key=lambda each: (
                each[0] not in self._found_dead
                if self._found_dead
                else each[1].exitcode == -signal.SIGKILL
            )
        )
        if self._is_hanging:
            allowed = self._patience_s * (_START_UP if number == 0 else 1.0)
            seconds = f"{allowed:.0f} s (--loader_timeout)"
            what = f"{self._maker(number)} hangs: no batch came for {seconds}"
        elif dead:
            worker, process = dead[0]
            number += (worker - number) % self.num_workers
            what = f"loader worker {worker} (pid {process.pid}) {_end_of(process.exitcode)}"
        else:
            what = f"{self._maker(number)} failed with {_told(error)}"
        self.end_workers()
        batches = self._told_batches(number, is_exact=not (dead or self._is_hanging))
        return TrainingStoppedError(f"{what}\nIt was making {batches}. {_RUN_AGAIN}")

    def _told_batches(self, number: int, *, is_exact: bool) -> str:
        """The samples and sessions of a batch, or of all that its worker may have been at."""
        num_ahead = 1 if is_exact else self.prefetch_factor or 1
        plan, step = self.source.batches, max(1, self.num_workers)
        stop = min(plan.num_batches, number + num_ahead * step)
        spans = [plan.samples(each) for each in range(number, stop, step)]
        samples = [sample for span in spans for sample in span]
        told = " or ".join(_span(span) for span in spans)
        return f"samples {told} ({name_sessions(samples, self.source.names_of)})"

    def end_workers(self) -> None:
        """End the worker processes, also those that hang or are stopped."""
        alive = [process for process in self._workers if process.is_alive()]
        for process in alive:
            process.terminate()
            if hasattr(signal, "SIGCONT") and process.pid is not None:
                os.kill(process.pid, signal.SIGCONT)
        deadline = time.monotonic() + _GRACE_S
        for process in alive:
            process.join(max(0.0, deadline - time.monotonic()))
        stubborn = [process for process in alive if process.is_alive()]
        if stubborn and threading.current_thread() is threading.main_thread():
            # Torch raises an error, wherever the program is then, when a worker is killed.
            before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for process in stubborn:
                process.kill()
                process.join()
            signal.signal(signal.SIGCHLD, before)


@contextmanager
def _sigchld_left_alone() -> Iterator[None]:
    """Undo what torch does when workers start: raise the death of one from a signal handler.

    Such an error comes up inside any function, also one that has just taken a lock, and leaves it
    locked for ever. The wait for a batch looks for dead workers itself, every 5 seconds.
    """
    is_settable = hasattr(signal, "SIGCHLD") and current_thread() is main_thread()
    before = signal.getsignal(signal.SIGCHLD) if is_settable else None
    yield
    if is_settable:
        is_torchs = getattr(before, "__module__", "").startswith("torch.")  # of another loader
        is_none = before is None or is_torchs
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if is_none else before)


def _span(samples: range) -> str:
    return f"{samples.start} to {samples.stop - 1}"


def _end_of(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        hint = "; is there enough memory?" if exit_code == -signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-exit_code).name}{hint}"
    return f"exited with status {exit_code}"


def _told(error: Exception) -> str:
    """The error for a person; of anything but bad data with the place in the code."""
    lines = without_controls(str(error)).strip().splitlines() or [""]
    if isinstance(error, DataError):
        return in_one_line(lines[-1].removeprefix("data_prep.errors.DataError: "))
    return "\n  | ".join([f"{type(error).__name__}: {lines[0]}", *lines[1:]])


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
