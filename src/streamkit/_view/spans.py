"""Which bytes of a body are which event.

In: a body. Out: the offsets of its events, or the bytes of one. Cost: one pass.

Events are counted by the decoder that all of the library counts with, so that the number of an event in a report finds
it here. The bytes of an event begin where the one before ended: comments and empty lines before it belong to it.
"""

from __future__ import annotations

import re

from ..errors import LimitError
from ..sse import EventDecoder

__all__ = ("Quotes", "event_spans")

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|\Z)")


def event_spans(body: bytes) -> list[tuple[int, int]]:
    """Return start and end of each event; what follows the last one belongs to the last."""
    decoder = EventDecoder()
    spans: list[tuple[int, int]] = []
    start = at = 0
    try:
        while at < len(body):
            found = _LINE.match(body, at)
            assert found is not None  # it matches anything
            at = found.end()
            decoder.feed(found[0])
            if decoder.events > len(spans):
                spans.append((start, at))
                start = at
    except LimitError:
        at = len(body)
    if start < len(body):
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


class Quotes:
    """`of(event)`: the bytes of any event of a body. The body is gone through once, when the first one is asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._spans: list[tuple[int, int]] | None = None

    def of(self, event: int) -> tuple[int, bytes]:
        """Return the offset and the bytes of an event, numbered from 1; those of the last one where there are fewer."""
        if self._spans is None:
            self._spans = event_spans(self._body)
        if event < 1 or not self._spans:
            return 0, b""
        start, end = self._spans[min(event, len(self._spans)) - 1]
        return start, self._body[start:end]
