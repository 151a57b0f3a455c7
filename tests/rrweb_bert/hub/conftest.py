"""A small run, its model, and a hub that runs here."""

import pytest
import torch
from fake_hub import running_hub
from synthetic import write_recordings

import train_mlm
from rrweb_bert import hub as hub_module


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    data, cache = (tmp_path_factory.mktemp(name) for name in ("recordings", "cache"))
    write_recordings(data, num_per_site=6, num_actions=40)

    def make(output_dir, *extra):
        return [
            *("--data_dir", str(data), "--cache_dir", str(cache), "--output_dir", str(output_dir)),
            *("--model_size", "tiny", "--window_tokens", "64", "--samples_per_epoch", "48"),
            *("--per_device_train_batch_size", "4", "--max_steps", "6", "--logging_steps", "2"),
            *("--eval_steps", "2", "--validation_fraction", "0.2", "--num_proc", "1"),
            *("--use_cpu", "--dataloader_num_workers", "0", "--save_total_limit", "2", *extra),
        ]

    return make


@pytest.fixture(scope="session")
def model_dir(command, tmp_path_factory):
    """The output folder of a run, with what else such folders collect."""
    folder = tmp_path_factory.mktemp("out") / "model"
    assert train_mlm.main(command(folder)) == 0
    (folder / "wandb").mkdir()
    (folder / "wandb" / "debug.log").write_text(str(folder))
    (folder / "session.json").write_text("[]")
    (folder / "training.out").write_text("step 1")
    return folder


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(hub_module, "RETRY_WAITS_S", (0.0, 0.0))
    monkeypatch.setattr(hub_module.push, "__kwdefaults__", {"waits_s": (0.0, 0.0)})
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with running_hub(monkeypatch) as running:
        yield running


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
