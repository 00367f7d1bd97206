"""Responses of requests, with `stream=True` or read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import check_packed, consumed, head_of, is_over, method
from ._files import of_file
from ._hints import refusal
from ._iterables import Each
from ._urllib3 import raw_blocks, urllib3_reads_within, urllib3_wake
from ._wake import file_wake

__all__ = ("asynchronous", "is_requests", "sync", "was_read")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read a response of requests, or a sync one of niquests, which has the same shape."""
    if not is_requests(source):
        return None
    head, raw = head_of(source), source.raw
    if was_read(source):
        check_packed(source, unpack)
        return Blocks(iter((_content(source),)), close=source.close, chunks=False, **head)
    if not hasattr(raw, "decode_content"):  # an adapter for files and the like
        return Blocks(of_file(raw, unpack), close=source.close, chunks=False, wake=file_wake(raw), **head)
    items, reads_within, wake = _iter_content(source, unpack), urllib3_reads_within(raw), urllib3_wake(raw)
    return Blocks(items, close=source.close, chunks=False, reads_within=reads_within, wake=wake, **head)


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read a response that was already read: it cannot block. Refuse any other, since `.content` would read all of
    it."""
    if not is_requests(source):
        return None
    if not was_read(source):
        raise refusal(source, asynchronous=True)
    check_packed(source, unpack)
    return AsyncBlocks(Each((_content(source),)), chunks=False, **head_of(source))


def is_requests(source: Any) -> bool:
    """Return True if this is a response of requests or niquests."""
    return method(source, "iter_content") is not None and hasattr(source, "raw")


def was_read(response: Any) -> bool:
    """Return True if the client has read the body already."""
    return bool(getattr(response, "_content_consumed", False)) or is_over(response.raw)


def _content(response: Any) -> bytes:
    """Return the body of a response that was already read."""
    body = getattr(response, "_content", None)  # `content` is a coroutine if the response is async
    if not isinstance(body, bytes):
        raise consumed(response)
    return body


def _iter_content(response: Any, unpack: bool) -> Iterator[bytes]:
    """Yield `response.iter_content`, block by block as read.

    With any size it waits for that many bytes, or yields single bytes; but only it converts urllib3's errors to those
    of requests. It calls `raw.stream` once, when it is first asked for a block.
    """
    raw, pieces = response.raw, response.iter_content(1)
    response.raw = _Live(raw, unpack)
    try:
        first = next(pieces, None)
    finally:
        response.raw = raw
    if first is not None:
        yield first
        yield from pieces


class _Live:
    """The raw response of urllib3, whose `stream` yields the result of each read, whatever the size."""

    def __init__(self, raw: Any, unpack: bool) -> None:
        self._raw = raw
        self._unpack = unpack

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, _size: object = None, decode_content: bool = True) -> Iterator[bytes]:
        return raw_blocks(self._raw, self._unpack)
