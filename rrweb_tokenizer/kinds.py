"""The kinds of personal data that are looked for in any text: one table, used by everything.

A kind is a pattern, an optional check of what the pattern found, and the value class that takes its
place. Kinds are tried in the order of the table on what the kinds before left over, so the telling
forms stand before the vague ones. Every quantifier is bounded, so that a pattern's work grows in
proportion to the text.

Prices, dates, times, versions, order numbers, file names and ordinary numbers are no personal data:
they stay. Names of persons in free text have no form of their own and are not found.
"""

from __future__ import annotations

import re
from typing import Final

from rrweb_tokenizer import checksums
from rrweb_tokenizer.identity_kinds import IDENTITY_KINDS
from rrweb_tokenizer.place_kinds import PLACE_KINDS
from rrweb_tokenizer.value_classes import Kind, ValueClass, after_word, whole_word

__all__ = ["HINTS", "KINDS"]

HINTS: Final[dict[str, re.Pattern[str]]] = {
    "digit": re.compile(r"\d"),
    "at": re.compile(r"@|%40|[\[(]at[\])]", re.IGNORECASE),
    "link": re.compile(r"://|www\.|\?\S{0,200}=", re.IGNORECASE),
    "run": re.compile(r"[\w+/=-]{16}"),
    "colons": re.compile(r":[0-9a-f]{0,4}:", re.IGNORECASE),
}
"""Cheap signs. A text with none of them (most texts) is not searched for any kind."""

_I = re.IGNORECASE
_HEX = "[0-9a-fA-F]"
_DASH = "[-\u2010-\u2015\u2212]"
_PHONE_GAP = r"(?:[ ./()\u00b7\u2010-\u2015\u2212-]{0,3})"
_VALUE_CHARS = r"[^\s,;&\"'<>\u27e6\u27e7]"
_PHONE_WORDS = (
    r"(?:tel|phone|telephone|telefon|telefono|tel[eé]fono|telefoon|t[eé]l|t[eé]l[eé]phone|mobile|"
    r"mobil|m[oó]vil|cell|cellphone|celular|handy|fax|call(?: us)?(?: at| on)?|whatsapp|sms|ph|"
    r"телефон|тел)|电话|電話|手机|携帯"
)
_CREDENTIAL_WORDS = (
    r"(?:api|access|auth|client|secret|private|refresh|id|csrf|xsrf|session|bearer)[_ -]?"
    r"(?:key|token|secret|id)|token|secret|password|passwd|pwd|passwort|passcode|sessionid|"
    r"phpsessid|jsessionid|sid|authorization"
)
_CODE_WORDS = (
    r"(?:verification|security|confirmation|one[- ]time|login|access|auth)[ ]"
    r"(?:code|pin|passcode|password)|your code|otp|pin|tan|cvv|cvc|cvv2|2fa(?: code)?"
)

# Links, which may hold any of the others.
_LINK_KINDS = (
    Kind(
        name="link",
        value_class=ValueClass.V_URL,
        example="https://a.test/u/7",
        missed="a bare host without www, such as a.test",
        hints=("link",),
        pattern=re.compile(
            r"(?<![a-z0-9])(?:[a-z][a-z0-9+.-]{1,20}://|www\.(?=\w))"
            r"[^\s<>\"\u27e6\u27e7]{1,4000}(?<![.,;:!?)\]}'])",
            _I,
        ),
    ),
    Kind(
        name="link with a query",
        value_class=ValueClass.V_URL,
        example="a.test/u?name=jane",
        missed="a bare path without a query",
        hints=("link",),
        pattern=re.compile(
            r"(?<![\w.-])(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}(?::\d{1,5})?(?:/[^\s?<>\"]{0,500})?"
            r"\?[^\s<>\"=]{1,200}=[^\s<>\"\u27e6\u27e7]{0,2000}",
            _I,
        ),
    ),
    Kind(
        name="e-mail",
        value_class=ValueClass.V_EMAIL,
        example="jane@example.com",
        missed="spelled out: jane at example dot com",
        hints=("at",),
        pattern=re.compile(
            r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}(?:@|%40|[ ]?[\[(][ ]?at[ ]?[\])][ ]?)"
            r"(?:[\w-]{1,63}(?:\.|[ ]?[\[(][ ]?dot[ ]?[\])][ ]?)){1,8}[^\W\d_][\w-]{1,62}",
            _I,
        ),
    ),
)

# Secrets.
_SECRET_KINDS = (
    Kind(
        name="web token",
        value_class=ValueClass.V_TOKEN,
        example="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNry",
        missed="one of which the start is cut off",
        hints=("run",),
        pattern=re.compile(r"(?<![\w-])eyJ[\w-]{8,4000}(?:\.[\w-]{2,4000}){1,4}"),
    ),
    Kind(
        name="service key",
        value_class=ValueClass.V_TOKEN,
        example="AKIA6XFHPHITPOUNPT8Z",
        missed="forms of services that are not listed, if they do not look random",
        hints=("run",),
        pattern=re.compile(
            r"(?<![\w-])(?:(?:sk|pk|rk|whsec)[_-](?:(?:live|test|proj|ant)[_-])?[\w-]{12,250}|"
            r"gh[a-z]_\w{16,250}|github_pat_\w{20,250}|gl[a-z]{2,4}-[\w-]{16,250}|"
            r"xox[a-z]-[\w-]{10,250}|(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}|AIza[\w-]{30,50}|"
            r"ya29\.[\w-]{16,500}|SG\.[\w-]{16,100}\.[\w-]{16,100}|(?:npm|hf|shpat|shpss|dop_v1)_"
            r"[A-Za-z0-9]{16,250})(?![\w-])"
        ),
        check=checksums.check_secret,
    ),
    Kind(
        name="credentials after a scheme",
        value_class=ValueClass.V_TOKEN,
        example="Bearer mF_9.B5f-4.1JqM",
        missed="without a digit",
        hints=("digit",),
        pattern=re.compile(
            r"(?<!\w)(?:bearer|basic|digest)[ ](?P<v>[\w+/=.~-]{12,4000})(?![\w])", _I
        ),
        check=checksums.check_secret,
    ),
    Kind(
        name="named secret",
        value_class=ValueClass.V_TOKEN,
        example="password: hunter2x",
        missed="without a digit, or after a word of another language",
        pattern=re.compile(
            rf"(?<![a-z])(?:{_CREDENTIAL_WORDS})[\"']?[ ]?[=:][ ]?[\"']?"
            rf"(?P<v>{_VALUE_CHARS}{{6,4000}})",
            _I,
        ),
        check=checksums.check_secret,
    ),
    Kind(
        name="one-time code",
        value_class=ValueClass.V_TOKEN,
        example="verification code: 482913",
        missed="without the words, or with letters",
        pattern=re.compile(
            rf"(?<![\w])(?:{_CODE_WORDS})(?:[ ]is|[ ]?[:=#])?[ ]"
            rf"(?P<v>\d{{3}}[ -]?\d{{0,5}})(?![\w.,]\d)"
            r"(?!\w)",
            _I,
        ),
    ),
)

# Hexadecimal identifiers.
_HEX_KINDS = (
    Kind(
        name="UUID",
        value_class=ValueClass.V_UUID_HEX,
        example="123e4567-e89b-12d3-a456-426614174000",
        missed="without its hyphens and of digits alone",
        hints=("run",),
        pattern=re.compile(
            rf"(?<![0-9A-Za-z]){_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
            r"(?![0-9A-Za-z])"
        ),
        check=len,
    ),
    Kind(
        name="fingerprint",
        value_class=ValueClass.V_UUID_HEX,
        example="5d:41:40:2a:bc:4b:2a:76",
        missed="fewer than eight pairs",
        hints=("digit", "colons"),
        pattern=whole_word(rf"(?:{_HEX}{{2}}:){{7,63}}{_HEX}{{2}}"),
    ),
    Kind(
        name="MAC address",
        value_class=ValueClass.V_IP,
        example="00:1a:2b:3c:4d:5e",
        missed="of digits alone or letters alone",
        pattern=whole_word(
            rf"{_HEX}{{2}}([:-]){_HEX}{{2}}(?:\1{_HEX}{{2}}){{4}}|{_HEX}{{4}}(?:\.{_HEX}{{4}}){{2}}"
        ),
        check=checksums.check_long_hex,
    ),
)

# Network addresses.
_NETWORK_KINDS = (
    Kind(
        name="IPv4 address",
        value_class=ValueClass.V_IP,
        example="203.0.113.195",
        missed="of single digits, such as 1.1.1.1 (a chapter), or after the word version",
        pattern=re.compile(
            r"(?<![\w./-])(?<!\bv )(?<!ersion )(?<!ersion: )\d{1,3}(?:\.\d{1,3}){3}"
            r"(?::\d{1,5}|/\d{1,2})?(?![\w-]|\.\w)",
            _I,
        ),
        check=checksums.check_ipv4,
    ),
    Kind(
        name="IPv6 address",
        value_class=ValueClass.V_IP,
        example="fe80::1ff:fe23:4567:890a",
        missed="the shortest ones, such as ::1",
        hints=("digit", "colons"),
        pattern=re.compile(
            rf"(?<![\w:.])(?:{_HEX}{{0,4}}:){{2,7}}(?:{_HEX}{{1,4}}|\d{{1,3}}(?:\.\d{{1,3}}){{3}})?(?![\w:])"
        ),
        check=checksums.check_ipv6,
    ),
)

# Telephones, the vaguest numbers.
_PHONE_KINDS = (
    Kind(
        name="international phone number",
        value_class=ValueClass.V_PHONE,
        example="+49 30 1234567",
        missed="fewer than eight digits",
        pattern=re.compile(
            rf"(?<![\w+])\+[ ]?[1-9](?:{_PHONE_GAP}\d){{7,14}}(?!\d)|"
            rf"(?<![\w.,:/-])00[1-9]\d{{0,2}}[ ./-](?:{_PHONE_GAP}\d){{6,12}}(?!\d)|"
            r"(?<![\w.,:/-])00[1-9]\d{8,12}(?!\w)"
        ),
        check=checksums.check_phone,
    ),
    Kind(
        name="phone number after its name",
        value_class=ValueClass.V_PHONE,
        example="Tel.: 5551234",
        missed="after a word of another language",
        pattern=after_word(_PHONE_WORDS, rf"\(?\d(?:{_PHONE_GAP}\d){{5,14}}(?![\w]|[.,:]\d)"),
        check=checksums.check_plain_phone,
    ),
    Kind(
        name="North American phone number",
        value_class=ValueClass.V_PHONE,
        example="(555) 123-4567",
        missed="ten digits in one run",
        pattern=re.compile(
            rf"(?<![\w.,/$€£-])(?:1(?:[ .]|{_DASH}))?"
            rf"(?:\([2-9]\d{{2}}\)[ .-]?|[2-9]\d{{2}}(?:[ .]|{_DASH}))"
            rf"\d{{3}}(?:[ .]|{_DASH})\d{{4}}(?![\w-]|[.,]\d)"
        ),
        check=checksums.check_phone,
    ),
    Kind(
        name="national phone number",
        value_class=ValueClass.V_PHONE,
        example="020 7946 0958",
        missed="fewer than nine digits",
        pattern=re.compile(
            rf"(?<![\w.,:/-])(?:\(0\d{{1,5}}\)|0\d{{1,5}})"
            rf"(?:(?:[ ./]|{_DASH}|[ ]{_DASH}[ ])\d{{2,8}})"
            r"{1,5}(?![\w:-]|[.,:]\d)|"
            r"(?<![\w.,:/-])0[1-9]\d{8,9}(?![\w-]|[.,:]\d)"
        ),
        check=lambda found: (
            checksums.check_phone(found) if len(checksums.digits_of(found)) >= 9 else 0
        ),
    ),
    Kind(
        name="phone number with its area in brackets",
        value_class=ValueClass.V_PHONE,
        example="(11) 91234-5678",
        missed="fewer than eight digits",
        pattern=re.compile(
            r"(?<![\w.,])(?:8[ ]?)?\(\d{2,5}\)[ -]?\d{2,5}[ -]?\d{2,4}(?:[ -]\d{2,4})?"
            r"(?![\w-]|[.,]\d)"
        ),
        check=checksums.check_phone,
    ),
    Kind(
        name="mobile number of China or India",
        value_class=ValueClass.V_PHONE,
        example="138 1234 5678",
        missed="grouped in another way",
        pattern=re.compile(
            r"(?<![\w.,:/-])(?:1[3-9]\d([ -])\d{4}\1\d{4}|1[3-9]\d{9}|[6-9]\d{4}[ -]\d{5})"
            r"(?![\w-]|[.,]\d)"
        ),
        check=checksums.check_phone,
    ),
)

# What nobody wrote by hand.
_RANDOM_KINDS = (
    Kind(
        name="long hexadecimal",
        value_class=ValueClass.V_UUID_HEX,
        example="d41d8cd98f00b204e9800998ecf8427e",
        missed="fewer than 16 digits; of digits alone",
        hints=("digit", "run"),
        pattern=re.compile(rf"(?<![0-9A-Za-z])(?:0x)?{_HEX}{{16,4000}}(?![0-9A-Za-z])"),
        check=checksums.check_long_hex,
    ),
    Kind(
        name="random string",
        value_class=ValueClass.V_TOKEN,
        example="b5ADvyv2epvQvD6ljkqbiQ4iDO3lAM9UGQP3",
        missed="made of words, or of small letters alone; fewer than 16 characters",
        hints=("run",),
        pattern=re.compile(r"(?<![\w+/=-])[\w+/=-]{16,20000}", re.ASCII),
        check=checksums.check_random,
    ),
)

KINDS: Final[tuple[Kind, ...]] = (
    *_LINK_KINDS,
    *_SECRET_KINDS,
    *_HEX_KINDS,
    *IDENTITY_KINDS,
    *_NETWORK_KINDS,
    *PLACE_KINDS,
    *_PHONE_KINDS,
    *_RANDOM_KINDS,
)
