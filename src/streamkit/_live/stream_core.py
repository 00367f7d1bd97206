"""The state of one stream while it is read: what `ChatStream` and `AsyncChatStream` have in common. No I/O.

In: what each read of a source gave, by one of five verbs: `take` (an item), `end` (no more), `broke` (an exception),
`passed` (a deadline), `leave` (the reader left). Out: pieces, one by one: events, or chunks, or what is picked out of
the events. Cost: that of the accumulator, a stamp and an uncontended lock for each block.

The rules of reading. `ChatStream` and `AsyncChatStream` are siblings, and the same names mean the same.

Rule 1  Reading is lazy. The source is read when the caller asks for a piece that has not arrived yet, never ahead of
        that, and never after its end.
Rule 2  `[DONE]`, a failure, a deadline or the last byte end the stream, and the source is closed before the last events
        are returned. One exception: after `[DONE]` the rest of a response is read first, when the caller has everything
        and asks for more, or leaves: for at most `grace` seconds, and never to another outcome, so that its client can
        use the connection again (`sources/_drain.py`). Leaving earlier closes the source, drains nothing, and ends the
        stream as cancelled with what had arrived. A caller that iterates after that gets a `MisuseError`; where another
        task or thread leaves while one waits, the iteration of the one that waits just ends.
Rule 3  Iterating over events raises nothing for what the sender did: `End`, always last, has the outcome. What came
        from outside of the bytes (an exception of the source, a deadline) is raised after it, as the outcome's error.
        `text`, `chunks` and `tool_calls` show no `End`: they raise the error of every outcome that has one. Every such
        error has the response so far in `partial`. How a source that breaks off ends the stream: `_live/intake.py`.
Rule 4  Only misuse, and the first anomaly under `strict=True`, raise in the middle of the stream; the source is closed
        then too.
Rule 5  Async, no cancel scope is open while the caller runs: each read has its own. Cancelled at any await, the source
        is closed (shielded, for at most 5 seconds) and the stream has ended as cancelled.
Rule 6  One cursor. What one way of iterating has passed over is gone for the others.
Rule 7  A late block is read all the same, since it is there: a stream that it completes is complete.
Rule 8  Any thread may leave, at any moment, and again after a leaving that was interrupted. Each verb holds the lock,
        and does nothing once the stream is over: a block that arrives too late is not fed to a closed accumulator.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any, TypeVar

from .._arguments import check_kind, number, seconds, whole
from ..accumulator import Accumulator, Options
from ..errors import FormatError, MisuseError, RemoteError, StreamError, shown
from ..events import AnomalySeen, ContentDelta, Event, KeepAlive, ToolCallDone
from ..outcome import Outcome
from ..sources import end_stream, said_end
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .deadlines import Deadlines
from .intake import add_status, error_raised_by_client
from .timing import Stopwatch

__all__ = ("Options", "StreamCore")

Piece = TypeVar("Piece")


class StreamCore:
    """The state of one stream. `status`: of the HTTP response, whose head has come then; None where it is none."""

    def __init__(
        self,
        *,
        deadlines: Deadlines,
        clock: Callable[[], float],
        sent: float | None,
        status: int | None,
        grace: float,
        options: Options,
    ) -> None:
        now = _now(clock)
        check_kind("deadlines=", deadlines, Deadlines)
        if sent is not None and not (number(sent) and sent <= now):
            raise MisuseError(f"sent= takes a time by the stream's clock, which says {now} now, not {shown(sent)}")
        if not seconds(grace):
            raise MisuseError(f"grace= takes seconds, finite, 0 for none, not {shown(grace)}")
        self.accumulator = Accumulator(**options)
        self.stopwatch = Stopwatch(sent=sent, opened=now, head=None if status is None else now)
        self.status = status
        self.source_error: BaseException | None = None
        self.error: StreamError | None = None  # what the reader has still to be told by an exception
        self.over = False  # nothing more will be fed
        self._left = False  # before all was given
        self._said = False  # whether the sender said the end; else the source has ended by itself, or is to be left
        # The same thread may enter it again: a signal handler may leave, in the middle of a verb.
        self._lock = RLock()
        self._grace = grace
        self._clock = clock
        self._watch = deadlines.watch(now if sent is None else sent)
        self._ended = 0  # server-sent events that were whole after the last block
        self._line = b""  # the first byte of the line that the last block left open
        self._events: deque[Event] = deque()
        self._calls: list[
            ToolCallDone
        ] = []  # kept, since a reader may well take the text first and the calls afterwards
        self._chunks: deque[CreateChatCompletionStreamResponse] | None = None

    # --- what a read came to

    def left(self) -> float | None:
        """A read begins: how many seconds it may take; None for any number."""
        nearest = None if self._watch is None else self._watch.left(self._clock())
        return None if nearest is None else max(nearest[1], 0.0)

    def take(self, item: Any, *, is_chunk: bool) -> None:
        """The source gave a block or a chunk. Raises `MisuseError` for what is no chunk, `FormatError` under strict."""
        with self._lock:
            if not self.over:
                self._take(item, is_chunk)

    def end(self) -> None:
        """The source has no more."""
        with self._lock:
            if not self.over:
                self._close(self._settled(self.accumulator.close), self._clock())

    def broke(self, error: Exception) -> None:
        """The source raised `error` while it was read."""
        with self._lock:
            if not self.over:
                self._broke(error)

    def passed(self, name: str | None = None) -> None:
        """A deadline passed: the one of that `name`, or the nearest."""
        with self._lock:
            if not self.over:
                self._passed(name)

    def leave(self) -> None:
        """The reader leaves, and wants nothing more."""
        with self._lock:
            self._left = self._left or not self.over or bool(self._events)
            if not self.over:
                self._close(self._settled(self.accumulator.cancel), self._clock())
            self.forget()

    def drain_seconds(self) -> float:
        """The stream is over: for how many seconds what follows its end may be read; 0 where nothing shall be."""
        left = self.left()
        return 0.0 if self._left or not self._said else self._grace if left is None else min(left, self._grace)

    def _take(self, item: Any, is_chunk: bool) -> None:
        now = self._clock()
        accumulator = self.accumulator
        late = None if self._watch is None else self._watch.late(now)
        try:
            events = accumulator.add(item) if is_chunk else accumulator.feed(item)
        except StreamError as error:
            if accumulator.done:
                self._close(self._settled(accumulator.close), now)
                self.forget()
            self.leave()
            self.error = None
            raise error
        if self.over:  # a signal handler left, in the middle of that
            return
        self.stopwatch.block(now, events, accumulator.progress)
        self._came(events)
        if accumulator.done:
            self._close(self._settled(accumulator.close), now)
            self._said = said_end(accumulator.outcome)
        elif late is not None:
            self._passed(late)
        elif self._watch is not None:
            data = is_chunk or self._has_data(item, events)
            self._watch.came(now, data=data, output=accumulator.emitted)

    def _broke(self, error: Exception) -> None:
        self.source_error = error
        late = None if self._watch is None else self._watch.late(self._clock())
        if late is not None and self._watch is not None and error_raised_by_client(error) is None:
            # The client's own timeout, or it broke while all was waiting.
            outcome = self.accumulator.fail(self._watch.error(late), f"deadline_{late}")
            assert outcome.error is not None
            outcome.error.__cause__ = error
        else:
            outcome = end_stream(self.accumulator, error, status=self.status, settle=self._settled)
        self._close(outcome, self._clock())
        self.error = outcome.error

    def _passed(self, name: str | None) -> None:
        assert self._watch is not None
        now = self._clock()
        if name is None:
            nearest = self._watch.nearest(now)
            assert nearest is not None
            name = nearest[0]
        outcome = self.accumulator.fail(self._watch.error(name), f"deadline_{name}")
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
        self.stopwatch.end(now, outcome.events, self.accumulator.progress)
        self._came(outcome.events)

    def _came(self, events: Sequence[Event]) -> None:
        self._events.extend(events)
        self._calls += [event for event in events if type(event) is ToolCallDone]

    def _has_data(self, block: bytes, events: list[Event]) -> bool:
        """Whether a block is more than keep-alives. A comment is one, and an event that gave nothing but a `KeepAlive`."""
        # Not by its events alone: a large event comes in many blocks, and gives none before the last.
        lines = (self._line + block).replace(b"\r", b"\n").split(b"\n")
        self._line = lines[-1][:1]
        ended, self._ended = self._ended, self.accumulator.progress[0]
        # The blank line that ends an event may arrive alone, and is as much data as the event.
        if self._ended == ended and all(line.startswith(b":") or not line for line in lines):
            return False
        kinds = {type(event) for event in events}
        return KeepAlive not in kinds or not kinds <= {KeepAlive, AnomalySeen}

    # --- pieces

    def forget(self) -> None:
        """Throw away what was not asked for."""
        self._events.clear()
        if self._chunks is not None:
            self._chunks.clear()

    def event(self) -> Event | None:
        """The next event; None where more has to be read first."""
        if self._chunks:
            self._chunks.clear()
        return _first(self._events)

    def picked(self, pick: Callable[[Event], Piece | None]) -> Callable[[], Piece | None]:
        """What gives the next piece that `pick` finds in the events."""

        def next_piece() -> Piece | None:
            while (event := self.event()) is not None:
                piece = pick(event)
                if piece is not None:
                    return piece
            return None

        return next_piece

    def text(self, choice: int) -> Callable[[], str | None]:
        """What gives the next piece of a choice's content."""
        _check_choice(choice)

        def pick(event: Event) -> str | None:
            return event.text if isinstance(event, ContentDelta) and event.choice == choice else None

        return self.picked(pick)

    def tool_calls(self, choice: int) -> Callable[[], ChatCompletionMessageToolCallUnion | None]:
        """What gives the next tool call of a choice that is over and complete, from the first one on."""
        _check_choice(choice)
        at = 0

        def next_call() -> ChatCompletionMessageToolCallUnion | None:
            nonlocal at
            self._events.clear()
            while at < len(self._calls):
                call = self._calls[at]
                at += 1
                if call.choice == choice and call.tool_call.complete:
                    return call.tool_call
            return None

        return next_call

    def chunks(self) -> Callable[[], CreateChatCompletionStreamResponse | None]:
        """What gives the next chunk, from here on."""
        if self._chunks is None:
            self._chunks = deque()
            self.accumulator.tap(self._chunks.append)
        waiting = self._chunks

        def next_chunk() -> CreateChatCompletionStreamResponse | None:
            self._events.clear()
            return _first(waiting)

        return next_chunk

    # --- the end

    def raised(self) -> StreamError | None:
        """The exception that ends the iteration, once; None where it ends by itself."""
        error, self.error = self.error, None
        return error

    def gone(self, *, kept: bool = False) -> MisuseError | None:
        """The exception for who asks for more of a stream that was left before all of it was given. `kept`: he asks for
        what is kept; then only what never came is missing."""
        outcome = self.accumulator.outcome
        if not self._left or outcome is None or (kept and outcome.name != "cancelled"):
            return None
        message = "the stream was left before its end, and gives nothing more: iterate inside of its `with` block"
        message += " and before close(); snapshot() has what had come"
        return MisuseError(message, partial=self.accumulator.snapshot(), emitted=self.accumulator.emitted)

    def response(self) -> CreateChatCompletionResponse:
        """The full response of a stream that is over."""
        outcome = self.accumulator.outcome
        assert outcome is not None
        if outcome.error is not None:
            raise outcome.error.with_traceback(None)  # it may be raised again and again
        response = self.accumulator.snapshot()
        if outcome.name == "cancelled" or response is None:
            message = "the stream was left before its end: there is no full response, snapshot() has what had come"
            raise MisuseError(message, partial=response, emitted=self.accumulator.emitted)
        return response


def _first(waiting: deque[Piece]) -> Piece | None:
    """Take the first piece, None for none: another thread may clear them at any moment."""
    try:
        return waiting.popleft() if waiting else None
    except IndexError:
        return None


def _check_choice(choice: object) -> None:
    """Before anything is read: no choice would match `"0"`, and the stream would be read to its end for nothing."""
    if not whole(choice, 0):
        raise MisuseError(f"a choice is given by its index, a whole number from 0, not {shown(choice)}")


def _now(clock: Callable[[], float]) -> float:
    """The time that `clock` gives; `MisuseError` where it gives none. Looked at once: each block asks for the time."""
    try:
        now = clock()
    except Exception as error:
        text = f"clock= takes a function that gives the time in seconds; {shown(clock)} raised {type(error).__name__}"
        raise MisuseError(text) from error
    if not number(now):
        raise MisuseError(f"clock= takes a function that gives the time in seconds, and this one gave {shown(now)}")
    return now
