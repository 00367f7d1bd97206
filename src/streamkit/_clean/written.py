"""What `to_events` and `to_chunks` return: events, or chunks, one after the other, and what is known of the stream.

In: a `Writer` and the source that it writes clean, or what a response is written as. Out: an iterator, sync or async, with
`outcome`, `response`, `anomalies`. The source is read by `_live/reader.py`; `Writing` is its intake. Cost: that of the writer.

Rule 1  Nothing is read before it is asked for, and no cancel scope is held. A read that is cancelled may be tried again if
        the source allows it.
Rule 2  What a source raises is raised here, unchanged, after what is made of all that had arrived; so is the error of a
        deadline.
Rule 3  Leaving early closes the source, drains nothing and ends the stream as cancelled; what waits is not yielded any more.
        When all of a stream that its sender ended has been yielded, leaving drains it for a moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from .._live.deadlines import Deadlines
from .._live.intake import Intake, StreamFacts
from .._live.reader import AsyncReader, Reader
from ..accumulator import Accumulator, describe
from ..anomalies import Anomaly
from ..errors import MisuseError, StreamError
from ..outcome import Outcome
from ..sources import GRACE, AsyncBlocks, Blocks, add_status
from ..types import CreateChatCompletionResponse
from .write_options import Raises, to_raise

__all__ = ("AsyncWritten", "Given", "Writer", "Writing", "Written")

Made = TypeVar("Made")


class Writer(Protocol[Made]):
    """What writes a stream: a `Cleaner`, or its sibling for chunks."""

    raises: Raises

    @property
    def accumulator(self) -> Accumulator:
        """What reads it."""

    def feed(self, block: bytes) -> list[Made]:
        """Return what a block says."""

    def add(self, chunk: Any) -> list[Made]:
        """Return what a chunk says."""

    def end(self) -> list[Made]:
        """Return what is said at the end."""

    @property
    def fault(self) -> StreamError | None:
        """What is raised after that; None where nothing is."""


class Writing(Intake, Generic[Made]):
    """An intake that keeps what a `Writer` makes of a stream."""

    leaves_when_interrupted = False

    def __init__(
        self,
        writer: Writer[Made],
        *,
        status: int | None,
        deadlines: Deadlines,
        clock: Callable[[], float],
        sent: float | None,
    ) -> None:
        facts: dict[str, Any] = {"status": status, "deadlines": deadlines, "clock": clock, "sent": sent}
        super().__init__(writer.accumulator, grace=GRACE, timed=False, **facts)
        self.made: deque[Made] = deque()
        self._writer = writer
        self._chunks = 0  # that had arrived with the last block
        self._raised = False

    def _fold(self, item: Any, is_chunk: bool) -> list[Any]:
        self.made.extend(self._writer.add(item) if is_chunk else self._writer.feed(item))
        return []

    def _has_data(self, block: bytes, events: object) -> bool:
        # Its events are the writer's. An event that was not a chunk, where half of one does not follow, is a keep-alive.
        before, self._chunks = self._chunks, self.accumulator.progress[1]
        ended = self._ended
        return super()._has_data(block, ()) and (self._chunks > before or self._ended == ended)

    def _end(self) -> None:
        self.made.extend(self._writer.end())
        self.over = True
        add_status(self.accumulator.outcome, self.status)

    def ended(self) -> None:
        """Note that the source has ended."""
        with self.lock:
            if not self.over:
                self._end()

    def _broke(self, error: Exception) -> None:
        self.source_error = error
        self._broken_off(error)
        self._end()

    def _passed(self, name: str | None) -> None:
        assert self.watch is not None
        name = name or self.watch.nearest(self._clock())[0]  # type: ignore[index]
        self.error = self.accumulator.fail(self.watch.error(name), f"deadline_{name}").error
        self._end()

    def first(self) -> Made | None:
        """Take the first piece, None for none: another thread may leave, and clear them, at any moment."""
        try:
            return self.made.popleft() if self.made else None
        except IndexError:
            return None

    def _waiting(self) -> bool:
        return bool(self.made)

    def forget(self) -> None:
        """Throw away what waits."""
        self.made.clear()

    @property
    def whole(self) -> bool:
        """Whether the reader has all of a stream, and did not leave."""
        return self.over and not self._gone

    def fault(self) -> BaseException | None:
        """Return what is raised at the end, once; None where nothing is."""
        first, self._raised = not self._raised, True
        if not first or self._gone:
            return None
        error = self.source_error or self.error or self._writer.fault
        if not isinstance(error, Exception):
            return error
        outcome = self.accumulator.outcome
        return to_raise(error, None if outcome is None else outcome.error, self._writer.raises)


class Given(Generic[Made]):
    """What a response, or an accumulator, is written as. `outcome`: how the stream of the accumulator ended."""

    __slots__ = ("anomalies", "items", "outcome", "response")

    def __init__(
        self,
        items: Iterator[Made],
        response: CreateChatCompletionResponse | None,
        outcome: Outcome | None,
        anomalies: tuple[Anomaly, ...],
    ) -> None:
        self.items = items
        self.response = response
        self.outcome = outcome
        self.anomalies = anomalies


class _WrittenFacts(StreamFacts, Generic[Made]):
    """What is known of what is written; for a response that the caller passed, that response."""

    _given: Given[Made] | None = None
    _intake: Writing[Made]
    _all_given = False

    def _check_begin(self) -> None:
        """Raise `MisuseError` if an iteration that begins now finds nothing."""
        if self._all_given:
            raise MisuseError(
                f"this {type(self).__name__} was read to its end already, and keeps nothing: iterate over it once, or call"
                " the function that made it again"
            )

    def __repr__(self) -> str:
        if self._given is not None:
            return f"<{type(self).__name__} of a response>"
        intake: Writing[Made] | None = getattr(self, "_intake", None)
        if intake is None:
            return describe(self, None)
        return describe(self, intake.accumulator, waiting=len(intake.made))

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs, and for a response that the caller passed."""
        return super().outcome if self._given is None else self._given.outcome

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What the sender did that the format does not define, in order of first sight."""
        return super().anomalies if self._given is None else self._given.anomalies

    @property
    def response(self) -> CreateChatCompletionResponse | None:
        """The response so far, as the dirty stream has it; None before the first chunk."""
        return super().snapshot() if self._given is None else self._given.response


class Written(_WrittenFacts[Made]):
    """Iterates over the events, or chunks, of a clean stream; use it in a `with` block. `to_events` and `to_chunks` make one.

    `outcome`, `response` and `anomalies` are those of the stream so far. `close()` leaves it, and any thread may call that.
    Raises what the source raises, `DeadlineError`, and what `clean` asks for (`"raise"`); iterated again, `MisuseError`.
    """

    def __init__(self, given: Given[Made] | None = None, blocks: Blocks | None = None, intake: Any = None) -> None:
        self._given = given
        if blocks is not None:
            self._blocks = blocks
            self._intake = intake
            self._reader = Reader(blocks, intake, "stream")

    def __iter__(self) -> Self:
        self._check_begin()
        return self

    def __next__(self) -> Made:
        if self._given is not None:
            for one in self._given.items:
                return one
            self._all_given = True
            raise StopIteration
        while (made := self._intake.first()) is None:
            if self._intake.over:
                self._reader.finish()
                self._all_given = self._intake.whole
                raise self._intake.fault() or StopIteration
            self._reader.read_once()
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave: close the source. What waits is not yielded any more. Any thread may call this."""
        if self._given is not None:
            self._given.items = iter(())
        else:
            self._reader.close()


class AsyncWritten(_WrittenFacts[Made]):
    """Iterates over the events, or chunks, of a clean stream: `async for`, `async with`, `aclose`. Like `Written`.

    `async_to_events` and `async_to_chunks` make one."""

    def __init__(self, given: Given[Made] | None = None, blocks: AsyncBlocks | None = None, intake: Any = None) -> None:
        self._given = given
        if blocks is not None:
            self._blocks = blocks
            self._intake = intake
            self._reader = AsyncReader(blocks, intake, "stream")

    def __aiter__(self) -> Self:
        self._check_begin()
        return self

    async def __anext__(self) -> Made:
        if self._given is not None:
            for one in self._given.items:
                return one
            self._all_given = True
            raise StopAsyncIteration
        while (made := self._intake.first()) is None:
            if self._intake.over:
                await self._reader.finish()
                self._all_given = self._intake.whole
                raise self._intake.fault() or StopAsyncIteration
            await self._reader.read_once()
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: close the source. What waits is not yielded any more."""
        if self._given is not None:
            self._given.items = iter(())
        else:
            await self._reader.aclose()
