"""The state of one stream while it is read: what `ChatStream` and `AsyncChatStream` have in common. No I/O.

In: the result of each read of a source, by the verbs of an `Intake`. Out: pieces, one by one: events, or chunks, or what is
picked out of the events. Cost: that of the intake.

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
        `text`, `chunks`, `tool_calls`, `partial` and `items` show no `End`: they raise the error of every outcome that has one. Every such
        error has the response so far in `partial`. How a source that breaks off ends the stream: `sources/_endings.py`.
Rule 4  Only misuse, and the first anomaly under `strict=True`, raise in the middle of the stream; the source is closed
        then too.
Rule 5  Async, no cancel scope is open while the caller runs: each read has its own. Cancelled at any await, the source
        is closed (shielded, for at most 5 seconds) and the stream has ended as cancelled.
Rule 6  One cursor. What one way of iterating has passed over is gone for the others, but for tool calls, and the content that
        `partial` and `items` read.
Rule 7  A caller that asks for what is not there any more gets a `MisuseError`: one that iterates over a stream again, after
        its end was reached, or asks for a choice that the stream did not have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from .._arguments import whole
from ..accumulator import Accumulator, Options
from ..errors import MisuseError, counted, shown
from ..events import ContentDelta, Event, ToolCallDone
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .intake import Intake
from .resuming import Begins, Resumed

__all__ = ("Box", "Cursor", "Options", "StreamCore", "check_choice")

Piece = TypeVar("Piece")

FAILED = 400  # and above: the status of a response that is an error (RFC 9110, section 15)


class StreamCore(Intake):
    """The state of one stream; `facts`: those of an `Intake`."""

    def __init__(self, *, options: Options, resume_from: Any = None, begins: Begins = "start", **facts: Any) -> None:
        if resume_from is None and begins != "start":
            raise MisuseError(
                f"begins= is about a stream that resumes: pass resume_from= too, or leave out {shown(begins)}"
            )
        resumed = self._resumed = None if resume_from is None else Resumed(resume_from, begins, options)
        if resumed is not None and (status := facts["status"] or 0) >= FAILED:
            raise resumed.refused(status)
        super().__init__(Accumulator(**options) if resumed is None else resumed.accumulator, **facts)
        self._events: deque[Event] = deque(() if resumed is None else resumed.events)
        # Kept, since a reader may well take the text first and the calls afterwards.
        self._calls: list[ToolCallDone] = [] if resumed is None else resumed.calls
        self._chunks: deque[CreateChatCompletionStreamResponse] | None = None
        self._followed: list[tuple[int, deque[str]]] = []  # a choice, and what waits of its content
        self.all_given = False  # the cursor has reached the end

    def _came(self, events: Sequence[Event]) -> None:
        self._events.extend(events)
        for choice, texts in self._followed:
            texts.extend(event.text for event in events if type(event) is ContentDelta and event.choice == choice)
        self._calls += [event for event in events if type(event) is ToolCallDone]

    def _waiting(self) -> bool:
        return bool(self._events)

    # --- from one process to another

    def checkpoint(self) -> bytes:
        """Return the state, with the events that wait."""
        with self.lock:
            if self._chunks:
                raise MisuseError(
                    f"{counted(len(self._chunks), 'chunk')} that the last block brought wait for the reader of chunks():"
                    " take a checkpoint when it has had them, or iterate the stream for events, which are kept"
                )
            from .._checkpoint.document import write  # most streams need none

            waiting = {"events": tuple(self._events), "calls": tuple(self._calls)}
            return write(self.see(), {name: events for name, events in waiting.items() if events})

    def _fold(self, item: Any, is_chunk: bool) -> list[Event]:
        resumed = self._resumed
        if resumed is not None and resumed.left:
            item = resumed.rest(item, is_chunk=is_chunk)
            if item is None:
                return []
        return super()._fold(item, is_chunk)

    def ended(self) -> None:
        """Note that the source has ended."""
        resumed = self._resumed
        if resumed is not None and resumed.left and not self.over:
            raise resumed.ended_early()
        super().ended()

    # --- pieces

    def forget(self) -> None:
        """Throw away what waits."""
        self._events.clear()
        if self._chunks is not None:
            self._chunks.clear()

    def event(self) -> Event | None:
        """Return the next event; None where more has to be read first."""
        if self._chunks:
            self._chunks.clear()
        return _first(self._events)

    def picked(self, pick: Callable[[Event], Piece | None]) -> Callable[[], Piece | None]:
        """Return a function that returns the next piece that `pick` finds in the events."""

        def next_piece() -> Piece | None:
            while (event := self.event()) is not None:
                piece = pick(event)
                if piece is not None:
                    return piece
            return None

        return next_piece

    def text(self, choice: int) -> Cursor[str]:
        """Return a cursor over the pieces of a choice's content."""
        check_choice(choice)

        def pick(event: Event) -> str | None:
            return event.text if isinstance(event, ContentDelta) and event.choice == choice else None

        return Cursor(self, self.picked(pick), choice)

    def tool_calls(self, choice: int) -> Cursor[ChatCompletionMessageToolCallUnion]:
        """Return a cursor over the tool calls of a choice that are over and complete, from the first one on."""
        check_choice(choice)
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

        return Cursor(self, next_call, choice, kept=True)

    def chunks(self) -> Cursor[CreateChatCompletionStreamResponse]:
        """Return a cursor over the chunks from here on."""
        if self._chunks is None:
            self._chunks = deque()
            self.accumulator.tap(self._chunks.append)
        waiting = self._chunks

        def next_chunk() -> CreateChatCompletionStreamResponse | None:
            self._events.clear()
            return _first(waiting)

        return Cursor(self, next_chunk)

    def content(self, choice: int) -> deque[str]:
        """Return the content of a choice as a row to which each piece is added that arrives; the first one is what has
        arrived already. It is kept like tool calls are: other ways of reading do not take it away."""
        with self.lock:
            response = self.accumulator.snapshot()
            found = [one.message.content for one in response.choices if one.index == choice] if response else []
            texts = deque(text for text in found if text)
            self._followed.append((choice, texts))
            return texts

    def pass_events(self) -> None:
        """Pass over the events that wait: their text has been taken another way."""
        self._events.clear()

    # --- the end

    def gone(self, *, kept: bool = False) -> MisuseError | None:
        """Return the error for iterating a stream that was closed early. `kept`: the iterator replays items held in memory
        (tool calls), so that only a cancelled stream is an error."""
        outcome = self.accumulator.outcome
        if not self._gone or outcome is None or (kept and outcome.name != "cancelled"):
            return None
        message = "this stream was closed before it ended: iterate inside its `with` block and before close();"
        message += " snapshot() returns what had arrived"
        return MisuseError(message, partial=self.accumulator.snapshot(), emitted=self.accumulator.emitted)

    def again(self) -> MisuseError | None:
        """Return the error for an iteration that begins after the end of the stream; None if there is more to read."""
        outcome = self.accumulator.outcome
        if not self.all_given or self._gone or self._events or outcome is None or not outcome.ok:
            return None  # that a stream did not end well was raised already
        message = "this stream was read to its end already, and can be iterated only once: keep what you need while you iterate;"
        message += " .response has all of it, tool_calls() yields the calls again"
        return MisuseError(message, partial=self.accumulator.snapshot(), emitted=self.accumulator.emitted)

    def no_such_choice(self, choice: int) -> MisuseError | None:
        """Return the error for a choice that a finished stream did not have; None if it had that one, or no choice at all."""
        response = self.accumulator.snapshot()
        found = [] if response is None else [one.index for one in response.choices]
        if not found or choice in found:
            return None
        have = ", ".join(map(str, found))
        message = f"this stream has no choice {choice}: choice= takes the index of one that it has ({have})"
        return MisuseError(message, partial=response, emitted=self.accumulator.emitted)

    def response(self) -> CreateChatCompletionResponse:
        """Return the full response of a stream that is over."""
        outcome = self.accumulator.outcome
        assert outcome is not None
        if outcome.error is not None:
            raise outcome.error.with_traceback(None)  # it may be raised again and again
        response = self.accumulator.snapshot()
        if outcome.name == "cancelled" or response is None:
            message = (
                "this stream was closed before it ended: there is no full response; snapshot() returns what had arrived"
            )
            raise MisuseError(message, partial=response, emitted=self.accumulator.emitted)
        return response


class Box(NamedTuple):
    """A piece that may be None."""

    value: Any


class Cursor(Generic[Piece]):
    """One way of iterating over a stream: `waiting` returns the next piece, None where more has to be read first.

    `choice`: the one that was asked for. `kept`: whether the pieces are held in memory, so that they can be yielded again.
    `last`: returns what is wrong with the pieces where nothing is with the stream.
    """

    __slots__ = ("_begun", "_choice", "_core", "_given", "_last", "_late", "_waiting", "kept", "over")

    def __init__(
        self,
        core: StreamCore,
        waiting: Callable[[], Piece | None],
        choice: int | None = None,
        *,
        kept: bool = False,
        last: Callable[[], Exception | None] | None = None,
    ) -> None:
        self._core = core
        self._waiting = waiting
        self._choice = choice
        self.kept = kept
        self._last = last
        self.over = False
        self._begun = self._given = False
        self._late: MisuseError | None = None

    def piece(self) -> Piece | None:
        """Return the next piece; None where more has to be read first."""
        if not self._begun:
            self._begun = True
            self._late = None if self.kept else self._core.again()
        piece = self._waiting()
        self._given = self._given or piece is not None
        return piece

    def end(self) -> Exception | None:
        """End the iteration: return what is raised instead of the end, None for the end itself."""
        core = self._core
        self.over = core.all_given = True
        core.raised()
        outcome = core.accumulator.outcome
        if outcome is not None and outcome.error is not None:
            return outcome.error.with_traceback(None)
        if self._late is not None:
            return self._late
        if self._last is not None and outcome is not None and outcome.ok and (wrong := self._last()) is not None:
            return wrong
        if self._choice is None or self._given or outcome is None or not outcome.ok:
            return None
        return core.no_such_choice(self._choice)


def _first(waiting: deque[Piece]) -> Piece | None:
    """Take the first piece, None for none: another thread may clear them at any moment."""
    try:
        return waiting.popleft() if waiting else None
    except IndexError:
        return None


def check_choice(choice: object) -> None:
    """Before anything is read: no choice would match `"0"`, and the stream would be read to its end for nothing."""
    if not whole(choice, 0):
        raise MisuseError(f"choice= takes the index of a choice, a whole number from 0, not {shown(choice)}")
