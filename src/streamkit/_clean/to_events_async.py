"""A response, or an async stream while it runs, as a clean stream: the async sibling of `_clean/to_events.py`.

    async with async_to_events(upstream) as events:
        async for event in events: await client.send(event)

The same sources (but for streams, which are whatever `async_blocks` takes), rules and costs. It holds no cancel scope,
and reads nothing before it is asked for it. A read that is cancelled may be tried again if the source allows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Unpack

from .._live.deadlines import Deadlines
from .._live.intake import NO_DEADLINES
from ..sources import async_blocks
from ..types import CreateChatCompletionStreamResponse
from .cleaner import Cleaner
from .to_events import ChunkWriter, settle, to_chunks, to_events
from .write_options import EventOptions, WriteOptions
from .written import AsyncWritten, Writing

__all__ = ("async_to_chunks", "async_to_events")


def async_to_events(
    source: Any,
    *,
    deadlines: Deadlines = NO_DEADLINES,
    clock: Callable[[], float] = time.monotonic,
    sent: float | None = None,
    **options: Unpack[EventOptions],
) -> AsyncWritten[bytes]:
    """Like `to_events`, for async sources: a response, an accumulator, or whatever `async_blocks` takes.

    `options`: `text`, `logprobs`, `done`, `clean`, `raises`, `limits` and `dialect`, with the meaning and the defaults that they have there;
    so have `deadlines`, `clock` and `sent`.
    """
    if settle(source) is not None:
        return AsyncWritten(to_events(source, **options)._given)
    cleaner, found = Cleaner(**options), async_blocks(source)
    return AsyncWritten(None, found, Writing(cleaner, status=found.status, deadlines=deadlines, clock=clock, sent=sent))


def async_to_chunks(
    source: Any,
    *,
    deadlines: Deadlines = NO_DEADLINES,
    clock: Callable[[], float] = time.monotonic,
    sent: float | None = None,
    **options: Unpack[WriteOptions],
) -> AsyncWritten[CreateChatCompletionStreamResponse]:
    """Like `to_chunks`, for async sources: a response, an accumulator, or whatever `async_blocks` takes.

    `options`: `text`, `logprobs`, `clean`, `raises`, `limits` and `dialect`, with the meaning and the defaults that they have there;
    so have `deadlines`, `clock` and `sent`.
    """
    if settle(source) is not None:
        return AsyncWritten(to_chunks(source, **options)._given)
    writer, found = ChunkWriter(**options), async_blocks(source)
    return AsyncWritten(None, found, Writing(writer, status=found.status, deadlines=deadlines, clock=clock, sent=sent))
