"""Responses of urllib3 and urllib3-future (the urllib3 of niquests), sync and async; `raw` of requests and niquests.

Draining: the socket of the response's `connection` has a timeout, which urllib3 sets again for each request. urllib3
before 2.0 keeps its sockets private. Waking: the socket is below `_fp`, as in http.client, else `connection.sock`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import READ, check_packed, closer, consumed, encoding_of, head_of, is_async, is_over, method
from ._drain import ReadWithin
from ._unpack import each_unpacked, each_unpacked_async
from ._wake import Wake, shut_down, socket_below

__all__ = ("Reads", "asynchronous", "raw_blocks", "sync", "urllib3_reads_within", "urllib3_wake")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read a response with `preload_content=False`, or one that urllib3 has read."""
    if not hasattr(source, "decode_content") or method(source, "read") is None or is_async(source.read):
        return None
    head, close = head_of(source), closer(source)
    if is_over(source):
        if not isinstance(body := getattr(source, "_body", None), bytes):  # the body that urllib3 read itself
            raise consumed(source)
        check_packed(source, unpack)
        return Blocks(iter((body,)), close=close, chunks=False, **head)
    reads_within, wake = urllib3_reads_within(source), urllib3_wake(source)
    return Blocks(raw_blocks(source, unpack), close=close, chunks=False, reads_within=reads_within, wake=wake, **head)


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read a response of urllib3-future's async pool, used by niquests."""
    if not hasattr(source, "decode_content"):
        return None
    for name in ("read1", "read"):
        if is_async(read := method(source, name)) and read is not None:
            if is_over(source):
                raise consumed(source)
            reads = Reads(partial(read, decode_content=False), method(source, "tell") or int)
            found = each_unpacked_async(reads, encoding_of(source, unpack))
            close = closer(source, asynchronous=True)
            return AsyncBlocks(found, close=close, chunks=False, drainable=True, **head_of(source))
    return None


def raw_blocks(raw: Any, unpack: bool) -> Iterator[bytes]:
    """Return the blocks of an open response."""
    return each_unpacked(_each_block(raw), encoding_of(raw, unpack))


def _each_block(raw: Any) -> Iterator[bytes]:
    if (read1 := method(raw, "read1")) is not None:
        return _each_read(raw, partial(read1, READ, decode_content=False))
    # Before 2.0: a chunk of HTTP at a time, else byte by byte, since it waits to fill any other size.
    stream: Iterator[bytes] = raw.stream(None if getattr(raw, "chunked", False) else 1, decode_content=False)
    return stream


def _each_read(raw: Any, read: Callable[[], bytes]) -> Iterator[bytes]:
    """Yield the result of each read. An empty read is the end only if no byte has arrived for it: urllib3-future passes
    on the empty result of a frame without data."""
    tell = method(raw, "tell") or int
    while True:
        before = tell()
        block = read()
        if block:
            yield block
        elif tell() == before:
            return


class Reads:
    """The result of each read, up to the first empty one for which, by `tell`, no byte has arrived."""

    def __init__(self, read: Callable[[], Awaitable[Any]], tell: Callable[[], int] = int) -> None:
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


def urllib3_reads_within(raw: Any) -> ReadWithin | None:
    """Return how to read within a time; None for a response without `read1` (urllib3 before 2.0)."""
    if method(raw, "read1") is None:
        return None

    @contextmanager
    def reads_within(seconds: float) -> Iterator[bool]:
        settimeout = method(getattr(getattr(raw, "connection", None), "sock", None), "settimeout")
        if settimeout is None or getattr(raw, "version", None) not in (10, 11):
            yield False
            return
        settimeout(seconds)  # not reset: after the end the connection may already belong to another thread
        yield True

    return reads_within


def urllib3_wake(raw: Any) -> Wake:
    """Return how to wake a read, for responses of urllib3."""

    def wake() -> bool:
        if getattr(raw, "version", None) not in (10, 11):
            return False
        return shut_down(lambda: socket_below(getattr(raw, "_fp", None)) or raw.connection.sock)

    return wake
