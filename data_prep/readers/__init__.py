"""Container forms: a file -> its sessions, or a reason. The form is told by content, not by name.

A new form is one module with a `Reader` (a name, a function that recognises the first bytes, one
that reads) and one line in `registry.READERS`. Forms of JSON text that need neither files nor
libraries are in `rrweb_tokenizer.forms`, where the tokenizer finds them too.
"""

from __future__ import annotations

from data_prep.readers.content import Content
from data_prep.readers.reader import Reader
from data_prep.readers.registry import READERS, read_sessions, reader_of
from data_prep.readers.session import Rejected, Session, UnreadableError
from rrweb_tokenizer.recording import FoundSession

__all__ = [
    "READERS",
    "Content",
    "FoundSession",
    "Reader",
    "Rejected",
    "Session",
    "UnreadableError",
    "read_sessions",
    "reader_of",
]
