"""Where events begin and end in a block of bytes, by its blank lines alone: nothing is decoded.

Cost: one search each; a block with carriage returns takes a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ("begins_data", "end_of_event", "first_whole", "next_data", "some_events")

_BLANK_LINE = re.compile(rb"\n\r?\n")


def end_of_event(block: bytes, at: int, returns: bool) -> int:
    """Return where the first blank line at or after `at` ends, or -1; `returns`: whether the block has carriage
    returns."""
    if not returns:
        found = block.find(b"\n\n", at)
        return found + 2 if found >= 0 else -1
    blank = _BLANK_LINE.search(block, at)
    return -1 if blank is None else blank.end()


def some_events(block: bytes, at: int, most: int, returns: bool) -> Iterator[bytes]:
    """Yield the next events of `block`, at most `most`, from the offset `at` on."""
    for _ in range(most):
        stop = end_of_event(block, at, returns)
        if stop < 0:
            return
        yield block[at:stop]
        at = stop


def first_whole(block: bytes) -> bytes:
    """Return the first event of which `block` has all bytes; none if it has not."""
    start = 0 if block.startswith(b"data") else block.find(b"\ndata") + 1
    if not start and not block.startswith(b"data"):
        return b""
    return block[start : max(end_of_event(block, start, b"\r" in block), start)]


def next_data(block: bytes, at: int) -> int:
    """Return where the next event begins whose first line is data, or the end of the block."""
    if block.find(b"data", at) >= 0:  # else a block of blank lines would be searched twice, and slowly
        for blank in (b"\n\n", b"\n\r\n"):
            found = block.find(blank + b"data", at)
            if found >= 0:
                return found + len(blank)
    return len(block)


def begins_data(block: bytes, at: int, end: int) -> bool:
    """Return whether the end of a block is the beginning of one line of data, with nothing before or after it."""
    line_ends = block.find(b"\n", at, end - 1) >= 0 or block.find(b"\r", at, end - 1) >= 0
    return not line_ends and b"data:".startswith(block[at : at + 5])
