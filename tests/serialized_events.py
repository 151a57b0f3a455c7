"""Events as the serializer writes them, in words."""

import itertools

from rrweb_events import WordEncoder, typed

from rrweb_tokenizer.chapters import EncodedSession
from rrweb_tokenizer.serializer import serialize


def encode(*events) -> tuple[EncodedSession, list[list[str]]]:
    """The session and its events, each as words."""
    encoder = WordEncoder()
    session = serialize(typed(*events), encoder)
    bounds = [*session.event_starts.tolist(), len(session.ids)]
    spans = [session.ids[start:stop] for start, stop in itertools.pairwise(bounds)]
    return session, [encoder.render(span) for span in spans]
