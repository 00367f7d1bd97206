"""How the lines of a stream are written: what the HTML standard allows and some readers cannot take.

In: blocks, and where to note what is seen: `note(code, event, path, found)`. Out: nothing else. The reader of events
(`sse`) returns the same for all of these, which is why they are looked for in the bytes. Cost: one look at each line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .._decode.documents import DONE
from ..sse import BOM

__all__ = ("Framing",)

_END = re.compile(rb"\r\n|\r|\n")
_SEPARATOR = re.compile("\u2028|\u2029|\u0085".encode())


class Framing:
    """feed(block) for each block of an event stream, then close()."""

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self._tail = bytearray()  # the unfinished line; with a CR at its end, until it is known whether an LF follows
        self._first = True
        self._over = False
        self._events = 0
        self._data_lines = 0
        self._other: bytes = b""  # a line of this event that is not data
        self._last: bytes = b""

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        if self._over:
            return
        if self._tail[-1:] != b"\r" and not _END.search(block):
            self._tail += block  # a line of 16 MiB in small blocks is not looked at again for each
            return
        text = bytes(self._tail) + block
        self._tail.clear()
        start = 0
        for end in _END.finditer(text):
            if end[0] == b"\r" and end.end() == len(text):
                break
            self._line(text[start : end.start()], end[0])
            start = end.end()
        self._tail += text[start:]

    def close(self) -> None:
        """End the stream: the last line may lack its end."""
        line = bytes(self._tail)
        self._tail.clear()
        if line and not self._over:
            self._line(line.removesuffix(b"\r"), b"\r" if line.endswith(b"\r") else b"\n")

    def _line(self, line: bytes, end: bytes) -> None:
        if self._over:
            return
        number = self._events + 1
        if self._first:
            self._first = False
            if line.startswith(BOM):
                self._note("sse_bom", number)
                line = line.removeprefix(BOM)
        if end != b"\n":
            self._note("sse_line_ends", number)
        if not line:
            return self._blank(number)
        if line.startswith(b":"):
            return self._note("sse_comment", number, "$", line)
        name, _, value = line.partition(b":")
        if name != b"data":
            self._other = line
            return self._note("sse_id", number, "$", line) if name == b"id" else None
        self._data_lines += 1
        self._last = value.strip()
        if value and not value.startswith(b" "):
            self._note("sse_no_space", number, "$", line)
        if found := _SEPARATOR.search(value):
            self._note("line_separator", number, "$", value[max(found.start() - 40, 0) :])
        return None

    def _blank(self, number: int) -> None:
        """Take a blank line: the end of an event, if there was one."""
        if self._data_lines > 1:
            self._note("sse_several_lines", number)
        if self._data_lines:
            self._events += 1
            self._over = self._last == DONE
        elif self._other:
            self._note("sse_no_data", number, "$", self._other)
        self._data_lines, self._other = 0, b""
