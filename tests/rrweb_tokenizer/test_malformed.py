"""96 recordings with something wrong: each ends encoded or rejected for a reason, none raises."""

import pytest
from malformed_cases import FAMILIES, SIZES
from outcomes import outcome_of, tokenizer

CASES = {
    f"{family}: {name}": case for family, cases in FAMILIES.items() for name, case in cases.items()
}


def test_there_are_96_cases_in_nine_families():
    assert {family: len(cases) for family, cases in FAMILIES.items()} == SIZES
    assert len(CASES) == 96


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_recording_is_encoded_or_rejected(name, tmp_path):
    content, expected = CASES[name]
    outcome = outcome_of(content, tmp_path)
    word, _, number = expected.partition(" ") if expected.startswith("ok") else (expected, "", "")
    if word == "ok":
        assert outcome.is_ok, outcome.reasons
        assert outcome.num_rejected_events == int(number or 0)
    else:
        assert not outcome.is_ok
        assert word in outcome.reasons[0]


@pytest.mark.parametrize("name", CASES)
def test_the_tokenizer_alone_encodes_it_or_says_why_not(name):
    content, expected = CASES[name]
    try:
        session = tokenizer().encode_session(content)
    except ValueError as error:
        assert not expected.startswith("ok") or name.startswith("encoding: UTF-")
        assert str(error).startswith("the session: no")  # noqa: PT017
    else:
        assert len(session.ids) > 0
