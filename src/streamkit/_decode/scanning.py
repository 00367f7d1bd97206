"""Plain scans of bytes that may be JSON: where a document begins and ends, and how much memory decoding it would take.

In: bytes of a sender. Out: offsets and numbers; nothing is decoded and nothing is changed. Cost: linear in the bytes
scanned, whatever they are: patterns applied to a sender's bytes are possessive, so that none of them backtracks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
_UNIT = 32  # bytes that a weight of 1 stands for
_FAMILIAR = (b'"logprob"', b'"bytes"', b'"top_logprobs"', b'"token"', b'"rank"', b'"decoded_token"')
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
    total, strings = 1, 0
    for outside, ended in _outside_strings(data):
        total += _count(outside) - 1
        strings += ended
        if total + strings > enough:
            break
    return total + strings


def _outside_strings(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the bytes outside of strings, window by window, and how many strings end there."""
    at, size, quotes = 0, len(data), 0
    while at < size:
        stop = min(at + _WINDOW, size)
        if data[stop - 1] == 0x5C and (run := _BACKSLASHES.match(data, stop)):  # no cut inside an escape
            stop = min(run.end() + 1, size)
        window = data[at:stop]
        if b"\\" in window:
            window = window.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = window.split(b'"')
        before, quotes = quotes, quotes + len(parts) - 1
        yield b"".join(parts[before % 2 :: 2]), quotes // 2 - before // 2
        at = stop


def _count(data: bytes) -> int:
    containers = data.count(b"{") + data.count(b"[")
    return 1 + data.count(b",") + _MEMBER * data.count(b":") + HEAVIEST * containers


def _memory(data: bytes) -> int:
    """Return about how many bytes the JSON values in `data` take, with what is made of them: an upper bound, and for entries
    of log probabilities not far from it."""
    objects = lists = commas = names = texts = 0
    for outside, strings in _outside_strings(data):
        objects += outside.count(b"{")
        lists += outside.count(b"[")
        commas += outside.count(b",")
        names += outside.count(b":")
        texts += strings
    # No string has a quote in it without a backslash, so these are names, or texts that cost less.
    entries, bytes_, tops, *others = map(data.count, _FAMILIAR)
    return (
        _priced(objects, entries, 260, 480)
        + _priced(lists, bytes_ + tops, 72, 200)
        + _priced(commas, 4 * entries + 12 * bytes_, 36, 52)
        + _priced(names, entries + bytes_ + tops + sum(others), 0, 190)
        + 56 * max(texts - names, 0)
    )


def _priced(count: int, familiar: int, price: int, other: int) -> int:
    """Return what this number of things takes, of which some are familiar: those have one price, the rest has the other."""
    return price * min(count, familiar) + other * max(count - familiar, 0)


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

    Log probabilities are many values by nature, five or twenty for each token: if there are any, the event may take twice
    that limit in memory, and once its bytes. By the default limit that is 7 MB of twenty alternatives for each token.
    """
    if len(data) * HEAVIEST < maximum or weight(data, maximum) <= maximum:
        return
    if b'logprobs"' not in data or _memory(data) > 2 * _UNIT * maximum + len(data):
        text = f"one event weighs more than {counted(maximum, 'JSON value')}"
        raise LimitError(text, limit="max_event_values", maximum=maximum, event=event)
