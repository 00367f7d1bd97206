"""Which bytes of a body are which event.

In: a body. Out: the offsets of its events, or the bytes of one. Cost: one pass.

Events are counted by the decoder that all of the library counts with, so that the number of an event in a report finds
it here. The bytes of an event begin where the one before ended: comments and empty lines before it belong to it.
"""

from __future__ import annotations

import re

from ..errors import LimitError
from ..sse import EventDecoder

__all__ = ("event_bytes", "event_spans")

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def event_spans(body: bytes, *, until: int | None = None) -> list[tuple[int, int]]:
    """Return start and end of each event; what follows the last one belongs to the last. `until`: at most that number of them."""
    decoder = EventDecoder()
    spans: list[tuple[int, int]] = []
    start = at = 0
    try:
        while at < len(body) and (until is None or len(spans) < until):
            found = _LINE.match(body, at)
            assert found is not None  # it matches anything
            at = found.end()
            decoder.feed(found[0])
            if decoder.events > len(spans):
                spans.append((start, at))
                start = at
    except LimitError:
        at = len(body)
    if start < len(body) and (until is None or len(spans) < until):
        if _is_open(decoder) or not spans:
            spans.append((start, len(body)))
        else:
            spans[-1] = (spans[-1][0], len(body))
    return spans


def _is_open(decoder: EventDecoder) -> bool:
    """Return whether the body ends inside an event."""
    try:
        return decoder.close() is not None
    except LimitError:
        return True


def event_bytes(body: bytes, event: int) -> tuple[int, bytes]:
    """Return the offset and the bytes of an event, numbered from 1; those of the last one where there are fewer."""
    spans = event_spans(body, until=event)
    if event < 1 or not spans:
        return 0, b""
    start, end = spans[-1]
    return start, body[start:end]
