"""How each page with commands or code is run: from what, in what size, always or by `-m slow`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SHRUNK = {
    "train_mlm.py": (
        *("--model_size", "tiny", "--max_steps", "2", "--per_device_train_batch_size", "1"),
        *("--dataloader_num_workers", "0", "--eval_steps", "2", "--save_steps", "2", "--use_cpu"),
        *("--per_device_eval_batch_size", "1", "--window_tokens", "512"),
    ),
    # A dozen recordings are too few for the usual shares: a split would be empty.
    "data_prep prepare": (
        *("--test_fraction", "0.3", "--validation_fraction", "0.3", "--num_proc", "1"),
    ),
    "data_prep inspect": ("--num_proc", "1"),
    "data_prep verify": ("--window_draws", "100"),
    "data_prep train-text-model": (
        *("--vocab_size", "500", "--test_fraction", "0.3", "--validation_fraction", "0.3"),
    ),
    "rrweb_bert evaluate": ("--num_windows", "1"),
    "rrweb_bert retrieve": ("--min_units", "2"),
    "examples/classify_sessions.py": (
        *("--max_steps", "2", "--window_tokens", "64", "--use_cpu", "--test_fraction", "0.4"),
    ),
}
"""Commands -> the arguments that make them small enough for a test."""

STEPS_TO_STOP_IN = {
    "train_mlm.py": (
        *("--model_size", "tiny", "--window_tokens", "64", "--max_steps", "40", "--use_cpu"),
        *("--samples_per_epoch", "1280", "--logging_steps", "2", "--save_steps", "40"),
        *("--eval_steps", "40", "--dataloader_num_workers", "0"),
    ),
}
"""A training that is long enough to be stopped, in steps of as many windows as the page says."""

SPLITS = "--test_fraction 0.3 --validation_fraction 0.3 --num_proc 1"

PLACEHOLDERS = {
    # Disks of the reader.
    "/mnt/disk/": "",
    "/mnt/": "",
    "/data/": "",
    "/shared/": "",
    "/opt/rrweb-bert/venv/bin/": "",
    "OWNER/NAME": "someone/rrweb",
    "MODEL": "checkpoints_production",
    "CORPUS": "corpus",
    # Raw recordings, of which a dozen are too few for the usual shares.
    "--data_dir recordings ": f"--data_dir recordings {SPLITS} ",
    "--data_dir s3://bucket/recordings": f"--data_dir s3://bucket/recordings {SPLITS}",
    "surprise data_prep/sample --": "surprise recordings --",  # 13 of 60
}
"""What a page leaves to its reader -> what stands for it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a page is run.

    Attributes:
        page: its path.
        scene: fixtures of conftest.py.
        replacements: beside PLACEHOLDERS.
        more: instead of SHRUNK.
        then: commands that stand in the text of the page, not in a block; they run at the end.
        slow: the page runs with `-m slow`; with words, its blocks with one of these do, too, and
            the others always.
    """

    page: str
    scene: Sequence[str] = ("recordings",)
    replacements: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Sequence[str]] = field(default_factory=lambda: SHRUNK)
    then: Sequence[str] = ()
    slow: bool | Sequence[str] = False


RESUME = Plan(
    page="docs/how_to/resume.md",
    scene=("trained",),
    more=STEPS_TO_STOP_IN,
    then=("sbatch train.sbatch",),
    slow=True,
)
RELIABILITY = Plan(
    page="docs/reliability.md",
    scene=("trained",),
    replacements={"$HOME/recordings": "$HOME/corpus"},
    more=STEPS_TO_STOP_IN,
    then=("sbatch train.sbatch",),
    slow=True,
)
PUSH = Plan(page="docs/how_to/push.md", scene=("trained", "hub"))
SCALE = Plan(
    page="docs/scale.md",
    scene=("bucket",),
    replacements={
        # A cluster of Ray is another extra; tests/data_prep/test_ray_engine.py has one.
        " --engine ray --address auto": "",
        "--array=0-99": "--array=0-1",
        "$SLURM_ARRAY_TASK_ID/100": "$SLURM_ARRAY_TASK_ID/2",
        "num_proc=16": "num_proc=2",
    },
)
STREAM = Plan(page="docs/how_to/stream_from_s3.md", scene=("bucket",))
TUTORIAL = Plan(page="docs/tutorial.md", scene=(), more={}, slow=True)
SEARCH = Plan(page="docs/search.md", scene=("whole_sample",), more={}, slow=True)
SURPRISE = Plan(page="docs/surprise.md", scene=("trained", "beside_the_sample"), slow=True)
"""These have tests of their own, which look at what came out."""

PLANS = (
    Plan(
        page="README.md",
        scene=("recordings", "hub"),
        replacements={"tail -f": "wait; tail"},  # nobody is there to press Ctrl-C
        then=("python -m rrweb_bert push checkpoints_production OWNER/NAME --private",),
        # The shipped model over recordings.
        slow=("SessionEncoder", "rrweb_bert embed"),
    ),
    Plan(page="CONTRIBUTING.md"),
    Plan(page="docs/grammar.md"),
    Plan(page="docs/how_to/fine_tune.md", slow=True),
    Plan(page="docs/how_to/own_reader.md"),
    Plan(page="docs/how_to/own_vocabulary.md"),
    Plan(page="docs/probes.md", scene=("probed",), slow=True),
    Plan(page="docs/results.md", scene=("trained",)),
    Plan(page="docs/speed.md"),
    Plan(
        page="docs/training.md",
        scene=("trained",),
        # An extra that the tests do without.
        replacements={"report_to: [tensorboard]": "report_to: none"},
        then=("python train_mlm.py run/arguments.yaml --output_dir again",),
    ),
    Plan(page="examples/README.md", scene=("labelled",)),
)
"""The others."""

ALL = (*PLANS, RESUME, RELIABILITY, PUSH, SCALE, STREAM, TUTORIAL, SEARCH, SURPRISE)
