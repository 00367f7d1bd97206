"""Read a stream from a sync source. The rules of reading are at the head of `_live/stream_core.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

from ..accumulator import Statistics, describe
from ..anomalies import Anomaly
from ..errors import MisuseError
from ..events import Event
from ..outcome import Outcome
from ..sources import GRACE, blocks
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .deadlines import Deadlines
from .stream_core import Options, StreamCore
from .timing import Timing

__all__ = ("ChatStream", "Pieces")

Piece = TypeVar("Piece")

_NO_DEADLINES = Deadlines()


class ChatStream:
    """One stream from a sync source: any that `blocks` takes, an HTTP response above all.

    `deadlines`: how long it may keep its reader waiting; without them it waits for ever for a sender that stalls, or until
    its client's own timeout, see `Deadlines`. `clock`: gives the time in seconds, for them and for `timing`.
    `sent`: when the request was sent, by that clock. `grace`: seconds for which a response is read on behind `[DONE]`, so
    that its client can use the connection once more. Everything else goes to the `Accumulator`. One thread at a time reads;
    any thread may `close`.
    """

    def __init__(
        self,
        source: Any,
        *,
        deadlines: Deadlines = _NO_DEADLINES,
        clock: Callable[[], float] = time.monotonic,
        sent: float | None = None,
        grace: float = GRACE,
        **options: Unpack[Options],
    ) -> None:
        self._blocks = blocks(source)
        status = self._blocks.status
        self._core = StreamCore(
            deadlines=deadlines, clock=clock, sent=sent, status=status, grace=grace, options=options
        )
        self._finished = False  # whether all was given
        self._reading = False

    def __repr__(self) -> str:
        core = getattr(self, "_core", None)
        return describe(self, None if core is None else core.accumulator)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._finished = True  # who leaves for that reason is not kept waiting
        self.close()

    # --- iterating

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        core, waited = self._core, False
        while (event := core.event()) is None:
            if core.over:
                self._finish()
                error = core.raised() or (None if waited else core.gone())
                if error is not None:
                    raise error
                raise StopIteration
            self._read()
            waited = True
        return event

    def text(self, choice: int = 0) -> Pieces[str]:
        """The pieces of a choice's content, as they come. All that iterates a stream shares its one place in it: what was
        given as one thing is not given as another any more. Only tool calls are kept."""
        return Pieces(self, self._core.text(choice))

    def chunks(self) -> Pieces[CreateChatCompletionStreamResponse]:
        """Every chunk from here on, typed, as the sender wrote it. Call it before anything is read to have them all."""
        return Pieces(self, self._core.chunks())

    def tool_calls(self, choice: int = 0) -> Pieces[ChatCompletionMessageToolCallUnion]:
        """Each tool call of a choice when it is over, and complete: fit to be run. Once more if it goes on after that.

        From the first one on, also those that came while text or events were read."""
        return Pieces(self, self._core.tool_calls(choice), kept=True)

    def until_done(self) -> Outcome:
        """Read to the end, throw the events away, and say how it ended. Raises nothing that the outcome tells."""
        while not self._core.over:
            self._core.forget()
            self._read()
        self._core.forget()
        self._core.raised()
        self._finish()
        return self._core.accumulator.close()

    def close(self) -> None:
        """Leave. A stream that is not over ends as cancelled; nothing more is read, and nothing more is given.

        Another thread may leave while one waits for the sender, and so may a signal handler; this does not wait for the
        sender. The connection of an HTTP/1.1 response is shut down, which ends the wait. A pipe, an HTTP/2 response or a
        generator is closed when its next block arrives.
        """
        try:
            self._core.leave()
        finally:
            self._finish()

    # --- what is known

    @property
    def response(self) -> CreateChatCompletionResponse:
        """The full response. Reads to the end where that has not come; the events on the way are thrown away.

        Raises the outcome's error where the response is not complete, `MisuseError` where the stream was left before
        its end: `snapshot` has what had come.
        """
        if not self._core.over:
            self.until_done()
        return self._core.response()

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        return self._core.accumulator.outcome

    @property
    def timing(self) -> Timing:
        """When what came, as far as it has."""
        return self._core.stopwatch.timing()

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What the sender did that the format does not say, in order of first sight."""
        return self._core.accumulator.anomalies

    @property
    def status(self) -> int | None:
        """The HTTP status, where the source is a response that has one."""
        return self._core.status

    @property
    def source_error(self) -> BaseException | None:
        """The exception that the source raised when it was read or closed; also where the response is complete."""
        return self._core.source_error

    def snapshot(self) -> CreateChatCompletionResponse | None:
        """The response so far, a value of its own; None before the first chunk."""
        return self._core.accumulator.snapshot()

    def statistics(self) -> Statistics:
        """What went through, in numbers."""
        return self._core.accumulator.statistics()

    # --- reading

    def _next(self, waiting: Callable[[], Piece | None], kept: bool) -> Piece | None:
        waited = False
        while (piece := waiting()) is None and not self._core.over:
            self._read()
            waited = True
        if piece is None:
            self._finish()
        if piece is None and not waited and (gone := self._core.gone(kept=kept)) is not None:
            raise gone
        return piece

    def _read(self) -> None:
        if self._reading:
            raise MisuseError("another thread is reading this stream: one at a time, and share what it gives")
        core = self._core
        self._reading = True
        try:
            if core.left() == 0:  # a read might block for ever
                core.passed()
            else:
                self._read_one()
        except BaseException:
            self.close()
            raise
        finally:
            self._reading = False
        if core.over and not (self._blocks.drainable and core.drain_seconds()):
            self._close_source()

    def _finish(self) -> None:
        """All was given, or the reader left: the source is not needed any more."""
        try:
            if not self._finished:
                self._finished = True
                self._blocks.drain(self._core.drain_seconds())
        finally:
            self._close_source()

    def _read_one(self) -> None:
        core = self._core
        try:
            item = next(self._blocks)
        except StopIteration:
            core.end()
        except MisuseError:
            raise
        except Exception as error:
            core.broke(error)
        else:
            core.take(item, is_chunk=self._blocks.chunks)

    def _close_source(self) -> None:
        try:
            self._blocks.close()
        except Exception as error:  # the response is not worse for it
            self._core.source_error = self._core.source_error or error


class Pieces(Generic[Piece]):
    """One kind of piece out of a `ChatStream`. Several over one stream share its cursor."""

    def __init__(self, stream: ChatStream, waiting: Callable[[], Piece | None], *, kept: bool = False) -> None:
        self._stream = stream
        self._waiting = waiting
        self._kept = kept
        self._over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Piece:
        if self._over:
            raise StopIteration
        # Where this raises, the iterator is not over: to go on after a cancelled read must not look like the end.
        piece = self._stream._next(self._waiting, self._kept)
        if piece is not None:
            return piece
        self._over = True
        outcome = self._stream.outcome
        self._stream._core.raised()
        if outcome is not None and outcome.error is not None:
            raise outcome.error.with_traceback(None)
        raise StopIteration

    def close(self) -> None:
        """Leave the stream that it comes from."""
        self._over = True
        self._stream.close()
