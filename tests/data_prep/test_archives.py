"""Archives: each member is read as a file of its own, within the limits."""

import gzip
import io
import tarfile
import zlib

import pytest
from made_containers import EVENTS, check_events, dumps, later, names_of, read, tar_of, zip_of

from data_prep.limits import Limits
from data_prep.readers import Rejected, Session


@pytest.mark.parametrize(
    "pack",
    [zip_of, tar_of, lambda m: tar_of(m, "w:gz"), lambda m: gzip.compress(zip_of(m))],
    ids=["zip", "tar", "tar.gz", "zip.gz"],
)
def test_each_member_of_an_archive_is_a_file_like_any_other(tmp_path, pack):
    found = read(
        tmp_path,
        pack(
            {
                "a.json": dumps(EVENTS),
                "day/b.json.gz": gzip.compress(dumps(later(1))),
                "day/c.jsonl": b"\n".join(map(dumps, later(2))),
                "day/readme.md": b"#",
                "__MACOSX/a.json": b"x",
                ".hidden": b"x",
                "windows.json": dumps(
                    {"snapshot_data_by_window_id": {"v": later(3), "w": later(4)}}
                ),
            }
        ),
    )
    assert names_of(found) == [
        "file#a",
        "file#day/b",
        "file#day/c",
        "file#windows#v",
        "file#windows#w",
    ]
    for number, session in enumerate(found):
        check_events(session, later(number))
    assert found[3].record == found[4].record == "windows"


def test_what_is_odd_about_a_member_is_noted_at_its_session(tmp_path):
    members = {"a.json.gz": gzip.compress(dumps(EVENTS)) + b"x", "b.json": dumps(later(1))}
    found = read(tmp_path, zip_of(members))
    assert [session.notes for session in found] == [("bytes after the compressed stream",), ()]


def test_segments_in_one_folder_of_an_archive_are_one_session(tmp_path):
    members = {
        f"project/{replay}/{number}": b'{"segment_id":%d}\n' % number
        + zlib.compress(dumps([event]))
        for replay in ("r1", "r2")
        for number, event in reversed(list(enumerate(EVENTS)))
    }
    found = read(tmp_path, tar_of(members))
    assert names_of(found) == ["file#project/r1", "file#project/r2"]
    for session in found:
        check_events(session)


def test_a_bad_member_costs_itself_alone(tmp_path):
    found = read(
        tmp_path, zip_of({"a": b"hello", "b.json": b"[", "c.json": dumps(EVENTS), "d": b""})
    )
    assert [type(session) for session in found] == [Rejected, Rejected, Session, Rejected]
    assert [f.where.split(",")[0] for f in found if isinstance(f, Rejected)] == ["a", "b.json", "d"]


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "x/../../a.json", "C:\\a.json"])
@pytest.mark.parametrize("pack", [zip_of, tar_of])
def test_a_member_whose_path_leaves_the_archive_is_rejected(tmp_path, name, pack):
    (rejected,) = read(tmp_path, pack({name: dumps(EVENTS)}))
    assert "leaves the archive" in rejected.reason
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_links_and_devices_in_a_tar_are_rejected(tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("d", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    found = read(tmp_path, file.getvalue())
    assert [session.reason for session in found] == ["no regular file"] * 3


def test_an_encrypted_member_is_rejected_by_name(tmp_path):
    content = bytearray(zip_of({"a.json": dumps(EVENTS)}))
    content[6] |= 1  # the flag in the local header, and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (rejected,) = read(tmp_path, bytes(content))
    assert (rejected.reason, rejected.where) == ("encrypted; unpack it first", "a.json")


def test_archives_in_one_another_are_read_up_to_the_limit(tmp_path):
    content = zip_of({"a.json": dumps(EVENTS)})
    for _ in range(2):
        content = tar_of({"inner.zip": content})
    assert names_of(read(tmp_path, content)) == ["file#inner/inner/a"]
    (rejected,) = read(tmp_path, tar_of({"inner.tar": content}))
    assert "more than 3 deep" in rejected.reason


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path):
    found = read(tmp_path, zip_of({f"{n}.json": b" " * 5_000_000 for n in range(10)}))
    assert "times its size" in found[-1].reason
    assert len(found) < 6


def test_members_count_on_both_sides_of_their_limit(tmp_path):
    content = zip_of({f"{n}.json": dumps(later(n)) for n in range(3)})
    assert len(names_of(read(tmp_path, content, Limits(max_members=3)))) == 3
    found = read(tmp_path, content, Limits(max_members=2))
    assert [type(session) for session in found] == [Session, Session, Rejected]


@pytest.mark.parametrize(
    ("pack", "cut"), [(zip_of, 30), (zip_of, 200), (tar_of, 600), (tar_of, 1300), (tar_of, 1600)]
)
def test_a_truncated_archive_is_rejected_after_what_came_before(tmp_path, pack, cut):
    found = read(tmp_path, pack({"a.json": dumps(EVENTS), "b.json": dumps(later(1))})[:cut])
    assert isinstance(found[-1], Rejected)
    assert len([session for session in found if isinstance(session, Session)]) == (cut > 1000)


def test_sessions_count_on_both_sides_of_their_limit(tmp_path):
    content = dumps([later(n) for n in range(3)])
    assert len(names_of(read(tmp_path, content, Limits(max_sessions_per_file=3)))) == 3
    found = read(tmp_path, content, Limits(max_sessions_per_file=2))
    assert [type(session) for session in found] == [Session, Session, Rejected]


def test_equal_names_in_one_file_are_made_unique(tmp_path):
    found = read(
        tmp_path, zip_of({"a.json": dumps(EVENTS), "a.json.gz": gzip.compress(dumps(EVENTS))})
    )
    assert names_of(found) == ["file#a", "file#a~2"]
