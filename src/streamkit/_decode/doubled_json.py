"""Text that was meant to be one JSON document and holds more: what a sender does that repeats itself.

In: the arguments of a call, all of them. Out: whether they are JSON, and where the last whole document begins in a text that
is doubled. Cost: linear in the text, whatever it is: what may need more is given up (`_PATIENCE`).

    {}{"a":1}             an empty document first, then the real one (Bedrock through a bridge)
    {"a":1}{"a":1}        the whole again at the end (Anthropic and Gemini through proxies)
    {"a{"a":{"a":1}       each piece repeats all before it

Rule 1  What is JSON is never doubled: `{"n":1` and then `1}` is 11.
Rule 2  A text is doubled if it ends in a whole object or array, and all before that is made of whole documents, or of
        beginnings of that last one. Anything else is text that broke off, or no JSON at all.
"""

from __future__ import annotations

import json
import re

import jiter

from .scanning import end_of, is_heavy

__all__ = ("is_json", "last_document")

_BLANK = re.compile(rb"\s*+")
_PATIENCE = 8  # times the length of a text that is looked at to find its last document; honest texts take one or two


def is_json(text: str) -> bool:
    """Return whether `text` is one JSON document. NaN and the infinities are none of JSON's."""
    try:
        data = text.encode("utf-8")
        if is_heavy(data):
            return data.lstrip()[:1] in (b"{", b"[") and end_of(data, 0, len(data)) == len(data.rstrip())
        jiter.from_json(data, allow_inf_nan=False, cache_mode="none")
    except ValueError:  # half a surrogate pair as an escape, or nested deeper than jiter goes
        pass
    else:
        return True
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str)  # of any number of digits
    except (ValueError, RecursionError):
        return False
    return True


def last_document(text: str) -> str | None:
    """Return the last whole document of a text that is doubled (rule 2), None for any other."""
    data = text.encode("utf-8", "surrogatepass").strip()
    if data[:1] not in (b"{", b"[") or is_json(text):
        return None
    at = _after_whole_ones(data)
    if at < 0:
        at = _after_beginnings(data)
    return None if at < 0 else _text(data, at)


def _after_whole_ones(data: bytes) -> int:
    """Where the last of several documents begins that follow each other; -1 where they do not."""
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
    """Where the last document begins, if all before it is made of beginnings of it; -1 where it is not."""
    size, first = len(data), data[:1]
    left = _PATIENCE * size
    at = size
    # From the end: what begins inside the last document ends before that does, or within a string is no document.
    while (at := data.rfind(first, 1, at)) > 0:
        end = end_of(data, at, size)
        if end == size and _is_made_of_beginnings(data, at) and is_json(_text(data, at)):
            return at
        left -= (size if end < 0 else end) - at
        if left < 0:
            break
    return -1


def _is_made_of_beginnings(data: bytes, stop: int) -> bool:
    """Whether `data[:stop]` is made of pieces with each of which `data[stop:]` begins."""
    whole, first = data[stop:], data[:1]
    left = _PATIENCE * len(data)
    reached = at = 0  # all up to `reached` can be made so, as a beginning of a beginning is one too
    while 0 <= at <= reached < stop and left > 0:
        common = _common(data, at, stop, whole)
        left -= common + 1
        reached = max(reached, at + common)
        at = data.find(first, at + 1, stop)
    return reached >= stop


def _common(data: bytes, at: int, stop: int, whole: bytes) -> int:
    """How many bytes of `data` from `at` on are those with which `whole` begins."""
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
