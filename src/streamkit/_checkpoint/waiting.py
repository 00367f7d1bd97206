"""Events that wait for their reader, in a checkpoint of a `ChatStream`: `{"event": "ContentDelta", "sequence": 4, ...}`.

The stream that resumes returns them first, so that its reader has each event once. An object of the response in them is
written as `dumps` writes it, and read tolerantly. Cost: O(the events).
"""

from __future__ import annotations

from typing import Any

import attrs

from .. import events
from .._decode.logprobs_reader import read_logprobs
from .._fold.assembler import Assembler
from ..anomalies import CODES, Anomaly, ignore
from ..errors import ValidationError
from ..types import (
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionResponseMessageAudio,
    FunctionCall,
)
from ..types._unstructuring import written
from .endings import ERROR
from .shapes import (
    BYTES,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Each,
    Maybe,
    Plain,
    Refused,
    Row,
    Shape,
    Way,
    at,
    known,
    members,
)
from .values import JSON, TOKENS, USAGE, WORD, tagged

__all__ = ("FIELDS", "read_events", "write_events")


class _Object:
    """An object of a response."""

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind

    def write(self, value: Any, way: Way) -> Any:
        return tagged(written(value))

    def read(self, found: Any, way: Way) -> Any:
        from ..codec import structure  # needs cattrs

        value = members(JSON.read(found, way))
        try:
            return structure(value, self._kind, tolerant=True)
        except ValidationError as error:
            raise Refused(f"a {self._kind.__name__} ({error})", value) from None


_CALLS = {True: _Object(ChatCompletionMessageCustomToolCall), False: _Object(ChatCompletionMessageToolCall)}


class _Call:
    """A tool call, with what is not on the wire."""

    def write(self, value: Any, way: Way) -> Any:
        custom = isinstance(value, ChatCompletionMessageCustomToolCall)
        return [custom, value.complete, value.synthetic_id, _CALLS[custom].write(value, way)]

    def read(self, found: Any, way: Way) -> Any:
        custom, complete, synthetic, call = Row(FLAG, FLAG, FLAG, JSON).read(found, way)
        read = _CALLS[custom].read(call, way)
        return attrs.evolve(read, complete=complete, synthetic_id=synthetic)


class _Logprobs:
    """All log probabilities of a choice."""

    def write(self, value: Any, way: Way) -> Any:
        return tagged(written(value))

    def read(self, found: Any, way: Way) -> Any:
        return read_logprobs(members(JSON.read(found, way)), "$", ignore, {})


class _Anomaly:
    """An anomaly as it was first seen: what it means is in `CODES`."""

    _shape = Row(known(lambda: CODES, "the code of an anomaly"), TEXT, WHOLE, COUNT, Maybe(TEXT))

    def write(self, value: Any, way: Way) -> Any:
        return [value.code, value.path, value.event, value.count, value.excerpt]

    def read(self, found: Any, way: Way) -> Any:
        code, path, event, count, excerpt = self._shape.read(found, way)
        if not code:
            raise Refused("the code of an anomaly", code)
        return Anomaly(code, *CODES[code], path, event, count, excerpt)


class _Reason:
    """A finish reason, or null."""

    def write(self, value: Any, way: Way) -> Any:
        return WORD.write(value, way)

    def read(self, found: Any, way: Way) -> Any:
        value = WORD.read(found, way)
        if value is not None and not isinstance(value, str):
            raise Refused("a finish reason or null", found)
        return value


_NOTHING = Plain("null", lambda found: found is None)

FIELDS: dict[str, Shape] = {
    "annotations": Each(JSON),
    "anomaly": _Anomaly(),
    "arguments": TEXT,
    "audio": _Object(ChatCompletionResponseMessageAudio),
    "call": WHOLE,
    "choice": NUMBER,
    "content": TOKENS,
    "data": BYTES,
    "error": ERROR,
    "finish_reason": _Reason(),
    "function_call": _Object(FunctionCall),
    "id": TEXT,
    "logprobs": _Logprobs(),
    "name": TEXT,
    "outcome": _NOTHING,  # that of the accumulator
    "refusal": TOKENS,
    "reopened": FLAG,
    "sequence": WHOLE,
    "text": TEXT,
    "tool_call": _Call(),
    "transcript": TEXT,
    "usage": USAGE,
}
"""The shape of each field that an event may have."""

_CLASSES: dict[str, type[Any]] = {
    name: getattr(events, name)
    for name in events.__all__
    if attrs.has(getattr(events, name, None))  # type: ignore[arg-type]
}


_FOLLOWS = frozenset({"path_events"})  # from the text of the arguments: `_fold/growing.py` reads it again


def fields_of(kind: type[Any]) -> list[str]:
    """Return the names of the fields of a class of events that are in the document."""
    return [field.name for field in attrs.fields(kind) if field.name not in _FOLLOWS]


def write_events(waiting: Any, assembler: Assembler) -> list[Any]:
    """Return events as JSON; `assembler`: of their accumulator, whose error and outcome they may have."""
    way, found = Way(assembler.context), []
    for event in waiting:
        fields: dict[str, Any] = {"event": type(event).__name__}
        for name in fields_of(type(event)):
            value = getattr(event, name)
            if name == "outcome" or value is assembler.error:
                value = None
            fields[name] = None if value is None else FIELDS[name].write(value, way)
        found.append(fields)
    return found


def read_events(found: Any, assembler: Assembler) -> list[Any]:
    """Return the events of this JSON."""
    way = Way(assembler.context)
    if type(found) is not list:
        raise Refused("a list of events", found)
    waiting = []
    for number, one in enumerate(found):
        with at(number):
            if type(one) is not dict or type(name := one.get("event")) is not str or name not in _CLASSES:
                raise Refused("an event, with the name of its class", one)
            kind = _CLASSES[name]
            names = fields_of(kind)
            if one.keys() != {"event", *names}:
                raise Refused(f"an event with {', '.join(names)}, and no other member", one)
            event = kind(**{field: _read_field(field, one[field], assembler, way) for field in names})
            _check_place(event, assembler)
            waiting.append(event)
    return waiting


def _check_place(event: Any, assembler: Assembler) -> None:
    """Refuse an event about a choice or a call that there is not."""
    choice = getattr(event, "choice", None)
    if choice is None:
        return
    state = assembler.reducer.choices.get(choice)
    if state is None:
        raise Refused("an event about a choice that there is", choice)
    call = getattr(event, "call", None)
    if call is not None and call >= len(state.calls.calls):
        raise Refused("an event about a call that there is", call)


def _read_field(field: str, found: Any, assembler: Assembler, way: Way) -> Any:
    with at(field):
        if field in ("error", "outcome") and found is None:
            value: Any = getattr(assembler, field)
            if value is None:
                raise Refused(f"no {field} of the stream, since it has none", found)
            return value
        return FIELDS[field].read(found, way)
