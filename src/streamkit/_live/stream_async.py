"""Read a stream from an async source, under asyncio and trio. The rules of reading are at the head of
`_live/stream_core.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from ..accumulator import describe
from ..errors import MisuseError
from ..events import Event
from ..outcome import Outcome
from ..sources import GRACE, async_blocks
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .deadlines import Deadlines
from .intake import NO_DEADLINES, StreamFacts
from .reader import AsyncReader
from .resuming import Begins
from .stream_core import Box, Cursor, Options, StreamCore
from .structured import items, partial

__all__ = ("AsyncChatStream", "AsyncPieces")

Piece = TypeVar("Piece")
Item = TypeVar("Item")


class AsyncChatStream(StreamFacts):
    """Reads one stream from an async source, on asyncio or trio: any that `streamkit.sources.async_blocks` takes.

        async with client.stream("POST", url, json=request) as http, AsyncChatStream(http) as stream:
            async for text in stream.text(): print(text, end="")
        print(stream.outcome.name, stream.response.usage)

    Takes the arguments of `ChatStream`, has the same names and raises the same errors; `until_done` and `aclose` are
    coroutines, and `response` needs a stream that is over.

    Without `deadlines` it waits for ever for a sender that stalls, or until its client's own timeout, see `Deadlines`.
    One task reads it at a time. A read that is cancelled, by `asyncio.wait_for` or `move_on_after` too, ends the stream as
    cancelled: what is read on after that raises `MisuseError`. For "still waiting" messages read in a separate task, or
    take `Deadlines`.
    """

    def __init__(
        self,
        source: Any,
        *,
        deadlines: Deadlines = NO_DEADLINES,
        clock: Callable[[], float] = time.monotonic,
        sent: float | None = None,
        grace: float = GRACE,
        resume_from: bytes | bytearray | memoryview | str | None = None,
        begins: Begins = "start",
        **options: Unpack[Options],
    ) -> None:
        self._blocks = async_blocks(source)
        status = self._blocks.status
        self._core = self._intake = StreamCore(
            deadlines=deadlines,
            clock=clock,
            sent=sent,
            status=status,
            grace=grace,
            options=options,
            resume_from=resume_from,
            begins=begins,
        )
        self._reader = AsyncReader(self._blocks, self._core, "stream")

    def __repr__(self) -> str:
        core = getattr(self, "_core", None)
        return describe(self, None if core is None else core.accumulator)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._reader.hurry()
        await self.aclose()

    # --- iterating

    def __aiter__(self) -> Self:
        if (again := self._core.again()) is not None:
            raise again
        return self

    async def __anext__(self) -> Event:
        core, waited = self._core, False
        while (event := core.event()) is None:
            if core.over:
                await self._reader.finish()
                core.all_given = True
                error = core.raised() or (None if waited else core.gone())
                if error is not None:
                    raise error
                raise StopAsyncIteration
            await self._reader.read_once()
            waited = True
        return event

    def text(self, choice: int = 0) -> AsyncPieces[str]:
        """Return an iterator over the pieces of a choice's content, as they arrive. All iterators over a stream share its one
        cursor: what one of them has passed, the others do not see. Only tool calls are kept.

        Raises the outcome's error at the end; `MisuseError` for a choice that the stream did not have, and for an iteration
        that begins when a complete stream has been read."""
        return AsyncPieces(self, self._core.text(choice))

    def chunks(self) -> AsyncPieces[CreateChatCompletionStreamResponse]:
        """Every chunk from here on, typed, as the sender wrote it. Call it before anything is read to have them all."""
        return AsyncPieces(self, self._core.chunks())

    def tool_calls(self, choice: int = 0) -> AsyncPieces[ChatCompletionMessageToolCallUnion]:
        """Return an iterator over the tool calls of a choice that are over and complete: fit to be run. A call that continues
        after that is yielded again.

        It begins with the first call, also if that arrived while text or events were read."""
        return AsyncPieces(self, self._core.tool_calls(choice))

    def partial(self, choice: int = 0, *, skip_around: bool = False) -> AsyncPieces[Any]:
        """Return an iterator over the JSON of a choice's content as far as it has arrived, each time that more can be said of
        it: values that do not change, by the rules of `PartialJSON`, and sharing what is whole. The last one is all of it.

        It begins with the first character, also if that arrived before. `skip_around`: skip text around the JSON, a fence or
        prose. Raises the outcome's error at the end, and `FormatError` where the content stops being JSON, or ends before its
        JSON does. A choice without content (it refused, or called a tool) yields nothing."""
        return AsyncPieces(self, partial(self._core, choice, skip_around))

    @overload
    def items(
        self, path: str, *, into: type[Item], choice: int = 0, skip_around: bool = False
    ) -> AsyncPieces[Item]: ...
    @overload
    def items(self, path: str, *, into: Any = None, choice: int = 0, skip_around: bool = False) -> AsyncPieces[Any]: ...
    def items(self, path: str, *, into: Any = None, choice: int = 0, skip_around: bool = False) -> AsyncPieces[Any]:
        """Return an iterator over the elements at `path` (`$.items[*]`) of the JSON of a choice's content, each as soon as it
        is whole. `[*]` is any index, `.*` any key.

        `into`: what to make of each: an attrs class, a dataclass, a TypedDict, a pydantic model, or anything that cattrs can
        structure; without it plain values. One that does not match raises a `ValidationError` with its path and number
        (`item`); asking for the next one continues after it. Else it reads and raises like `partial`."""
        return AsyncPieces(self, items(self._core, path, into, choice, skip_around))

    async def until_done(self) -> Outcome:
        """Read to the end, throw the events away, and return how it ended. Raises nothing that the outcome reports."""
        while not self._core.over:
            self._core.forget()
            await self._reader.read_once()
        self._core.forget()
        self._core.raised()
        await self._reader.finish()
        self._core.all_given = True
        return self._core.accumulator.close()

    async def aclose(self) -> None:
        """Leave. A stream that is not over ends as cancelled; nothing more is read or returned."""
        await self._reader.aclose()

    def checkpoint(self) -> bytes:
        """Return the state of the stream as JSON, for `resume_from=` in another process, also between two events of a block:
        those that this reader has not had are in it, and the stream that resumes returns them first.

        Save it after what you did with the events that you had. `Accumulator.checkpoint` says what is not in it; `timing`
        is not, either. Raises `MisuseError` while chunks wait for the reader of `chunks()`.
        """
        return self._core.checkpoint()

    # --- what is known

    @property
    def response(self) -> CreateChatCompletionResponse:
        """The full response of a stream that is over: `await stream.until_done()` before its end, as a
        property cannot wait.

        Raises the outcome's error where the response is not complete, `MisuseError` where the stream runs, or was left
        before its end: `snapshot` has what had arrived.
        """
        if not self._core.over:
            accumulator = self._core.accumulator
            raise MisuseError(
                "the stream is not over: await stream.until_done() first, or take snapshot()",
                partial=accumulator.snapshot(),
                emitted=accumulator.emitted,
            )
        return self._core.response()

    # --- reading

    async def _next(self, cursor: Cursor[Piece]) -> Piece | None:
        waited = False
        while (piece := cursor.piece()) is None and not self._core.over:
            await self._reader.read_once()
            waited = True
        if piece is None:
            await self._reader.finish()
        if piece is None and not waited and (gone := self._core.gone(kept=cursor.kept)) is not None:
            raise gone
        return piece


class AsyncPieces(Generic[Piece]):
    """One kind of piece out of an `AsyncChatStream`. Several over one stream share its cursor."""

    def __init__(self, stream: AsyncChatStream, cursor: Cursor[Piece]) -> None:
        self._stream = stream
        self._cursor = cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        if self._cursor.over:
            raise StopAsyncIteration
        # Where this raises, the iterator is not over: continuing after a cancelled read must not look like the end.
        piece = await self._stream._next(self._cursor)
        if isinstance(piece, Box):
            return piece.value  # type: ignore[no-any-return]
        if piece is not None:
            return piece
        raise self._cursor.end() or StopAsyncIteration

    async def aclose(self) -> None:
        """Leave the stream that it comes from."""
        self._cursor.over = True
        await self._stream.aclose()
