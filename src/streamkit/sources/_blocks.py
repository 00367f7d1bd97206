"""The items of a source, one after the other: `Blocks`, and its async sibling.

In: a live iterator, and how to close what it reads from. Out: blocks as `bytes`, or chunks for `Accumulator.add`; never
both from one source. Costs one call and one type check an item; nothing is held.

Rule 1  An item is requested when it is needed, never before, and passed on unchanged: no joining, no cutting.
Rule 2  The exceptions of the source pass through unchanged. An item that is neither a block nor a chunk is a
        `MisuseError`.
Rule 3  Closing drains nothing; the source has then ended, also for a caller that still iterates. It may be repeated:
        if a closing was interrupted (KeyboardInterrupt, a cancelled task), the next one starts over; if one was carried
        out, whatever it raised, the next one does nothing.
Rule 4  Another thread may close what one thread reads, and so may a signal handler in the thread that reads. It never
        waits for that read: the read is woken if the source is known to have a socket (`sources/_wake.py`), and the
        source is closed by the reading thread when its read returns. A source of an unknown kind is closed at once,
        since its `close` may be what ends the read; except for a generator, which cannot be closed while it runs.
Rule 5  Async closing is shielded: a cancelled task still closes, for at most 5 seconds. `asyncio.Task.cancel` ignores
        shields: if it interrupts the closing itself, Rule 3 applies; clients that could not be closed again are closed
        in another task (`sources/_uncancelled.py`).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from threading import get_ident
from typing import Any, Literal, TypeAlias

from .._arguments import readable
from .._decode.sdk_objects import is_chunk_object
from ..errors import MisuseError
from ._drain import GRACE, ReadWithin, drain, drain_async, throw_away
from ._wake import Wake

__all__ = ("CLOSING", "AsyncBlocks", "Blocks", "SourceEnd")

CLOSING = 5.0  # seconds for closing a source: a TLS goodbye takes two round trips

SourceEnd: TypeAlias = Literal["end", "error", "closed"]
"""How a source ended: it was exhausted, it raised, or it was closed before either."""


class _Items:
    """Checks of items, shared by both siblings: whether an item is a block or a chunk."""

    __slots__ = ("_chunks", "_count", "ended", "error")

    def __init__(self, chunks: bool | None) -> None:
        self._chunks = chunks
        self._count = 0
        self.ended: SourceEnd | None = None
        self.error: Exception | None = None

    def over(self, ended: SourceEnd, error: Exception | None = None) -> None:
        """Note how the source ended; the first call decides."""
        if self.ended is None:
            self.ended, self.error = ended, error

    @property
    def was_read(self) -> bool:
        """Whether items were read, and no more will be: to another reader it would look like a sender that sent nothing."""
        return self.ended is not None and self._count > 0

    def check(self, item: Any) -> Any:
        """Return the item as `bytes`, or unchanged if it is a chunk."""
        number = self._count
        self._count += 1
        if type(item) is bytes and self._chunks is False:
            return item
        if isinstance(item, (bytes, bytearray, memoryview)):
            if self._chunks:
                raise MisuseError(
                    f"item {number} of the source is {type(item).__name__}, after chunks: a source yields blocks or"
                    " chunks, not both"
                )
            self._chunks = False
            return item if type(item) is bytes else readable(item)
        if not is_chunk_object(item) or self._chunks is False:
            raise MisuseError(f"block {number} of the source is {type(item).__name__}, not bytes{_hint(item)}")
        self._chunks = True
        return item


_HINTS: dict[type[Any], str] = {
    str: ": pass the response itself or an iterator over its bytes, response.iter_bytes() and not iter_text() or"
    " iter_lines(); open a file in binary mode, open(path, 'rb')",
    int: ": pass the bytes themselves, not an iterator over them",
    type(None): ": a file in non-blocking mode is not a source; wait for data first, or use AsyncChatStream",
}


def _hint(item: Any) -> str:
    if hasattr(item, "data") and hasattr(item, "event"):
        return ": pass the response itself, not events that were decoded already"
    return _HINTS.get(type(item), "")


class Blocks:
    """The blocks (or chunks) of a sync source: iterate over it.

    Raises the exceptions of the source unchanged, and `MisuseError` if it yields neither bytes nor chunks, or both.

    `status`, `content_type`: of the HTTP response, None if the source is not one. `ended`: how it ended. To stop
    reading, call `close()`, or `finish()` if the end of the stream was seen and the client should be able to reuse its
    connection.
    """

    __slots__ = (
        "_close",
        "_closed",
        "_closer",
        "_items",
        "_kind",
        "_reader",
        "_reads_within",
        "_released",
        "_wake",
        "content_type",
        "status",
    )

    def __init__(
        self,
        items: Iterator[Any],
        *,
        close: Callable[[], object] | None = None,
        chunks: bool | None = None,
        status: int | None = None,
        content_type: str | None = None,
        reads_within: ReadWithin | None = None,
        wake: Wake | None = None,
    ) -> None:
        self._items = items
        self._close = None if _closes_itself(items, close) else close
        self._reads_within = reads_within
        self._wake = wake
        self._closed = False  # nothing more is yielded
        self._released = False  # and the source is closed
        self._reader = self._closer = 0  # the thread that reads, and the one that closes, if `wake` is known
        self._kind = _Items(chunks)
        self.status = status
        """The status of the HTTP response; None if the source is not one."""
        self.content_type = content_type
        """The content type of the HTTP response, as it was sent; None if the source is not one."""

    def __repr__(self) -> str:
        return _described(self)

    @property
    def chunks(self) -> bool:
        """False: items are `bytes`. True: they are chunks, for `Accumulator.add`. For an iterable it is known after the
        first item, and False until then."""
        return bool(self._kind._chunks)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._wake is not None:
            self._reader = get_ident()  # before `_closed` is read, since `close` writes that before it reads this
        try:
            if self._closed:
                raise StopIteration
            item = next(self._items)
        except StopIteration:
            self._kind.over("end")
            raise
        except Exception as error:
            if self._closed:  # meanwhile, by another thread: how the source reacts is irrelevant
                raise StopIteration from None
            self._kind.over("error", error)
            raise
        finally:
            if self._wake is not None:
                self._reader = 0
            if self._closed:
                self._release_quietly()
        return self._kind.check(item)

    @property
    def ended(self) -> SourceEnd | None:
        """How the source ended: `"end"` if it was exhausted, `"error"` if it raised (see `error`), `"closed"` if it was
        closed before either; None while it is open."""
        return self._kind.ended

    @property
    def error(self) -> Exception | None:
        """The exception that the source raised while it was read; None if it raised none."""
        return self._kind.error

    @property
    def _was_read(self) -> bool:
        return self._kind.was_read

    @property
    def drainable(self) -> bool:
        """True if draining is useful: a response whose client can reuse its connection."""
        return self._reads_within is not None

    def drain(self, seconds: float = GRACE, take: Callable[[Any], object] | None = None) -> None:
        """Read on to the end of the body after the end of the stream, for at most `seconds`. Raises nothing.

        Does nothing if it is not useful (`drainable`). `take`: called with each block; None discards them.
        """
        if self._reads_within is None or seconds <= 0:
            return
        if self._wake is not None:
            self._reader = get_ident()
        try:
            if not self._closed and drain(self._items, self._reads_within, seconds, take or throw_away):
                self._kind.over("end")
        finally:
            self._reader = 0
            if self._closed:
                self._release_quietly()

    def finish(self, seconds: float = GRACE, take: Callable[[Any], object] | None = None) -> None:
        """Call `drain`, then `close`, even if draining was interrupted. For use after the end of the stream."""
        try:
            self.drain(seconds, take)
        finally:
            self.close()

    def close(self) -> None:
        """Close the source. Drains nothing; may be called repeatedly, and by any thread."""
        self._closed = True
        self._kind.over("closed")
        if self._wake is not None and self._is_read():
            # The reading thread closes it: a descriptor closed during a read may soon belong to another connection.
            self._wake()
        else:
            self._release()

    def _is_read(self) -> bool:
        """Return True if a read is in progress: in another thread, or below this call, if a signal handler closes."""
        if self._reader != get_ident():
            return self._reader != 0
        # Not by `_reader` alone: KeyboardInterrupt may have arrived before that could be reset.
        frame = sys._getframe()
        while (frame := frame.f_back) is not None:  # type: ignore[assignment]
            if frame.f_code in _READS and frame.f_locals.get("self") is self:
                return True
        return False

    def _release(self) -> None:
        """Close the source, unless that was done before or another thread is doing it."""
        here = get_ident()
        if self._released or self._closer not in (0, here):
            return
        try:
            self._closer = here
            try:
                self._close_items()
            finally:
                if self._close is not None:
                    self._close()
        except Exception:
            self._released = True
            raise
        else:
            self._released = True  # not before: an interrupted closing is repeated by the next call
        finally:
            self._closer = 0

    def _release_quietly(self) -> None:
        with suppress(Exception):  # the other thread wanted it closed, and this one needs what it read
            if self._released:
                self._close_items()  # a generator, which this thread ran when the source was closed
            else:
                self._release()

    def _close_items(self) -> None:
        # A generator running in another thread cannot be closed: that is done when it has yielded its next item.
        if isinstance(self._items, Generator) and not _runs(self._items):
            try:
                self._items.close()
            except ValueError:
                if not _runs(self._items):
                    raise


_READS = (Blocks.__next__.__code__, Blocks.drain.__code__)


def _runs(items: Any) -> bool:
    return getattr(items, "gi_running", False) or getattr(items, "ag_running", False)


def _closes_itself(items: Any, close: Any) -> bool:
    """Return True if `close` belongs to a generator, which is closed anyway."""
    return isinstance(items, (Generator, AsyncGenerator)) and getattr(close, "__self__", None) is items


class AsyncBlocks:
    """The blocks (or chunks) of an async source: like `Blocks`, with `async for`, `await` and `aclose`."""

    __slots__ = (
        "_close",
        "_closed",
        "_closing",
        "_items",
        "_kind",
        "_released",
        "content_type",
        "drainable",
        "status",
    )

    def __init__(
        self,
        items: AsyncIterator[Any],
        *,
        close: Callable[[], Awaitable[object] | object] | None = None,
        chunks: bool | None = None,
        status: int | None = None,
        content_type: str | None = None,
        drainable: bool = False,
    ) -> None:
        self._items = items
        self._close = None if _closes_itself(items, close) else close
        self.drainable = drainable
        """Whether reading the rest after `[DONE]` lets the client reuse its connection."""
        self._closed = False  # nothing more is yielded
        self._closing = False  # it is being closed
        self._released = False  # the source is closed
        self._kind = _Items(chunks)
        self.status = status
        """The status of the HTTP response; None if the source is not one."""
        self.content_type = content_type
        """The content type of the HTTP response, as it was sent; None if the source is not one."""

    def __repr__(self) -> str:
        return _described(self)

    @property
    def _was_read(self) -> bool:
        return self._kind.was_read

    @property
    def chunks(self) -> bool:
        """False: items are `bytes`. True: they are chunks, for `Accumulator.add`. For an iterable it is known after the
        first item, and False until then."""
        return bool(self._kind._chunks)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._closed:
            raise StopAsyncIteration
        try:
            item = await self._items.__anext__()
        except StopAsyncIteration:
            self._kind.over("end")
            raise
        except Exception as error:
            if self._closed:  # meanwhile, by another task: how the source reacts is irrelevant
                raise StopAsyncIteration from None
            self._kind.over("error", error)
            raise
        if self._closed:
            await self._close_items()
        return self._kind.check(item)

    @property
    def ended(self) -> SourceEnd | None:
        """How the source ended, like `Blocks.ended`; None while it is open."""
        return self._kind.ended

    @property
    def error(self) -> Exception | None:
        """The exception that the source raised while it was read; None if it raised none."""
        return self._kind.error

    async def drain(self, seconds: float = GRACE, take: Callable[[Any], object] | None = None) -> None:
        """Read on to the end of the body after the end of the stream, for at most `seconds`.

        Raises none of the source's exceptions. `take`: called with each block; None discards them.
        """
        if self.drainable and not self._closed and seconds > 0:
            if await drain_async(self._items, seconds, take or throw_away):
                self._kind.over("end")

    async def finish(self, seconds: float = GRACE, take: Callable[[Any], object] | None = None) -> None:
        """Call `drain`, then `aclose`, even if draining was cancelled. For use after the end of the stream."""
        try:
            await self.drain(seconds, take)
        except GeneratorExit:  # the event loop has ended: nothing can be awaited any more
            raise
        except BaseException:  # cancelled
            await self.aclose()
            raise
        await self.aclose()

    async def aclose(self) -> None:
        """Close the source. Drains nothing; may be called repeatedly."""
        self._closed = True
        self._kind.over("closed")
        if self._released or self._closing:
            return
        import anyio  # not at the top: a caller that reads sync sources should not wait for it

        try:
            self._closing = True
            with anyio.move_on_after(CLOSING, shield=True):
                try:
                    await self._close_items()
                finally:
                    if self._close is not None:
                        done = self._close()
                        if isinstance(done, Awaitable):
                            await done
        except Exception:
            self._released = True
            raise
        else:
            self._released = True  # also if it took too long: the next call would take as long
        finally:
            self._closing = False

    async def _close_items(self) -> None:
        # A generator running in another task cannot be closed: that is done when it has yielded its next item.
        if isinstance(self._items, AsyncGenerator) and not _runs(self._items):
            await self._items.aclose()


def _described(source: Blocks | AsyncBlocks) -> str:
    """Return the `repr` of a source: whether it is open, its items so far, its HTTP status."""
    kind = getattr(source, "_kind", None)
    if kind is None:  # its `__init__` raised
        return f"<{type(source).__name__} not ready>"
    what = {None: "items", False: "blocks", True: "chunks"}[kind._chunks]
    status = "" if (code := getattr(source, "status", None)) is None else f" status={code}"
    return f"<{type(source).__name__} {'closed' if source._closed else 'open'} {what}={kind._count}{status}>"
