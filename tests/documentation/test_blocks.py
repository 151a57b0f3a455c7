"""Every block of the pages is a command that could run, code that compiles, or data that parses."""

import ast
import configparser
import contextlib
import importlib
import json
import subprocess

import pytest
import yaml
from documentation.blocks import ROOT, all_blocks, blocks_of, inline_commands, pages
from documentation.checking import IncompleteCommandError, WrongCommandError, check_command
from documentation.commands import console_commands, simple_commands

BLOCKS = all_blocks()

NOT_INSTALLED = {
    "presidio_analyzer": "needs a language model; test_privacy_docs.py runs the block with a "
    "stand-in",
}
"""Modules that pages import and the project does not depend on, each with the reason."""

LANGUAGES = {"bash", "console", "python", "yaml", "json", "ini", "text"}
DIRECTIVES = {"{commands}", "{eval-rst}"}


def of(*languages):
    found = [block for block in BLOCKS if block.language in languages]
    assert found
    return pytest.mark.parametrize("block", found, ids=str)


@pytest.fixture
def in_folder(block, tmp_path, monkeypatch):
    """An empty folder with the files that the page tells its reader to write."""
    monkeypatch.chdir(tmp_path)
    for other in BLOCKS:
        if other.page == block.page and other.file_name:
            (tmp_path / other.file_name).write_text(other.text)


def test_each_block_says_its_language():
    unknown = [
        str(block)
        for block in BLOCKS
        if block.language not in LANGUAGES and block.language.partition(" ")[0] not in DIRECTIVES
    ]
    assert not unknown, "text for what is no code: " + " ".join(unknown)


@of("bash", "console")
def test_each_command_is_taken_by_the_parser_of_its_program(block, in_folder):
    if block.language == "console":
        sources = [command.source for command in console_commands(block.text)]
    else:
        sources = [block.text]
    for source in sources:
        subprocess.run(["bash", "-n"], input=source, text=True, check=True)
        for words in simple_commands(source):
            check_command(words)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_each_command_in_running_text_is_taken_as_far_as_it_goes(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run.yaml", "run/arguments.yaml", "arguments.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("preset: cpu\n")
    for source in inline_commands(page.read_text()):
        # What is left out in running text (`prepare` without its folder) is not missed.
        with contextlib.suppress(IncompleteCommandError):
            check_command(simple_commands(source)[0])


@of("python")
def test_each_python_block_compiles_and_imports_what_exists(block):
    for node in ast.walk(ast.parse(block.text)):
        names = [alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
        if isinstance(node, ast.Import):
            for name in names:
                if name not in NOT_INSTALLED:
                    importlib.import_module(name)
        elif isinstance(node, ast.ImportFrom) and node.module not in NOT_INSTALLED:
            module = importlib.import_module(node.module)
            missing = [name for name in names if not hasattr(module, name)]
            assert not missing, f"{node.module} has no {missing}"


@of("json", "yaml", "ini")
def test_each_block_of_data_parses(block):
    if block.language == "json":
        for line in block.text.splitlines():
            json.loads(line)
    elif block.language == "yaml":
        assert yaml.safe_load(block.text)
    else:
        parser = configparser.ConfigParser()
        parser.optionxform = str
        parser.read_string(block.text)
        assert parser.sections()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("python train_mlm.py --data_dr corpus", "did you mean --data_dir"),
        ("python train_mlm.py --max_steps many", "max_steps"),
        ("python -m data_prep prepare recordings/ --output corpus --groupby site", "--groupby"),
        ("python -m data_prep prepare recordings/ --out corpus", "--out"),
        ("python -m data_prep prepar recordings/ --output corpus", "prepar"),
        ("python -m rrweb_bert search index --like a.json --ke 3", "--ke"),
        ("python -m rrweb_tokenizer transcript", "FILE"),
        ("python benchmarks/train_speed.py --row growth", "--row"),
        ("python benchmarks/no_such.py", "not in the repository"),
        ("python examples/classify_sessions.py --labels l.jsonl --modell x", "--modell"),
        ("torchrun --nproc_per_nod 8 train_mlm.py", "--nproc_per_nod"),
        ("torchrun --nproc_per_node 8 train_mlm.py --data_dirr corpus", "--data_dirr"),
        ("accelerate launch --num_procs 8 train_mlm.py", "--num_procs"),
        ("nohup python -u train_mlm.py --learning_rat 1 > out 2>&1 &", "--learning_rat"),
        ('pip install -e ".[tests]"', "no extra tests"),
        ("pytest -m slwo", "no marker slwo"),
        ("pytest tests/no_such.py", "does not exist"),
        ("make qualiti", "no target qualiti"),
        ("A=1 fortune", "no check knows this program"),
    ],
)
def test_a_misspelt_command_is_found(command, complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (words,) = simple_commands(command)
    with pytest.raises(WrongCommandError, match=complaint):
        check_command(words)


def test_a_right_command_passes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = (
        "if ! A=1 srun python train_mlm.py --max_steps 5 \\\n"
        "  --learning-rate 1e-4 > out 2>&1; then\n"
        "  (cd tests/replayer && npm install)  # a comment --with options\nfi"
    )
    found = simple_commands(source)
    assert [words[0] for words in found] == ["A=1", "cd", "npm"]
    for words in found:
        check_command(words)


def test_blocks_keep_their_text_and_place():
    page = "a\n\n```bash\nx\n```\n\n- b\n\n  ````text\n  ```\n    y\n  ```\n  ````\n"
    found = [(b.line, b.language, b.text) for b in blocks_of(page, "p.md")]
    assert found == [(3, "bash", "x\n"), (9, "text", "```\n  y\n```\n")]


def test_commands_in_running_text_are_found():
    page = "a `python -m x\n--y` and `--z`\n\n```text\n`pip install a`\n```\n`pytest -m b`\n"
    assert inline_commands(page) == ["python -m x --y", "pytest -m b"]


def test_an_incomplete_command_with_a_misspelt_option_is_wrong():
    with pytest.raises(IncompleteCommandError):
        check_command("python -m data_prep verify --near_duplicates".split())
    with pytest.raises(WrongCommandError, match="unknown argument --near_duplicate;") as found:
        check_command("python -m data_prep verify --near_duplicate".split())
    assert not isinstance(found.value, IncompleteCommandError)


def test_a_block_that_is_not_closed_is_an_error():
    with pytest.raises(ValueError, match=r"p\.md:2: the block is not closed"):
        list(blocks_of("a\n```bash\nx\n", "p.md"))


def test_a_page_without_its_own_blocks_would_be_noticed():
    assert {"README.md", "docs/tutorial.md", "CONTRIBUTING.md"} <= {b.page for b in BLOCKS}
    assert (ROOT / "docs" / "tutorial.md").is_file()
