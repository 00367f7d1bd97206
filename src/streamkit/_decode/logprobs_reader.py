"""The log probabilities of a choice, tolerant of what real senders write.

In: the JSON value under `logprobs`. Out: clean entries; what cannot be read is kept as an unknown field and reported
through `note`. Entries are compact, see `types/_logprobs.py`: bytes equal to the token's, and an empty set of unknown
fields, take no memory. Cost: 0.35 us for each likely token written exactly in the format, 0.7 for any other.

`read_exact` reads the JSON itself, where it is exactly in the format: the alternatives are proved, not decoded.
Cost: 0.4 us for each of them, decoding included, and 0.6 for the token.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from math import inf
from typing import Any

import jiter

from ..types import ChatChoiceLogprobs, ChatCompletionTokenLogprob, TopLogprobs
from ..types._base import wire_names
from .fast_frozen import unfrozen_twin
from .values import Note, fields_beside, string

__all__ = ("Exact", "read_exact", "read_logprobs", "read_tokens", "written")

_LOGPROBS = wire_names(ChatChoiceLogprobs)


_TOKEN = wire_names(ChatCompletionTokenLogprob)


_TOP = wire_names(TopLogprobs)


_new_logprobs = unfrozen_twin(ChatChoiceLogprobs)


_new_token = unfrozen_twin(ChatCompletionTokenLogprob)


_from_json = jiter.from_json
_new_top = unfrozen_twin(TopLogprobs)


# These match less than JSON allows, and nothing that readers differ about: no half of a surrogate pair, no number that is
# not finite, no byte above 255, keys in the order of the format. Between values one space at most.
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_FLOAT = rb"-?+(?:0|[1-9][0-9]{0,8}+)\.[0-9]{1,30}+(?:[eE][+-]?+[0-9]{1,2}+)?+"
_BYTE = rb"(?:1[0-9]{0,2}+|2(?:[0-4][0-9]?+|5[0-5]?+|[6-9])?+|[3-9][0-9]?+|0)"
_BYTES = rb"(?:\[(?:%b(?:, ?+%b)*+)?+\]|null)" % (_BYTE, _BYTE)
_HEAD = rb'"token": ?+%b, ?+"logprob": ?+%b, ?+"bytes": ?+%b' % (_STRING, _FLOAT, _BYTES)
_ENTRY = rb'\{(%b), ?+"top_logprobs": ?+(\[(?:\{%b\}(?:, ?+(?=\{)|(?=\])))*+\])\}(\]|, ?+(?=\{))' % (_HEAD, _HEAD)


# A number of at most 15 digits is the shortest that means it, and is written without an exponent from 0.0001 on.
_SHORTEST = rb"-?+(?:(?!0\.0000)(?:0|[1-9][0-9]{0,3})\.(?:[0-9]{0,10}[1-9]|0)|0\.0)(?=[,}])"
_LONGER = re.compile(rb'"logprob":(?!%b)' % _SHORTEST)
_ESCAPE = re.compile(rb"\\[u/]")  # `dumps` writes nearly all of these in another way
_NUMBER = re.compile(rb'"logprob":([^,}]++)')


def read_logprobs(value: Any, path: str, note: Note, extra: dict[str, Any]) -> ChatChoiceLogprobs | None:
    """Return the log probabilities that `value` means; a value that is not an object is kept in `extra` of the
    choice."""
    if not isinstance(value, dict):
        note("bad_field", path, value)
        extra["logprobs"] = value
        return None
    rest = fields_beside(value, _LOGPROBS)
    logprobs = _new_logprobs()
    logprobs.content = _tokens(value, "content", path, note, rest)
    logprobs.refusal = _tokens(value, "refusal", path, note, rest)
    logprobs.extra = rest
    logprobs.__class__ = ChatChoiceLogprobs
    return logprobs  # type: ignore[no-any-return]


def _tokens(
    value: dict[str, Any], name: str, path: str, note: Note, extra: dict[str, Any]
) -> list[ChatCompletionTokenLogprob] | None:
    items = value.get(name)
    if items is None:
        return None
    path = f"{path}.{name}"
    if isinstance(items, list) and all(type(item) is dict for item in items):
        return read_tokens(items, path, note)
    note("bad_field", path, items)
    extra[name] = items
    return None


@cache  # a millisecond each, which few processes need
def _matching(compact: bool) -> Callable[[bytes, int], re.Match[bytes] | None]:
    """Return what matches the next entry of an array; `compact`: with no space at all between values."""
    return re.compile(_ENTRY.replace(b" ?+", b"") if compact else _ENTRY).match


class Exact(list[ChatCompletionTokenLogprob]):
    """Entries that are written exactly in the format; `json` is the array that they were read from, if it has no white
    space between values."""

    __slots__ = ("json",)
    json: bytes


def written(tokens: list[ChatCompletionTokenLogprob]) -> bytes | None:
    """Return the array of these entries as `dumps` writes it, if that is known without writing it: it arrived so."""
    if (
        type(tokens) is not Exact
        or not (array := tokens.json)
        or (b"\\" in array and _ESCAPE.search(array) is not None)
    ):
        return None
    if _LONGER.search(array) is None:
        return array
    numbers = _NUMBER.findall(array)
    return array if " ".join(map(repr, map(float, numbers))).encode() == b" ".join(numbers) else None


def read_exact(array: bytes) -> Exact | None:
    """Return the entries in a JSON array if they are written exactly in the format, or else None. The alternatives are
    decoded when they are asked for."""
    if not array.startswith(b"[") or not (array.isascii() or _is_utf8(array)):
        return None
    tokens = Exact()
    tokens.json, match = array, _matching(True)
    if (found := match(array, 1)) is None:
        tokens.json, match = b"", _matching(False)
        found = match(array, 1)
    while found is not None:
        head, tops, end = found.groups()
        value = _from_json(b"{%b}" % head)
        token = _new_token()
        token.token = text = value["token"]
        token.logprob = value["logprob"]
        numbers = value["bytes"]
        token.extra = 0
        if numbers is not None:
            if bytes(numbers) == text.encode():
                numbers = 0
            else:
                token.extra = 1
        token.bytes = numbers
        token.top_logprobs = tops if len(tops) > 2 else []
        token.__class__ = ChatCompletionTokenLogprob
        tokens.append(token)
        at = found.end()
        if end == b"]":
            return tokens if at == len(array) else None
        found = match(array, at)
    return None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_tokens(items: list[dict[str, Any]], path: str, note: Note) -> list[ChatCompletionTokenLogprob]:
    """Return the entries of log probabilities that `items` mean."""
    return [_token(item, path, note) for item in items]


def _token(value: dict[str, Any], path: str, note: Note) -> ChatCompletionTokenLogprob:
    tops: list[TopLogprobs] = []
    top_logprobs = value.get("top_logprobs")
    plain = len(value) == 4 and "token" in value and "logprob" in value and "bytes" in value and "top_logprobs" in value
    extra = None if plain else fields_beside(value, _TOKEN)
    lists, compact = 0, not extra  # byte lists that are kept; whether nothing else is
    if type(top_logprobs) is list:
        for top in top_logprobs:
            # A token exactly in the format, five or twenty for each chosen one: 0.35 us here, 0.7 by the general way
            # below.
            try:
                text, number, raw = top["token"], top["logprob"], top["bytes"]
            except (KeyError, TypeError):
                text = number = raw = None
            if (
                type(text) is str
                and type(number) is float
                and -inf < number < inf
                and (type(raw) is list or raw is None)
                and len(top) == 3
            ):
                made = _new_top()
                made.token = text
                made.logprob = number
                if raw is not None:
                    try:
                        # `[true]` would pass for the bytes of "\1".
                        if bytes(raw) == text.encode() and (text.isprintable() or not _may_be_booleans(text)):
                            raw = 0
                        else:
                            lists += 1
                    except (TypeError, ValueError):  # not a list of small numbers
                        compact = False
                made.bytes = raw
                made.extra = 0
                made.__class__ = TopLogprobs
                tops.append(made)
                continue
            if type(top) is not dict:
                note("bad_field", f"{path}[].top_logprobs", top_logprobs)
                tops, extra, compact = [], {**(extra or {}), "top_logprobs": top_logprobs}, False
                break
            made = _new_top()
            kept = _fill_token(made, top, path, note)
            beside = fields_beside(top, _TOP)
            made.extra = beside or 0
            if beside or kept is None:
                compact = False
            else:
                lists += kept
            made.__class__ = TopLogprobs
            tops.append(made)
    elif top_logprobs is not None:
        note("bad_field", f"{path}[].top_logprobs", top_logprobs)
        extra, compact = {**(extra or {}), "top_logprobs": top_logprobs}, False
    token = _new_token()
    kept = _fill_token(token, value, path, note)
    token.top_logprobs = tops
    token.extra = lists + kept if compact and kept is not None else extra or {}
    token.__class__ = ChatCompletionTokenLogprob
    return token  # type: ignore[no-any-return]


def _may_be_booleans(text: str) -> bool:
    return "\1" in text or "\0" in text


def _fill_token(token: Any, value: dict[str, Any], path: str, note: Note) -> int | None:
    """Fill the three fields shared by the sampled token and its alternatives; return the number of byte lists kept, or
    None if it is a list of anything else."""
    token.token = text = (
        text if type(text := value.get("token")) is str else string(text, f"{path}[].token", note) or ""
    )
    number = value.get("logprob")
    if type(number) is not float or not -inf < number < inf:
        number = _logprob(number, path, note)
    token.logprob = number
    token.bytes = raw = value.get("bytes")
    if raw is None:
        return 0
    if type(raw) is not list:
        note("field_type", f"{path}[].bytes", raw)
        token.bytes = None
        return 0
    try:
        if bytes(raw) == text.encode() and (text.isprintable() or not _may_be_booleans(text)):
            token.bytes = 0
            return 0
        return 1
    except (TypeError, ValueError):
        return None


def _logprob(value: Any, path: str, note: Note) -> float:
    if (
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023
    ):  # larger ones do not fit a float
        return float(value)
    note("field_type", f"{path}[].logprob", value)
    return -9999.0  # OpenAI's form of minus infinity, for which others write null, -Infinity or NaN
