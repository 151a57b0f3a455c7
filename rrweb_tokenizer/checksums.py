"""Check digits and ranges that tell a personal number from any other number.

Each function looks at a candidate that a pattern found and returns how many of its first characters
are the personal number: its length when all of it is, 0 when none of it is.
"""

from __future__ import annotations

import ipaddress
import re
from itertools import pairwise
from typing import Final

__all__ = [
    "check_base58_wallet",
    "check_brazilian_cpf",
    "check_card",
    "check_chinese_id",
    "check_coordinates",
    "check_french_nir",
    "check_iban",
    "check_ipv4",
    "check_ipv6",
    "check_long_hex",
    "check_luhn",
    "check_phone",
    "check_plain_phone",
    "check_random",
    "check_secret",
    "check_spanish_id",
    "check_ssn",
    "check_swiss_ahv",
    "check_verhoeff",
    "check_vin",
    "count_changes",
    "digits_of",
]

# Characters of an IBAN by country, from the registry of ISO 13616.
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FO FI GL NL SD",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU XK",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU YE",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DATE: Final = re.compile(
    r"\(?\d{1,2}([./-])\d{1,2}\1\d{4}(?!\d)|\d{4}([./-])\d{1,2}\2\d{1,2}(?!\d)"
)
_VERHOEFF_PRODUCT: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_VERHOEFF_TURN: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def digits_of(candidate: str) -> list[int]:
    """The decimal digits of a string, of any script, in order."""
    return [int(char) for char in candidate if char.isdecimal()]


def _luhn_sum(digits: list[int]) -> int:
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return sum(digits[-1::-2]) + sum(doubled)


def check_luhn(candidate: str) -> int:
    """All of the candidate when its digits pass Luhn and are not one digit repeated."""
    digits = digits_of(candidate)
    return len(candidate) if len(set(digits)) > 1 and _luhn_sum(digits) % 10 == 0 else 0


def check_card(candidate: str) -> int:
    """Payment cards: 13 to 19 digits, an issuer's first digit (2 to 6), Luhn."""
    digits = digits_of(candidate)
    return check_luhn(candidate) if 13 <= len(digits) <= 19 and 2 <= digits[0] <= 6 else 0


def check_iban(candidate: str) -> int:
    """IBAN: the country's length, then mod 97; a word that follows the number is left out."""
    length = _IBAN_LENGTHS.get(candidate[:2].upper())
    kept = [(i, char) for i, char in enumerate(candidate) if char.isalnum()]
    if length is None or len(kept) < length:
        return 0
    compact = "".join(char for _, char in kept[:length]).upper()
    if not compact.isascii():
        return 0
    turned = compact[4:] + compact[:4]
    is_valid = int("".join(str(int(char, 36)) for char in turned)) % 97 == 1
    return kept[length - 1][0] + 1 if is_valid else 0


def check_ssn(candidate: str) -> int:
    """US social security and taxpayer numbers: area not 000 or 666, no group all zeros."""
    area, group, serial = re.split(r"[^\d]+", candidate)
    return 0 if area in {"000", "666"} or group == "00" or serial == "0000" else len(candidate)


def check_french_nir(candidate: str) -> int:
    """French NIR of 15 digits: the last two are 97 minus the rest modulo 97."""
    digits = "".join(map(str, digits_of(candidate)))
    is_valid = len(digits) == 15 and 97 - int(digits[:13]) % 97 == int(digits[13:])
    return len(candidate) if is_valid else 0


def check_spanish_id(candidate: str) -> int:
    """Spanish DNI and NIE: the last letter follows from the number modulo 23."""
    number, letter = candidate[:-1].rstrip("- ").upper(), candidate[-1].upper()
    number = number.replace("X", "0").replace("Y", "1").replace("Z", "2")
    return len(candidate) if "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == letter else 0


def check_brazilian_cpf(candidate: str) -> int:
    """Brazilian CPF: two check digits modulo 11."""
    digits = digits_of(candidate)
    for place in (9, 10):
        total = sum(d * w for d, w in zip(digits[:place], range(place + 1, 1, -1), strict=True))
        if total * 10 % 11 % 10 != digits[place]:
            return 0
    return len(candidate)


def check_swiss_ahv(candidate: str) -> int:
    """Swiss AHV number: 13 digits with the check digit of an EAN."""
    digits = digits_of(candidate)
    total = sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return len(candidate) if total % 10 == 0 else 0


def check_verhoeff(candidate: str) -> int:
    """Indian Aadhaar number: Verhoeff's check digit."""
    state = 0
    for place, digit in enumerate(reversed(digits_of(candidate))):
        turned = digit
        for _ in range(place % 8):
            turned = _VERHOEFF_TURN[turned]
        state = _VERHOEFF_PRODUCT[state][turned]
    return len(candidate) if state == 0 else 0


def check_chinese_id(candidate: str) -> int:
    """Chinese resident number of 18 places: check digit modulo 11."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(candidate[:17]))
    return len(candidate) if "10X98765432"[total % 11] == candidate[17].upper() else 0


def check_vin(candidate: str) -> int:
    """Vehicle identification number of 17 places with its check digit, digits not alone."""
    values = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    vin = candidate.upper()
    if vin.isdecimal() or vin.isalpha():
        return 0
    total = sum(int(values.get(c, c)) * w for c, w in zip(vin, weights, strict=True))
    return len(candidate) if "0123456789X"[total % 11] == vin[8] else 0


def check_ipv4(candidate: str) -> int:
    """Dotted quads of numbers up to 255 without leading zeros; 3.3.2.1 is a chapter, no address."""
    parts = candidate.split(":")[0].split("/")[0].split(".")
    is_valid = all(int(part) <= 255 and str(int(part)) == part for part in parts)
    is_valid = is_valid and any(len(part) > 1 for part in parts)
    return len(candidate) if is_valid else 0


def check_ipv6(candidate: str) -> int:
    """IPv6 addresses with a digit and at least two groups; a time or a C++ name is none."""
    groups = [group for group in candidate.split(":") if group]
    if len(groups) < 2 or not any(c.isdigit() for c in candidate) or not candidate.isascii():
        return 0
    if len(groups) < 8 and max(map(len, groups)) < 3:
        return 0
    try:
        ipaddress.IPv6Address(candidate)
    except ipaddress.AddressValueError:
        return 0
    return len(candidate)


def check_phone(candidate: str) -> int:
    """Phone numbers: 8 to 15 digits, no date, no enumeration such as 01 02 03 04 05."""
    digits = digits_of(candidate)
    if not 8 <= len(digits) <= 15 or len(set(digits)) < 2 or _DATE.match(candidate):
        return 0
    groups = [int(group) for group in re.split(r"\D+", candidate) if group]
    steps = {after - before for before, after in pairwise(groups)}
    return 0 if len(groups) > 2 and len(steps) == 1 else len(candidate)


def check_plain_phone(candidate: str) -> int:
    """A phone number after a word that announces one: 6 to 15 digits."""
    return len(candidate) if 6 <= len(digits_of(candidate)) <= 15 else 0


def check_coordinates(candidate: str) -> int:
    """A latitude (at most 90 degrees) and a longitude (at most 180), in decimal degrees."""
    latitude, longitude = (float(part) for part in re.split(r"\s*[,;]\s*|\s+", candidate))
    return len(candidate) if abs(latitude) <= 90 and abs(longitude) <= 180 else 0


# Of each ASCII character: a digit, a capital, or another.
_MARKS: Final = "".join(
    "0" if char.isdigit() else "A" if char.isupper() else "a" for char in map(chr, range(128))
)


def count_changes(run: str) -> tuple[int, int]:
    """How often neighbours change between letter and digit, and between small and capital.

    `count_changes("a1b2c3")` is `(5, 0)`; `count_changes("innerHTML")` is `(0, 1)`.
    """
    if run.isascii():
        marks = run.translate(_MARKS)
        num_kind = sum(map(marks.count, ("0a", "0A", "a0", "A0")))
        return num_kind, marks.count("aA") + marks.count("Aa")
    num_kind = num_case = 0
    previous = ""
    for char in run:
        if previous:
            if char.isdigit() != previous.isdigit():
                num_kind += 1
            elif char.isupper() != previous.isupper():
                num_case += 1
        previous = char
    return num_kind, num_case


def check_random(candidate: str) -> int:
    """Strings that no person wrote: many changes between letters, digits and cases.

    Of random base-62 characters 0.6 of the neighbours differ in kind or case, of random hex 0.47,
    of camel-case names 0.3, of file names with dates less. So 0.25 with digits, 0.45 without.
    """
    runs = re.findall(r"[^\W_]+", candidate)
    num_chars = sum(map(len, runs))
    changes = [count_changes(run) for run in runs]
    num_kind = sum(kind for kind, _ in changes)
    share = (num_kind + sum(case for _, case in changes)) / max(num_chars, 1)
    longest = max(map(len, runs), default=0)
    if num_kind >= 4 and longest >= 8:
        return len(candidate) if share >= 0.25 else 0
    return len(candidate) if share >= 0.45 and longest >= 24 else 0


def check_long_hex(candidate: str) -> int:
    """Hexadecimal digits with both letters and decimal digits among them."""
    digits = candidate.removeprefix("0x")
    has_both = any(c.isdigit() for c in digits) and any(c.isalpha() for c in digits)
    return len(candidate) if has_both or candidate != digits else 0


def check_base58_wallet(candidate: str) -> int:
    """Bitcoin addresses of the old form: 25 bytes in base 58 that hold digits and both cases."""
    has_all = (
        any(c.isdigit() for c in candidate[1:])
        and any(c.isupper() for c in candidate)
        and any(c.islower() for c in candidate)
    )
    number = 0
    for char in candidate:
        number = number * 58 + _BASE58.index(char)
    return len(candidate) if has_all and number < 1 << 200 else 0


def check_secret(candidate: str) -> int:
    """What follows "password=" and the like: not a plain word, so a digit is among it."""
    return len(candidate) if any(char.isdigit() for char in candidate) else 0
