"""Convert an object of the chat format to its JSON value on the wire.

In: an object of ours, or a JSON value, or any mixture. Out: new dicts and lists that share nothing with the input and
contain only strings, numbers, booleans, None, lists and dicts. Cost: linear, about 0.2 µs a written field.

Rule 1  Fields in the order of their class, then `extra`; a written field takes precedence over an extra of its name. In
        what senders write only a field with a value does: the tolerant reader keeps in `extra` what it could not read
        (`"usage": 7`), and the field is then None, or an empty list.
Rule 2  None is left out, unless the seed always writes the field: then it is null. A clean chunk (`Sparse`) has the
        nulls that it was created with, and no others.
Rule 3  The actual value of a field decides how it is written, not its declared type: the tolerant reader's words and
        numbers are written unchanged.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from operator import attrgetter
from typing import Any

import attrs

from ._base import Received, Sparse, Wire, is_written, wire_names
from ._logprobs import ChatCompletionTokenLogprob, TopLogprobs

__all__ = ("Make", "made", "written", "written_object")

Make = Callable[..., Any]
"""Builds a value from a class and its fields: `made` an object of the class, `written_object` its JSON value."""

_PLAIN = frozenset({str, int, float, bool, type(None)})
_MADE = frozenset({dict, list})
_ENTRIES = frozenset({TopLogprobs, ChatCompletionTokenLogprob})
_plans: dict[type, tuple[Any, tuple[tuple[str, bool], ...]]] = {}


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
    plan = _plans.get(kind)
    if plan is not None or isinstance(value, Wire):
        get, fields = plan or _planned(kind)
        found = {}
        extra = value.extra
        nulls = extra.nulls if type(extra) is Sparse else None
        for (name, null), one in zip(fields, get(value)):  # noqa: B905 - as many by construction, and this is hot
            if type(one) in _PLAIN:
                if one is not None or (null if nulls is None else name in nulls):
                    found[name] = one
            else:
                found[name] = written(one, other)
        if extra:
            _add_extra(found, kind, extra, other)
        return found
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


def made(kind: type[Wire], **fields: Any) -> Any:
    """Return the object of `kind` with these fields."""
    return kind(**fields)


def written_object(kind: type[Wire], **fields: Any) -> Any:
    """Return what `written` returns for the object of `kind` with these fields, without creating the object.

    Lists and dicts in `fields`, except `extra`, are used as they are: they were written before, and not shared.
    """
    _, plan = _plans.get(kind) or _planned(kind)
    found: dict[str, Any] = {}
    for name, null in plan:
        one = fields.get(name)
        if type(one) in _PLAIN:
            if one is not None or null:
                found[name] = one
        else:
            found[name] = one if type(one) in _MADE else written(one)
    if extra := fields["extra"]:
        _add_extra(found, kind, extra, None)
    return found


def _add_extra(found: dict[str, Any], kind: type[Wire], extra: Mapping[str, Any], other: Any) -> None:
    """Rule 1: write `extra` after the fields."""
    received = issubclass(kind, Received)
    for key, one in extra.items():
        if key not in found or (received and not is_written(found[key])):
            if not is_written(one) and received and key in wire_names(kind):
                continue  # the rest of a value that exceeded a limit
            found[_key(key)] = written(one, other)


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
        made["top_logprobs"] = [_entry(one, TopLogprobs, other) or written(one, other) for one in value.top_logprobs]
    return made


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str(key.value) if isinstance(key, Enum) else str(key)
    raise TypeError(f"{key!r} is not a key of a JSON object")


def _planned(kind: type[Wire]) -> tuple[Any, tuple[tuple[str, bool], ...]]:
    fields = tuple(
        (field.name, bool(field.metadata.get("null")))
        for field in attrs.fields(kind)
        if field.name != "extra" and field.metadata.get("wire") is not False
    )
    names = [name for name, _ in fields]
    get = attrgetter(*names) if len(names) > 1 else _only(names[0])
    plan = _plans[kind] = (get, fields)
    return plan


def _only(name: str) -> Any:
    get = attrgetter(name)
    return lambda value: (get(value),)
