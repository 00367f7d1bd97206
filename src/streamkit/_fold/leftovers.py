"""Lines that form no event: the text of a proxy, a web page, half of a document, an unknown field.

In: those lines, as they arrive. Out: the anomaly at the very end, and, in a stream without a chunk, the text that may
explain what is wrong. Cost: the first 4096 bytes are kept, and as many of the last ones.

An unknown field (`x: y`) has no meaning and is ignored, as the standard says. Other text is ignored while events
follow. If nothing follows, it is how the stream ends: something put it there, and something may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._decode.scanning import begin_of

__all__ = ("Leftovers", "breaks_off", "name_of")

_MOST = 4096  # bytes kept for an error
_FIELD = re.compile(rb"[a-z][\w-]*+:")  # no proxy begins its text like this
_FIELDS = (b"data", b"event", b"id", b"retry")


class Leftovers:
    """add(lines, events) for lines that were left out; `before_chunks` and at_end(events) return the text."""

    __slots__ = ("_last", "before_chunks")

    def __init__(self) -> None:
        self.before_chunks = b""
        """What was left out before any chunk, without unknown fields."""
        self._last = (0, b"")  # number of events before the last lines

    def add(self, lines: Sequence[bytes], events: int, *, before_chunks: bool) -> None:
        """Add lines that arrived after this number of `events`."""
        self._last = (events, b"\n".join(lines).strip()[:_MOST])
        if before_chunks and len(self.before_chunks) < _MOST:
            text = b"\n".join((self.before_chunks, *(line for line in lines if not _is_field(line))))
            self.before_chunks = text.strip()[:_MOST]

    def at_end(self, events: int) -> bytes:
        """Return the lines after the last event; `events`: the total number of events."""
        before, text = self._last
        return text if before == events else b""


def breaks_off(text: bytes) -> bool:
    """Return True if `text` is the beginning of ` data: {…}`: a stream that was cut off, not a text."""
    at = begin_of(text)
    return at > 0 and text[at : at + 1] in (b"", b"{", b"[")


def name_of(text: bytes, *, torn: bool) -> str:
    """Return the anomaly code for `text` at the very end of a stream. `torn`: it is half of an event."""
    if torn or any(field.startswith(text) for field in _FIELDS):
        return "torn_event"
    return "ignored_line" if all(map(_is_field, text.split(b"\n"))) else "unread_end"


def _is_field(line: bytes) -> bool:
    """Return True if a line is an unknown field; ` data: words` is not."""
    return _FIELD.match(line) is not None and not begin_of(line)
