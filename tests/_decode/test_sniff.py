"""What kind of body this is, by its first byte, whatever the cut and whatever its header says."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest

from helpers.wire import each_byte
from streamkit import FormatError, reassemble
from streamkit._decode.sniff import Sniffer, read_body
from streamkit.errors import LimitError, RemoteError


def sniff(blocks: list[bytes], maximum: int = 100) -> tuple[bool, bool, bytes, bytes]:
    """(decided, body, handed on, held) after these blocks."""
    sniffer = Sniffer(maximum)
    handed_on = b""
    for block in blocks:
        if sniffer.decided and not sniffer.body:
            handed_on += block
        else:
            handed_on += sniffer.feed(block)
    return sniffer.decided, sniffer.body, handed_on, sniffer.held


@pytest.mark.parametrize(
    "stream",
    [
        b"data: {}\n\n",
        b":ping\n\n",
        b"\n\ndata: {}\n\n",
        b" \t\r\ndata: {}",
        b"\xef\xbb\xbfdata: {}",
        b"\xef\xbb\xbf\ndata",
        b"event: x",
        b"nonsense",
        b"\xef\xbbx",
        b"\xff",
        b"(a",
        b"x^2",
        b"x: y",
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_a_stream_is_handed_on_with_every_byte(stream: bytes, cut: bool) -> None:
    assert (True, False, stream, b"") == sniff(each_byte(stream) if cut else [stream])


@pytest.mark.parametrize(
    "body, held",
    [
        (b'{"error":1}', b'{"error":1}'),
        (b"<html>", b"<html>"),
        (b"[1]", b"[1]"),
        (b" \r\n{}", b" \r\n{}"),
        (b"\xef\xbb\xbf{}", b"{}"),
        (b"\xef\xbb\xbf \n<a>", b" \n<a>"),
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_a_body_is_held_for_the_end(body: bytes, held: bytes, cut: bool) -> None:
    assert (True, True, b"", held) == sniff(each_byte(body) if cut else [body])


@pytest.mark.parametrize("start", [b"", b"\n", b" \r\n\t", b"\xef", b"\xef\xbb", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_blank_space_and_a_mark_decide_nothing(start: bytes, cut: bool) -> None:
    decided, body, handed_on, _ = sniff(each_byte(start) if cut else [start])
    assert (False, False, b"") == (decided, body, handed_on)


@pytest.mark.parametrize(
    "start", [b"{" + b" " * 10, b" " * 11, b"\n" * 11 + b"data: {}"], ids=["body", "space", "space-then-stream"]
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_what_is_held_is_limited(start: bytes, cut: bool) -> None:
    with pytest.raises(LimitError) as caught:
        sniff(each_byte(start) if cut else [start], maximum=10)
    assert ("max_event_bytes", 10) == (caught.value.limit, caught.value.maximum)


@pytest.mark.parametrize(
    "start", [b"{" + b" " * 9, b" " * 10, b"\n" * 10 + b"data: {}" * 9], ids=["body", "space", "stream"]
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_up_to_the_limit_everything_is_held(start: bytes, cut: bool) -> None:
    _, _, handed_on, held = sniff(each_byte(start) if cut else [start], maximum=10)
    assert start == handed_on + held


def test_a_large_block_of_a_stream_is_not_subject_to_this_limit() -> None:
    stream = b"data: " + b"x" * 1000
    assert (True, False, stream, b"") == sniff([stream], maximum=10)


@pytest.mark.parametrize(
    "body, message",
    [
        (b'{"error":{"message":"boom"}}', "boom"),
        (b'{"error":"boom"}', "boom"),
        (b'[{"error":{"message":"boom"}}]', "boom"),
        (b'{"detail":"boom"}', "boom"),
        (b'{"message":"boom"}', "boom"),
    ],
)
def test_a_body_may_say_an_error(body: bytes, message: str) -> None:
    found = read_body(body)
    assert isinstance(found, RemoteError)
    assert message == found.message


def test_a_body_may_be_a_full_response_which_is_the_chunk_that_says_it_all() -> None:
    found: Any = read_body(
        b'{"id":"c1","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}],"odd":1}'
    )
    assert {
        "id": "c1",
        "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}],
        "odd": 1,
    } == found


@pytest.mark.parametrize(
    "body", [b"<html>", b"{", b"[]", b"[{},{}]", b"{}", b'{"choices":7}', b'"a"', b"7", b"[" * 10_000]
)
def test_other_bodies_are_of_no_known_kind(body: bytes) -> None:
    assert None is read_body(body)


COMPRESSED = {
    "gzip": gzip.compress(b"data: [DONE]\n\n"),
    "deflate": zlib.compress(b"data: [DONE]\n\n"),
    "deflate-fast": zlib.compress(b"data: [DONE]\n\n", 1),
    "deflate-best": zlib.compress(b"data: [DONE]\n\n", 9),
    "zstd": b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00:",
}


@pytest.mark.parametrize("name", COMPRESSED)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])
def test_a_compressed_body_is_named_as_what_it_is(name: str, cut: bool, strict: bool) -> None:
    body = COMPRESSED[name] + b"\n: no comment\n" * 9
    with pytest.raises(FormatError, match=rf"still compressed \({name.partition('-')[0]}\): decode it first"):
        reassemble(each_byte(body) if cut else body, strict=strict)


def test_a_file_that_is_compressed_is_named_as_that(tmp_path: Path) -> None:
    path = tmp_path / "stream.sse.gz"
    path.write_bytes(COMPRESSED["gzip"])
    with pytest.raises(FormatError, match=r"still compressed \(gzip\)"):
        reassemble(path)


def test_of_a_compressed_body_only_the_beginning_is_held() -> None:
    sniffer = Sniffer(100_000)
    for _ in range(300):
        assert b"" == sniffer.feed(COMPRESSED["gzip"] * 100)
    assert len(sniffer.held) < 10_000


@pytest.mark.parametrize("text", [b"x", b"(", b"(\xb5/", b"\x1f"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_the_first_bytes_of_a_compressed_body_and_no_more_are_handed_on_at_the_end(text: bytes, cut: bool) -> None:
    sniffer = Sniffer(100)
    for block in each_byte(text) if cut else [text]:
        assert b"" == sniffer.feed(block)
    assert (False, text) == (sniffer.decided, sniffer.give_up())


@pytest.mark.parametrize("start", [b"", b"\n", b"\xef", b"\xef\xbb", b"\xef\xbb\xbf\n"])
def test_blank_space_and_a_mark_are_nothing_to_hand_on(start: bytes) -> None:
    sniffer = Sniffer(100)
    sniffer.feed(start)
    assert b"" == sniffer.give_up()


def test_a_text_that_begins_as_a_compressed_body_is_the_senders_message() -> None:
    for text in (b"x", b"(", b"x is no model"):
        with pytest.raises(RemoteError) as caught:
            reassemble(text)
        assert text.decode() == caught.value.message


def test_bytes_of_no_kind_may_be_compressed_by_what_has_no_mark() -> None:
    with pytest.raises(FormatError, match=r"Content-Encoding \(for example br\), decode it"):
        reassemble(b"\x1b\x0e\x00\xf8\xaf\xa7\xc5")
