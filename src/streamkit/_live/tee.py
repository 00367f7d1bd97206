"""Forward bytes untouched to somebody else, while an accumulator watches them.

    with tee(upstream) as blocks:
        for block in blocks: client.send(block)
    log(blocks.outcome, blocks.response.usage)

In: any source that `blocks` (or `async_blocks`) takes. Out: its blocks, byte for byte and boundary for boundary.

Rule 1  A block is forwarded before it is watched: it is looked at when the next one is asked for, or when the source ends.
Rule 2  What the watcher does never reaches the bytes. Its first failure stays in `.error`, and it watches no more.
Rule 3  What the source raises is raised here, unchanged. The stream has broken off then: it ends as that of a
        `ChatStream` does, and the exception is the `__cause__` of its outcome's error.
Rule 4  Where a deadline passes, the source is closed and its `DeadlineError` is raised here: the stream has failed with it. A
        deadline counts until the stream has said its end; what follows that is forwarded for as long as the sender sends it.
Rule 5  Leaving before the end closes the source, drains nothing and ends as cancelled, unless the stream had said
        its end already (`[DONE]`, a failure).
Rule 6  Any thread may leave, at any moment, and again after a leaving that was interrupted. A block that arrives after
        that is forwarded and not watched.

Cost beyond the accumulator's own: one reference to a block; some calls and an uncontended lock for each. Instants are kept,
and deadlines watched, only where the caller asks for it: that takes the events, and about 2 µs a block.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from ..accumulator import Accumulator, describe, require_unused
from ..errors import MisuseError
from ..outcome import Outcome
from ..sources import AsyncBlocks, Blocks, add_status, async_blocks, blocks, end_stream
from ..types import CreateChatCompletionResponse
from .deadlines import Deadlines
from .intake import NO_DEADLINES, Intake, StreamFacts
from .reader import AsyncReader, Reader
from .timing import Stopwatch

__all__ = ("AsyncTee", "Tee", "async_tee", "tee")


class Watcher(Intake):
    """An intake whose blocks are forwarded before it looks at them, and whose failures stay with it."""

    leaves_when_interrupted = False

    def __init__(
        self,
        accumulator: Accumulator | None,
        *,
        status: int | None,
        deadlines: Deadlines,
        clock: Callable[[], float],
        sent: float | None,
    ) -> None:
        timed = sent is not None or deadlines != NO_DEADLINES
        facts: dict[str, Any] = {"status": status, "deadlines": deadlines, "clock": clock, "sent": sent}
        super().__init__(require_unused(accumulator), grace=0, timed=timed, **facts)
        self.failed: Exception | None = None
        self.finished = False  # whether the reader has reached the end
        self.block: bytes | None = None  # what is forwarded now
        self._held = b""  # what has not been looked at
        self._arrived = 0.0  # when that arrived

    def took(self, item: Any, *, is_chunk: bool) -> None:
        """Hand a block on, and keep it to be looked at later."""
        if is_chunk or type(item) is not bytes:
            raise MisuseError(f"tee() forwards bytes, and this source yields chunks: {type(item).__name__}")
        with self.lock:
            self.block = item
            if not self.over:
                self._held = item
                if self.stopwatch is not None:
                    self._arrived = self._clock()

    def look(self) -> None:
        """Look at the block that has been forwarded."""
        with self.lock:
            held, self._held = self._held, b""
            if held and self.failed is None and not self.over:
                try:
                    if self.stopwatch is None:
                        self.accumulator.absorb(held)
                    else:
                        self._look(held, self.stopwatch)
                except Exception as error:
                    self.failed = error

    def _look(self, held: bytes, stopwatch: Stopwatch) -> None:
        accumulator, now = self.accumulator, self._arrived
        events = accumulator.feed(held)
        stopwatch.block(now, events, accumulator.progress)
        if self.watch is None:
            return
        if accumulator.done:
            self.watch = None  # all of them are met
        elif (late := self.watch.late(now)) is not None:
            self._passed(late)
        else:
            self.watch.came(now, data=self._has_data(held, events), output=accumulator.emitted)

    def ended(self) -> None:
        """Note that the source has ended."""
        with self.lock:
            self._end(lambda: end_stream(self.accumulator, status=self.status))

    def broke(self, error: Exception) -> None:
        """Note that the source raised `error`, which the tee raises as well."""
        with self.lock:
            if not self.over:
                self.source_error = error
                self._end(lambda: self._broken_off(error))

    def left(self) -> None:
        """Leave: the reader wants no more."""
        with self.lock:
            self._gone = True
            self._end(self.accumulator.cancel)

    def _end(self, close: Callable[[], Outcome]) -> None:
        if not self.over:
            self.look()
        if self.over:
            return
        try:
            outcome = close()
            if self.stopwatch is not None:
                self.stopwatch.end(self._clock(), outcome.events, self.accumulator.progress)
        except Exception as error:
            self.failed = self.failed or error
        self.over = True  # not before: what is interrupted until here is done by the next one

    def _settled(self, close: Callable[[], Outcome]) -> Outcome:
        return close()

    def see(self) -> Accumulator:
        """Return the accumulator, when it has seen every block."""
        self.look()
        add_status(self.accumulator.outcome, self.status)
        return self.accumulator

    def over_with(self) -> BaseException | None:
        """Return what is raised instead of the end; None for the end itself."""
        first, self.finished = not self.finished, True
        if not first or self._gone:
            return None
        return self.source_error or self.raised()

    def check_begin(self) -> None:
        """Raise `MisuseError` if an iteration that begins now finds nothing."""
        if self.finished and not self._gone:
            raise MisuseError(
                "this tee was read to its end already, and keeps no blocks: iterate over it once; its .response has what they said"
            )


class _TeeFacts(StreamFacts):
    """What both siblings know: the source, and what is said of it."""

    _opened: Callable[[Any], Any]
    _reads: type[Any]
    _blocks: Any
    _intake: Watcher

    def __init__(
        self,
        source: Any,
        accumulator: Accumulator | None = None,
        *,
        deadlines: Deadlines = NO_DEADLINES,
        clock: Callable[[], float] = time.monotonic,
        sent: float | None = None,
    ) -> None:
        require_unused(accumulator)
        self._blocks = self._opened(source)
        status = self._blocks.status
        self._intake = Watcher(accumulator, status=status, deadlines=deadlines, clock=clock, sent=sent)
        self._reader = self._reads(self._blocks, self._intake, "tee")

    def __repr__(self) -> str:
        watcher = getattr(self, "_intake", None)  # asked directly: `outcome` would look at the block that is held
        if watcher is None:
            return describe(self, None)
        failed = {} if watcher.failed is None else {"error": type(watcher.failed).__name__}
        return describe(self, watcher.accumulator, **failed)

    @property
    def _was_read(self) -> bool:
        return bool(self._blocks._was_read)

    @property
    def content_type(self) -> str | None:
        """The content type of the response that is the source; None where there is none."""
        found: str | None = self._blocks.content_type
        return found

    @property
    def accumulator(self) -> Accumulator:
        """The accumulator that watches. It has seen every block but the one that is being forwarded."""
        return self._intake.accumulator

    @property
    def error(self) -> Exception | None:
        """The exception that the watcher failed with, else None: a limit is an outcome. The bytes were forwarded all the same."""
        return self._intake.failed

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response so far, all of it after the end; None before the first chunk."""
        return self.snapshot()

    def snapshot(self) -> CreateChatCompletionResponse | None:
        """Return the response so far, a value; None before the first chunk, and where the watcher failed over it."""
        with self._intake.lock:
            try:
                return self._intake.see().snapshot()
            except Exception as error:
                self._intake.failed = self._intake.failed or error
                return None


class Tee(_TeeFacts):
    """The blocks of a source, unchanged, while an accumulator watches them: iterate it, or use it in a `with` block.

    `tee` makes one, and describes the arguments. `outcome`, `response`, `anomalies` and `snapshot()` report what the bytes
    said so far; `error` is an exception of the watching, which never reaches the bytes. Raises what the source raises,
    unchanged, `DeadlineError` where a deadline passes, and nothing for what the sender did.
    """

    _opened = staticmethod(blocks)
    _reads = Reader
    _blocks: Blocks

    def __iter__(self) -> Self:
        self._intake.check_begin()
        return self

    def __next__(self) -> bytes:
        watcher = self._intake
        watcher.look()
        if not watcher.over:
            self._reader.read_once()
        block, watcher.block = watcher.block, None
        if block is not None:
            return block
        self._reader.close_source()
        raise watcher.over_with() or StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave: close the source, drain nothing. Before the end of the stream this ends it as cancelled."""
        try:
            self._intake.left()  # first: a reader in another thread, which this wakes, would end it as truncated
        finally:
            self._blocks.close()


class AsyncTee(_TeeFacts):
    """Like `Tee`, for async sources: `async for`, `async with`, `aclose`.

    A read that is cancelled may be tried again if the source allows it; `aclose` ends the stream.
    """

    _opened = staticmethod(async_blocks)
    _reads = AsyncReader
    _blocks: AsyncBlocks

    def __aiter__(self) -> Self:
        self._intake.check_begin()
        return self

    async def __anext__(self) -> bytes:
        watcher = self._intake
        watcher.look()
        if not watcher.over:
            await self._reader.read_once()
        block, watcher.block = watcher.block, None
        if block is not None:
            return block
        await self._reader.close_source()
        raise watcher.over_with() or StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: close the source, drain nothing. Before the end of the stream this ends it as cancelled."""
        try:
            self._intake.left()  # first: closing may be cancelled, and what was seen is to stay
        finally:
            await self._blocks.aclose()


def tee(
    source: Any,
    accumulator: Accumulator | None = None,
    *,
    deadlines: Deadlines = NO_DEADLINES,
    clock: Callable[[], float] = time.monotonic,
    sent: float | None = None,
) -> Tee:
    """Return the blocks of `source`, as they arrive, while `accumulator` (a new one by default) watches. Those of a packed
    response are unpacked: forward neither its `Content-Encoding` nor its `Content-Length`.

    `source`: whatever `blocks` takes. `deadlines`: over any of these the source is closed and its `DeadlineError` raised, as
    in a `ChatStream`; keep-alives do not count for `idle`. `sent`: when the request was sent, by `clock`, which returns the
    time in seconds. With `sent` or `deadlines` the tee has `timing`; without either of them no instants are kept.

    Raises `MisuseError` where the source yields chunks, or cannot be one, and for an accumulator that was used before.
    """
    return Tee(source, accumulator, deadlines=deadlines, clock=clock, sent=sent)


def async_tee(
    source: Any,
    accumulator: Accumulator | None = None,
    *,
    deadlines: Deadlines = NO_DEADLINES,
    clock: Callable[[], float] = time.monotonic,
    sent: float | None = None,
) -> AsyncTee:
    """Return the blocks of an async source, watched: like `tee`, for whatever `async_blocks` takes."""
    return AsyncTee(source, accumulator, deadlines=deadlines, clock=clock, sent=sent)
