"""Undo the Content-Encoding of a body, block by block, with a bound on what one block may unpack to.

In: the raw blocks of a body and its `Content-Encoding`. Out: unpacked blocks, each as soon as its bytes have arrived.
Costs what the decompressor costs; holds at most a few MB, whatever was sent: 900 bytes of brotli unpack to 500 MB, and
most clients make one block of them (docs/decompression.md has the table).

Rule 1  The client returns the raw bytes, and they are unpacked here: one bound and one meaning for all clients. gzip
        and deflate need nothing installed; br needs brotli or brotlicffi; zstd needs Python 3.14, backports.zstd or
        zstandard.
Rule 2  One call of a decompressor returns `PIECE` bytes, and is repeated until it returns no more. Decompressors
        without such a bound are fed so few bytes at a time that they cannot return more than 32 MB: see `slice` of
        each.
Rule 3  A body may have several members (gzip, RFC 1952 section 2.2) or frames (zstd, RFC 8878 section 3.1), one after
        the other; zero bytes between and after members of gzip are padding.
Rule 4  `deflate` is zlib (RFC 9110 section 8.4.1.2), and also what senders call so: raw deflate, or gzip. The first
        byte decides: its lower half is 8 for zlib, it is 0x1f for gzip, and raw deflate begins with neither.
Rule 5  A body that ends inside a member is a source that was cut off: `EOFError`, after everything that could be
        unpacked. One that cannot be unpacked is a `ValueError`. A body of no bytes has ended. Neither is a
        `StreamError`: readers treat them like any other exception of a source, so that the bytes that arrived decide
        the outcome.
Rule 6  A word that is not an encoding (`utf-8`, `none`) is ignored, like clients do; an encoding that cannot be undone
        here is a `MisuseError`, at once.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Protocol

from ..errors import MisuseError, counted

__all__ = ("PIECE", "Unpacker", "each_unpacked", "each_unpacked_async", "unpacked", "unpacker_for")

PIECE = 65536  # bytes: size of an unpacked block, like that of a read
_MOST = 5  # encodings on top of one another; the same limit as urllib3 and curl


class Unpacker:
    """Unpacks blocks; `close` checks that the body was complete."""

    def __init__(self, encoding: str, layer: Callable[[int], _Layer]) -> None:
        self._encoding = encoding
        self._new = layer
        self._layer: _Layer | None = None  # None between two members
        self._members = 0

    def unpack(self, block: bytes) -> Iterator[bytes]:
        """Yield the unpacked `block` in blocks of `PIECE` bytes. Exhaust it before the next block."""
        at, end = 0, len(block)
        while at < end:
            layer = self._layer
            if layer is None:
                if self._members and self._encoding == "gzip" and not block[at]:
                    at += 1
                    continue
                if self._members and self._encoding not in _HAS_MEMBERS:
                    raise ValueError(
                        f"{counted(end - at, 'byte')}, perhaps more, after the end of the {self._encoding} body"
                    )
                self._members += 1
                layer = self._layer = self._new(block[at])
            data = block[at : at + layer.slice]
            at += len(data)
            more = True
            while more:
                try:
                    out, data, more = layer.step(data)
                except Exception as error:  # zlib.error, brotli.error, ZstdError …
                    text = (
                        f"the body cannot be unpacked as the {self._encoding} that its Content-Encoding names: {error}"
                    )
                    raise ValueError(text) from error
                if out:
                    yield out
                if layer.ended:
                    self._layer = None
                    at -= len(data)  # the next member begins there
                    break

    def close(self) -> None:
        """End the body. Raises `EOFError` if a member is incomplete."""
        if self._layer is not None:
            raise EOFError(
                f"the body ended in the middle of its {self._encoding} data: the sender, or a proxy in between, cut it off"
            )


_HAS_MEMBERS = ("gzip", "zstd")


class _Layer(Protocol):
    """Unpacks one member."""

    slice: int
    """The most bytes to feed at once."""
    ended: bool
    """True if the member has ended."""

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        """Return some output, the remaining input, and whether to call again with that."""


class _Zlib:
    """gzip, zlib and raw deflate."""

    slice = 16384  # the rest after a member is copied: with a whole large block that would be quadratic
    ended = False

    def __init__(self, first: int, raw: bool) -> None:
        bits = zlib.MAX_WBITS | 32  # 32: gzip or zlib, as its header says
        if raw and first != 0x1F and first & 0x0F != 8:
            bits = -zlib.MAX_WBITS
        self._zlib = zlib.decompressobj(bits)

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        out = self._zlib.decompress(data, PIECE)
        if self._zlib.eof:
            self.ended = True
            return out, self._zlib.unused_data, False
        left = self._zlib.unconsumed_tail
        return out, left, bool(left) or len(out) >= PIECE


class _Brotli:
    """`brotli` and `brotlicffi`: since 1.2 they accept a bound on the output."""

    ended = False

    def __init__(self, library: Any, _first: int) -> None:
        self._decompressor = library.Decompressor()
        self._process = getattr(self._decompressor, "process", None) or self._decompressor.decompress
        self._accepts = getattr(self._decompressor, "can_accept_more_data", None)
        # Before 1.2: ten bytes of a metablock may unpack to 16 MB.
        self.slice = 16 if self._accepts is None else 16384

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        if self._accepts is None:
            out: bytes = self._process(data)
            more = False
        else:
            out = self._process(data, output_buffer_limit=PIECE)
            # It may accept more data while there is still output, so that alone does not decide.
            more = len(out) >= PIECE or not self._accepts()
        self.ended = self._decompressor.is_finished()
        return out, b"", more


class _Zstd:
    """`compression.zstd` and `backports.zstd`."""

    slice = 16384
    ended = False

    def __init__(self, library: Any, _first: int) -> None:
        window = {library.DecompressionParameter.window_log_max: _WINDOW}
        self._decompressor = library.ZstdDecompressor(options=window)

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        out: bytes = self._decompressor.decompress(data, PIECE)
        if self._decompressor.eof:
            self.ended = True
            return out, self._decompressor.unused_data, False
        return out, b"", not self._decompressor.needs_input or len(out) >= PIECE


class _Zstandard:
    """`zstandard`, which has no bound."""

    slice = 256  # four bytes of a block may unpack to 128 KiB: 8 MiB at most
    ended = False

    def __init__(self, library: Any, _first: int) -> None:
        self._decompressor = library.ZstdDecompressor(max_window_size=1 << _WINDOW).decompressobj()

    def step(self, data: bytes) -> tuple[bytes, bytes, bool]:
        out: bytes = self._decompressor.decompress(data)
        self.ended = self._decompressor.eof
        return out, self._decompressor.unused_data if self.ended else b"", False


_WINDOW = (
    23  # as a power of 2: 8 MB, the most that zstd over HTTP may ask for (RFC 9659); zstd itself would take 128 MB
)

_LIBRARIES: dict[str, tuple[tuple[str, Callable[[Any, int], _Layer]], ...]] = {
    "br": (("brotli", _Brotli), ("brotlicffi", _Brotli)),
    "zstd": (("compression.zstd", _Zstd), ("backports.zstd", _Zstd), ("zstandard", _Zstandard)),
}
_INSTALL = {"br": "brotli", "zstd": "zstandard"}
_NOT_UNDONE = frozenset(
    "compress x-compress dcb dcz exi aes128gcm pack200-gzip".split()
)  # the rest of the IANA registry


def unpacker_for(encoding: str | None) -> list[Unpacker]:
    """Return the unpackers for a `Content-Encoding`, outermost first; empty if there is nothing to undo."""
    words = [word.strip().lower().removeprefix("x-") for word in (encoding or "").split(",")]
    layers = [word for word in words if word in _KNOWN]
    if len(layers) > _MOST:
        raise MisuseError(
            f"the body has {len(layers)} content encodings, of which at most {_MOST} are undone: {encoding!r}"
        )
    return [Unpacker(word, _layer(word)) for word in reversed(layers)]


def _layer(word: str) -> Callable[[int], _Layer]:
    if word in ("gzip", "deflate"):
        return partial(_Zlib, raw=word == "deflate")
    for name, kind in _LIBRARIES.get(word, ()):
        try:
            return partial(kind, importlib.import_module(name))
        except ImportError:
            continue
    text = f"the body is still compressed ({word}), which cannot be unpacked here: "
    if word in _INSTALL:
        text += f"install {_INSTALL[word]}, or "
    raise MisuseError(text + "ask for it with the header `Accept-Encoding: identity`")


_KNOWN = frozenset({"gzip", "deflate", *_LIBRARIES}) | {word.removeprefix("x-") for word in _NOT_UNDONE}


def each_unpacked(blocks: Iterator[bytes], encoding: str | None) -> Iterator[bytes]:
    """Return the blocks of a body, unpacked; `blocks` itself if there is nothing to undo."""
    layers = unpacker_for(encoding)
    return _each(blocks, layers) if layers else blocks


def _each(blocks: Iterator[bytes], layers: list[Unpacker]) -> Iterator[bytes]:
    try:
        for block in blocks:
            yield from unpacked(block, layers)
    finally:  # closing a generator does not close the one that it iterates
        if (close := getattr(blocks, "close", None)) is not None:
            close()
    for layer in layers:
        layer.close()


def unpacked(block: bytes, layers: list[Unpacker]) -> Iterator[bytes]:
    """Yield one block unpacked through all layers. Exhaust it before the next block."""
    if not layers:
        yield block
        return
    for piece in layers[0].unpack(block):
        yield from unpacked(piece, layers[1:])


def each_unpacked_async(blocks: AsyncIterator[bytes], encoding: str | None) -> AsyncIterator[bytes]:
    """Return the same for an async client."""
    layers = unpacker_for(encoding)
    return _each_async(blocks, layers) if layers else blocks


async def _each_async(blocks: AsyncIterator[bytes], layers: list[Unpacker]) -> AsyncIterator[bytes]:
    try:
        async for block in blocks:
            for piece in unpacked(block, layers):
                yield piece
    finally:
        if (close := getattr(blocks, "aclose", None)) is not None:
            await close()
    for layer in layers:
        layer.close()
