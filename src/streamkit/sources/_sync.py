"""A sync source, recognised by its shape, as `Blocks`.

In: bytes, a path, a file or pipe, a response of a client, an iterable of blocks or chunks. Out: `Blocks` over the live
iterator of it. Costs nothing a block beyond what the client does.

Rule 1  A block is what one read gave. Never a size that has to fill up: `httpx.iter_bytes(8192)` and
        `requests.iter_content(8192)` hold events back, in bodies without HTTP's chunks to the end of the stream. Never
        `iter_lines`: it takes U+2028, which JSON may hold, for the end of a line.
Rule 2  Content encodings (gzip, deflate, br, zstd) are undone here and not by the client, with a bound: `_unpack`.
Rule 3  Status and content type are told and not judged: the body says what it is, whatever its header.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from .._arguments import check_bool, readable
from ..errors import MisuseError, shown
from ..trace import Trace, is_trace_name, read_trace
from ._blocks import Blocks
from ._detect import (
    body_of,
    check_packed,
    closer,
    consumed,
    encoding_of,
    head_of,
    is_async,
    is_over,
    is_sdk_helper,
    method,
    refusal,
    response_of,
)
from ._drain import httpx_reads_within, urllib3_reads_within
from ._unpack import each_unpacked
from ._wake import file_wake, httpx_wake, urllib3_wake

__all__ = ("blocks",)

_READ = 65536  # bytes: what a read may give at most; a pipe gives what is there


def blocks(source: Any, *, unpack: bool = True) -> Blocks:
    """Return the blocks (or chunks) of a sync source, as they arrive.

    `unpack`: whether the `Content-Encoding` of a response (gzip, deflate, br, zstd) is undone; False for what hands the
    bytes on as they were sent, or records them.

    Raises `MisuseError` for what is none, and says what to pass instead.
    """
    check_bool("unpack=", unpack)
    if isinstance(source, Blocks):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Blocks(iter((readable(source),)), chunks=False)
    if isinstance(source, (str, os.PathLike)):
        return Blocks(_path_blocks(_existing(source)), chunks=False)
    if isinstance(source, Trace):
        return Blocks(blocks_of_trace(source, unpack), chunks=False, status=source.status)
    if isinstance(source, (Mapping, io.TextIOBase)):
        raise refusal(source, asynchronous=False)
    if (response := response_of(source)) is not None:
        return _of_httpx(response, source, unpack)
    if method(source, "iter_content") is not None and hasattr(source, "raw"):
        return _of_requests(source, unpack)
    if (read := method(source, "read")) is not None and not is_async(read):
        return _of_file(source, unpack)
    if is_sdk_helper(source) and isinstance(source, Iterable):
        found = (event.chunk for event in source if event.type == "chunk")
        response = getattr(source, "_response", None)
        wake = None if method(response, "iter_raw") is None else httpx_wake(response)
        return Blocks(found, close=closer(source), chunks=True, wake=wake)
    # A pydantic model can be iterated too, over its fields: one chunk is no source.
    if isinstance(source, Iterable) and (hasattr(source, "__next__") or method(source, "model_dump") is None):
        return Blocks(iter(source), close=closer(source), **head_of(source))
    raise refusal(source, asynchronous=False)


def blocks_of_trace(trace: Trace, unpack: bool = True) -> Iterator[bytes]:
    """Return the blocks that a trace recorded; those of an encoded body unpacked, where that is asked for."""
    return each_unpacked((block.data for block in trace.blocks), trace.encoding if unpack else None)


def _of_httpx(response: Any, source: Any, unpack: bool) -> Blocks:
    """httpx, httpx2, and openai's `Stream` over them: its bytes, which lose nothing, where nobody has begun on it."""
    head, body = head_of(response), body_of(response)
    if body is not None:
        check_packed(response, unpack)
        return Blocks(iter((body,)), chunks=False, **head)
    if not hasattr(response.stream, "__iter__"):
        raise refusal(response, asynchronous=False)
    begun = response.is_stream_consumed
    if begun and source is not response and isinstance(source, Iterable):  # its chunks, from where it stands
        return Blocks(iter(source), close=closer(source), chunks=True, wake=httpx_wake(response), **head)
    if begun or response.is_closed:
        raise consumed(response)
    items = each_unpacked(response.iter_raw(), encoding_of(response, unpack))
    close = closer(source, response)
    reads_within, wake = httpx_reads_within(response), httpx_wake(response)
    return Blocks(items, close=close, chunks=False, reads_within=reads_within, wake=wake, **head)


def _of_requests(response: Any, unpack: bool) -> Blocks:
    """requests and niquests."""
    if is_async(response.iter_content):
        raise refusal(response, asynchronous=False)
    head, raw = head_of(response), response.raw
    if getattr(response, "_content_consumed", False) or is_over(raw):
        check_packed(response, unpack)
        return Blocks(iter((read_content(response),)), close=response.close, chunks=False, **head)
    if not hasattr(raw, "decode_content"):  # an adapter for files and the like
        return Blocks(_of_file(raw, unpack), close=response.close, chunks=False, wake=file_wake(raw), **head)
    reads_within = urllib3_reads_within(raw) if method(raw, "read1") is not None else None
    wake = urllib3_wake(raw)
    return Blocks(
        _iter_content(response, unpack),
        close=response.close,
        chunks=False,
        reads_within=reads_within,
        wake=wake,
        **head,
    )


def _iter_content(response: Any, unpack: bool) -> Iterator[bytes]:
    """`response.iter_content`, over what each read gave.

    Any size that it can be given waits for so many bytes, or gives one at a time; but it alone makes requests' own
    errors of those of urllib3. It calls `raw.stream` once, when it is first asked for a block.
    """
    raw, pieces = response.raw, response.iter_content(1)
    response.raw = _Live(raw, unpack)
    try:
        first = next(pieces, None)
    finally:
        response.raw = raw
    if first is not None:
        yield first
        yield from pieces


class _Live:
    """The raw response of urllib3, whose `stream` gives what each read gave, whatever the size asked for."""

    def __init__(self, raw: Any, unpack: bool) -> None:
        self._raw = raw
        self._unpack = unpack

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, _size: object = None, decode_content: bool = True) -> Iterator[bytes]:
        return _of_urllib3(self._raw, self._unpack)


def _of_urllib3(raw: Any, unpack: bool) -> Iterator[bytes]:
    return each_unpacked(_raw_of_urllib3(raw), encoding_of(raw, unpack))


def _raw_of_urllib3(raw: Any) -> Iterator[bytes]:
    if (read1 := method(raw, "read1")) is not None:
        return _each_read(raw, partial(read1, _READ, decode_content=False))
    # Before 2.0: a chunk of HTTP at a time, else byte by byte, since any other size waits to be filled.
    stream: Iterator[bytes] = raw.stream(None if getattr(raw, "chunked", False) else 1, decode_content=False)
    return stream


def _each_read(raw: Any, read: Callable[[], bytes]) -> Iterator[bytes]:
    """What each read gives. One that gives nothing is the end only where no byte has come for it: urllib3-future (the
    urllib3 of niquests) hands on what a frame without data was."""
    tell = method(raw, "tell") or int
    while True:
        before = tell()
        block = read()
        if block:
            yield block
        elif tell() == before:
            return


def read_content(response: Any) -> bytes:
    """The body of a response of requests or niquests that was read already."""
    body = getattr(response, "_content", None)  # `content` is a coroutine where the response is async
    if not isinstance(body, bytes):
        raise consumed(response)
    return body


def _of_file(file: Any, unpack: bool) -> Blocks:
    """Files, pipes, the output of subprocesses; http.client, urllib.request and urllib3, whose responses are files."""
    head, close = head_of(file), closer(file)
    if is_over(file):
        if not isinstance(body := getattr(file, "_body", None), bytes):  # where urllib3 keeps what it read by itself
            raise consumed(file)
        check_packed(file, unpack)
        return Blocks(iter((body,)), close=close, chunks=False, **head)
    if hasattr(file, "decode_content"):
        reads_within = urllib3_reads_within(file) if method(file, "read1") is not None else None
        wake = urllib3_wake(file)
        return Blocks(
            _of_urllib3(file, unpack), close=close, chunks=False, reads_within=reads_within, wake=wake, **head
        )
    items = each_unpacked(_reads(partial(method(file, "read1") or file.read, _READ)), encoding_of(file, unpack))
    return Blocks(items, close=close, chunks=False, wake=file_wake(file), **head)


def _reads(read: Callable[[], Any]) -> Iterator[Any]:
    return iter(read, b"")


def _existing(path: str | os.PathLike[str]) -> str:
    """The path, which names something; told at once, and not by the first read."""
    try:
        name = os.fsdecode(path)
        os.fsencode(name)
    except (TypeError, ValueError) as error:  # half a surrogate pair; an object whose path is not one
        raise MisuseError(f"a path names a file, and {shown(path)} cannot: {error}") from None
    if "\n" in name or "\0" in name or name.startswith(("data:", "{")):
        raise MisuseError(
            f"a str is taken as a path, and {shown(name[:40])}… is none: pass the bytes of the body instead"
        )
    try:
        os.stat(name)
    except OSError as error:
        if isinstance(path, str):
            error.add_note("A str is taken as a path: pass bytes, if it is the body of a response.")
        raise
    return name


def _path_blocks(name: str) -> Iterator[bytes]:
    if is_trace_name(name):
        yield from blocks_of_trace(read_trace(name))
        return
    with open(name, "rb") as file:
        yield from _of_file(file, unpack=True)
