"""ARCHITECTURE.md names each module once, and what the pages name exists."""

import ast
import importlib.util
import re

import pytest
from documentation.blocks import ROOT, pages

SPEC = importlib.util.spec_from_file_location("house", ROOT / "tools" / "house.py")
house = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(house)

_PATH = re.compile(
    r"`((?:tests|data_prep|rrweb_bert|rrweb_tokenizer|benchmarks|docs|examples|tools)/[\w./-]+)"
    r"(?::[\w:]+)?`"
)
_TEST_FILE = re.compile(r"`(test_\w+\.py)`")


def test_the_page_is_the_house_as_built():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert house.corrected(page, house.modules()) == page, "python tools/house.py --write"


def test_a_module_that_came_went_or_changed_is_put_right():
    page = "# A\n\n- [`a/x.py`](a/x.py): old\n- [`a/gone.py`](a/gone.py): g\n\nend\n"
    known = {"a/x.py": "X.", "a/new.py": "N."}
    expected = "# A\n\n- [`a/x.py`](a/x.py): X.\n- [`a/new.py`](a/new.py): N.\n\nend\n"
    assert house.corrected(page, known) == expected
    assert house.corrected(expected, known) == expected


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("rrweb_tokenizer", {"data_prep", "rrweb_bert", "torch", "datasets"}),
        ("data_prep", {"rrweb_bert"}),
    ],
)
def test_imports_go_one_way(package, forbidden):
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.partition(".")[0] in forbidden
    ]
    assert not found


def _imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page):
    text = page.read_text()
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    missing += [name for name in _TEST_FILE.findall(text) if name not in tests]
    assert not missing
