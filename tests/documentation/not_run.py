"""What stands on a page and is not run by a test, each with the reason. All else runs.

`test_pages.py` holds these tables to the pages, and reasons to what they name: a test that is named
exists, what `.ci/run` does stands there, a page that "runs the same" does.
"""

from __future__ import annotations

from collections.abc import Sequence

from documentation.blocks import Block

BLOCKS = {
    ("CONTRIBUTING.md", ".venv"): ".ci/run does it",
    ("CONTRIBUTING.md", ".ci/run"): ".ci/run does it",
    ("docs/containers.md", "def tabbed("): "docs/how_to/own_reader.md runs the same",
    ("docs/containers.md", "options.entry_points"): "docs/how_to/own_reader.md runs the same",
    ("docs/mirror.md", "npm install"): (
        "needs packages of npm, and Chromium; tests/replayer/test_mirror_equals_replayer.py "
        "compares with what they showed"
    ),
    ("docs/privacy.md", ""): "tests/rrweb_tokenizer/test_privacy_docs.py runs both blocks",
    ("docs/probes.md", "probe_five_splits.sh"): (
        "makes five text models and five models: 20 minutes with a GPU"
    ),
    ("docs/results.md", "text_bert_corpus.py"): "tests/benchmarks/test_text_bert.py runs the three",
    ("docs/search.md", "embed few"): (
        "of recordings that are not here, a broken one among them; "
        "tests/rrweb_bert/embeddings/test_embed.py has such a folder"
    ),
    ("docs/several_gpus.md", "--nproc_per_node 8 train_mlm.py --data_dir"): (
        "needs eight GPUs; tests/test_several_processes.py has two processes of torchrun on a CPU"
    ),
    ("docs/several_gpus.md", "--nnodes 2"): (
        "needs two hosts with eight GPUs each; tests/test_several_processes.py has two launchers "
        "that meet at an address"
    ),
    ("docs/training.md", '{"step": 50'): "a line that a run wrote, for reading",
    ("docs/training.md", "did you mean"): (
        "tests/documentation/test_running.py breaks the file so and compares what is said"
    ),
    ("examples/README.md", '{"path"'): (
        "tests/documentation/conftest.py writes labels of this form, for the command below it"
    ),
}
"""Page, what stands in the block: why none of it runs."""

COMMANDS = {
    ("", "pip install"): "changes the environment, and fetches from a package registry",
    ("", "pytest"): ".ci/run does it",
    ("", "nvidia-smi"): "needs a GPU",
    ("CONTRIBUTING.md", "make style"): "changes the files of the clone",
    ("CONTRIBUTING.md", "make quality"): ".ci/run does it",
    ("CONTRIBUTING.md", "make docs"): ".ci/run does it",
    ("CONTRIBUTING.md", "python -m build"): "fetches from a package registry what it builds with",
    ("CONTRIBUTING.md", "python -m rrweb_bert embed"): (
        "tries the wheel where it was installed, without the clone"
    ),
    ("docs/probes.md", "python -m rrweb_bert probe"): (
        "chooses among classifiers for minutes; tests/rrweb_bert/probing/test_commands.py runs it "
        "on made-up sessions"
    ),
    ("docs/reliability.md", "make -j2 -O crash"): ".ci/run does it",
    ("docs/reliability.md", "pytest -m soak"): "takes an hour",
    ("docs/reliability.md", "python benchmarks/kill_and_resume.py --kills 5 --gpu"): "needs a GPU",
    ("docs/reliability.md", "python benchmarks/kill_and_resume.py --kills 40"): (
        "takes minutes; tests/crash/test_kills.py has ten of these kills"
    ),
    ("docs/speed.md", "python benchmarks/train_speed.py --rows cpu"): (
        "times eight configurations, which takes a minute and idle cores"
    ),
    ("docs/speed.md", "python benchmarks/train_speed.py"): "needs a GPU",
    ("docs/speed.md", "python benchmarks/train_profile.py"): "needs a GPU",
    ("docs/speed.md", "pytest -m gpu"): "needs a GPU",
}
"""Page (none: any), how the command begins: why it is not run, where its block runs otherwise. The
program's own parser takes it all the same, as in `test_blocks.py`."""

NOT_COMPARED = {
    ("README.md", "prepare recordings/"): "of a corpus of 889 recordings",
    ("README.md", "train_mlm.py"): "of that corpus, and of a run on an H100",
    ("README.md", "transcript"): "of another recording, with lines left out",
    ("docs/surprise.md", "data_prep/sample --top 3"): "of 60 recordings, of which 13 run here",
    ("docs/training.md", ""): "of a corpus of 889 recordings, with the memory of a machine",
}
"""Page, what stands in a console block that runs: why what it prints is not compared."""


IN_CI = {
    "python -m venv .venv": "python3 -m venv",
    ". .venv/bin/activate": "/bin/activate",
    "pip install -e .[dev,remote-test,docs]": '-e ".[dev,docs,remote-test]"',
    "pytest": " test ",
    "make quality": "make quality",
    "make docs": "make docs",
    "make -j2 -O crash": " crash-others crash-runs ",
    ".ci/run": "#!",
}
"""What `.ci/run` does, by a page's command -> where it stands there."""


def reason_of_block(block: Block) -> str | None:
    """Why no part of a block is run; None where it is."""
    return next(
        (
            reason
            for (page, text), reason in BLOCKS.items()
            if page == block.page and text in block.text
        ),
        None,
    )


def entry_of_command(page: str, words: Sequence[str]) -> tuple[str, str] | None:
    """What `COMMANDS` has of a command of a page: of several entries that with most words."""
    command = " ".join(words)
    entries = [
        (of_page, prefix)
        for of_page, prefix in COMMANDS
        if of_page in {"", page} and f"{command} ".startswith(f"{prefix} ")
    ]
    return max(entries, key=lambda entry: len(entry[1]), default=None)


def reason_of_command(page: str, words: Sequence[str]) -> str | None:
    """Why a command of a page is not run; None where it is."""
    entry = entry_of_command(page, words)
    return None if entry is None else COMMANDS[entry]
