"""Plain scans of bytes that may be JSON: where a document begins and ends, and how much it would take to decode it.

In: bytes of a sender. Out: offsets and numbers; nothing is decoded and nothing is changed. Cost: linear in the bytes looked
at, whatever they are: patterns that see a sender's bytes are possessive, so that none of them backtracks.
"""

from __future__ import annotations

import re

from ..errors import LimitError, counted
from ..limits import DEFAULT_LIMITS

__all__ = ("DEEPEST", "HEAVIEST", "begin_of", "check_weight", "end_of", "is_deep", "is_heavy", "weight")

# What stands before a document on a line that is nearly `data: {`: blanks, NULs, byte order marks, `data:` in any case.
_LEAD = re.compile(rb"(?:[\s\0]++|\xef\xbb\xbf|data(?=[\s\0:\[{]|\xef\xbb\xbf):?+)*+", re.IGNORECASE)
# A string, or a bracket outside of strings. A string without its end runs to the end: were it passed over, each quote in
# `"\"\"\"\"…` would be tried as the beginning of another one.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

_BACKSLASHES = re.compile(rb"\\*+")

# Beside 1 for each value, and for each string: an empty object takes 72 bytes and more, a float 32, a string 56 to 112.
_CONTAINER, _MEMBER = 10, 2
HEAVIEST = 1 + _CONTAINER
"""The most that one byte weighs: n bytes need not be counted where this times n is not too much."""
DEEPEST = 200
"""Levels of arrays and objects that are read: jiter's own limit."""
_WINDOW = 65536


def begin_of(data: bytes, at: int = 0) -> int:
    """Return where a document may begin at or after `at`, past blanks, NULs, byte order marks and `data:`."""
    found = _LEAD.match(data, at)
    return found.end() if found else at


def end_of(data: bytes, at: int, stop: int) -> int:
    """Return the offset after the object or array that begins at `at`, or -1 where it does not end before `stop`."""
    depth = 0
    for token in _TOKEN.finditer(data, at, stop):
        first = data[token.start()]
        if first == 0x22:
            continue
        if first in b"[{":
            depth += 1
        else:
            depth -= 1
            if depth <= 0:
                return token.end()
    return -1


def weight(data: bytes, enough: int) -> int:
    """Return how many JSON values `data` holds at most, each weighed by the memory that it takes.

    A value counts 1, a string 1 more, a member of an object 3 more, an array or an object 10 more. A value is the whole,
    or the first in its array or object, or follows a comma: to count those bytes is an upper bound, at some ms a MB. Only
    where that is more than `enough` are the strings left out, in which they mean nothing: five times that.
    """
    crude = _count(data) + data.count(b'"') // 2
    if crude <= enough:
        return crude
    total, at, size, quotes = 1, 0, len(data), 0
    while at < size:
        stop = min(at + _WINDOW, size)
        if data[stop - 1] == 0x5C and (run := _BACKSLASHES.match(data, stop)):  # no cut inside of an escape
            stop = min(run.end() + 1, size)
        window = data[at:stop]
        if b"\\" in window:
            window = window.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = window.split(b'"')
        total += _count(b"".join(parts[quotes % 2 :: 2])) - 1
        quotes += len(parts) - 1
        if total + quotes // 2 > enough and b'logprobs"' not in data:
            break
        at = stop
    return total + quotes // 2


def _count(data: bytes) -> int:
    containers = data.count(b"{") + data.count(b"[")
    return 1 + data.count(b",") + _MEMBER * data.count(b":") + HEAVIEST * containers


def is_heavy(data: bytes) -> bool:
    """Whether to decode `data` just to see that it is JSON would take more memory than one event may."""
    most = DEFAULT_LIMITS.max_event_values
    return len(data) * HEAVIEST > most and weight(data, most) > most


def is_deep(data: bytes) -> bool:
    """Whether `data` is nested deeper than is read. Such data is never decoded, so that what it weighs does not matter."""
    depth = 0
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first != 0x22:
            depth += 1 if first in b"[{" else -1
            if depth > DEEPEST:
                return True
    return False


def check_weight(data: bytes, maximum: int, event: int | None = None) -> None:
    """Raise `LimitError` where to decode `data` would make more values than `maximum`.

    Log probabilities are many values by their nature, five or twenty for each token, but each takes a name and a number:
    where there are any, as much is allowed as there are bytes. An entry of the format weighs at most 0.9 a byte.
    """
    if len(data) * HEAVIEST < maximum:
        return
    found = weight(data, maximum)
    if found > maximum and not (found <= len(data) and b'logprobs"' in data):
        text = f"one event weighs more than {counted(maximum, 'JSON value')}"
        raise LimitError(text, limit="max_event_values", maximum=maximum, event=event)
