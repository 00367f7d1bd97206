"""What a terminal can show: colours, how wide it is, and text that must neither steer it nor run over.

In: an output, the environment, and text from a sender. Out: whether to colour, how many columns there are, lines that fit.
It writes nothing. Cost: linear in the text.

Rule 1  Colour only on a terminal, and under neither NO_COLOR (empty counts as unset, as no-color.org says) nor TERM=dumb.
Rule 2  COLUMNS, else what the terminal reports, else 100 columns.
Rule 3  What a sender wrote does not steer a terminal: control characters are shown, not sent.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO

__all__ = (
    "SHOWN",
    "clipped",
    "columns",
    "dimmed",
    "has_colours",
    "json_bytes",
    "one_line",
    "painted",
    "width_of",
    "wrapped",
)

SHOWN = {code: 0x2400 + code for code in range(32) if code not in (9, 10)}
"""For `str.translate`: C0 as its pictures, but for tab and line feed; C1 (U+009B begins what ESC [ does) as U+FFFD."""
SHOWN |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def has_colours(out: BinaryIO) -> bool:
    """Return whether `out` is to be coloured (rule 1)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """Return how many columns a line may take (rule 2)."""
    return shutil.get_terminal_size((100, 24)).columns


def painted(text: str, colour: str) -> str:
    """Return `text` in a colour, given as the number of an SGR sequence (`31` is red)."""
    return f"\x1b[{colour}m{text}\x1b[0m"


def dimmed(text: str) -> str:
    """Return `text` dim; what is in colour around it stays so."""
    return f"\x1b[2m{text}\x1b[22m"


def json_bytes(text: str) -> bytes:
    """Return JSON as a line of UTF-8 in which nothing steers a terminal.

    JSON leaves C1 alone, but a terminal does not, and it can only be inside strings. Half a surrogate pair, in the name
    of a file, has no other form either.
    """
    return re.sub("[\x7f-\x9f\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def one_line(text: str) -> str:
    """Return `text` on one line, its control characters shown."""
    return " ".join(text.split()).translate(SHOWN)


def width_of(text: str) -> int:
    """Return the columns that `text` takes: East Asian characters and emoji take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _fitting(text: str, room: int) -> str:
    """Return as much of the start of `text` as `room` columns hold."""
    text = text[: room * 2]  # pages of it are not measured; marks take no column, but are few
    while width_of(text) > room:
        text = text[:-1]
    return text


def clipped(text: str, room: int) -> str:
    """Return `text` on one line of at most `room` columns."""
    text = one_line(text)
    return text if width_of(text) <= room else f"{_fitting(text, room - 1)}…"


def wrapped(text: str, width: int, first: str, rest: str) -> Iterator[str]:
    """Yield `text` in lines of at most `width` columns. (`textwrap` counts characters, and some take two columns.)"""
    line, empty = first, True
    for word in one_line(text).split(" "):
        if not empty and width_of(line) + 1 + width_of(word) > width:
            yield line
            line, empty = rest, True
        while width_of(line) + width_of(word) + (not empty) > width:  # longer than a line: it is broken
            part = _fitting(word, width - width_of(line)) or word[:1]
            yield line + part
            word, line = word[len(part) :], rest
        line += word if empty else f" {word}"
        empty = False
    yield line
