"""Each block and each command of a page runs in a test, or stands in a table with the reason."""

import re

import pytest
from documentation.blocks import ROOT, Block, all_blocks
from documentation.commands import console_commands, simple_commands
from documentation.not_run import (
    BLOCKS,
    COMMANDS,
    IN_CI,
    NOT_COMPARED,
    entry_of_command,
    reason_of_block,
    reason_of_command,
)
from documentation.page_plans import ALL, PLACEHOLDERS, SEARCH, SURPRISE, TUTORIAL

RUNNABLE = {"bash", "console", "python", "yaml", "ini", "json"}

BLOCKS_THAT_RUN = [block for block in all_blocks() if block.language in RUNNABLE]
PLANNED = {plan.page for plan in ALL}


def words_of(block):
    """The words of each command of a block."""
    if block.language == "console":
        return [
            words
            for command in console_commands(block.text)
            for words in simple_commands(command.source)
        ]
    return simple_commands(block.text) if block.language == "bash" else []


def without_a_test(blocks, planned):
    return [
        str(block) for block in blocks if block.page not in planned and not reason_of_block(block)
    ]


def test_each_block_runs_or_has_a_reason():
    assert not without_a_test(BLOCKS_THAT_RUN, PLANNED)


def test_a_new_block_of_a_page_without_a_plan_is_found():
    new = Block(page="docs/tokens.md", line=7, language="bash", text="python train_mlm.py\n")
    assert without_a_test([*BLOCKS_THAT_RUN, new], PLANNED) == ["docs/tokens.md:7"]


def test_each_plan_is_of_a_page_and_there_is_one_for_it():
    assert len(PLANNED) == len(ALL)
    assert {block.page for block in BLOCKS_THAT_RUN} >= PLANNED


def test_each_reason_is_of_something_that_there_is():
    for page, text in [*BLOCKS, *NOT_COMPARED]:
        assert any(b.page == page and text in b.text for b in BLOCKS_THAT_RUN), (page, text)
    used = {
        entry_of_command(block.page, words)
        for block in BLOCKS_THAT_RUN
        for words in words_of(block)
        if not reason_of_block(block)
    }
    assert not set(COMMANDS) - used


def test_what_shows_output_is_compared_or_says_why_not():
    compared = {plan.page for plan in (TUTORIAL, SEARCH, SURPRISE)}
    for block in BLOCKS_THAT_RUN:
        if block.language == "console" and block.page not in compared:
            assert reason_of_block(block) or any(
                block.page == page and text in block.text for page, text in NOT_COMPARED
            ), block


def test_each_replacement_and_each_command_of_the_text_is_still_on_its_page():
    for plan in ALL:
        page = (ROOT / plan.page).read_text()
        assert not [old for old in plan.replacements if old not in page]
        assert not [command for command in plan.then if command not in " ".join(page.split())]
    everything = "".join((ROOT / plan.page).read_text() for plan in ALL)
    assert not [old for old in PLACEHOLDERS if old not in everything]


@pytest.mark.parametrize("reason", sorted({*BLOCKS.values(), *COMMANDS.values()}))
def test_what_a_reason_names_is_there(reason):
    for path in re.findall(r"[\w/]+\.(?:py|md)\b", reason):
        assert (ROOT / path).is_file()


def test_what_ci_is_said_to_do_stands_there():
    script = (ROOT / ".ci" / "run").read_text()
    said = [
        " ".join(words)
        for block in BLOCKS_THAT_RUN
        for words in words_of(block)
        if ".ci/run does it" in {reason_of_block(block), reason_of_command(block.page, words)}
    ]
    assert said
    for command in said:
        assert IN_CI[command] in script


def test_what_is_said_to_run_on_another_page_does():
    said = re.compile(r"(?P<page>\S+\.md) runs the same")
    found = [
        (block.text, reason["page"])
        for block in BLOCKS_THAT_RUN
        if (reason := said.match(reason_of_block(block) or ""))
    ]
    assert found
    for text, page in found:
        (other,) = (other for other in BLOCKS_THAT_RUN if (other.page, other.text) == (page, text))
        assert other.page in PLANNED
        assert not reason_of_block(other)
