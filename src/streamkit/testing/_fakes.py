"""Sources that play a script, for tests of what reads them, and count what is asked of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

from .._decode.sdk_objects import is_chunk_object
from ..errors import MisuseError

__all__ = ("FOREVER", "AsyncFakeSource", "FakeSource")

FOREVER: Any = object()
"""In the script of an `AsyncFakeSource`: a read that waits until it is cancelled."""

_Raised: TypeAlias = BaseException | type[BaseException]
"""What `raise` takes."""

_TAKEN = "bytes, chunks, exceptions, and numbers for seconds (and FOREVER, where it is async)"


class _Clock(Protocol):
    def advance(self, seconds: float) -> object: ...


class FakeSource:
    """A source that plays a script, one step at a read.

    `script`: blocks (or chunks) are returned, an exception (or a class of them) is raised, and a number moves `clock` by
    that many seconds before the next step; bytes are one block. `fail`: raised after the last step, instead of the
    end. `close_error`: raised where it is closed. `status`: of the HTTP response that it stands for. `reads`: how often
    it was asked; `taken`: how many blocks it returned; `closed`: how often it was closed. Raises `MisuseError` for any
    other step, when it is that step's turn.
    """

    def __init__(
        self,
        script: Iterable[Any],
        *,
        fail: _Raised | None = None,
        clock: _Clock | None = None,
        close_error: _Raised | None = None,
        status: int | None = None,
    ) -> None:
        self._script = _steps(script)
        self._fail = fail
        self._clock = clock
        self._close_error = close_error
        self.status = status
        self.reads = 0
        self.taken = 0
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        step = self._play()
        if step is FOREVER:
            raise MisuseError("FOREVER is for an AsyncFakeSource: nobody could cancel a sync read that waits for ever")
        return step

    def _play(self) -> Any:
        """Return the next block, chunk or `FOREVER`; play the steps before it."""
        if self.closed:
            raise StopIteration
        self.reads += 1
        for step in self._script:
            if isinstance(step, (int, float)):
                if self._clock is None:
                    raise MisuseError(
                        f"a script in which {step} s go by needs a clock: FakeSource(..., clock=FakeClock())"
                    )
                self._clock.advance(step)
            elif isinstance(step, BaseException) or (isinstance(step, type) and issubclass(step, BaseException)):
                raise step
            elif step is FOREVER:
                return step
            elif isinstance(step, (bytes, bytearray, memoryview)) or is_chunk_object(step):
                self.taken += 1
                return step
            else:
                raise MisuseError(f"a script takes {_TAKEN}, not {type(step).__name__}")
        if self._fail is not None:
            raise self._fail
        raise StopIteration

    def close(self) -> None:
        """Nothing more will be asked for."""
        self.closed += 1
        if self._close_error is not None:
            raise self._close_error


class AsyncFakeSource:
    """Like `FakeSource`, for `async for`; each read, and the closing, is a point where the reader can be cancelled.

    `waiting`: an event that is set when it reaches `FOREVER`. `closed` counts closings that were not cancelled.
    """

    def __init__(
        self,
        script: Iterable[Any],
        *,
        fail: _Raised | None = None,
        clock: _Clock | None = None,
        close_error: _Raised | None = None,
        status: int | None = None,
    ) -> None:
        import anyio

        self._source = FakeSource(script, fail=fail, clock=clock, close_error=close_error)
        self.status = status
        """The HTTP status that it says it has."""
        self.waiting = anyio.Event()

    @property
    def reads(self) -> int:
        """How often it was asked."""
        return self._source.reads

    @property
    def taken(self) -> int:
        """How many blocks were returned."""
        return self._source.taken

    @property
    def closed(self) -> int:
        """How often it was closed."""
        return self._source.closed

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        import anyio
        from anyio.lowlevel import checkpoint

        await checkpoint()
        try:
            step = self._source._play()
        except StopIteration:
            raise StopAsyncIteration from None
        if step is FOREVER:
            self.waiting.set()
            await anyio.sleep_forever()
        return step

    async def aclose(self) -> None:
        """Nothing more will be asked for."""
        from anyio.lowlevel import checkpoint

        await checkpoint()
        self._source.close()


def _steps(script: Any) -> Iterator[Any]:
    if isinstance(script, (bytes, bytearray, memoryview)):  # iterated, they would be numbers, and those are seconds
        return iter((bytes(script),))
    if not isinstance(script, Iterable):
        raise MisuseError(f"a script takes bytes, or an iterable of steps, not {type(script).__name__}")
    return iter(script)
