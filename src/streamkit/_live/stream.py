"""Read a stream from a sync source. The rules of reading are at the head of `_live/stream_core.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from ..accumulator import describe
from ..events import Event
from ..outcome import Outcome
from ..sources import GRACE, blocks
from ..types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from ..types._tool_calls import ChatCompletionMessageToolCallUnion
from .deadlines import Deadlines
from .intake import NO_DEADLINES, StreamFacts
from .reader import Reader
from .resuming import Begins
from .stream_core import Box, Cursor, Options, StreamCore
from .structured import items, partial

__all__ = ("ChatStream", "Pieces")

Piece = TypeVar("Piece")
Item = TypeVar("Item")


class ChatStream(StreamFacts):
    """Reads one stream from a sync source: an HTTP response, or anything else that `streamkit.sources.blocks` takes.

        with client.stream("POST", url, json=request) as http, ChatStream(http) as stream:
            for text in stream.text(): print(text, end="")
        print(stream.outcome.name, stream.response.usage)

    Iterate it for events, `End` last; or use `text()`, `tool_calls()`, `chunks()`, `until_done()` or `response`. They share
    one cursor. `snapshot()` returns the response so far at any moment. One thread at a time reads; any thread may `close`.

    `deadlines`: how long the stream may keep its reader waiting; by default for ever, or until its client's own timeout.
    `clock`: returns the time in seconds, for deadlines and `timing`. `sent`: when the request was sent, by that clock: take
    it before the response; without it `timing.ttft` is None. `grace`: for how many seconds the rest of a response is drained
    after `[DONE]`, so that its client can reuse the connection. `options`: those of `Accumulator` (`strict`, `limits`,
    `rules`, `dialect`, `converter`, `path_events`).

    `resume_from`: what `checkpoint()` returned, here or in another process: the stream continues as if nothing had happened.
    `strict`, `rules`, `dialect` and `path_events` are in it. `begins`: with what the source begins: its first byte ("start":
    what was read is skipped), the byte at `resume_point(checkpoint).offset` ("offset"), or the event after the last event id
    ("event"). A response with a status of 400 or more raises a `RemoteError` at once.

    Events raise only what is not in the bytes: a deadline (`DeadlineError`), a source that breaks (`TruncatedError`, or
    `SourceError` before any chunk). Every other way of reading raises the error of a stream that is not complete, too;
    `until_done()` and `snapshot()` raise none of them. Each error has what arrived in `partial`. `MisuseError` for wrong
    arguments, and for reading on after `close`.
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
        self._blocks = blocks(source)
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
        self._reader = Reader(self._blocks, self._core, "stream")

    def __repr__(self) -> str:
        core = getattr(self, "_core", None)
        return describe(self, None if core is None else core.accumulator)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._reader.hurry()
        self.close()

    # --- iterating

    def __iter__(self) -> Self:
        if (again := self._core.again()) is not None:
            raise again
        return self

    def __next__(self) -> Event:
        core, waited = self._core, False
        while (event := core.event()) is None:
            if core.over:
                self._reader.finish()
                core.all_given = True
                error = core.raised() or (None if waited else core.gone())
                if error is not None:
                    raise error
                raise StopIteration
            self._reader.read_once()
            waited = True
        return event

    def text(self, choice: int = 0) -> Pieces[str]:
        """Return an iterator over the pieces of a choice's content, as they arrive. All iterators over a stream share its one
        cursor: what one of them has passed, the others do not see. Only tool calls are kept.

        Raises the outcome's error at the end; `MisuseError` for a choice that the stream did not have, and for an iteration
        that begins when a complete stream has been read."""
        return Pieces(self, self._core.text(choice))

    def chunks(self) -> Pieces[CreateChatCompletionStreamResponse]:
        """Every chunk from here on, typed, as the sender wrote it. Call it before anything is read to have them all."""
        return Pieces(self, self._core.chunks())

    def tool_calls(self, choice: int = 0) -> Pieces[ChatCompletionMessageToolCallUnion]:
        """Return an iterator over the tool calls of a choice that are over and complete: fit to be run. A call that continues
        after that is yielded again.

        It begins with the first call, also if that arrived while text or events were read."""
        return Pieces(self, self._core.tool_calls(choice))

    def partial(self, choice: int = 0, *, skip_around: bool = False) -> Pieces[Any]:
        """Return an iterator over the JSON of a choice's content as far as it has arrived, each time that more can be said of
        it: values that do not change, by the rules of `PartialJSON`, and sharing what is whole. The last one is all of it.

        It begins with the first character, also if that arrived before. `skip_around`: skip text around the JSON, a fence or
        prose. Raises the outcome's error at the end, and `FormatError` where the content stops being JSON, or ends before its
        JSON does. A choice without content (it refused, or called a tool) yields nothing."""
        return Pieces(self, partial(self._core, choice, skip_around))

    @overload
    def items(self, path: str, *, into: type[Item], choice: int = 0, skip_around: bool = False) -> Pieces[Item]: ...
    @overload
    def items(self, path: str, *, into: Any = None, choice: int = 0, skip_around: bool = False) -> Pieces[Any]: ...
    def items(self, path: str, *, into: Any = None, choice: int = 0, skip_around: bool = False) -> Pieces[Any]:
        """Return an iterator over the elements at `path` (`$.items[*]`) of the JSON of a choice's content, each as soon as it
        is whole. `[*]` is any index, `.*` any key.

        `into`: what to make of each: an attrs class, a dataclass, a TypedDict, a pydantic model, or anything that cattrs can
        structure; without it plain values. One that does not match raises a `ValidationError` with its path and number
        (`item`); asking for the next one continues after it. Else it reads and raises like `partial`."""
        return Pieces(self, items(self._core, path, into, choice, skip_around))

    def until_done(self) -> Outcome:
        """Read to the end, throw the events away, and return how it ended. Raises nothing that the outcome reports."""
        while not self._core.over:
            self._core.forget()
            self._reader.read_once()
        self._core.forget()
        self._core.raised()
        self._reader.finish()
        self._core.all_given = True
        return self._core.accumulator.close()

    def close(self) -> None:
        """Leave. A stream that is not over ends as cancelled; nothing more is read or returned.

        Another thread may leave while one waits for the sender, and so may a signal handler; this does not wait for the
        sender. The connection of an HTTP/1.1 response is shut down, which ends the wait. A pipe, an HTTP/2 response or a
        generator is closed when its next block arrives.
        """
        self._reader.close()

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
        """The full response. Reads to the end of the stream first; the events on the way are thrown away.

        Raises the outcome's error where the response is not complete, `MisuseError` where the stream was left before
        its end: `snapshot` has what had arrived.
        """
        if not self._core.over:
            self.until_done()
        return self._core.response()

    # --- reading

    def _next(self, cursor: Cursor[Piece]) -> Piece | None:
        waited = False
        while (piece := cursor.piece()) is None and not self._core.over:
            self._reader.read_once()
            waited = True
        if piece is None:
            self._reader.finish()
        if piece is None and not waited and (gone := self._core.gone(kept=cursor.kept)) is not None:
            raise gone
        return piece


class Pieces(Generic[Piece]):
    """One kind of piece out of a `ChatStream`. Several over one stream share its cursor."""

    def __init__(self, stream: ChatStream, cursor: Cursor[Piece]) -> None:
        self._stream = stream
        self._cursor = cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Piece:
        if self._cursor.over:
            raise StopIteration
        # Where this raises, the iterator is not over: continuing after a cancelled read must not look like the end.
        piece = self._stream._next(self._cursor)
        if isinstance(piece, Box):
            return piece.value  # type: ignore[no-any-return]
        if piece is not None:
            return piece
        raise self._cursor.end() or StopIteration

    def close(self) -> None:
        """Leave the stream that it comes from."""
        self._cursor.over = True
        self._stream.close()
