"""Everything streamkit raises, in one small tree. Whose fault it was is the first split.

    StreamError                 all that streamkit raises
    |-- MisuseError             the caller's: a wrong argument, feed() after close()
    |-- ValidationError         a value given to the strict codec does not fit its type (a ValueError too)
    `-- SenderError             the sender's, or the network's
        |-- RemoteError         the sender said so: an error in the stream, an error or a web page in its place
        |-- FormatError         bytes that are not the format: text, nothing at all, any anomaly under strict=True
        |-- TruncatedError      the bytes ended before the response did
        |-- SourceError         the source broke before the response began: no connection, one that was reset
        |-- LimitError          more than a limit allows
        `-- DeadlineError       slower than a deadline allows

Every error carries facts, not only a sentence: where it happened (`event`, `path`), what stood there (`excerpt`) and
what had come until then (`partial`), so that nothing already received is lost with the exception. A caller that decides what
to do next reads `kind`, `retryable` and `emitted`; the table of the first two is in `_error_kinds.py`.
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
)

EXCERPT = 120  # characters: enough to recognise an event by, little enough for one log line


def excerpt(data: object) -> str:
    """Return the start of `data` as text of at most 120 characters, for an error message: bytes as UTF-8, a text as it
    is, a value that was decoded as the JSON that it was."""
    if isinstance(data, (bytes, bytearray)):
        text = bytes(data[: EXCERPT * 4]).decode("utf-8", "replace")
    else:
        text = data if isinstance(data, str) else _as_json(data)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def shown(value: object) -> str:
    """Return `value` as one short line for a message, also where its `repr` raises or takes pages."""
    try:
        return excerpt(repr(value))
    except Exception:  # a list nested 1,000 deep; a number of more digits than Python writes; an odd `__repr__`
        return f"a value of the type {type(value).__name__}"


def _as_json(value: object) -> str:
    """Return `value` as JSON; as Python shows it only where it is no JSON: an exception, a bare object."""
    if not (value is None or isinstance(value, (dict, list, bool, int, float))):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def counted(number: int, what: str, form: str = "") -> str:
    """Return `1 block`, `2 blocks`: the only place that knows how a plural is written. `form`: of the number, as in
    `format` (`,` for 1,000)."""
    return f"{number:{form}} {what}{'' if number == 1 else 's'}"


class StreamError(Exception):
    """Anything streamkit raises.

    `event`: 1-based number of the server-sent event, or None where no event was involved.
    `path`: JSON path inside that event or value (`$.choices[0].delta`), or None.
    `excerpt`: the start of the bytes or value that caused it, or None.
    `partial`: the response so far, or None where no chunk had come.
    `emitted`: whether anything of the response had been handed to the caller before, so that asking again would repeat
    what may have been shown.
    `status`: the HTTP status of the response, where it was 400 or more and known; else None.
    """

    status: int | None = None
    _own = Verdict("unknown", False)  # what it is by its class alone

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
        """What went wrong: `rate_limit`, `overloaded`, `context_length`, `content_filter`, `auth`, `bad_request`, as the
        sender's status, code, type, finish reason or words say; `network` for a connection that failed or took too long;
        `sender` for a sender that failed or did not keep to the format; else `unknown`, which is what the caller's own
        mistakes are as well."""
        return self._verdict().kind

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is sent again later, unchanged. Not so for a limit that waiting does
        not lift, such as an account without money (`rate_limit` too). It says nothing of what was shown: see `emitted`."""
        return self._verdict().retryable

    def _verdict(self) -> Verdict:
        # Asked for each time, and not kept: the status is noted on the error after it was made.
        return self._own if self.status is None else judge(Facts(self.status, words=_words(self.message)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from `args` alone, which are not what these take: pickle and copy need the facts too.
        return _rebuilt, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        where = [f"event {_words(self.event)}"] if self.event is not None else []
        where += [_words(self.path)] if self.path is not None else []
        where += [f"HTTP {self.status}"] if self.status is not None else []
        text = _words(self.message) + (f" ({', '.join(where)})" if where else "")
        text += f": {shown(self.excerpt)}" if self.excerpt is not None else ""
        cause = self.__cause__  # of a stream that broke off: what the client raised
        return text if cause is None else f"{text}{_after(text, cause)}"


def _after(text: str, cause: BaseException) -> str:
    """Return what `text` does not say yet of the cause: some messages quote it, and it is read once only."""
    kind, said = type(cause).__name__, excerpt(cause)
    if said and said not in text:
        return f" <- {kind}: {said}"
    return "" if kind in text else f" <- {kind}"


def _words(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


def _rebuilt(kind: type[StreamError], args: tuple[Any, ...], facts: dict[str, Any]) -> StreamError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


class MisuseError(StreamError):
    """The caller did something that cannot mean anything: says what was passed and what is taken."""


@attrs.frozen
class Problem:
    """One thing wrong with a value given to the strict codec."""

    path: str
    """JSON path of the value, `$` being the whole."""
    expected: str
    """What the type takes there."""
    got: str
    """What stood there, shortened."""

    def __str__(self) -> str:
        return f"invalid value, expected {self.expected} @ {self.path}, got {self.got}"


class ValidationError(StreamError, ValueError):
    """A value does not fit its type. `problems` lists every mismatch found, in document order."""

    def __init__(self, problems: tuple[Problem, ...], *, type_name: str = "") -> None:
        if not isinstance(problems, tuple) or not isinstance(type_name, str):
            text = (
                f"ValidationError takes a tuple of Problem and the name of a type, not {shown((problems, type_name))}"
            )
            raise MisuseError(text)
        self.problems = problems
        self.type_name = type_name
        head = f"not a {type_name}: " if type_name else ""
        super().__init__(head + "; ".join(str(one) if isinstance(one, Problem) else shown(one) for one in problems))


class SenderError(StreamError):
    """The stream itself is at fault, not the caller: the sender's doing, or the network's."""


class RemoteError(SenderError):
    """The sender reported an error, inside the stream or in its place.

    `code`, `type`, `param`: as the sender wrote them, None where it did not. `body`: the decoded JSON of the whole
    event or body, unchanged; of a web page, its text.
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
    """The bytes are not a chat-completion stream, or under `strict=True` not exactly one. `code`: the anomaly's."""

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
        # A stream that said nothing may say something the next time. Bytes of another format, or an anomaly, are what this
        # sender writes.
        if self.status is not None:
            return super()._verdict()
        return Verdict("sender", self.code is None and self.excerpt is None)


class TruncatedError(SenderError):
    """The bytes ended with neither `[DONE]` nor a finish reason for every choice; or, where `Clean` asks for it, a tool call
    was cut off before its arguments were over."""

    _own = Verdict("network", True)


class SourceError(SenderError):
    """The source raised an exception before any chunk had arrived; it is the `__cause__`, and `excerpt` is what bytes there
    were. Nothing is lost by asking again."""

    _own = Verdict("network", True)


class LimitError(SenderError):
    """Something grew over a limit. `limit`: its name; `maximum`: its value."""

    _own = Verdict("sender", False)

    def __init__(self, message: str, *, limit: str, maximum: int, event: int | None = None) -> None:
        super().__init__(message, event=event)
        self.limit = limit
        self.maximum = maximum


class DeadlineError(SenderError):
    """Something came later than a deadline allows. `deadline`: its name, as in `Deadlines`; `seconds`: its value."""

    _own = Verdict("network", True)  # as in the SDKs, whose timeouts are errors of the connection

    def __init__(self, message: str, *, deadline: str, seconds: float, event: int | None = None) -> None:
        super().__init__(message, event=event)
        self.deadline = deadline
        self.seconds = seconds


show_fields(__name__)
