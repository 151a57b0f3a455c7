# ruff: noqa: RUF001 - the patterns hold letters and marks of several scripts.
"""Addresses and positions on the globe, in the forms of several languages."""

from __future__ import annotations

import re
from typing import Final

from rrweb_tokenizer import checksums
from rrweb_tokenizer.value_classes import Kind, ValueClass

__all__ = ["PLACE_KINDS"]

_STREET_TYPES = (
    r"street|avenue|road|boulevard|lane|drive|court|place|square|terrace|parkway|highway|crescent|"
    r"close|way|trail|circle"
)
_STREET_SHORT = r"St|Ave|Av|Rd|Blvd|Ln|Dr|Ct|Pl|Sq|Ter|Pkwy|Hwy|Cres"
_CAPITAL_WORD = r"(?-i:[A-Z\u00c0-\u00de]|\d{1,3}(?:st|nd|rd|th)\b)[\w'.-]{0,30}"
_UNIT = r"(?:,?[ ](?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|\#)\.?[ ]?[\w-]{1,6})?"
_TOWN = r"(?:,[ ][A-Z][\w .'-]{1,30},[ ][A-Z]{2}(?:[ ]\d{5}(?:-\d{4})?)?)?"
_STREET_EN = (
    rf"\d{{1,6}}[A-Za-z]?[ ](?:[NSEW]\.?[ ])?(?:{_CAPITAL_WORD}[ ]){{1,4}}"
    rf"(?:(?:(?i:{_STREET_TYPES}))|(?:{_STREET_SHORT})\b\.?)(?!\w){_UNIT}{_TOWN}"
)
_STREET_EN_SMALL = (
    r"\d{2,6}[a-z]?[ ](?:[a-z][a-z'-]{1,20}[ ]){1,3}"
    r"(?:street|avenue|road|boulevard|lane|drive|terrace|crescent)(?!\w)"
)
_STREET_JOINED = (
    r"[A-Z\u00c0-\u00de][\w-]{1,30}(?:[ -][A-Z\u00c0-\u00de][\w-]{1,30}){0,2}?"
    r"(?:stra\u00dfe|strasse|str\.|weg|platz|allee|gasse|damm|chaussee|straat|laan|plein|gracht|"
    r"kade|gatan|v\u00e4gen|gade|vej|veien|gata)"
)
_STREET_APART = (
    r"[A-Z\u00c0-\u00de][\w-]{1,30}[ -]"
    r"(?:Stra\u00dfe|Strasse|Str\.|Weg|Platz|Allee|Gasse|Damm|Chaussee)"
)
_HOUSE = r"[ ]\d{1,4}(?:[ ]?[a-zA-Z])?(?![\w])"
_PLZ_TOWN = r"(?:,?[ ]\d{4,5}[ ][A-Z\u00c0-\u00de][\w.-]{1,30})?"
_STREET_FR = (
    r"\d{1,4}(?:[ ]?(?:bis|ter))?,?[ ](?i:rue|avenue|boulevard|bd|place|chemin|all[eé]e|impasse|"
    r"quai|route)[ ](?:(?:de la|de l'|du|des|de|d'|l'|aux?)[ ]?)?"
    r"(?:[A-Z\u00c0-\u00de][\w'-]{1,30}[ ]?)"
    r"{1,4}(?<![ ])"
)
_STREET_ROMANCE = (
    r"(?:Calle|C/|Avenida|Avda\.?|Av\.|Paseo|Plaza|Carrera|Via|Viale|Piazza|Corso|Rua|Travessa)[ ]"
    r"(?:(?:de la|de los|de las|del|de|da|do|dos|das|dei|delle|della)[ ])?"
    r"(?:[A-Z\u00c0-\u00de][\w'.-]{1,30},?[ ]){1,4}(?:n[.\u00ba\u00b0o]{0,3}[ ]?)?\d{1,5}(?![\w])"
)
_STREET_OTHER = (
    r"(?:(?:ul\.|ulica|ул\.|улица)[ ](?:[\w.-]{1,30}[ ]){0,3}[\w.-]{1,30},?[ ](?:д\.[ ]?)?\d{1,4}"
    r"(?:/\d{1,4})?(?![\w]))|"
    r"(?:[\u4e00-\u9fff]{2,12}(?:路|街|道)\d{1,5}[号號])|(?:[\u4e00-\u9fff]{1,12}\d{1,3}丁目"
    r"[\d番地号-]{0,12})|(?:〒[ ]?\d{3}-\d{4})"
)
_POST_BOX = r"(?i:P\.?[ ]?O\.?[ ]?Box|Postfach|Bo[iî]te postale|Apartado)[ ]\d{1,7}"
_UK_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]?[ ]\d[ABD-HJLNP-UW-Z]{2}"

PLACE_KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        name="coordinates",
        value_class=ValueClass.V_ADDRESS,
        example="52.52000, 13.40495",
        missed="fewer than four places after the point",
        pattern=re.compile(
            r"(?<![\w.,])[-+]?[0-9]{1,2}\.[0-9]{4,16}"
            r"(?:[ ]?[,;][ ]?|[ ])[-+]?[0-9]{1,3}\.[0-9]{4,16}"
            r"(?![\w]|[.,]\d)"
        ),
        check=checksums.check_coordinates,
    ),
    Kind(
        name="coordinates in degrees",
        value_class=ValueClass.V_ADDRESS,
        example="52°31'12\"N 13°24'18\"E",
        missed="without a compass letter",
        pattern=re.compile(
            r"(?<![\w.])\d{1,2}(?:\.\d{1,8})?°[ ]?(?:\d{1,2}(?:\.\d{1,6})?['′][ ]?)?"
            r"(?:\d{1,2}(?:\.\d{1,4})?(?:[\"″]|'')[ ]?)?[NS],?[ ]?\d{1,3}(?:\.\d{1,8})?°[ ]?"
            r"(?:\d{1,2}(?:\.\d{1,6})?['′][ ]?)?"
            r"(?:\d{1,2}(?:\.\d{1,4})?(?:[\"″]|'')[ ]?)?[EWO](?!\w)"
        ),
    ),
    Kind(
        name="street and number",
        value_class=ValueClass.V_ADDRESS,
        example="12 Main Street",
        missed="without a number; names of houses, towns and firms",
        pattern=re.compile(rf"(?<![\w.,$€£#/:-])(?:{_STREET_EN}|{_STREET_EN_SMALL}|{_STREET_FR})"),
    ),
    Kind(
        name="street with the number behind",
        value_class=ValueClass.V_ADDRESS,
        example="Musterstraße 12a",
        missed="streets whose name ends otherwise (Am Markt 3)",
        pattern=re.compile(
            rf"(?<![\w-])(?:(?:{_STREET_JOINED}|{_STREET_APART}){_HOUSE}{_PLZ_TOWN}|{_STREET_ROMANCE})"
        ),
    ),
    Kind(
        name="street in other scripts",
        value_class=ValueClass.V_ADDRESS,
        example="ул. Ленина, д. 5",
        missed="scripts other than Cyrillic, Chinese and Japanese",
        pattern=re.compile(_STREET_OTHER, re.IGNORECASE),
    ),
    Kind(
        name="post box or UK postcode",
        value_class=ValueClass.V_ADDRESS,
        example="P.O. Box 1234",
        missed="postcodes of other countries by themselves",
        pattern=re.compile(rf"(?<![\w-])(?:{_POST_BOX}|{_UK_POSTCODE})(?![\w])"),
    ),
)
