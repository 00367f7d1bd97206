"""Read a source once: its end, its exceptions, its deadlines, misuse, draining and closing, in one place for sync and one for
async. An `Intake` judges the result of each read.

Rule 1  One reader at a time; the second one gets the `MisuseError`.
Rule 2  Where a read raises what the stream is not ended by (misuse, `strict=True`, KeyboardInterrupt, being cancelled), the
        reader has left: the source is closed, and the stream has ended as cancelled. A reader that passes bytes on may try
        again after it was cancelled (`Intake.leaves_when_interrupted`).
Rule 3  When the stream is over the source is closed at once, unless it is worth draining: then `finish` does both, when the
        caller has everything. A caller that leaves because of an exception is not kept waiting (`hurry`).
Rule 4  What closing raises is kept in `source_error`: the response is not worse for it.
Rule 5  Async, no cancel scope is open while the caller runs: each read has one by itself. Where the event loop is gone
        (GeneratorExit) nothing is awaited any more.
"""

from __future__ import annotations

from typing import Any

from ..errors import MisuseError
from ..sources import AsyncBlocks, Blocks
from .intake import Intake

__all__ = ("AsyncReader", "Reader")

_LATE: Any = object()  # the result of a read that a deadline broke off


class _Reading:
    """What both siblings know."""

    __slots__ = ("_finished", "_intake", "_reading", "_what")

    def __init__(self, intake: Intake, what: str) -> None:
        self._intake = intake
        self._what = what  # as a message calls it
        self._reading = False
        self._finished = False  # whether the caller has everything

    def hurry(self) -> None:
        """Skip draining: the caller leaves because of an exception."""
        self._finished = True

    def _waits(self, drainable: bool) -> bool:
        """Return whether the source stays open after the stream, to be drained when the caller has everything."""
        return drainable and not self._finished and bool(self._intake.drain_seconds())


class Reader(_Reading):
    """Reads `blocks` for `intake`; `what`: as messages call the one that reads."""

    __slots__ = ("blocks",)

    def __init__(self, blocks: Blocks, intake: Intake, what: str) -> None:
        super().__init__(intake, what)
        self.blocks = blocks

    def read_once(self) -> None:
        """Read once, and report to the intake."""
        if self._reading:
            raise MisuseError(f"another thread is reading this {self._what}: let one read, and share what it reads")
        intake = self._intake
        self._reading = True
        try:
            if intake.watch is not None and intake.seconds_left() == 0:  # a read might block for ever
                intake.passed()
            else:
                try:
                    item = next(self.blocks)
                except StopIteration:
                    intake.ended()
                except MisuseError:
                    raise
                except Exception as error:
                    intake.broke(error)
                else:
                    intake.took(item, is_chunk=self.blocks.chunks)
        except Exception:
            self.close()
            raise
        except BaseException:
            if intake.leaves_when_interrupted:
                self.close()
            raise
        finally:
            self._reading = False
        if intake.over and not self._waits(self.blocks.drainable):
            self.close_source()

    def close(self) -> None:
        """Leave. A stream that is not over ends as cancelled."""
        try:
            self._intake.left()
        finally:
            self.finish()

    def finish(self) -> None:
        """Drain or close the source: the caller has everything, or has left."""
        try:
            if not self._finished:
                self._finished = True
                self.blocks.drain(self._intake.drain_seconds())
        finally:
            self.close_source()

    def close_source(self) -> None:
        """Close the source."""
        try:
            self.blocks.close()
        except Exception as error:  # Rule 4
            self._intake.source_error = self._intake.source_error or error


class AsyncReader(_Reading):
    """Like `Reader`, for async sources, under asyncio and trio."""

    __slots__ = ("blocks",)

    def __init__(self, blocks: AsyncBlocks, intake: Intake, what: str) -> None:
        super().__init__(intake, what)
        self.blocks = blocks

    async def read_once(self) -> None:
        """Read once, and report to the intake."""
        if self._reading:
            raise MisuseError(f"another task is reading this {self._what}: let one read, and share what it reads")
        intake = self._intake
        self._reading = True
        try:
            await self._ask(intake)
        except GeneratorExit:  # the event loop is gone
            if intake.leaves_when_interrupted:
                intake.left()
            raise
        except Exception:
            await self.aclose()
            raise
        except BaseException:
            if intake.leaves_when_interrupted:
                await self.aclose()
            raise
        finally:
            self._reading = False
        if intake.over and not self._waits(self.blocks.drainable):
            await self.close_source()

    async def _ask(self, intake: Intake) -> None:
        seconds = None if intake.watch is None else intake.seconds_left()
        item, scope = _LATE, None
        try:
            if seconds is None:
                item = await self.blocks.__anext__()
            else:
                import anyio  # not above: a caller that reads from sync sources must not wait for it

                with anyio.move_on_after(seconds) as scope:
                    item = await self.blocks.__anext__()
        except StopAsyncIteration:
            intake.ended()
        except MisuseError:
            raise
        except Exception as error:
            if scope is not None and scope.cancel_called:  # a client's own words for being cancelled
                intake.passed()
            else:
                intake.broke(error)
        else:
            if item is _LATE:
                intake.passed()
            else:
                intake.took(item, is_chunk=self.blocks.chunks)

    async def aclose(self) -> None:
        """Leave. A stream that is not over ends as cancelled."""
        try:
            self._intake.left()
        finally:
            await self.finish()

    async def finish(self) -> None:
        """Drain or close the source: the caller has everything, or has left."""
        try:
            if not self._finished:
                self._finished = True
                await self.blocks.drain(self._intake.drain_seconds())
        except GeneratorExit:  # the event loop is gone
            raise
        except BaseException:  # cancelled
            await self.close_source()
            raise
        await self.close_source()

    async def close_source(self) -> None:
        """Close the source."""
        try:
            await self.blocks.aclose()
        except Exception as error:  # Rule 4
            self._intake.source_error = self._intake.source_error or error
