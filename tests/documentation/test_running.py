"""Pages whose commands and code are run, on recordings of the embedded sample."""

import os
import shutil

import pytest
import zstandard
from documentation.blocks import ROOT, Block, all_blocks
from documentation.running import run_page

from rrweb_bert.sample_plan import sample_directory

SMALL = (
    *("sbadmin2-030099", "selectize-020090", "weui-050071", "weui-050151", "deskflow-060160"),
    *("framework7-040103", "pagebound-020100", "freshcart-020005", "freshcart-040003"),
    *("voltmart-080075", "deskflow-070070", "visjs-060071", "impress-080106"),
)
"""The smallest recordings of the sample, of sites in all three splits."""

NOT_RUN = {
    ("docs/surprise.md", ""): "shows a model that is not in the repository",
    ("docs/search.md", "embed few"): "shows a folder with a broken file in it",
    ("docs/containers.md", "my_forms.py"): "the same file runs in docs/how_to/own_reader.md",
    ("docs/privacy.md", ""): "test_privacy_docs.py runs both blocks",
    ("docs/scale.md", "from_generator"): "the paths are the reader's",
    ("docs/how_to/push.md", "AutoModel"): "the same lines run in README.md",
}
"""Page, what stands in the block: why it is not run here. Bash and console blocks of pages that do
not run at all are parsed in test_blocks.py; python blocks need a reason here."""

RUN = ("README.md", "docs/grammar.md", "docs/how_to/own_reader.md", "docs/how_to/own_vocabulary.md")
RUN_SLOWLY = ("README.md", "docs/search.md", "docs/how_to/fine_tune.md")
TUTORIAL = "docs/tutorial.md"

SHRUNK = {
    "train_mlm.py": (
        *("--model_size", "tiny", "--max_steps", "2", "--per_device_train_batch_size", "1"),
        *("--dataloader_num_workers", "0", "--eval_steps", "2", "--save_steps", "2", "--use_cpu"),
        *("--per_device_eval_batch_size", "1"),
    ),
    # A dozen recordings are too few for the usual shares: a split would be empty.
    "data_prep prepare": (
        *("--test_fraction", "0.3", "--validation_fraction", "0.3", "--num_proc", "1"),
    ),
    "data_prep inspect": ("--num_proc", "1"),
    "rrweb_bert push": ("--dry_run",),
    "rrweb_bert evaluate": ("--num_windows", "1"),
    "data_prep verify": ("--window_draws", "100"),
    "data_prep train-text-model": (
        *("--vocab_size", "500", "--test_fraction", "0.3", "--validation_fraction", "0.3"),
    ),
    "examples/classify_sessions.py": (
        *("--max_steps", "2", "--window_tokens", "64", "--use_cpu", "--test_fraction", "0.4"),
    ),
}
"""Commands -> the arguments that make them small enough for a test."""

PLACEHOLDERS = {
    "OWNER/NAME": "owner/name",
    # Raw recordings, of which a dozen are too few for the usual shares.
    "--data_dir recordings ": (
        "--data_dir recordings --test_fraction 0.3 --validation_fraction 0.3 --num_proc 1 "
    ),
}
"""What a page leaves to its reader -> what stands for it here."""

WITH_A_MODEL = ("SessionEncoder", "rrweb_bert embed", "rrweb_bert surprise", "session_index")
"""Blocks with one of these run the shipped model over recordings: a minute, so they are slow."""


def is_run(block):
    """Whether no reason is given why a block of a page is not run."""
    return not any(block.page == page and text in block.text for page, text in NOT_RUN)


def blocks_of(page, *, slow):
    """What runs of a page."""
    chosen = [block for block in all_blocks() if block.page == page and is_run(block)]
    assert chosen
    if slow:
        return chosen
    return [block for block in chosen if not any(word in block.text for word in WITH_A_MODEL)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Recordings and labels under the names that the pages use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does with the folder it starts in
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")  # for its workers
    monkeypatch.setenv("RRWEB_BERT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "recordings").mkdir()
    for name in SMALL:
        packed = (sample_directory() / f"{name}.json.zst").read_bytes()
        (tmp_path / "recordings" / f"{name}.json").write_bytes(zstandard.decompress(packed))
    for name, copy in (
        ("weui-050071", "a"),
        ("selectize-020090", "b"),
        ("weui-050151", "recording"),
    ):
        shutil.copy(tmp_path / "recordings" / f"{name}.json", tmp_path / f"{copy}.json")
    shutil.copy(ROOT / "data_prep" / "sample_labels.jsonl", tmp_path / "labels.jsonl")
    return tmp_path


@pytest.mark.parametrize("page", RUN)
def test_what_a_page_says_runs(page, folder):
    run_page(blocks_of(page, slow=False), replacements=PLACEHOLDERS, more=SHRUNK, folder=folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN_SLOWLY)
def test_what_a_page_says_of_models_runs(page, folder):
    (folder / "rrweb_bert").symlink_to(ROOT / "rrweb_bert")
    run_page(blocks_of(page, slow=True), replacements=PLACEHOLDERS, more=SHRUNK, folder=folder)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data_prep").symlink_to(ROOT / "data_prep")
    run_page(
        [block for block in all_blocks() if block.page == TUTORIAL],
        replacements={},
        more={},
        folder=tmp_path,
        compares=True,
    )


def test_each_python_block_runs_or_has_a_reason():
    pages = {*RUN, *RUN_SLOWLY, TUTORIAL}
    assert not [
        str(block)
        for block in all_blocks()
        if block.language == "python" and block.page not in pages and is_run(block)
    ]


def test_each_reason_is_of_a_block_that_there_is():
    blocks = all_blocks()
    for page, text in NOT_RUN:
        assert any(block.page == page and text in block.text for block in blocks), (page, text)


def test_what_is_printed_otherwise_than_the_page_says_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (
        "$ python -m rrweb_tokenizer vocab --group elapsed\nelapsed: {} tokens, ids 406-413\n...\n"
    )

    def run(number, page=page):
        block = Block(page="p.md", line=1, language="console", text=page.format(number))
        run_page([block], replacements={}, more={}, folder=tmp_path, compares=True)

    run(8)
    with pytest.raises(AssertionError, match="does not print what the page says"):
        run(9)
    # How far a slow machine is, is nothing that a page says.
    progress = "tokenised 49 of 60 files, 1 of 1 MB, 0.2 MB/s, about 1 s left\n"
    run(8, page.replace("...", f"{progress}..."))
