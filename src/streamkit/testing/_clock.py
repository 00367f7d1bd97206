"""A clock that a test moves by hand: nothing sleeps, and each time is exact."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

__all__ = ("FakeClock",)


class FakeClock:
    """A clock that moves only when `advance` is called. Call it for the time in seconds, like `time.monotonic`."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        """The time that it shows, in seconds."""

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Let `seconds` go by; the time then."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back by {-seconds} s")
        self.now += seconds
        return self.now

    def timed(self, blocks: Iterable[bytes], seconds: float) -> Iterator[bytes]:
        """Yield the blocks, each `seconds` after the one before."""
        for block in blocks:
            self.advance(seconds)
            yield block

    async def timed_async(self, blocks: Sequence[bytes], seconds: float) -> AsyncIterator[bytes]:
        """Yield the blocks like `timed`, for `async for`."""
        for block in self.timed(blocks, seconds):
            yield block
