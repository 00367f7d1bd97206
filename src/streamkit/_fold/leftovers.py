"""Lines of which no event can be made: the words of a proxy, a web page, half a document, a field of nobody's.

In: those lines, as they arrive. Out: what they are called at the very end, and, of a stream without a chunk, the text that
may say what is wrong. Cost: the first 4096 bytes are kept, and as many of the last ones.

An unknown field (`x: y`) says nothing and is passed over, as the standard says. Other text is passed over while events
follow. With nothing after it, it is what the stream ends with: something put it there, and something may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._decode.scanning import begin_of

__all__ = ("Leftovers", "breaks_off", "name_of")

_MOST = 4096  # bytes that are kept, to be quoted in an error
_FIELD = re.compile(rb"[a-z][\w-]*+:")  # no proxy begins its words so
_FIELDS = (b"data", b"event", b"id", b"retry")


class Leftovers:
    """add(lines, events) for lines that were left out; `before_chunks` and at_end(events) are what there is to say."""

    __slots__ = ("_last", "before_chunks")

    def __init__(self) -> None:
        self.before_chunks = b""
        """What was left out before any chunk, without unknown fields."""
        self._last = (0, b"")  # how many events stood before the last ones

    def add(self, lines: Sequence[bytes], events: int, *, before_chunks: bool) -> None:
        """Take lines that stood after so many `events`."""
        self._last = (events, b"\n".join(lines).strip()[:_MOST])
        if before_chunks and len(self.before_chunks) < _MOST:
            text = b"\n".join((self.before_chunks, *(line for line in lines if not _is_field(line))))
            self.before_chunks = text.strip()[:_MOST]

    def at_end(self, events: int) -> bytes:
        """Return those after which no event stood, of so many in all."""
        before, text = self._last
        return text if before == events else b""


def breaks_off(text: bytes) -> bool:
    """Whether `text` is the beginning of ` data: {…}`: a stream that broke off, and no words."""
    at = begin_of(text)
    return at > 0 and text[at : at + 1] in (b"", b"{", b"[")


def name_of(text: bytes, *, torn: bool) -> str:
    """Return the code of the anomaly that `text` at the very end of a stream is. `torn`: it is half an event."""
    if torn or any(field.startswith(text) for field in _FIELDS):
        return "torn_event"
    return "ignored_line" if all(map(_is_field, text.split(b"\n"))) else "unread_end"


def _is_field(line: bytes) -> bool:
    """Whether a line is an unknown field; ` data: words` is none."""
    return _FIELD.match(line) is not None and not begin_of(line)
