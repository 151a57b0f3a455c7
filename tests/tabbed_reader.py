"""A reader of one's own, as docs/how_to/own_reader.md has it."""

import json

from data_prep.readers import FoundSession


def tabbed(content):
    """Yield the session of a file with one event a line, behind a key and a tab."""
    parts = [line.partition(b"\t")[2] for line in content.lines()]
    yield FoundSession(parts=parts, form="tabbed")


def tabbed_text(events):
    """The text of such a file."""
    return "".join(f"visit-7\t{json.dumps(event)}\n" for event in events)
