import json
from importlib import resources
from pathlib import Path

import pytest

from data_prep.limits import DEFAULT_LIMITS
from data_prep.readers import Session, read_sessions
from data_prep.splits import group_of, split_of
from rrweb_tokenizer.schema import MetaEvent, decode_events

DATA = resources.files("data_prep")
FILES = sorted(Path(str(DATA.joinpath("sample"))).glob("*.json.zst"))
LABELS = [
    json.loads(line) for line in DATA.joinpath("sample_labels.jsonl").read_text().splitlines()
]
PERMISSIVE = {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "own"}


def split_of_file(file: Path) -> str:
    (session,) = read_sessions(file, DEFAULT_LIMITS)
    assert isinstance(session, Session)
    events = decode_events(session.parts).events
    href = next(event.data.href for event in events if isinstance(event, MetaEvent))
    group = group_of(
        group_by="site", file_id="", fields={}, first_href=href, parent_folder="sample"
    )
    return split_of(group)


def test_the_sample_is_sixty_recordings_of_at_most_three_megabytes() -> None:
    assert len(FILES) == 60
    assert sum(file.stat().st_size for file in FILES) <= 3_000_000


def test_every_recording_has_its_labels_and_a_permissive_licence() -> None:
    assert [label["id"] for label in LABELS] == [file.name.split(".")[0] for file in FILES]
    licences = {part for label in LABELS for part in label["licence"].split(" OR ")}
    assert licences <= PERMISSIVE


def test_the_notice_names_every_site() -> None:
    notice = (Path(__file__).parents[2] / "NOTICE").read_text()
    assert all(f"\n{label['site']} " in notice for label in LABELS)


def test_no_split_of_the_sample_is_empty() -> None:
    splits = [split_of_file(file) for file in FILES]
    counts = {split: splits.count(split) for split in ("train", "validation", "test")}
    assert counts == {"train": 46, "validation": 7, "test": 7}


@pytest.mark.parametrize("label", LABELS[:5], ids=lambda label: label["id"])
def test_labels_count_the_events_of_their_recording(label) -> None:
    (file,) = [file for file in FILES if file.name.startswith(label["id"])]
    (session,) = read_sessions(file, DEFAULT_LIMITS)
    assert len(decode_events(session.parts).events) == label["events"]
