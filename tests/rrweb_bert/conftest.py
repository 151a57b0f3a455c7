"""A small corpus, a stand-in tokenizer, and trainers that train in well under a second."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, TrainerCallback, set_seed

from data_prep.shards import SessionRow
from data_prep.split_writer import write_split
from data_prep.streaming import evaluation_stream, window_stream
from data_prep.windows import WindowPlan
from rrweb_bert import SessionEncoder
from rrweb_bert.arguments import RRWebTrainingArguments
from rrweb_bert.collator import EVALUATION_MASK_SEED, RRWebDataCollator
from rrweb_bert.history import TrainingHistory
from rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, model_config
from rrweb_bert.training import RRWebTrainer
from rrweb_tokenizer import RRWebTokenizer
from rrweb_tokenizer.structural_vocab import VOCAB_SIZE

WINDOW, BATCH, STEPS = 32, 4, 12


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Threads that wait for each other make small models slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"t{i}" for i in range(5, VOCAB_SIZE))]
    inner = Tokenizer(
        models.WordLevel({n: i for i, n in enumerate(names)}, unk_token="[UNK]")  # noqa: S106
    )
    roles = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, **{f"{k}_token": v for k, v in roles.items()}
    )


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for split, num_sessions in (("train", 9), ("validation", 7)):
        rows = []
        for number in range(num_sessions):
            num_ids = int(rng.integers(40, 200))
            ids = (5 + (np.arange(num_ids) * (1 + number % 3)) % 700).astype(np.uint16)
            rows.append(
                SessionRow(
                    session_id=f"{split}-{number}",
                    group=f"{split}-{number}",
                    split=split,
                    ids=ids,
                    keyframes=np.arange(0, num_ids, 20, dtype=np.uint32),
                    start_ms=0.0,
                    end_ms=1000.0,
                    num_events=num_ids // 5,
                    sha256=f"{number:064d}",
                )
            )
        write_split(folder, split, rows)
    return folder


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """A folder as training saves it: a model of random weights, the package's own tokenizer."""
    folder = tmp_path_factory.mktemp("model")
    set_seed(3)
    RRWebBertForMaskedLM(model_config("tiny", window_tokens=256)).save_pretrained(folder)
    RRWebTokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tiny_model_dir):
    """`SessionEncoder` of `tiny_model_dir` on the CPU."""
    return SessionEncoder.from_pretrained(tiny_model_dir, "cpu")


class _StopAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= self.step:
            control.should_training_stop = control.should_save = True


@pytest.fixture
def make_trainer(corpus_dir, tokenizer):
    """A function that makes a trainer of the same small run; keywords change its arguments."""

    def make(output_dir, *, start_step=0, checkpoint=None, stop_at=None, history=None, **changes):
        defaults = {
            "output_dir": str(output_dir),
            "per_device_train_batch_size": BATCH,
            "per_device_eval_batch_size": BATCH,
            "max_steps": STEPS,
            "eval_steps": 6,
            "save_steps": 6,
            "logging_steps": 2,
            "learning_rate": 1e-3,
            "warmup_steps": 2,
            "dataloader_num_workers": 0,
            "disable_tqdm": True,
            "use_cpu": True,
        }
        args = RRWebTrainingArguments(**(defaults | changes))
        set_seed(args.seed)
        config = model_config("tiny", window_tokens=WINDOW)
        config.hidden_size, config.intermediate_size = 32, 64
        plan = WindowPlan(seed=args.seed, window_tokens=WINDOW, samples_per_epoch=24)
        num_samples = args.max_steps * BATCH * args.gradient_accumulation_steps
        stream = window_stream(
            corpus_dir,
            "train",
            plan,
            batch_size=args.per_device_train_batch_size,
            start_sample=start_step * BATCH,
            stop_sample=num_samples,
        )
        trainer = RRWebTrainer(
            model=RRWebBertForMaskedLM(config),
            args=args,
            train_dataset=stream,
            eval_dataset=evaluation_stream(
                corpus_dir,
                "validation",
                window_tokens=WINDOW,
                seed=0,
                batch_size=args.per_device_eval_batch_size,
            ),
            data_collator=RRWebDataCollator(tokenizer, mask_seed=args.seed),
            eval_collator=RRWebDataCollator(tokenizer, mask_seed=EVALUATION_MASK_SEED),
            history=history or TrainingHistory.load(output_dir, until_step=start_step),
            samples_per_epoch=24,
            checkpoint=checkpoint,
            processing_class=tokenizer,
        )
        if stop_at is not None:
            trainer.add_callback(_StopAt(stop_at))
        return trainer

    return make


@pytest.fixture
def weights_of():
    def weights(model):
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    return weights
