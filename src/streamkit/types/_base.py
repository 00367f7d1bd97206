"""Shared by every type of the chat format: one base class, the number ranges of the wire, the marks on fields.

In: nothing. Out: `Wire`, the range aliases `U8`, `U32`, `I64`, `F32`, and the marks that control reading and writing.
Cost: none at run time; a class is inspected once, when the first value of it is read or written.

Rule 1  A field has its wire name. Its annotation is the type of the attribute.
Rule 2  If strict reading accepts less than the annotation allows (the tolerant reader leaves unknown words as plain
        strings), the field's metadata has the strict type: `{"strict": FinishReason | None}`. If an accumulator leaves
        values that the annotation does not allow, it has `{"tolerant": Any}`.
Rule 3  A field that may be None may be absent from the JSON; every other field is required, whatever default the
        constructor has.
Rule 4  None is left out on writing, unless the field is marked `NULL`: then it is written as null.
Rule 5  A field marked `LOCAL` is never read from or written to the wire.
Rule 6  A class with a field marked `TAG` is distinguished from its siblings by that field's word. In a union the word
        is required and always written; a mapping read as the class itself may omit it, as in the seed, and is then
        written without it (the field is None).
Rule 7  In what senders write (`Received`), an entry of `extra` with the name of a field that has a value is not on the
        wire, and so not compared: the ISO date that a sender wrote, next to the seconds it was converted to.
Rule 8  A chunk that was written clean shows by the type of its `extra` (`Sparse`) which of its nulls are on the wire.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Annotated, Any, TypeAlias

import attrs

from .._field_docs import explain

__all__ = (
    "F32",
    "I64",
    "LOCAL",
    "NULL",
    "TAG",
    "U8",
    "U32",
    "Between",
    "Received",
    "Sparse",
    "Told",
    "Wire",
    "is_written",
    "wire_names",
)

NULL = {"null": True}
"""Metadata: None is written as null, since the seed always writes the field."""

LOCAL = {"wire": False}
"""Metadata: local only, neither read nor written."""

TAG = {"tag": True}
"""Metadata: the word that distinguishes this class from its siblings in a union (`role` of messages, `type` of
parts)."""


@attrs.frozen
class Between:
    """Annotation mark: a whole number from `low` to `high`, both included."""

    low: int
    """The least."""
    high: int
    """The greatest."""


@attrs.frozen
class Told:
    """Annotation mark: a union with only one known member so far; its tag is required nevertheless."""


U8: TypeAlias = Annotated[int, Between(0, 2**8 - 1)]
U32: TypeAlias = Annotated[int, Between(0, 2**32 - 1)]
I64: TypeAlias = Annotated[int, Between(-(2**63), 2**63 - 1)]
F32: TypeAlias = float  # the seed keeps 32 bits of precision; here a number is kept unchanged


class Sparse(dict[str, Any]):
    """The `extra` of an object whose fields that are None are not on the wire, but for those in `nulls` (rule 8)."""

    def __init__(self, extra: Mapping[str, Any], nulls: frozenset[str]) -> None:
        super().__init__(extra)
        self.nulls = nulls

    def __reduce__(self) -> tuple[Any, ...]:
        return Sparse, (dict(self), self.nulls)


@attrs.frozen(weakref_slot=False, repr=False)
class Wire:
    """Base class of every object of the chat format: keeps unknown fields, and its `repr` shows only fields with a
    value."""

    extra: dict[str, Any] = attrs.field(factory=dict, kw_only=True, hash=False)
    """Fields of the JSON object that its type does not define, unchanged. They are written back; a known field of the
    same name takes precedence."""

    def __init_subclass__(cls) -> None:
        explain(cls)

    def __repr__(self) -> str:
        shown = []
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if field.name == "extra" or (field.default is not attrs.NOTHING and value == _default(field)):
                continue
            shown.append(f"{field.name}={value!r}")
        if self.extra:
            shown.append(f"extra={self.extra!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


@attrs.frozen(weakref_slot=False, repr=False)
class Received(Wire):
    """Base class of what senders write, chunks and responses: `extra` may have, under the name of a field, a value that
    the tolerant reader could not read (rule 7)."""

    # Its subclasses are created with `eq=False`, or attrs would write them an `__eq__` that compares all of `extra`.
    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        assert isinstance(other, Received)
        compared = _compared(type(self))
        return bool(compared(self) == compared(other)) and (
            self.extra == other.extra or _written_extra(self) == _written_extra(other)
        )

    def __hash__(self) -> int:
        return hash((type(self), _compared(type(self))(self)))


def _default(field: "attrs.Attribute[Any]") -> Any:
    default: Any = field.default
    return default.factory() if hasattr(default, "factory") else default


_getters: dict[type[Received], Callable[[Received], Any]] = {}


def _compared(cls: type[Received]) -> Callable[[Received], Any]:
    """Return a function that reads the compared fields of a `cls`, without `extra`."""
    get = _getters.get(cls)
    if get is None:
        names = [field.name for field in attrs.fields(cls) if field.eq and field.name != "extra"]
        get = _getters[cls] = attrgetter(*names)
    return get


def is_written(value: Any) -> bool:
    """Return True if a field has a value to write; otherwise an extra of the field's name is written instead."""
    return value is not None and value != []


def _written_extra(one: Received) -> dict[str, Any]:
    known = wire_names(type(one))
    return {
        name: item
        for name, item in one.extra.items()
        if name not in known or (is_written(item) and not is_written(getattr(one, name)))
    }


def wire_names(cls: type[Wire]) -> frozenset[str]:
    """Return the names of the fields that the format defines for an object of this type."""
    fields = attrs.fields(cls)
    return frozenset(field.name for field in fields if field.name != "extra" and field.metadata.get("wire", True))
