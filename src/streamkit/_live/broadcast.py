"""One source, many subscribers, each in its own thread.

    broadcast = Broadcast(upstream)
    for client in clients:
        Thread(target=serve, args=(client, broadcast.subscribe(slow="coalesce"))).start()
    outcome = broadcast.run()                 # reads the source to its end, in this thread

In: any source that `blocks` takes. Out, for each subscriber: the events of one accumulator, `End` last and always. One
that joins late, or was too slow, gets a `Snapshot` and continues from there; see `_live/mailbox.py` for the rules.
Cost: one accumulator, one lock; for each subscriber O(1) an event and at most `buffer` events that wait.

A subscriber is there as long as somebody holds it: the broadcast knows its mailbox only. One that is lost without
`close()` (its thread died, its caller forgot it) is not waited for any more, and nothing is kept for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Condition, get_ident
from types import TracebackType
from typing import Any, Self

from ..accumulator import Accumulator, describe, require_unused
from ..errors import MisuseError
from ..events import End, Event
from ..outcome import Outcome
from ..sources import GRACE, blocks
from ..types import CreateChatCompletionResponse
from .deadlines import Deadlines
from .intake import NO_DEADLINES, Intake, StreamFacts
from .mailbox import Item, Mailbox, Slow, Snapshot, after, check_buffer, describe_box
from .reader import Reader

__all__ = ("BUFFER", "Broadcast", "Slow", "Snapshot", "Subscription")

BUFFER = 256  # events: some seconds of a fast model, and little memory


class HandingOut(Intake):
    """An intake that keeps the events for what hands them out. `next`: number of the event after those."""

    def __init__(
        self, accumulator: Accumulator | None, *, deadlines: Deadlines, sent: float | None, **facts: Any
    ) -> None:
        timed = sent is not None or deadlines != NO_DEADLINES
        facts |= {"deadlines": deadlines, "sent": sent, "timed": timed}
        super().__init__(require_unused(accumulator), grace=GRACE, **facts)
        self.next = 0
        self.failure: Exception | None = None  # what run() raises
        self._fresh: list[Event] = []
        self._ending = False  # the ending event has arrived

    def _came(self, events: Sequence[Event]) -> None:
        if events:
            self._fresh.extend(events)
            self.next = after(events)
            self._ending = isinstance(events[-1], End)

    def _broke(self, error: Exception) -> None:
        self.failure = self.failure or error
        super()._broke(error)

    def fresh(self) -> list[Event]:
        """Return the events that were not handed out, once; of a stream that is over with the ending one last."""
        with self.lock:
            outcome = self.accumulator.outcome
            if self.over and not self._ending and outcome is not None:  # a strict accumulator raised instead
                self._came([End(self.next, outcome)])
            fresh, self._fresh = self._fresh, []
            return fresh

    def fail(self, error: Exception | None = None) -> None:
        """Keep what run() raises: what the source raised, unchanged, misuse, a deadline, a strict accumulator."""
        self.failure = self.failure or error or self.raised()


class BroadcastFacts(StreamFacts):
    """What is known of a stream with subscribers."""

    _intake: HandingOut

    @property
    def error(self) -> Exception | None:
        """What the source, a deadline, or a strict accumulator raised; None where nothing did."""
        return self._intake.failure

    @property
    def accumulator(self) -> Accumulator:
        """The accumulator that reads the blocks. While `run` is active in another thread, use `response`, which is locked."""
        return self._intake.accumulator

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response so far, as a separate value; None before the first chunk."""
        return self.snapshot()

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._intake.next, self._intake.accumulator.snapshot())


class Broadcast(BroadcastFacts):
    """Reads a source once for all its subscribers, each in its own thread.

        broadcast = Broadcast(http)
        Thread(target=show, args=(broadcast.subscribe(slow="coalesce"),)).start()
        outcome = broadcast.run()

    `accumulator`: an unused one that reads the blocks; a new one by default. `buffer`: how many events may wait for one
    subscriber (256). `deadlines`, `clock`, `sent`: like those of a `ChatStream`; where a deadline passes, the subscribers get
    the end, and `run` raises its error. Waiting for a slow subscriber does not count as waiting for the source. `timing` needs
    `sent` or `deadlines`; without either no instants are kept.

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
        self._blocks = blocks(source)
        check_buffer(buffer)
        status = self._blocks.status
        self._intake = HandingOut(accumulator, status=status, deadlines=deadlines, clock=clock, sent=sent)
        self._reader = Reader(self._blocks, self._intake, "broadcast")
        self._buffer = buffer
        self._changed = Condition(self._intake.lock)  # for subscribers: there is something to take
        # For the thread that reads the source: there is room. No Condition, since a subscriber may be found to be garbage at any
        # moment, in the middle of `notify` too; `put` of a SimpleQueue may be called even then.
        self._room: SimpleQueue[None] = SimpleQueue()
        self._waiting = False  # whether somebody waits for room
        self._boxes: list[Mailbox] = []
        self._last: Event | None = None  # the ending event, for those who join after it
        self._begun = False
        self._runner = 0  # the thread in which it runs
        self._left = False  # whether nobody is waited for any more

    def __repr__(self) -> str:
        boxes = list(getattr(self, "_boxes", ()))  # no lock: the thread that has it may be asking
        intake = getattr(self, "_intake", None)
        accumulator = None if intake is None else intake.accumulator
        return describe(self, accumulator, subscribers=sum(not one.closed for one in boxes))

    def subscribe(self, slow: Slow = "wait", *, buffer: int | None = None) -> Subscription:
        """Add a subscriber; iterate what this returns, in any thread. One added before the first event gets every event.

        `slow`: what happens when `buffer` events wait for it: the source waits (`"wait"`), they give way to a snapshot
        (`"drop"`), or text deltas join and only the rest may give way to one (`"coalesce"`).
        """
        with self._changed:
            box = Mailbox(slow, self._buffer if buffer is None else buffer, self._snapshot)
            box.join()
            if self._last is None:
                self._boxes.append(box)
            else:
                box.put(self._last)
        return Subscription(self, box)

    def run(self) -> Outcome:
        """Read the source to the end of the stream and hand its events out, in the thread that calls; then close it.

        Raises what the source raised, after every subscriber has received the end. Another thread may call `close`.
        """
        with self._changed:
            if self._begun:
                raise MisuseError(
                    "run() was called a second time, or after close(): a Broadcast reads one source, once"
                )
            self._begun, self._runner = True, get_ident()
        try:
            self._read()
        finally:
            try:
                self._blocks.close()
            finally:
                self._runner = 0
        if self._intake.failure is not None:
            raise self._intake.failure
        assert self._intake.accumulator.outcome is not None
        return self._intake.accumulator.outcome

    def _read(self) -> None:
        intake = self._intake
        try:
            while not intake.over:
                self._reader.read_once()
                self._hand_out(intake.fresh())
        except Exception as error:
            intake.fail(error)
        except BaseException:  # the caller of run() leaves
            self._left = True
            intake.left()
            raise
        finally:
            intake.fail()
            self._end()
            self._reader.finish()

    def close(self) -> None:
        """Leave: close the source; subscribers get the end, as cancelled. Any thread may; `run` then ends.

        `run` may be waiting for a block. Of an HTTP/1.1 response the connection is shut down, which ends the wait; any
        other source ends `run` when its next block arrives, or as soon as its own `close` ends the wait.
        """
        try:
            with self._changed:
                self._left = self._begun = True
                self._intake.left()
                self._changed.notify_all()
                self._made_room()
            if self._runner in (0, get_ident()):  # or run() does it
                self._end()
        finally:
            self._blocks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _end(self) -> None:
        self._hand_out(self._intake.fresh())
        with self._changed:
            self._left = True
            self._changed.notify_all()

    def _hand_out(self, events: list[Event]) -> None:
        for event in events:
            with self._changed:
                if isinstance(event, End):
                    self._last = event
                self._boxes = [one for one in self._boxes if not one.closed]
                full = [one for one in self._boxes if not one.put(event)]
                self._changed.notify_all()
                self._waiting = bool(full)
            while full:
                self._room.get()
                with self._changed:
                    full = [one for one in full if not one.put(event, anyway=self._left)]
                    self._changed.notify_all()
                    self._waiting = bool(full)

    def _made_room(self) -> None:
        if self._waiting:
            self._room.put(None)  # first: interrupted in between, somebody is woken twice, and not left waiting
            self._waiting = False


class Subscription:
    """The items for one subscriber: events, and a `Snapshot` where it joined late or was slow. `End` is the last item.

    Leave the loop early by `close()` or a `with` block, so that the source does not wait for it.
    """

    def __init__(self, broadcast: Broadcast, box: Mailbox) -> None:
        self._broadcast = broadcast
        self._box = box

    def __repr__(self) -> str:
        return describe_box(self, self._box)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        changed = self._broadcast._changed
        with changed:
            while not self._box.ready:
                if self._box.over:
                    raise StopIteration
                changed.wait()
            item = self._box.take()
            self._broadcast._made_room()
            return item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave: nothing more is kept for this subscriber, and nobody waits for it."""
        changed = self._broadcast._changed
        with changed:
            self._box.close()
            changed.notify_all()
            self._broadcast._made_room()

    def __del__(self) -> None:
        # No lock: this may run in any thread, at any moment, that of a thread which has the lock too.
        self._box.closed = True
        self._broadcast._room.put(None)

    @property
    def dropped(self) -> int:
        """How many events gave way to a snapshot."""
        return self._box.dropped
