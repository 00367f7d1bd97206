"""Decide how a stream ends: from its source's end, its sender's report, and its bytes. No I/O.

In: the reader of the stream (an `Accumulator`, or that of a `Cleaner`), the exception of the source, and the HTTP
status if the source is a response. Out: the outcome. `EndWatch` needs no reader: bytes in, whether `[DONE]` was among
them out.

Rule 1  The sender's report comes first. A stream that had ended stays as it is; an error that a client read and raised
        in the sender's words (an exception with a `body`, which the openai SDK raises for an error in the stream) is
        the sender's error; a chunk, or an error that had arrived whole, decides as if the bytes had ended there.
Rule 2  If neither a chunk nor such an error had arrived, the stream fails with a `SourceError`, whatever bytes there
        were: half of an event, `id: 1`, the head of a web page. They are its `excerpt`. A retry loses nothing.
Rule 3  But a response with an HTTP status of 400 or above means that the sender refused: then it is a `RemoteError`
        with that status, whatever arrived of its body.
Rule 4  The exception of the source is the `__cause__` of the error, and the message of a `TruncatedError` names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from ..errors import MisuseError, RemoteError, SenderError, SourceError, StreamError, TruncatedError, named
from ..outcome import REASONS, Outcome
from ._unpack import Unpacker, unpacked, unpacker_for

__all__ = ("REFUSED", "EndWatch", "Ends", "add_status", "end_stream", "error_raised_by_client", "said_end")

REFUSED = 400  # RFC 9110 section 15: from here on a status means that the request was not fulfilled


class Ends(Protocol):
    """The interface that `end_stream` needs from a reader; an `Accumulator` has it."""

    @property
    def done(self) -> bool:
        """True if the stream has ended."""

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it is running."""

    def close(self) -> Outcome:
        """End the stream at the end of its bytes."""

    def fail(self, error: StreamError, reason: str) -> Outcome:
        """End the stream as failed."""

    def break_off(self, error: SenderError) -> Outcome:
        """End the stream because its source failed."""


def end_stream(
    reader: Ends,
    error: Exception | None = None,
    *,
    status: int | None = None,
    settle: Callable[[Callable[[], Outcome]], Outcome] | None = None,
) -> Outcome:
    """End the stream that `reader` reads, because its source is exhausted or raised `error`; return how it ended.

    `reader`: an `Accumulator`, or the `accumulator` of a `Cleaner`. `status`: the HTTP status of the response that is
    the source (`Blocks.status`), None if there is none. `settle`: calls the function that closes the reader, for a
    caller with more to do around it. Raises what `reader` raises under `strict=True`.
    """
    settle = settle or _call
    if (
        error is None or reader.done
    ):  # `[DONE]` had arrived, or it had failed: what the source does after that is irrelevant
        try:
            return settle(reader.close)
        finally:
            add_status(reader.outcome, status)
    remote = error_raised_by_client(error)
    try:
        if remote is not None:
            return reader.fail(remote, "remote_error")
        instead = _before_any_chunk(error, status)
        return settle(lambda: reader.break_off(instead))
    finally:  # also if strict=True raises the sender's error
        outcome = reader.outcome
        if outcome is not None and outcome.error is not None and outcome.error is not error:
            outcome.error.__cause__ = error
            _say_why(outcome.error, error)
        add_status(outcome, status)


def _say_why(ours: StreamError, error: Exception) -> None:
    """Say in the message of a stream that broke off what its source raised: that the bytes ended is true of a sender that
    closes too early, too."""
    if isinstance(ours, TruncatedError):
        ours.message = f"{ours.message}: the source raised {named(error)}"
        ours.args = (ours.message,)


def _call(close: Callable[[], Outcome]) -> Outcome:
    return close()


def _before_any_chunk(error: Exception, status: int | None) -> SourceError | RemoteError:
    """Return the error of a stream whose source failed before any chunk had arrived."""
    raised = named(error)
    if status is not None and status >= REFUSED:
        return RemoteError(f"the sender refused, and the source failed before the whole body had arrived: {raised}")
    return SourceError(f"{REASONS['source_error'][1]}: {raised}")


def add_status(outcome: Outcome | None, status: int | None) -> None:
    """Note the HTTP status on the error of `outcome`, if the status means that the sender refused. Repeating it changes
    nothing."""
    if outcome is not None and outcome.error is not None:
        add_status_to(outcome.error, status)


def add_status_to(error: StreamError, status: object) -> None:
    """Note the HTTP status on `error`, like `add_status`."""
    if error.status is None and isinstance(status, int) and status >= REFUSED:
        error.add_note(f"The response had the HTTP status {status}.")
        error.status = status


def said_end(outcome: Outcome | None) -> bool:
    """Return True if the sender ended a finished stream: by `[DONE]`, also after an error or on its own.

    Then draining the source is worthwhile. False for None: the stream is still running.
    """
    endings = ("done", "done_without_finish", "remote_error", "finish_error", "empty")
    return outcome is not None and outcome.reason in endings


def error_raised_by_client(error: Exception) -> RemoteError | None:
    """Return the sender's error if a client read it and raised it in the sender's words, else None."""
    if isinstance(error, RemoteError):
        return error
    body = getattr(error, "body", None)
    if body is None:
        return None
    facts = {name: getattr(error, name, None) for name in ("code", "type", "param")}
    remote = RemoteError(str(getattr(error, "message", error)), **facts, body=body)
    add_status_to(remote, getattr(error, "status_code", None))  # of a request that a generator sent when it was read
    return remote


# A line on its own, framed or not; JSON has its line breaks escaped, so no text of a stream looks like it. Its possible
# padding is bounded, so that it fits into the part of a line that is kept: it is found however it is cut.
_DONE_LINE = re.compile(rb"(?:^|[\r\n])(?:\xef\xbb\xbf)?(?:data:)?[ \t]{0,32}\[DONE\][ \t]{0,8}[\r\n]")
_KEPT = 64  # bytes of the line that is still open; a longer one is not `[DONE]`, whatever is added to it


class EndWatch:
    """Watches blocks that pass through for `[DONE]`, without decoding them: call `feed(block)`, then check `seen`.

    For code that forwards bytes and is closed by its reader: after `[DONE]` it may drain first (`Blocks.finish`). Costs
    one search of the bytes; holds at most one short line. Code with an `Accumulator` calls `said_end(outcome)` instead,
    which knows about errors, too. `encoding`: the `Content-Encoding` of blocks that are still packed; they are unpacked
    for this, with a bound. If that fails, or the encoding is unknown here, `[DONE]` is never seen.
    """

    __slots__ = ("_layers", "_line", "_lost", "seen")

    def __init__(self, encoding: str | None = None) -> None:
        self.seen = False
        """True if the line `data: [DONE]` has arrived whole."""
        self._line = b""
        self._lost = False
        self._layers: list[Unpacker] = []
        try:
            self._layers = unpacker_for(encoding)
        except MisuseError:
            self._lost = True

    def __repr__(self) -> str:
        return f"<EndWatch seen={self.seen}>"

    def feed(self, block: bytes) -> bool:
        """Feed the next block; return True if `[DONE]` has been seen by now."""
        if self.seen or self._lost:
            return self.seen
        if not self._layers:
            self._look(block)
            return self.seen
        try:
            for piece in unpacked(block, self._layers):
                self._look(piece)
        except Exception:  # not a packed body, or a broken one: its reader reports that
            self._lost = True
        return self.seen

    def _look(self, block: bytes) -> None:
        data = self._line + block
        if b"[DONE]" in data and _DONE_LINE.search(data) is not None:  # the first test alone is 20 times as fast
            self.seen = True
            self._line = b""
            return
        begin = max(data.rfind(b"\n"), data.rfind(b"\r"))
        # Including the line break before it: a line begins only after one, except for the very first line.
        self._line = data[max(begin, 0) :][:_KEPT]
