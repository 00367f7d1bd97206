"""Errors and the outcome in a checkpoint.

An error is its class and its facts: `{"class": "RemoteError", "message": "overloaded", "code": 529, ...}`. Its `partial`,
the response so far, is built again from the state, which at the end of a stream stays as it is, but for the unknown fields
of the response: those as of the end are with the outcome if more arrived after it. An exception that an error was raised
from, and what a subclass of a caller's adds, are not in a checkpoint. Cost: O(the error).
"""

from __future__ import annotations

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
)
from ..outcome import REASONS, Outcome
from .records import Record, Slot
from .shapes import FLAG, TEXT, WHOLE, Maybe, Plain, Refused, Way, at, known, members
from .values import JSON

__all__ = ("ERROR", "ERRORS", "OUTCOME", "REASON", "put_partials")

REASON = known(lambda: REASONS, "a reason of `REASONS`")


class _Code:
    """A number, also NaN, a text or null."""

    _read = Plain("a number, a text or null", lambda found: found is None or type(found) in (int, float, str))

    def write(self, value: Any, way: Way) -> Any:
        return JSON.write(value, way) if type(value) is float else value

    def read(self, found: Any, way: Way) -> Any:
        return self._read.read(JSON.read(found, way), way)


_SECONDS = Plain("a number", lambda found: type(found) in (int, float))

_SHARED = (
    Slot("message", TEXT),
    Slot("event", Maybe(WHOLE), None),
    Slot("path", Maybe(TEXT), None),
    Slot("excerpt", Maybe(TEXT), None),
    Slot("emitted", FLAG, False),
    Slot("status", Maybe(WHOLE), None),
)


def _error(kind: type[StreamError], *slots: Slot) -> Record:
    return Record(kind, *_SHARED, *slots)


ERRORS: dict[str, Record] = {
    record.kind.__name__: record
    for record in (
        _error(
            RemoteError,
            Slot("code", _Code(), None),
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


_SAME = "same"


class _Outcome:
    """How the stream ended, with its error (most often that of the stream: "same") and, if others arrived after the end, the
    unknown fields of the response in `partial`. The events that the call which ended it returned are not in it."""

    def write(self, value: Any, way: Way) -> Any:
        outcome, own, extra = value
        same = own is not None and outcome.error is own
        return {
            "reason": outcome.reason,
            "error": _SAME if same else Maybe(ERROR).write(outcome.error, way),
            "extra": Maybe(JSON).write(extra, way),
        }

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not dict or sorted(found) != ["error", "extra", "reason"]:
            raise Refused("a reason, an error and unknown fields; the last two may be null", found)
        with at("reason"):
            reason = REASON.read(found["reason"], way)
            if not reason:
                raise Refused("a reason", reason)
        with at("error"):
            error = _SAME if found["error"] == _SAME else Maybe(ERROR).read(found["error"], way)
        with at("extra"):
            extra = JSON.read(found["extra"], way)
            if extra is not None:
                members(extra)
        return reason, error, extra


def _outcome_of(assembler: Any, way: Way) -> Any:
    outcome = assembler.outcome
    if outcome is None:
        return None
    partial, extra = None if outcome.error is None else outcome.error.partial, None
    if partial is not None and assembler.refine_response is None:
        now = assembler.reducer.snapshot()
        extra = None if now is None or repr(now.extra) == repr(partial.extra) else partial.extra
    return outcome, assembler.error, extra


def _put_outcome(assembler: Any, read: tuple[str, Any, Any], way: Way) -> None:
    reason, error, extra = read
    name, error = REASONS[reason][0], assembler.error if error is _SAME else error
    if (error is None) != (name in ("complete", "cancelled")):
        raise Refused(f"{'no' if error else 'an'} error in an outcome that is {name}", reason)
    if error is not None and extra is not None:
        error.partial = extra  # for `put_partials`, which has the response
    assembler.outcome = Outcome(name, reason, error)


def put_partials(assembler: Any) -> None:
    """Give the error of a stream its `partial`, when all of the state was read."""
    error = assembler.error if assembler.outcome is None else assembler.outcome.error
    if error is not None:
        extra, error.partial = error.partial, assembler.partial()
        if extra is not None and error.partial is not None:
            error.partial = attrs.evolve(error.partial, extra=extra)


OUTCOME = Slot("outcome", _Outcome(), None, _outcome_of, _put_outcome)
"""The slot of the outcome, after that of the error."""
