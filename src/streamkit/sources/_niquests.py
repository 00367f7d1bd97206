"""Responses of niquests' `AsyncSession`, with `stream=True`. Its sync responses are like those of requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import encoding_of, head_of, is_async
from ._hints import refusal
from ._requests import asynchronous as of_read_response
from ._requests import is_requests, was_read
from ._unpack import each_unpacked_async

__all__ = ("asynchronous", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Refuse an async response here, before it is mistaken for one of requests."""
    if _is_niquests(source):
        raise refusal(source, asynchronous=False)
    return None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read an async response, open or already read."""
    if not _is_niquests(source):
        return None
    if was_read(source):
        return of_read_response(source, unpack)
    found = each_unpacked_async(_awaited(source.iter_raw), encoding_of(source, unpack))
    return AsyncBlocks(found, close=source.close, chunks=False, drainable=True, **head_of(source))


def _is_niquests(source: Any) -> bool:
    return is_requests(source) and is_async(source.iter_content)


async def _awaited(iterator: Callable[[], Awaitable[AsyncIterator[bytes]]]) -> AsyncIterator[bytes]:
    async for block in await iterator():
        yield block
