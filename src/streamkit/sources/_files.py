"""Paths, files, pipes, the output of subprocesses; http.client and urllib.request, whose responses are files.

Async: `asyncio.StreamReader`, files of anyio. Waking: the socket is below `fp`, a buffered file of `socket.makefile`.
None of these responses is drained: http.client keeps its sockets private, and does not reuse connections.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..errors import MisuseError, shown
from ..trace import is_trace_name, read_trace
from ._blocks import AsyncBlocks, Blocks
from ._detect import READ, closer, consumed, encoding_of, head_of, is_async, is_over, method
from ._traces import blocks_of_trace
from ._unpack import each_unpacked
from ._urllib3 import Reads
from ._urllib3 import sync as of_urllib3
from ._wake import file_wake

__all__ = ("asynchronous", "of_file", "of_path", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read any object with a blocking `read`."""
    return of_file(source, unpack) if (read := method(source, "read")) is not None and not is_async(read) else None


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read any object with an awaitable `read`. Iterating a StreamReader yields lines, and fails on long ones; async
    files yield lines, too."""
    for name in ("read1", "read"):
        if is_async(read := method(source, name)) and read is not None:
            if is_over(source):
                raise consumed(source)
            close = closer(source, asynchronous=True)
            return AsyncBlocks(Reads(partial(read, READ)), close=close, chunks=False, **head_of(source))
    return None


def of_file(file: Any, unpack: bool) -> Blocks:
    """Return the blocks of an open file, also if it is a response of urllib3 that another object carries."""
    if (found := of_urllib3(file, unpack)) is not None:
        return found
    if is_over(file):
        raise consumed(file)
    items = each_unpacked(_reads(partial(method(file, "read1") or file.read, READ)), encoding_of(file, unpack))
    return Blocks(items, close=closer(file), chunks=False, wake=file_wake(file), **head_of(file))


def _reads(read: Callable[[], Any]) -> Iterator[Any]:
    return iter(read, b"")


def of_path(source: Any, unpack: bool) -> Blocks | None:
    """Return the blocks of the file at a path, or those recorded in the trace there."""
    return Blocks(_path_blocks(_existing(source)), chunks=False) if isinstance(source, (str, os.PathLike)) else None


def _existing(path: str | os.PathLike[str]) -> str:
    """Return the path if it exists; otherwise raise at once, not in the first read."""
    try:
        name = os.fsdecode(path)
        os.fsencode(name)
    except (TypeError, ValueError) as error:  # half a surrogate pair; an object whose path is not one
        raise MisuseError(f"a path names a file, but {shown(path)} cannot: {error}") from None
    if "\n" in name or "\0" in name or name.startswith(("data:", "{")):
        raise MisuseError(
            f"a str is treated as a path, but {shown(name[:40])}… is not one: pass the bytes of the body instead"
        )
    try:
        os.stat(name)
    except OSError as error:
        if isinstance(path, str):
            error.add_note("A str is treated as a path: pass bytes if it is the body of a response.")
        raise
    return name


def _path_blocks(name: str) -> Iterator[bytes]:
    if is_trace_name(name):
        yield from blocks_of_trace(read_trace(name))
        return
    with open(name, "rb") as file:
        yield from of_file(file, unpack=True)
