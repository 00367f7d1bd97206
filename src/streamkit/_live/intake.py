"""What every reader of a live source does in the same way, whatever it makes of the stream. No I/O.

In: the result of each read of a source, by one of five verbs: `took` (an item), `ended` (no more), `broke` (an exception),
`passed` (a deadline), `left` (the reader left). Out: the events, by `_came`; whether it is `over`; how long a read may take
and how long the source may be drained for. `_live/reader.py` does the reading. Cost: that of the accumulator, an uncontended
lock and, where it is timed, a stamp for each block.

`StreamCore`, `Watcher` (tee), `HandingOut` (broadcasts) and `Writing` (to_events) are intakes that differ in what they do
with the events. How a stream ends whose source ended or broke off: `sources/_endings.py`.

Rule 1  Each verb holds the lock, and does nothing once the stream is over: any thread may leave, at any moment, and again
        after a leaving that was interrupted. The same thread may enter it again, since a signal handler may leave in the
        middle of a verb. A block that arrives too late is not fed to a closed accumulator.
Rule 2  A late block is read all the same, since it is there: a stream that it completes is complete.
Rule 3  What the client raises when a deadline has passed is its own timeout, or it broke while all was waiting: the
        deadline counts. What it raised in the sender's words counts first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

from .._arguments import check_kind, number, seconds
from ..accumulator import Accumulator, Statistics
from ..anomalies import Anomaly
from ..errors import FormatError, MisuseError, RemoteError, StreamError, shown
from ..events import AnomalySeen, Event, KeepAlive
from ..outcome import Outcome
from ..sources import add_status, end_stream, error_raised_by_client, said_end
from ..types import CreateChatCompletionResponse
from .deadlines import Deadlines
from .timing import Stopwatch, Timing

__all__ = ("NO_DEADLINES", "Intake", "StreamFacts")

NO_DEADLINES = Deadlines()


class Intake:
    """One stream, taken in from its source. `status`: of the HTTP response, whose head has arrived then; None where it is
    none. `timed`: whether the instants are kept."""

    leaves_when_interrupted = True
    """Whether a read that is cancelled, or met by KeyboardInterrupt, ends the stream."""

    def __init__(
        self,
        accumulator: Accumulator,
        *,
        status: int | None,
        deadlines: Deadlines,
        clock: Callable[[], float],
        sent: float | None,
        grace: float,
        timed: bool = True,
    ) -> None:
        now = _now(clock)
        check_kind("deadlines=", deadlines, Deadlines)
        if sent is not None and not (number(sent) and sent <= now):
            raise MisuseError(f"sent= takes a time by the stream's clock, which says {now} now, not {shown(sent)}")
        if not seconds(grace):
            raise MisuseError(f"grace= takes seconds, finite, 0 for none, not {shown(grace)}")
        self.accumulator = accumulator
        self.status = status
        head, read = None if status is None else now, accumulator.progress[1]
        self.stopwatch = Stopwatch(sent=sent, opened=now, head=head, before=read) if timed else None
        self.source_error: BaseException | None = None
        self.error: StreamError | None = None  # what is still to be raised for the reader
        self.over = accumulator.done  # nothing more will be fed
        self.lock = RLock()
        self._said = False  # whether the sender said the end; else the source has ended by itself, or is to be left
        self._gone = False  # whether the reader left before it had everything
        self._grace = grace
        self._clock = clock
        # Holds the deadlines, None for none: most streams have none, and are spared a call for each block.
        self.watch = deadlines.watch(now if sent is None else sent)
        self._ended = accumulator.progress[0]  # server-sent events that were whole after the last block
        self._line = b""  # the first byte of the line that the last block left open
        if self.over:  # a stream that resumes after its end
            accumulator.close()
            self._said = said_end(accumulator.outcome)

    # --- the result of a read

    def seconds_left(self) -> float | None:
        """Begin a read; return how many seconds it may take, None for any number."""
        nearest = None if self.watch is None else self.watch.left(self._clock())
        return None if nearest is None else max(nearest[1], 0.0)

    def took(self, item: Any, *, is_chunk: bool) -> None:
        """Take a block or a chunk. Raises `MisuseError` for what is not a chunk, `FormatError` under strict."""
        with self.lock:
            if not self.over:
                self._take(item, is_chunk, self._clock())

    def ended(self) -> None:
        """Note that the source has ended."""
        with self.lock:
            if not self.over:
                self._close(self._settled(self.accumulator.close), self._clock())

    def broke(self, error: Exception) -> None:
        """Note that the source raised `error` while it was read."""
        with self.lock:
            if not self.over:
                self._broke(error)

    def passed(self, name: str | None = None) -> None:
        """Fail the stream, since a deadline passed: the one of that `name`, or the nearest."""
        with self.lock:
            if not self.over:
                self._passed(name)

    def left(self) -> None:
        """Leave: the reader wants nothing more."""
        with self.lock:
            self._gone = self._gone or not self.over or self._waiting()
            if not self.over:
                self._close(self._settled(self.accumulator.cancel), self._clock())
            self.forget()

    def drain_seconds(self) -> float:
        """Return how many seconds the source may be drained for after the stream has ended; 0: close it now."""
        if self._gone or not self._said:
            return 0.0
        left = self.seconds_left()
        return self._grace if left is None else min(left, self._grace)

    # --- what is made of it

    def _fold(self, item: Any, is_chunk: bool) -> list[Event]:
        return self.accumulator.add(item) if is_chunk else self.accumulator.feed(item)

    def _came(self, events: Sequence[Event]) -> None:
        """Take the events of a block, or of the end."""

    def _waiting(self) -> bool:
        """Return whether something waits for the reader."""
        return False

    def forget(self) -> None:
        """Throw away what waits."""

    def _take(self, item: Any, is_chunk: bool, now: float) -> None:
        accumulator = self.accumulator
        late = None if self.watch is None else self.watch.late(now)
        try:
            events = self._fold(item, is_chunk)
        except StreamError as error:
            if accumulator.done:
                self._close(self._settled(accumulator.close), now)
                self.forget()
            self.left()
            self.error = None
            raise error
        if self.over:  # a signal handler left, in the middle of that
            return
        if self.stopwatch is not None:
            self.stopwatch.block(now, events, accumulator.progress)
        self._came(events)
        if accumulator.done:
            self._done(now)
        elif late is not None:
            self._passed(late)
        elif self.watch is not None:
            data = is_chunk or self._has_data(item, events)
            self.watch.came(now, data=data, output=accumulator.emitted)

    def _done(self, now: float) -> None:
        """Close the accumulator: the bytes have ended the stream."""
        self._close(self._settled(self.accumulator.close), now)
        self._said = said_end(self.accumulator.outcome)

    def _broke(self, error: Exception) -> None:
        self.source_error = error
        outcome = self._broken_off(error)
        self._close(outcome, self._clock())
        self.error = outcome.error

    def _broken_off(self, error: Exception) -> Outcome:
        """End the accumulator, since the source raised `error`."""
        late = None if self.watch is None else self.watch.late(self._clock())
        if late is None or self.watch is None or error_raised_by_client(error) is not None:
            return end_stream(self.accumulator, error, status=self.status, settle=self._settled)
        outcome = self.accumulator.fail(self.watch.error(late), f"deadline_{late}")
        if outcome.error is not None:
            outcome.error.__cause__ = error
        return outcome

    def _passed(self, name: str | None) -> None:
        assert self.watch is not None
        now = self._clock()
        if name is None:
            nearest = self.watch.nearest(now)
            assert nearest is not None
            name = nearest[0]
        outcome = self.accumulator.fail(self.watch.error(name), f"deadline_{name}")
        self._close(outcome, now)
        self.error = outcome.error

    def _settled(self, close: Callable[[], Outcome]) -> Outcome:
        try:
            return close()
        except (
            FormatError,
            RemoteError,
        ) as error:  # strict=True: the outcome says so too; the reader gets it at the end
            self.error = error
            return self.accumulator.close()

    def _close(self, outcome: Outcome, now: float) -> None:
        self.over = True
        add_status(outcome, self.status)
        if self.stopwatch is not None:
            self.stopwatch.end(now, outcome.events, self.accumulator.progress)
        self._came(outcome.events)

    def _has_data(self, block: bytes, events: Sequence[Event]) -> bool:
        """Return whether a block is more than keep-alives: comments, and events that made nothing but a `KeepAlive`."""
        # Not by its events alone: a large event arrives in many blocks, and makes none before the last.
        lines = (self._line + block).replace(b"\r", b"\n").split(b"\n")
        self._line = lines[-1][:1]
        ended, self._ended = self._ended, self.accumulator.progress[0]
        # The blank line that ends an event may arrive alone, and is as much data as the event.
        if self._ended == ended and all(line.startswith(b":") or not line for line in lines):
            return False
        kinds = {type(event) for event in events}
        return KeepAlive not in kinds or not kinds <= {KeepAlive, AnomalySeen}

    # --- what is known

    def see(self) -> Accumulator:
        """Return the accumulator, when it has seen everything that arrived."""
        return self.accumulator

    def raised(self) -> StreamError | None:
        """Return the exception that ends the iteration, once; None where it ends by itself."""
        error, self.error = self.error, None
        return error


class StreamFacts:
    """What is known of a stream: said once for all that read one, sync and async."""

    _intake: Intake

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        return self._intake.see().outcome

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What the sender did that the format does not define, in order of first sight."""
        return self._intake.see().anomalies

    @property
    def status(self) -> int | None:
        """The HTTP status, where the source is a response that has one; else None."""
        return self._intake.status

    @property
    def source_error(self) -> BaseException | None:
        """The exception that the source raised when it was read or closed; also where the response is complete."""
        return self._intake.source_error

    @property
    def timing(self) -> Timing:
        """When what arrived, as far as it has. Without a stopwatch (see `tee`) nothing but None."""
        self._intake.see()
        watch = self._intake.stopwatch
        return Timing() if watch is None else watch.timing()

    def snapshot(self) -> CreateChatCompletionResponse | None:
        """Return the response so far, a value; None before the first chunk."""
        with self._intake.lock:
            return self._intake.see().snapshot()

    def peek(self, choice: int = 0, call: int = 0) -> Any:
        """Return the arguments of tool call number `call` of a choice as far as they have arrived, a value; None before
        anything can be said of them. See `Accumulator.peek`."""
        with self._intake.lock:
            return self._intake.see().peek(choice, call)

    def statistics(self) -> Statistics:
        """Return what went through, in numbers."""
        return self._intake.see().statistics()


def _now(clock: Callable[[], float]) -> float:
    """Return the time of `clock`; raise `MisuseError` if that is not a number. Checked once: each block asks for the time."""
    try:
        now = clock()
    except Exception as error:
        text = f"clock= takes a function that returns the time in seconds; {shown(clock)} raised {type(error).__name__}"
        raise MisuseError(text) from error
    if not number(now):
        raise MisuseError(
            f"clock= takes a function that returns the time in seconds, and this one returned {shown(now)}"
        )
    return now
