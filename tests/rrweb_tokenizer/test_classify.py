"""The class of a whole value, and of a piece of an address."""

import pytest
from hypothesis import given
from redaction_cases import TEXTS

from rrweb_tokenizer.redact import (
    ValueClass,
    classify_identifier,
    classify_value,
)

V = ValueClass


@given(TEXTS)
def test_classifying_never_fails(text):
    assert classify_value(text) is None or isinstance(classify_value(text), ValueClass)
    assert classify_identifier(text) is None or isinstance(classify_identifier(text), ValueClass)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", V.V_EMPTY),
        ("  ", V.V_EMPTY),
        ("********", V.V_MASKED),
        ("•••• 1234", V.V_MASKED),
        ("jane@example.com", V.V_EMAIL),
        ("+49 30 1234567", V.V_PHONE),
        ("2125550143", V.V_PHONE),
        ("4111 1111 1111 1111", V.V_CARD),
        ("123-45-6789", V.V_SSN_ID),
        ("42", V.V_NUMBER),
        ("-1,234.5", V.V_NUMBER),
        ("15%", V.V_NUMBER),
        ("$12.50", V.V_MONEY),
        ("12,50 €", V.V_MONEY),
        ("2024-05-17", V.V_DATE),
        ("17.05.2024", V.V_DATE),
        ("May 17, 2024", V.V_DATE),
        ("2024-05-17T10:30", V.V_DATE),
        ("10:30", V.V_TIME),
        ("5 pm", V.V_TIME),
        ("123e4567-e89b-12d3-a456-426614174000", V.V_UUID_HEX),
        ("https://example.com/a", V.V_URL),
        ("203.0.113.195", V.V_IP),
        ("12 Main St", V.V_ADDRESS),
        ("DE89 3704 0044 0532 0130 00", V.V_IBAN),
        ("b5ADvyv2epvQvD6ljkqbiQ4iDO3lAM9UGQP3", V.V_TOKEN),
        ("I would like to know when the shop opens and whether parking is free", V.V_LONGTEXT),
        ("word " * 5000, V.V_LONGTEXT),
        ("New York", None),
        ("write to jane@example.com", V.V_EMAIL),
        ("on", None),
    ],
)
def test_values_by_example(value, expected):
    assert classify_value(value) == expected


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("products", None),
        ("page-2", None),
        ("v2", None),
        ("i18n", None),
        ("1920x1080", None),
        ("getting-started.html", None),
        ("", None),
        ("42", V.V_NUMBER),
        ("1234567", V.V_NUMBER),
        ("item-1234567", V.V_NUMBER),
        ("user-8f3a9c1d2b", V.V_UUID_HEX),
        ("507f1f77bcf86cd799439011", V.V_UUID_HEX),
        ("2024-05-17", V.V_DATE),
        ("jane%40example.com", V.V_EMAIL),
        ("+49301234567", V.V_PHONE),
        ("css-1q2w3e", V.V_TOKEN),
        ("dQw4w9WgXcQ", V.V_TOKEN),
        ("x" * 300, V.V_TOKEN),
    ],
)
def test_identifiers_by_example(segment, expected):
    assert classify_identifier(segment) == expected
