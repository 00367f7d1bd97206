"""Where the server-sent events of a body are, in bytes. Unlike a decoder it keeps every byte in its place.

In: a body. Out: spans of offsets. Cost: one pass.

Rule 1  A paragraph ends after an empty line, whatever its line ends (CRLF, CR, LF), or with the body. The paragraphs of a body
        add up to it.
Rule 2  An event is a paragraph that has data. Others, comments for the most part, are not counted, as errors do not count
        them either.
"""

from __future__ import annotations

import re

__all__ = ("events_in", "paragraphs", "value_of_data")

# The group is atomic: CR LF is one line end, not two, or each line of a CRLF stream would be a paragraph.
_EMPTY_LINE = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)+")
_DATA = re.compile(rb"(?:\A|(?<=[\r\n]))data(?::[ ]?([^\r\n]*))?(?=[\r\n]|\Z)")


def paragraphs(body: bytes) -> list[tuple[int, int]]:
    """Return start and end of each paragraph (rule 1)."""
    ends = [found.end() for found in _EMPTY_LINE.finditer(body)]
    if body and (not ends or ends[-1] != len(body)):
        ends.append(len(body))
    return list(zip([0, *ends], ends, strict=False))


def events_in(body: bytes) -> list[tuple[int, int]]:
    """Return start and end of each event (rule 2)."""
    return [(start, end) for start, end in paragraphs(body) if _DATA.search(body[start:end]) is not None]


def value_of_data(paragraph: bytes) -> tuple[int, int] | None:
    """Return start and end of the value of the first line of data that has one, None where there is none."""
    for found in _DATA.finditer(paragraph):
        if found[1]:
            return found.span(1)
    return None
