"""Text that was meant to be one JSON document and has more, from senders that repeat themselves.

In: the arguments of a call, all of them. Out: whether they are JSON, and where the last whole document begins in a
doubled text. Cost: linear in the text, whatever it is: a search that may need more is abandoned (`_PATIENCE`).

    {}{"a":1}             an empty document first, then the real one (Bedrock through a bridge)
    {"a":1}{"a":1}        the whole again at the end (Anthropic and Gemini through proxies)
    {"a{"a":{"a":1}       each piece repeats all before it

Rule 1  What is JSON is never doubled: `{"n":1` and then `1}` is 11.
Rule 2  A text is doubled if it ends in a whole object or array, and everything before that consists of whole documents,
        or of beginnings of that last one. Any other text was cut off, or is not JSON.
"""

from __future__ import annotations

import json
import re

import jiter

from .scanning import end_of, is_heavy

__all__ = ("is_json", "last_document")

_BLANK = re.compile(rb"\s*+")
_PATIENCE = 8  # times the length of a text, scanned to find its last document; honest texts take one or two


def is_json(text: str) -> bool:
    """Return True if `text` is one JSON document. NaN and the infinities are not JSON."""
    try:
        data = text.encode("utf-8")
        if is_heavy(data):
            return data.lstrip()[:1] in (b"{", b"[") and end_of(data, 0, len(data)) == len(data.rstrip())
        jiter.from_json(data, allow_inf_nan=False, cache_mode="none")
    except ValueError:  # half a surrogate pair as an escape, or nested deeper than jiter reads
        pass
    else:
        return True
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str)  # of any number of digits
    except (ValueError, RecursionError):
        return False
    return True


def last_document(text: str) -> str | None:
    """Return the last whole document of a doubled text (rule 2), None for any other text."""
    data = text.encode("utf-8", "surrogatepass").strip()
    if data[:1] not in (b"{", b"[") or is_json(text):
        return None
    at = _after_whole_ones(data)
    if at < 0:
        at = _after_beginnings(data)
    return None if at < 0 else _text(data, at)


def _after_whole_ones(data: bytes) -> int:
    """Return where the last of several consecutive documents begins; -1 if there are none."""
    at, size = 0, len(data)
    while data[at : at + 1] in (b"{", b"["):
        end = end_of(data, at, size)
        if end < 0 or not is_json(_text(data, at, end)):
            return -1
        if end == size:
            return at
        blank = _BLANK.match(data, end)
        at = blank.end() if blank else end
    return -1


def _after_beginnings(data: bytes) -> int:
    """Return where the last document begins, if everything before it consists of beginnings of it; else -1."""
    size, first = len(data), data[:1]
    left = _PATIENCE * size
    at = size
    # From the end: a document inside the last one ends before it does, and text within a string is not a document.
    while (at := data.rfind(first, 1, at)) > 0:
        end = end_of(data, at, size)
        if end == size and _is_made_of_beginnings(data, at) and is_json(_text(data, at)):
            return at
        left -= (size if end < 0 else end) - at
        if left < 0:
            break
    return -1


def _is_made_of_beginnings(data: bytes, stop: int) -> bool:
    """Return True if `data[:stop]` consists of pieces that are each a beginning of `data[stop:]`."""
    whole, first = data[stop:], data[:1]
    left = _PATIENCE * len(data)
    reached = at = 0  # everything up to `reached` consists of such pieces, since a beginning of a beginning is one too
    while 0 <= at <= reached < stop and left > 0:
        common = _common(data, at, stop, whole)
        left -= common + 1
        reached = max(reached, at + common)
        at = data.find(first, at + 1, stop)
    return reached >= stop


def _common(data: bytes, at: int, stop: int, whole: bytes) -> int:
    """Return how many bytes of `data` from `at` on equal the beginning of `whole`."""
    low, high = 0, min(stop - at, len(whole))
    step = 64
    while low < high:
        size = min(step, high - low)
        if data.startswith(whole[low : low + size], at + low):
            low += size
            step *= 2
        elif size == 1:
            break
        else:
            high, step = low + size - 1, max(1, size // 2)
    return low


def _text(data: bytes, at: int, end: int | None = None) -> str:
    return data[at:end].decode("utf-8", "surrogatepass")


def _refuse(word: str) -> None:
    raise ValueError(word)
