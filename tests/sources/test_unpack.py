"""Every encoding is undone, whole and byte by byte, at once, and with a bound, through every client too."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import anyio
import pytest

from helpers.loopback import EVENTS
from helpers.loopback_async import HTTP, WITHOUT_HEAD, Opener, named, run
from helpers.loopback_flow import Served
from helpers.loopback_sync import CLIENTS, by_curl_cffi, by_http_client, by_httpx, by_requests, by_urllib3, name_of
from helpers.wire import each_byte
from streamkit import (
    AsyncChatStream,
    ChatStream,
    FormatError,
    LimitError,
    MisuseError,
    SourceError,
    TruncatedError,
    reassemble,
)
from streamkit.sources import _unpack, async_blocks, blocks
from streamkit.sources._unpack import PIECE, each_unpacked

BODY = b"".join(EVENTS)
MOST = 8 * 1024 * 1024  # bytes that one block may unpack to at most: half of the default of max_event_bytes
BOMB = 20 * 1024 * 1024  # bytes, out of one block of the network


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


def brotli(body: bytes) -> bytes:
    packed: bytes = pytest.importorskip("brotli").compress(body)
    return packed


def zstd(body: bytes) -> bytes:
    packed: bytes = pytest.importorskip("zstandard").compress(body)
    return packed


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw-deflate": ("deflate", raw_deflate),
    "gzip-said-to-be-deflate": ("deflate", gzip.compress),
    "zlib-said-to-be-gzip": ("gzip", zlib.compress),
    "br": ("br", brotli),
    "zstd": ("zstd", zstd),
    "twice": ("deflate, identity, gzip", lambda body: gzip.compress(zlib.compress(body))),
}


@pytest.fixture(params=ENCODINGS)
def packed(request: pytest.FixtureRequest) -> tuple[str, Callable[[bytes], bytes]]:
    return ENCODINGS[request.param]


def unpacked(given: list[bytes], encoding: str | None) -> Iterator[bytes]:
    return each_unpacked(iter(given), encoding)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_a_body_is_what_was_packed(packed: tuple[str, Callable[[bytes], bytes]], cut: bool) -> None:
    encoding, pack = packed
    whole = pack(BODY)
    assert BODY == b"".join(unpacked(each_byte(whole) if cut else [whole], encoding))


def test_a_body_of_no_bytes_is_empty(packed: tuple[str, Callable[[bytes], bytes]]) -> None:
    encoding, pack = packed
    pack(b"")  # skips where there is no library
    assert [] == list(unpacked([], encoding))


def test_a_body_that_ends_inside_its_encoding_is_an_eof_error_after_all_that_arrived(
    packed: tuple[str, Callable[[bytes], bytes]],
) -> None:
    encoding, pack = packed
    whole = pack(BODY)
    for end in range(1, len(whole)):
        came = []
        with pytest.raises(EOFError, match="cut it off"):
            came.extend(unpacked([whole[:end]], encoding))
        assert BODY.startswith(b"".join(came))


@pytest.mark.parametrize("framing", ["chunked", "close"])
@pytest.mark.parametrize("client", [one for one in CLIENTS if one is not by_curl_cffi], ids=name_of)  # libcurl unpacks
def test_gzip_without_its_trailer_is_a_source_that_broke_off(client: Any, framing: str) -> None:
    half = gzip.compress(EVENTS[0])[:-8]
    with Served([half], framing, encoding="gzip") as server, client(server) as response:
        found = blocks(response)
        assert EVENTS[0] == next(found)
        with pytest.raises(EOFError):
            next(found)
    with Served([half], framing, encoding="gzip") as server, client(server) as response:
        with ChatStream(response) as stream:
            assert ["Gr"] == list(quietly(stream.text()))
        assert stream.outcome is not None
        assert ("truncated", TruncatedError) == (stream.outcome.name, type(stream.outcome.error))
        assert isinstance(stream.outcome.error.__cause__, EOFError)


def quietly(items: Iterator[str]) -> Iterator[str]:
    with contextlib.suppress(TruncatedError):
        yield from items


def test_a_body_that_breaks_off_before_any_chunk_is_a_source_error() -> None:
    given = [gzip.compress(BODY)[:10]]
    with (
        Served(given, "close", encoding="gzip") as server,
        by_httpx(server) as response,
        ChatStream(response) as stream,
        pytest.raises(SourceError, match="gzip"),
    ):
        list(stream)


def test_a_response_that_is_complete_is_so_without_the_trailer() -> None:
    for client in (by_httpx, by_http_client):
        with Served([gzip.compress(BODY)[:-8]], "close", encoding="gzip") as server, client(server) as response:
            assert reassemble(BODY) == reassemble(response)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_members_of_gzip_follow_one_another_with_padding_between_them(cut: bool) -> None:
    whole = b"".join(gzip.compress(event) + bytes(number) for number, event in enumerate(EVENTS))
    assert BODY == b"".join(unpacked(each_byte(whole) if cut else [whole], "gzip"))
    with pytest.raises(EOFError):
        list(unpacked([whole + gzip.compress(b"more")[:-1]], "gzip"))


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_frames_of_zstd_follow_one_another(cut: bool) -> None:
    whole = b"".join(map(zstd, EVENTS))
    assert BODY == b"".join(unpacked(each_byte(whole) if cut else [whole], "zstd"))


@pytest.mark.parametrize("name", ["gzip", "deflate", "raw-deflate", "br", "zstd"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_what_follows_and_is_not_a_member_is_an_error_after_all_that_arrived(name: str, cut: bool) -> None:
    encoding, pack = ENCODINGS[name]
    whole = pack(BODY) + b"data: more\n\n"
    came = []
    with pytest.raises(ValueError, match=encoding):
        came.extend(unpacked(each_byte(whole) if cut else [whole], encoding))
    assert name == "br" or BODY == b"".join(came)  # the library of br gives nothing where it fails


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "br"])
def test_what_was_not_packed_is_an_error(encoding: str) -> None:
    ENCODINGS[encoding][1](b"")  # skips where there is no library
    with pytest.raises(ValueError, match=f"cannot be unpacked as the {encoding}"):
        list(unpacked([BODY], encoding))


# --- at once


class Flushing:
    """Packs and flushes, by each library."""

    def __init__(self, encoding: str) -> None:
        if encoding == "br":
            packer = pytest.importorskip("brotli").Compressor()
            self.pack = lambda event: packer.process(event) + packer.flush()
        elif encoding == "zstd":
            library = pytest.importorskip("zstandard")
            zstd_packer = library.ZstdCompressor().compressobj()
            self.pack = lambda event: zstd_packer.compress(event) + zstd_packer.flush(library.COMPRESSOBJ_FLUSH_BLOCK)
        else:
            zlib_packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16 if encoding == "gzip" else -zlib.MAX_WBITS)
            self.pack = lambda event: zlib_packer.compress(event) + zlib_packer.flush(zlib.Z_SYNC_FLUSH)


LIBRARIES = [
    ("gzip", None),
    ("deflate", None),
    *((encoding, name) for encoding, found in _unpack._LIBRARIES.items() for name, _ in found),
]


@pytest.fixture(params=LIBRARIES, ids=lambda pair: pair[1] or pair[0])
def encoding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An encoding, undone by one of the libraries for it."""
    encoding, library = request.param
    if library is not None:
        pytest.importorskip(library)
        alone = tuple(pair for pair in _unpack._LIBRARIES[encoding] if pair[0] == library)
        monkeypatch.setitem(_unpack._LIBRARIES, encoding, alone)
    return str(encoding)


def test_each_event_is_there_with_the_bytes_that_it_was_packed_to(encoding: str) -> None:
    given: list[bytes] = []
    found = each_unpacked(iter(lambda: given.pop(0), b""), encoding)
    flushing = Flushing(encoding)
    for event in EVENTS:
        given.append(flushing.pack(event))
        came = b""
        while came != event:  # asks for no byte that has not come: an empty list cannot be popped
            came += next(found)


# --- a bound


@cache
def bomb(encoding: str) -> bytes:
    if encoding == "br":
        packed: bytes = pytest.importorskip("brotli").compress(bytes(BOMB), quality=5)
        return packed
    return {"gzip": gzip.compress, "deflate": raw_deflate, "zstd": zstd}[encoding](bytes(BOMB))


def test_one_block_is_unpacked_to_many_of_bounded_size(encoding: str) -> None:
    sizes = [len(block) for block in unpacked([bomb(encoding)], encoding)]
    assert BOMB == sum(sizes)
    assert max(sizes) <= MOST


def test_a_library_of_brotli_without_a_bound_is_fed_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("brotli")
    bounded = library.Decompressor

    class Decompressor:  # as before 1.2
        def __init__(self) -> None:
            self._inner = bounded()
            self.is_finished = self._inner.is_finished

        def process(self, data: bytes) -> bytes:
            assert len(data) <= 16
            out: bytes = self._inner.process(data)
            return out

    monkeypatch.setattr(library, "Decompressor", Decompressor)
    sizes = [len(block) for block in unpacked([bomb("br")], "br")]
    assert BOMB == sum(sizes)
    assert max(sizes) <= 4 * MOST


def test_nothing_is_unpacked_before_it_is_asked_for() -> None:
    layers = _unpack.unpacker_for("gzip")
    pieces = layers[0].unpack(bomb("gzip"))
    assert PIECE == len(next(pieces))
    with pytest.raises(EOFError):
        layers[0].close()


def test_many_small_members_are_read_in_one_pass() -> None:
    empty = gzip.compress(b"")

    class Counted(bytes):
        copied = 0

        def __getitem__(self, key: Any) -> Any:
            part = super().__getitem__(key)
            if isinstance(key, slice):
                Counted.copied += len(part)
            return part

    def copied(members: int) -> int:
        Counted.copied = 0
        assert [] == list(unpacked([Counted(empty * members)], "gzip"))
        return Counted.copied

    assert copied(8000) < 2.5 * copied(4000)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("client", CLIENTS, ids=name_of)
def test_through_every_client_one_block_gives_no_larger_one(client: Any, name: str) -> None:
    given = bomb(name)
    with Served([given], encoding=name) as server, client(server) as response:
        sizes = [len(block) for block in blocks(response)]
    assert BOMB == sum(sizes)
    assert max(sizes) <= MOST


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
@named([case for case in HTTP if "aiohttp" not in case[0].__name__])
def test_through_every_async_client_one_block_gives_no_larger_one(client: Opener, backend: str, name: str) -> None:
    if name == "zstd" and client in WITHOUT_HEAD:
        pytest.skip("nothing says how it is packed")
    given = bomb(name)

    async def main() -> None:
        with Served([given], encoding=name) as server:
            async with client(server) as response:
                sizes = [len(block) async for block in async_blocks(response)]
        assert BOMB == sum(sizes)
        assert max(sizes) <= MOST

    run(main, backend)


@pytest.mark.parametrize("client", [by_httpx, by_requests, by_urllib3, by_http_client], ids=name_of)
def test_an_event_that_unpacks_to_more_than_a_limit_ends_the_stream(client: Any) -> None:
    given = gzip.compress(b"data: ") + bomb("gzip")
    with (
        Served([given], encoding="gzip") as server,
        client(server) as response,
        pytest.raises(LimitError) as caught,
    ):
        reassemble(response)
    assert "max_event_bytes" == caught.value.limit


# --- which of them


@pytest.mark.parametrize("encoding", [None, "", "identity", "utf-8", "none", "identity, chunked"])
def test_a_word_that_names_no_encoding_is_ignored(encoding: str | None) -> None:
    given = iter(EVENTS)
    assert given is each_unpacked(given, encoding)


@pytest.mark.parametrize("encoding", ["compress", "x-compress", "dcb", "gzip, dcz"])
def test_an_unsupported_encoding_is_misuse_and_is_named(encoding: str) -> None:
    with pytest.raises(MisuseError, match=r"still compressed .* identity"):
        each_unpacked(iter(()), encoding)


@pytest.mark.parametrize("encoding, install", [("br", "brotli"), ("zstd", "zstandard")])
def test_an_encoding_without_its_library_says_what_to_install(
    encoding: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, _ in _unpack._LIBRARIES[encoding]:
        monkeypatch.setitem(sys.modules, name, None)
    with (
        Served([b"x"], encoding=encoding) as server,
        by_http_client(server) as response,
        pytest.raises(MisuseError, match=rf"compressed \({encoding}\).*: install {install}, or .*identity"),
    ):
        blocks(response)


def test_too_many_encodings_are_refused() -> None:
    with pytest.raises(MisuseError, match="6 content encodings"):
        each_unpacked(iter(()), ", ".join(["gzip"] * 6))


def test_what_a_session_of_aiohttp_was_asked_not_to_unpack_is_named() -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def main() -> None:
        with Served([gzip.compress(BODY)], encoding="gzip") as server:
            async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(server.url) as response:
                stream = AsyncChatStream(response)
                outcome = await stream.until_done()
        assert isinstance(outcome.error, FormatError)
        assert "still compressed (gzip)" in str(outcome.error)

    anyio.run(main)


def test_every_library_named_here_is_looked_for_by_its_name() -> None:
    names = [name for found in _unpack._LIBRARIES.values() for name, _ in found]
    assert names
    for name in names:
        with contextlib.suppress(ImportError):
            assert importlib.import_module(name)
