"""The connection after `[DONE]`: reused if the body ends, and given up if it does not.

A grace that is long never passes here (the body ends, and the server is not slower than that), one that is short always
does (it never ends): no test waits for one to be over that could come out either way.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from helpers import loopback_reuse as clients
from helpers.loopback import PATIENCE, TEXT
from helpers.loopback_async import run
from helpers.loopback_reuse import LINGERING, Kept
from helpers.stepping import cancelled_at
from helpers.wire import DONE, delta, sse
from streamkit import (
    AsyncBroadcast,
    AsyncChatStream,
    Broadcast,
    ChatStream,
    Deadlines,
    Limits,
    MisuseError,
    async_to_events,
    events,
    reassemble,
    to_events,
)
from streamkit.sources import AsyncBlocks, Blocks
from streamkit.sources._drain import LIMIT
from streamkit.testing import AsyncFakeSource, FakeClock, FakeSource

LONG, SHORT = PATIENCE, 0.02
each_client = pytest.mark.parametrize("client", clients.SYNC, ids=lambda client: client.__name__)
each_async_client = pytest.mark.parametrize(
    "client, backend",
    clients.ASYNC,
    ids=[f"{client.__name__.removeprefix('async_')}-{backend}" for client, backend in clients.ASYNC],
)
# On trio httpx and httpx2 leave generators open if a body is not read to its last byte.
leaves_generators = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


# --- ways to the end


def by_events(stream: Any) -> None:
    assert isinstance(list(stream)[-1], events.End)


def by_text(stream: Any) -> None:
    assert TEXT == "".join(stream.text())


def by_chunks(stream: Any) -> None:
    assert 4 == len(list(stream.chunks()))


def by_until_done(stream: Any) -> None:
    assert stream.until_done().ok


def by_response(stream: Any) -> None:
    assert TEXT == stream.response.choices[0].message.content


def by_the_end_event(stream: Any) -> None:
    for event in stream:
        if isinstance(event, events.End):
            break


@pytest.mark.parametrize(
    "way", [by_events, by_text, by_chunks, by_until_done, by_response, by_the_end_event], ids=lambda way: way.__name__
)
def test_whichever_way_a_stream_is_read_to_its_end_its_connection_is_used_again(way: Any) -> None:
    with Kept("behind") as server, clients.httpx(server) as ask:
        for _ in range(3):
            with ask() as response, ChatStream(response, grace=LONG) as stream:
                way(stream)
            assert ("complete", None) == (stream.outcome.name, stream.source_error)
        assert 1 == server.connections


# --- each client


@pytest.mark.parametrize("ending", ["together", "behind"])
@each_client
def test_streams_that_were_read_to_their_end_share_a_connection(client: Any, ending: str) -> None:
    with Kept(ending) as server, client(server) as ask:
        for _ in range(3):
            with ask() as response, ChatStream(response, grace=LONG) as stream:
                assert TEXT == "".join(stream.text())
            assert ("complete", "done", None) == (stream.outcome.name, stream.outcome.reason, stream.source_error)
        assert 1 == server.connections


@pytest.mark.parametrize("ending", ["together", "behind"])
@each_async_client
def test_async_streams_that_were_read_to_their_end_share_a_connection(client: Any, backend: str, ending: str) -> None:
    async def main() -> None:
        with Kept(ending) as server:
            async with client(server) as ask:
                for _ in range(3):
                    async with ask() as response, AsyncChatStream(response, grace=LONG) as stream:
                        assert TEXT == "".join([piece async for piece in stream.text()])
                    assert ("complete", "done") == (stream.outcome.name, stream.outcome.reason)
                    assert None is stream.source_error
                assert 1 == server.connections

    run(main, backend)


@pytest.mark.parametrize("ending", LINGERING)
@each_client
def test_a_body_that_continues_after_the_end_is_left(client: Any, ending: str) -> None:
    with Kept(ending) as server, client(server) as ask:
        for _ in range(2):
            server.left.clear()
            with ask() as response:
                with ChatStream(response, grace=SHORT) as stream:
                    assert TEXT == "".join(stream.text())
                assert server.left.wait(PATIENCE)
            assert ("complete", "done", None) == (stream.outcome.name, stream.outcome.reason, stream.source_error)
            assert () == stream.anomalies
        assert 2 == server.connections


@leaves_generators
@pytest.mark.parametrize("ending", LINGERING)
@each_async_client
def test_a_body_that_continues_after_the_end_is_left_async(client: Any, backend: str, ending: str) -> None:
    async def main() -> None:
        with Kept(ending) as server:
            async with client(server) as ask:
                for _ in range(2):
                    server.left.clear()
                    async with ask() as response:
                        async with AsyncChatStream(response, grace=SHORT) as stream:
                            assert TEXT == "".join([piece async for piece in stream.text()])
                        assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)
                    assert ("complete", "done") == (stream.outcome.name, stream.outcome.reason)
                    assert (None, ()) == (stream.source_error, stream.anomalies)
                assert 2 == server.connections

    run(main, backend)


@each_client
def test_a_flood_after_the_end_is_left_by_its_size(client: Any) -> None:
    with Kept("flood") as server, client(server) as ask, ask() as response:
        with ChatStream(response, grace=LONG) as stream:
            assert stream.until_done().ok
        assert server.left.wait(PATIENCE)


@leaves_generators
@each_async_client
def test_a_flood_after_the_end_is_left_by_its_size_async(client: Any, backend: str) -> None:
    async def main() -> None:
        with Kept("flood") as server:
            async with client(server) as ask, ask() as response:
                async with AsyncChatStream(response, grace=LONG) as stream:
                    assert (await stream.until_done()).ok
                assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)

    run(main, backend)


@pytest.mark.parametrize("ending", ["together", "behind"])
@each_client
def test_a_body_that_is_packed_ends_after_its_own_end(client: Any, ending: str) -> None:
    with Kept(ending, "gzip") as server, client(server) as ask:
        for _ in range(2):
            with ask() as response, ChatStream(response, grace=LONG) as stream:
                assert stream.until_done().ok
        assert 1 == server.connections


@each_async_client
def test_a_body_that_is_packed_ends_after_its_own_end_async(client: Any, backend: str) -> None:
    async def main() -> None:
        with Kept("behind", "gzip") as server:
            async with client(server) as ask:
                for _ in range(2):
                    async with ask() as response, AsyncChatStream(response, grace=LONG) as stream:
                        assert (await stream.until_done()).ok
            assert 1 == server.connections

    run(main, backend)


@each_client
def test_what_was_asked_for_the_rest_is_not_asked_of_the_next_response(client: Any) -> None:
    with Kept("behind") as server, client(server) as ask:
        with ask() as response, ChatStream(response, grace=20) as stream:
            stream.until_done()
        with ask() as response:
            http = getattr(response, "response", response)  # openai's
            if hasattr(http, "extensions") and "network_stream" in http.extensions:
                assert "read" not in vars(http.extensions["network_stream"])
            else:
                timeout = getattr(response, "raw", response).connection.sock.gettimeout()
                assert timeout is None or timeout > 20  # the 30 of niquests
        assert 1 == server.connections


# --- no caller waits


@each_client
def test_everything_is_given_before_the_rest_is_waited_for(client: Any) -> None:
    with Kept("told") as server, client(server) as ask:
        for _ in range(2):
            server.go.clear()
            with ask() as response, ChatStream(response, grace=LONG) as stream:
                for event in stream:
                    if isinstance(event, events.End):
                        assert (TEXT, "complete") == (stream.response.choices[0].message.content, stream.outcome.name)
                        server.go.set()
        assert 1 == server.connections


@each_async_client
def test_everything_is_given_before_the_rest_is_waited_for_async(client: Any, backend: str) -> None:
    async def main() -> None:
        with Kept("told") as server:
            async with client(server) as ask:
                for _ in range(2):
                    server.go.clear()
                    async with ask() as response, AsyncChatStream(response, grace=LONG) as stream:
                        async for event in stream:
                            if isinstance(event, events.End):
                                assert (TEXT, "complete") == (
                                    stream.response.choices[0].message.content,
                                    stream.outcome.name,
                                )
                                server.go.set()
                assert 1 == server.connections

    run(main, backend)


class Asked:
    """Blocks of a response that can be read on, which count how often they are asked; async too."""

    def __init__(self, *given: Any) -> None:
        self.given = iter(given)
        self.asked = self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.asked += 1
        found = next(self.given)
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        self.closed += 1

    def blocks(self) -> Blocks:
        return Blocks(self, close=self.close, reads_within=lambda seconds: contextlib.nullcontext(True))

    def async_blocks(self) -> AsyncBlocks:
        async def each() -> AsyncIterator[Any]:
            for block in self:
                await anyio.lowlevel.checkpoint()
                yield block

        return AsyncBlocks(each(), close=self.close, drainable=True)


A, END = sse(delta('{"content":"a"}')), sse(delta(finish="stop")) + DONE


def read_both(*given: Any, **options: Any) -> tuple[Any, ...]:
    """How often each sibling asked its source and closed it, and how the stream ended."""
    one, other = Asked(*given), Asked(*given)
    options = {"grace": LONG, **options}  # a loaded machine may take longer than the default over one read
    stream = ChatStream(one.blocks(), **options)

    async def main() -> Any:
        stream = AsyncChatStream(other.async_blocks(), **options)
        await stream.until_done()
        return stream

    stream.until_done()
    other_stream = anyio.run(main)
    assert stream.outcome == other_stream.outcome
    assert None is stream.source_error or stream.outcome.name != "complete"
    assert stream.anomalies == other_stream.anomalies
    assert () == stream.anomalies or not stream.outcome.ok
    assert (one.asked, one.closed) == (other.asked, other.closed)
    return one.asked, one.closed, stream.outcome.name, stream.outcome.reason


@pytest.mark.parametrize(
    "behind, asked",
    [
        ([], 3),
        ([b": ping\n\n", A], 5),
        ([sse('{"error":{"message":"late"}}')], 4),
        ([ConnectionResetError("gone"), A], 3),
        ([b"x" * LIMIT, A], 3),
    ],
    ids=["nothing", "events", "an-error", "an-exception", "much"],
)
def test_what_arrives_after_the_end_changes_nothing(behind: list[Any], asked: int) -> None:
    assert (asked, 1, "complete", "done") == read_both(A, END, *behind)


def test_only_after_an_end_that_the_sender_sent_is_more_read() -> None:
    error = sse('{"error":{"message":"boom"}}')
    assert (2, 1, "failed", "empty") == read_both(DONE)
    assert (3, 1, "failed", "remote_error") == read_both(A, error + DONE)
    assert (2, 1, "failed", "limit") == read_both(A, A, A, limits=Limits(max_response_bytes=len(A) + 10))
    assert (2, 1, "truncated", "no_finish") == read_both(A, ConnectionResetError("gone"))
    assert (3, 1, "truncated", "no_finish") == read_both(A, A), "the source has ended by itself"


def test_without_grace_the_source_is_closed_at_once() -> None:
    assert (2, 1, "complete", "done") == read_both(A, END, A, grace=0)


@pytest.mark.parametrize("grace", [-1, float("inf"), float("nan"), "1", None, True])
def test_a_grace_is_seconds_finite_and_not_negative(grace: Any) -> None:
    for kind, source in ((ChatStream, FakeSource([])), (AsyncChatStream, [])):
        with pytest.raises(MisuseError, match="grace= takes seconds"):
            kind(source, grace=grace)  # type: ignore[operator]


def test_a_deadline_passes_after_the_end_too() -> None:
    given: list[float] = []

    @contextlib.contextmanager
    def reads_within(seconds: float) -> Iterator[bool]:
        given.append(seconds)
        yield True

    clock = FakeClock(100.0)
    source = FakeSource([A, 3000, END, b": ping\n\n"], clock=clock)
    blocks = Blocks(iter(source), reads_within=reads_within)
    stream = ChatStream(blocks, deadlines=Deadlines(total=4000), clock=clock, grace=50_000)
    assert stream.until_done().ok
    assert 900 < given[0] <= 1000, "of the 4000 seconds 1000 are left, and this took no hundred"


def test_leaving_before_the_end_drains_nothing() -> None:
    asked = Asked(A + END, A)
    with ChatStream(asked.blocks(), grace=LONG) as stream:
        next(stream.text())
    assert (1, 1) == (asked.asked, asked.closed)


def test_leaving_by_an_exception_does_not_wait() -> None:
    one, other = Asked(A, END, A), Asked(A, END, A)

    def leave(stream: ChatStream) -> None:
        with stream:
            for event in stream:
                if isinstance(event, events.End):
                    raise KeyError("mine")

    async def leave_async() -> None:
        async with AsyncChatStream(other.async_blocks()) as stream:
            async for event in stream:
                if isinstance(event, events.End):
                    raise KeyError("mine")

    with pytest.raises(KeyError):
        leave(ChatStream(one.blocks()))
    with pytest.raises(KeyError):
        anyio.run(leave_async)
    assert [(2, 1), (2, 1)] == [(asked.asked, asked.closed) for asked in (one, other)]


def test_what_interrupts_reading_on_passes_and_closes_the_source() -> None:
    asked = Asked(A, END, KeyboardInterrupt())
    stream = ChatStream(asked.blocks(), grace=LONG)
    with pytest.raises(KeyboardInterrupt):
        stream.until_done()
    assert ("complete", 1) == (stream.outcome.name, asked.closed)


def test_a_source_that_is_not_a_response_is_closed_at_its_end_and_read_no_further() -> None:
    source = FakeSource([A, END, A])
    stream = ChatStream(source)
    for event in stream:
        if isinstance(event, events.End):
            assert (2, 1) == (source.reads, source.closed)
    assert (2, 1) == (source.reads, source.closed)


@pytest.mark.parametrize("mode", ["trio", "asyncio", "asyncio-native"])
def test_cancelled_while_it_reads_on_the_source_is_closed_and_the_response_is_complete(mode: str) -> None:
    async def main() -> None:
        for place in itertools.count():
            asked, streams = Asked(A, END, b"", b": ping\n\n", b""), []

            async def consume() -> None:
                async with AsyncChatStream(asked.async_blocks(), grace=LONG) as stream:  # noqa: B023
                    streams.append(stream)  # noqa: B023
                    async for _ in stream:
                        pass

            met = await cancelled_at(place, consume, native=mode == "asyncio-native")
            (stream,) = streams
            assert 1 == asked.closed
            assert (asked.asked > 2) <= (stream.outcome.name == "complete")
            if not met.reached:
                assert (6, 5) == (asked.asked, place)
                break
            assert met.raised

    run(main, mode.removesuffix("-native"))


# --- those that read for others


@pytest.mark.parametrize("ending", ["behind", "silent"])
@each_client
def test_reassembling_a_response_does_not_wait_for_a_body_that_stays_open(client: Any, ending: str) -> None:
    with Kept(ending) as server, client(server) as ask, ask() as response:
        assert TEXT == reassemble(response).choices[0].message.content


def test_a_broadcast_and_what_writes_a_stream_clean_read_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Blocks, AsyncBlocks):  # they take no grace=, and a loaded machine may be slower than theirs
        monkeypatch.setattr(kind, "drain", lambda self, seconds, drain=kind.drain: drain(self, LONG))
    for read in (lambda source: Broadcast(source).run(), lambda source: list(to_events(source))):
        asked = Asked(A, END, b"")
        read(asked.blocks())
        assert (4, 1) == (asked.asked, asked.closed)

    async def main() -> None:
        asked = Asked(A, END, b"")
        await AsyncBroadcast(asked.async_blocks()).run()
        assert (4, 1) == (asked.asked, asked.closed)
        asked = Asked(A, END, b"")
        assert [piece async for piece in async_to_events(asked.async_blocks())]
        assert (4, 1) == (asked.asked, asked.closed)

    anyio.run(main)


def test_subscribers_have_the_end_before_the_rest_is_waited_for() -> None:
    heard: list[Any] = []

    def given() -> Iterator[bytes]:
        yield A + END
        heard.extend(subscriber)

    broadcast = Broadcast(Blocks(given(), reads_within=lambda seconds: contextlib.nullcontext(True)))
    subscriber = broadcast.subscribe()
    broadcast.run()
    assert isinstance(heard[-1], events.End)


def test_async_sources_that_are_not_a_response_are_not_read_on() -> None:
    async def main() -> None:
        source = AsyncFakeSource([A, END, A])
        assert (await AsyncChatStream(source).until_done()).ok
        assert (2, 1) == (source.reads, source.closed)

    anyio.run(main)
