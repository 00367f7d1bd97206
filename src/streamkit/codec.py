"""JSON to types and back, strict: accepts and refuses what the seed's types do under serde. With `tolerant=True` an
accumulator's response, written by `dumps`, is read back equal (`types/_structuring.py`, rule 9).

In: bytes, text, or a decoded value, and a type. Out: the object, or a ValidationError with every problem and its JSON
path. Back: new plain values, or compact JSON. Everything goes through two cattrs converters with hooks for the types of
`streamkit.types`, `converter` and `tolerant_converter`; anything that cattrs can handle (lists, dataclasses, your
classes) may contain them. Copy one to register hooks; an accumulator accepts such a copy of the tolerant one. Cost:
linear; a chunk takes about 5 µs in addition to the JSON, either way.

Departures from the seed, all on purpose:
  - unknown fields are kept, in `extra`, and written back; the seed drops them;
  - a tool call of the type `custom` is read (senders write it; the seed knows functions only);
  - numbers are Python's: no rounding to 32 bits, and whole numbers beyond 64 bits in free JSON stay whole;
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
from .types._mismatch import MISSING, Mismatch, wrong
from .types._mismatch import shown as found_as
from .types._refining import Hook, Refine, beside, refiner
from .types._structuring import SENDERS, STRICT, TOLERANT, Way, marked, shape_of
from .types._unstructuring import written

__all__ = ("converter", "dumps", "loads", "register_extra", "structure", "tolerant_converter", "unstructure")

T = TypeVar("T")
Document: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, Any]

converter = cattrs.Converter()
"""The strict converter. Register your hooks with it, or better with a copy.

A hook for one of our classes is called directly if that class is the target, and for each object of the class inside
another, innermost first, with the object that was read; it returns that object, or a copy changed by `attrs.evolve`.
"""

tolerant_converter = cattrs.Converter()
"""The tolerant converter: reads chunks as an accumulator does, and responses like `structure` with `tolerant=True`.

Register hooks with a copy (`tolerant_converter.copy()`), and pass it to `Accumulator`, `ChatStream` or `reassemble` as
`converter=`. Hooks for the classes of a chunk are called with each chunk, and what they return is folded, as plain
values; hooks for the classes of a response are called with each response that is read. `register_extra` creates the
most common kind, a class for an unknown field: name a class of the response for it to appear there.
"""

_hooks: dict[Any, Hook] = {}
_tolerant_hooks: dict[Any, Hook] = {}


@overload
def loads(data: Document, target: type[T], *, tolerant: bool = False) -> T: ...
@overload
def loads(data: Document, target: Any, *, tolerant: bool = False) -> Any: ...
@guarded
def loads(data: Document, target: Any, *, tolerant: bool = False) -> Any:
    """Parse one JSON document in UTF-8 into an object of the type `target`; a mapping counts as decoded already.

    `tolerant`: read what `dumps` wrote of an accumulator's response, like `structure`. Raises ValidationError if the
    data is not JSON (NaN, invalid UTF-8, half of a surrogate pair, anything after the end, nesting over 200 levels), if
    it does not match the type, or if a known field appears twice in an object. Of an unknown field, or in free JSON,
    the last of several with one name is kept; a number there that is too large for a float, such as 1e400, is read as
    infinity.
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
        # It is JSON, so a name appears twice. If an object knows that name, reading the marked document reports it.
        structure(json.loads(data, object_pairs_hook=marked), target, tolerant=tolerant)
    return structure(value, target, tolerant=tolerant)


@guarded
def dumps(obj: Any) -> bytes:
    """Return `obj` as compact JSON in UTF-8: one of our objects, a plain value, any mixture.

    Values that JSON cannot express are written as valid JSON: a number that is not finite as null, half of a surrogate
    pair as U+FFFD. Raises ValidationError for anything else that is not JSON.
    """
    return encoded(unstructure(obj))


@overload
def structure(value: Any, target: type[T], *, tolerant: bool = False) -> T: ...
@overload
def structure(value: Any, target: Any, *, tolerant: bool = False) -> Any: ...
@guarded
def structure(value: Any, target: Any, *, tolerant: bool = False) -> Any:
    """Convert a decoded JSON value to an object of the type `target`. Objects already of their type are kept, at any
    depth.

    `target`: a class or union of `streamkit.types`, a list or dict of them, or anything that cattrs can build from
    them.
    `tolerant`: read what was written of an accumulator's response, with any sender's words and numbers: the object is
    equal to that response, except that a number that is not finite was written as null. A chunk is read as an
    accumulator reads it: any object is accepted. Raises ValidationError with every problem, up to 100, and its path.
    Free JSON inside (`extra`, schemas) is not copied.
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
    """Return `obj` as plain values: new dicts and lists, strings, numbers, booleans, None. Plain values are copied.

    Fields are in the order of their class, then those in `extra`. Fields that are None are left out or null, as in the
    reference types. Raises ValidationError for a value that is not JSON (a set, bytes), and for endless nesting.
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
    """Return an object that is not ours as plain values, by cattrs; what cattrs does not know is returned unchanged.

    cattrs tries its predicates one after the other to find a hook, skips those that raise, and caches the result: after
    a RecursionError it would cache the wrong one. So there must be room on the stack.
    """
    require_room()
    return written(converter.unstructure(obj))


def _is_ours(target: Any) -> bool:
    try:
        shape_of(target)
    except TypeError:
        return False
    return True


_ways: WeakKeyDictionary[Hook, Way] = WeakKeyDictionary()  # the hooks created here: all others are a caller's
_typing: WeakSet[Hook] = WeakSet()  # those that only convert extra fields to objects


def _our_hook(target: Any, way: Way, owner: cattrs.Converter) -> Hook:
    """Return how `owner` reads one of our types: directly, then by the caller's hooks for the objects inside."""
    read = shape_of(target, way).read
    refine: Refine | None = None
    planned = False  # planned at first use: a caller may register more hooks before

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
    """Return a function that applies the hooks of `owner`, except those in `but`."""

    def hook_of(cls: type[Wire]) -> Hook | None:
        hook = owner.get_structure_hook(cls)
        return None if hook in _ways or hook in but else hook

    return refiner(target, hook_of, inside=inside)


def refiners(owner: object) -> tuple[Callable[[Any], tuple[Any, Any]] | None, Refine | None]:
    """Return functions that apply the hooks of `owner`, a copy of `tolerant_converter`, to a chunk and to a response.

    The first returns two chunks: the one that the hooks made, and the one to fold, by rules that know plain values
    only: the chunk as read, if the hooks only converted extra fields to objects, or else the hooks' chunk, written and
    read again.
    """
    hook = owner.get_structure_hook(_Sentinel) if isinstance(owner, cattrs.Converter) else None
    if not isinstance(owner, cattrs.Converter) or hook is None or _ways.get(hook) is not TOLERANT:
        found = "a converter that is not a copy of it" if isinstance(owner, cattrs.Converter) else shown(owner)
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
    """A class for which no caller has a hook: a converter's hook for it shows which converter it is a copy of."""


def register_extra(converter: cattrs.Converter, cls: type[Wire], name: str, type_: Any) -> None:
    """Register that the field `name`, which the format does not define, is a `type_` in the `extra` of each `cls`.

    `converter`: a copy of `tolerant_converter`, or of `converter`. `type_`: anything that converter can structure, such
    as your attrs class or dataclass, or a list of them. An absent or null field stays so. A value that does not match
    is kept unchanged in tolerant reading, and refused with a ValidationError in strict reading. Raises MisuseError for a
    field that the format defines, and for a type that the converter cannot structure.
    """
    if not isinstance(converter, cattrs.Converter) or not (isinstance(cls, type) and issubclass(cls, Wire)):
        raise MisuseError(
            "register_extra() takes a cattrs converter and a class of streamkit.types that has `extra`, not"
            f" {shown(converter)} and {shown(cls)}"
        )
    if not isinstance(name, str):
        raise MisuseError(f"register_extra() takes the name of a field as str, not {shown(name)}")
    if name != "extra" and name in attrs.fields_dict(cls):
        raise MisuseError(
            f"register_extra() takes a field that the format does not define: {cls.__name__} has {name!r} already"
        )
    try:
        converter.get_structure_hook(type_, cache_result=False)
    except cattrs.errors.StructureHandlerNotFoundError:
        raise MisuseError(
            f"register_extra() takes a type that the converter can structure, and {shown(type_)} is none: pass an attrs"
            " class or a dataclass, or register a hook for it first"
        ) from None
    except Exception:  # a class whose annotations name one that is defined later
        pass
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
                problems = tuple(_problems(error, f"$.{name}", _said(type_), found))
                raise ValidationError(problems, type_name=_name(cls)) from error
            return made
        return attrs.evolve(made, extra={**made.extra, name: typed})

    if read in _ways or read in _typing:
        _typing.add(hook)
    converter.register_structure_hook(cls, hook)


def _is_wire(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, Wire)


def _open(owner: cattrs.Converter, way: Way) -> None:
    """Register the hooks for our types with `owner`."""

    def make(target: Any, owner: cattrs.BaseConverter) -> Hook:
        return _our_hook(target, way, owner)  # type: ignore[arg-type]

    scalars: dict[Any, Hook] = {}

    def read(value: Any, target: Any) -> Any:
        hook = scalars.get(target)
        if hook is None:
            hook = scalars[target] = _our_hook(target, way, owner)
        return hook(value, target)

    owner.register_structure_hook_factory(_is_ours, make)
    for kind in (StrEnum, str, int, float, bool):  # cattrs looks these up by class before it tries any predicate
        owner.register_structure_hook(kind, read)
    owner.register_unstructure_hook_func(_is_wire, written)


def _sender(cls: type[Wire], read: Callable[[dict[str, Any]], Any]) -> None:
    """Read `cls` tolerantly, with the reader for sender data, like `Accumulator.add`."""

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
    if target is None:  # cattrs then accepts everything
        raise MisuseError("loads() and structure() take a type as their target, not None")
    # cattrs treats an object of an attrs class, or of a dataclass, as its class, and fails on creating one.
    require_room()
    made = attrs.has(type(target)) or dataclasses.is_dataclass(type(target))
    owner = tolerant_converter if tolerant else converter
    try:
        hook = None if made else owner.get_structure_hook(target)
    except RecursionError:
        raise
    except Exception as error:
        raise MisuseError(
            f"loads() and structure() take a type as their target, not {shown(target)}:"
            f" {_without_hook(error) or shown(error)}"
        ) from None
    if hook is None:
        raise MisuseError(f"loads() and structure() take a type as their target, not {shown(target)}")
    if not _is_ours(target):
        hook = _guarded(hook)
    try:
        (_tolerant_hooks if tolerant else _hooks)[target] = hook
    except (TypeError, ValueError):
        pass  # not hashable, so looked up every time
    return hook


def _guarded(hook: Hook) -> Hook:
    """Wrap a hook of cattrs or of the caller so that its exceptions are converted to ours."""

    def checked(value: Any, target: Any) -> Any:
        require_room()
        try:
            return hook(value, target)
        except Exception as error:
            if isinstance(error, RecursionError) and not has_room():
                raise
            unknown = _without_hook(error)
            if unknown is not None:  # the class is at fault, not the value: found only now inside an optional field
                raise MisuseError(f"{_said(target)} cannot be structured: {unknown}") from None
            problems = tuple(_problems(error, "$", _said(target), value))
            raise ValidationError(problems, type_name=_name(target)) from error

    return checked


def _without_hook(error: BaseException) -> str | None:
    """Return which type cattrs has no hook for, and what to do, if that is what an exception of it says."""
    if isinstance(error, cattrs.errors.StructureHandlerNotFoundError):
        return (
            f"cattrs has no hook for {shown(error.type_)}: register one, by"
            " streamkit.codec.converter.register_structure_hook, or take a pydantic model for the whole"
        )
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next(filter(None, map(_without_hook, inner)), None)


_NOT_AN_OBJECT = (TypeError, AttributeError, IndexError)  # what looking a field up in 7, null or a list raises


def _problems(error: Exception, path: str, expected: str, value: Any) -> Iterator[Problem]:
    """Yield what an exception of cattrs, or of a hook, says of the value at `path`."""
    if isinstance(error, ValidationError):
        for problem in error.problems:
            yield Problem(path + problem.path.removeprefix("$"), problem.expected, problem.got)
    elif isinstance(error, cattrs.BaseValidationError):
        if isinstance(error, cattrs.IterableValidationError):
            items, others = error.group_exceptions()
            notes = [(inner, f"[{item.index}]", item.index, item.type) for inner, item in items]
        else:
            fields, others = error.group_exceptions()  # type: ignore[attr-defined]
            notes = [(inner, f".{field.name}", field.name, field.type) for inner, field in fields]
            if not isinstance(value, Mapping) and all(isinstance(one, _NOT_AN_OBJECT) for one in error.exceptions):
                yield Problem(path, expected, found_as(value))
                return
        for inner, step, key, type_ in notes:
            yield from _problems(inner, path + step, _said(type_), _at(value, key))
        for inner in others:
            yield from _problems(inner, path, expected, value)
    elif isinstance(error, KeyError) and (value is MISSING or isinstance(value, Mapping)):
        yield Problem(path, expected, "nothing")
    elif isinstance(error, TypeError) and str(error).endswith("is not iterable"):  # 7 for a list
        yield Problem(path, expected, found_as(value))
    else:
        yield Problem(path, expected, f"{type(error).__name__}: {error}")


def _at(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except Exception:
        return MISSING


def _said(target: Any) -> str:
    """Return a type in the words of an annotation: `City`, `list[str]`, `City | None`."""
    return target.__name__ if isinstance(target, type) and not hasattr(target, "__args__") else str(target)


def _name(target: Any) -> str:
    return target.__name__ if isinstance(target, type) else ""


def _refuse(data: bytes | str, reason: str, target: Any) -> NoReturn:
    problem = Problem("$", "a JSON document in UTF-8", f"{excerpt(data)!r} ({reason})")
    raise ValidationError((problem,), type_name=_name(target))
