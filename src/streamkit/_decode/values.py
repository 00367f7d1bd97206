"""Convert JSON values to the types of their fields, and collect unknown fields: shared by every reader of `_decode`.

Each function reports what it changed through `note(code, path, found)` and raises nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import filterfalse
from typing import Any

__all__ = (
    "NO_IDS",
    "Note",
    "count",
    "fields_beside",
    "identifier",
    "is_empty",
    "misplaced",
    "string",
    "text_of",
    "whole_number",
)

Note = Callable[..., None]


def fields_beside(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the fields of `value` that are not `known`."""
    return {key: value[key] for key in filterfalse(known.__contains__, value)}


def misplaced(name: str, value: Any, path: str, note: Note, extra: dict[str, Any]) -> Any:
    """Keep a field of an unusable type among the unknown fields."""
    note("bad_field", f"{path}.{name}", value)
    extra[name] = value
    return None


def string(value: Any, path: str, note: Note) -> str | None:
    if value is None or type(value) is str:
        return value
    note("field_type", path, value)
    return str(value) if isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False, default=str)


def text_of(value: Any) -> str:
    """Return arguments as the text that they should have been: JSON that is not a string, written compactly."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


NO_IDS = frozenset({"null", "None", "undefined"})
_TOO_GREAT = 2**63


def identifier(value: Any, path: str, note: Note) -> str | None:
    """Return an id; words that languages write for an absent one count as none: `str(None)` in Python,
    `String(undefined)`."""
    id = string(value, path, note)
    if id in NO_IDS:
        note("id_word", path, id)
        return None
    return id


def is_empty(value: Any) -> bool:
    """Return True if a JSON value is empty: null, 0, false, `""`, or objects and lists of nothing else. No
    recursion."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif one:
            return False
    return True


def count(value: Any, path: str, note: Note) -> int | None:
    """Return a count of tokens; None if it is absent or cannot be read (NaN, 1e400, 400 digits), never 0."""
    if value is None or (type(value) is int and -_TOO_GREAT < value < _TOO_GREAT):
        return value
    read = whole_number(value, None)
    if read is None or abs(read) >= _TOO_GREAT:
        note("number_unreadable", path, value)
        return None
    note("field_type", path, value)
    return int(read)


def whole_number(value: Any, default: Any) -> Any:
    """Return `"0"`, 0.0 or true as a whole number, or else the default."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default
