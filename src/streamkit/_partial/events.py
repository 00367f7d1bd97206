"""What a growing document reports: a value began, a string grew, a value is whole, or it is not JSON. Frozen values.

The grammar, for each value: an object or array has one `ValueStarted` and, once it is whole, one `ValueDone`, with those of
what is in it between them; a string has one `ValueStarted`, a `StringDelta` for each piece and one `ValueDone`; a number, true,
false and null have only a `ValueDone`. Where the text breaks off, what is open has no `ValueDone`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from .._field_docs import show_fields
from .paths import Path

__all__ = ("NotJSON", "PathEvent", "StringDelta", "ValueDone", "ValueStarted", "draft")


@attrs.frozen(weakref_slot=False)
class ValueStarted:
    """Fired when an object, an array or a string begins, and again for a key that is written twice."""

    path: Path
    """Where the value is."""
    kind: Literal["object", "array", "string"]
    """What it is."""


@attrs.frozen(weakref_slot=False)
class StringDelta:
    """Fired for each piece of a string: the pieces together are the string."""

    path: Path
    """Where the string is."""
    text: str
    """The piece, without escapes; never empty."""


@attrs.frozen(weakref_slot=False)
class ValueDone:
    """Fired when a value is whole."""

    path: Path
    """Where the value is."""
    value: Any = attrs.field(hash=False)
    """All of it. The same object as in `PartialJSON.value`: copy it before you change it."""


@attrs.frozen(weakref_slot=False)
class NotJSON:
    """Where and why a text stops being JSON."""

    offset: int
    """Number of characters before that place, in all that was fed."""
    path: Path
    """The value that was read there; for a key, the object that it is in."""
    reason: str
    """What was expected, or what is not accepted."""
    found: str
    """The character there; empty at the end of the text, and where a whole value is not accepted."""

    def __str__(self) -> str:
        found = f", not {self.found!r}" if self.found else ""
        return f"{self.reason}{found} (character {self.offset}, {self.path})"


PathEvent: TypeAlias = ValueStarted | StringDelta | ValueDone
"""What `PartialJSON.feed` returns a list of."""


def draft(cls: type[Any]) -> Any:
    """Return a class of the same layout whose attributes can be set: assign `cls` to the `__class__` of what it makes.

    Attrs sets each field of a frozen object through `object.__setattr__`, which takes three times as long, and a delta of
    16 characters may have six events.
    """
    body = {"__slots__": cls.__slots__, "__init__": object.__init__}
    made = type(f"{cls.__name__}Draft", (), body)
    made().__class__ = cls  # raises TypeError here, at import, if the layouts ever differ
    return made


show_fields(__name__)
