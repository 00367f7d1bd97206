"""A request that no recording answers, and an answer that is not what was recorded: the exceptions, and what they say.

In: the request, the nearest recording and where the two first differ. Out: `TraceMissError`. Costs nothing until it happens.

Rule 1  It is not an `Exception`, and so not one of the family in `errors`: SDKs catch those of a transport, take them for a
        failed connection, send the request again, and raise "Connection error." (openai does all three, for `Exception`).
        A miss has to reach the test that made it. pytest's own outcomes are made like that for the same reason.
Rule 2  What it shows was scrubbed before.
Rule 3  Tracebacks name the module from which users import them.
"""

from __future__ import annotations

from typing import Any

from ..errors import StreamError
from ..trace import Trace

__all__ = ("TraceChangedError", "TraceMissError")


class TraceChangedError(StreamError):
    """Answers have changed their shape since they were recorded. `changes`: each in words, with the file that it is about."""

    __module__ = "streamkit"

    def __init__(self, message: str, *, changes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.changes = changes


class TraceMissError(BaseException):
    """No recording of the session answers a request. Not an `Exception`, so that no SDK takes it for a failed connection.

    `request`: the request, as a `Trace` without a response, its secrets replaced. `nearest`: the file name of the recording
    that is most like it, None where there is none. `path`: where the two first differ: a JSON path of the body
    (`$.messages[0].content`), "method" or "path"; None where every recording of this request had been played. `recorded`,
    `sent`: what is there, as text. `command`: what records it.
    """

    __module__ = "streamkit"

    def __init__(
        self,
        message: str,
        *,
        request: Trace | None = None,
        nearest: str | None = None,
        path: str | None = None,
        recorded: str | None = None,
        sent: str | None = None,
        command: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.request = request
        self.nearest = nearest
        self.path = path
        self.recorded = recorded
        self.sent = sent
        self.command = command

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.args, self.__dict__)  # between processes its facts go along


def _rebuilt(args: tuple[Any, ...], facts: dict[str, Any]) -> TraceMissError:
    error = TraceMissError(*args)
    error.__dict__.update(facts)
    return error
