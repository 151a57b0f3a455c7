"""The families of JSON parsing tests as session, as event, as member and as text.

Valid JSON never costs more than itself, invalid JSON is never taken, and nothing raises.
"""

import json

import pytest
from json_cases import EITHER, INVALID, VALID
from outcomes import outcome_of

BEFORE = b'[{"type":4,"timestamp":1,"data":{"href":"http://a.test/"}},'
AFTER = b',{"type":1,"timestamp":9}]'
CONTEXTS = {
    "as event": BEFORE + b"%s" + AFTER,
    "as member": BEFORE + b'{"type":0,"timestamp":2,"new":%s}' + AFTER,
    "as payload": BEFORE + b'{"type":5,"timestamp":2,"data":{"tag":"t","payload":%s}}' + AFTER,
}


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("case", VALID)
def test_a_valid_value_within_a_recording_costs_no_more_than_itself(case, context, tmp_path):
    outcome = outcome_of(CONTEXTS[context] % case, tmp_path)
    assert outcome.is_ok, outcome.reasons
    assert outcome.num_events == 2 + (context != "as event")
    assert outcome.num_rejected_events == (context == "as event")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_value_within_a_recording_is_never_taken(case, context, tmp_path):
    outcome = outcome_of(CONTEXTS[context] % case, tmp_path)
    assert not outcome.is_ok
    assert outcome.reasons[0].startswith("not JSON")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("case", EITHER, ids=lambda case: repr(case[:20]))
def test_a_value_left_to_the_parser_is_encoded_or_rejected(case, context, tmp_path):
    assert outcome_of(CONTEXTS[context] % case, tmp_path)


@pytest.mark.parametrize("case", VALID + INVALID + EITHER, ids=lambda case: repr(case[:20]))
def test_a_value_is_no_recording(case, tmp_path):
    assert not outcome_of(case, tmp_path).is_ok


@pytest.mark.parametrize("case", VALID + INVALID + EITHER, ids=lambda case: repr(case[:20]))
def test_a_value_as_text_is_text(case, tmp_path):
    node = {"type": 3, "id": 1, "textContent": case.decode("utf-8", "surrogateescape")}
    events = [{"type": 2, "timestamp": 1, "data": {"node": node}}]
    assert outcome_of(json.dumps(events).encode(), tmp_path).is_ok
