"""JSON to types and back, strict: what the seed's types accept under serde is accepted, what they refuse is refused.
With `tolerant=True` what an accumulator gave, and `dumps` wrote, is read back equal to it (`types/_structuring.py`, rule 9).

In: bytes, text, or a decoded value, and a type. Out: the object; ValidationError with every problem and its JSON path.
Back: new plain values, or compact JSON. Everything goes through two cattrs converters with hooks for the types of
`streamkit.types`, `converter` and `tolerant_converter`; whatever cattrs can handle (lists, dataclasses, classes of the
caller's) may hold them. Copy one to register hooks; an accumulator takes such a copy of the tolerant one.
Cost: linear; a chunk about 5 µs beyond the JSON, either way.

Departures from the seed, all on purpose:
  - unknown fields are kept, in `extra`, and written back; the seed drops them;
  - a tool call of the type `custom` is read (senders write it; the seed knows functions only);
  - numbers stay Python's: no rounding to 32 bits, and whole numbers beyond 64 bits in free JSON stay whole;
  - nesting is read down to 200 levels (the JSON reader's limit; the seed's is 128).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Container, Iterator, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeAlias, TypeVar, overload
from weakref import WeakKeyDictionary, WeakSet

import attrs
import cattrs
import jiter

from ._arguments import check_bool, readable
from ._decode.chunk_reader import read_choice, read_chunk, read_delta, read_fragment, read_function
from ._decode.tolerant_json import scrub
from ._stack import guarded, has_room, require_room
from .anomalies import ignore
from .errors import MisuseError, Problem, ValidationError, excerpt, shown
from .types import (
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FunctionCallStream,
)
from .types._base import Wire
from .types._encoding import encoded
from .types._mismatch import Mismatch, wrong
from .types._refining import Hook, Refine, beside, refiner
from .types._structuring import SENDERS, STRICT, TOLERANT, Way, marked, shape_of
from .types._unstructuring import written

__all__ = ("converter", "dumps", "loads", "register_extra", "structure", "tolerant_converter", "unstructure")

T = TypeVar("T")
Document: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, Any]

converter = cattrs.Converter()
"""The strict door from JSON to types. Hooks of your own can be registered with it, or better with a copy.

A hook for a class of ours is called by itself where that class is the target, and for each object of the class inside
another, innermost first, with the object that was read; it returns that one, or a copy changed by `attrs.evolve`.
"""

tolerant_converter = cattrs.Converter()
"""The tolerant door: reads chunks as an accumulator does, and responses as `structure` does with `tolerant=True`.

Register hooks with a copy (`tolerant_converter.copy()`), and hand it to `Accumulator`, `ChatStream` or `reassemble` as
`converter=`: hooks for the classes of a chunk are called with each chunk, and what they return is folded, as plain values;
those for the classes of a response are called with each response that is read. `register_extra` makes the commonest kind,
a class for a field: name a class of the response for it to arrive there.
"""

_hooks: dict[Any, Hook] = {}
_tolerant_hooks: dict[Any, Hook] = {}


@overload
def loads(data: Document, target: type[T], *, tolerant: bool = False) -> T: ...
@overload
def loads(data: Document, target: Any, *, tolerant: bool = False) -> Any: ...
@guarded
def loads(data: Document, target: Any, *, tolerant: bool = False) -> Any:
    """Make an object of the type `target` from one JSON document in UTF-8; a mapping is a document already decoded.

    `tolerant`: read what `dumps` wrote of an accumulator's response, as `structure` does.
    ValidationError where it is no JSON (NaN, invalid UTF-8, half a surrogate pair, anything after the end, nesting
    over 200 levels), where it does not fit, and where a known field stands twice in an object. Of an unknown field, or
    in free JSON, the last one of a name stands; a number there that is too great for a float, as 1e400,
    becomes infinite.
    """
    if tolerant is not False and tolerant is not True:
        check_bool("tolerant=", tolerant)
    if isinstance(data, Mapping):
        return structure(data, target, tolerant=tolerant)
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            _refuse(data, str(error), target)
    elif isinstance(data, (bytearray, memoryview)):
        data = readable(data)
    elif not isinstance(data, bytes):
        raise MisuseError(f"loads takes bytes, str or a mapping, not {type(data).__name__}")
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        try:
            value = jiter.from_json(data, allow_inf_nan=False)
        except ValueError as error:
            _refuse(data, str(error), target)
        # It is JSON, so a name stands twice. Where an object knows that name, reading the marked document says so.
        structure(json.loads(data, object_pairs_hook=marked), target, tolerant=tolerant)
    return structure(value, target, tolerant=tolerant)


@guarded
def dumps(obj: Any) -> bytes:
    """`obj` as compact JSON in UTF-8: an object of ours, a plain value, any mixture.

    What JSON cannot say is written so that it stays valid: a number that is not finite as null; half
    a surrogate pair as U+FFFD. ValidationError for anything else that is no JSON.
    """
    return encoded(unstructure(obj))


@overload
def structure(value: Any, target: type[T], *, tolerant: bool = False) -> T: ...
@overload
def structure(value: Any, target: Any, *, tolerant: bool = False) -> Any: ...
@guarded
def structure(value: Any, target: Any, *, tolerant: bool = False) -> Any:
    """Make an object of the type `target` from a decoded JSON value. One that is there already, at any depth, is kept.

    `target`: a class or union of `streamkit.types`, a list or dict of them, or anything that cattrs can make of them.
    `tolerant`: read what was written of an accumulator's response, with the words and numbers of any sender: the object
    is equal to that response, except that a number that is not finite became null. A chunk is read as an accumulator
    reads it: any object is one.
    ValidationError lists every problem, up to 100, with its path. Free JSON inside (`extra`, schemas) is not copied.
    """
    if tolerant is not False and tolerant is not True:
        check_bool("tolerant=", tolerant)
    hooks = _tolerant_hooks if tolerant else _hooks
    try:
        hook = hooks[target]
    except (KeyError, TypeError, ValueError):  # the last: a memoryview that cannot be hashed
        hook = _hook_of(target, tolerant)
    return hook(value, target)


@guarded
def unstructure(obj: Any) -> Any:
    """`obj` as plain values: new dicts and lists, strings, numbers, booleans, None. Plain values come back, copied.

    Fields come in the order of their class, then what stood in `extra`. Fields that are None are left out or null as
    in the reference types. ValidationError for what is no JSON value (a set, bytes), and where nesting has no end.
    """
    try:
        return written(obj, _foreign)
    except ValidationError:
        raise
    except (AttributeError, RecursionError, TypeError, ValueError) as error:  # an `extra` that is not a mapping
        if isinstance(error, RecursionError) and not has_room():
            raise
        raise ValidationError((Problem("$", "a JSON value", str(error)),)) from None


def _foreign(obj: Any) -> Any:
    """What cattrs makes of an object that is not ours, as plain values: what it knows nothing of, it gives back.

    cattrs asks one predicate after the other for its hooks, passes over those that raise, and keeps what it found for
    good: with RecursionError among them it would keep the wrong one. So there must be room.
    """
    require_room()
    return written(converter.unstructure(obj))


def _is_ours(target: Any) -> bool:
    try:
        shape_of(target)
    except TypeError:
        return False
    return True


_ways: WeakKeyDictionary[Hook, Way] = WeakKeyDictionary()  # of the hooks made here: all others are a caller's
_typing: WeakSet[Hook] = WeakSet()  # those that only make objects of extra fields


def _our_hook(target: Any, way: Way, owner: cattrs.Converter) -> Hook:
    """How `owner` reads a type of ours: at once, and then by the caller's hooks for what stands inside."""
    read = shape_of(target, way).read
    refine: Refine | None = None
    planned = False  # when first used: a caller may register more before

    def hook(value: Any, _: Any) -> Any:
        nonlocal refine, planned
        try:
            made = read(value)
        except Mismatch as mismatch:
            raise ValidationError(mismatch.problems(), type_name=_name(target)) from None
        if not planned:
            refine, planned = _refiner(target, owner, inside=True), True
        return made if refine is None else refine(made)

    _ways[hook] = way
    return hook


def _refiner(
    target: Any, owner: cattrs.Converter, *, inside: bool, but: Container[Hook] = frozenset()
) -> Refine | None:
    """Return what applies the hooks of `owner`, `but` some."""

    def hook_of(cls: type[Wire]) -> Hook | None:
        hook = owner.get_structure_hook(cls)
        return None if hook in _ways or hook in but else hook

    return refiner(target, hook_of, inside=inside)


def refiners(owner: object) -> tuple[Callable[[Any], tuple[Any, Any]] | None, Refine | None]:
    """Return what applies the hooks of `owner`, a copy of `tolerant_converter`, to a chunk and to a response.

    Of a chunk it returns two: as the hooks made it, and what is to be folded, by rules that know plain values only: the
    chunk as it was read, where the hooks only made objects of extra fields, or else what they made, written and read again.
    """
    hook = owner.get_structure_hook(_Sentinel) if isinstance(owner, cattrs.Converter) else None
    if not isinstance(owner, cattrs.Converter) or hook is None or _ways.get(hook) is not TOLERANT:
        found = "a converter that is no copy of it" if isinstance(owner, cattrs.Converter) else shown(owner)
        raise MisuseError(
            "converter= takes streamkit.codec.tolerant_converter, or what its copy() returned with hooks of yours, not"
            f" {found}"
        )
    refine = _refiner(CreateChatCompletionStreamResponse, owner, inside=False)

    changes = refine is not None and _refiner(CreateChatCompletionStreamResponse, owner, inside=False, but=_typing)

    def both(chunk: Any) -> tuple[Any, Any]:
        assert refine is not None
        made = refine(chunk)
        if not changes or made is chunk:
            return made, chunk
        return made, beside(made, structure(unstructure(made), CreateChatCompletionStreamResponse, tolerant=True))

    response = _refiner(CreateChatCompletionResponse, owner, inside=False)
    return None if refine is None else both, response


@attrs.frozen(weakref_slot=False, repr=False)
class _Sentinel(Wire):
    """A class that no caller has a hook for: which hook a converter has for it says what that converter is a copy of."""


def register_extra(converter: cattrs.Converter, cls: type[Wire], name: str, type_: Any) -> None:
    """Register that the field `name`, which the format does not know, is a `type_` in the `extra` of each `cls`.

    `converter`: a copy of `tolerant_converter`, or of `converter`. `type_`: whatever that converter can structure, a class
    of yours by attrs or dataclasses, a list of them. What is absent or null stays so. What does not fit stays as it was
    where reading is tolerant, and is refused with a ValidationError where it is strict.
    """
    if not isinstance(converter, cattrs.Converter) or not (isinstance(cls, type) and issubclass(cls, Wire)):
        raise MisuseError(
            "register_extra() takes a cattrs converter and a class of streamkit.types that has `extra`, not"
            f" {shown(converter)} and {shown(cls)}"
        )
    if not isinstance(name, str):
        raise MisuseError(f"register_extra() takes the name of a field as str, not {shown(name)}")
    read: Hook = converter.get_structure_hook(cls)
    strict = _ways.get(converter.get_structure_hook(_Sentinel)) is not TOLERANT

    def hook(value: Any, target: Any) -> Any:
        made = read(value, target)
        found = made.extra.get(name)
        if found is None:
            return made
        try:
            typed = converter.structure(found, type_)
        except Exception as error:
            if isinstance(error, RecursionError) and not has_room():
                raise
            if strict:
                problems = tuple(_problems(error, f"$.{name}", _name(type_)))
                raise ValidationError(problems, type_name=_name(cls)) from error
            return made
        return attrs.evolve(made, extra={**made.extra, name: typed})

    if read in _ways or read in _typing:
        _typing.add(hook)
    converter.register_structure_hook(cls, hook)


def _is_wire(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, Wire)


def _open(owner: cattrs.Converter, way: Way) -> None:
    """Register the hooks for the types of ours with `owner`."""

    def make(target: Any, owner: cattrs.BaseConverter) -> Hook:
        return _our_hook(target, way, owner)  # type: ignore[arg-type]

    scalars: dict[Any, Hook] = {}

    def read(value: Any, target: Any) -> Any:
        hook = scalars.get(target)
        if hook is None:
            hook = scalars[target] = _our_hook(target, way, owner)
        return hook(value, target)

    owner.register_structure_hook_factory(_is_ours, make)
    for kind in (StrEnum, str, int, float, bool):  # cattrs looks these up by class before it asks any predicate
        owner.register_structure_hook(kind, read)
    owner.register_unstructure_hook_func(_is_wire, written)


def _sender(cls: type[Wire], read: Callable[[dict[str, Any]], Any]) -> None:
    """Read `cls` tolerantly by the reader of what senders write, as `Accumulator.add` reads it."""

    def taken(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise wrong(value, cls.__name__)
        return read(scrub(dict(value)))

    SENDERS[cls] = taken


_sender(CreateChatCompletionStreamResponse, lambda value: read_chunk(value, ignore))
_sender(ChatChoiceStream, lambda value: read_choice(value, 0, ignore))
_sender(ChatCompletionStreamResponseDelta, lambda value: read_delta(value, "$", ignore))
_sender(ChatCompletionMessageToolCallChunk, lambda value: read_fragment(value, "$", ignore))
_sender(FunctionCallStream, lambda value: read_function(value, "$", ignore))
_open(converter, STRICT)
_open(tolerant_converter, TOLERANT)


def _hook_of(target: Any, tolerant: bool) -> Hook:
    if target is None:  # cattrs lets everything through then
        raise MisuseError("loads and structure take a type to make, not None")
    # cattrs takes an object of an attrs class, or of a dataclass, for its class, and fails when it makes one.
    require_room()
    made = attrs.has(type(target)) or dataclasses.is_dataclass(type(target))
    owner = tolerant_converter if tolerant else converter
    try:
        hook = None if made else owner.get_structure_hook(target)
    except RecursionError:
        raise
    except Exception as error:
        raise MisuseError(f"loads and structure take a type to make, not {shown(target)}: {shown(error)}") from None
    if hook is None:
        raise MisuseError(f"loads and structure take a type to make, not {shown(target)}")
    if not _is_ours(target):
        hook = _guarded(hook)
    try:
        (_tolerant_hooks if tolerant else _hooks)[target] = hook
    except (TypeError, ValueError):
        pass  # not hashable, so looked up each time
    return hook


def _guarded(hook: Hook) -> Hook:
    """A hook of cattrs or the caller's, whose exceptions are made ours."""

    def checked(value: Any, target: Any) -> Any:
        require_room()
        try:
            return hook(value, target)
        except Exception as error:
            if isinstance(error, RecursionError) and not has_room():
                raise
            raise ValidationError(tuple(_problems(error, "$", _name(target))), type_name=_name(target)) from error

    return checked


def _problems(error: Exception, path: str, expected: str) -> Iterator[Problem]:
    if isinstance(error, ValidationError):
        for problem in error.problems:
            yield Problem(path + problem.path.removeprefix("$"), problem.expected, problem.got)
    elif isinstance(error, cattrs.ClassValidationError):
        fields, others = error.group_exceptions()
        for inner, field in fields:
            yield from _problems(inner, f"{path}.{field.name}", getattr(field.type, "__name__", str(field.type)))
        for inner in others:
            yield from _problems(inner, path, expected)
    elif isinstance(error, cattrs.IterableValidationError):
        items, others = error.group_exceptions()
        for inner, item in items:
            yield from _problems(inner, f"{path}[{item.index}]", getattr(item.type, "__name__", str(item.type)))
        for inner in others:
            yield from _problems(inner, path, expected)
    elif isinstance(error, KeyError):
        yield Problem(path, expected, "nothing")
    else:
        yield Problem(path, expected, f"{type(error).__name__}: {error}")


def _name(target: Any) -> str:
    return target.__name__ if isinstance(target, type) else ""


def _refuse(data: bytes | str, reason: str, target: Any) -> NoReturn:
    problem = Problem("$", "a JSON document in UTF-8", f"{excerpt(data)!r} ({reason})")
    raise ValidationError((problem,), type_name=_name(target))
