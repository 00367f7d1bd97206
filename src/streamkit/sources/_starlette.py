"""Responses of Starlette and FastAPI, whose `body_iterator` yields the blocks. Async only."""

from __future__ import annotations

from typing import Any

from ._blocks import AsyncBlocks, Blocks
from ._detect import closer, head_of

__all__ = ("asynchronous", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Return None: its bodies are async."""
    return None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read a `StreamingResponse`."""
    body = getattr(source, "body_iterator", None)
    if body is None or not hasattr(body, "__aiter__"):
        return None
    return AsyncBlocks(body.__aiter__(), close=closer(body, asynchronous=True), **head_of(source))
