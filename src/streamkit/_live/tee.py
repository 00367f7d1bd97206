"""Bytes go on untouched to somebody else, while an accumulator watches them.

    with tee(upstream) as blocks:
        for block in blocks: client.send(block)
    log(blocks.outcome, blocks.response.usage)

In: any source that `blocks` (or `async_blocks`) takes. Out: its blocks, byte for byte and boundary for boundary.

Rule 1  A block goes on before it is watched: it is looked at when the next one is asked for, or when the source ends.
Rule 2  What the watcher does never reaches the bytes. Its first failure stays in `.error`, and it watches no more.
Rule 3  What the source raises is raised here, unchanged. The stream has broken off then: it ends as that of a
        `ChatStream` does, and the exception is the `__cause__` of its outcome's error.
Rule 4  Leaving before the end closes the source, drains nothing and ends as cancelled, unless the stream had said
        its end already (`[DONE]`, a failure).

Rule 5  Any thread may leave, at any moment, and again after a leaving that was interrupted. A block that arrives after
        that goes on and is not watched.

Cost beyond the accumulator's own: one reference to a block; a call and an uncontended lock for each.
"""

from __future__ import annotations

from threading import RLock
from types import TracebackType
from typing import Any, Self

from ..accumulator import Accumulator, describe, require_unused
from ..errors import MisuseError
from ..outcome import Outcome
from ..sources import async_blocks, blocks, end_stream
from ..types import CreateChatCompletionResponse
from .intake import add_status

__all__ = ("AsyncTee", "Tee", "async_tee", "tee")


class _Watcher:
    """What both siblings know: the accumulator, the block that it has not seen yet, and how it failed."""

    __slots__ = ("_lock", "accumulator", "error", "held", "over", "status")

    def __init__(self, accumulator: Accumulator | None) -> None:
        self.accumulator = require_unused(accumulator)
        self.held = b""
        self.error: Exception | None = None
        self.over = False  # whether nothing more is watched
        self.status: int | None = None  # of the response that is the source
        self._lock = RLock()  # one that the same thread may enter again: a signal handler may leave, while it looks

    def look(self) -> None:
        """Look at the block that has gone on."""
        with self._lock:
            held, self.held = self.held, b""
            if held and self.error is None and not self.over:
                try:
                    self.accumulator.absorb(held)
                except Exception as error:
                    self.error = error

    def end(self, cancelled: bool, broken: Exception | None = None) -> None:
        """Nothing more is watched: the source has ended, was left, or raised `broken`. The first time decides."""
        with self._lock:
            if self.over:
                return
            self.look()
            try:
                if cancelled:
                    self.accumulator.cancel()
                elif broken is not None:
                    end_stream(self.accumulator, broken, status=self.status)
                else:
                    self.accumulator.close()
            except Exception as error:
                self.error = self.error or error
            self.over = True  # not before: what is interrupted until here is done by the next one

    def outcome(self) -> Outcome | None:
        self.look()
        outcome = self.accumulator.outcome
        add_status(outcome, self.status)
        return outcome

    def snapshot(self) -> CreateChatCompletionResponse | None:
        with self._lock:
            self.look()
            try:
                return self.accumulator.snapshot()
            except Exception as error:
                self.error = self.error or error
                return None

    def check(self, block: Any) -> bytes:
        """The block, held to be looked at later; a source of chunks has no bytes that could go on."""
        if type(block) is not bytes:
            raise MisuseError(f"tee() passes bytes on, and this source gives chunks: {type(block).__name__}")
        self.held = block
        return block


class Tee:
    """The blocks of a source, watched. Iterate it, or use it in a `with` block; what it watches is in `accumulator`."""

    def __init__(self, source: Any, accumulator: Accumulator | None = None) -> None:
        self._watcher = _Watcher(accumulator)
        self._blocks = blocks(source)
        self._watcher.status = self._blocks.status
        self._ended = self._reading = False

    def __repr__(self) -> str:
        watcher = getattr(self, "_watcher", None)  # asked directly: `outcome` would look at the block that is held
        if watcher is None:
            return describe(self, None)
        return describe(
            self, watcher.accumulator, **({} if watcher.error is None else {"error": type(watcher.error).__name__})
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._reading:  # or the source would be blamed for what a generator says to that
            raise MisuseError("another thread is reading this tee: one at a time; a Broadcast has many readers")
        self._reading = True
        try:
            self._watcher.look()
            if self._ended:
                raise StopIteration
            return self._watcher.check(next(self._blocks))
        except StopIteration:
            self._end(cancelled=False)
            raise
        except MisuseError:
            self._end(cancelled=True)
            raise
        except Exception as error:
            self._end(cancelled=False, broken=error)
            raise
        finally:
            self._reading = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave: close the source, drain nothing. Before the end of the stream this ends it as cancelled."""
        try:
            self._end(cancelled=True)  # first: a reader in another thread, which this wakes, would end it as truncated
        finally:
            self._blocks.close()

    def _end(self, cancelled: bool, broken: Exception | None = None) -> None:
        self._watcher.end(cancelled, broken)
        self._ended = True  # not before: a reader in another thread would end it as truncated

    @property
    def accumulator(self) -> Accumulator:
        """What watches. It has seen every block but the one that is going on right now."""
        return self._watcher.accumulator

    @property
    def error(self) -> Exception | None:
        """What the watcher failed with, None where it did not: a limit is an outcome. The bytes went on all the same."""
        return self._watcher.error

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        return self._watcher.outcome()

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response so far, all of it after the end; None before the first chunk."""
        return self._watcher.snapshot()

    @property
    def status(self) -> int | None:
        """The status of the response that is the source; None where there is none."""
        return self._blocks.status

    @property
    def content_type(self) -> str | None:
        """The content type of the response that is the source; None where there is none."""
        return self._blocks.content_type


class AsyncTee:
    """As `Tee`, for async sources: `async for`, `async with`, `aclose`.

    A read that is cancelled may be tried again if the source allows it; `aclose` ends the stream.
    """

    def __init__(self, source: Any, accumulator: Accumulator | None = None) -> None:
        self._watcher = _Watcher(accumulator)
        self._blocks = async_blocks(source)
        self._watcher.status = self._blocks.status
        self._ended = self._reading = False

    def __repr__(self) -> str:
        watcher = getattr(self, "_watcher", None)  # asked directly: `outcome` would look at the block that is held
        if watcher is None:
            return describe(self, None)
        return describe(
            self, watcher.accumulator, **({} if watcher.error is None else {"error": type(watcher.error).__name__})
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._reading:  # or the source would be blamed for what a generator says to that
            raise MisuseError("another task is reading this tee: one at a time; a Broadcast has many readers")
        self._reading = True
        try:
            self._watcher.look()
            if self._ended:
                raise StopAsyncIteration
            return self._watcher.check(await self._blocks.__anext__())
        except StopAsyncIteration:
            self._end(cancelled=False)
            raise
        except MisuseError:
            self._end(cancelled=True)
            raise
        except Exception as error:
            self._end(cancelled=False, broken=error)
            raise
        finally:
            self._reading = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: close the source, drain nothing. Before the end of the stream this ends it as cancelled."""
        try:
            self._end(cancelled=True)  # first: closing may be cancelled, and what was seen is to stay
        finally:
            await self._blocks.aclose()

    def _end(self, cancelled: bool, broken: Exception | None = None) -> None:
        self._watcher.end(cancelled, broken)
        self._ended = True  # not before: a reader in another thread would end it as truncated

    @property
    def accumulator(self) -> Accumulator:
        """What watches. It has seen every block but the one that is going on right now."""
        return self._watcher.accumulator

    @property
    def error(self) -> Exception | None:
        """What the watcher failed with, None where it did not: a limit is an outcome. The bytes went on all the same."""
        return self._watcher.error

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        return self._watcher.outcome()

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response so far, all of it after the end; None before the first chunk."""
        return self._watcher.snapshot()

    @property
    def status(self) -> int | None:
        """The status of the response that is the source; None where there is none."""
        return self._blocks.status

    @property
    def content_type(self) -> str | None:
        """The content type of the response that is the source; None where there is none."""
        return self._blocks.content_type


def tee(source: Any, accumulator: Accumulator | None = None) -> Tee:
    """The blocks of `source`, as they come, while `accumulator` (a new one by default) watches.

    `source`: whatever `blocks` takes. `MisuseError` where it gives chunks, or cannot be a source, and for an accumulator
    that was used or closed before.
    """
    return Tee(source, accumulator)


def async_tee(source: Any, accumulator: Accumulator | None = None) -> AsyncTee:
    """As `tee`, for async sources: whatever `async_blocks` takes."""
    return AsyncTee(source, accumulator)
