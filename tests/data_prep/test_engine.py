"""Which engine works through the files."""

import pytest

from data_prep.__main__ import main
from data_prep.engine import check_engine, opened_engine
from data_prep.errors import AccessError
from data_prep.manifest import Source
from data_prep.pool import LocalEngine
from data_prep.prepare_options import PrepareOptions
from data_prep.tasks import TASK_BYTES, tasks_of


@pytest.fixture
def without_ray(monkeypatch):
    monkeypatch.setattr("data_prep.engine.importlib.util.find_spec", lambda name: None)


def test_without_the_library_the_remedy_is_told_before_any_work(tmp_path, capsys, without_ray):
    (tmp_path / "raw.json").write_text("[]")
    inputs = [str(tmp_path / "raw.json"), "--output", str(tmp_path / "corpus")]
    assert main(["prepare", *inputs, "--engine", "ray"]) == 2
    assert 'pip install "rrweb-bert[ray]"' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["raw.json"]


def test_the_local_engine_needs_no_library(without_ray):
    check_engine("local")
    with opened_engine("local", num_proc=3, num_bytes=0) as engine:
        assert engine == LocalEngine(3)
    with (
        pytest.raises(AccessError, match="needs a library that is missing"),
        opened_engine("ray", num_proc=None, num_bytes=0),
    ):
        pytest.fail("there is no engine")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "spark"}, "engine must be one of local, ray, got 'spark'"),
        ({"address": "auto"}, "address is of a Ray cluster"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        PrepareOptions(**options)


def test_an_address_without_the_engine_is_a_wrong_call(tmp_path, capsys):
    with pytest.raises(SystemExit) as raised:
        main(["prepare", "raw", "--output", str(tmp_path / "corpus"), "--address", "auto"])
    assert raised.value.code == 2
    assert "no effect without engine ray" in capsys.readouterr().err


def test_the_engine_decides_no_byte():
    assert PrepareOptions().deciding() == PrepareOptions(engine="ray", address="x:1").deciding()


def source(number, num_bytes):
    name = str(number)
    return Source(
        path=name,
        source_id=name,
        file_id=name,
        relative=name,
        num_bytes=num_bytes,
        mtime_ns=1,
    )


@pytest.mark.parametrize("scale", [1, 3])
def test_tasks_hold_each_file_once_in_order_and_a_few_megabytes(scale):
    sources = [source(n, TASK_BYTES // 2 if n % 2 else 0) for n in range(500)]
    tasks = list(tasks_of(iter(sources), scale=scale))
    assert [s for task in tasks for s in task] == sources
    # Two files of half a task each, and the empty ones between.
    assert {len(task) for task in tasks[:-1]} == {4 * scale}


def test_many_small_files_are_one_task_up_to_a_number():
    sources = [source(n, 1) for n in range(200)]
    assert [len(task) for task in tasks_of(sources)] == [64, 64, 64, 8]
    assert [len(task) for task in tasks_of(sources, scale=2)] == [128, 72]
    assert list(tasks_of([])) == []
