# ruff: noqa: RUF001 - the texts hold look-alike letters and dashes on purpose.
"""Personal data that must go, and near misses that must stay."""

from hypothesis import strategies as st

from rrweb_tokenizer.redact import (
    ValueClass,
)
from rrweb_tokenizer.structural_vocab import STRUCTURAL_TOKENS

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


_PIECES = st.sampled_from(
    [shape for _, shapes in CANARIES.values() for shape in shapes]
    + NEAR_MISSES
    + [*STRUCTURAL_TOKENS[:12], " ", "\n", "\u200d", "\ud83d", "\u2581", "[", "]", "é", "漢", "١٢٣"]
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=[]), max_size=60),
    st.lists(_PIECES, max_size=6).map("".join),
    st.text("0123456789 .-/()+:@abcdefABC_=<", max_size=60),
)
