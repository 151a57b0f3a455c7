"""Every page is run: its commands, its code, and the files that it tells its reader to write."""

import pytest
from documentation.blocks import Block, all_blocks
from documentation.page_plans import PLACEHOLDERS, PLANS, Plan
from documentation.running import Page, run_page

TUTORIAL = "docs/tutorial.md"

# The Hub's client calls its own HTTP library in a way that that one would like changed.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def blocks_of(name):
    return [block for block in all_blocks() if block.page == name]


def page_of(plan, folder, **more):
    return Page(
        blocks=blocks_of(plan.page),
        folder=folder,
        replacements={**PLACEHOLDERS, **plan.replacements},
        more=plan.more,
        then=plan.then,
        **more,
    )


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.page)
def test_what_a_page_says_runs(plan, folder, request):
    for name in plan.scene:
        request.getfixturevalue(name)
    run_page(page_of(plan, folder))
