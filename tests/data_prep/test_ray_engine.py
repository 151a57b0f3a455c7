"""Preparation on a Ray cluster: the bytes of one machine, also when nodes die."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from made_recordings import files_of, fill_folders_with_visits

from data_prep.errors import DataError
from data_prep.manifest import list_sources
from data_prep.prepare import PrepareOptions, prepare
from data_prep.verify import verify

ray = pytest.importorskip("ray", reason='needs the extra: pip install -e ".[test,ray]"')
from ray.cluster_utils import Cluster  # noqa: E402
from ray.exceptions import RayTaskError  # noqa: E402

from data_prep.ray_engine import RayEngine, _Attempt  # noqa: E402

# Ray leaves files of its own open.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes of one core, and this process in it."""
    python_path = os.environ.get("PYTHONPATH")
    # Raylets hand their environment on to the workers.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(HERE), str(ROOT), *([python_path] if python_path else [])]
    )
    head = NODE | {"include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        if python_path is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = python_path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Prepare tmp_path / "raw" into a folder beside it."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr("data_prep.tasks._TASK_FILES", 4)
    import fake_encoder

    def run(output, encoder="FakeEncoder", said=None, **changes):
        options = PrepareOptions(
            test_fraction=0.2,
            validation_fraction=0.3,
            show_progress=False,
            **({"num_proc": None, "engine": "ray"} | changes),
        )
        return prepare(
            [tmp_path / "raw"],
            tmp_path / output,
            options,
            encoder_factory=getattr(fake_encoder, encoder),
            report=(said if said is not None else []).append,
        )

    return run


@pytest.mark.slow
def test_two_nodes_write_the_bytes_of_one_machine(tmp_path, run, cluster):
    fill_folders_with_visits(tmp_path / "raw", 60)
    said = []
    spread = run("spread", said=said)
    one = run("one", engine="local", num_proc=1)
    assert files_of(spread.path) == files_of(one.path)
    assert "Ray: 2 nodes with 2 cores" in said
    assert (one.num_listed, one.num_rejected) == (61, 5)
    assert not (tmp_path / ".spread.parts").exists()
    assert verify(spread.path, num_window_draws=10).is_sound


@pytest.mark.slow
def test_what_a_broken_run_has_done_is_not_done_again_by_either_engine(tmp_path, run, cluster):
    fill_folders_with_visits(tmp_path / "raw", 60)
    with pytest.raises(KeyError, match="one file of ours") as raised:
        run("spread", encoder="FailingOnce")
    assert "while working on" in "".join(raised.value.__notes__)
    done = len(list(tmp_path.glob(".spread.parts/*/*.jsonl")))
    assert done > 0
    said = []
    spread = run("spread", said=said, engine="local", num_proc=1)
    assert any("files are encoded already" in line for line in said)
    assert files_of(spread.path) == files_of(run("one", engine="local", num_proc=1).path)


@pytest.mark.slow
def test_a_node_that_is_killed_on_the_way_loses_and_doubles_nothing(tmp_path, run, cluster):
    fill_folders_with_visits(tmp_path / "raw", 200)
    killed_at = []
    doomed = cluster.add_node(**NODE)
    cluster.wait_for_nodes()

    def kill_node():
        while len(list(tmp_path.glob(".spread.parts/*/*.jsonl"))) < 12:
            time.sleep(0.02)
        cluster.remove_node(doomed, allow_graceful=False)
        killed_at.append(time.monotonic())

    killer = threading.Thread(target=kill_node)
    killer.start()
    said = []
    spread = run("spread", encoder="SlowBulkyEncoder", said=said)
    ended_at = time.monotonic()
    killer.join()
    assert "Ray: 3 nodes with 3 cores" in said
    assert killed_at[0] < ended_at
    assert any("tasks were lost and are done again" in line for line in said), said
    one = run("one", encoder="SlowBulkyEncoder", engine="local", num_proc=2)
    assert files_of(spread.path) == files_of(one.path)
    assert one.num_listed == 201
    assert verify(spread.path, num_window_draws=10, max_shared_windows=1).is_sound


@pytest.mark.slow
def test_a_process_that_dies_each_time_is_told_with_the_file(tmp_path, run, cluster):
    fill_folders_with_visits(tmp_path / "raw", 1)
    said = r"died or failed, 5 times, last with WorkerCrashedError, at .*list\.jsonl"
    with pytest.raises(DataError, match=said):
        run("spread", encoder="DyingEncoder")


@pytest.mark.slow
def test_a_file_that_a_node_does_not_see_stops_the_run(tmp_path, run, cluster, monkeypatch):
    raw = fill_folders_with_visits(tmp_path / "raw", 3)
    listed = list_sources([raw])
    shutil.rmtree(raw)
    monkeypatch.setattr("data_prep.prepare.list_sources", lambda *_, **__: listed)
    # Here, and not there: as this process sees it.
    monkeypatch.setattr("data_prep.ray_engine._is_there", lambda path: True)
    with pytest.raises(DataError, match=r"list\.jsonl is on this machine and not on .*bucket"):
        run("spread")


@pytest.mark.slow
def test_nodes_with_another_tokenizer_stop_the_run(tmp_path, run, cluster):
    fill_folders_with_visits(tmp_path / "raw", 3)
    with pytest.raises(DataError, match="another tokenizer, or another release"):
        run("spread", encoder="ForeignEncoder")


def test_a_cluster_that_is_not_there_is_told(tmp_path):
    """In a process of its own: this one is in a cluster."""
    fill_folders_with_visits(tmp_path / "raw", 3)
    command = [sys.executable, "-m", "data_prep", "prepare", "raw", "--output", "corpus"]
    done = subprocess.run(
        [*command, "--engine", "ray", "--address", "127.0.0.1:1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no Ray cluster can be reached at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_file_that_is_gone_since_it_was_listed_is_rejected_as_on_one_machine(
    tmp_path, run, cluster, monkeypatch
):
    raw = fill_folders_with_visits(tmp_path / "raw", 30)
    listed = list_sources([raw])
    (raw / "1" / "0001.json").unlink()
    monkeypatch.setattr("data_prep.prepare.list_sources", lambda *_, **__: listed)
    spread = run("spread")
    assert (spread.num_listed, spread.num_rejected) == (31, 4)
    assert files_of(spread.path) == files_of(run("one", engine="local", num_proc=1).path)


def test_a_process_whose_node_dies_first_fails_with_an_os_error_and_is_tried_again(monkeypatch):
    def broken(reference):
        raise RayTaskError("_do_task", "Traceback", OSError("Broken pipe"))

    monkeypatch.setattr(ray, "get", broken)
    said = []
    engine = RayEngine(None, said.append)
    source = list_sources([Path(__file__)]).sources[0]
    attempt = _Attempt([source])
    for number in (2, 3, 4, 5):
        attempt = engine._result(None, attempt)
        assert attempt == _Attempt([source], number)
    with pytest.raises(DataError, match=r"5 times, last with OSError, at .*test_ray_engine\.py"):
        engine._result(None, attempt)
    engine._say_losses()
    assert said == ["Ray: tasks were lost and are done again: 4 x OSError"]
