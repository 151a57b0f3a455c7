"""Grouping: each rule groups what belongs together, and bad rules say what to do."""

import json
import pickle

import pyarrow as pa
import pyarrow.parquet
import pytest

from data_prep.errors import DataError
from data_prep.grouping import parse_grouping
from data_prep.splits import split_of


def group(rule, manifest=None, missing_group="reject", **changes):
    arguments = {
        "file_id": "shop/a",
        "paths": ("shop/a.json.gz", "shop/a"),
        "fields": {},
        "first_href": "https://www.shop.test/x?q=1",
        "parent_folder": "shop",
    }
    grouping = parse_grouping(rule, manifest=manifest, missing_group=missing_group)
    return pickle.loads(pickle.dumps(grouping)).group(**(arguments | changes))  # noqa: S301


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("auto", "file:shop/a"),
        ("file", "file:shop/a"),
        ("site", "site:shop.test"),
        ("host", "host:www.shop.test"),
        ("visitor", None),
        ("path:^([^/]+)/", "path:shop"),
        (r"path:(\w+)\.json", "path:a"),
        ("path:^(x?)", None),
        ("path:(never)", None),
        ("field:team", None),
    ],
)
def test_each_rule_has_its_group(rule, expected):
    assert group(rule) == expected


def test_a_field_groups_by_its_value_and_does_not_show_it():
    first = group("field:team.name", fields={"team.name": " jane@x.org "})
    assert first == group("field:team.name", fields={"team.name": "jane@x.org"}, file_id="b")
    assert first != group("field:team.name", fields={"team.name": "joe"})
    assert "jane" not in first
    assert group("field:team", fields={"team": ""}) is None


@pytest.mark.parametrize("href", [None, "", "about:blank", "http://["])
def test_a_page_without_a_host_has_no_host_group(href):
    assert group("host", first_href=href) is None
    assert group("host", first_href=href, missing_group="file") == "file:shop/a"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("sight", r"is none of auto, .*, column:\.\.\.; did you mean site"),
        ("site:x", "is none of"),
        ("field:", "lacks what follows the colon"),
        ("path:[", "is not valid"),
        ("path:abc", r"no group in parentheses.*for example path:\^"),
        ("column:team", "--manifest FILE.csv"),
    ],
)
def test_a_rule_that_cannot_work_says_why(rule, said):
    with pytest.raises(ValueError, match=said):
        parse_grouping(rule)


def test_a_manifest_without_a_column_rule_is_refused(tmp_path):
    with pytest.raises(ValueError, match="column:NAME"):
        parse_grouping("site", manifest=tmp_path / "m.csv")


ROWS = [
    {"path": "shop/a.json.gz", "team": "007"},
    {"path": "shop/b", "team": "7"},
    {"path": "./shop/c.json", "team": "007"},
    {"path": "shop/d.json", "team": None},
]


def write_manifest(path, rows=ROWS):
    if path.suffix == ".csv":
        lines = ["team,path", *(f"{r['team'] or ''},{r['path']}" for r in rows)]
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".parquet":
        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
def test_a_manifest_column_groups_files_in_each_form(tmp_path, name):
    manifest = write_manifest(tmp_path / name)

    def of(relative):
        return group("column:team", manifest, paths=(relative, relative.split(".")[0]))

    assert of("shop/a.json.gz") == of("shop/c.json") != of("shop/b.jsonl")
    assert None not in (of("shop/a.json.gz"), of("shop/b.jsonl"))
    assert of("shop/d.json") is None
    assert of("shop/e.json") is None
    assert group("column:team", manifest, "file", paths=("e", "e"), file_id="e") == "file:e"


def test_groups_of_a_column_are_the_same_whatever_the_form_of_the_manifest(tmp_path):
    groups = {
        group("column:team", write_manifest(tmp_path / name))
        for name in ("m.csv", "m.jsonl", "m.parquet")
    }
    assert len(groups) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.csv", None, "does not exist"),
        ("m.csv", "path,other\na,b\n", "no column 'team'; it has path, other"),
        ("m.csv", "team\nx\n", "no column 'path'"),
        ("m.csv", "path,team\na,x\na,y\n", "two different values"),
        ("m.csv", "path,team\na,\n", "names no group"),
        ("m.csv", "", "cannot be read"),
        ("m.jsonl", "no json", "cannot be read"),
        ("m.jsonl", '{"path": "a", "team": 1}\n{"path": "b", "team": []}\n', "cannot be read"),
        ("m.parquet", "no parquet", "cannot be read"),
        ("m.xlsx", "x", "none of the forms"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, name, content, said):
    manifest = tmp_path / name
    if content is not None:
        manifest.write_text(content)
    with pytest.raises(DataError, match=said):
        parse_grouping("column:team", manifest=manifest)


def test_rows_added_to_a_manifest_move_no_old_file(tmp_path):
    old = [{"path": f"{n}.json", "team": f"t{n % 50}"} for n in range(200)]
    new = [{"path": f"{n}.json", "team": f"t{n % 70}"} for n in range(200, 1200)]
    before = parse_grouping("column:team", manifest=write_manifest(tmp_path / "a.jsonl", old))
    after = parse_grouping("column:team", manifest=write_manifest(tmp_path / "b.jsonl", old + new))
    for row in old:
        arguments = {"fields": {}, "first_href": None, "parent_folder": "", "file_id": "x"}
        groups = [g.group(paths=(row["path"],), **arguments) for g in (before, after)]
        assert groups[0] == groups[1]
        assert split_of(groups[0]) == split_of(groups[1])
