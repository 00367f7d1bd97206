"""Sources that live in a test: a clock that stands still, and what gives blocks, breaks off, waits, and knows it was closed.

A script is what each read comes to: bytes (or a chunk) are given, an exception is raised, a number of seconds passes on
the clock before the next of these, and `FOREVER` never comes back (async only).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from streamkit.sources import AsyncBlocks, Blocks

FOREVER: Any = object()


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Source:
    """A sync source that plays a script."""

    def __init__(self, script: Iterable[Any], clock: Clock | None = None, close_error: Exception | None = None) -> None:
        self._script = iter(script)
        self._clock = clock or Clock()
        self._close_error = close_error
        self.reads = 0
        self.closed = 0

    def __iter__(self) -> Source:
        return self

    def __next__(self) -> Any:
        self.reads += 1
        for step in self._script:
            if isinstance(step, (int, float)):
                self._clock.now += step
            elif isinstance(step, BaseException):
                raise step
            else:
                return step
        raise StopIteration

    def close(self) -> None:
        self.closed += 1
        if self._close_error is not None:
            raise self._close_error

    def blocks(self, status: int | None = None) -> Blocks:
        return Blocks(self, close=self.close, status=status)


class AsyncSource:
    """An async source that plays a script. Each read and the closing give others a turn."""

    def __init__(self, script: Iterable[Any], clock: Clock | None = None, close_error: Exception | None = None) -> None:
        self._source = Source([], clock)
        self._script = iter(script)
        self._close_error = close_error
        self._clock = clock or Clock()
        self.reads = 0
        self.closed = 0
        self.waiting = anyio.Event()  # set where it waits forever

    def __aiter__(self) -> AsyncSource:
        return self

    async def __anext__(self) -> Any:
        self.reads += 1
        await checkpoint()
        for step in self._script:
            if step is FOREVER:
                self.waiting.set()
                await anyio.sleep_forever()
            elif isinstance(step, (int, float)):
                self._clock.now += step
            elif isinstance(step, BaseException):
                raise step
            else:
                return step
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await checkpoint()
        self.closed += 1  # behind the await: where that is cancelled, nothing was closed
        if self._close_error is not None:
            raise self._close_error

    def blocks(self, status: int | None = None) -> AsyncBlocks:
        return AsyncBlocks(self, close=self.aclose, status=status)
