"""A small recogniser of names, as a user would plug one in."""

import re

from rrweb_tokenizer.value_classes import ValueClass

_NAMES = re.compile(
    r"\b(?:Zebulon|Wilhelmina|Oriol)(?: (?:Quackenbush|Gurkensalat|Pfeifferling))?\b"
)


def find_names(text):
    return [(m.start(), m.end(), ValueClass.V_NAME) for m in _NAMES.finditer(text)]


def find_nothing(text):
    return []


not_callable = 5
