"""Finds that a shard is not, or no longer, the file that was prepared, while others read it.

A thread hashes each shard once, in the background, and compares it with `corpus.json`. All the time
it looks at size, inode and times of change of every shard once a second (less often where that
takes long); one that differs is hashed again. Files of which only the times change are left in
peace.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Final

from data_prep.corpus import PREPARE_AGAIN, PreparedCorpus
from data_prep.split_writer import ShardFile

__all__ = ["ShardWatch"]

_CHUNK_BYTES: Final = 4 << 20
_LONG_S: Final = 10.0
# A look before a save hashes shards of which only permissions, links or the like changed for so
# long: a backup that links every shard must not stop training until the corpus is read again.
_LOOK_S: Final = 10.0
# Of its time the thread spends at most a twentieth on asking for the state of files.
_PAUSE_PER_LOOK: Final = 20

_Stamp = tuple[int, int, int, int]
"""Size, inode, time of writing, time of any change."""


class ShardWatch:
    """Watches the shards of a corpus from `start` until `stop`.

    Args:
        corpus: as `open_corpus` returns it.
        splits: those that are read.
        interval_s: seconds between two looks.
        report: takes a message when the first hashing has taken long.
    """

    def __init__(
        self,
        corpus: PreparedCorpus,
        splits: Sequence[str],
        *,
        interval_s: float = 1.0,
        report: Callable[[str], None] = print,
    ) -> None:
        self._corpus = corpus
        self._interval_s = interval_s
        self._report = report
        self._shards: dict[Path, ShardFile] = {
            corpus.path / split / shard.name: shard
            for split in splits
            for shard in corpus.splits[split].shards
        }
        # What a shard looked like when its bytes were right.
        self._stamps: dict[Path, _Stamp | None] = {}
        self._pause_s = interval_s
        self._problem: str | None = None
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with which shard and what to do, None as long as nothing is."""
        return self._problem

    def start(self) -> None:
        """Begin to hash and to look."""
        self._stamps = {path: _stamp_of(path) for path in self._shards}
        self._thread = Thread(target=self._run, name="shard-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> str | None:
        """Look at all shards now, hash those that changed, and return the problem if there is one.

        Called before anything is kept that came out of them. Where only permissions, links or the
        like changed in more shards than can be read in a few seconds, the thread hashes the rest.
        """
        deadline, changed = time.monotonic() + _LOOK_S, self._changed()
        rewritten = {path for path in changed if self._looks_rewritten(path)}
        for path in rewritten:
            self._check(path)
        for path in changed:
            if path not in rewritten:
                self._check(path)
                if time.monotonic() > deadline:
                    break
        return self._problem

    def _run(self) -> None:
        began = looked = time.monotonic()
        unread, urgent = deque(self._shards), deque[Path]()
        while not self._stopping.is_set() and self._problem is None:
            if time.monotonic() - looked >= self._pause_s:
                urgent = deque(self._changed())
                looked = time.monotonic()
            if urgent:  # what changes now is more urgent than what was not read yet
                self._check(urgent.popleft())
            elif unread:
                self._check(unread.popleft())
                seconds = time.monotonic() - began
                if not unread and seconds > _LONG_S:
                    self._report(f"all {len(self._shards)} shards are as written ({seconds:.0f} s)")
            else:
                self._stopping.wait(self._pause_s)

    def _changed(self) -> list[Path]:
        """The shards that look other than they did when their bytes were right."""
        began = time.monotonic()
        changed = [path for path, stamp in self._stamps.items() if _stamp_of(path) != stamp]
        self._pause_s = max(self._interval_s, _PAUSE_PER_LOOK * (time.monotonic() - began))
        return changed

    def _looks_rewritten(self, path: Path) -> bool:
        """Whether size, inode or time of writing differ, not only the time of any change."""
        before, now = self._stamps[path], _stamp_of(path)
        return before is None or now is None or before[:3] != now[:3]

    def _check(self, path: Path) -> None:
        shard, digest = self._shards[path], hashlib.sha256()
        if not path.exists():
            # Whoever prepares the corpus anew puts another folder in its place.
            self._stopping.wait(self._interval_s)
        stamp = _stamp_of(path)
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    if self._stopping.is_set():
                        return
        except OSError as error:
            self._note(f"{path} can no longer be read ({error.strerror})")
            return
        if digest.hexdigest() == shard.sha256:
            self._stamps[path] = stamp
        else:
            self._note(f"{path} is not the file that was prepared: its bytes have changed")

    def _note(self, what: str) -> None:
        self._problem = (
            f"{what}. See what is wrong with: python -m data_prep verify {self._corpus.path}; "
            f"{PREPARE_AGAIN}"
        )


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns
