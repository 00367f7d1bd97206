"""Errors and the outcome in a checkpoint.

An error is its class and its facts: `{"class": "RemoteError", "message": "overloaded", "code": 529, ...}`. An exception
that it was raised from, and what a subclass of a caller's adds, are not in it. Cost: O(the response), since an error
has the response so far.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

import attrs

from ..errors import (
    DeadlineError,
    FormatError,
    LimitError,
    MisuseError,
    RemoteError,
    SenderError,
    SourceError,
    StreamError,
    TruncatedError,
    ValidationError,
    shown,
)
from ..outcome import REASONS, Outcome
from ..types import CreateChatCompletionResponse
from ..types._unstructuring import written
from .records import Record, Slot
from .shapes import FLAG, TEXT, WHOLE, Maybe, Plain, Refused, Way, at, known, members
from .values import JSON, tagged

__all__ = ("ERROR", "ERRORS", "OUTCOME", "REASON")

REASON = known(lambda: REASONS, "a reason of `REASONS`")


def _as_json(value: Any) -> Any:
    """Return an object of a class of the caller's, which a hook of the converter has made, as JSON: restored, the hook makes
    it again."""
    if attrs.has(type(value)):
        return written(attrs.asdict(value), shown)
    return written(asdict(value), shown) if is_dataclass(value) and not isinstance(value, type) else shown(value)


class _Partial:
    """The response that an error has, in the form that `dumps` writes, and what is not on the wire of each call that is not
    complete or has a made-up id: `[choice, call, complete, synthetic_id]`."""

    def write(self, value: Any, way: Way) -> Any:
        calls = [
            [number, place, call.complete, call.synthetic_id]
            for number, choice in enumerate(value.choices)
            for place, call in enumerate(choice.message.tool_calls or ())
            if not call.complete or call.synthetic_id
        ]
        return {"response": tagged(written(value, _as_json)), "calls": calls}

    def read(self, found: Any, way: Way) -> Any:
        from ..codec import structure  # needs cattrs; most checkpoints have no error

        if type(found) is not dict or sorted(found) != ["calls", "response"]:
            raise Refused("a response and its calls", found)
        value = members(JSON.read(found["response"], way))
        try:
            response = structure(value, CreateChatCompletionResponse, tolerant=True)
        except ValidationError as error:
            raise Refused(f"a response ({error})", value) from None
        for one in found["calls"] if type(found["calls"]) is list else ():
            if type(one) is not list or [type(item) for item in one] != [int, int, bool, bool]:
                raise Refused("the numbers of a choice and a call, and two flags", one)
            number, place, complete, synthetic = one
            try:
                calls: Any = response.choices[number].message.tool_calls
                calls[place] = attrs.evolve(calls[place], complete=complete, synthetic_id=synthetic)
            except (IndexError, TypeError):
                raise Refused("the numbers of a choice and a call of the response", one) from None
        return response


_NUMBER = Plain("a number, a text or null", lambda found: found is None or type(found) in (int, float, str))
_SECONDS = Plain("a number", lambda found: type(found) in (int, float))

_SHARED = (
    Slot("message", TEXT),
    Slot("event", Maybe(WHOLE), None),
    Slot("path", Maybe(TEXT), None),
    Slot("excerpt", Maybe(TEXT), None),
    Slot("emitted", FLAG, False),
    Slot("status", Maybe(WHOLE), None),
    Slot("partial", Maybe(_Partial()), None),
)


def _error(kind: type[StreamError], *slots: Slot) -> Record:
    return Record(kind, *_SHARED, *slots)


ERRORS: dict[str, Record] = {
    record.kind.__name__: record
    for record in (
        _error(
            RemoteError,
            Slot("code", _NUMBER, None),
            Slot("type", Maybe(TEXT), None),
            Slot("param", JSON, None),
            Slot("body", JSON, None),
        ),
        _error(FormatError, Slot("code", Maybe(TEXT), None)),
        _error(TruncatedError),
        _error(SourceError),
        _error(LimitError, Slot("limit", TEXT), Slot("maximum", WHOLE)),
        _error(DeadlineError, Slot("deadline", TEXT), Slot("seconds", _SECONDS)),
        _error(MisuseError),
        _error(SenderError),
        _error(StreamError),
    )
}


_NEEDED: dict[type[StreamError], dict[str, Any]] = {
    LimitError: {"limit": "", "maximum": 0},
    DeadlineError: {"deadline": "", "seconds": 0},
}
"""What the constructor of a class takes besides the message."""


class _Error:
    """An error. One of another class is written as the nearest of these."""

    def write(self, value: Any, way: Way) -> Any:
        name = next(kind.__name__ for kind in type(value).__mro__ if kind.__name__ in ERRORS)
        return {"class": name, **ERRORS[name].write(value, way)}

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not dict or type(name := found.get("class")) is not str or name not in ERRORS:
            raise Refused(f"an error, with its class: {', '.join(ERRORS)}", found)
        record = ERRORS[name]
        rest = {key: one for key, one in found.items() if key != "class"}
        with at("message"):
            message = TEXT.read(rest.get("message"), way)
        return record.fill(record.kind(message, **_NEEDED.get(record.kind, {})), rest, way)


ERROR = _Error()


class _Outcome:
    """How the stream ended, together with the error of the stream, which most often is that of the outcome: "same".

    The events that the call which ended it returned are not in it.
    """

    def write(self, value: Any, way: Way) -> Any:
        outcome, error = value
        same = error is not None and outcome.error is error
        return {"reason": outcome.reason, "error": _SAME if same else Maybe(ERROR).write(outcome.error, way)}

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not dict or sorted(found) != ["error", "reason"]:
            raise Refused("a reason and an error, which may be null", found)
        with at("reason"):
            reason = REASON.read(found["reason"], way)
            if not reason:
                raise Refused("a reason", reason)
        with at("error"):
            return reason, _SAME if found["error"] == _SAME else Maybe(ERROR).read(found["error"], way)


_SAME = "same"


def _put_outcome(assembler: Any, read: tuple[str, Any], way: Way) -> None:
    reason, error = read
    name, error = REASONS[reason][0], assembler.error if error is _SAME else error
    if (error is None) != (name in ("complete", "cancelled")):
        raise Refused(f"{'no' if error else 'an'} error in an outcome that is {name}", reason)
    assembler.outcome = Outcome(name, reason, error)


OUTCOME = Slot(
    "outcome",
    _Outcome(),
    None,
    lambda assembler, way: None if assembler.outcome is None else (assembler.outcome, assembler.error),
    _put_outcome,
)
"""The slot of the outcome, after that of the error."""
