"""An output that cannot be written is told at once, in a line, and nothing is left of the check."""

import errno
import os
from pathlib import Path

import pytest
from made_recordings import fill

from data_prep import output_lock
from data_prep.__main__ import main
from data_prep.errors import DataError
from data_prep.output_lock import OTHER_CACHE, check_writable, lock_of_output

NO_PLACES = ("/proc/q", "/sys/q", "/dev/null/q", "/dev/null/deep/q")
needs_linux = pytest.mark.skipif(not Path("/proc/self").exists(), reason="places of Linux")


def test_the_folder_above_is_made_and_the_lock_is_the_outputs(tmp_path):
    with lock_of_output(tmp_path / "new" / "out") as lock:
        assert lock.is_locked
        assert Path(lock.lock_file) == tmp_path / "new" / ".out.lock"
    assert Path(lock_of_output(tmp_path / "out", "work").lock_file).name == ".work.lock"


@needs_linux
@pytest.mark.parametrize("place", NO_PLACES)
@pytest.mark.parametrize("check", [check_writable, lock_of_output])
def test_where_nothing_can_be_written_it_is_said_with_reason_and_remedy(place, check):
    with pytest.raises(DataError, match=rf"^{place} cannot be written: .+; give another --output$"):
        check(Path(place))


def test_a_lock_of_somebody_else_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(output_lock.os, "open", refuse)
    with pytest.raises(DataError, match=r"out cannot be written: Permission denied; give another"):
        lock_of_output(tmp_path / "out")


def test_a_file_above_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=f"{tmp_path}/file is a file; give another --output"):
        check_writable(tmp_path / "file" / "out")
    with pytest.raises(DataError, match="set RRWEB_BERT_CACHE"):
        check_writable(tmp_path / "file" / "out", remedy=OTHER_CACHE)


def test_looking_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a" / "b" / "out")
    assert not list(tmp_path.iterdir())


@needs_linux
@pytest.mark.parametrize("place", NO_PLACES)
def test_prepare_ends_at_once_where_it_cannot_write(tmp_path, capsys, place):
    fill(tmp_path / "raw", 3)
    assert main(["prepare", str(tmp_path / "raw"), "--output", place]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{place} cannot be written: " in line
    assert line.endswith("; give another --output")
    assert "lock" not in line
