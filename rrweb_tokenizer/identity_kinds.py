"""Accounts, wallets, cards and identity numbers of several countries, mostly with check digits."""

from __future__ import annotations

import re
from typing import Final

from rrweb_tokenizer import checksums
from rrweb_tokenizer.value_classes import Kind, ValueClass, after_word, whole_word

__all__ = ["IDENTITY_KINDS"]

_I = re.IGNORECASE
_HEX = "[0-9a-fA-F]"
_DASH = "[-\u2010-\u2015\u2212]"
_IDENTITY_WORDS = (
    r"passport|reisepass|pass(?:nummer|port-?nr)|passeport|pasaporte|passaporto|"
    r"driver'?s? licen[cs]e|driving licen[cs]e|f[uü]hrerschein|permis de conduire|"
    r"licen[cs]e plate|number plate|plate|kennzeichen|"
    r"identity card|id card|national id|personalausweis|ausweis|carte d'identit[eé]|"
    r"tax id|taxpayer id|steuer-?id|steuernummer|tin|ssn|social security|nino|"
    r"national insurance|nhs|medicare|bsn|pesel|personnummer|cpr|dni|nie|nif|curp|cpf|rg|sin|"
    r"aadhaar|pan"
)

IDENTITY_KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        name="IBAN",
        value_class=ValueClass.V_IBAN,
        example="DE89 3704 0044 0532 0130 00",
        missed="with a wrong check digit; account numbers of a bank",
        pattern=re.compile(
            r"(?<![\w])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?(?![A-Z0-9])",
            _I,
        ),
        check=checksums.check_iban,
    ),
    Kind(
        name="Ethereum wallet or 0x number",
        value_class=ValueClass.V_TOKEN,
        example="0x52908400098527886E0F7030069857D2E4169EE7",
        missed="fewer than 32 digits",
        hints=("digit", "run"),
        pattern=whole_word(rf"0x{_HEX}{{32,64}}"),
    ),
    Kind(
        name="Bitcoin wallet",
        value_class=ValueClass.V_TOKEN,
        example="bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        missed="other chains, unless they look random",
        hints=("digit", "run"),
        pattern=whole_word(r"(?:bc1|tb1|ltc1)[02-9ac-hj-np-z]{20,80}", _I),
        check=checksums.check_secret,
    ),
    Kind(
        name="Bitcoin wallet, old form",
        value_class=ValueClass.V_TOKEN,
        example="1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        missed="without both cases and a digit",
        hints=("digit", "run"),
        pattern=whole_word(r"[13][1-9A-HJ-NP-Za-km-z]{25,34}"),
        check=checksums.check_base58_wallet,
    ),
    Kind(
        name="payment card",
        value_class=ValueClass.V_CARD,
        example="4111 1111 1111 1111",
        missed="a part of one, such as the last four digits; one torn into several elements",
        pattern=re.compile(
            r"(?<![\d.,])(?:\d{13,19}|\d{4}([ ./\u00b7-])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{3})?|"
            rf"\d{{4}}[ ]?{_DASH}[ ]?\d{{4}}[ ]?{_DASH}[ ]?\d{{4}}[ ]?{_DASH}[ ]?\d{{4}}|"
            r"3\d{3}([ .-])\d{6}\2\d{5}|\d{6}[ ]\d{13}|\d{8}[ -]\d{8})(?!\d|[.,]\d)"
        ),
        check=checksums.check_card,
    ),
    Kind(
        name="US social security number",
        value_class=ValueClass.V_SSN_ID,
        example="123-45-6789",
        missed="without hyphens or spaces",
        pattern=re.compile(
            rf"(?<![\w.-])\d{{3}}(?:{_DASH}\d{{2}}{_DASH}|[ ]\d{{2}}[ ])\d{{4}}(?![\w-])"
        ),
        check=checksums.check_ssn,
    ),
    Kind(
        name="UK national insurance number",
        value_class=ValueClass.V_SSN_ID,
        example="AB 12 34 56 C",
        missed="in small letters",
        pattern=whole_word(r"[A-CEGHJ-PR-TW-Z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D]"),
    ),
    Kind(
        name="French NIR",
        value_class=ValueClass.V_SSN_ID,
        example="1 85 05 78 006 084 91",
        missed="with a wrong check digit",
        pattern=whole_word(
            r"[12][ ]?\d{2}[ ]?(?:0[1-9]|1[0-2])[ ]?\d{2}[ ]?\d{3}[ ]?\d{3}[ ]?\d{2}"
        ),
        check=checksums.check_french_nir,
    ),
    Kind(
        name="Spanish DNI or NIE",
        value_class=ValueClass.V_SSN_ID,
        example="12345678Z",
        missed="in small letters, or with a wrong letter",
        pattern=whole_word(r"(?:\d{8}|[XYZ][ -]?\d{7})[ -]?[A-Z]"),
        check=checksums.check_spanish_id,
    ),
    Kind(
        name="Italian codice fiscale",
        value_class=ValueClass.V_SSN_ID,
        example="RSSMRA85T10A562S",
        missed="with spaces",
        pattern=whole_word(r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", _I),
    ),
    Kind(
        name="Brazilian CPF",
        value_class=ValueClass.V_SSN_ID,
        example="529.982.247-25",
        missed="without its points",
        pattern=whole_word(r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
        check=checksums.check_brazilian_cpf,
    ),
    Kind(
        name="Swiss AHV number",
        value_class=ValueClass.V_SSN_ID,
        example="756.9217.0769.85",
        missed="with a wrong check digit",
        pattern=whole_word(r"756[. ]\d{4}[. ]\d{4}[. ]\d{2}|756\d{10}"),
        check=checksums.check_swiss_ahv,
    ),
    Kind(
        name="Swedish personnummer",
        value_class=ValueClass.V_SSN_ID,
        example="850709-9805",
        missed="without its hyphen",
        pattern=whole_word(r"(?:19|20)?(?P<v>\d{2}(?:0\d|1[0-2])[0-3]\d[-+]\d{4})"),
        check=checksums.check_luhn,
    ),
    Kind(
        name="Korean resident number",
        value_class=ValueClass.V_SSN_ID,
        example="850101-1236789",
        missed="without its hyphen",
        pattern=whole_word(r"\d{2}(?:0\d|1[0-2])[0-3]\d-[1-8]\d{6}"),
    ),
    Kind(
        name="Chinese resident number",
        value_class=ValueClass.V_SSN_ID,
        example="11010519491231002X",
        missed="with a wrong check digit",
        pattern=whole_word(r"[1-9][0-9]{5}(?:19|20)[0-9]{9}[0-9Xx]"),
        check=checksums.check_chinese_id,
    ),
    Kind(
        name="Indian Aadhaar",
        value_class=ValueClass.V_SSN_ID,
        example="2341 2341 2346",
        missed="without spaces",
        pattern=re.compile(r"(?<![\w.,-])[2-9]\d{3}([ -])\d{4}\1\d{4}(?![\w-]|[ ]\d)"),
        check=checksums.check_verhoeff,
    ),
    Kind(
        name="Indian PAN",
        value_class=ValueClass.V_SSN_ID,
        example="ABCPE1234F",
        missed="in small letters",
        pattern=whole_word(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"),
    ),
    Kind(
        name="Canadian SIN",
        value_class=ValueClass.V_SSN_ID,
        example="046 454 286",
        missed="without spaces",
        pattern=re.compile(r"(?<![\w.,-])\d{3}([ -])\d{3}\1\d{3}(?![\w-]|[ .,]\d)"),
        check=checksums.check_luhn,
    ),
    Kind(
        name="vehicle identification number",
        value_class=ValueClass.V_SSN_ID,
        example="1M8GDM9AXKP042788",
        missed="with a wrong check digit, as outside North America",
        hints=("digit", "run"),
        pattern=whole_word(r"[A-HJ-NPR-Z0-9]{17}", re.ASCII),
        check=checksums.check_vin,
    ),
    Kind(
        name="machine-readable passport line",
        value_class=ValueClass.V_SSN_ID,
        example="P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        missed="cut into pieces",
        hints=(),
        pattern=re.compile(r"(?<![\w<])[A-Z0-9]{1,30}<[A-Z0-9<]{10,50}(?![\w<])"),
        check=lambda found: len(found) if "<<" in found else 0,
    ),
    Kind(
        name="identity document after its name",
        value_class=ValueClass.V_SSN_ID,
        example="passport no. X1234567",
        missed="without the word before it; words of other languages than the listed",
        pattern=after_word(
            _IDENTITY_WORDS, r"[A-Z0-9\u00c0-\u00de](?:[ ./-]?[A-Z0-9]){4,20}(?![\w])"
        ),
        check=checksums.check_secret,
    ),
)
