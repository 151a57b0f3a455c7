"""Windows that are drawn anew at each pass, whoever loads them."""

from itertools import pairwise

import pytest
import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments, set_seed

from rrweb_bert.labelled_windows import DrawnWindows, Windows

NUM_SESSIONS = 12
LOADERS = [
    {},
    {"num_workers": 2},
    {"num_workers": 2, "persistent_workers": True},
]


@pytest.fixture
def drawn():
    """Two rows of each of 12 sessions, whose windows hold their session and their number."""
    windows = [[[session, place] for place in range(100)] for session in range(NUM_SESSIONS)]
    return DrawnWindows(Windows(windows=windows, labels=[0] * NUM_SESSIONS), 2)


def ids_of(rows):
    return torch.tensor([row["input_ids"] for row in rows])


def passes(drawn, seed, loader, num_passes=3):
    """Which window each row gave, of each pass."""
    set_seed(seed)
    loaded = DataLoader(drawn, batch_size=3, collate_fn=ids_of, **loader)
    return [torch.cat(list(loaded))[:, 1].tolist() for _ in range(num_passes)]


@pytest.mark.parametrize("loader", LOADERS)
def test_each_pass_draws_other_windows_and_a_seed_the_same_again(drawn, loader):
    first = passes(drawn, 5, loader)
    assert all(one != other for one, other in pairwise(first))
    assert first[0] != first[2]
    assert passes(drawn, 5, loader) == first
    assert passes(drawn, 6, loader) != first


def test_workers_do_not_draw_alike(drawn):
    (places,) = passes(drawn, 5, {"num_workers": 2}, num_passes=1)
    batches = [places[start : start + 3] for start in range(0, len(places), 3)]
    assert batches[0::2] != batches[1::2]  # of the one worker, of the other


class _Noting(torch.nn.Module):
    """A model that notes what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, input_ids, labels=None):
        self.seen += input_ids.tolist()
        return {"loss": self.weight * 0}


def test_processes_of_one_seed_do_not_draw_alike_for_the_rows_that_each_has(drawn):
    places = []
    for row in range(len(drawn)):
        set_seed(5)
        places.append(drawn[row]["input_ids"][1])
    assert len(set(places)) > len(places) / 2


@pytest.mark.parametrize("loader", LOADERS)
def test_a_trainer_s_epochs_draw_other_windows(drawn, loader, tmp_path):
    model = _Noting()
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=3,
        per_device_train_batch_size=3,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        **{f"dataloader_{name}": value for name, value in loader.items()},
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=drawn,
        data_collator=lambda rows: {"input_ids": ids_of(rows)},
    ).train()
    assert len(model.seen) == 3 * len(drawn)
    places = [place for _, place in model.seen]  # in the order of drawing, whichever row it is for
    epochs = [places[start : start + len(drawn)] for start in (0, len(drawn), 2 * len(drawn))]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
