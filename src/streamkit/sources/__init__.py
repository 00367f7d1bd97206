"""Blocks out of whatever holds a stream: responses of HTTP clients, SDK streams, files, pipes, iterables.

In: any source, recognised by its shape; no client is imported. Out: `Blocks`, or `AsyncBlocks`: blocks (or chunks) as
they arrive, nothing held back; or the response.

    both            bytes; a `Trace`; lists of blocks or chunks; responses that were read; iterables of blocks, or of chunks: ours,
                    mappings, objects of an SDK
    `blocks`        responses of httpx, httpx2, requests, urllib3, niquests, urllib.request, http.client; the openai SDK's
                    Stream, its raw and streaming responses and its stream helper; paths (`.jsonl`: a trace), files,
                    pipes, the stdout of a subprocess
    `async_blocks`  responses of httpx, httpx2, aiohttp, niquests and their like in the openai SDK; asyncio.StreamReader;
                    byte streams of anyio and trio; async files; bodies of ASGI requests and responses
"""

from __future__ import annotations

from ._async import async_blocks
from ._blocks import AsyncBlocks, Blocks
from ._drain import GRACE
from ._sync import blocks

# Others import from this package only, never from a file in it: two threads of which one imports the package and one a file
# in it wait for each other, and Python then hands out a package that is half loaded.
__all__ = ("GRACE", "AsyncBlocks", "Blocks", "async_blocks", "blocks")
