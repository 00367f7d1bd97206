"""Responses of httpx and httpx2, sync and async.

Draining: the `network_stream`, which every response has among its `extensions`, accepts a timeout with each read. Over
HTTP/2 many streams share one connection: closing a stream does not cost it, and no timeout is set there. Waking: the
socket is `extensions["network_stream"].get_extra_info("socket")`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from ._blocks import CLOSING, AsyncBlocks, Blocks
from ._detect import check_packed, closer, consumed, encoding_of, head_of, is_httpx, method
from ._drain import ReadWithin
from ._hints import refusal
from ._iterables import Each
from ._uncancelled import uncancelled
from ._unpack import each_unpacked, each_unpacked_async
from ._wake import Wake, shut_down

__all__ = ("asynchronous", "httpx_reads_within", "httpx_wake", "of_response", "of_response_async", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read a response of a `Client`, open or already read."""
    return of_response(source, source, unpack) if is_httpx(source) else None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read a response of an `AsyncClient`, open or already read."""
    return of_response_async(source, source, unpack) if is_httpx(source) else None


def of_response(response: Any, source: Any, unpack: bool) -> Blocks:
    """Return the bytes of `response`, which `source` is or carries; if those were consumed, the items of `source`
    itself."""
    head, body = head_of(response), _body(response)
    if body is not None:
        check_packed(response, unpack)
        return Blocks(iter((body,)), chunks=False, **head)
    if not hasattr(response.stream, "__iter__"):
        raise refusal(response, asynchronous=False)
    begun = response.is_stream_consumed
    if begun and source is not response and isinstance(source, Iterable):  # its chunks, from its current position
        return Blocks(iter(source), close=closer(source), chunks=True, wake=httpx_wake(response), **head)
    if begun or response.is_closed:
        raise consumed(response)
    items = each_unpacked(response.iter_raw(), encoding_of(response, unpack))
    close = closer(source, response)
    reads_within, wake = httpx_reads_within(response), httpx_wake(response)
    return Blocks(items, close=close, chunks=False, reads_within=reads_within, wake=wake, **head)


def of_response_async(response: Any, source: Any, unpack: bool) -> AsyncBlocks:
    """Return the same as `of_response`, for an async client."""
    head, body = head_of(response), _body(response)
    if body is not None:
        check_packed(response, unpack)
        return AsyncBlocks(Each((body,)), chunks=False, **head)
    if not hasattr(response.stream, "__aiter__"):
        raise refusal(response, asynchronous=True)
    begun = response.is_stream_consumed
    if begun and source is not response and hasattr(source, "__aiter__"):  # its chunks, from its current position
        close = uncancelled(response, closer(source, response, asynchronous=True), CLOSING)
        return AsyncBlocks(source.__aiter__(), close=close, chunks=True, **head)
    if begun or response.is_closed:
        raise consumed(response)
    found = each_unpacked_async(response.aiter_raw(), encoding_of(response, unpack))
    close = uncancelled(response, closer(source, response, asynchronous=True), CLOSING)
    return AsyncBlocks(found, close=close, chunks=False, drainable=True, **head)


def _body(response: Any) -> bytes | None:
    """Return the body of a response that was already read, else None."""
    try:
        content: Any = response.content
    except RuntimeError:  # httpx.ResponseNotRead is a RuntimeError
        return None
    return content if isinstance(content, bytes) else None


_ALONE = (b"HTTP/1.1", b"HTTP/1.0")  # one response at a time on a connection


def httpx_reads_within(response: Any) -> ReadWithin:
    """Return how to read within a time, for responses of httpx and httpx2."""

    @contextmanager
    def reads_within(seconds: float) -> Iterator[bool]:
        extensions = getattr(response, "extensions", {})
        network: Any = extensions.get("network_stream")
        read = method(network, "read")
        if read is None or extensions.get("http_version") not in _ALONE:
            yield False
            return
        until = monotonic() + seconds

        def soon(max_bytes: int, timeout: float | None = None) -> Any:
            # A closed response has returned its connection, and another thread may already read from it.
            if not response.is_closed:
                left = max(until - monotonic(), 0.001)
                timeout = left if timeout is None else min(left, timeout)
            return read(max_bytes, timeout)

        # The timeout was read from the request when the reading began; only the network stream can still change it.
        network.read = soon
        try:
            yield True
        finally:
            if vars(network).get("read") is soon:
                del network.read

    return reads_within


def httpx_wake(response: Any) -> Wake:
    """Return how to wake a read, for responses of httpx and httpx2."""

    def wake() -> bool:
        extensions = getattr(response, "extensions", {})
        # A closed response has returned its connection, and another thread may already use it.
        if response.is_closed or extensions.get("http_version") not in _ALONE:
            return False
        return shut_down(lambda: extensions["network_stream"].get_extra_info("socket"))

    return wake
