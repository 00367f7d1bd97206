"""Chunks that somebody else decoded: what counts as one, and how it becomes a mapping.

In: any value. Out: whether `Accumulator.add` takes it, or its fields. SDK objects dump themselves, each in its own way: one
table of methods says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MisuseError
from ..types import CreateChatCompletionStreamResponse

__all__ = ("as_mapping", "can_dump", "is_chunk_object")

_DUMPS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "model_dump",
        {"exclude_unset": True, "warnings": False},
    ),  # pydantic 2: openai, and most SDKs; unset fields are not the sender's
    ("to_dict", {}),  # mistralai, groq's older models, dataclass mixins
    ("dict", {}),  # pydantic 1
)

_METHODS = tuple(name for name, _ in _DUMPS)


def can_dump(value: Any) -> bool:
    """Return whether `value` is an object that can dump itself. A class has the methods, and nothing to dump."""
    return not isinstance(value, type) and any(callable(getattr(value, name, None)) for name in _METHODS)


def is_chunk_object(value: Any) -> bool:
    """Return whether `value` is of a kind that `Accumulator.add` takes: a mapping, a chunk of ours, or an SDK's object."""
    return isinstance(value, (Mapping, CreateChatCompletionStreamResponse)) or can_dump(value)


def as_mapping(chunk: Any) -> dict[str, Any]:
    """Return `chunk` as a mapping; `MisuseError` where it is none and cannot dump itself."""
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
