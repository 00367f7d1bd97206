"""Plain scans of bytes that may be JSON: where a document begins and ends, and how much memory decoding it would take.

In: bytes of a sender. Out: offsets and numbers; nothing is decoded and nothing is changed. Cost: linear in the bytes
scanned, whatever they are: patterns applied to a sender's bytes are possessive, so that none of them backtracks.
"""

from __future__ import annotations

import re

from ..errors import LimitError, counted
from ..limits import DEFAULT_LIMITS

__all__ = ("DEEPEST", "HEAVIEST", "begin_of", "check_weight", "end_of", "is_deep", "is_heavy", "weight")

# What may precede a document on a line that is almost `data: {`: blanks, NULs, byte order marks, `data:` in any case.
_LEAD = re.compile(rb"(?:[\s\0]++|\xef\xbb\xbf|data(?=[\s\0:\[{]|\xef\xbb\xbf):?+)*+", re.IGNORECASE)
# A string, or a bracket outside of strings. An unterminated string runs to the end: if it were skipped, each quote in
# `"\"\"\"\"…` would be tried as the beginning of another one.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

_BACKSLASHES = re.compile(rb"\\*+")

# In addition to 1 for each value, and for each string: an empty object takes 72 bytes and more, a float 32, a string 56
# to 112.
_CONTAINER, _MEMBER = 10, 2
HEAVIEST = 1 + _CONTAINER
"""The most that one byte weighs: n bytes need not be counted if this times n is within the limit."""
DEEPEST = 200
"""The most levels of arrays and objects that are read: jiter's limit."""
_WINDOW = 65536


def begin_of(data: bytes, at: int = 0) -> int:
    """Return where a document may begin at or after `at`, past blanks, NULs, byte order marks and `data:`."""
    found = _LEAD.match(data, at)
    return found.end() if found else at


def end_of(data: bytes, at: int, stop: int) -> int:
    """Return the offset after the object or array that begins at `at`, or -1 if it does not end before `stop`."""
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
    """Return an upper bound for the JSON values in `data`, each weighed by the memory that it takes.

    A value counts 1, a string 1 more, a member of an object 3 more, an array or an object 10 more. A value is the whole
    document, the first in its array or object, or follows a comma: counting those bytes is an upper bound, at some ms a
    MB. Only if that exceeds `enough` are strings skipped, in which these bytes do not count: five times as slow.
    """
    crude = _count(data) + data.count(b'"') // 2
    if crude <= enough:
        return crude
    total, at, size, quotes = 1, 0, len(data), 0
    while at < size:
        stop = min(at + _WINDOW, size)
        if data[stop - 1] == 0x5C and (run := _BACKSLASHES.match(data, stop)):  # no cut inside an escape
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
    """Return True if decoding `data` just to see whether it is JSON would take more memory than one event may."""
    most = DEFAULT_LIMITS.max_event_values
    return len(data) * HEAVIEST > most and weight(data, most) > most


def is_deep(data: bytes) -> bool:
    """Return True if `data` is nested too deeply to be read. Such data is never decoded, so that its weight is
    irrelevant."""
    depth = 0
    for token in _TOKEN.finditer(data):
        first = data[token.start()]
        if first != 0x22:
            depth += 1 if first in b"[{" else -1
            if depth > DEEPEST:
                return True
    return False


def check_weight(data: bytes, maximum: int, event: int | None = None) -> None:
    """Raise `LimitError` if decoding `data` would create more values than `maximum`.

    Log probabilities are many values by nature, five or twenty for each token, but each takes a name and a number: if
    there are any, the limit is the number of bytes. An entry of the format weighs at most 0.9 a byte.
    """
    if len(data) * HEAVIEST < maximum:
        return
    found = weight(data, maximum)
    if found > maximum and not (found <= len(data) and b'logprobs"' in data):
        text = f"one event weighs more than {counted(maximum, 'JSON value')}"
        raise LimitError(text, limit="max_event_values", maximum=maximum, event=event)
