"""An async source, recognised by its shape, as `AsyncBlocks`.

In: a response of an async client, an async stream of bytes, an async iterable of blocks or chunks; bytes and lists
too, since they cannot block the event loop. Out: `AsyncBlocks` over the live iterator of it, on asyncio and trio alike.
Costs nothing a block beyond what the client does. The rules are those of `sources/_sync.py`.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

from .._arguments import check_bool, readable
from ..trace import Trace
from ._blocks import CLOSING, AsyncBlocks
from ._detect import (
    body_of,
    check_packed,
    closer,
    consumed,
    encoding_of,
    head_of,
    is_async,
    is_over,
    is_sdk_helper,
    method,
    refusal,
    response_of,
)
from ._sync import blocks_of_trace, read_content
from ._uncancelled import uncancelled
from ._unpack import each_unpacked_async

__all__ = ("async_blocks",)

_READ = 65536  # bytes: what a read may give at most


def async_blocks(source: Any, *, unpack: bool = True) -> AsyncBlocks:
    """Return the blocks (or chunks) of an async source, as they arrive. `unpack`: as that of `blocks`.

    Raises `MisuseError` for what is none, and says what to pass instead; so it does for a sync source that could block.
    """
    check_bool("unpack=", unpack)
    if isinstance(source, AsyncBlocks):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return AsyncBlocks(_Each((readable(source),)), chunks=False)
    if isinstance(source, Trace):
        return AsyncBlocks(_Each(blocks_of_trace(source, unpack)), chunks=False, status=source.status)
    if isinstance(source, (str, Mapping, io.TextIOBase)):
        raise refusal(source, asynchronous=True)
    if (response := response_of(source)) is not None:
        return _of_httpx(response, source, unpack)
    if method(source, "iter_content") is not None and hasattr(source, "raw"):
        return _of_niquests(source, unpack)
    for content in (getattr(source, "content", None), source):
        if method(content, "iter_any") is not None:
            return _of_aiohttp(source, content, unpack)
    if (body := getattr(source, "body_iterator", None)) is not None and hasattr(body, "__aiter__"):  # Starlette
        return AsyncBlocks(body.__aiter__(), close=closer(body, asynchronous=True), **head_of(source))
    for name in ("read1", "read"):
        if is_async(read := method(source, name)) and read is not None:
            if is_over(source):
                raise consumed(source)
            # asyncio.StreamReader gives lines where it is iterated, and fails on long ones; so do async files.
            close, head = closer(source, asynchronous=True), head_of(source)
            if hasattr(source, "decode_content"):  # urllib3-future's, as niquests has it
                reads = _Reads(partial(read, decode_content=False), method(source, "tell") or int)
                found = each_unpacked_async(reads, encoding_of(source, unpack))
                return AsyncBlocks(found, close=close, chunks=False, drainable=True, **head)
            return AsyncBlocks(_Reads(partial(read, _READ), int), close=close, chunks=False, **head)
    if hasattr(source, "__aiter__"):
        if is_sdk_helper(source):
            found = (event.chunk async for event in source if event.type == "chunk")
            return AsyncBlocks(found, close=closer(source, asynchronous=True), chunks=True)
        # Streams of anyio and trio give what one receive gave; so do ASGI bodies.
        return AsyncBlocks(source.__aiter__(), close=closer(source, asynchronous=True), **head_of(source))
    if isinstance(source, io.BytesIO):
        if source.closed:
            raise consumed(source)
        return AsyncBlocks(_Each(iter(partial(source.read1, _READ), b"")), close=source.close, chunks=False)
    if isinstance(source, Collection) and method(source, "read") is None and method(source, "model_dump") is None:
        return AsyncBlocks(_Each(source))
    raise refusal(source, asynchronous=True)


def _of_httpx(response: Any, source: Any, unpack: bool) -> AsyncBlocks:
    """httpx, httpx2, and openai's `AsyncStream` over them: its bytes, where nobody has begun on it."""
    head, body = head_of(response), body_of(response)
    if body is not None:
        check_packed(response, unpack)
        return AsyncBlocks(_Each((body,)), chunks=False, **head)
    if not hasattr(response.stream, "__aiter__"):
        raise refusal(response, asynchronous=True)
    begun = response.is_stream_consumed
    if begun and source is not response and hasattr(source, "__aiter__"):  # its chunks, from where it stands
        close = uncancelled(response, closer(source, response, asynchronous=True), CLOSING)
        return AsyncBlocks(source.__aiter__(), close=close, chunks=True, **head)
    if begun or response.is_closed:
        raise consumed(response)
    found = each_unpacked_async(response.aiter_raw(), encoding_of(response, unpack))
    close = uncancelled(response, closer(source, response, asynchronous=True), CLOSING)
    return AsyncBlocks(found, close=close, chunks=False, drainable=True, **head)


def _of_niquests(response: Any, unpack: bool) -> AsyncBlocks:
    head = head_of(response)
    if getattr(response, "_content_consumed", False) or is_over(
        response.raw
    ):  # a sync response that was read is as good
        check_packed(response, unpack)
        return AsyncBlocks(_Each((read_content(response),)), chunks=False, **head)
    if not is_async(response.iter_content):
        raise refusal(response, asynchronous=True)
    found = each_unpacked_async(_awaited(response.iter_raw), encoding_of(response, unpack))
    return AsyncBlocks(found, close=response.close, chunks=False, drainable=True, **head)


async def _awaited(iterator: Callable[[], Awaitable[AsyncIterator[bytes]]]) -> AsyncIterator[bytes]:
    async for block in await iterator():
        yield block


def _of_aiohttp(response: Any, content: Any, unpack: bool) -> AsyncBlocks:
    """A response of aiohttp, or the `content` of one (of a request to its server, too)."""
    check_packed(response, unpack)  # its parser unpacks, unless its session was made with auto_decompress=False
    head, body = head_of(response), getattr(response, "_body", None)
    if isinstance(body, bytes):  # read() refuses to give it again behind the response's `async with`
        return AsyncBlocks(_Each((body,)), chunks=False, **head)
    if content.at_eof() and content.total_bytes:
        raise consumed(response)
    close = closer(response, asynchronous=True)
    # Unpacked by its parser, before anyone can ask for it: with a bound since 3.13.3.
    return AsyncBlocks(content.iter_any(), close=close, chunks=False, drainable=close is not None, **head)


class _Each:
    """The items of something sync that blocks nobody."""

    def __init__(self, items: Collection[Any] | Iterator[Any]) -> None:
        self._items = iter(items)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration


class _Reads:
    """What each read gives, up to the first that gives nothing and for which, as `tell` says, no byte has come."""

    def __init__(self, read: Callable[[], Awaitable[Any]], tell: Callable[[], int]) -> None:
        self._read = read
        self._tell = tell

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        while True:
            before = self._tell()
            block = await self._read()
            if block != b"":
                return block
            if self._tell() == before:
                raise StopAsyncIteration
