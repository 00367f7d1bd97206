"""What is not a source: mistakes that look like one, and what to pass instead of anything else."""

from __future__ import annotations

import asyncio
import io
import pathlib
import socket
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from streamkit import AsyncChatStream, ChatStream, MisuseError, async_record, async_tee, record, tee
from streamkit.sources import async_blocks, blocks
from streamkit.sources._hints import refusal
from streamkit.testing import FakeSource


def iter_of(items: list[bytes]) -> Iterator[bytes]:
    yield from items


async def async_iter_of(items: list[bytes]) -> AsyncIterator[bytes]:
    for item in items:
        yield item


@pytest.mark.parametrize(
    "source, asynchronous, hint",
    [
        (pathlib.Path("stream.sse"), True, "read_bytes"),
        (SimpleNamespace(iter_content=print), False, r"\.iter_content\(\) without a size"),
        (SimpleNamespace(aiter_bytes=print), True, r"\.aiter_bytes\(\) without a size"),
        (SimpleNamespace(stdout=None, returncode=0), True, "pass its stdout"),
        (SimpleNamespace(read=print), True, "block the event loop.*wrap_file"),
        (SimpleNamespace(read=print), False, "AsyncChatStream"),
    ],
    ids=["path", "client", "async-client", "process", "file", "async-file"],
)
def test_a_refusal_says_what_to_pass_instead(source: Any, asynchronous: bool, hint: str) -> None:
    with pytest.raises(Exception, match=hint):
        raise refusal(source, asynchronous=asynchronous)


class Lines:
    """As `iter_lines` of requests and `aiter_lines` of httpx: lines, without line ends."""

    def iter_lines(self) -> Iterator[bytes]:
        yield b": comment"
        yield b""

    async def aiter_lines(self) -> AsyncIterator[bytes]:
        yield b"data: {}"
        yield b""


def test_lines_without_their_ends_are_refused_before_anything_is_read() -> None:
    lines = Lines().iter_lines()
    for take in (blocks, ChatStream):
        with pytest.raises(MisuseError, match=r"iter_lines\(\) .* without line ends.* pass the response itself"):
            take(lines)
    assert b": comment" == next(lines)
    for take in (async_blocks, AsyncChatStream):
        with pytest.raises(MisuseError, match=r"aiter_lines\(\) .* without line ends"):
            take(Lines().aiter_lines())


def test_lines_of_real_clients_are_refused() -> None:
    requests, httpx = pytest.importorskip("requests"), pytest.importorskip("httpx")
    response = requests.Response()
    response.raw, answer = io.BytesIO(b"data: {}\n\n"), httpx.Response(200, content=b"data: {}\n\n")
    for source in (response.iter_lines(), answer.iter_lines()):
        with pytest.raises(MisuseError, match="without line ends"):
            blocks(source)
    with pytest.raises(MisuseError, match="without line ends"):
        async_blocks(answer.aiter_lines())
    assert [b"data: {}\n\n"] == list(blocks(answer))


@pytest.mark.parametrize("kind", [SimpleNamespace, FakeSource, list, OSError])
def test_a_class_is_refused_as_a_class(kind: Any) -> None:
    for take in (blocks, async_blocks, ChatStream, AsyncChatStream):
        with pytest.raises(MisuseError, match=rf"the class {kind.__name__} .*instance"):
            take(kind)


def test_a_class_of_a_real_client_is_refused_as_a_class() -> None:
    httpx, requests = pytest.importorskip("httpx"), pytest.importorskip("requests")
    for kind in (httpx.Response, requests.Response):
        with pytest.raises(MisuseError, match="the class Response"):
            ChatStream(kind)


def test_a_socket_is_refused_as_it_gives_more_than_the_body() -> None:
    with socket.socket() as source:
        assert "makefile" in str(refusal(source, asynchronous=False))


HELLO = [b"data: {}\n\n", b"data: [DONE]\n\n"]


@pytest.mark.parametrize("make", [blocks, tee, lambda source: record(source, io.BytesIO()), iter_of])
@pytest.mark.parametrize("take", [blocks, ChatStream])
def test_what_was_read_already_is_refused_and_not_taken_for_a_sender_that_sent_nothing(make: Any, take: Any) -> None:
    source = make(HELLO)
    assert HELLO == [*source]
    with pytest.raises(MisuseError, match=r"^this \w+ was already read, or closed: pass a new one, or the blocks"):
        take(source)


@pytest.mark.parametrize(
    "make", [async_blocks, async_tee, lambda source: async_record(source, io.BytesIO()), async_iter_of]
)
def test_an_async_source_that_was_read_already_is_refused(make: Any) -> None:
    async def read() -> Any:
        source = make(HELLO)
        assert HELLO == [block async for block in source]
        return source

    source = asyncio.run(read())
    for take in (async_blocks, AsyncChatStream):
        with pytest.raises(MisuseError, match=r"^this \w+ was already read, or closed"):
            take(source)


def test_what_was_read_in_part_is_read_on() -> None:
    source = blocks(HELLO)
    assert HELLO[0] == next(source)  # type: ignore[call-overload]
    assert HELLO[1:] == [*blocks(source)]
