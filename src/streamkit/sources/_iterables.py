"""Bytes, and iterables of blocks or chunks: lists, generators, streams of anyio and trio, ASGI bodies. Tried last.

Sync accepts any iterable; async accepts async ones, and what cannot block the event loop: bytes, `BytesIO`,
collections.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from functools import partial
from typing import Any

from .._arguments import readable
from ._blocks import AsyncBlocks, Blocks
from ._detect import READ, closer, consumed, head_of, method

__all__ = ("Each", "asynchronous", "of_bytes", "of_bytes_async", "sync")


def of_bytes(source: Any, unpack: bool) -> Blocks | None:
    """Return the body as one block."""
    return Blocks(iter((readable(source),)), chunks=False) if isinstance(source, _BYTES) else None


def of_bytes_async(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Return the body as one block."""
    return AsyncBlocks(Each((readable(source),)), chunks=False) if isinstance(source, _BYTES) else None


_BYTES = (bytes, bytearray, memoryview)


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read any iterable. A pydantic model can be iterated, too, over its fields: one chunk is not a source."""
    if isinstance(source, Iterable) and (hasattr(source, "__next__") or method(source, "model_dump") is None):
        return Blocks(iter(source), close=closer(source), **head_of(source))
    return None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read any async iterable; streams of anyio and trio yield the result of each receive."""
    if hasattr(source, "__aiter__"):
        return AsyncBlocks(source.__aiter__(), close=closer(source, asynchronous=True), **head_of(source))
    if isinstance(source, io.BytesIO):
        if source.closed:
            raise consumed(source)
        return AsyncBlocks(Each(iter(partial(source.read1, READ), b"")), close=source.close, chunks=False)
    if isinstance(source, Collection) and method(source, "read") is None and method(source, "model_dump") is None:
        return AsyncBlocks(Each(source))
    return None


class Each:
    """The items of a sync iterable that cannot block."""

    def __init__(self, items: Collection[Any] | Iterator[Any]) -> None:
        self._items = iter(items)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration
