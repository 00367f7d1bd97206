"""Objects that carry a response of httpx: the openai SDK's streams and raw responses, and similar ones.

`http_response`: openai's `with_raw_response` and `with_streaming_response`. `response`: its `Stream` and those of
similar SDKs, the event source of httpx-sse, errors of httpx and openai that carry a response. The bytes of that
response are read, since they lose nothing, unless reading has begun already. The helper, `chat.completions.stream()`,
yields events of the SDK with the chunks among them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import closer, is_httpx, method
from ._httpx import httpx_wake, of_response, of_response_async

__all__ = ("asynchronous", "carried", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read a `Stream`, a raw or streaming response, a stream helper."""
    if (response := carried(source)) is not None:
        return of_response(response, source, unpack)
    if _is_helper(source) and isinstance(source, Iterable):
        found = (event.chunk for event in source if event.type == "chunk")
        response = getattr(source, "_response", None)
        wake = None if method(response, "iter_raw") is None else httpx_wake(response)
        return Blocks(found, close=closer(source), chunks=True, wake=wake)
    return None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read an `AsyncStream`, a raw or streaming response, a stream helper."""
    if (response := carried(source)) is not None:
        return of_response_async(response, source, unpack)
    if _is_helper(source) and hasattr(source, "__aiter__"):
        found = (event.chunk async for event in source if event.type == "chunk")
        return AsyncBlocks(found, close=closer(source, asynchronous=True), chunks=True)
    return None


def carried(source: Any) -> Any:
    """Return the httpx response that `source` carries, or None.

    Only if the response belongs to `source`: an object that wraps a stream to watch it, and passes everything else
    through, has to be iterated, or it would see nothing.
    """
    for name in ("http_response", "response"):
        if inspect.getattr_static(source, name, None) is None:
            continue
        inner = getattr(source, name, None)
        if inner is not None and is_httpx(inner):
            return inner
    return None


def _is_helper(source: Any) -> bool:
    return method(source, "get_final_completion") is not None
