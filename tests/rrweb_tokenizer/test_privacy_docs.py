"""docs/privacy.md says what the table of kinds says, and its code runs."""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from canaries import CANARIES, NEAR_MISSES

from rrweb_tokenizer.kind_search import replace_kinds
from rrweb_tokenizer.kinds import KINDS
from rrweb_tokenizer.redact import redact
from rrweb_tokenizer.value_classes import ValueClass

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
ROWS = [f"| {k.name} | `[{k.value_class}]` | `{k.example}` | {k.missed} |" for k in KINDS]


def test_the_table_of_the_page_is_the_table_of_kinds():
    start = PAGE.index("|---|---|---|---|\n") + len("|---|---|---|---|\n")
    assert PAGE[start : PAGE.index("\n\n", start)].splitlines() == ROWS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_example_of_a_kind_is_found_in_a_sentence(kind):
    assert kind.value_class in redact(f"a {kind.example} b")
    assert kind.pattern.search(kind.example)
    assert kind.value_class in replace_kinds(kind.example)


def test_the_figures_of_the_page_are_those_of_the_tests():
    num_kinds = len({canary.kind for canary in CANARIES})
    assert f"{len(CANARIES)} made-up pieces of personal data of {num_kinds} kinds" in PAGE
    assert f"{len(NEAR_MISSES)} texts that look like it" in PAGE


def _run(number):
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    names = {"__name__": "page"}
    exec(code, names)  # noqa: S102 - our own page
    return names


def test_the_first_example_hides_a_name():
    names = _run(0)
    assert redact("Ask Jane Doe.", names["find_staff"]) == ["Ask", ValueClass.V_NAME, "."]
    assert names["tokenizer"].text_model.recogniser is names["find_staff"]


def test_the_example_with_presidio_turns_its_results_into_spans(monkeypatch):
    """With a stand-in of the same form: the real one needs a language model."""
    asked = {}

    class AnalyzerEngine:
        def analyze(self, **arguments):
            asked.update(arguments)
            start = arguments["text"].index("Jane")
            return [SimpleNamespace(start=start, end=start + 4, entity_type="PERSON", score=0.85)]

    module = ModuleType("presidio_analyzer")
    module.AnalyzerEngine = AnalyzerEngine
    monkeypatch.setitem(sys.modules, "presidio_analyzer", module)
    find_persons = _run(1)["find_persons"]
    assert redact("Ask Jane now", find_persons) == ["Ask", ValueClass.V_NAME, "now"]
    assert asked["language"] == "en"
    assert asked["entities"] == ["PERSON", "LOCATION"]
