"""Responses of aiohttp, and the `content` of a response (or of a request to its server). Async only.

aiohttp's parser unpacks a body before anything can ask for it: with a bound since 3.13.3.
"""

from __future__ import annotations

from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import check_packed, closer, consumed, head_of, method
from ._iterables import Each

__all__ = ("asynchronous", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Return None: it has no sync client."""
    return None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read a response, or a stream of its bytes."""
    for content in (getattr(source, "content", None), source):
        if method(content, "iter_any") is not None:
            return _of_content(source, content, unpack)
    return None


def _of_content(response: Any, content: Any, unpack: bool) -> AsyncBlocks:
    check_packed(response, unpack)  # also for a session with auto_decompress=False, which is not visible in a response
    head, body = head_of(response), getattr(response, "_body", None)
    if isinstance(body, bytes):  # read() refuses to return it again after the response's `async with`
        return AsyncBlocks(Each((body,)), chunks=False, **head)
    if content.at_eof() and content.total_bytes:
        raise consumed(response)
    close = closer(response, asynchronous=True)
    return AsyncBlocks(content.iter_any(), close=close, chunks=False, drainable=close is not None, **head)
