"""Blocks out of whatever holds a stream, and the response out of them, all at once.

In: any source, recognised by its shape; no client is imported. Out: `Blocks`, or `AsyncBlocks`: blocks (or chunks) as
they arrive, nothing held back; or the response.

    both            bytes; lists of blocks or chunks; responses that were read; iterables of blocks, or of chunks: ours,
                    mappings, objects of an SDK
    `blocks`        responses of httpx, httpx2, requests, urllib3, niquests, urllib.request, http.client; the openai SDK's
                    Stream, its raw and streaming responses and its stream helper; paths (`.jsonl`: a trace), files,
                    pipes, the stdout of a subprocess
    `async_blocks`  responses of httpx, httpx2, aiohttp, niquests and their like in the openai SDK; asyncio.StreamReader;
                    byte streams of anyio and trio; async files; bodies of ASGI requests and responses
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, Unpack

from ..accumulator import Accumulator, Options
from ..errors import MisuseError, StreamError
from ..sources import GRACE, add_status, blocks, end_stream
from ..types import CreateChatCompletionResponse

__all__ = ("Source", "blocks_of", "reassemble")

Source = bytes | bytearray | memoryview | str | os.PathLike[str] | Iterable[bytes]
"""What `reassemble` takes: bytes, a path, an open binary file, an iterable of blocks."""


def reassemble(source: Any, **options: Unpack[Options]) -> CreateChatCompletionResponse:
    """Return the full response of a stream.

    `source`: the bytes of the response body, a path (`str` or `os.PathLike`) to a file of them or to a trace, a file
    opened in binary mode, a response of an HTTP client, or an iterable of blocks or of chunks: whatever `blocks` takes.
    `options`: those of `Accumulator` (`strict`, `limits`, `rules`, `dialect`, `converter`).

    Raises `TruncatedError`, `RemoteError`, `FormatError`, `LimitError` or `SourceError` where the stream is not complete,
    with what had arrived in `.partial`; `MisuseError` for a source that cannot be one. What the source itself raises (a
    connection that was reset) is the `__cause__` of such an error. Of a path it is raised as it is where no chunk had
    arrived: `OSError` for a file that cannot be read.
    """
    accumulator = Accumulator(**options)
    found = blocks(source)
    try:
        for item in found:
            if found.chunks:
                accumulator.add(item)
            else:
                accumulator.absorb(item)
            if found.drainable and accumulator.done:  # a sender may keep the body open after `[DONE]`
                found.drain(GRACE)
                break
        outcome = accumulator.close()
    except StreamError:
        raise
    except Exception as error:
        if isinstance(source, (str, os.PathLike)) and not accumulator.progress[1]:
            raise  # the caller's own file, not a sender's doing
        outcome = end_stream(accumulator, error, status=found.status)
    add_status(outcome, found.status)
    if outcome.error is not None:
        raise outcome.error
    response = accumulator.snapshot()
    assert response is not None
    return response


def blocks_of(source: Any) -> Iterator[bytes]:
    """Return the blocks of `source`, as they arrive; raise `MisuseError` where it yields chunks."""
    found = blocks(source)

    def each() -> Iterator[bytes]:
        for number, item in enumerate(found):
            if found.chunks:
                raise MisuseError(f"block {number} of the source is {type(item).__name__}, not bytes")
            yield item

    return each()
