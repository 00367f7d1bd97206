"""Blocks out of whatever holds a stream: bytes, a path, an open file, an iterable of blocks.

Paths ending in `.jsonl` are read as trace files, any other as the bytes of a response body. Files are read as far as
they have come, never up to a size, so that a pipe gives its blocks as they arrive.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .accumulator import Accumulator
from .errors import MisuseError
from .trace import read_trace
from .types import CreateChatCompletionResponse

__all__ = ("Source", "blocks_of", "reassemble")

Source = bytes | bytearray | memoryview | str | os.PathLike[str] | Iterable[bytes]
"""What `reassemble` takes: bytes, a path, an open binary file, an iterable of blocks."""

_READ = 65536  # bytes: what a read may give at most; a pipe gives what is there


def reassemble(source: Any) -> CreateChatCompletionResponse:
    """The full response out of a stream.

    `source`: the bytes of the response body, a path (`str` or `os.PathLike`) to a file of them or to a trace, a file
    opened in binary mode, or an iterable of blocks.

    Raises `TruncatedError`, `RemoteError`, `FormatError` or `LimitError` where the stream is not complete, with what
    had come in `.partial`; `MisuseError` for a source that cannot be one; `OSError` where a file cannot be read.
    """
    accumulator = Accumulator()
    for block in blocks_of(source):
        accumulator.absorb(block)
    outcome = accumulator.close()
    if outcome.error is not None:
        raise outcome.error
    response = accumulator.snapshot()
    assert response is not None
    return response


def blocks_of(source: Any) -> Iterator[bytes]:
    """The blocks of `source`, as they come."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return iter((bytes(source),))
    if isinstance(source, (str, os.PathLike)):
        return _path_blocks(os.fspath(source))
    if callable(getattr(source, "read", None)):
        return _file_blocks(source)
    if isinstance(source, Iterable) and not isinstance(source, Mapping):
        return _checked(source)
    hint = ": iterate it and feed an Accumulator" if hasattr(source, "__aiter__") else ""
    raise MisuseError(
        "a source is bytes, a path, a file opened in binary mode, or an iterable of blocks,"
        f" not {type(source).__name__}{hint}"
    )


def _path_blocks(path: str | bytes) -> Iterator[bytes]:
    name = os.fsdecode(path)
    if "\n" in name or name.startswith(("data:", "{")):
        raise MisuseError(f"a str is taken as a path, and {name[:40]!r}… is none: pass the bytes of the body instead")
    if name.endswith(".jsonl"):
        for block in read_trace(name).blocks:
            yield block.data
        return
    with open(name, "rb") as file:
        yield from _file_blocks(file)


def _file_blocks(file: Any) -> Iterator[bytes]:
    read = getattr(file, "read1", None) or file.read
    while block := read(_READ):
        if isinstance(block, str):
            raise MisuseError("the file is opened as text: open it in binary mode, open(path, 'rb')")
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise MisuseError(f"read() gave {type(block).__name__}, not bytes")
        yield bytes(block)


def _checked(blocks: Iterable[Any]) -> Iterator[bytes]:
    for number, block in enumerate(blocks):
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise MisuseError(f"block {number} of the source is {type(block).__name__}, not bytes")
        yield bytes(block)
