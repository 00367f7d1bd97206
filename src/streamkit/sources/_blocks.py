"""What a source gives, one after the other: `Blocks`, and its async sibling.

In: an iterator that is live already, and how to close what stands behind it. Out: blocks as `bytes`, or chunks for
`Accumulator.add`; never both out of one source. Costs one call and one check of a type an item; nothing is held.

Rule 1  An item is asked for when it is wanted, never before, and handed on as it came: no joining, no cutting.
Rule 2  The exceptions of the source pass through unchanged. What is no block and no chunk is a `MisuseError`.
Rule 3  Closing drains nothing and may be done twice; the source has ended then, for whoever still iterates. Async, it is
        shielded: who is cancelled closes all the same, for at most 5 seconds. (`asyncio.Task.cancel` knows no shield: where
        it meets the closing itself, that is broken off.)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from typing import Any

from .._arguments import readable
from ..errors import MisuseError
from ..types import CreateChatCompletionStreamResponse
from ._drain import ReadWithin, drain, drain_async

__all__ = ("AsyncBlocks", "Blocks")

_CLOSING = 5.0  # seconds for closing a source: a TLS goodbye takes two round trips


class _Items:
    """What both siblings know of an item: whether it is a block or a chunk."""

    __slots__ = ("_chunks", "_count")

    def __init__(self, chunks: bool | None) -> None:
        self._chunks = chunks
        self._count = 0

    def check(self, item: Any) -> Any:
        """The item as `bytes` or as the chunk that it is."""
        number = self._count
        self._count += 1
        if type(item) is bytes and self._chunks is False:
            return item
        if isinstance(item, (bytes, bytearray, memoryview)):
            if self._chunks:
                raise MisuseError(f"item {number} of the source is {type(item).__name__}, where chunks came before")
            self._chunks = False
            return item if type(item) is bytes else readable(item)
        if not _is_chunk(item) or self._chunks is False:
            raise MisuseError(f"block {number} of the source is {type(item).__name__}, not bytes{_hint(item)}")
        self._chunks = True
        return item


_HINTS: dict[type[Any], str] = {
    str: ": pass the response itself or what gives its bytes, response.iter_bytes() and not iter_text() or iter_lines();"
    " open a file in binary mode, open(path, 'rb')",
    int: ": pass the bytes themselves, not an iterator over them",
    type(None): ": a file in non-blocking mode is no source; wait for it, or use AsyncChatStream",
}


def _hint(item: Any) -> str:
    if hasattr(item, "data") and hasattr(item, "event"):
        return ": pass the response itself, not the events that somebody else decoded"
    return _HINTS.get(type(item), "")


def _is_chunk(item: Any) -> bool:
    """Whether `Accumulator.add` takes it."""
    if isinstance(item, (Mapping, CreateChatCompletionStreamResponse)):
        return True
    return any(callable(getattr(item, name, None)) for name in ("model_dump", "to_dict", "dict"))


class Blocks:
    """What a sync source gives, one after the other.

    Raises what the source raises, unchanged; `MisuseError` where it gives neither bytes nor chunks, or both.
    """

    __slots__ = ("_close", "_closed", "_items", "_kind", "_reads_within", "content_type", "status")

    def __init__(
        self,
        items: Iterator[Any],
        *,
        close: Callable[[], object] | None = None,
        chunks: bool | None = None,
        status: int | None = None,
        content_type: str | None = None,
        reads_within: ReadWithin | None = None,
    ) -> None:
        self._items = items
        self._close = close
        self._reads_within = reads_within
        self._closed = False
        self._kind = _Items(chunks)
        self.status = status
        self.content_type = content_type

    @property
    def chunks(self) -> bool:
        """False: items are `bytes`. True: they are chunks, for `Accumulator.add`. Of an iterable it is known with the
        first item, and False until then."""
        return bool(self._kind._chunks)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        try:
            item = next(self._items)
        except Exception:
            if self._closed:  # meanwhile, by another thread: what the source says to that is no news
                raise StopIteration from None
            raise
        if self._closed:
            self._close_items()
        return self._kind.check(item)

    @property
    def drainable(self) -> bool:
        """Whether `rest` is worth its while: a response whose client may use the connection once more."""
        return self._reads_within is not None

    def drain(self, seconds: float) -> None:
        """Behind the end of the stream: read on to that of the body, for so many seconds. Raises nothing."""
        if self._reads_within is not None and not self._closed:
            drain(self._items, self._reads_within, seconds)

    def close(self) -> None:
        """Close the source. Drains nothing; may be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self._close_items()
        finally:
            if self._close is not None:
                self._close()

    def _close_items(self) -> None:
        # A generator that runs, in another thread, cannot be closed: that is done when it has given what it waits for.
        if isinstance(self._items, Generator) and not getattr(self._items, "gi_running", False):
            self._items.close()


class AsyncBlocks:
    """What an async source gives, one after the other; as `Blocks`, but for `async for` and `aclose`."""

    __slots__ = ("_close", "_closed", "_items", "_kind", "content_type", "drainable", "status")

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
        self._close = close
        self.drainable = drainable
        self._closed = False
        self._kind = _Items(chunks)
        self.status = status
        self.content_type = content_type

    @property
    def chunks(self) -> bool:
        """False: items are `bytes`. True: they are chunks, for `Accumulator.add`. Of an iterable it is known with the
        first item, and False until then."""
        return bool(self._kind._chunks)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._closed:
            raise StopAsyncIteration
        try:
            item = await self._items.__anext__()
        except Exception:
            if self._closed:  # meanwhile, by another task: what the source says to that is no news
                raise StopAsyncIteration from None
            raise
        if self._closed:
            await self._close_items()
        return self._kind.check(item)

    async def drain(self, seconds: float) -> None:
        """Behind the end of the stream: read on to that of the body, for so many seconds. Raises nothing of the source's."""
        if self.drainable and not self._closed and seconds > 0:
            await drain_async(self._items, seconds)

    async def aclose(self) -> None:
        """Close the source. Drains nothing; may be called twice."""
        if self._closed:
            return
        self._closed = True
        import anyio  # not above: who reads from sync sources shall not wait for it

        with anyio.move_on_after(_CLOSING, shield=True):
            try:
                await self._close_items()
            finally:
                if self._close is not None:
                    done = self._close()
                    if isinstance(done, Awaitable):
                        await done

    async def _close_items(self) -> None:
        # A generator that runs, in another task, cannot be closed: that is done when it has given what it waits for.
        if isinstance(self._items, AsyncGenerator) and not getattr(self._items, "ag_running", False):
            await self._items.aclose()
