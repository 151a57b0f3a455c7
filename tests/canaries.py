# ruff: noqa: RUF001 - the texts hold look-alike letters and dashes on purpose.
"""Made-up personal data of each kind, and 100 texts that look like it and are none.

Numbers with check digits have right ones. No two canaries share five characters in a row within a
kind, and the texts around them share none with them.
"""

from dataclasses import dataclass

from rrweb_tokenizer.value_classes import ValueClass

V = ValueClass


@dataclass(frozen=True, slots=True)
class Canary:
    """One piece of personal data as it stands in a text.

    Attributes:
        kind: what it is.
        value_class: what must stand in its place.
        secret: what must not survive.
        text: the secret with the words that announce it.
    """

    kind: str
    value_class: ValueClass
    secret: str
    text: str


# Kind -> (class, words that announce it, five of it).
_TABLE = {
    "e-mail": (
        V.V_EMAIL,
        "",
        [
            "zebulon.quack@vexmail.test",
            "wilhelmina+shop@gurkenpost.example",
            "oriol_pf@bustia.example.cat",
            "jürgen@fährhäusl.example",
            "kwame[at]sankofa[dot]example",
        ],
    ),
    "phone, international": (
        V.V_PHONE,
        "",
        [
            "+49 (0)30 7712394",
            "+1-202-555-0186",
            "+442079460331",
            "0033 6 39 98 71 52",
            "+81 90-6812-3457",
        ],
    ),
    "phone, national": (
        V.V_PHONE,
        "",
        ["(415) 555-0172", "020 7946 0817", "030/98127364", "06 39 98 12 47", "138 2271 9045"],
    ),
    "phone after its name": (
        V.V_PHONE,
        "Tel.: ",
        ["5559027614", "555 0318", "8814406", "55-71-93-02", "9081726354"],
    ),
    "payment card": (
        V.V_CARD,
        "",
        [
            "4275582823574162",
            "5184 8893 4183 4482",
            "3772 006416 82514",
            "6011-9486-8786-7980",
            "4153\u00a07639\u00a07103\u00a02115",
        ],
    ),
    "IBAN": (
        V.V_IBAN,
        "",
        [
            "DE41 2591 9752 8915 1133 55",
            "GB89QZWX27136876019520",
            "FR33 7651 7401 7535 6247 1914 651",
            "NL26 QKZV 8603 6341 24",
            "es0418762863175210250048",
        ],
    ),
    "SSN": (
        V.V_SSN_ID,
        "",
        ["219-09-9517", "457 55 5462", "078\u201305\u20131120", "601-83-7729", "335 28 6194"],
    ),
    "national id": (
        V.V_SSN_ID,
        "",
        ["22252069Y", "883.459.360-08", "8168 3258 6885", "AB 71 39 52 C", "QRTPL5182K"],
    ),
    "passport and licences": (
        V.V_SSN_ID,
        "passport no. ",
        ["X8812047", "C03Q71V29", "K4471902", "PZ918273", "700412853"],
    ),
    "vehicle": (
        V.V_SSN_ID,
        "",
        [
            "0P23NUJ70VAHL6EE1",
            "TTBT1LST5MJDZHA6C",
            "YH125TJK6ZUMM3A2X",
            "L0EJTU4H1V254SFJP",
            "UX883V540BGZUNKV9",
        ],
    ),
    "IPv4": (
        V.V_IP,
        "",
        ["203.0.113.195", "198.51.100.23:8443", "10.42.17.208/24", "172.31.254.9", "192.0.2.146"],
    ),
    "IPv6": (
        V.V_IP,
        "",
        [
            "2001:db8:85a3::8a2e:370:7334",
            "c520:2b98:343f:497a:fb7a:4ae4:5e12:4071",
            "fe80::1ff:fe23:4567:890a",
            "::ffff:192.0.2.128",
            "2001:db8:0:cd30::1f4b",
        ],
    ),
    "MAC": (
        V.V_IP,
        "",
        [
            "8c:1A:2b:f3:4D:5e",
            "00-1b-63-84-45-e6",
            "5cf9.38a1.7e02",
            "D4:6E:0E:9B:31:7A",
            "f0-18-98-2c-5d-b7",
        ],
    ),
    "UUID": (
        V.V_UUID_HEX,
        "",
        [
            "d4a866e3-174e-4bd4-a40c-1e5a6415ecd4",
            "F790EEA6-55C8-4AAE-AF2D-19882946E6E2",
            "7675979f-a493-4403-aa68-b366c8d7d02c",
            "3ede66af-4970-4f7f-a449-8b8db0b30660",
            "b9eebae0-e4bd-4e75-a97c-118fa833e9c3",
        ],
    ),
    "hex": (
        V.V_UUID_HEX,
        "",
        [
            "538df528ccd1c1100ec39a0646684b97",
            "ef597ec10bccb37b709882a7",
            "d861db55576075d502b4be114e3dddaf4a3b6939",
            "1f6fabbc57f48fda8f7bdbf0177f7ee6287dac91fa532271c336b7c881f9f190",
            "26:3e:f0:a6:c5:0a:36:90",
        ],
    ),
    "JWT": (
        V.V_TOKEN,
        "",
        [
            "eyJhbGciOiJIojfaO9RTkd.eyJT7soPInyN4r64t5Va071IqZL.SYFDxXpmvw1cg7r2vx1xWawjeNSxqj",
            "eyJhbGciOiJIttDKtM9Co8.eyJWbn7CZ6d6p4TCOMq9VqBSi5T.vSIPgCm5L0nWqIyjZTPdrO3ZvNJON5",
            "eyJhbGciOiJIsONULaHlyl.eyJjeALQXiRq2jwyuafOR4ZrH9t.gmSia3uIZoGRQpjgI3WOBWiYHSmrCV",
            "eyJhbGciOiJI2ZOycEKplf.eyJJaZcTKBI3tXUNPeMYoKsZmVB.XcvaHLGv3Zo1WfqP73uDBWDXuHJobT",
            "eyJhbGciOiJI98Q6HCxMyq.eyJOtOOqVUo7ZXBsaxqWa37wlWr.A55D2GEEBRxjtpXZmIc0fUWS78vYDO",
        ],
    ),
    "API key": (
        V.V_TOKEN,
        "",
        [  # in two halves, so that no scanner takes them for real ones
            "sk_" + "live_2rCmyGoUGRh353rsOrfIRBkF",
            "gh" + "p_XcySPDG3nQTbLw010fePeeHNmrvG4p0Wz5MI",
            "AKIA" + "6XFHPHITPOUNPT8Z",
            "AIza" + "NClSllUtDZjD2nn2e7ZRGYXV1g1dPqLOVcG",
            "xox" + "b-132325079625-gwy8wgXd5kbY",
        ],
    ),
    "named secret": (
        V.V_TOKEN,
        "password=",
        ["hunter2xyz", "Tr0ub4dor-n3", "q7Lw!m2z", "mokka55tasse", "9f8e7d6c"],
    ),
    "session token": (
        V.V_TOKEN,
        "",
        [
            "ni7XYLIMD0iZXSj1rMbBm7m4kL",
            "hWNvRUrS8NGEDbcY824oOZnEEUzE08BW",
            "LTiV7HIWdNpCDeU1vw8iGHAd",
            "TQbdL47MXivdicaEW65pN23Jdg2PTXD3jX8CmO8V",
            "D19ORIHFHNseTI5TKgaoyiixPcH1",
        ],
    ),
    "one-time code": (
        V.V_TOKEN,
        "verification code: ",
        ["482913", "771 054", "90417", "663-281", "18345276"],
    ),
    "URL with a query": (
        V.V_URL,
        "",
        [
            "https://zeb:pw9@portal.vexco.test/reset?uid=quack",
            "www.gurkenpost.example/wilhelmina",
            "vexco.test/konto?user=oriolpf",
            "ftp://files.sankofa.example/kwame.zip",
            "HTTPS://BUSTIA.EXAMPLE/PFEIFFER",
        ],
    ),
    "street": (
        V.V_ADDRESS,
        "",
        [
            "12 Quibblewick Street",
            "Musterbachstraße 12a, 12345 Krähwinkel",
            "47 rue de la Fontaine Verte",
            "Calle de Almirante Zamora 45",
            "P.O. Box 71834",
        ],
    ),
    "coordinates": (
        V.V_ADDRESS,
        "",
        [
            "52.520817, 13.409419",
            "-33.8688197,151.2092955",
            "48.858370 2.294481",
            "52°31'12\"N 13°24'18\"E",
            "40.689247, -74.044502",
        ],
    ),
    "wallet": (
        V.V_TOKEN,
        "",
        [
            "1ofSQav4nL854YXMELQv17xbLjoWZmLUm",
            "0x43ae016615540123e0bf96c459151d2d835e1f0f",
            "bc1qakundde6ywtlajvqurdecg8n0u93yl3p6f22l0",
            "1nHK2EfrB6wvxeZxCMD24h6NmBTAQ6zfk",
            "0x92647a85327a71743c01a3d9bc12c714f1200130",
        ],
    ),
}

CANARIES = [
    Canary(kind, value_class, secret, words + secret)
    for kind, (value_class, words, secrets) in _TABLE.items()
    for secret in secrets
]

NAMES = ["Zebulon Quackenbush", "Wilhelmina Gurkensalat", "Oriol Pfeifferling"]
"""Typed into forms they must not survive either; in the text of pages only a recogniser helps."""

NEAR_MISSES = [
    *("$1,299.99", "1 234 567,89 €", "EUR 49.00 incl. 19% VAT", "CHF 1'250.00", "£3.50 each"),
    *(
        "only 4.99 USD a month",
        "¥12,800 tax included",
        "₹1,49,999",
        "R$ 2.499,90",
        "12,50 € pro kg",
    ),
    *("2024-05-17", "17.05.2024 10:30", "05/17/2024, 10:30 AM", "May 17, 2024", "12:30:45"),
    *(
        "9:00–17:30",
        "3 Jan – 28 Feb 2025",
        "due on 30 June",
        "2024-05-17T10:30:00Z",
        "week 23 of 2024",
    ),
    *("v1.2.3.4", "Version 10.0.19041.1", "zlib 1.2.3.5", "Python 3.11.4", "node v20.11.1"),
    *(
        "release 2024.10.2",
        "Chrome/120.0.0.0 Safari/537.36",
        "Angular 17.3.0-rc.1",
        "3.3.2.1. Classes",
    ),
    *("@angular/core", "ace-builds@1.45.2", "Order #1234567890", "Order 112-1234567-1234567"),
    *("Invoice 2024-000123", "Ticket ABC-12345", "Bestellung 4711", "PO 88231", "Case 00123456"),
    *("SKU 0012-3345-B", "Art. 908.112.33", "Model WH-1000XM5", "Part 7H0-615-301", "RTX 4070 Ti"),
    *("Galaxy S24 Ultra 512 GB", "EAN 4006381333931", "ISBN 978-3-16-148410-0", "ISSN 2049-3630"),
    *(
        "doi 10.1000/182",
        "RFC 2616",
        "ISO 9001:2015",
        "DIN A4",
        "Flight LH 1234",
        "Gate B12, seat 23F",
    ),
    *("IMG_20240101_123456.jpg", "Screenshot_2024-01-01-12-30-45.png", "report-final-v2.pdf"),
    *(
        "backup_2024-05-17.tar.gz",
        "getElementsByTagNameNS",
        "dangerouslySetInnerHTML",
        "std::vector<int>",
    ),
    *("a::before", "font-size: 16px; width: 1920x1080", "rgba(12, 34, 56, 0.5)", "#ff8800", "16:9"),
    *("commit a1b2c3d", "col-md-6 col-lg-4 mt-3", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"),
    *(
        "01 02 03 04 05 06 07",
        "5 stars out of 5",
        "1,234 reviews",
        "4.7 (12,873 ratings)",
        "@janedoe",
    ),
    *("12 MP camera, 6.1 inch, 128 GB", "30% off 2 items", "Room 404", "Chapter 12: The Long Way"),
    *("2nd place in the 100 m race", "1762360651420", "192 x 168 x 1 cm", "A4 paper, 80 g/m²"),
    *(
        "Q3 2024 revenue 12.5M",
        "3/4 cup of sugar",
        "Lot 5, size 42",
        "Section 4.1.2",
        "24/7 support",
    ),
    *(
        "password must be 8 characters",
        "Bearer of bad news",
        "Enter your PIN",
        "covid-19",
        "+20% more",
    ),
    *("at 52 degrees north, 13 east", "the 45th parallel at 1,200 m", "lat/lon in decimal degrees"),
    *(
        "population 3,755,251 (2022)",
        "pneumonoultramicroscopicsilicovolcanoconiosis",
        "Mbps 250/40",
    ),
    *(
        "Main Street",
        "the road to 2030",
        "5 avenues of attack",
        "page 3 of 12",
        "Win 7–2, 6–4, 6–3",
    ),
]
