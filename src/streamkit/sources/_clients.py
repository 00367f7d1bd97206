"""Recognise a source by its shape and return it as `Blocks` or `AsyncBlocks`: one module for each client, tried in
order.

In: bytes, a path, a file or pipe, a response of a client, an iterable of blocks or chunks; async also an async stream
of bytes. Out: `Blocks` (`AsyncBlocks`) over its live iterator. Costs nothing a block in addition to the client.

A client module has two functions of one shape, and its docstring says how its responses are drained and woken:

    def sync(source, unpack) -> Blocks | None                   None: another client's, or the client has no sync side
    def asynchronous(source, unpack) -> AsyncBlocks | None

A new client is one such module and one entry in `CLIENTS`. For draining, `Blocks` takes `reads_within`, since a blocking read
needs a time, and `AsyncBlocks` takes `drainable`.

Rule 1  A block is the result of one read. Never a size that has to fill up: `httpx.iter_bytes(8192)` and
        `requests.iter_content(8192)` hold events back, in bodies without HTTP chunks until the end of the stream. Never
        `iter_lines`: it treats U+2028, which JSON may contain, as the end of a line.
Rule 2  Content encodings (gzip, deflate, br, zstd) are undone here and not by the client, with a bound: `_unpack`. With
        `unpack=False` they are left alone.
Rule 3  Status and content type are passed on and not judged: the body shows what it is, whatever its header.
Rule 4  What only one side supports is refused by the other, which says what to do instead: `_hints`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arguments import check_bool
from . import (
    _aiohttp,
    _curl_cffi,
    _files,
    _httpx,
    _iterables,
    _niquests,
    _openai,
    _requests,
    _starlette,
    _traces,
    _urllib3,
)
from ._blocks import AsyncBlocks, Blocks
from ._hints import check_mistakes, refusal

__all__ = ("async_blocks", "blocks")

# The order matters where one shape includes another: a response of requests has a `raw` that is one of urllib3, which
# is a file, and a file can be iterated (over lines). Modules that read `.content` are after those for which that reads
# everything.
CLIENTS = (
    _traces,
    _httpx,
    _openai,
    _curl_cffi,
    _niquests,
    _requests,
    _aiohttp,
    _starlette,
    _urllib3,
    _files,
    _iterables,
)

_SYNC: tuple[Callable[[Any, bool], Blocks | None], ...] = tuple(client.sync for client in CLIENTS)
_ASYNC: tuple[Callable[[Any, bool], AsyncBlocks | None], ...] = tuple(client.asynchronous for client in CLIENTS)


def blocks(source: Any, *, unpack: bool = True) -> Blocks:
    """Return the blocks (or chunks) of a sync source, as they arrive.

    `unpack`: whether to undo the `Content-Encoding` of a response (gzip, deflate, br, zstd); pass False to forward or
    record the bytes as they were sent.

    Raises `MisuseError` for anything that is not a sync source, and says what to pass instead.
    """
    check_bool("unpack=", unpack)
    if (found := _iterables.of_bytes(source, unpack) or _files.of_path(source, unpack)) is not None:
        return found
    check_mistakes(source, asynchronous=False)
    if isinstance(source, Blocks):
        return source
    for recognise in _SYNC:
        if (found := recognise(source, unpack)) is not None:
            return found
    raise refusal(source, asynchronous=False)


def async_blocks(source: Any, *, unpack: bool = True) -> AsyncBlocks:
    """Return the blocks (or chunks) of an async source, as they arrive. `unpack`: like that of `blocks`.

    Raises `MisuseError` for anything else, and says what to pass instead; also for a sync source that could block.
    """
    check_bool("unpack=", unpack)
    if (found := _iterables.of_bytes_async(source, unpack)) is not None:
        return found
    check_mistakes(source, asynchronous=True)
    if isinstance(source, AsyncBlocks):
        return source
    for recognise in _ASYNC:
        if (found := recognise(source, unpack)) is not None:
            return found
    raise refusal(source, asynchronous=True)
