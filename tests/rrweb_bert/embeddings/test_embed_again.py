"""Interrupted, killed, or run once more: the same bytes, or an error that says what differs."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import synthetic
from embedding_runs import column, run

from data_prep.errors import DataError
from rrweb_bert.embeddings import job


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(
    recordings, tiny_encoder, tmp_path, monkeypatch
):
    run(recordings, tmp_path / "a" / "e.parquet", tiny_encoder)
    wanted = (tmp_path / "a" / "e.parquet").read_bytes()
    calls = []
    real = job.batch_of_sessions

    def interrupted(encoder, sessions, **options):
        calls.append(len(sessions))
        if len(calls) in (3, 5):
            raise KeyboardInterrupt
        return real(encoder, sessions, **options)

    monkeypatch.setattr(job, "batch_of_sessions", interrupted)
    output, said = tmp_path / "b" / "e.parquet", []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(recordings, output, tiny_encoder)
        assert not output.exists()
    run(recordings, output, tiny_encoder, said)
    assert output.read_bytes() == wanted
    assert calls == [2] * 7 + [1], "each interruption cost one part"
    assert any("are embedded already" in line for line in said)


def _stopped_after(num_pieces, monkeypatch, data, output, encoder):
    """A run that embeds so many pieces and is stopped then."""
    real, calls = job.batch_of_sessions, []

    def stopped(encoder, sessions, **options):
        calls.append(len(sessions))
        if len(calls) > num_pieces:
            raise KeyboardInterrupt
        return real(encoder, sessions, **options)

    with monkeypatch.context() as patch:
        patch.setattr(job, "batch_of_sessions", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(data, output, encoder)


@pytest.fixture
def twenty(tmp_path):
    folder = tmp_path / "twenty"
    folder.mkdir()
    for seed in range(20):
        events = synthetic.make_events("shop", seed, num_actions=2)
        (folder / f"{seed:02d}.json").write_text(json.dumps(events))
    return folder


@pytest.mark.parametrize("num_pieces", [1, 4])
@pytest.mark.parametrize("gone", ["00", "01", "05", "19"])
def test_an_interrupted_run_goes_on_though_a_recording_is_gone(
    twenty, tiny_encoder, tmp_path, monkeypatch, num_pieces, gone
):
    output = tmp_path / "e.parquet"
    _stopped_after(num_pieces, monkeypatch, twenty, output, tiny_encoder)
    (twenty / f"{gone}.json").unlink()
    run(twenty, output, tiny_encoder)
    wanted = [f"{seed:02d}" for seed in range(20) if f"{seed:02d}" != gone]
    assert column(output, "session_id") == wanted
    run(twenty, tmp_path / "again.parquet", tiny_encoder)
    vectors = [column(path, "embedding") for path in (output, tmp_path / "again.parquet")]
    assert np.abs(np.array(vectors[0]) - np.array(vectors[1])).max() < 1e-5


def test_a_recording_that_comes_and_goes_and_changes_between_stops_stands_once(
    twenty, tiny_encoder, tmp_path, monkeypatch
):
    output, file = tmp_path / "e.parquet", twenty / "02.json"
    _stopped_after(3, monkeypatch, twenty, output, tiny_encoder)
    file.rename(tmp_path / "aside")
    _stopped_after(3, monkeypatch, twenty, output, tiny_encoder)
    (tmp_path / "aside").rename(file)
    changed = twenty / "09.json"
    changed.write_text(json.dumps(synthetic.make_events("bank", 9, num_actions=3)))
    run(twenty, output, tiny_encoder)
    assert column(output, "session_id") == [f"{seed:02d}" for seed in range(20)]


def test_sessions_of_a_file_keep_their_order_though_the_file_before_is_gone(
    tiny_encoder, tmp_path, monkeypatch
):
    folder, output = tmp_path / "in", tmp_path / "e.parquet"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(synthetic.make_events("shop", 1, num_actions=2)))
    lines = [json.dumps(synthetic.make_events("shop", s, num_actions=2)) for s in range(2, 11)]
    (folder / "b.jsonl").write_text("\n".join(lines))
    _stopped_after(2, monkeypatch, folder, output, tiny_encoder)
    (folder / "a.json").unlink()
    run(folder, output, tiny_encoder)
    assert column(output, "session_id") == [f"b#{number}" for number in range(9)]


def test_what_was_tokenised_twice_is_embedded_once(twenty, tiny_encoder, tmp_path, monkeypatch):
    output = tmp_path / "e.parquet"
    _stopped_after(4, monkeypatch, twenty, output, tiny_encoder)
    # A worker that outlives its run seals its part after the next run has begun.
    for path in list((tmp_path / ".e.parquet.parts" / "tokenised").glob("*/*")):
        shutil.copy(path, path.with_name(f"0{path.name}"))
    run(twenty, output, tiny_encoder)
    assert column(output, "session_id") == [f"{seed:02d}" for seed in range(20)]


def test_a_damaged_part_is_made_again(recordings, tiny_encoder, tmp_path, monkeypatch):
    run(recordings, tmp_path / "a" / "e.parquet", tiny_encoder)
    output = tmp_path / "e.parquet"
    monkeypatch.setattr(job, "merge", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(recordings, output, tiny_encoder)
    monkeypatch.undo()
    monkeypatch.setattr(job, "_CPU_PIECE", 2)
    parts = sorted((tmp_path / ".e.parquet.parts" / "embedded").rglob("*.arrow"))
    seals = sorted((tmp_path / ".e.parquet.parts" / "embedded").rglob("*.json"))
    assert len(parts) == len(seals) > 4
    damaged = bytearray(parts[0].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    parts[0].write_bytes(damaged)
    seals[1].write_text(re.sub(r'"num_windows": \d+', '"num_windows": 99', seals[1].read_text()))
    seals[2].write_text("half a se")
    said = []
    run(recordings, output, tiny_encoder, said)
    assert any(line.startswith("3 parts") for line in said)
    assert output.read_bytes() == (tmp_path / "a" / "e.parquet").read_bytes()


def test_what_is_there_is_used_or_refused_with_what_differs(recordings, tiny_encoder, tmp_path):
    output = tmp_path / "e.parquet"
    run(recordings, output, tiny_encoder)
    before, said = output.read_bytes(), []
    run(recordings, output, tiny_encoder, said)
    assert any("nothing to do" in line for line in said)
    with pytest.raises(DataError, match=r"pooling interactions there, mean here"):
        run(recordings, output, tiny_encoder, pooling="mean")
    with pytest.raises(DataError, match=r"inputs [0-9a-f]{12} there"):
        run(recordings / "shop", output, tiny_encoder)
    assert output.read_bytes() == before
    run(recordings / "shop", output, tiny_encoder, overwrite=True)
    assert column(output, "session_id") == ["0", "1"]


def test_a_file_of_something_else_is_not_written_over(recordings, tiny_encoder, tmp_path):
    output = tmp_path / "e.parquet"
    output.write_text("dear diary")
    with pytest.raises(DataError, match="no Parquet file"):
        run(recordings, output, tiny_encoder)
    pq.write_table(pa.table({"a": [1]}), output)
    with pytest.raises(DataError, match="not made by"):
        run(recordings, output, tiny_encoder)
    with pytest.raises(DataError, match="is a folder"):
        run(recordings, tmp_path, tiny_encoder)


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_killed_at_random_moments_the_same_command_gives_the_same_bytes(
    recordings, tiny_model_dir, tiny_encoder, tmp_path
):
    many = tmp_path / "many"
    for seed in range(120):
        path = many / f"{seed:03d}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(synthetic.make_events("shop", seed, num_actions=8)))
    words = [sys.executable, "-m", "rrweb_bert", "embed", str(many), "--num_proc", "2"]
    words += ["--model", str(tiny_model_dir), "--device", "cpu"]
    undisturbed, output = tmp_path / "u.parquet", tmp_path / "k.parquet"
    subprocess.run([*words, "--output", str(undisturbed)], check=True, capture_output=True)
    rng, work = random.Random(5), tmp_path / ".k.parquet.parts"  # noqa: S311 - no secret
    for num_parts in (0, 1, 3, 4, 6):
        process = subprocess.Popen(
            [*words, "--output", str(output)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and len(list(work.glob("embedded/*/*.json"))) < num_parts:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.2))
        assert process.poll() is None, "it is killed before it is done"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not output.exists()
    done = subprocess.run([*words, "--output", str(output)], check=True, capture_output=True)
    assert b"of 120 are embedded already" in done.stdout
    assert output.read_bytes() == undisturbed.read_bytes()
