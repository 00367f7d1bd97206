"""The blocks of one row: out of bytes or text, whole or in blocks, compressed or not.

In: a cell of the body column and of the blocks column, and the encoding that is named, if any. Out: blocks in order, each with
the number of the recorded block that it arrived in. Cost: one copy, a piece at a time.

Rule 1  Blocks are the cells of a list (then there is no need for a body), or the lengths in bytes of the blocks of the body.
Rule 2  Compression is what is named; where nothing is named, gzip and zstd show themselves by their first bytes, which no
        event stream begins with.
Rule 3  A block above 256 KiB is cut: above the largest event one would leave the fast lane for good (26 times the time).
Rule 4  Arrivals that do not fit (another number than blocks, backwards, negative, null) are none: the row has no timing.
Rule 5  What cannot be unpacked is a `ValueError` or an `EOFError`, raised after what could be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from ..errors import MisuseError
from ..sources import each_unpacked

__all__ = ("Piece", "blocks_of_row", "pieces", "seconds_of")

CUT = 256 * 1024  # bytes
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # RFC 1952 section 2.3.1, RFC 8878 section 3.1.1
_NONE = ("", "identity", "none")

Piece = tuple[int, bytes]
"""Number of the recorded block, and bytes."""


def blocks_of_row(body: Any, blocks: Sequence[Any] | None) -> list[Any]:
    """Return the recorded blocks of a row: bytes, or views of the body."""
    if blocks is None:
        return [body]
    if not blocks or isinstance(blocks[0], (bytes, memoryview, pa.Buffer)):
        return [b"" if block is None else block for block in blocks]
    found, at = [], 0
    view = memoryview(b"" if body is None else body)
    for length in blocks:
        found.append(view[at : at + max(length or 0, 0)])
        at += max(length or 0, 0)
    return [*found, view[at:]] if at < len(view) else found


def pieces(blocks: Sequence[Any], encoding: str | None) -> Iterator[Piece]:
    """Yield the blocks unpacked and cut (rules 2, 3, 5)."""
    if encoding is None:
        encoding = _by_magic(blocks)
    encoding = encoding.strip().lower()
    if encoding in _NONE:
        for number, block in enumerate(blocks):
            for piece in _cut(block):
                yield number, piece
        return
    at = 0

    def arriving() -> Iterator[bytes]:
        nonlocal at
        for number, block in enumerate(blocks):
            at = number
            yield from _cut(block)

    for piece in _unpacked(arriving(), encoding):
        yield at, piece


def seconds_of(arrival_ns: Sequence[Any] | None, blocks: int) -> list[float] | None:
    """Return the seconds at which each of `blocks` blocks arrived, None where that is not known (rule 4)."""
    if arrival_ns is None or len(arrival_ns) != blocks or None in arrival_ns:
        return None
    if any(later < earlier for earlier, later in pairwise([0, *arrival_ns])):
        return None
    return [time / 1e9 for time in arrival_ns]


def _by_magic(blocks: Sequence[Any]) -> str:
    head = b""
    for block in blocks:
        head += bytes(block[:4])
        if len(head) >= 4:
            break
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def _cut(block: Any) -> Iterator[bytes]:
    if len(block) <= CUT:
        yield bytes(block)
        return
    view = memoryview(block)
    for at in range(0, len(view), CUT):
        yield bytes(view[at : at + CUT])


def _unpacked(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """As HTTP clients would, with the bounds that live streams have; zstd by pyarrow where nothing else is installed."""
    try:
        found = each_unpacked(blocks, encoding)
    except MisuseError as error:
        if encoding != "zstd":
            raise ValueError(str(error)) from None
        return _zstd(blocks)
    if found is blocks:  # a word that names no encoding: a client would leave the body as it is
        raise ValueError(f"the encoding {encoding!r} is not known: gzip, deflate, br, zstd and identity are")
    return found


def _zstd(blocks: Iterator[bytes]) -> Iterator[bytes]:
    class Reads:
        """The packed bytes as a file, which is what pyarrow reads."""

        closed = False
        _left = b""

        def read(self, size: int) -> bytes:
            self._left = self._left or next(blocks, b"")
            out, self._left = self._left[:size], self._left[size:]
            return out

        def close(self) -> None:
            self.closed = True

    stream = pa.CompressedInputStream(pa.PythonFile(Reads(), "r"), "zstd")
    while True:
        try:
            piece: bytes = stream.read(65536)
        except OSError as error:
            raise ValueError(f"the body cannot be unpacked as zstd: {error}") from None
        if not piece:
            return
        yield piece
