"""Read one JSON value as one type, by the rules of serde, with which the seed's types are read.

In: a decoded JSON value (or an object of ours already) and a type. Out: the object, or `Mismatch` with every problem
and its path. Cost: one closure a type, built when the type is first used; a chunk takes a few microseconds.

Rule 1  An object is a mapping with string keys. Fields that may be None may be absent; unknown fields go to `extra`.
Rule 2  An object may also be a list with the value of every field, in order, none left out (serde's `visit_seq`).
Rule 3  A word of an enum may also be a mapping from the word to null (serde's unit variant).
Rule 4  true and false are not numbers, 1.0 is not an integer; an integer is accepted for a float field.
Rule 5  A union without a tag is the first member that fits, in the order written. A union of tagged objects goes by the
        tag.
Rule 6  Inside a union without a tag the tag may be a number, the position of the member (serde reads tags from its
        buffer this way; an accident of serde, kept because it decides what is accepted).
Rule 7  An object of the type itself is accepted unchanged, at any depth.
Rule 8  A known field that appears twice in an object is refused, if the JSON reader marked it (`marked`).

Tolerant reading accepts a written accumulator response, and what senders write:

Rule 9   A word is the member of its enum, or else itself: `eos` stays `eos`. Aliases are for strict reading only. The
         finish reasons `""` and `null` count as none.
Rule 10  A number has no range, and a list of numbers may contain anything.
Rule 11  A field may be absent if its attribute can be None or has a default, even if strict reading requires it.
Rule 12  A value that does not match an optional field is kept in `extra` under its name, like in `chunk_reader`. A
         value that does not match a required field is refused.
Rule 13  The accidents of serde (rules 2, 3 and 6) do not apply: a list is never an object.
Rule 14  A class in `SENDERS` is read by its reader there: chunks, which senders write, never refuse an object.
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
    """A JSON object in which names appear more than once; it has the last value of each."""

    names: frozenset[str] = frozenset()
    """Those names."""


def marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object, marked if a name appears twice, so that reading can refuse it (rule 8); an
    `object_pairs_hook`."""
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = Twice(made)
    twice.names = frozenset(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return twice


@attrs.frozen
class Shape:
    """How one type is read, and what the error says if a value does not match."""

    read: Read
    """Convert a JSON value to the object; raises `Mismatch`."""
    expected: str
    """The accepted values, as named in an error message."""
    kinds: frozenset[str]
    """The kinds of JSON value that can match."""
    exact: type | None = None
    """Values of exactly this class are accepted unchanged."""
    optional: bool = False
    """Whether null is accepted."""


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
    """Like STRICT, inside a union without a tag (rule 6)."""
    TOLERANT = "tolerant"
    """A written response of an accumulator (rules 9 to 13)."""


STRICT, BUFFERED, TOLERANT = Way
SENDERS: dict[type[Wire], Read] = {}
"""The tolerant readers of classes that senders write (rule 14): `codec` adds those of `_decode`, which is a higher
level."""

_shapes: dict[tuple[Any, Way], Shape] = {}


def shape_of(type_: Any, way: Way = STRICT) -> Shape:
    """Return how `type_` is read; raise TypeError if it is not one of ours."""
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
    """Return `value` as `type_`, for a constructor that accepts mappings too; ValidationError has paths from `path`."""
    try:
        return shape_of(type_).read(value)
    except Mismatch as mismatch:
        raise ValidationError(mismatch.problems(path)) from None


def each(value: Iterable[T], path: str) -> Iterable[T]:
    """Return `value`, for a constructor that accepts an iterable; raise ValidationError if it is not one."""
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray, memoryview)):
        raise ValidationError((Problem(path, "a list", shown(value)),))
    return value


@overload
def word(enum: type[E], value: str) -> E | str: ...
@overload
def word(enum: type[E], value: str | None) -> E | str | None: ...
def word(enum: type[E], value: str | None) -> E | str | None:
    """Return the member of `enum` for a word, or the word itself if unknown: it may be newer than this library."""
    if isinstance(value, str):
        return typing.cast(E, enum._value2member_map_.get(value, value))
    return value


def _built(type_: Any, way: Way) -> Shape:
    for kind in _KINDS_OF_TYPE:
        if (shape := kind(type_, way)) is not None:
            return shape
    raise TypeError(f"{type_!r} is not a type of the chat format")


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
"""Each returns the shape of types of one kind, None for others; tried in this order."""


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
    """Return the shape of an enum's member: unknown words are refused, so that a union with str keeps the word (rule
    9)."""
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
        if len(fitting) == 1:  # the problems inside say more than that nothing matches
            fitting[0].read(value)
        raise wrong(value, expected)

    return Shape(read, expected, frozenset().union(*(shape.kinds for shape in shapes)))


def _inside(way: Way) -> Way:
    """Return how the contents of a union are read: serde reads them from a buffer."""
    return way if way is TOLERANT else BUFFERED


def _tag(member: type[Wire]) -> str | None:
    return next((field.name for field in attrs.fields(member) if field.metadata.get("tag")), None)


def _said(member: type[Wire], key: str) -> Any:
    """Return the word that distinguishes `member` from its siblings: the default of the field `key`."""
    return attrs.fields_dict(member)[key].default


def _told(members: tuple[type[Wire], ...], tag: str, way: Way) -> Shape:
    """Return the shape of a union of tagged objects, whose contents serde always reads from a buffer."""
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
    """Return the shape of a union of objects with a `type`: the one with that word, the first for any other word."""
    if any("type" not in attrs.fields_dict(member) for member in members):
        raise TypeError(
            f"{members[0].__name__} and {members[1].__name__} cannot be distinguished: read them one by one"
        )
    shapes = {_said(member, "type"): shape_of(member, way) for member in members}
    first = shape_of(members[0], way)

    def read(value: Any) -> Any:
        if isinstance(value, members):
            return value
        said = value.get("type") if isinstance(value, Mapping) else None
        return (shapes.get(said, first) if isinstance(said, str) else first).read(value)

    return Shape(read, first.expected, first.kinds)


def _object(cls: type[Wire], way: Way, told: bool = False) -> Shape:
    """Return the shape of one class; `told`: as a member of a union, so its tag is fixed and not among the fields."""
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
            # Read on its own, the object may omit its tag, and any other word there is unknown to it (rule 1).
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
    """Return for each field except the tag: its name, the substitute for an absent value, the class of values that need
    no reading, the reader of others, and the factory of its default in tolerant reading."""
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
    """Return the factory for the value of an absent field (rule 11); None if the field is required."""
    default: Any = None if shape.optional else field.default
    if default is attrs.NOTHING:
        return None
    return default.factory if hasattr(default, "factory") else lambda: default


def is_text(value: Any) -> bool:
    """Return True if `value` can be a key of a JSON object."""
    return isinstance(value, str)
