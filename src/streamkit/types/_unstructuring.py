"""Convert an object of the chat format to its JSON value on the wire.

In: an object of ours, or a JSON value, or any mixture. Out: new dicts and lists that share nothing with the input and
contain only strings, numbers, booleans, None, lists and dicts. Cost: linear, about 0.1 µs a written field.

Rule 1  Fields in the order of their class, then `extra`; a written field takes precedence over an extra of its name. In
        what senders write only a field with a value does: the tolerant reader keeps in `extra` what it could not read
        (`"usage": 7`), and the field is then None, or an empty list.
Rule 2  None is left out, unless the seed always writes the field: then it is null. A clean chunk (`Sparse`) has the
        nulls that it was created with, and no others.
Rule 3  The actual value of a field decides how it is written, not its declared type: the tolerant reader's words and
        numbers are written unchanged.
"""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from functools import partial
from operator import attrgetter
from typing import Any

import attrs
import jiter

from ._base import Received, Sparse, Wire, is_written, wire_names
from ._enums import FinishReason, Role, ServiceTierResponse
from ._logprobs import ChatCompletionTokenLogprob, TopLogprobs

__all__ = ("Make", "json_values", "objects", "written")

Make = Mapping[type[Wire], Callable[..., Any]]
"""Builds values of classes from their fields, `make[ChatChoice](index=0, …)`: `objects` the object, `json_values` what
`written` returns for it, without creating it."""

_PLAIN = frozenset({str, int, float, bool, type(None)})
_KEPT = _PLAIN | {dict, list, Role, FinishReason, ServiceTierResponse}
_ENTRIES = frozenset({TopLogprobs, ChatCompletionTokenLogprob})


def written(value: Any, other: Any = None) -> Any:
    """Return `value` as a JSON value. What is neither ours nor JSON is passed to `other`; without one, raise
    TypeError."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [one if type(one) in _PLAIN else written(one, other) for one in value]
    if kind is dict:
        return {
            key if type(key) is str else _key(key): one if type(one) in _PLAIN else written(one, other)
            for key, one in value.items()
        }
    if kind in _ENTRIES and (entry := _entry(value, kind, other)) is not None:
        return entry
    if isinstance(value, str) and isinstance(value, StrEnum):  # the second alone asks the metaclass of all enums
        return str.__str__(value)
    get = _getters.get(kind)
    if get is not None or isinstance(value, Wire):
        get = get or _getter(kind)
        extra = value.extra
        nulls = extra.nulls if type(extra) is Sparse else None
        settle = written if other is None else partial(written, other=other)
        return json_values[kind](*get(value), extra, settle, nulls, _PLAIN)
    if isinstance(value, Enum):
        return written(value.value, other)
    for base in (str, bool, int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, (list, tuple)):
        return [written(one, other) for one in value]
    if isinstance(value, Mapping):
        return {_key(key): written(one, other) for key, one in value.items()}
    if other is None:
        raise TypeError(f"{kind.__name__} is not a JSON value")
    return other(value)


class _Objects(dict[type[Wire], Callable[..., Any]]):
    """Maps each class to itself."""

    def __missing__(self, kind: type[Wire]) -> Callable[..., Any]:
        return kind


class _JsonValues(dict[type[Wire], Callable[..., Any]]):
    """Maps each class to its builder, made at its first use."""

    def __missing__(self, kind: type[Wire]) -> Callable[..., Any]:
        build = self[kind] = _builder(kind)
        return build


objects: Make = _Objects()
json_values: Make = _JsonValues()
"""Lists and dicts among the fields and in `extra` are used as they are: they were written before. So are the words of the
format: an encoder writes them as the text that they are."""


def _builder(kind: type[Wire]) -> Callable[..., Any]:
    """Return the function `(*fields, extra, settle, nulls, kept)` that writes an object of `kind` with these fields by
    rules 1 and 2. `settle` writes a field whose type is none of `kept`.

    It is compiled from source, as attrs does for `__init__`: a loop over the fields takes twice as long.
    """
    fields = [field for field in attrs.fields(kind) if field.name != "extra"]
    given = "".join(f"{one.name}=None, " for one in fields)
    lines = [f"def build({given}extra=None, _settle=_settle, _nulls=None, _kept=_kept):"]
    lines.append(" _found = {}")
    for one in fields:
        if one.metadata.get("wire") is not False:
            name = one.name
            lines.append(f" if {name} is not None:")
            lines.append(f"  _found['{name}'] = {name} if _type({name}) in _kept else _settle({name})")
            null = "_nulls is None or" if one.metadata.get("null") else "_nulls is not None and"
            lines.append(f" elif {null} '{name}' in _nulls:")
            lines.append(f"  _found['{name}'] = None")
    lines.append(" if extra: _add_extra(_found, _kind, extra, _settle, _kept)")
    lines.append(" return _found")
    names = {"_kept": _KEPT, "_add_extra": _add_extra, "_kind": kind, "_settle": written, "_type": type}
    exec("\n".join(lines), names)
    build: Callable[..., Any] = names["build"]  # type: ignore[assignment]
    return build


def _add_extra(
    found: dict[str, Any], kind: type[Wire], extra: Mapping[str, Any], settle: Any, kept: frozenset[type]
) -> None:
    """Rule 1: write `extra` after the fields."""
    received = issubclass(kind, Received)
    for key, one in extra.items():
        if key not in found or (received and not is_written(found[key])):
            if not is_written(one) and received and key in wire_names(kind):
                continue  # the rest of a value that exceeded a limit
            found[key if type(key) is str else _key(key)] = one if type(one) in kept else settle(one)


def _entry(value: Any, kind: type, other: Any) -> dict[str, Any] | None:
    """Return what `written` returns for an entry of log probabilities that is kept compact, or None for any other:
    nothing is created in it just to be written."""
    token, number, numbers = value.token, value.logprob, value.kept_bytes
    if type(value.kept_extra) is not int or type(token) is not str or type(number) is not float:
        return None
    if numbers is not None:
        numbers = list(token.encode()) if type(numbers) is int else written(numbers, other)
    made = {"token": token, "logprob": number, "bytes": numbers}
    if kind is ChatCompletionTokenLogprob:
        tops = value.kept_tops
        if type(tops) is bytes:  # their JSON, exactly in the format
            made["top_logprobs"] = jiter.from_json(tops)
        else:
            made["top_logprobs"] = [_entry(one, TopLogprobs, other) or written(one, other) for one in tops]
    return made


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key.value) if isinstance(key, Enum) else str(key)
    raise TypeError(f"{key!r} is not a key of a JSON object")


_getters: dict[type[Wire], Callable[[Any], tuple[Any, ...]]] = {}


def _getter(kind: type[Wire]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads all fields of a `kind` but `extra`."""
    names = [field.name for field in attrs.fields(kind) if field.name != "extra"]
    get: Callable[[Any], tuple[Any, ...]] = attrgetter(*names) if len(names) > 1 else _only(names[0])
    _getters[kind] = get
    return get


def _only(name: str) -> Any:
    get = attrgetter(name)
    return lambda value: (get(value),)
