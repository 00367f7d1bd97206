"""Decode bytes to a JSON value, even if strict readers refuse what a sender wrote.

jiter reads nearly everything. What it refuses is read again with the standard library, which accepts NaN, infinities,
whole numbers of more than 4,300 digits (infinite, as floats) and half of a surrogate pair (`"\\ud83d"`); bytes that are
not UTF-8 are replaced first. Deviations are returned by name, so that the caller can report them. Cost: one parse; the
second only for documents that the first refuses.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import jiter

from ..types._base import Wire
from ..types._unstructuring import written
from .scanning import DEEPEST

__all__ = ("TEXT_KEYS", "decode", "depth", "has_half", "pair", "scrub")

TEXT_KEYS = frozenset(
    {
        "content",
        "refusal",
        "reasoning",
        "reasoning_content",
        "reasoning_text",
        "text",
        "thinking",
        "summary",
        "arguments",
        "input",
        "transcript",
    }
)
"""Strings that a sender cuts into deltas: half of a pair at their edge may have its other half in the next delta."""

_MOST_BITS = 14_284  # of a whole number of 4,300 digits: the longest that Python writes and reads
_LONE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
has_half = re.compile("[\ud800-\udfff]").search


def decode(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """Return the JSON value in `data` and the anomaly codes of its repairs; raise ValueError if there is none."""
    try:
        return jiter.from_json(data, allow_inf_nan=False), ()
    except ValueError as refusal:
        if "recursion limit" in str(refusal):
            raise
    codes = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        codes.append("invalid_utf8")
        try:
            return jiter.from_json(text.encode(), allow_inf_nan=False), tuple(codes)
        except ValueError as refusal:
            if "recursion limit" in str(refusal):
                raise
    non_finite: list[str] = []

    def constant(word: str) -> float:
        non_finite.append(word)
        return float(word)

    def whole(digits: str) -> int | float:
        try:
            return int(digits)
        except ValueError:  # more digits than Python accepts: infinite, like 1e400
            return constant(digits)

    try:
        value = json.loads(text, parse_constant=constant, parse_int=whole, strict=False)
        if depth(value) > DEEPEST:  # the standard library continues until it raises RecursionError
            raise ValueError("nested too deeply")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if non_finite:
        codes.append("non_finite_number")
    escaped = "\\u" in text
    del text
    if escaped:
        lost: list[str] = []
        value = scrub(value, lost=lost)
        if lost:
            codes.append("lone_surrogate")
    return value, tuple(codes)


def scrub(value: Any, *, edges: bool = False, lost: list[str] | None = None) -> Any:
    """Return `value` with every lone surrogate replaced by U+FFFD, except halves at the edges of text that arrives in
    deltas.

    `edges`: whether `value` itself is such a text. Values of a `delta` are, and those under `TEXT_KEYS`. `lost`:
    collects each text in which something was replaced. Values that are not JSON are converted to JSON.
    """
    if isinstance(value, str):
        return _scrub_text(value, edges, lost)
    if isinstance(value, list):
        return [scrub(item, lost=lost) for item in value]
    if isinstance(value, dict):
        return {
            _scrub_text(_text(key), False, lost): (
                {
                    _scrub_text(_text(k), False, lost): scrub(v, edges=isinstance(v, str), lost=lost)
                    for k, v in item.items()
                }
                if key == "delta" and isinstance(item, dict)
                else scrub(item, edges=key in TEXT_KEYS, lost=lost)
            )
            for key, item in value.items()
        }
    if value is None or isinstance(value, (int, float)):
        if type(value) is int and value.bit_length() > _MOST_BITS:
            return math.inf if value > 0 else -math.inf
        return value
    return scrub(_as_json(value), lost=lost)


def _as_json(value: Any) -> Any:
    """Return the JSON value for a value of a caller's chunk that is not JSON: SDKs dump dates, decimals, tuples. Else
    text."""
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _text(key): item for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Wire):
        try:
            return written(value)
        except (AttributeError, TypeError, ValueError):  # one that does not match its class
            pass
    return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__name__


def _scrub_text(text: str, edges: bool, lost: list[str] | None) -> str:
    if text.isascii() or not has_half(text):  # no copy if nothing changes
        return text
    text = pair(text)
    head = text[:1] if edges and "\udc00" <= text[:1] <= "\udfff" else ""
    tail = text[-1:] if edges and len(text) > len(head) and "\ud800" <= text[-1:] <= "\udbff" else ""
    if _LONE.search(text, len(head), len(text) - len(tail)) is None:
        return text
    if lost is not None:
        lost.append(text)
    return head + _LONE.sub("\ufffd", text[len(head) : len(text) - len(tail)]) + tail


def pair(text: str) -> str:
    """Return `text` with adjacent halves of a surrogate pair joined into their character."""
    if _PAIR.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def depth(value: Any) -> int:
    """Return the nesting depth of arrays and objects: 0 for a scalar, 1 for `[]`. No recursion."""
    deepest, layer = 0, [value] if isinstance(value, _STRUCTURES) else []
    while layer:
        deepest += 1
        layer = [
            child
            for one in layer
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, _STRUCTURES)
        ]
    return deepest


_STRUCTURES = (dict, list, tuple)
