"""Splits: groups stay together, shares are as asked, and nothing ever moves."""

from collections import Counter

import pytest

from data_prep.errors import DataError
from data_prep.splits import check_not_empty, group_of, split_of


def group(**changes):
    arguments = {
        "group_by": "auto",
        "file_id": "shop/a",
        "fields": {},
        "first_href": "https://www.shop.test/x?q=1",
        "parent_folder": "shop",
    }
    return group_of(**(arguments | changes))


def test_auto_is_the_visitor_where_named_else_the_file():
    assert group() == "file:shop/a"
    named = group(fields={"distinct_id": "u7"})
    assert named.startswith("visitor:")
    assert named == group(fields={"userId": "u7"}, file_id="other")
    assert named != group(fields={"userId": "u8"})


def test_a_visitor_is_never_named_in_the_clear():
    assert "jane" not in group(fields={"user_id": "jane@example.org"})


@pytest.mark.parametrize("nobody", ["", " ", "null", "None", "undefined", "anonymous", "0"])
def test_nobody_is_no_visitor(nobody):
    assert group(fields={"user_id": nobody}) == "file:shop/a"


def test_a_person_counts_before_a_device():
    both = group(fields={"device_id": "d", "user_id": "u"})
    assert both == group(fields={"user_id": "u"})


def test_group_by_file_ignores_visitors():
    assert group(group_by="file", fields={"user_id": "u"}) == "file:shop/a"


def test_group_by_visitor_asks_for_one():
    assert group(group_by="visitor") is None


@pytest.mark.parametrize(
    ("href", "site"),
    [
        ("https://www.shop.test/x", "site:shop.test"),
        ("http://SHOP.test:8080/", "site:shop.test"),
        ("http://[", "site:shop"),
        ("about:blank", "site:shop"),
        ("", "site:shop"),
        (None, "site:shop"),
    ],
)
def test_site_is_the_host_else_the_folder(href, site):
    assert group(group_by="site", first_href=href) == site


def test_shares_are_as_asked():
    counts = Counter(split_of(f"file:{number}") for number in range(40_000))
    assert abs(counts["test"] / 40_000 - 0.05) < 0.005
    assert abs(counts["validation"] / 40_000 - 0.095) < 0.007


def test_a_split_follows_from_the_group_alone_and_for_ever():
    groups = ["file:a", "file:b", "visitor:c", "site:d", "file:\ud800", ""]
    first = [split_of(name, test_fraction=0.3, validation_fraction=0.5) for name in groups]
    assert first == GOLDEN_SPLITS


def test_test_groups_do_not_depend_on_the_validation_fraction():
    for number in range(500):
        name = f"file:{number}"
        is_test = split_of(name) == "test"
        assert is_test == (split_of(name, validation_fraction=0.6) == "test")


def test_another_salt_deals_anew():
    names = [f"file:{number}" for number in range(300)]
    assert [split_of(n) for n in names] != [split_of(n, salt="x") for n in names]


def check(num_sessions, **changes):
    arguments = {
        "group_by": "site",
        "test_fraction": 0.05,
        "validation_fraction": 0.1,
        "num_groups": 2,
    }
    check_not_empty(num_sessions, **(arguments | changes))


def test_an_empty_split_is_an_error_that_names_remedies():
    with pytest.raises(DataError) as caught:
        check({"train": 5, "validation": 0, "test": 0})
    for remedy in (
        "more recordings",
        "--group_by file",
        "--validation_fraction",
        "--test_fraction",
    ):
        assert remedy in str(caught.value)


def test_a_split_that_nobody_asked_for_may_be_empty():
    check({"train": 5, "validation": 1, "test": 0}, test_fraction=0.0)
    check({"train": 5, "validation": 0, "test": 1}, validation_fraction=0.0)


GOLDEN_SPLITS = ["validation", "train", "train", "train", "validation", "test"]
