"""Holds ARCHITECTURE.md to the modules that there are.

python tools/house.py            says what differs; status 1 if anything does
python tools/house.py --write    puts it right: each module's line is the first of its docstring

Which module stands below which heading is decided by hand and kept; a new one is put at the end of
its package's last list, to be moved where it belongs.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "ARCHITECTURE.md"
PACKAGES: Final = ("rrweb_tokenizer", "data_prep", "rrweb_bert")
_LINE: Final = re.compile(r"- \[`(?P<path>[\w/.]+)`\]\((?P=path)\): (?P<says>.*)")


def main() -> int:
    """Compare, and write if asked to."""
    parser = argparse.ArgumentParser(description="Hold ARCHITECTURE.md to the modules.")
    parser.add_argument("--write", action="store_true", help="put the page right")
    arguments = parser.parse_args()
    before = PAGE.read_text(encoding="utf-8")
    after = corrected(before, modules())
    if before == after:
        return 0
    if arguments.write:
        PAGE.write_text(after, encoding="utf-8")
        return 0
    for line in sorted(set(after.splitlines()) ^ set(before.splitlines())):
        print(f"{'+' if line in after.splitlines() else '-'} {line}")
    print("ARCHITECTURE.md is not the house as built: python tools/house.py --write")
    return 1


def modules() -> dict[str, str]:
    """Path of each module -> the first line of its docstring, in the order of the paths."""
    return {
        str(path.relative_to(ROOT)): _first_line(path)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        # What a package is stands above the list of its modules.
        if path.name != "__init__.py"
    }


def corrected(page: str, known: dict[str, str]) -> str:
    """The page with the line of each module, and no line of a module that is gone."""
    lines = list(_corrected_lines(page, known))
    listed = {found["path"] for line in lines if (found := _LINE.fullmatch(line))}
    for path in known.keys() - listed:
        lines.insert(_end_of(lines, path.partition("/")[0]), _line(path, known[path]))
    return "".join(f"{line}\n" for line in lines)


def _corrected_lines(page: str, known: dict[str, str]) -> Iterator[str]:
    listed: set[str] = set()
    for line in page.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            yield line
        elif found["path"] in known and found["path"] not in listed:
            listed.add(found["path"])
            yield _line(found["path"], known[found["path"]])


def _line(path: str, says: str) -> str:
    return f"- [`{path}`]({path}): {says}"


def _end_of(lines: list[str], package: str) -> int:
    """The index behind the package's last line, or behind the last line of all."""
    of_package = [n for n, line in enumerate(lines) if line.startswith(f"- [`{package}/")]
    return (of_package or [len(lines) - 1])[-1] + 1


def _first_line(path: Path) -> str:
    says = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    # A sentence may take two lines.
    return " ".join(says.partition("\n\n")[0].split())


if __name__ == "__main__":
    sys.exit(main())
