"""Ids -> records -> words: the parts behind `rrweb_tokenizer.transcript`.

`parser` reads ids into `records`, `events` and `pages` say what they say, `wording` makes phrases
of their fields, and `phrases` is the words themselves, as data.
"""
