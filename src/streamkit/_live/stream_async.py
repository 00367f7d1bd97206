"""Read a stream from an async source, under asyncio and trio. The rules of reading are at the head of
`_live/stream_core.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

import anyio

from ..accumulator import Statistics, describe
from ..anomalies import Anomaly
from ..errors import MisuseError
from ..events import Event
from ..outcome import Outcome
from ..sources import GRACE, async_blocks
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .deadlines import Deadlines
from .stream_core import Options, StreamCore
from .timing import Timing

__all__ = ("AsyncChatStream", "AsyncPieces")

Piece = TypeVar("Piece")

_LATE: Any = object()  # what a read gives that a deadline broke off
_NO_DEADLINES = Deadlines()


class AsyncChatStream:
    """One stream from an async source: any that `async_blocks` takes. As `ChatStream`, under asyncio and trio.

    Without `deadlines` it waits for ever for a sender that stalls, or until its client's own timeout, see `Deadlines`.
    One task reads it at a time. A read that is cancelled, by `asyncio.wait_for` or `move_on_after` too, ends the stream as
    cancelled: what is read on after that raises `MisuseError`. For "still waiting" messages read in a task of its own, or
    take `Deadlines`.
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
        self._blocks = async_blocks(source)
        status = self._blocks.status
        self._core = StreamCore(
            deadlines=deadlines, clock=clock, sent=sent, status=status, grace=grace, options=options
        )
        self._finished = False  # whether all was given
        self._reading = False

    def __repr__(self) -> str:
        core = getattr(self, "_core", None)
        return describe(self, None if core is None else core.accumulator)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._finished = True  # who leaves for that reason is not kept waiting
        await self.aclose()

    # --- iterating

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        core, waited = self._core, False
        while (event := core.event()) is None:
            if core.over:
                await self._finish()
                error = core.raised() or (None if waited else core.gone())
                if error is not None:
                    raise error
                raise StopAsyncIteration
            await self._read()
            waited = True
        return event

    def text(self, choice: int = 0) -> AsyncPieces[str]:
        """The pieces of a choice's content, as they come. All that iterates a stream shares its one place in it: what was
        given as one thing is not given as another any more. Only tool calls are kept."""
        return AsyncPieces(self, self._core.text(choice))

    def chunks(self) -> AsyncPieces[CreateChatCompletionStreamResponse]:
        """Every chunk from here on, typed, as the sender wrote it. Call it before anything is read to have them all."""
        return AsyncPieces(self, self._core.chunks())

    def tool_calls(self, choice: int = 0) -> AsyncPieces[ChatCompletionMessageToolCallUnion]:
        """Each tool call of a choice when it is over, and complete: fit to be run. Once more if it goes on after that.

        From the first one on, also those that came while text or events were read."""
        return AsyncPieces(self, self._core.tool_calls(choice), kept=True)

    async def until_done(self) -> Outcome:
        """Read to the end, throw the events away, and say how it ended. Raises nothing that the outcome tells."""
        while not self._core.over:
            self._core.forget()
            await self._read()
        self._core.forget()
        self._core.raised()
        await self._finish()
        return self._core.accumulator.close()

    async def aclose(self) -> None:
        """Leave. A stream that is not over ends as cancelled; nothing more is read, and nothing more is given."""
        try:
            self._core.leave()
        finally:
            await self._finish()

    # --- what is known

    @property
    def response(self) -> CreateChatCompletionResponse:
        """The full response of a stream that is over: `await stream.until_done()` where the end has not come, as a
        property cannot wait.

        Raises the outcome's error where the response is not complete, `MisuseError` where the stream runs, or was left
        before its end: `snapshot` has what had come.
        """
        if not self._core.over:
            accumulator = self._core.accumulator
            raise MisuseError(
                "the stream is not over: await stream.until_done() first, or take snapshot()",
                partial=accumulator.snapshot(),
                emitted=accumulator.emitted,
            )
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

    async def _next(self, waiting: Callable[[], Piece | None], kept: bool) -> Piece | None:
        waited = False
        while (piece := waiting()) is None and not self._core.over:
            await self._read()
            waited = True
        if piece is None:
            await self._finish()
        if piece is None and not waited and (gone := self._core.gone(kept=kept)) is not None:
            raise gone
        return piece

    async def _read(self) -> None:
        if self._reading:
            raise MisuseError("another task is reading this stream: one at a time, and share what it gives")
        self._reading = True
        try:
            await self._read_one()
        except GeneratorExit:  # the event loop is gone: nothing can be awaited any more
            self._core.leave()
            raise
        except BaseException:
            await self.aclose()
            raise
        finally:
            self._reading = False
        if self._core.over and not (self._blocks.drainable and self._core.drain_seconds()):
            await self._close_source()

    async def _finish(self) -> None:
        """All was given, or the reader left: the source is not needed any more."""
        try:
            if not self._finished:
                self._finished = True
                await self._blocks.drain(self._core.drain_seconds())
        except GeneratorExit:  # the event loop is gone
            raise
        except BaseException:  # cancelled
            await self._close_source()
            raise
        await self._close_source()

    async def _read_one(self) -> None:
        core = self._core
        seconds = core.left()
        item, scope = _LATE, None
        try:
            if seconds is None:
                item = await self._blocks.__anext__()
            else:
                with anyio.move_on_after(seconds) as scope:
                    item = await self._blocks.__anext__()
        except StopAsyncIteration:
            core.end()
        except MisuseError:
            raise
        except Exception as error:
            if scope is not None and scope.cancel_called:  # a client's own words for being cancelled
                core.passed()
            else:
                core.broke(error)
        else:
            if item is _LATE:
                core.passed()
            else:
                core.take(item, is_chunk=self._blocks.chunks)

    async def _close_source(self) -> None:
        try:
            await self._blocks.aclose()
        except Exception as error:  # the response is not worse for it
            self._core.source_error = self._core.source_error or error


class AsyncPieces(Generic[Piece]):
    """One kind of piece out of an `AsyncChatStream`. Several over one stream share its cursor."""

    def __init__(self, stream: AsyncChatStream, waiting: Callable[[], Piece | None], *, kept: bool = False) -> None:
        self._stream = stream
        self._waiting = waiting
        self._kept = kept
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        if self._over:
            raise StopAsyncIteration
        # Where this raises, the iterator is not over: to go on after a cancelled read must not look like the end.
        piece = await self._stream._next(self._waiting, self._kept)
        if piece is not None:
            return piece
        self._over = True
        outcome = self._stream.outcome
        self._stream._core.raised()
        if outcome is not None and outcome.error is not None:
            raise outcome.error.with_traceback(None)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the stream that it comes from."""
        self._over = True
        await self._stream.aclose()
