"""Responses of aiohttp, and the `content` of one (of a request to its server, too). Async only.

aiohttp's parser unpacks a body before anyone can ask for it: with a bound since 3.13.3.
"""

from __future__ import annotations

from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import check_packed, closer, consumed, head_of, method
from ._iterables import Each

__all__ = ("asynchronous", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """None: it has no sync client."""
    return None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """A response, or a stream of its bytes."""
    for content in (getattr(source, "content", None), source):
        if method(content, "iter_any") is not None:
            return _of_content(source, content, unpack)
    return None


def _of_content(response: Any, content: Any, unpack: bool) -> AsyncBlocks:
    check_packed(response, unpack)  # also of a session with auto_decompress=False, which does not show in a response
    head, body = head_of(response), getattr(response, "_body", None)
    if isinstance(body, bytes):  # read() refuses to give it again behind the response's `async with`
        return AsyncBlocks(Each((body,)), chunks=False, **head)
    if content.at_eof() and content.total_bytes:
        raise consumed(response)
    close = closer(response, asynchronous=True)
    return AsyncBlocks(content.iter_any(), close=close, chunks=False, drainable=close is not None, **head)
