"""verify: a sound corpus passes; each kind of damage has its message, naming file and place."""

import dataclasses
import json
import random
import shutil
from functools import partial

import numpy as np
import pytest
from synthetic import write_recordings

from data_prep.__main__ import main
from data_prep.corpus import Identity
from data_prep.prepare import PrepareOptions, prepare
from data_prep.shards import SPLITS, SplitTable
from data_prep.split_writer import write_split
from data_prep.verify import NUM_WINDOW_DRAWS, verify

OPTIONS = PrepareOptions(
    test_fraction=0.2, validation_fraction=0.3, num_proc=1, show_progress=False
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    write_recordings(folder / "raw", num_per_site=10, num_actions=20)
    (folder / "raw" / "bad.json").write_text("no recording")
    prepare([folder / "raw"], folder / "corpus", OPTIONS, report=lambda _: None)
    return folder / "corpus"


@pytest.fixture
def corpus(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "corpus")
    return tmp_path / "corpus"


check = partial(verify, num_window_draws=200)


def messages(path):
    return [str(problem).replace(f"{path}/", "") for problem in check(path).problems.found]


def edit_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def edit_ledger(path, change):
    lines = (path / "ledger.jsonl").read_text().splitlines(keepends=True)
    (path / "ledger.jsonl").write_text("".join(change(lines)))


def edit_line(number, change):
    def edited(lines):
        row = json.loads(lines[number])
        change(row)
        return [*lines[:number], json.dumps(row) + "\n", *lines[number + 1 :]]

    return edited


def rewrite(path, split, change):
    """Write a split's rows anew with some change, and make corpus.json fit the bytes."""
    table = SplitTable.open(path, split)
    rows = change([table.row(session) for session in range(len(table))])
    rows = [dataclasses.replace(row, ids=row.ids.copy()) for row in rows]
    shutil.rmtree(path / split)
    summary = write_split(path, split, rows)

    def set_split(content):
        content["splits"][split] = dataclasses.asdict(summary)

    edit_json(path / "corpus.json", set_split)


def test_a_sound_corpus_passes_and_says_what_was_looked_at(sound, capsys):
    assert main(["verify", str(sound), "--near_duplicates", "--window_draws", "100"]) == 0
    out = capsys.readouterr().out
    assert "100 windows drawn from each split: 0 stand in two splits" in out
    assert "nearly equal one of another split" in out
    assert f"OK: {sound}: 40 sessions" in out


def test_splits_share_no_id_group_hash_window_or_near_duplicate(sound):
    found = verify(sound, near_duplicates=True)
    assert found.is_sound
    assert found.num_sessions == 40
    assert NUM_WINDOW_DRAWS == 50_000
    assert "50,000 windows drawn from each split: 0 stand in two splits" in found.notes
    tables = [SplitTable.open(sound, split) for split in SPLITS]
    for column in ("session_id", "group", "sha256"):
        values = [{getattr(t, column)(s) for s in range(len(t))} for t in tables]
        assert sum(map(len, values)) == len(set.union(*values)) == 40
    assert any(note.startswith("0 of ") for note in found.notes)


def cut_shard(path):
    shard = path / "train" / "data-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-1000])


def change_byte(path):
    shard = path / "train" / "data-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0x55
    shard.write_bytes(bytes(content))


def remove(name):
    def damage(path):
        (path / name).unlink()

    return damage


def write(name, text):
    def damage(path):
        (path / name).write_text(text)

    return damage


def corpus_json(change):
    return lambda path: edit_json(path / "corpus.json", change)


def ledger(change):
    return lambda path: edit_ledger(path, change)


def forge_salt(path):
    def change(content):
        content["identity"]["options"]["salt"] = "other"
        content["fingerprint"] = Identity(**content["identity"]).fingerprint()

    edit_json(path / "corpus.json", change)


def set_at(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def new_shard_name(content):
    content["splits"]["train"]["shards"][0]["name"] = "../../other.arrow"


DAMAGES = {
    "a shard cut short": (cut_shard, "train/data-00000.arrow: is cut short"),
    "a byte of a shard": (change_byte, "train/data-00000.arrow: was changed: its sha256"),
    "a missing shard": (remove("test/data-00000.arrow"), "test/data-00000.arrow: is missing"),
    "a foreign shard": (write("test/data-00007.arrow", "x"), "data-00007.arrow: is not listed"),
    "no state file": (remove("test/state.json"), "test/state.json: cannot be read"),
    "a damaged state file": (write("test/state.json", "{"), "test/state.json: is damaged"),
    "a state file of other shards": (
        write("test/state.json", '{"_data_files": []}'),
        "test/state.json: does not fit the shards",
    ),
    "no dataset_info": (remove("train/dataset_info.json"), "dataset_info.json: cannot be read"),
    "a dataset_info of other columns": (
        lambda path: edit_json(
            path / "train" / "dataset_info.json", lambda info: info["features"].pop("ids")
        ),
        "train/dataset_info.json (features): are not those of the shards",
    ),
    "a member of corpus.json of another type": (
        corpus_json(set_at("splits", "train", "num_ids", value="3")),
        "corpus.json is damaged",
    ),
    "a member that nobody knows": (corpus_json(set_at("x", value=1)), "corpus.json is damaged"),
    "a note of the ledger": (
        ledger(edit_line(5, lambda row: row["sessions"][0].update(notes=["x"]))),
        "ledger.jsonl: was changed",
    ),
    "no corpus.json": (remove("corpus.json"), "is no prepared corpus"),
    "corpus.json that is no JSON": (write("corpus.json", "{"), "corpus.json is damaged"),
    "corpus.json that is a list": (write("corpus.json", "[]"), "corpus.json is damaged"),
    "splits that are a list": (corpus_json(set_at("splits", value=[1])), "corpus.json is damaged"),
    "a split too few": (corpus_json(lambda c: c["splits"].pop("test")), "(splits): must be"),
    "edited options": (
        corpus_json(set_at("identity", "options", "salt", value="x")),
        "corpus.json was changed by hand",
    ),
    "forged options": (forge_salt, "its group belongs into"),
    "an edited total": (
        corpus_json(set_at("num_listed", value=44)),
        "corpus.json (num_listed): says 44, the ledger adds up to 41",
    ),
    "edited counts": (corpus_json(set_at("counts", value={"x": 3})), "corpus.json (counts): says"),
    "an edited split": (
        corpus_json(set_at("splits", "train", "num_ids", value=3)),
        "corpus.json (train num_ids): says 3, the shards hold",
    ),
    "edited windows": (
        corpus_json(set_at("num_windows", "test", value=3)),
        "corpus.json (test num_windows): says 3",
    ),
    "a shard outside": (corpus_json(new_shard_name), "which is no name of a shard"),
    "no ledger": (remove("ledger.jsonl"), "ledger.jsonl: cannot be read"),
    "a ledger cut short": (
        ledger(lambda lines: [*lines[:-1], lines[-1][:50]]),
        "ledger.jsonl (line 41): is damaged or cut short",
    ),
    "a ledger line too few": (
        ledger(lambda lines: lines[:-1]),
        "1 session stored in",
    ),
    "a line without sessions": (
        ledger(edit_line(5, lambda row: row.pop("sessions"))),
        "ledger.jsonl (line 6): is damaged",
    ),
    "lines in another order": (
        ledger(lambda lines: [lines[0], *lines[:0:-1]]),
        "in another order from here on",
    ),
    "an edited number of ids": (
        ledger(edit_line(5, lambda row: row["sessions"][0].update(num_ids=7))),
        "is not what ledger.jsonl names at line 6 (different: num_ids)",
    ),
    "an edited status": (
        ledger(edit_line(5, lambda row: row.update(status="rejected"))),
        "ledger.jsonl (line 6): its status does not fit",
    ),
    "a reason taken away": (
        ledger(edit_line(0, lambda row: row.update(reasons=[]))),
        "ledger.jsonl (line 1): a file is rejected without a reason",
    ),
    "another file hash": (
        ledger(edit_line(5, lambda row: row.update(sha256="0" * 64))),
        "ledger.jsonl: its files are not those",
    ),
    "a split that is none": (
        ledger(edit_line(5, lambda row: row["sessions"][0].update(split="dev"))),
        "ledger.jsonl (line 6): names an unknown split 'dev'",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_named(corpus, name):
    damage, said = DAMAGES[name]
    damage(corpus)
    found = messages(corpus)
    assert [message for message in found if said in message], found


def test_whatever_byte_is_changed_is_found(corpus):
    rng = random.Random(5)  # noqa: S311 - no secret
    # What corpus.json says of the inputs' times serves the cache alone and has no counterpart.
    quick = json.loads((corpus / "corpus.json").read_text())["quick_inputs"].encode()
    for file in sorted(path for path in corpus.rglob("*") if path.is_file()):
        content = file.read_bytes()
        for _ in range(6):
            place = rng.randrange(len(content))
            changed = bytearray(content)
            changed[place] ^= 1 << rng.randrange(7)
            start = content.find(quick)
            if file.name == "corpus.json" and start <= place < start + len(quick):
                continue
            if file.suffix == ".json" and _is_same_json(content, bytes(changed)):
                continue
            if file.name == "dataset_info.json" and place < content.find(b'"features"'):
                continue  # empty descriptions
            file.write_bytes(bytes(changed))
            assert messages(corpus), (file, place, changed[place])
        file.write_bytes(content)


def _is_same_json(first, second):
    try:
        return json.loads(first) == json.loads(second)
    except ValueError:
        return False


def replaced(number, **changes):
    def change(rows):
        rows[number] = dataclasses.replace(rows[number], **changes)
        return rows

    return change


def with_ids(number, place, value):
    def change(rows):
        ids = rows[number].ids.copy()
        ids[place] = value
        rows[number] = dataclasses.replace(rows[number], ids=ids)
        return rows

    return change


def keyframes(*offsets):
    return np.array(offsets, np.uint32)


FORGERIES = {
    "a special id": (with_ids(2, 10, 4), "(session 2): holds ids that no session has"),
    "an id out of range": (with_ids(2, 10, 60_000), "(session 2): holds ids that no session has"),
    "keyframes that fall": (replaced(1, keyframes=keyframes(0, 9, 5)), "do not ascend"),
    "an altered group": (replaced(3, group="file:x"), "different: group"),
    "a time that runs back": (replaced(1, end_ms=0.0), "(session 1): ends before it starts"),
    "no events": (replaced(1, num_events=0), "(session 1): has no events"),
    "no hash": (replaced(1, sha256="x"), "(session 1): has no sha256"),
    "no name": (replaced(1, session_id=""), "(session 1): has no name"),
    "a row too few": (lambda rows: rows[:-1], "names a session that is not stored in train"),
    "a row twice": (lambda rows: [*rows, rows[0]], "sessions stand in it twice"),
    "another order": (lambda rows: rows[::-1], "in another order from here on"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_rows_that_break_a_promise_are_found_though_all_hashes_fit(corpus, name):
    change, said = FORGERIES[name]
    rewrite(corpus, "train", change)
    found = messages(corpus)
    assert [message for message in found if said in message], found
    assert not [message for message in found if "sha256 is" in message]


def test_sessions_of_two_splits_are_a_leak(corpus):
    validation = SplitTable.open(corpus, "validation").row(0)
    leaked = dataclasses.replace(validation, split="train")
    rewrite(corpus, "train", lambda rows: [*rows, leaked])
    found = "\n".join(messages(corpus))
    for what in ("sessions", "groups", "contents"):
        assert f"validation (session 0): train and validation share 1 {what}" in found
    assert "its group belongs into validation, not train" in found


def test_the_exit_status_tells_and_the_last_line_sums_up(corpus, capsys):
    cut_shard(corpus)
    assert main(["verify", str(corpus), "--window_draws", "10"]) == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("FAILED: ")
    assert "windows and near duplicates were not looked at" in err
    assert main(["verify", str(corpus / "nowhere")]) == 2


def test_only_what_was_a_corpus_is_to_be_prepared_again(corpus, tmp_path, capsys):
    (tmp_path / "notes").mkdir()
    assert main(["verify", str(tmp_path / "notes")]) == 2
    err = capsys.readouterr().err
    assert "is no prepared corpus" in err
    assert "--overwrite" not in err
    (corpus / "corpus.json").unlink()
    assert main(["verify", str(corpus)]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_options_are_not_abbreviated(sound, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(sound), "--near"])
    assert ended.value.code == 2
    assert "--near" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--window_draws=-1", "--max_shared_windows=2"])
def test_options_out_of_range_are_a_bad_call(sound, option):
    with pytest.raises(SystemExit) as caught:
        main(["verify", str(sound), option])
    assert caught.value.code == 2


def test_many_problems_of_a_kind_are_counted_not_listed(corpus):
    rewrite(corpus, "train", lambda rows: [dataclasses.replace(r, sha256="x") for r in rows])
    found = check(corpus)
    assert len([p for p in found.problems.found if "has no sha256" in p.message]) == 5
    assert found.problems.num_found > len(found.problems.found)
    assert "more of these kinds" in "\n".join(found.lines())
