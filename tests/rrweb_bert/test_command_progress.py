"""Progress of many sessions, where standard error is no terminal."""

import io

from rrweb_bert import command_progress
from rrweb_bert.command_progress import Progress


def lines_of(monkeypatch, use, **options):
    """What is printed at a line every five seconds of a clock that `use` moves."""
    now = [0.0]
    monkeypatch.setattr(command_progress.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(1000, "bytes", verb="judged", stream=stream, **options)

    def advance(seconds, weight, **counts):
        now[0] += seconds
        progress.advance(weight, **counts)

    use(progress, advance)
    progress.close()
    return stream.getvalue().splitlines()


def test_a_line_every_five_seconds_tells_rate_and_time_left(monkeypatch):
    def use(progress, advance):
        advance(4, 100, num_sessions=1)
        advance(4, 100, num_sessions=1)
        advance(4, 100, num_sessions=1)
        advance(4, 200, num_sessions=5, num_windows=9)

    assert lines_of(monkeypatch, use) == [
        "judged 2 sessions, 20% of the bytes, 0.2 sessions/s, about 32 s left",
        "judged 8 sessions, 9 windows, 50% of the bytes, 0.5 sessions/s, about 16 s left",
    ]


def test_what_has_to_be_done_again_belongs_to_the_whole(monkeypatch):
    def use(progress, advance):
        progress.extend(1000)
        advance(10, 1000, num_sessions=1)

    assert lines_of(monkeypatch, use) == [
        "judged 1 session, 50% of the bytes, 0.1 sessions/s, about 10 s left"
    ]


def test_silence_where_it_is_asked_for(monkeypatch):
    assert lines_of(monkeypatch, lambda _, go: go(60, 10, num_sessions=1), is_shown=False) == []
