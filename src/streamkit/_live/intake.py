"""What every reader of a live source decides in the same way: how a stream ends whose source broke off, and whether its
sender said the end. No I/O.

In: an accumulator, what the source raised, and the HTTP status of its response where it is one. Out: the outcome.

Rule 1  What the sender said counts first. A stream that had ended stays as it is; an error that a client read and
        raised in the sender's words (an exception with a `body`, as the openai SDK does for an error in the stream) is
        the sender's error; a chunk, or an error that had arrived whole, decides as if the bytes had ended there.
Rule 2  Where neither a chunk nor such an error had arrived, the stream fails with a `SourceError`, whatever bytes there
        were: half an event, `id: 1`, the head of a web page. They are its `excerpt`. Asking again loses nothing.
Rule 3  But a response with the HTTP status 400 or above says by its status that the sender refused: then it is a
        `RemoteError` with that status, whatever arrived of its body.
Rule 4  What the source raised is the `__cause__` of the error.
"""

from __future__ import annotations

from collections.abc import Callable

from ..accumulator import Accumulator
from ..errors import RemoteError, SourceError, excerpt
from ..outcome import REASONS, Outcome

__all__ = ("REFUSED", "add_status", "error_raised_by_client", "said_end", "source_broke_off")

REFUSED = 400  # RFC 9110 section 15: from here on a status means that the request was not fulfilled


def source_broke_off(
    accumulator: Accumulator,
    error: Exception,
    *,
    status: int | None = None,
    settle: Callable[[Callable[[], Outcome]], Outcome] | None = None,
) -> Outcome:
    """End the stream of a source that raised `error`; return how it ended.

    `status`: the HTTP status of the response that is the source, None where it is not known. `settle`: calls what closes
    the accumulator, for a reader that has more to do with it.
    """
    if accumulator.done:  # `[DONE]` had arrived, or it had failed: what the source does after that is no news
        return accumulator.close()
    remote = error_raised_by_client(error)
    try:
        if remote is not None:
            return accumulator.fail(remote, "remote_error")
        instead = _before_any_chunk(error, status)
        return (settle or _call)(lambda: accumulator.break_off(instead))
    finally:  # also where strict=True raises the sender's error
        outcome = accumulator.outcome
        if outcome is not None and outcome.error is not None and outcome.error is not error:
            outcome.error.__cause__ = error
        add_status(outcome, status)


def _call(close: Callable[[], Outcome]) -> Outcome:
    return close()


def _before_any_chunk(error: Exception, status: int | None) -> SourceError | RemoteError:
    """The error of a stream whose source broke before any chunk had arrived."""
    raised = f"{type(error).__name__}: {excerpt(error)}"
    if status is not None and status >= REFUSED:
        return RemoteError(f"the sender refused, and the source broke before the whole body had come: {raised}")
    return SourceError(f"{REASONS['source_error'][1]}: {raised}")


def add_status(outcome: Outcome | None, status: int | None) -> None:
    """Note the HTTP status on the error of `outcome`, where the status says that the sender refused. Doing it again
    changes nothing."""
    error = None if outcome is None else outcome.error
    if error is not None and error.status is None and status is not None and status >= REFUSED:
        error.add_note(f"The response had the HTTP status {status}.")
        error.status = status


def said_end(outcome: Outcome | None) -> bool:
    """Return whether the sender ended a stream that is over: by `[DONE]`, after an error or alone as well."""
    endings = ("done", "done_without_finish", "remote_error", "finish_error", "empty")
    return outcome is not None and outcome.reason in endings


def error_raised_by_client(error: Exception) -> RemoteError | None:
    """Return the sender's error, where a client read it and raised it in the sender's words."""
    if isinstance(error, RemoteError):
        return error
    body = getattr(error, "body", None)
    if body is None:
        return None
    facts = {name: getattr(error, name, None) for name in ("code", "type", "param")}
    return RemoteError(str(getattr(error, "message", error)), **facts, body=body)
