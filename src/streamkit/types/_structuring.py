"""One JSON value to one type, by the rules of serde, which the seed's types are read by.

In: a decoded JSON value (or an object that is already there) and a type. Out: the object, or `Mismatch` with every
problem found and where. Cost: one closure a type, built when the type is first met; a chunk takes a few microseconds.

Rule 1  An object is a mapping with string keys. Fields that may be None may be absent; unknown fields go to `extra`.
Rule 2  An object is also a list with the value of every field, in order, none left out (serde's `visit_seq`).
Rule 3  A word of an enum is also a mapping from the word to null (serde's unit variant).
Rule 4  true and false are no numbers, 1.0 is no whole number; a whole number is one for a field of fractions.
Rule 5  A union without a tag is what fits first, in the order written. A union of tagged objects goes by the tag.
Rule 6  Inside a union without a tag the tag may be a number, the position of the member (serde reads tags from its
        buffer so; it is an accident of serde, kept since it decides what is accepted).
Rule 7  An object of the type itself is taken as it is, at any depth.
Rule 8  A known field that stands twice in an object is refused, where the reader of the JSON marked it (`marked`).

Read tolerantly, a value is what the writing of a response makes of one that an accumulator gave, and what senders write:

Rule 9   A word is the member of its enum, or else itself: `eos` stays `eos`. Aliases are for strict reading only. Of a
         finish reason `""` and `null` are none.
Rule 10  A number has no range, and in a list of numbers anything may stand.
Rule 11  A field may be absent wherever its attribute can be None or has a default, also where strict reading wants it.
Rule 12  What does not fit a field that may be absent is kept in `extra` under its name, as `chunk_reader` keeps it. What
         does not fit a field that must be there is refused as ever.
Rule 13  The accidents of serde (rules 2, 3 and 6) do not hold: no list is an object.
Rule 14  A class in `SENDERS` is read by the reader that stands there: chunks, which senders write, never refuse an object.
"""

import math
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, overload

import attrs

from streamkit.errors import Problem, ValidationError

from ._base import Between, Told, Wire
from ._mismatch import MAX_PROBLEMS, MISSING, Found, Mismatch, shown, wrong

__all__ = ("SENDERS", "STRICT", "TOLERANT", "Shape", "Way", "each", "marked", "shape_of", "taken", "word")

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Read: TypeAlias = Callable[[Any], Any]


class Twice(dict[str, Any]):
    """A JSON object in which names stand more than once; the last value of each is here."""

    names: frozenset[str] = frozenset()
    """Those names."""


def marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `object_pairs_hook`: the object, marked where a name stands twice, so that reading it can refuse (rule 8)."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = Twice(made)
    twice.names = frozenset(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return twice


@attrs.frozen
class Shape:
    """How one type is read, and what is said where a value does not fit."""

    read: Read
    """A JSON value to the object; raises `Mismatch`."""
    expected: str
    """What it takes, in the words of an error message."""
    kinds: frozenset[str]
    """Which kinds of JSON value can fit at all."""
    exact: type | None = None
    """Values of exactly this class need no reading."""
    optional: bool = False
    """Whether null is taken."""


_KINDS: dict[type, str] = {
    str: "str",
    bool: "bool",
    int: "number",
    float: "number",
    list: "list",
    tuple: "list",
    Mapping: "object",
}


class Way(Enum):
    """How a type is read."""

    STRICT = "strict"
    """As the seed reads it."""
    BUFFERED = "buffered"
    """The same, within a union without a tag (rule 6)."""
    TOLERANT = "tolerant"
    """As what was written of what an accumulator gave (rules 9 to 13)."""


STRICT, BUFFERED, TOLERANT = Way
SENDERS: dict[type[Wire], Read] = {}
"""How classes are read tolerantly that senders write (rule 14): `codec` puts the readers of `_decode` here, which stand above."""

_shapes: dict[tuple[Any, Way], Shape] = {}


def shape_of(type_: Any, way: Way = STRICT) -> Shape:
    """How `type_` is read; TypeError where it is none of ours."""
    key = (type_, way)
    shape = _shapes.get(key)
    if shape is None:
        shape = _shapes[key] = _built(type_, way)
    return shape


@overload
def taken(value: Any, type_: type[T], path: str = "$") -> T: ...
@overload
def taken(value: Any, type_: Any, path: str = "$") -> Any: ...
def taken(value: Any, type_: Any, path: str = "$") -> Any:
    """`value` as `type_`, for a constructor that takes mappings too; ValidationError with paths from `path` on."""
    try:
        return shape_of(type_).read(value)
    except Mismatch as mismatch:
        raise ValidationError(mismatch.problems(path)) from None


def each(value: Iterable[T], path: str) -> Iterable[T]:
    """`value`, for a constructor that takes any number of items; ValidationError where it has none to give."""
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, memoryview)):
        raise ValidationError((Problem(path, "a list", shown(value)),))
    return value


@overload
def word(enum: type[E], value: str) -> E | str: ...
@overload
def word(enum: type[E], value: str | None) -> E | str | None: ...
def word(enum: type[E], value: str | None) -> E | str | None:
    """The member of `enum` for its word. A word that `enum` does not know stays as it is: it may be newer than we."""
    if isinstance(value, str):
        return typing.cast(E, enum._value2member_map_.get(value, value))
    return value


def _built(type_: Any, way: Way) -> Shape:
    for kind in _KINDS_OF_TYPE:
        if (shape := kind(type_, way)) is not None:
            return shape
    raise TypeError(f"{type_!r} is no type of the chat format")


def _scalar(type_: Any, way: Way) -> Shape | None:
    return _SCALARS.get(type_)


def _annotated(type_: Any, way: Way) -> Shape | None:
    if typing.get_origin(type_) is not Annotated:
        return None
    inner, *marks = typing.get_args(type_)
    for mark in marks:
        if isinstance(mark, Between):
            return _SCALARS[int] if way is TOLERANT else _whole(mark)
        if isinstance(mark, Told):
            return _told((inner,), _tag(inner) or "type", way)
    return shape_of(inner, way)


def _container(type_: Any, way: Way) -> Shape | None:
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin is list:
        item = shape_of(args[0], way)
        return _list(_SCALARS[Any] if way is TOLERANT and item.kinds == {"number"} else item)
    return _dict(shape_of(args[1], way)) if origin is dict and args[0] is str else None


def _words(type_: Any, way: Way) -> Shape | None:
    if typing.get_origin(type_) is Literal:
        return _word_of({value: value for value in typing.get_args(type_)})
    if not (isinstance(type_, type) and issubclass(type_, StrEnum)):
        return None
    if way is TOLERANT:
        return _member_of(type_)
    others = getattr(type_, "__aliases__", {})
    return _word_of({str(one): one for one in type_} | {said: type_(own) for said, own in others.items()}, type_)


def _alternatives(type_: Any, way: Way) -> Shape | None:
    unions = (typing.Union, types.UnionType)
    return _union(typing.get_args(type_), way) if typing.get_origin(type_) in unions else None


def _class(type_: Any, way: Way) -> Shape | None:
    if not (isinstance(type_, type) and issubclass(type_, Wire)):
        return None
    if way is TOLERANT and type_ in SENDERS:
        return Shape(SENDERS[type_], type_.__name__, frozenset({"object"}))
    return _object(type_, way)


_KINDS_OF_TYPE = (_scalar, _annotated, _container, _words, _alternatives, _class)
"""Each gives the shape of the types of its kind, None for others. In the order in which they are tried."""


def _anything(value: Any) -> Any:
    if value is MISSING:
        raise wrong(value, "any JSON value")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.value if isinstance(value, Enum) else str(value)
    raise wrong(value, "str")


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise wrong(value, "bool")


def _fraction(value: Any) -> float:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        raise wrong(value, "a finite number")
    raise wrong(value, "float")


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise wrong(value, "int")


_SCALARS: dict[Any, Shape] = {
    Any: Shape(_anything, "any JSON value", frozenset({"null", *_KINDS.values()})),
    str: Shape(_text, "str", frozenset({"str"}), exact=str),
    bool: Shape(_truth, "bool", frozenset({"bool"}), exact=bool),
    float: Shape(_fraction, "float", frozenset({"number"})),
    int: Shape(_integer, "int", frozenset({"number"}), exact=int),
}


def _whole(mark: Between) -> Shape:
    low, high = mark.low, mark.high

    def read(value: Any) -> int:
        if type(value) is int and low <= value <= high:
            return value
        number = _integer(value)
        if low <= number <= high:
            return number
        raise wrong(value, f"int from {low} to {high}")

    return Shape(read, "int", frozenset({"number"}))


def _list(item: Shape) -> Shape:
    read_item = item.read

    def read(value: Any) -> list[Any]:
        if type(value) is not list and not isinstance(value, (list, tuple)):
            raise wrong(value, expected)
        try:
            return [read_item(one) for one in value]
        except Mismatch:
            pass
        found: Found = []
        for at, one in enumerate(value):
            try:
                read_item(one)
            except Mismatch as mismatch:
                found += mismatch.under(f"[{at}]")
                if len(found) >= MAX_PROBLEMS:
                    break
        raise Mismatch(found)

    expected = f"list[{item.expected}]"
    return Shape(read, expected, frozenset({"list"}))


def _dict(item: Shape) -> Shape:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong(value, expected)
        found: Found = []
        made = {}
        for key, one in value.items():
            try:
                made[_text(key)] = item.read(one)
            except Mismatch as mismatch:
                found += mismatch.under(f"[{shown(key)}]")
                if len(found) >= MAX_PROBLEMS:
                    break
        if found:
            raise Mismatch(found)
        return made

    expected = f"dict[str, {item.expected}]"
    return Shape(read, expected, frozenset({"object"}))


def _word_of(words: dict[str, Any], enum: type[StrEnum] | None = None) -> Shape:
    expected = _one_of(words if enum is None else (member.value for member in enum))

    def read(value: Any) -> Any:
        if isinstance(value, str):
            member = words.get(value)
            if member is not None:
                return member
        elif enum is not None and isinstance(value, Mapping) and len(value) == 1 and type(value) is not Twice:
            (name, nothing), *_ = value.items()
            if nothing is None and isinstance(name, str) and name in words:
                return words[name]
        raise wrong(value, expected)

    return Shape(read, expected, frozenset({"str"}))


def _member_of(enum: type[StrEnum]) -> Shape:
    """The member for its word, refused where there is none: in a union with str the word stays as it is (rule 9)."""
    members = enum._value2member_map_
    expected = _one_of(member.value for member in enum)

    def read(value: Any) -> Any:
        if isinstance(value, str) and (member := members.get(value)) is not None:
            return member
        raise wrong(value, expected)

    return Shape(read, expected, frozenset({"str"}))


def _one_of(words: Iterable[str]) -> str:
    quoted = [f'"{one}"' for one in words]
    return quoted[0] if len(quoted) == 1 else f"one of {', '.join(quoted)}"


def _union(members: tuple[Any, ...], way: Way) -> Shape:
    some = tuple(member for member in members if member is not types.NoneType)
    inner = _of_several(some, way) if len(some) > 1 else shape_of(some[0], way)
    if len(some) == len(members):
        return inner
    read_inner = inner.read
    nothing = frozenset().union(*(getattr(one, "__nothing__", ()) for one in some)) if way is TOLERANT else ()

    def read(value: Any) -> Any:
        if value is None or (nothing and isinstance(value, str) and value.lower() in nothing):
            return None
        return read_inner(value)

    return attrs.evolve(
        inner, read=read, expected=f"{inner.expected} | null", kinds=inner.kinds | {"null"}, optional=True
    )


def _of_several(members: tuple[Any, ...], way: Way) -> Shape:
    if all(isinstance(member, type) and issubclass(member, Wire) for member in members):
        tag = _tag(members[0])
        return _told(members, tag, way) if tag else _by_type(members, way)
    shapes = tuple(shape_of(member, _inside(way)) for member in members)
    reads = tuple(shape.read for shape in shapes)
    expected = " | ".join(shape.expected for shape in shapes)

    def read(value: Any) -> Any:
        for one in reads:
            try:
                return one(value)
            except Mismatch:
                continue
        kind = next((name for cls, name in _KINDS.items() if isinstance(value, cls)), "")
        fitting = [shape for shape in shapes if kind in shape.kinds]
        if len(fitting) == 1:  # what is wrong inside says more than that nothing fits
            fitting[0].read(value)
        raise wrong(value, expected)

    return Shape(read, expected, frozenset().union(*(shape.kinds for shape in shapes)))


def _inside(way: Way) -> Way:
    """How what stands inside a union is read: serde reads it from a buffer."""
    return way if way is TOLERANT else BUFFERED


def _tag(member: type[Wire]) -> str | None:
    return next((field.name for field in attrs.fields(member) if field.metadata.get("tag")), None)


def _said(member: type[Wire], key: str) -> Any:
    """The word that tells `member` from its siblings: the default of the field `key`."""
    return attrs.fields_dict(member)[key].default


def _told(members: tuple[type[Wire], ...], tag: str, way: Way) -> Shape:
    """A union of tagged objects. What stands inside is read from a buffer, whether the union itself was or not."""
    reads = {_said(member, tag): _object(member, _inside(way), told=True).read for member in members}
    in_order = tuple(reads.values())
    expected = _one_of(reads)

    def read(value: Any) -> Any:
        said: Any
        rest: Any
        if isinstance(value, members):
            return value if getattr(value, tag) is not None else attrs.evolve(value, **{tag: _said(type(value), tag)})
        if isinstance(value, Mapping):
            said, rest = value.get(tag, MISSING), value
        elif isinstance(value, (list, tuple)) and way is not TOLERANT:
            said, rest = (value[0], value[1:]) if value else (MISSING, value)
        else:
            raise wrong(value, "object")
        chosen = None
        if isinstance(said, str):
            chosen = reads.get(said)
        elif way is BUFFERED and type(said) is int and 0 <= said < len(in_order):
            chosen = in_order[said]
        if chosen is None:
            raise Mismatch([("." + tag, expected, shown(said))])
        return chosen(rest)

    return Shape(read, "object", frozenset({"object", "list"}))


def _by_type(members: tuple[type[Wire], ...], way: Way) -> Shape:
    """A union of objects that read their own `type`: the one whose word stands there, the first for any other."""
    if any("type" not in attrs.fields_dict(member) for member in members):
        raise TypeError(f"nothing tells {members[0].__name__} from {members[1].__name__}: read them one by one")
    shapes = {_said(member, "type"): shape_of(member, way) for member in members}
    first = shape_of(members[0], way)

    def read(value: Any) -> Any:
        if isinstance(value, members):
            return value
        said = value.get("type") if isinstance(value, Mapping) else None
        return (shapes.get(said, first) if isinstance(said, str) else first).read(value)

    return Shape(read, first.expected, first.kinds)


def _object(cls: type[Wire], way: Way, told: bool = False) -> Shape:
    """The shape of one class; `told`: as a member of a union, so its tag is set and not among the fields."""
    tag = _tag(cls)
    tolerant = way is TOLERANT
    plan = _plan_of(cls, way, tag)
    names = tuple(name for name, *_ in plan)
    known = frozenset((*names, tag) if tag and told else names)
    tag_word = _said(cls, tag) if tag else None
    keyed = any(field.kw_only for field in attrs.fields(cls) if field.name in names)
    by_name_only = tolerant or getattr(cls, "by_name_only", False)

    def read(value: Any) -> Any:
        if type(value) is not dict:
            if isinstance(value, cls):
                return value
            value = as_mapping(value)
        get = value.get
        values = []
        kept: list[str] = []
        found: Found = []
        if type(value) is Twice:
            found += [("." + name, "one value", "several") for name in sorted(value.names & known)]
        for name, absent, exact, read_one, default in plan:
            raw = get(name, absent)
            if type(raw) is exact or (raw is None and absent is None):
                values.append(raw)
                continue
            try:
                values.append(read_one(raw))
            except Mismatch as mismatch:
                if default is None:
                    found += mismatch.under("." + name)
                    continue
                values.append(default())
                if raw is not MISSING:
                    kept.append(name)
        extra = (
            {key: one for key, one in value.items() if key not in known or key in kept}
            if kept or not known.issuperset(value)
            else {}
        )
        if extra and not all(map(is_text, extra)):
            found += [("", "keys that are str", shown(key)) for key in extra if not is_text(key)]
        if found:
            raise Mismatch(found)
        if tag is not None:
            # Read by itself, the object may go without its tag, and any other word there is unknown to it (rule 1).
            own = told or (type(extra.get(tag)) is str and extra[tag] == tag_word)
            if own:
                extra.pop(tag, None)
            return cls(*values, extra=extra, **{tag: tag_word if own else None})
        if keyed:
            return cls(**dict(zip(names, values, strict=True)), extra=extra)
        return cls(*values, extra=extra)

    def as_mapping(value: Any) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        if isinstance(value, (list, tuple)) and len(value) == len(names) and not by_name_only:
            return dict(zip(names, value, strict=True))
        raise wrong(value, cls.__name__)

    return Shape(read, cls.__name__, frozenset({"object"} if by_name_only else {"object", "list"}))


def _plan_of(cls: type[Wire], way: Way, tag: str | None) -> list[tuple[str, Any, type | None, Read, Any]]:
    """Of each field but the tag: its name, what stands for an absent value, the class of values that need no reading, how
    others are read, and what makes its default where reading is tolerant."""
    hints = typing.get_type_hints(cls, include_extras=True)
    mark = "tolerant" if way is TOLERANT else "strict"
    plan = []
    for field in attrs.fields(cls):
        if field.name in ("extra", tag) or field.metadata.get("wire") is False:
            continue
        shape = shape_of(field.metadata.get(mark, hints[field.name]), way)
        default = _default_of(field, shape) if way is TOLERANT else None
        plan.append((field.name, None if shape.optional else MISSING, shape.exact, shape.read, default))
    return plan


def _default_of(field: "attrs.Attribute[Any]", shape: Shape) -> Callable[[], Any] | None:
    """What makes the value of a field that is absent (rule 11); None where it must be there."""
    default: Any = None if shape.optional else field.default
    if default is attrs.NOTHING:
        return None
    return default.factory if hasattr(default, "factory") else lambda: default


def is_text(value: Any) -> bool:
    """Whether a key can be one of a JSON object."""
    return isinstance(value, str)
