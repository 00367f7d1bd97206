"""One source, many subscribers, each in its own task: the async sibling of `_live/broadcast.py`, on asyncio and trio.

    broadcast = AsyncBroadcast(upstream)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(broadcast.run)
        async for item in broadcast.subscribe(slow="coalesce"): ...

The same rules and the same costs; no lock, as nothing here is called from two threads. Nothing holds a cancel scope
while a subscriber has the turn. A subscriber that is lost without `aclose()` is not waited for any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..accumulator import Accumulator, describe, require_unused
from ..errors import MisuseError
from ..events import End, Event
from ..outcome import Outcome
from ..sources import async_blocks
from .broadcast import BUFFER, BroadcastFacts, HandingOut
from .deadlines import Deadlines
from .intake import NO_DEADLINES
from .mailbox import Item, Mailbox, Slow, check_buffer, describe_box
from .reader import AsyncReader

if TYPE_CHECKING:
    import anyio

__all__ = ("AsyncBroadcast", "AsyncSubscription")

_LOOK = (
    0.5  # seconds between two looks for a subscriber that another thread found to be garbage, and could not ring for
)


class _Bell:
    """Wakes the tasks that wait for a change."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def ring(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        import anyio

        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()


class _Seat:
    """What the broadcast knows of a subscriber: its mailbox, and how to wake it. Not the subscriber, who may be lost."""

    __slots__ = ("bell", "box")

    def __init__(self, box: Mailbox) -> None:
        self.box = box
        self.bell = _Bell()  # rings when something has arrived


class AsyncBroadcast(BroadcastFacts):
    """Reads an async source once for all its subscribers, each in its own task.

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broadcast.run)
            async for item in broadcast.subscribe(slow="coalesce"): ...

    `accumulator`: an unused one that reads the blocks; a new one by default. `buffer`: how many events may wait for one
    subscriber (256). `deadlines`, `clock`, `sent`: like those of an `AsyncChatStream`; where a deadline passes, the subscribers
    get the end, and `run` raises its error. Waiting for a slow subscriber does not count as waiting for the source. `timing`
    needs `sent` or `deadlines`; without either no instants are kept.

    Subscribers never get an exception: `End` has the outcome. `run` raises what the source raises, unchanged.
    """

    def __init__(
        self,
        source: Any,
        accumulator: Accumulator | None = None,
        *,
        buffer: int = BUFFER,
        deadlines: Deadlines = NO_DEADLINES,
        clock: Callable[[], float] = time.monotonic,
        sent: float | None = None,
    ) -> None:
        require_unused(accumulator)
        self._blocks = async_blocks(source)
        check_buffer(buffer)
        status = self._blocks.status
        self._intake = HandingOut(accumulator, status=status, deadlines=deadlines, clock=clock, sent=sent)
        self._reader = AsyncReader(self._blocks, self._intake, "broadcast")
        self._buffer = buffer
        self._room = _Bell()  # rings when a subscriber has taken something, or left
        self._seats: list[_Seat] = []
        self._thread = 0  # the one in which it runs
        self._last: Event | None = None  # the ending event, for those who join after it
        self._scope: anyio.CancelScope | None = None  # while it reads
        self._begun = self._running = False
        self._left = False  # whether nobody is waited for any more

    def __repr__(self) -> str:
        seats = list(getattr(self, "_seats", ()))
        intake = getattr(self, "_intake", None)
        accumulator = None if intake is None else intake.accumulator
        return describe(self, accumulator, subscribers=sum(not one.box.closed for one in seats))

    def subscribe(self, slow: Slow = "wait", *, buffer: int | None = None) -> AsyncSubscription:
        """Add a subscriber; iterate what this returns, in any task. One added before the first event gets every event.

        `slow`: what happens when `buffer` events wait for it: the source waits (`"wait"`), they give way to a snapshot
        (`"drop"`), or text deltas join and only the rest may give way to one (`"coalesce"`).
        """
        box = Mailbox(slow, self._buffer if buffer is None else buffer, self._snapshot)
        box.join()
        seat = _Seat(box)
        if self._last is None:
            self._seats.append(seat)
        else:
            box.put(self._last)
        return AsyncSubscription(self, seat)

    async def run(self) -> Outcome:
        """Read the source to the end of the stream and hand its events out; then close it.

        Raises what the source raised, after every subscriber has received the end. Cancelled, it ends as cancelled.
        """
        import anyio

        if self._begun:
            raise MisuseError("run() was called a second time, or after close(): a Broadcast reads one source, once")
        self._begun = self._running = True
        self._thread = get_ident()
        try:
            await self._read()
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await self._blocks.aclose()
            finally:
                self._running = False
        if self._intake.failure is not None:
            raise self._intake.failure
        assert self._intake.accumulator.outcome is not None
        return self._intake.accumulator.outcome

    async def _read(self) -> None:
        import anyio

        intake = self._intake
        try:
            with anyio.CancelScope() as self._scope:  # which `aclose` cancels: a sender may be silent for long
                while not intake.over:
                    await self._reader.read_once()
                    await self._hand_out(intake.fresh())
        except Exception as error:
            intake.fail(error)
        except BaseException:  # cancelled: the caller of run() leaves
            self._left = True
            intake.left()
            raise
        finally:
            intake.fail()
            self._end()
            await self._reader.finish()

    async def aclose(self) -> None:
        """Leave: subscribers get the end, as cancelled. Before `run` it closes the source; else `run` does, and ends."""
        self._left = True
        self._intake.left()
        self._room.ring()
        if self._scope is not None:
            self._scope.cancel()
        if not self._running:
            self._begun = True
            try:
                self._end()
            finally:
                await self._blocks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _hand_out(self, events: list[Event]) -> None:
        import anyio

        for at, event in enumerate(events):
            if isinstance(event, End):
                self._last = event
            full = self._give(self._everyone(), event, anyway=self._left)
            while full:
                try:
                    with anyio.move_on_after(_LOOK):
                        await self._room.wait()
                except BaseException:  # cancelled: nobody is waited for any more, but nobody loses what was read
                    self._give(full, event, anyway=True)
                    for later in events[at + 1 :]:
                        self._give(self._everyone(), later, anyway=True)
                    raise
                full = self._give(full, event, anyway=self._left)

    def _everyone(self) -> list[_Seat]:
        self._seats = [one for one in self._seats if not one.box.closed]
        return self._seats

    def _give(self, seats: list[_Seat], event: Event, anyway: bool = False) -> list[_Seat]:
        """Put `event` into the mailbox of each; those that had no room for it."""
        full = [one for one in seats if not one.box.put(event, anyway)]
        for one in seats:
            one.bell.ring()
        return full

    def _end(self) -> None:
        for event in self._intake.fresh():
            if isinstance(event, End):
                self._last = event
            self._give(self._everyone(), event, anyway=True)
        self._left = True


class AsyncSubscription:
    """The items for one subscriber: events, and a `Snapshot` where it joined late or was slow. `End` is the last item.

    Leave the loop early by `aclose()` or an `async with` block, so that the source does not wait for it.
    """

    def __init__(self, broadcast: AsyncBroadcast, seat: _Seat) -> None:
        self._broadcast = broadcast
        self._box = seat.box
        self._bell = seat.bell

    def __repr__(self) -> str:
        return describe_box(self, self._box)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        from anyio.lowlevel import checkpoint

        await checkpoint()  # or a subscriber for whom much waits would keep the others from their turn
        while not self._box.ready:
            if self._box.over:
                raise StopAsyncIteration
            await self._bell.wait()
        item = self._box.take()
        self._broadcast._room.ring()
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: nothing more is kept for this subscriber, and nobody waits for it."""
        self._box.close()
        self._bell.ring()
        self._broadcast._room.ring()

    def __del__(self) -> None:
        self._box.closed = True
        if self._broadcast._thread == get_ident():  # no event of asyncio or trio may be set from any other
            self._broadcast._room.ring()

    @property
    def dropped(self) -> int:
        """How many events gave way to a snapshot."""
        return self._box.dropped
