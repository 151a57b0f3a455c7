"""The whole pipeline at batch size 8, from recordings to a model that another process loads.

Runs under pytest, and as a script with its output: `python tests/test_training_pipeline.py`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from synthetic import write_recordings

ROOT = Path(__file__).parents[1]

BATCH_SIZE = 8


def run_pipeline(folder: Path) -> Path:
    """Write recordings, train on them, and return the output folder."""
    import train_mlm  # here, since the script below makes it findable without an installation

    write_recordings(folder / "recordings", num_per_site=10)
    output = folder / "run"
    status = train_mlm.main(
        [
            *("--data_dir", str(folder / "recordings")),
            *("--cache_dir", str(folder / "cache")),
            *("--output_dir", str(output)),
            *("--per_device_train_batch_size", str(BATCH_SIZE)),
            *("--model_size", "tiny", "--window_tokens", "128"),
            *("--samples_per_epoch", "160", "--max_steps", "18", "--eval_steps", "6"),
            *("--learning_rate", "2e-3", "--warmup", "0.1", "--logging_steps", "5"),
            *("--validation_fraction", "0.2", "--num_proc", "1", "--use_cpu"),
            *("--dataloader_num_workers", "1"),
        ]
    )
    if status != 0:
        raise SystemExit(status)
    return output


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    # Threads that wait for each other make a small model slow on a busy machine.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run_pipeline(tmp_path_factory.mktemp("pipeline"))
    torch.set_num_threads(before)


def test_the_loss_falls_in_training_and_in_evaluation(output):
    history = json.loads((output / "training_history.json").read_text())
    losses = [row["eval_loss"] for row in history["evaluation"]]
    assert [row["step"] for row in history["evaluation"]] == [6, 12, 18]
    assert losses[0] > losses[1] > losses[2]
    assert history["train"][0]["loss"] > history["train"][-1]["loss"] + 1


def test_checkpoints_hold_all_that_a_resume_needs(output):
    found = sorted(output.glob("checkpoint-*"))
    assert [path.name for path in found] == ["checkpoint-12", "checkpoint-18", "checkpoint-6"]
    needed = "model.safetensors optimizer.pt scheduler.pt rng_state.pth trainer_state.json"
    for path in found:
        assert {p.name for p in path.iterdir()} >= {*needed.split(), "metrics.json"}


def test_model_and_tokenizer_load_in_a_new_process_with_the_same_logits(output):
    code = """
import sys
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from rrweb_tokenizer import RRWebTokenizer

folder = sys.argv[1]
tokenizer = RRWebTokenizer.from_pretrained(folder)
ids = tokenizer("[MI_Click][REF_NEW][TAG_a] cart [MASK]", return_tensors="pt")["input_ids"]
assert AutoTokenizer.from_pretrained(folder)("cart order")["input_ids"] == tokenizer("cart order")["input_ids"]
stock, ours = (c.from_pretrained(folder).eval() for c in (AutoModelForMaskedLM, RRWebBertForMaskedLM))
assert len(tokenizer) == stock.config.vocab_size == 12520
assert tokenizer.model_max_length == stock.config.max_position_embeddings
with torch.no_grad():
    torch.testing.assert_close(stock(ids).logits, ours(ids).logits, atol=1e-5, rtol=1e-5)
print("same logits")
"""  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code, str(output)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.strip().endswith("same logits"), done.stderr


def test_the_same_command_on_a_finished_run_says_so(output, capsys):
    before = (output / "model.safetensors").stat().st_mtime_ns
    assert run_pipeline(output.parent) == output
    assert "this run is finished" in capsys.readouterr().out
    assert (output / "model.safetensors").stat().st_mtime_ns == before


def test_the_picture_is_drawn(output):
    assert (output / "loss_and_lr.png").stat().st_size > 10_000


if __name__ == "__main__":
    sys.path.append(str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(pytest.main([__file__, "-s", "--basetemp", f"{scratch}/pytest"]))
