# ruff: noqa: RUF001 - the texts hold look-alike letters and dashes on purpose.
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rrweb_tokenizer.kinds import HINTS, KINDS
from rrweb_tokenizer.redact import (
    MAX_TEXT_CHARS,
    ValueClass,
    classify_identifier,
    classify_value,
    normalize_text,
    redact,
    redacted_text,
)
from rrweb_tokenizer.structural_vocab import STRUCTURAL_IDS, STRUCTURAL_TOKENS

V = ValueClass

# Kind -> (class, shapes). Numbers are made up; those with check digits have right ones.
CANARIES = {
    "e-mail": (
        V.V_EMAIL,
        [
            "jane.doe@example.com",
            "JANE+news@mail.example.co.uk",
            "müller@exämple.de",
            "mailto%3Ajane%40example.com",
            "jane (at) example (dot) com",
            "jane\u200b@exam\u00adple.com",
            "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        ],
    ),
    "phone, international": (
        V.V_PHONE,
        [
            "+49 (0)30 1234567",
            "+1-202-555-0143",
            "+442079460958",
            "0044 20 7946 0958",
            "+33 6 12 34 56 79",
        ],
    ),
    "phone, national": (
        V.V_PHONE,
        [
            "(555) 123-4567",
            "212.555.0199",
            "1-800-555-0199",
            "020 7946 0958",
            "030/12345678",
            "06 12 34 56 79",
            "０９０－１２３４－５６７８",
            "138 1234 5678",
            "98765 43210",
            "(11) 91234-5678",
            "8 (912) 345-67-89",
        ],
    ),
    "phone after its name": (V.V_PHONE, ["Tel.: 5551234567", "phone 555 0199", "Fax no. 7654321"]),
    "payment card": (
        V.V_CARD,
        [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5500-0000-0000-0004",
            "3782 822463 10005",
            "4111\u00a01111\u00a01111\u00a01111",
            "4111 – 1111 – 1111 – 1111",
            "6011000990139424",
        ],
    ),
    "IBAN": (
        V.V_IBAN,
        [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "gb29nwbk60161331926819",
            "FR14 2004 1010 0505 0001 3M02 606",
        ],
    ),
    "SSN": (V.V_SSN_ID, ["123-45-6789", "123 45 6789", "987–65–4321"]),
    "national id": (
        V.V_SSN_ID,
        [
            "AB 12 34 56 C",
            "12345678Z",
            "X1234567L",
            "RSSMRA85T10A562S",
            "529.982.247-25",
            "756.9217.0769.85",
            "850101-1236789",
            "11010519491231002X",
            "2341 2341 2346",
            "ABCPE1234F",
            "046 454 286",
            "1 85 05 78 006 084 91",
        ],
    ),
    "passport and licences": (
        V.V_SSN_ID,
        [
            "passport no. X1234567",
            "Reisepass: C01X00T47",
            "driver's license D123-4567",
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<",
            "Kennzeichen: B-MW 1234",
            "tax id 12 345 678 901",
        ],
    ),
    "vehicle": (V.V_SSN_ID, ["1M8GDM9AXKP042788", "1HGCM82633A004352"]),
    "IPv4": (V.V_IP, ["203.0.113.195", "10.0.0.1:8080", "192.168.1.0/24"]),
    "IPv6": (
        V.V_IP,
        [
            "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
            "fe80::1ff:fe23:4567:890a",
            "::ffff:192.0.2.128",
        ],
    ),
    "MAC": (V.V_IP, ["00:1A:2b:3c:4D:5e", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"]),
    "UUID": (
        V.V_UUID_HEX,
        ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
    ),
    "hex": (
        V.V_UUID_HEX,
        [
            "d41d8cd98f00b204e9800998ecf8427e",
            "507f1f77bcf86cd799439011",
            "5d:41:40:2a:bc:4b:2a:76:b9:71:9d:91:10:17:c5:92",
        ],
    ),
    "JWT": (
        V.V_TOKEN,
        ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"],
    ),
    "API key": (
        V.V_TOKEN,
        [
            "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
            "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a",
            "AKIA" + "IOSFODNN7EXAMPLE",
            "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
            "xox" + "b-123456789012-abcdefABCDEF",
            "Authorization: Bearer mF_9.B5f-4.1JqMx",
            "api_key=9f8e7d6c",
            "password: hunter2x",
            "PHPSESSID=el4ukv0kqbvoirg7nkp4dncpk3",
        ],
    ),
    "session token": (
        V.V_TOKEN,
        [
            "el4ukv0kqbvoirg7nkp4dncpk3",
            "b5ADvyv2epvQvD6ljkqbiQ4iDO3lAM9UGQP3",
            "dGhpcyBpcyBhIHRlc3QgMTIzNA==",
        ],
    ),
    "one-time code": (
        V.V_TOKEN,
        ["verification code: 482913", "Your code is 482 913", "CVV 123", "OTP: 123456"],
    ),
    "URL": (
        V.V_URL,
        [
            "https://user:pass@example.com/reset?token=abc",
            "www.example.com/jane",
            "example.com/reset?user=jane",
            "ftp://files.example.com/jane.zip",
            "HTTPS://EXAMPLE.COM",
        ],
    ),
    "street": (
        V.V_ADDRESS,
        [
            "12 Main St",
            "1600 Pennsylvania Avenue NW",
            "221b baker street",
            "45 West 21st Street, Apt. 4B",
            "Musterstraße 12a, 12345 Berlin",
            "Lange Str. 7",
            "10 rue de la Paix",
            "Calle de Alcalá 45",
            "Via Roma, 12",
            "Keizersgracht 174",
            "ул. Ленина, д. 5",
            "南京东路100号",
            "〒100-0001",
            "P.O. Box 1234",
            "SW1A 1AA",
        ],
    ),
    "coordinates": (
        V.V_ADDRESS,
        ["52.52000, 13.40495", "-33.8688197,151.2092955", "52°31'12\"N 13°24'18\"E"],
    ),
    "wallet": (
        V.V_TOKEN,
        [
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        ],
    ),
}
PLACES = ("{}", "Contact {} today", "({})", "a line\n{}\nanother", "{}, thanks", "\u201e{}\u201c")

NEAR_MISSES = [
    "$1,299.99",
    "1 234 567,89 €",
    "EUR 49.00 incl. 19% VAT",
    "2024-05-17",
    "17.05.2024 10:30",
    "05/17/2024, 10:30 AM",
    "May 17, 2024",
    "12:30:45",
    "9:00–17:30",
    "v1.2.3.4",
    "Version 10.0.19041.1",
    "zlib 1.2.3.5",
    "3.3.2.1. Metaclasses",
    "Order #1234567890",
    "Order 112-1234567-1234567",
    "Invoice 2024-000123",
    "Ticket ABC-12345",
    "IMG_20240101_123456.jpg",
    "Screenshot_2024-01-01-12-30-45.png",
    "report-final-v2.pdf",
    "getElementsByTagNameNS",
    "dangerouslySetInnerHTML",
    "SymLinksIfOwnerMatch",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18",
    "01 02 03 04 05 06 07",
    "5 stars out of 5",
    "1,234 reviews",
    "@angular/core",
    "@janedoe",
    "ace-builds@1.45.2",
    "commit a1b2c3d",
    "std::vector<int>::iterator",
    "a::before",
    "font-size: 16px; width: 1920x1080",
    "rgba(12, 34, 56, 0.5)",
    "#ff8800",
    "ISBN 978-3-16-148410-0",
    "12 MP camera, 6.1 inch, 128 GB",
    "30% off 2 items",
    "Terminal 3, Gate B12",
    "Room 404",
    "Chapter 12: The Long Way",
    "2nd place in the 100 m race",
    "Python 3.11.4",
    "Chrome/120.0.0.0 Safari/537.36",
    "1762360651420",
    "192 x 168 x 1 cm",
    "16:9",
    "A4 paper, 80 g/m²",
    "Q3 2024 revenue 12.5M",
    "3/4 cup of sugar",
    "Flight LH 1234",
    "Lot 5, size 42",
    "password must be 8 characters",
    "Bearer of bad news",
    "Section 4.1.2",
    "24/7 support",
    "covid-19",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "col-md-6 col-lg-4 mt-3",
    "+20% more",
]


@pytest.mark.parametrize("kind", CANARIES)
def test_no_canary_of_this_kind_survives_in_any_place(kind):
    value_class, shapes = CANARIES[kind]
    for shape in shapes:
        for place in PLACES:
            parts = redact(place.format(shape))
            assert value_class in parts, (place.format(shape), parts)
            left = " ".join(part for part in parts if not isinstance(part, ValueClass))
            assert sum(char.isdigit() for char in left) <= 2, (shape, parts)
            assert normalize_text(shape) not in left
            assert "jane" not in left.lower()


def test_there_are_at_least_twenty_kinds_of_canaries():
    assert len(CANARIES) >= 20
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 20


def test_nearly_all_near_misses_survive():
    survived = [text for text in NEAR_MISSES if redact(text) == [text]]
    assert len(NEAR_MISSES) >= 40
    assert len(survived) >= 0.95 * len(NEAR_MISSES), sorted(set(NEAR_MISSES) - set(survived))


def test_segments_and_classes_come_in_order():
    assert redact("Mail jane@example.com or call +49 30 1234567, by 5 pm") == [
        "Mail",
        V.V_EMAIL,
        "or call",
        V.V_PHONE,
        ", by 5 pm",
    ]


def test_text_that_spells_a_value_class_stays_text():
    parts = redact("V_EMAIL jane@example.com")
    assert parts == ["V_EMAIL", V.V_EMAIL]
    assert [type(part) for part in parts] == [str, ValueClass]


def test_a_text_is_cut_at_its_limit_and_a_number_across_it_is_found_whole():
    card = "4111 1111 1111 1111"
    words = "word " * (MAX_TEXT_CHARS // 5)
    at_limit = words[: MAX_TEXT_CHARS - 10]
    assert redact(words[:-1]) == [words[:-1]]
    assert redact(at_limit + card) == [at_limit.strip(), V.V_CARD]
    assert sum(len(part) for part in redact("word " * MAX_TEXT_CHARS)) <= MAX_TEXT_CHARS


def test_every_value_class_is_a_structural_token():
    assert {f"[{value_class}]" for value_class in ValueClass} == {
        token for token in STRUCTURAL_TOKENS if token.startswith("[V_")
    }
    assert all(f"[{kind.value_class}]" in STRUCTURAL_IDS for kind in KINDS)
    assert all(set(kind.hints) <= HINTS.keys() for kind in KINDS)


@pytest.mark.parametrize("token", STRUCTURAL_TOKENS)
def test_no_structural_name_survives_normalising(token):
    for text in (
        token,
        f"a {token} b",
        f"{token}{token}",
        f"[{token}]",
        token[:2] + "\u200b" + token[2:],
    ):
        normal = normalize_text(text)
        assert token not in normal
        assert normalize_text(normal) == normal
        assert token[1:-1] in normal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \t\n b\u00a0c\u3000 ", "a b c"),
        ("a\x00b\x07c", "abc"),
        ("a\ud800b", "ab"),
        ("\u2581a", "_a"),
        ("ＡＢＣ１２３", "ABC123"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("ja\u200dne", "jane"),
        ("［ＭＡＳＫ］", "⟦MASK⟧"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_normalising_by_example(text, expected):
    assert normalize_text(text) == expected


_PIECES = st.sampled_from(
    [shape for _, shapes in CANARIES.values() for shape in shapes]
    + NEAR_MISSES
    + [*STRUCTURAL_TOKENS[:12], " ", "\n", "\u200d", "\ud83d", "\u2581", "[", "]", "é", "漢", "١٢٣"]
)
_TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=60),
    st.lists(_PIECES, max_size=6).map("".join),
    st.text("0123456789 .-/()+:@abcdefABC_=<", max_size=60),
)


@given(_TEXTS)
@example("\u00a0\u200d\u00a0")
@example("Ａ\u200dＢ")
def test_normalising_twice_is_normalising_once(text):
    normal = normalize_text(text)
    assert normalize_text(normal) == normal
    assert normal == " ".join(normal.split())
    normal.encode()
    assert "\u2581" not in normal


@given(_TEXTS)
@example("001-01-0001УЛ. 0 0")
def test_redacting_what_redaction_left_finds_nothing(text):
    for part in redact(text):
        if not isinstance(part, ValueClass):
            assert redact(part) == [part]
            assert part == normalize_text(part) != ""


@given(_TEXTS)
def test_redacting_the_joined_text_finds_nothing(text):
    once = redacted_text(text)
    assert redacted_text(once) == once


@given(_TEXTS)
def test_classifying_never_fails(text):
    assert classify_value(text) is None or isinstance(classify_value(text), ValueClass)
    assert classify_identifier(text) is None or isinstance(classify_identifier(text), ValueClass)


HOSTILE = [
    "1",
    "a",
    "1.",
    "1 ",
    "a:",
    "A1 ",
    "12 Main Foo ",
    "a@",
    "+1 ((",
    "(0123) ",
    "a.b?",
    "ab1",
    "1-",
    "A<",
    "\xe91",
    "www.",
    "eyJaaaaaaaa.",
    "1 rue de ",
    "tel no. id ",
    "password=",
    "ul. ",
    "a[at]b[dot]",
    "\u8def1",
    "Astra\xdfe ",
    "Calle A ",
    "DE12 3456 ",
    "\ud800",
    "\xa0",
    "sk_live_",
    "%40",
    "0x",
    "[MASK",
    "\u200d",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_million_characters_takes_less_than_a_second(unit):
    text = (unit * (1_000_000 // len(unit) + 1))[:1_000_000]
    start = time.process_time()
    redact(text)
    classify_value(text)
    classify_identifier(text)
    assert time.process_time() - start < 1.0


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
