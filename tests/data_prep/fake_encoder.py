"""A stand-in for the tokenizer that spawned processes can import: ids follow from event types."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np


class FakeEncoder:
    """Five ids an event, a keyframe every two events."""

    def encode_events(self, session):
        types = [type(event).__name__ for event in session]
        ids = np.array([100 + len(name) + k for name in types for k in range(5)], np.uint16)
        times = [event.timestamp if event.timestamp is not None else np.nan for event in session]
        return SimpleNamespace(
            ids=ids,
            keyframes=np.arange(0, len(ids), 10, dtype=np.uint32),
            event_starts=np.arange(0, len(ids), 5, dtype=np.uint32),
            event_times_ms=np.array(times, np.float64),
            num_events=len(session),
            counts={"capped_texts": 1},
        )

    def save_vocabulary(self, save_directory):
        path = Path(save_directory) / "vocabulary.json"
        path.write_text("fake")
        return (str(path),)


class FailingEncoder(FakeEncoder):
    """Breaks on every session."""

    def encode_events(self, session):
        raise KeyError("a fault of ours")


class DyingEncoder(FakeEncoder):
    """Takes its process down."""

    def encode_events(self, session):
        import os

        os._exit(9)


class SlowEncoder(FakeEncoder):
    """Takes its time, so that there is time to kill it."""

    def encode_events(self, session):
        import time

        time.sleep(0.02)
        return super().encode_events(session)


class FailingOnce(FakeEncoder):
    """Breaks on one session of 60."""

    def encode_events(self, session):
        if session[0].timestamp == 31_000:
            raise KeyError("one file of ours")
        return super().encode_events(session)


class SlowBulkyEncoder(SlowEncoder):
    """Makes results that stay on their node until they are fetched."""

    def encode_events(self, session):
        encoded = super().encode_events(session)
        encoded.ids = np.resize(encoded.ids, 40_000)
        return encoded


class ForeignEncoder(FakeEncoder):
    """Of other files in each process."""

    def save_vocabulary(self, save_directory):
        import os

        (name,) = super().save_vocabulary(save_directory)
        Path(name).write_text(str(os.getpid()))
        return (name,)
