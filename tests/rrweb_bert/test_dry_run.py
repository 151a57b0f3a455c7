import json
import math
import re
import shutil
from types import SimpleNamespace

import pytest
import torch
from synthetic import write_recordings
from transformers.trainer_utils import SaveStrategy

import train_mlm
from data_prep.prepare import PrepareOptions, open_or_prepare
from data_prep.shards import SplitTable
from rrweb_bert import dry_run, step_timing
from rrweb_bert.dry_run import occasions
from rrweb_bert.mfu import flops_per_token
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.plan_text import duration_range
from rrweb_bert.run_record import RunRecord
from rrweb_bert.start_plan import StartPlan
from rrweb_bert.step_timing import StepTiming, measure_steps


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder, num_per_site=6, num_actions=40)
    return folder


@pytest.fixture(scope="module")
def corpus(recordings, tmp_path_factory):
    options = PrepareOptions(validation_fraction=0.2, num_proc=1, show_progress=False)
    cache = tmp_path_factory.mktemp("cache")
    return open_or_prepare(recordings, cache_dir=cache, options=options, report=lambda text: None)


@pytest.fixture
def plan_of(tmp_path, capsys, monkeypatch):
    """Run `--dry_run` and return what it printed, by title."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(data_dir, *flags, status=0):
        command = [
            *("--data_dir", str(data_dir), "--output_dir", str(tmp_path / "run"), "--dry_run"),
            *("--cache_dir", str(tmp_path / "cache"), "--validation_fraction", "0.2"),
            *("--model_size", "tiny", "--window_tokens", "64", "--use_cpu"),
            *("--per_device_train_batch_size", "4", "--samples_per_epoch", "48", *flags),
        ]
        capsys.readouterr()
        assert train_mlm.main(command) == status
        output, errors = capsys.readouterr()
        assert "DRY RUN" in output
        expected = "error: the run would be refused; why stands at start, above\n"
        assert (expected in errors) == (status == 2)
        assert max(map(len, output.splitlines())) <= 100 + len(str(tmp_path))
        sections = re.split(r"\n(?=\S)", output)
        assert sections[0].startswith("DRY RUN")
        assert sections[1].startswith("start ")
        return {part[:15].strip(): " ".join(part[15:].split()) for part in sections}

    return run


def files_below(folder):
    return sorted(str(p) for p in folder.rglob("*"))


def test_a_prepared_corpus_gives_an_exact_plan_and_nothing_is_written(corpus, plan_of, tmp_path):
    plan = plan_of(corpus.path, "--eval_steps", "50", "--restart_epochs", "2")
    assert files_below(tmp_path) == []
    for split in ("train", "validation", "test"):
        words = f"{split} {corpus.num_sessions[split]:,} sessions, {corpus.num_ids[split]:,} ids"
        assert words in plan["data"]
    assert "120 optimizer steps of 4 windows (4 at once x 1 summed up x 1 process)" in plan["steps"]
    assert "10 epochs of 48 windows of 64 ids: 30,720 ids" in plan["steps"]
    assert "warm restarts at steps 26, 73" in plan["learning rate"]
    assert f"3 times of {corpus.num_sessions['validation']} windows" in plan["evaluation"]
    assert "3 of about" in plan["checkpoints"]
    assert plan["start"] == "at the beginning"
    assert "GiB of RAM" in plan["memory"]
    assert "for 120 steps and 3 evaluations" in plan["time"]
    assert plan["arguments"].startswith("flags: ")
    for pair in ("window_tokens 64", "use_cpu true", "eval_steps 50"):
        assert f"; {pair};" in plan["arguments"]


def test_recordings_that_are_not_prepared_are_estimated(recordings, plan_of, tmp_path):
    plan = plan_of(recordings, "--group_by", "site", "--eval_strategy", "no")
    assert files_below(tmp_path) == []
    num_files = len(list(recordings.rglob("*.json")))
    assert f"{num_files} files" in plan["data"]
    assert f"{num_files} sessions" in plan["data"]
    assert "all read" in plan["data"]
    assert plan["start"] == "at the beginning"
    assert plan["evaluation"] == "none"


def test_what_a_run_would_refuse_is_refused(corpus, tmp_path, capsys):
    common = ["--dry_run", "--output_dir", str(tmp_path / "run"), "--use_cpu"]
    assert train_mlm.main([*common, "--data_dir", str(tmp_path / "missing")]) == 2
    assert "missing does not exist" in capsys.readouterr().err
    assert train_mlm.main([*common, "--data_dir", str(corpus.path), "--model_size", "huge"]) == 2


def test_the_plan_of_a_run_that_began_says_where_it_goes_on(corpus, plan_of, tmp_path, capsys):
    training = [
        *("--data_dir", str(corpus.path), "--output_dir", str(tmp_path / "run"), "--use_cpu"),
        *("--model_size", "tiny", "--window_tokens", "64", "--per_device_train_batch_size", "4"),
        *("--samples_per_epoch", "48", "--dataloader_num_workers", "0", "--max_steps", "4"),
        *("--eval_steps", "2", "--logging_steps", "2"),
    ]
    assert train_mlm.main(training) == 0
    flags = ["--max_steps", "4", "--eval_steps", "2"]
    plan = plan_of(corpus.path, *flags)
    assert plan["start"].startswith(
        f"this run is finished: the best model is in {tmp_path / 'run'}"
    )
    assert "the same command does nothing" in plan["start"]
    assert "give another --output_dir" in plan["start"]
    assert list(plan)[1:] == ["start", "arguments"]  # no step is measured
    assert "would only push it" in plan_of(corpus.path, *flags, "--push_to_hub")["start"]
    record = tmp_path / "run" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"finished": False}))
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    before = files_below(tmp_path / "run")
    plan = plan_of(corpus.path, *flags)
    assert plan["start"].startswith("after step 2")
    assert plan["start"].endswith("2 steps left")
    assert "for 2 steps" in plan["time"]
    assert files_below(tmp_path / "run") == before
    capsys.readouterr()
    (tmp_path / "run" / "checkpoint-2" / "optimizer.pt").unlink()
    assert "checkpoint-2 is passed over" in plan_of(corpus.path, *flags, status=2)["start"]


def test_a_resumed_run_is_told_the_evaluations_that_are_left(corpus, plan_of, monkeypatch):
    """`--eval_steps 0.1` of 120 steps is every 12; after step 110 they are at 120 alone."""
    left = StartPlan(lines=("after step 110",), steps_left=10)
    monkeypatch.setattr(dry_run, "start_of", lambda *_, **__: left)
    plan = plan_of(corpus.path, "--eval_steps", "0.1")
    assert "every 12 steps and at the end: 10 times" in plan["evaluation"]
    assert "for 10 steps and 1 evaluation," in plan["time"]


def test_a_run_without_its_results_has_no_step_that_could_be_measured(corpus, plan_of, tmp_path):
    training = [
        *("--data_dir", str(corpus.path), "--output_dir", str(tmp_path / "run"), "--use_cpu"),
        *("--model_size", "tiny", "--window_tokens", "64", "--per_device_train_batch_size", "4"),
        *("--samples_per_epoch", "48", "--dataloader_num_workers", "0", "--max_steps", "2"),
        *("--eval_steps", "2", "--logging_steps", "2"),
    ]
    assert train_mlm.main(training) == 0
    record = tmp_path / "run" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"finished": False}))
    plan = plan_of(corpus.path, "--max_steps", "2", "--eval_steps", "2")
    assert plan["start"].startswith("after step 2, from ")
    assert plan["start"].endswith("all steps are done, the results are left")
    assert {"memory", "time"}.isdisjoint(plan)


def test_recordings_that_are_not_prepared_do_not_hide_a_run_in_the_folder(
    recordings, plan_of, tmp_path
):
    (tmp_path / "run").mkdir()
    RunRecord(identity={"seed": 1}, is_finished=True).save(tmp_path / "run")
    plan = plan_of(recordings)
    assert plan["start"].startswith(f"{tmp_path / 'run'} holds a finished run; whether it is the")
    assert "GiB of RAM" in plan["memory"]
    assert "REFUSED: --resume never" in plan_of(recordings, "--resume", "never", status=2)["start"]
    plan = plan_of(recordings, "--resume", "never", "--output_dir", str(tmp_path / "new"))
    assert plan["start"] == "at the beginning"


def test_a_place_that_cannot_be_written_is_a_finding_too(corpus, plan_of, tmp_path):
    (tmp_path / "file").write_text("")
    plan = plan_of(corpus.path, "--output_dir", str(tmp_path / "file" / "run"), status=2)
    assert f"REFUSED: --output_dir {tmp_path / 'file' / 'run'} cannot be" in plan["start"]
    assert "memory" in plan


def test_a_disk_that_is_too_small_is_told(corpus, plan_of, monkeypatch):
    assert "too little" not in plan_of(corpus.path)["checkpoints"]
    monkeypatch.setattr(dry_run, "free_bytes", lambda folder: 1000)
    assert "1.0 kB are free there: too little" in plan_of(corpus.path)["checkpoints"]


def test_a_checkpoint_that_is_none_is_a_finding_too(corpus, plan_of):
    plan = plan_of(corpus.path, "--resume", "no/checkpoint", status=2)
    assert plan["start"].startswith("REFUSED: --resume no/checkpoint: there is no such folder")
    assert "for 120 steps" in plan["time"]


@pytest.mark.parametrize("window_tokens", [64, 2048])
def test_windows_are_counted_with_the_window_of_the_run(corpus, plan_of, window_tokens):
    plan = plan_of(corpus.path, "--window_tokens", str(window_tokens), "--max_steps", "1")
    table = SplitTable.open(corpus.path, "train")
    lengths = [len(table.ids(session)) for session in range(len(table))]
    num_windows = sum(math.ceil(length / (window_tokens - 2)) for length in lengths)
    assert f"windows of {window_tokens:,} ids, as many as cover all ids once" in plan["data"]
    assert f"{sum(lengths):,} ids, {num_windows:,} windows validation" in plan["data"]


def test_another_run_in_the_way_is_a_finding_and_the_rest_is_shown(
    corpus, plan_of, tmp_path, capsys
):
    (tmp_path / "run").mkdir()
    RunRecord(identity={"seed": 1}).save(tmp_path / "run")
    plan = plan_of(corpus.path, status=2)
    assert plan["start"].startswith(f"REFUSED: {tmp_path / 'run'} holds another run: ")
    assert "seed was 1, is 42" in plan["start"]
    assert "another --output_dir to start a new run" in plan["start"]
    assert plan["start"].endswith("the plan of the same run in a folder of its own")
    assert "GiB of RAM" in plan["memory"]
    assert "for 120 steps" in plan["time"]
    assert "FLOPs in all" in plan["work"]


def test_a_batch_that_does_not_fit_names_two_flags_that_help(monkeypatch):
    properties = SimpleNamespace(total_memory=24 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    training = SimpleNamespace(
        device=torch.device("cuda"), per_device_train_batch_size=32, gradient_accumulation_steps=1
    )
    timing = StepTiming(
        fastest_s=0,
        slowest_s=0,
        update_s=0,
        cpu_share=1,
        memory_bytes=23 << 30,
        fits=False,
        method="32 windows of 2048 ids at once",
    )
    lines = list(dry_run._memory(SimpleNamespace(training=training), timing))
    assert "does NOT fit: 32 windows of 2048 ids at once need more than the 24.0 GiB" in lines[0]
    assert "--per_device_train_batch_size 16 --gradient_accumulation_steps 2" in lines[1]


def test_memory_that_is_kept_for_the_backward_pass_grows_as_extrapolated():
    model = RRWebBertForMaskedLM(model_config("tiny", window_tokens=256)).train()
    model.mlm_probability = 0.999  # the head's rows grow evenly
    quarter, half, whole = (step_timing._stored_bytes(model, n) for n in (64, 128, 256))
    found = step_timing._extrapolated(quarter, half, tokens=128, window_tokens=256)
    assert found == pytest.approx(whole, rel=0.02)


def test_steps_are_measured_and_scaled_by_their_work(monkeypatch):
    config = model_config("tiny", window_tokens=256)
    a_window = 256 * flops_per_token(config, window_tokens=256, mlm_probability=0.15)
    monkeypatch.setattr(step_timing, "_CPU_FLOPS", 2.5 * a_window)
    found = measure_steps(
        RRWebBertForMaskedLM(config),
        device=torch.device("cpu"),
        precision="fp32",
        window_tokens=256,
        num_windows=8,
    )
    assert found.method.endswith(
        "2 x 256 random ids, measured here and scaled to 8 x 256 by their work"
    )
    assert 0 < found.fastest_s <= found.slowest_s
    assert found.update_s > 0
    assert 0 < found.cpu_share <= 1
    assert found.memory_bytes > 16 * RRWebBertForMaskedLM(config).num_parameters()


@pytest.mark.parametrize(
    ("strategy", "steps", "expected"),
    [("steps", 1000, 3), ("steps", 0.25, 4), ("no", 10, 0), (SaveStrategy.STEPS, 2501, 1)],
)
def test_occasions_are_counted_with_the_one_at_the_end(strategy, steps, expected):
    assert occasions(strategy, steps, 2500) == expected


@pytest.mark.parametrize(
    ("steps", "num_steps", "start", "expected"),
    [
        (0.1, 1000, 900, 1),  # a share of the whole run, whatever is left of it
        (1000, 2100, 1900, 2),  # at 2000, and at the end
        (1000, 2000, 1000, 1),
        (1000, 2000, 999, 2),
        (3000, 2500, 1, 1),
        (0.25, 2500, 2500, 0),  # none is left
    ],
)
def test_occasions_left_are_those_of_the_whole_run_after_its_start(
    steps, num_steps, start, expected
):
    assert occasions("steps", steps, num_steps, start=start) == expected


@pytest.mark.parametrize("steps", [1, 7, 0.3, 12, 99])
def test_occasions_before_and_after_any_step_make_up_those_of_the_run(steps):
    every = math.ceil(steps * 40) if steps < 1 else steps
    at = [step for step in range(1, 41) if step % every == 0 or step == 40]
    for start in range(41):
        left = occasions("steps", steps, 40, start=start)
        assert left == sum(step > start for step in at)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (3.0, 4.0, "3 to 4 seconds"),
        (4000, 4200, "66.7 to 70 minutes"),
        (9000, 9000, "2.5 hours"),
        (200_000, 9e8, "2.31 to 10,417 days"),
    ],
)
def test_durations_are_told_in_one_unit(low, high, text):
    assert duration_range(low, high) == text


def test_a_prepared_corpus_names_flags_that_it_cannot_heed(corpus, plan_of, tmp_path, capsys):
    common = ["--data_dir", str(corpus.path), "--output_dir", str(tmp_path / "run"), "--use_cpu"]
    common += ["--model_size", "tiny", "--window_tokens", "64", "--max_steps", "1", "--salt", "x"]
    common += ["--per_device_train_batch_size", "2", "--dataloader_num_workers", "0"]
    assert train_mlm.main([*common, "--validation_fraction", "0.2"]) == 0
    output = capsys.readouterr().out
    assert "is a prepared corpus, on which --salt has no effect" in output
