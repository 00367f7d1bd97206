"""Blocks out of whatever holds a stream: responses of HTTP clients, SDK streams, files, pipes, iterables.

In: any source, recognised by its shape; no client is imported. Out: `Blocks`, or `AsyncBlocks`: blocks (or chunks) as
they arrive, nothing held back; or the response.

    both            bytes; a `Trace`; lists of blocks or chunks; responses that were read; iterables of blocks, or of chunks: ours,
                    mappings, objects of an SDK
    `blocks`        responses of httpx, httpx2, requests, urllib3, niquests, curl_cffi, urllib.request, http.client; the
                    openai SDK's Stream, its raw and streaming responses and its stream helper; paths (`.jsonl`: a trace),
                    files, pipes, the stdout of a subprocess
    `async_blocks`  responses of httpx, httpx2, aiohttp, niquests, curl_cffi and their like in the openai SDK;
                    asyncio.StreamReader; byte streams of anyio and trio; async files; bodies of ASGI requests and responses

One module for each client, in the order of `_clients.CLIENTS`; a new one is such a module and an entry there.

What reads a source through to its end, or hands its bytes on (a transport, a proxy), finds here what it needs for that:

    found = blocks(response, unpack=False)      # the bytes as they were sent; without it they are unpacked
    watch = EndWatch(content_encoding)          # `[DONE]`, seen in passing; with an Accumulator: said_end(acc.outcome)
    for block in found:
        watch.feed(block)
        yield block
    # in close(): what follows `[DONE]` is read for a moment, so that the client can use its connection again
    found.finish(GRACE, take=record) if watch.seen else found.close()
    found.ended, found.error                    # "end", "error" (and what was raised) or "closed" (before its end)
    end_stream(acc, found.error, status=found.status)       # the outcome of a stream whose source ended so

A transport of httpx or httpx2 sends its requests `Onward(inner)`, to another one or into the network, and returns a response
of the `library_of(request)` whose body has a `body_class`.
"""

from __future__ import annotations

from ._blocks import AsyncBlocks, Blocks, SourceEnd
from ._clients import async_blocks, blocks
from ._drain import GRACE
from ._endings import EndWatch, end_stream, said_end
from ._endings import add_status as add_status  # for `_live` and `_clean`, not promised to users
from ._endings import error_raised_by_client as error_raised_by_client
from ._onward import Onward, body_class, library_of
from ._unpack import each_unpacked as each_unpacked  # for `_recording`, likewise

# Others import from this package only, never from a file in it: two threads of which one imports the package and one a file
# in it wait for each other, and Python then hands out a package that is half loaded.
__all__ = (
    "GRACE",
    "AsyncBlocks",
    "Blocks",
    "EndWatch",
    "Onward",
    "SourceEnd",
    "async_blocks",
    "blocks",
    "body_class",
    "end_stream",
    "library_of",
    "said_end",
)
