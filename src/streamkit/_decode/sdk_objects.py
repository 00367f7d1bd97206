"""Chunks that somebody else decoded, as mappings: SDK objects dump themselves, each in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MisuseError

__all__ = ("as_mapping",)

_DUMPS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "model_dump",
        {"exclude_unset": True, "warnings": False},
    ),  # pydantic 2: openai, and most SDKs; unset fields are not the sender's
    ("to_dict", {}),  # mistralai, groq's older models, dataclass mixins
    ("dict", {}),  # pydantic 1
)


def as_mapping(chunk: Any) -> dict[str, Any]:
    """`chunk` as a mapping; `MisuseError` where it is none and cannot dump itself."""
    if isinstance(chunk, Mapping):
        return dict(chunk)
    for name, arguments in _DUMPS:
        dump = getattr(chunk, name, None)
        if callable(dump) and not isinstance(chunk, type):
            try:
                value = dump(**arguments)
            except TypeError:  # a method of that name that takes no arguments
                value = dump()
            if isinstance(value, Mapping):
                return dict(value)
    raise MisuseError(
        "add() takes a chunk: one of streamkit's, a mapping, or an object with model_dump() or to_dict(),"
        f" not {type(chunk).__name__}"
    )
