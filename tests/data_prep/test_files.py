"""A file that cannot be written leaves the old one; a folder that cannot be synced is no error."""

import errno
import os

import pytest

from data_prep.files import sync_folder, write_text_atomically
from rrweb_bert.durable import write_atomically

WRITERS = [write_text_atomically, write_atomically]


@pytest.mark.parametrize("write", WRITERS)
def test_a_text_takes_the_place_of_the_old_one_and_leaves_nothing_else(tmp_path, write):
    file = tmp_path / "page.json"
    for text in ("old", "nöu\n"):
        write(file, text)
        assert file.read_bytes() == text.encode()
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch, write):
    file = tmp_path / "page.json"
    write(file, "old")

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EIO])
def test_only_a_file_system_that_syncs_no_folders_is_let_pass(tmp_path, monkeypatch, number):
    asked = []

    def refuse(descriptor):
        asked.append(descriptor)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output"):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)
    assert len(asked) == 1
