"""One stream being read, whoever reads it: what `ChatStream` and `AsyncChatStream` have in common. No I/O.

In: what each read of a source came to, told by one of five verbs: `take` (an item), `end` (no more), `broke` (an
exception), `passed` (a deadline), `leave` (the reader went). Out: pieces, one by one: events, or chunks, or what is picked
out of the events. Cost: that of the accumulator, and a stamp a block.

Rule 1  One cursor. What one way of iterating has passed over is gone for the others.
Rule 2  A source that breaks off has ended: the bytes that came decide how (complete, where every choice had finished),
        and the exception is the `__cause__` of the outcome's error; where no chunk had come, that is a `SourceError`.
        Where a client raises what the sender wrote (an exception with a `body`, as the openai SDK does for an error in
        the stream), the sender has reported an error.
Rule 3  A late block is read all the same, since it is there: a stream that it completes is complete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .._arguments import check_kind, number, seconds, whole
from ..accumulator import Accumulator, Options
from ..errors import FormatError, MisuseError, RemoteError, SourceError, StreamError, excerpt, shown
from ..events import AnomalySeen, ContentDelta, Event, KeepAlive, ToolCallDone
from ..outcome import REASONS, Outcome
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .deadlines import Deadlines, Watch
from .timing import Stopwatch

__all__ = ("Options", "StreamCore", "broke_off", "nothing_came", "said_end", "told_by_client")

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
        self.over = False  # nothing more will be read
        self._left = False  # before all was given
        self._said = False  # whether the sender said the end; else the source has ended by itself, or is to be left
        self._grace = grace
        self._clock = clock
        self._watch = Watch(deadlines, now if sent is None else sent) if deadlines != Deadlines() else None
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
        now = self._clock()
        accumulator = self.accumulator
        late = None if self._watch is None else self._watch.late(now)
        try:
            events = accumulator.add(item) if is_chunk else accumulator.feed(item)
        except StreamError as error:
            if accumulator.done:
                self._close(self._settled(), now)
                self.forget()
            self.leave()
            self.error = None
            raise error
        self.stopwatch.block(now, events, accumulator.progress)
        self._came(events)
        if accumulator.done:
            self._close(self._settled(), now)
            self._said = said_end(accumulator.outcome)
        elif late is not None:
            self.passed(late)
        elif self._watch is not None:
            data = is_chunk or self._has_data(item, events)
            self._watch.came(now, data=data, output=accumulator.emitted)

    def end(self) -> None:
        """The source has no more."""
        self._close(self._settled(), self._clock())

    def broke(self, error: Exception) -> None:
        """The source raised `error` while it was read."""
        self.source_error = error
        late = None if self._watch is None else self._watch.late(self._clock())
        if late is not None and self._watch is not None and told_by_client(error) is None:
            # The client's own timeout, or it broke while all was waiting.
            outcome = self.accumulator.fail(self._watch.error(late), f"deadline_{late}")
            assert outcome.error is not None
            outcome.error.__cause__ = error
        else:
            outcome = broke_off(self.accumulator, error, self._settled)
        self._close(outcome, self._clock())
        self.error = outcome.error

    def passed(self, name: str | None = None) -> None:
        """A deadline passed: the one of that `name`, or the nearest."""
        assert self._watch is not None
        now = self._clock()
        if name is None:
            nearest = self._watch.nearest(now)
            assert nearest is not None
            name = nearest[0]
        outcome = self.accumulator.fail(self._watch.error(name), f"deadline_{name}")
        self._close(outcome, now)
        self.error = outcome.error

    def drain_seconds(self) -> float:
        """The stream is over: for how many seconds what stands behind it may be read; 0 where nothing shall be."""
        left = self.left()
        return 0.0 if self._left or not self._said else self._grace if left is None else min(left, self._grace)

    def leave(self) -> None:
        """The reader goes, and wants nothing more."""
        self._left = self._left or not self.over or bool(self._events)
        if not self.over:
            self._close(self._settled(self.accumulator.cancel), self._clock())
        self.forget()

    def _settled(self, close: Callable[[], Outcome] | None = None) -> Outcome:
        close = close or self.accumulator.close
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
        if outcome.error is not None and self.status is not None and self.status >= 400:
            outcome.error.add_note(f"The response had the HTTP status {self.status}.")
            outcome.error.status = self.status
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
        if all(line.startswith(b":") or not line for line in lines):
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
        return self._events.popleft() if self._events else None

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
            return waiting.popleft() if waiting else None

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


def nothing_came(accumulator: Accumulator) -> bool:
    """Whether a source that breaks now has given no chunk, and nothing that might be another body: keep-alives at most."""
    numbers = accumulator.statistics()
    return not numbers.chunks and not (numbers.bytes and not numbers.events and not numbers.comments)


def said_end(outcome: Outcome | None) -> bool:
    """Whether a stream that runs no more has been ended by its sender: by `[DONE]`, be it behind an error or alone."""
    return outcome is not None and outcome.reason in ("done", "done_without_finish", "remote_error", "empty")


def broke_off(accumulator: Accumulator, error: Exception, close: Callable[[], Outcome] | None = None) -> Outcome:
    """End the stream of a source that raised `error`, as Rule 2 says; how it ended. `close`: what closes it, where that
    is more than the accumulator's own `close`."""
    remote = told_by_client(error)
    if accumulator.done:  # `[DONE]` had come, or it had failed: what becomes of the source is no news
        return accumulator.close()
    if remote is not None:
        outcome = accumulator.fail(remote, "remote_error")
    elif nothing_came(accumulator):
        told = SourceError(f"{REASONS['source_error'][1]}: {type(error).__name__}: {excerpt(error)}")
        outcome = accumulator.fail(told, "source_error")
    else:
        outcome = (close or accumulator.close)()
    if outcome.error is not None and outcome.error is not error:
        outcome.error.__cause__ = error
    return outcome


def told_by_client(error: Exception) -> RemoteError | None:
    """The sender's error, where a client read it and raised it in its own words."""
    if isinstance(error, RemoteError):
        return error
    body = getattr(error, "body", None)
    if body is None:
        return None
    facts = {name: getattr(error, name, None) for name in ("code", "type", "param")}
    return RemoteError(str(getattr(error, "message", error)), **facts, body=body)


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
