"""Every page is run: its commands, its code, and the files that it tells its reader to write."""

import json
from dataclasses import replace

import pytest
from documentation.blocks import Block, all_blocks
from documentation.commands import console_commands
from documentation.page_plans import (
    PLACEHOLDERS,
    PLANS,
    PUSH,
    RELIABILITY,
    RESUME,
    SCALE,
    SEARCH,
    STREAM,
    SURPRISE,
    TUTORIAL,
)
from documentation.running import Page, run_page, run_words, with_more
from documentation.shell import Asked
from documentation.slurm import Slurm, train_apart

# The Hub's client calls its own HTTP library in a way that that one would like changed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def page_of(plan, folder, request=None, **more):
    """A page in its scene."""
    for name in plan.scene:
        request.getfixturevalue(name)
    return Page(
        blocks=[block for block in all_blocks() if block.page == plan.page],
        folder=folder,
        replacements={**PLACEHOLDERS, **plan.replacements},
        more=plan.more,
        then=plan.then,
        **more,
    )


def always_run(page, slow):
    """Without the blocks that take long."""
    blocks = [block for block in page.blocks if not any(word in block.text for word in slow)]
    assert len(blocks) < len(page.blocks)
    return replace(page, blocks=blocks)


@pytest.mark.parametrize(
    "plan", [plan for plan in PLANS if plan.slow is not True], ids=lambda plan: plan.page
)
def test_what_a_page_says_runs(plan, folder, request):
    page = page_of(plan, folder, request)
    run_page(always_run(page, plan.slow) if plan.slow else page)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.slow], ids=lambda plan: plan.page)
def test_what_takes_longer_runs(plan, folder, request):
    run_page(page_of(plan, folder, request))


def test_what_is_pushed_is_on_the_hub(folder, request, hub):
    run_page(page_of(PUSH, folder, request))
    assert hub.private == {"someone/rrweb"}
    (files,) = (revisions["main"] for revisions in hub.files.values())
    assert files["model.safetensors"]
    assert len(hub.commits) == 2  # by the command, and at the end of the training


def test_a_bucket_is_prepared_and_trained_on(folder, request):
    run_page(page_of(STREAM, folder, request))
    for name in ("checkpoints_production", "streamed"):
        assert (folder / name / "model.safetensors").is_file()


def test_the_shares_of_an_array_are_one_corpus(folder, request, bucket):
    slurm = Slurm(SCALE.more)
    run_page(page_of(SCALE, folder, request, programs=slurm.programs))
    assert slurm.num_turns == 3  # two of the array, and the one that puts them together
    assert bucket.cat_file("bucket/corpus/corpus.json")
    assert (folder / "own_words" / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_stopped_goes_on_on_other_machines(folder, request):
    stopped = []

    def python(asked, run):
        answer = train_apart(with_more(asked.words, RESUME.more)[2:], is_stopped=True)
        stopped.append(answer.output)
        return answer

    slurm = Slurm(RESUME.more)
    run_page(page_of(RESUME, folder, request, programs={**slurm.programs, "python": python}))
    for first, second in (slurm.printed, stopped):
        assert "stopped by SIGTERM" in first
        assert "continuing after step" in second
    assert is_finished(folder / "run")  # by two processes, after two machines of one
    assert is_finished(folder / "runs" / "first")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_asks_for_turns_until_it_is_finished(folder, request):
    slurm = Slurm(RELIABILITY.more)
    run_page(page_of(RELIABILITY, folder, request, programs=slurm.programs))
    assert slurm.num_turns == 2
    assert "stopped by SIGTERM" in slurm.printed[0]
    assert "continuing after step" in slurm.printed[1]
    assert is_finished(folder / "runs" / "first")


def is_finished(run):
    return json.loads((run / "run.json").read_text())["finished"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("plan", [TUTORIAL, SEARCH, SURPRISE], ids=lambda plan: plan.page)
def test_what_is_shown_of_the_sample_is_what_is_printed(plan, folder, request):
    run_page(page_of(plan, folder, request, compares=True))


def test_what_is_wrong_in_a_file_of_arguments_is_said_as_the_page_shows(folder, trained):
    blocks = [block for block in all_blocks() if block.page == "docs/training.md"]
    (file,) = (block for block in blocks if block.language == "yaml")
    (shown,) = (block for block in blocks if "did you mean" in block.text)
    mistakes = [
        ("eval_steps:", "eval_step:"),
        ("samples_per_epoch: 400", "samples_per_epoch: many"),
    ]
    for (right, wrong), command in zip(mistakes, console_commands(shown.text), strict=True):
        (folder / "run.yaml").write_text(file.text.replace(right, wrong))
        asked = Asked(words=command.source.split(), folder=folder, environment={})
        answer = run_words(asked.words, {}, asked=asked)
        assert answer.status == 2
        assert answer.output.strip() == command.output.strip()


def test_what_is_printed_otherwise_than_the_page_says_is_found(folder):
    text = (
        "$ python -m rrweb_tokenizer vocab --group elapsed\n"
        "...\nelapsed: {} tokens, ids 406-413\n...\n"
    )

    def run(number, text=text):
        block = Block(page="p.md", line=1, language="console", text=text.format(number))
        run_page(Page(blocks=[block], folder=folder, compares=True))

    run(8)
    with pytest.raises(AssertionError, match="does not print what the page says"):
        run(9)
    # How far a slow machine is, is nothing that a page says.
    progress = "tokenised 49 of 60 files, 1 of 1 MB, 0.2 MB/s, about 1 s left\n"
    run(8, text.replace("...", f"{progress}..."))


@pytest.mark.parametrize(
    ("language", "text", "complaint"),
    [
        ("bash", "python -m rrweb_tokenizer vocab --groop x\n", "status 2"),
        ("bash", "false\n", "status 1"),
        ("bash", "fortune\n", "status 127"),
        ("bash", "python -m json.tool x\n", "cannot be run here, and has no reason"),
        ("bash", "pip install -e '.[tests]'\n", "no extra tests"),
        ("yaml", "# run.yaml\npreset: cpu\n", "written and not used: run.yaml"),
        ("yaml", "preset: cpu\n", "Name its file, or give a reason"),
        ("ini", "[x]\ny = 1\n", "Give a reason"),
    ],
)
def test_a_block_that_does_not_run_fails_its_page(language, text, complaint, folder):
    block = Block(page="p.md", line=1, language=language, text=text)
    with pytest.raises(AssertionError, match=complaint):
        run_page(Page(blocks=[block], folder=folder))


def test_the_shell_of_a_page_is_a_shell(folder):
    source = (
        "set -- 7 && if ! grep -q x <(echo y); then\n"
        "  (cd sub && python -m rrweb_tokenizer vocab --group elapsed > out.txt 2>&1) & fi\n"
        "number=$(python -m rrweb_tokenizer vocab --group elapsed | grep -c elapsed)\n"
        'test "$number" = 1\n'
    )
    (folder / "sub").mkdir()
    run_page(
        Page(
            blocks=[Block(page="p.md", line=1, language="bash", text=source)],
            folder=folder,
        )
    )
    assert "elapsed: 8 tokens" in (folder / "sub" / "out.txt").read_text()
