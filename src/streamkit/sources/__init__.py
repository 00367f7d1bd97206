"""Read blocks from anything that holds a stream: responses of HTTP clients, SDK streams, files, pipes, iterables.

In: any source, recognised by its shape; no client is imported. Out: `Blocks`, or `AsyncBlocks`: blocks (or chunks) as
they arrive, nothing held back; or the response.

    both            bytes; a `Trace`; lists of blocks or chunks; responses already read; iterables of blocks, or of chunks:
                    ours, mappings, objects of an SDK
    `blocks`        responses of httpx, httpx2, requests, urllib3, niquests, curl_cffi, urllib.request, http.client; the
                    openai SDK's Stream, its raw and streaming responses and its stream helper; paths (`.jsonl`: a trace),
                    files, pipes, the stdout of a subprocess
    `async_blocks`  responses of httpx, httpx2, aiohttp, niquests, curl_cffi and the same in the openai SDK;
                    asyncio.StreamReader; byte streams of anyio and trio; async files; bodies of ASGI requests and responses

One module for each client, in the order of `_clients.CLIENTS`; to add one, write such a module and add an entry there.

Code that reads a source to its end, or forwards its bytes (a transport, a proxy), uses these:

    found = blocks(response, unpack=False)      # the bytes as they were sent; by default they are unpacked
    watch = EndWatch(content_encoding)          # detects `[DONE]`; with an Accumulator: said_end(acc.outcome)
    for block in found:
        watch.feed(block)
        yield block
    # in close(): the rest after `[DONE]` is read for a moment, so that the client can reuse its connection
    found.finish(GRACE, take=record) if watch.seen else found.close()
    found.ended, found.error                    # "end", "error" (and the exception) or "closed" (before its end)
    end_stream(acc, found.error, status=found.status)       # the outcome of a stream whose source ended like this

`retry_after(response)` is how long its sender asks to wait before the request is sent again.

A transport of httpx or httpx2 sends its requests `Onward(inner)`, to another one or into the network, and returns a
response of the `library_of(request)` whose body is an instance of a `body_class`.
"""

from __future__ import annotations

from ._blocks import AsyncBlocks, Blocks, SourceEnd
from ._clients import async_blocks, blocks
from ._drain import GRACE
from ._endings import EndWatch, end_stream, said_end
from ._endings import add_status as add_status  # for `_live` and `_clean`, not public
from ._endings import error_raised_by_client as error_raised_by_client
from ._onward import OneKind, Onward, body_class, library_of
from ._retry_after import retry_after
from ._unpack import each_unpacked as each_unpacked  # for `_recording`, likewise
from ._unpack import unpacked as unpacked  # for the gateway, likewise
from ._unpack import unpacker_for as unpacker_for

# Other packages import from this package only, never from a file in it: if one thread imports the package and another a
# file in it, they wait for each other, and Python then returns a half-loaded package.
__all__ = (
    "GRACE",
    "AsyncBlocks",
    "Blocks",
    "EndWatch",
    "OneKind",
    "Onward",
    "SourceEnd",
    "async_blocks",
    "blocks",
    "body_class",
    "end_stream",
    "library_of",
    "retry_after",
    "said_end",
)
