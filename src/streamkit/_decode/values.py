"""A JSON value as the type that its field has, and the fields that no type has: what every reader of `_decode` shares.

Each function reports what it changed through `note(code, path, found)` and raises nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = ("Note", "fields_beside", "misplaced", "string", "whole_number")

Note = Callable[..., None]


def fields_beside(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """The fields of `value` that are not `known`."""
    return {} if value.keys() <= known else {key: item for key, item in value.items() if key not in known}


def misplaced(name: str, value: Any, path: str, note: Note, extra: dict[str, Any]) -> Any:
    """A field of a type that nothing can be made of: kept where unknown fields are kept."""
    note("bad_field", f"{path}.{name}", value)
    extra[name] = value
    return None


def string(value: Any, path: str, note: Note) -> str | None:
    if value is None or type(value) is str:
        return value
    note("field_type", path, value)
    return str(value) if isinstance(value, (str, int, float)) else json.dumps(value, ensure_ascii=False, default=str)


def whole_number(value: Any, default: Any) -> Any:
    """A whole number out of `"0"`, 0.0 or true, or else the default."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return default
