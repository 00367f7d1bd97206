"""The forms that a value of the state has in a checkpoint: each writes it as JSON, and reads it back checked.

    found = shape.write(value, way)      a JSON value that shares nothing with the state
    value = shape.read(found, way)       the value again, or `Refused`

Rule 1: reading trusts nothing. Every type, number and reference is checked, and `Refused` names the place.
Rule 2: writing changes nothing that a caller could see.

Cost: O(the value).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import shown

if TYPE_CHECKING:
    from .._fold.fields import Context

__all__ = (
    "BYTES",
    "COUNT",
    "FLAG",
    "MOST",
    "NUMBER",
    "TEXT",
    "WHOLE",
    "Each",
    "Mapped",
    "Maybe",
    "Plain",
    "Refused",
    "Row",
    "Shape",
    "Way",
    "at",
    "known",
    "members",
    "whole_up_to",
)

MOST = 2**63 - 1
"""The largest number of a count: what fits 64 bits."""


class Refused(Exception):
    """A checkpoint that cannot be read: what was expected, what was found, and the steps to it, the last one first."""

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.found = shown(found)
        self.steps: list[str | int] = []

    @property
    def path(self) -> str:
        """The JSON path of what was refused."""
        return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(self.steps))


class _At:
    """Adds a step to the path of what is refused inside it; a class, as that takes a third of a generator's time."""

    __slots__ = ("_step",)

    def __init__(self, step: str | int) -> None:
        self._step = step

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, Refused):
            error.steps.append(self._step)


at = _At


class Way:
    """Where in the state a shape is: what the objects there are created with, and the texts that wait in a choice.

    A text that ends in half of a surrogate pair is in the tree of its choice and, a second time, in `ChoiceState.waiting`.
    The document has it once, in the tree, with its place among those that wait.
    """

    __slots__ = ("_claims", "_marks", "context", "spent", "standing", "waiting")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.waiting: Any = None  # that of the choice
        self._marks: dict[int, int] = {}  # when writing: id() of a text that waits -> its place; taken out once written
        self._claims: dict[int, Any] = {}  # when reading: place -> text
        self.standing = False  # in a field of the format, whose values may be words and entries
        self.spent = 0  # when reading: bytes of repeated text that the state may become

    @contextmanager
    def inside(self, waiting: Any) -> Iterator[None]:
        """Go into a choice, whose texts wait in `waiting`."""
        self.waiting, self._marks, self._claims = waiting, {key: place for place, key in enumerate(waiting)}, {}
        yield
        self.waiting, self._marks = None, {}

    def place(self, state: Any) -> int | None:
        """Return the place of a text among those that wait, None if it does not."""
        return self._marks.pop(id(state), None)

    @property
    def unwritten(self) -> Sequence[Any]:
        """The texts that wait and are in no tree any more: their field changed its type."""
        return [self.waiting[key] for key in self._marks]

    def claim(self, state: Any, place: int | None) -> None:
        """Put a text into its place among those that wait."""
        if place is not None:
            if place in self._claims or self.waiting is None:
                raise Refused("a place among the texts of a choice that wait, each once", place)
            self._claims[place] = state

    def wait(self) -> None:
        """Let the texts wait, in the order of their places."""
        for place in sorted(self._claims):
            self.waiting[id(self._claims[place])] = self._claims[place]


class Shape(Protocol):
    """The form of a value."""

    def write(self, value: Any, way: Way) -> Any:
        """Return `value` as JSON."""

    def read(self, found: Any, way: Way) -> Any:
        """Return the value of this JSON; raise `Refused` if it is not one."""


class Plain:
    """A value that JSON has: written as it is."""

    __slots__ = ("_expected", "_is")

    def __init__(self, expected: str, is_one: Callable[[Any], bool]) -> None:
        self._expected = expected
        self._is = is_one

    def write(self, value: Any, way: Way) -> Any:
        return value

    def read(self, found: Any, way: Way) -> Any:
        if not self._is(found):
            raise Refused(self._expected, found)
        return found


def whole_up_to(most: int, expected: str = "") -> Shape:
    """Return the shape of whole numbers from 0 to `most`."""
    expected = expected or f"a whole number from 0 to {most:,}"
    return Plain(expected, lambda found: type(found) is int and 0 <= found <= most)


WHOLE = whole_up_to(MOST, "a whole number from 0")
NUMBER: Shape = Plain("a whole number", lambda found: type(found) is int)
"""A whole number of a sender's, of any size: an index of `1e300`, or of "-5"."""
COUNT: Shape = Plain("a whole number from 1", lambda found: type(found) is int and 1 <= found <= MOST)
FLAG: Shape = Plain("true or false", lambda found: found is True or found is False)
TEXT: Shape = Plain("a text", lambda found: type(found) is str)


def known(names: Callable[[], Any], what: str) -> Shape:
    """Return the shape of a text that is one of `names()`, or empty."""
    return Plain(what, lambda found: type(found) is str and (not found or found in names()))


class _Bytes:
    """Bytes: as text if they are UTF-8, which most are, or else in base64."""

    def write(self, value: Any, way: Way) -> Any:
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}

    def read(self, found: Any, way: Way) -> bytes:
        try:
            if type(found) is str:
                return found.encode()
            if type(found) is dict and list(found) == ["base64"] and type(found["base64"]) is str:
                return base64.b64decode(found["base64"], validate=True)
        except ValueError:
            pass
        raise Refused("bytes: a text, or an object with their base64", found)


BYTES = _Bytes()


class Maybe:
    """A value or null."""

    __slots__ = ("_shape",)

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def write(self, value: Any, way: Way) -> Any:
        return None if value is None else self._shape.write(value, way)

    def read(self, found: Any, way: Way) -> Any:
        return None if found is None else self._shape.read(found, way)


class Each:
    """A list; `make` builds the container of the state from the list that was read."""

    __slots__ = ("_make", "_most", "_shape")

    def __init__(self, shape: Shape, make: Callable[[list[Any]], Any] = list, most: int = MOST) -> None:
        self._shape = shape
        self._make = make
        self._most = most

    def write(self, value: Any, way: Way) -> list[Any]:
        write = self._shape.write
        return [write(one, way) for one in value]

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not list or len(found) > self._most:
            raise Refused("a list" if self._most == MOST else f"a list of at most {self._most}", found)
        read, values = self._shape.read, []
        for number, one in enumerate(found):
            try:
                values.append(read(one, way))
            except Refused as refused:
                refused.steps.append(number)
                raise
        return self._make(values)


class Mapped:
    """An object whose names are data, in order."""

    __slots__ = ("_shape",)

    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def write(self, value: Any, way: Way) -> dict[str, Any]:
        return {name: self._shape.write(one, way) for name, one in value.items()}

    def read(self, found: Any, way: Way) -> dict[str, Any]:
        values = {}
        for name, one in members(found).items():
            with at(name):
                values[name] = self._shape.read(one, way)
        return values


class Row:
    """A tuple, as a list of as many items."""

    __slots__ = ("_shapes",)

    def __init__(self, *shapes: Shape) -> None:
        self._shapes = shapes

    def write(self, value: Any, way: Way) -> list[Any]:
        return [shape.write(one, way) for shape, one in zip(self._shapes, value, strict=True)]

    def read(self, found: Any, way: Way) -> tuple[Any, ...]:
        if type(found) is not list or len(found) != len(self._shapes):
            raise Refused(f"a list of {len(self._shapes)} items", found)
        values = []
        for number, (shape, one) in enumerate(zip(self._shapes, found, strict=True)):
            with at(number):
                values.append(shape.read(one, way))
        return tuple(values)


def members(found: Any) -> dict[str, Any]:
    """Return `found` if it is an object."""
    if type(found) is not dict:
        raise Refused("an object", found)
    return found
