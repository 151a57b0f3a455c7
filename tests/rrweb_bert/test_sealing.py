import json
import os

import pytest

from rrweb_bert.sealing import SEAL_FILE, SealError, problem_of, read_seal, seal_folder

FILES = {
    "config.json": b"{}",
    "trainer_state.json": b'{"global_step": 7}',
    "scheduler.pt": b"scheduler" * 9,
    "inner/part.bin": b"part" * 9,
}


@pytest.fixture
def sealed(tmp_path):
    folder = tmp_path / "checkpoint-7"
    (folder / "inner").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    seal_folder(folder, step=7)
    return folder


def test_a_seal_names_size_and_hash_of_every_file(sealed):
    seal = read_seal(sealed)
    assert seal.step == 7
    assert {name: file.bytes for name, file in seal.files.items()} == {
        name: len(content) for name, content in FILES.items()
    }
    empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert seal.files["config.json"].sha256 == empty_object
    assert seal.num_bytes == sum(map(len, FILES.values()))
    assert problem_of(sealed) is None


def test_a_folder_without_a_seal_says_where_it_may_come_from(sealed):
    (sealed / SEAL_FILE).unlink()
    assert "has no seal.json" in problem_of(sealed)
    assert "did not seal" in problem_of(sealed)


def test_any_other_text_of_a_seal_is_damage(sealed):
    whole = (sealed / SEAL_FILE).read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        (sealed / SEAL_FILE).write_bytes(bytes(changed))
        assert problem_of(sealed) is not None, position
    for text in ("", "null", "[]", '{"format": 1}', whole.decode() + "\n"):
        (sealed / SEAL_FILE).write_text(text)
        assert problem_of(sealed) == "seal.json is damaged"


def test_a_seal_of_a_later_version_says_so(sealed):
    content = json.loads((sealed / SEAL_FILE).read_text())
    (sealed / SEAL_FILE).write_text(json.dumps(content | {"format": 9}))
    assert "later version" in problem_of(sealed)


def test_a_checkpoint_under_another_step_is_refused_and_under_another_kind_of_name_is_not(sealed):
    other = sealed.rename(sealed.with_name("checkpoint-9"))
    assert problem_of(other) == "its seal is of step 7"
    assert problem_of(other.rename(other.with_name("last-checkpoint"))) is None


@pytest.mark.parametrize("name", ["/etc/hostname", "../other", "inner/../../x", "a\\..\\b"])
def test_a_seal_cannot_name_files_outside(sealed, name):
    seal = read_seal(sealed)
    seal.files[name] = seal.files["config.json"]
    (sealed / SEAL_FILE).write_text(seal.render())
    with pytest.raises(SealError, match="damaged"):
        read_seal(sealed)


def test_a_file_that_loaders_would_open_must_be_sealed_and_notes_need_not(sealed):
    (sealed / "notes.txt").write_text("mine")
    assert problem_of(sealed) is None
    (sealed / "pytorch_model.bin").write_bytes(b"anything")
    assert "pytorch_model.bin does not belong to it" in problem_of(sealed)


def test_weights_without_a_training_state_are_no_checkpoint_to_continue_from(sealed):
    (sealed / "scheduler.pt").unlink()
    seal_folder(sealed, step=7)
    assert "--save_only_model" in problem_of(sealed)


def test_a_file_that_cannot_be_read_is_named(sealed, monkeypatch):
    import hashlib

    def broken(file, name):
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(hashlib, "file_digest", broken)
    assert problem_of(sealed) == "config.json cannot be read (Input/output error)"


def test_sealing_puts_every_file_and_folder_on_the_disk(tmp_path, monkeypatch):
    synced = []
    stock = os.fsync

    def fsync(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        stock(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    seal_folder(tmp_path, step=1)
    paths = [tmp_path, *tmp_path.rglob("*")]
    assert {path.stat().st_ino for path in paths} == set(synced)
    assert len(paths) == len(synced) == 5
