"""The form of an object in a checkpoint: one table of its attributes.

Each attribute is either in the document (a `Slot`) or in `beside`, with the reason why it need not be: a test finds a new
attribute that is in neither. A slot with the value of a new object is left out of the document, so that a checkpoint of
little state is small. Cost: 0.5 us a slot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .shapes import Refused, Shape, Way, members

__all__ = ("CODE", "DERIVED", "OPTION", "OWNER", "PASSING", "REQUIRED", "New", "Record", "Slot", "Within", "within")

# Why an attribute is not in the document.
OPTION = "an option"
CODE = "code, which is passed again"
OWNER = "the accumulator's own, made with it"
PASSING = "used within one call"
DERIVED = "follows from the rest"

REQUIRED: Any = object()
"""The `blank` of a slot that is always in the document."""


class Slot:
    """One attribute of an object: its name in the document (the attribute's without an underscore), its shape, and the
    value that a new object has. `get(object, way)` and `put(object, value, way)`: for what is not a plain attribute."""

    __slots__ = ("attribute", "blank", "get", "name", "put", "shape")

    def __init__(
        self,
        attribute: str,
        shape: Shape,
        blank: Any = REQUIRED,
        get: Callable[[Any, Way], Any] | None = None,
        put: Callable[[Any, Any, Way], None] | None = None,
    ) -> None:
        self.attribute = attribute
        self.name = attribute.removeprefix("_")
        self.shape = shape
        self.blank = blank
        self.get = get
        self.put = put


class Record:
    """The form of an object of `kind`: `slots` are in the document, `beside` are not: attribute -> why not. `check`: what
    else must hold of an object that was read."""

    def __init__(
        self,
        kind: type[Any],
        *slots: Slot,
        beside: Mapping[str, str] | None = None,
        check: Callable[[Any, Way], str | None] | None = None,
    ) -> None:
        self.kind = kind
        self.slots = slots
        self.beside = dict(beside or {})
        self._names = frozenset(slot.name for slot in slots)
        self._check = check

    def write(self, value: Any, way: Way) -> dict[str, Any]:
        """Return the object as JSON, without the slots that are blank."""
        found = {}
        for slot in self.slots:
            one = getattr(value, slot.attribute) if slot.get is None else slot.get(value, way)
            blank = slot.blank
            if one is blank or (type(one) is type(blank) and one == blank):
                continue
            found[slot.name] = slot.shape.write(one, way)
        return found

    def fill(self, value: Any, found: Any, way: Way) -> Any:
        """Give the new object `value` the state in `found`; return it."""
        members(found)
        for slot in self.slots:
            name = slot.name
            if name not in found:
                if slot.blank is REQUIRED:
                    raise Refused(f"an object with {name!r}", found)
                continue
            try:
                one = slot.shape.read(found[name], way)
                if slot.put is None:
                    setattr(value, slot.attribute, one)
                else:
                    slot.put(value, one, way)
            except Refused as refused:
                refused.steps.append(name)
                raise
        if not self._names.issuperset(found):
            unknown = next(name for name in found if name not in self._names)
            raise Refused(f"no member but {', '.join(sorted(self._names))}", unknown)
        if self._check is not None and (expected := self._check(value, way)) is not None:
            raise Refused(expected, found)
        return value


class Within:
    """An object that the new accumulator has already: its record fills it."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record

    def write(self, value: Any, way: Way) -> Any:
        return self.record.write(value, way)

    def read(self, found: Any, way: Way) -> Any:
        return members(found)


def within(attribute: str, record: Record) -> Slot:
    """Return the slot of an object that a new owner has already."""

    def put(owner: Any, found: Any, way: Way) -> None:
        record.fill(getattr(owner, attribute), found, way)

    return Slot(attribute, Within(record), REQUIRED, put=put)


class New:
    """An object that is created to be filled by its record."""

    __slots__ = ("record",)

    def __init__(self, record: Record) -> None:
        self.record = record

    def write(self, value: Any, way: Way) -> Any:
        return self.record.write(value, way)

    def read(self, found: Any, way: Way) -> Any:
        return self.record.fill(self.record.kind(), found, way)
