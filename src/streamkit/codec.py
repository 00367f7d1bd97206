"""JSON to types and back, strict: what the seed's types accept under serde is accepted, what they refuse is refused.
With `tolerant=True` what an accumulator gave, and `dumps` wrote, is read back equal to it (`types/_structuring.py`, rule 9).

In: bytes, text, or a decoded value, and a type. Out: the object; ValidationError with every problem and its JSON path.
Back: new plain values, or compact JSON. Everything goes through one cattrs converter, `converter`, with hooks for the
types of `streamkit.types`; whatever cattrs can handle (lists, dataclasses, classes of the caller's) may hold them.
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
import math
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeAlias, TypeVar, overload

import attrs
import cattrs
import jiter

from ._arguments import check_bool, readable
from ._stack import guarded, has_room, require_room
from .errors import MisuseError, Problem, ValidationError, excerpt, shown
from .types._base import Wire
from .types._mismatch import Mismatch
from .types._structuring import STRICT, TOLERANT, Way, marked, shape_of
from .types._unstructuring import written

__all__ = ("converter", "dumps", "loads", "structure", "unstructure")

T = TypeVar("T")
Hook: TypeAlias = Callable[[Any, Any], Any]
Document: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, Any]

converter = cattrs.Converter()
"""The one door from JSON to types. Hooks of your own can be registered with it."""

_hooks: dict[Any, Hook] = {}
_tolerant_hooks: dict[Any, Hook] = {}
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _kept_encoder() -> Callable[[Any], str]:
    """The encoder, made once: `JSONEncoder.encode` makes the one in C anew at each call, which takes longer than a short
    response. Without one in C, or with another signature than CPython's, `encode` itself."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        pieces = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        if "".join(pieces([{"a": "é"}], 0)) == '[{"a":"é"}]':
            return lambda value: "".join(pieces(value, 0))
    except TypeError:
        pass
    return _encoder.encode


_encode = _kept_encoder()


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


def encoded(value: Any) -> bytes:
    """A JSON value as `dumps` writes it."""
    try:
        try:
            text = _encode(value)
        except ValueError:
            text = _encode(_finite(value))
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, RecursionError) and not has_room():
            raise
        raise ValidationError((Problem("$", "a JSON value", str(error)),)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # two halves side by side are one character, any other half is none
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


@overload
def structure(value: Any, target: type[T], *, tolerant: bool = False) -> T: ...
@overload
def structure(value: Any, target: Any, *, tolerant: bool = False) -> Any: ...
@guarded
def structure(value: Any, target: Any, *, tolerant: bool = False) -> Any:
    """Make an object of the type `target` from a decoded JSON value. One that is there already, at any depth, is kept.

    `target`: a class or union of `streamkit.types`, a list or dict of them, or anything that cattrs can make of them.
    `tolerant`: read what was written of an accumulator's response, with the words and numbers of any sender: the object
    is equal to that response, except that a number that is not finite became null. It takes types of `streamkit.types`
    only, and lists, dicts and unions of them.
    ValidationError lists every problem, up to 100, with its path. Free JSON inside (`extra`, schemas) is not copied.
    """
    if tolerant is not False and tolerant is not True:
        check_bool("tolerant=", tolerant)
    hooks = _tolerant_hooks if tolerant else _hooks
    try:
        hook = hooks[target]
    except (KeyError, TypeError, ValueError):  # the last: a memoryview that cannot be hashed
        hook = _tolerant_hook_of(target) if tolerant else _hook_of(target)
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


def _our_hook(target: Any, way: Way = STRICT) -> Hook:
    read = shape_of(target, way).read

    def hook(value: Any, _: Any) -> Any:
        try:
            return read(value)
        except Mismatch as mismatch:
            raise ValidationError(mismatch.problems(), type_name=_name(target)) from None

    return hook


def _is_wire(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, Wire)


def _read(value: Any, target: Any) -> Any:
    return _our_hook(target)(value, target)


converter.register_structure_hook_factory(_is_ours, lambda target: _our_hook(target))
for _type in (StrEnum, str, int, float, bool):  # cattrs looks these up by class before it asks any predicate
    converter.register_structure_hook(_type, _read)
converter.register_unstructure_hook_func(_is_wire, written)


def _hook_of(target: Any) -> Hook:
    if target is None:  # cattrs lets everything through then
        raise MisuseError("loads and structure take a type to make, not None")
    # cattrs takes an object of an attrs class, or of a dataclass, for its class, and fails when it makes one.
    require_room()
    made = attrs.has(type(target)) or dataclasses.is_dataclass(type(target))
    try:
        hook = None if made else converter.get_structure_hook(target)
    except RecursionError:
        raise
    except Exception as error:
        raise MisuseError(f"loads and structure take a type to make, not {shown(target)}: {shown(error)}") from None
    if hook is None:
        raise MisuseError(f"loads and structure take a type to make, not {shown(target)}")
    if not _is_ours(target):
        hook = _guarded(hook)
    try:
        _hooks[target] = hook
    except (TypeError, ValueError):
        pass  # not hashable, so looked up each time
    return hook


def _tolerant_hook_of(target: Any) -> Hook:
    try:
        hook = _tolerant_hooks[target] = _our_hook(target, TOLERANT)
    except TypeError:
        text = "tolerant=True takes a type of streamkit.types, or a list, dict or union of them, not"
        raise MisuseError(f"{text} {target!r}; read its parts one by one") from None
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


def _finite(value: Any) -> Any:
    """The same plain value with null for every number that JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return value
