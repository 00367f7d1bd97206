"""Streams of real clients over real sockets: readers that are slower than the sender, and connections that break.

A slow reader loses nothing, nothing is read ahead for him, and the sender sees him leave. The server sends far more
than all buffers on the way can hold.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from helpers import loopback_async as asynchronous
from helpers import loopback_sync as sync
from helpers.loopback import PATIENCE
from helpers.loopback_flow import Flood, Served
from helpers.wire import DONE, delta, sse
from streamkit import AsyncChatStream, ChatStream, SourceError, StreamError, TruncatedError, reassemble

PIECE = "x" * 8000
EVENT = sse(delta(f'{{"content":"{PIECE}"}}'))
BODY = [*[EVENT] * 150, sse(delta(finish="stop")), DONE]
ENDLESS = 30_000  # events, 240 MB: more than a server gets rid of by itself, less than would harm the machine
MEMORY = 4 << 20  # bytes that a stream may hold back, those of its client and the text that was read with it

CLIENTS = [sync.by_httpx, sync.by_httpx2, sync.by_requests, sync.by_niquests, sync.by_urllib3]
CLIENTS += [sync.by_urllib_request, sync.by_http_client, sync.by_openai]
ASYNC = [
    case for case in asynchronous.HTTP if case[0] not in (asynchronous.by_openai_raw, asynchronous.by_openai_streaming)
]
# What they give has no close, or one that leaves the connection to its owner.
OWNED = (sync.by_http_client, asynchronous.by_asyncio, asynchronous.by_aiohttp_content)
# On trio httpx and httpx2 leave generators of their own behind wherever a body is not read to its last byte; a stream
# is over with `[DONE]`.
leaves_generators = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

each_client = pytest.mark.parametrize("client", CLIENTS, ids=sync.name_of)
each_async_client = asynchronous.named(
    [case for case in (*ASYNC, *asynchronous.STREAMS) if case[0] not in asynchronous.READS_AHEAD]
)


def framing_of(client: Any) -> str:
    return "close" if client in (asynchronous.by_asyncio, asynchronous.by_anyio, asynchronous.by_trio) else "chunked"


# --- a reader that takes its time


@each_client
def test_a_reader_that_takes_long_over_each_piece_loses_nothing(client: Any) -> None:
    with Flood(BODY) as server, client(server) as response:
        pieces = []
        with ChatStream(response) as stream:
            for piece in stream.text():
                pieces.append(piece)
                assert server.blocked.wait(PATIENCE)  # until the sender can send no more, or has sent all
        assert [PIECE] * 150 == pieces
        assert reassemble(b"".join(BODY)) == stream.response
        assert server.stops  # the reader was waited for


@leaves_generators
@each_async_client
def test_a_reader_that_takes_long_over_each_piece_loses_nothing_async(client: Any, backend: str) -> None:
    async def main() -> None:
        with Flood(BODY, framing_of(client)) as server:
            async with client(server) as response:
                pieces = []
                async with AsyncChatStream(response) as stream:
                    async for piece in stream.text():
                        pieces.append(piece)
                        assert await anyio.to_thread.run_sync(server.blocked.wait, PATIENCE)
            assert [PIECE] * 150 == pieces
            assert reassemble(b"".join(BODY)) == stream.response
            assert server.stops  # the reader was waited for

    asynchronous.run(main, backend)


# --- a reader that stops


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """What is taken meanwhile, at its highest."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def endless() -> Any:
    return itertools.repeat(EVENT, ENDLESS)


def check_left(stream: Any, server: Flood) -> None:
    assert ("cancelled", None) == (stream.outcome.name, stream.source_error)
    assert PIECE * 3 == stream.snapshot().choices[0].message.content[: len(PIECE) * 3]
    assert not server.finished


@each_client
def test_a_reader_that_stops_also_stops_the_sender_and_leaving_closes_the_connection(client: Any) -> None:
    with Flood(endless()) as server:
        with client(server) as response:
            with ChatStream(response) as stream:
                assert [PIECE] * 3 == list(itertools.islice(stream.text(), 3))
                with traced() as taken:
                    assert server.still.wait(PATIENCE)
                    held = taken()
                assert (False, False) == (server.finished, server.left.is_set())
            if client not in OWNED:
                assert server.left.wait(PATIENCE)
        assert server.left.wait(PATIENCE)
        check_left(stream, server)
        assert held < MEMORY


@leaves_generators
@each_async_client
def test_a_reader_that_stops_also_stops_the_sender_and_leaving_closes_the_connection_async(
    client: Any, backend: str
) -> None:
    async def main() -> None:
        with Flood(endless(), framing_of(client)) as server:
            async with client(server) as response:
                async with AsyncChatStream(response) as stream:
                    text = stream.text()
                    assert [PIECE] * 3 == [await anext(text) for _ in range(3)]
                    with traced() as taken:
                        # The event loop runs on: what would read ahead has all the time for it.
                        assert await anyio.to_thread.run_sync(server.still.wait, PATIENCE)
                        held = taken()
                    assert (False, False) == (server.finished, server.left.is_set())
                if client not in OWNED:
                    assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)
            assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)
            check_left(stream, server)
            assert held < MEMORY

    asynchronous.run(main, backend)


# --- a connection that breaks


class Breaking:
    """Yields some blocks, and fails on request."""

    def __init__(self, *given: bytes) -> None:
        self.given = given
        self.now = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield from self.given
        assert self.now.wait(PATIENCE)
        raise OSError("breaks")


FIRST = sse(delta('{"content":"Hel"}'))
BREAKS = pytest.mark.parametrize(
    "given, ending, kind",
    [
        ([], ("failed", "source_error"), SourceError),
        ([b": ping\n\n"], ("failed", "source_error"), SourceError),
        ([FIRST], ("truncated", "no_finish"), TruncatedError),
    ],
    ids=["before-the-first-byte", "before-the-first-chunk", "in-mid-stream"],
)


def check_broken(stream: Any, client: Any, owners: Any, ending: tuple[str, str], kind: type[Exception]) -> None:
    outcome, cause = stream.outcome, stream.source_error
    assert ending == (outcome.name, outcome.reason)
    assert type(outcome.error) is kind
    assert cause is outcome.error.__cause__
    assert type(cause).__module__.split(".")[0] in owners.get(client, {type(cause).__module__.split(".")[0]})
    assert not isinstance(cause, StreamError)
    assert (ending[0] == "truncated") == (stream.snapshot() is not None)


@BREAKS
@each_client
def test_a_connection_that_breaks_is_reported_with_the_exception_of_the_client(
    client: Any, given: list[bytes], ending: tuple[str, str], kind: type[Exception]
) -> None:
    breaking = Breaking(*given)
    with Served(breaking) as server, client(server) as response, ChatStream(response) as stream:
        if given:
            next(stream)
        breaking.now.set()
        stream.until_done()
    check_broken(stream, client, sync.OWNERS, ending, kind)


@leaves_generators
@BREAKS
@each_async_client
def test_a_connection_that_breaks_is_reported_with_the_exception_of_the_client_async(
    client: Any, backend: str, given: list[bytes], ending: tuple[str, str], kind: type[Exception]
) -> None:
    async def main() -> None:
        breaking = Breaking(*given)
        with Served(breaking, framing_of(client)) as server:
            async with client(server) as response, AsyncChatStream(response) as stream:
                if given:
                    await anext(stream)
                breaking.now.set()
                await stream.until_done()
        check_broken(stream, client, asynchronous.OWNERS, ending, kind)

    asynchronous.run(main, backend)
