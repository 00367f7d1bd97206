"""The error tree. It splits first by fault: the caller's mistake, or the sender's (including the network's).

    StreamError                 base class of every error that streamkit raises
    |-- MisuseError             the caller's mistake: a wrong argument, feed() after close()
    |-- ValidationError         a value passed to the strict codec does not match its type (also a ValueError)
    `-- SenderError             the sender's fault, or the network's
        |-- RemoteError         the sender reported an error: in the stream, or an error body or web page instead of it
        |-- FormatError         the bytes are not in the format: text, an empty stream, any anomaly under strict=True
        |-- TruncatedError      the bytes ended before the response did
        |-- SourceError         the source failed before the response began: no connection, or a reset one
        |-- LimitError          more arrived than a limit allows
        `-- DeadlineError       something arrived later than a deadline allows

Every error carries facts, not only a sentence: where it happened (`event`, `path`), the offending input (`excerpt`) and
the response so far (`partial`), so that nothing already received is lost with the exception. To decide what to do next,
read `kind`, `retryable` and `emitted`; the table of the first two is in `_error_kinds.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from ._error_kinds import ErrorKind, Facts, Verdict, judge, quoted
from ._field_docs import show_fields

if TYPE_CHECKING:
    from .types import CreateChatCompletionResponse

__all__ = (
    "DeadlineError",
    "ErrorKind",
    "FormatError",
    "LimitError",
    "MisuseError",
    "Problem",
    "RemoteError",
    "SenderError",
    "SourceError",
    "StreamError",
    "TruncatedError",
    "ValidationError",
    "beneath",
)

EXCERPT = 120  # characters: enough to recognise an event, short enough for one log line


def excerpt(data: object) -> str:
    """Return the start of `data` as text of at most 120 characters, for an error message: bytes decoded as UTF-8, a
    string unchanged, a decoded value as JSON."""
    if isinstance(data, (bytes, bytearray)):
        text = bytes(data[: EXCERPT * 4]).decode("utf-8", "replace")
    else:
        text = data if isinstance(data, str) else _as_json(data)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def shown(value: object) -> str:
    """Return `value` as one short line for a message, even if its `repr` raises or fills pages."""
    try:
        return excerpt(repr(value))
    except Exception:  # a list nested 1,000 deep; a number with more digits than Python writes; an odd `__repr__`
        return f"a value of the type {type(value).__name__}"


def _as_json(value: object) -> str:
    """Return `value` as JSON; or as `str` if it is not JSON: an exception, a plain object."""
    if not (value is None or isinstance(value, (dict, list, bool, int, float))):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def named(error: BaseException) -> str:
    """Return the class of an exception and what it says, in one short line: `ReadError`, `ReadError: reset by peer`."""
    kind, said = type(error).__name__, excerpt(error)
    return f"{kind}: {said}" if said else kind


def counted(number: int, what: str, form: str = "") -> str:
    """Return `1 block`, `2 blocks`: the only place that forms plurals. `form`: a format specification for the number
    (`,` for 1,000)."""
    return f"{number:{form}} {what}{'' if number == 1 else 's'}"


class StreamError(Exception):
    """Base class of every error that streamkit raises.

    `message`: what happened, in one sentence.
    `event`: 1-based number of the server-sent event, or None if no event was involved.
    `path`: JSON path inside that event or value (`$.choices[0].delta`), or None.
    `excerpt`: the start of the bytes or value that caused it, at most 120 characters, or None.
    `partial`: the response so far, or None if no chunk had arrived.
    `emitted`: True if the caller had already received part of the response, so that a retry would repeat output that
    may have been shown.
    `status`: the HTTP status of the response if it is known and 400 or more, else None.
    """

    status: int | None = None
    _own = Verdict("unknown", False)  # the verdict that follows from the class alone

    def __init__(
        self,
        message: str,
        *,
        event: int | None = None,
        path: str | None = None,
        excerpt: str | None = None,
        partial: CreateChatCompletionResponse | None = None,
        emitted: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.event = event
        self.path = path
        self.excerpt = excerpt
        self.partial = partial
        self.emitted = emitted

    @property
    def kind(self) -> ErrorKind:
        """Return what went wrong. `rate_limit`, `overloaded`, `context_length`, `content_filter`, `auth` and
        `bad_request` are read from the sender's status, code, type, finish reason or message; `network` is a connection
        that failed or timed out; `sender` is a sender that failed or broke the format; anything else is `unknown`,
        including the caller's own mistakes."""
        return self._verdict().kind

    @property
    def retryable(self) -> bool:
        """Return True if the same request, unchanged, may succeed later. False for a limit that waiting does not lift,
        such as an account without money (a `rate_limit` too). Check `emitted` as well: output may have been shown
        already."""
        return self._verdict().retryable

    def _verdict(self) -> Verdict:
        # Computed on each call, not cached: the status is set on the error after it was created.
        return self._own if self.status is None else judge(Facts(self.status, words=_words(self.message)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Python rebuilds an exception from `args` alone, which do not match these signatures: pickle and copy need the
        # facts.
        return _rebuilt, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        where = [f"event {_words(self.event)}"] if self.event is not None else []
        where += [_place(_words(self.path))] if self.path is not None else []
        where += [f"HTTP {self.status}"] if self.status is not None else []
        text = _words(self.message) + (f" ({', '.join(where)})" if where else "")
        text += f": {shown(self.excerpt)}" if self.excerpt is not None else ""
        cause = self.__cause__  # of a stream that broke off: the client's exception
        return text if cause is None else f"{text}{_after(text, cause)}"


def _after(text: str, cause: BaseException) -> str:
    """Return what `text` does not already contain of the cause, since some messages quote it."""
    kind, said = type(cause).__name__, excerpt(cause)
    if said and said not in text:
        return f" <- {kind}: {said}"
    return "" if kind in text else f" <- {kind}"


def _words(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


def _place(path: str) -> str:
    """Return a path for a message, its middle left out where that is long: the keys in it are a sender's, of any length."""
    return path if not isinstance(path, str) or len(path) <= 2 * EXCERPT else f"{path[:EXCERPT]}…{path[-EXCERPT:]}"


def _rebuilt(kind: type[StreamError], args: tuple[Any, ...], facts: dict[str, Any]) -> StreamError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class MisuseError(StreamError):
    """The caller made a mistake: a wrong argument, or a call in the wrong order. The message says what is accepted."""


@attrs.frozen
class Problem:
    """One mismatch in a value passed to the strict codec."""

    path: str
    """JSON path of the value, `$` for the value as a whole."""
    expected: str
    """What the type accepts there."""
    got: str
    """What was found there, shortened."""

    def __str__(self) -> str:
        return f"invalid value, expected {self.expected} @ {_place(self.path)}, got {self.got}"


class ValidationError(StreamError, ValueError):
    """A value does not match its type. `problems`: every mismatch, in document order. `type_name`: the type.
    `item`: of `items()` of a stream, which of the items that it yields this one is, from 1; else None."""

    def __init__(self, problems: tuple[Problem, ...], *, type_name: str = "", item: int | None = None) -> None:
        if not isinstance(problems, tuple) or not isinstance(type_name, str):
            text = (
                f"ValidationError takes a tuple of Problem and the name of a type, not {shown((problems, type_name))}"
            )
            raise MisuseError(text)
        if item is not None and (not isinstance(item, int) or isinstance(item, bool)):
            raise MisuseError(f"ValidationError(item=...) takes the number of an item, not {shown(item)}")
        self.problems = problems
        self.type_name = type_name
        self.item = item
        head = f"not a {type_name}: " if type_name else ""
        head = head if item is None else f"item {item} is {head or 'not valid: '}"
        super().__init__(head + "; ".join(str(one) if isinstance(one, Problem) else shown(one) for one in problems))


class SenderError(StreamError):
    """The stream is at fault, not the caller: the sender or the network failed."""


class RemoteError(SenderError):
    """The sender reported an error, in the stream or instead of one.

    `code`, `type`, `param`: as the sender wrote them, None if absent. `body`: the decoded JSON of the whole event or
    body, unchanged; for a web page, its text.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | int | float | None = None,
        type: str | None = None,
        param: Any = None,
        body: Any = None,
        event: int | None = None,
        path: str | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message, event=event, path=path, excerpt=excerpt)
        self.code = code
        self.type = type
        self.param = param
        self.body = body

    def _verdict(self) -> Verdict:
        path = self.path if isinstance(self.path, str) else ""
        finish = self.type if path.endswith(".finish_reason") and isinstance(self.type, str) else None
        words = f"{_words(self.message)} {quoted(self.body)}"
        return judge(Facts(self.status, self.code, self.type, words, finish, path))


class FormatError(SenderError):
    """The bytes are not a chat-completion stream, or break the format under `strict=True`; `code`: that anomaly's
    code."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        event: int | None = None,
        path: str | None = None,
        excerpt: str | None = None,
    ) -> None:
        super().__init__(message, event=event, path=path, excerpt=excerpt)
        self.code = code

    def _verdict(self) -> Verdict:
        # A stream that was empty may have content the next time. Another format, or an anomaly, is how this sender
        # writes.
        if self.status is not None:
            return super()._verdict()
        return Verdict("sender", self.code is None and self.excerpt is None)


class TruncatedError(SenderError):
    """The bytes ended with neither `[DONE]` nor a finish reason for every choice; or, if `Clean` was asked to raise it,
    a tool call was cut off in its arguments."""

    _own = Verdict("network", True)


class SourceError(SenderError):
    """The source raised an exception before any chunk had arrived: see `__cause__`. `excerpt` has the bytes received,
    if any. Nothing is lost by retrying."""

    _own = Verdict("network", True)


class LimitError(SenderError):
    """Something grew beyond a limit. `limit`: its name, as in `Limits`; `maximum`: its value."""

    _own = Verdict("sender", False)

    def __init__(self, message: str, *, limit: str, maximum: int, event: int | None = None) -> None:
        super().__init__(message, event=event)
        self.limit = limit
        self.maximum = maximum


class DeadlineError(SenderError):
    """Something arrived later than a deadline allows. `deadline`: its name, as in `Deadlines`; `seconds`: its value."""

    _own = Verdict("network", True)  # like the SDKs, whose timeouts are connection errors

    def __init__(self, message: str, *, deadline: str, seconds: float, event: int | None = None) -> None:
        super().__init__(message, event=event)
        self.deadline = deadline
        self.seconds = seconds


def beneath(error: BaseException) -> StreamError | None:
    """Return the error of streamkit that an exception of a client or an SDK was raised for, or None if there is none.

    An SDK over a cleaning transport raises its own exception for a stream that broke off (openai: `APIConnectionError`, which
    says "Connection error."). What happened, `kind`, `retryable` and `partial` are further down, among the causes.
    """
    if not isinstance(error, BaseException):
        raise MisuseError(f"beneath() takes an exception, not {shown(error)}")
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        if isinstance(one, StreamError):
            return one
        seen.add(id(one))
        one = one.__cause__ or one.__context__
    return None


show_fields(__name__)
