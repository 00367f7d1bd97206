"""Events of the SDK whose costly fields are made when they are first asked for.

In: the fields of an event, and functions for those that cost more the longer the stream is (`snapshot`, `parsed`). Out: an
event that has all of them, so that a chunk costs the same at any place of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, get_args

from openai import BaseModel

__all__ = ("Later", "made")

Event = TypeVar("Event", bound="Later")


def made(kind: type[Event], later: Mapping[str, Callable[[], Any]], **fields: Any) -> Event:
    """Return an event of this class, unchecked, as the SDK makes its own."""
    event = kind.__new__(kind)
    fields = {"type": _type_of(kind), **fields}
    object.__setattr__(event, "__dict__", fields)
    object.__setattr__(event, "__pydantic_fields_set__", {*fields, *later})
    object.__setattr__(event, "__pydantic_extra__", {})
    object.__setattr__(event, "__pydantic_private__", {"_later": dict(later)})
    return event


@cache
def _type_of(kind: type[BaseModel]) -> str:
    """Return the one `type` that events of this class have."""
    (name,) = get_args(kind.model_fields["type"].annotation)
    return str(name)


class Later(BaseModel):
    """Makes a field when it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        private = object.__getattribute__(self, "__pydantic_private__")
        make = None if private is None else private["_later"].pop(name, None)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self.__dict__[name] = make()
        return value

    def _fill(self) -> None:
        for name in list(self.__pydantic_private__["_later"]):  # type: ignore[index]
            getattr(self, name)

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return the event as a dictionary, with all of its fields."""
        self._fill()
        return super().model_dump(**options)

    def model_dump_json(self, **options: Any) -> str:
        """Return the event as JSON, with all of its fields."""
        self._fill()
        return super().model_dump_json(**options)

    def __eq__(self, other: object) -> bool:
        for one in (self, other):
            if isinstance(one, Later):
                one._fill()
        return super().__eq__(other)

    def __getstate__(self) -> dict[Any, Any]:
        self._fill()
        return super().__getstate__()
