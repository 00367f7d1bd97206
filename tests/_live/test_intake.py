"""A source that breaks off: how each reader of a live source ends the stream, by what had arrived until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from helpers.wire import DONE, delta, each_byte, sse
from streamkit import (
    Accumulator,
    AsyncBroadcast,
    AsyncChatStream,
    Broadcast,
    ChatStream,
    MisuseError,
    RemoteError,
    SourceError,
    StreamError,
    TruncatedError,
    reassemble,
)
from streamkit._clean.to_events import to_chunks, to_events
from streamkit._clean.to_events_async import async_to_chunks, async_to_events
from streamkit._live.tee import async_tee, tee
from streamkit.testing import AsyncFakeSource, FakeSource

RESET = "reset by peer"
A = sse(delta('{"content":"Hel"}'))

HEADS = [
    b"",
    b"d",
    b"data",
    b"data:",
    b"data: ",
    b"data: {",
    b"id: 1\n",
    b"event: m\n",
    b"retry: 3\n",
    b"retry: 3\n\n",
    b": ping\n\n",
    b": pi",
    b'data: {"type":"ping"}\n\n',
    b'data: {"type":"ping"}\n\ndata: {"id":"c","cho',
    b'{"er',
    b'{"error":{"mess',
    b"[",
    b"<!DOC",
    b"<html><title>502 Bad Gateway</title></html>",
    b"up",
    b"upstream timed out",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08",
    b"  \n",
    A[:30],
    b"error: {",
]


class Seen:
    """What a reader says of a source that broke: the reason, and the error, where it shows them."""

    def __init__(self, reason: str | None, error: Any) -> None:
        self.reason = reason
        self.error = error


def of(reader: Any) -> Seen:
    return Seen(reader.outcome.reason, reader.outcome.error)


def by_chat_stream(source: Any) -> Seen:
    with ChatStream(source) as stream:
        stream.until_done()
    return of(stream)


def by_tee(source: Any) -> Seen:
    watched = tee(source)
    with pytest.raises(ConnectionResetError):
        list(watched)
    assert watched.error is None
    return of(watched)


def by_broadcast(source: Any) -> Seen:
    broadcast = Broadcast(source)
    with pytest.raises(ConnectionResetError):
        broadcast.run()
    return of(broadcast)


def by_reassemble(source: Any) -> Seen:
    with pytest.raises(StreamError) as caught:
        reassemble(source)
    return Seen(None, caught.value)


async def by_async_chat_stream(source: Any) -> Seen:
    async with AsyncChatStream(source) as stream:
        await stream.until_done()
    return of(stream)


async def by_async_tee(source: Any) -> Seen:
    watched = async_tee(source)
    with pytest.raises(ConnectionResetError):
        [block async for block in watched]
    assert watched.error is None
    return of(watched)


async def by_async_broadcast(source: Any) -> Seen:
    broadcast = AsyncBroadcast(source)
    with pytest.raises(ConnectionResetError):
        await broadcast.run()
    return of(broadcast)


def sync(way: Callable[[Any], Seen]) -> Callable[..., Seen]:
    return lambda script, status=None: way(FakeSource([*script, ConnectionResetError(RESET)], status=status))


def asynchronous(way: Any) -> Callable[..., Seen]:
    def read(script: Any, status: int | None = None) -> Seen:
        seen: Seen = anyio.run(way, AsyncFakeSource([*script, ConnectionResetError(RESET)], status=status))
        return seen

    return read


READERS = {
    "ChatStream": sync(by_chat_stream),
    "tee": sync(by_tee),
    "Broadcast": sync(by_broadcast),
    "reassemble": sync(by_reassemble),
    "AsyncChatStream": asynchronous(by_async_chat_stream),
    "async_tee": asynchronous(by_async_tee),
    "AsyncBroadcast": asynchronous(by_async_broadcast),
}
each_reader = pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
each_head = pytest.mark.parametrize("head", HEADS, ids=repr)


@each_reader
@each_head
def test_a_source_that_breaks_before_any_chunk_is_a_source_error_whatever_had_arrived(head: bytes, read: Any) -> None:
    for script in ([head], each_byte(head)):
        for status in (None, 200, 302):
            seen = read(script, status)
            assert type(seen.error) is SourceError
            assert seen.reason in ("source_error", None)
            assert f"the source failed before any chunk had arrived: ConnectionResetError: {RESET}" in str(seen.error)
            arrived = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
            assert (arrived or None) == ((seen.error.excerpt and seen.error.excerpt.removeprefix("\ufeff")) or None)
            assert isinstance(seen.error.__cause__, ConnectionResetError)
            assert (None, False, None) == (seen.error.partial, seen.error.emitted, seen.error.status)


@each_reader
@each_head
def test_where_the_http_status_says_that_the_sender_refused_it_is_its_error(head: bytes, read: Any) -> None:
    for script in ([head], each_byte(head)):
        for status in (400, 503):
            seen = read(script, status)
            assert type(seen.error) is RemoteError
            assert status == seen.error.status
            assert [f"The response had the HTTP status {status}."] == seen.error.__notes__
            assert isinstance(seen.error.__cause__, ConnectionResetError)


@each_reader
def test_what_had_arrived_of_a_refusal_is_its_message(read: Any) -> None:
    assert "502 Bad Gateway" == read([b"<title>502 Bad Gateway</title>"], 502).error.message
    assert "upstream timed out" == read([b"upstream timed out"], 504).error.message
    cut = read([b'{"error":{"mess'], 500).error
    assert '{"error":{"mess' == cut.excerpt
    assert (
        f"the sender refused, and the source failed before the whole body had arrived: ConnectionResetError: {RESET}"
        == (cut.message)
    )


@each_reader
def test_an_error_of_the_senders_that_had_arrived_whole_is_the_senders(read: Any) -> None:
    for said in (
        b'{"error":{"message":"boom"}}',
        b'data: {"error":{"message":"boom"}}',
        b'error: {"message":"boom"}\n\n',
    ):
        for ending in (b"", b"\n\n"):
            seen = read([said + ending], 200)
            assert (RemoteError, "boom") == (type(seen.error), seen.error.message)
            assert isinstance(seen.error.__cause__, ConnectionResetError)


@each_reader
def test_a_chunk_that_had_arrived_makes_it_a_stream_that_broke_off(read: Any) -> None:
    for wire in (A, A[:-2], A + b"data: {", A + sse(delta('{"content":"lo"}'))[:-9]):
        for script in ([wire], each_byte(wire)):
            seen = read(script)
            assert type(seen.error) is TruncatedError
            assert "Hel" == seen.error.partial.choices[0].message.content


@pytest.mark.parametrize("head", [b"data: {", b'{"er', b"up", b"id: 1\n"], ids=repr)
def test_half_an_event_is_no_anomaly_of_a_sender_whose_connection_broke(head: bytes) -> None:
    stream = ChatStream(FakeSource([head, ConnectionResetError(RESET)]), strict=True)
    assert ("failed", "source_error") == (stream.until_done().name, stream.until_done().reason)
    watched = tee(FakeSource([head, ConnectionResetError(RESET)]), Accumulator(strict=True))
    with pytest.raises(ConnectionResetError):
        list(watched)
    assert (None, "source_error") == (watched.error, watched.outcome and watched.outcome.reason)


def test_a_senders_error_raised_under_strict_says_that_the_source_broke_after_it() -> None:
    script = [b'{"error":{"message":"boom"}}', ConnectionResetError(RESET)]
    watched = tee(FakeSource(script), Accumulator(strict=True))
    with pytest.raises(ConnectionResetError):
        list(watched)
    with pytest.raises(RemoteError, match="boom") as caught:
        reassemble(FakeSource(script), strict=True)
    for error in (watched.error, caught.value, ChatStream(FakeSource(script), strict=True).until_done().error):
        assert isinstance(error, RemoteError)
        assert isinstance(error.__cause__, ConnectionResetError)


@each_head
def test_a_clean_stream_says_that_the_source_broke_and_raises_what_it_raised(head: bytes) -> None:
    given: list[bytes] = []

    def read() -> None:
        for event in to_events(FakeSource([head, ConnectionResetError(RESET)])):
            given.append(event)

    async def read_async() -> None:
        async for event in async_to_events(AsyncFakeSource([head, ConnectionResetError(RESET)])):
            given.append(event)

    for reader in (read, lambda: anyio.run(read_async)):
        given.clear()
        with pytest.raises(ConnectionResetError):
            reader()
        assert b'"code":"source_error"' in given[-1]
        assert not [event for event in given[:-1] if event.startswith(b"data")]


def test_clean_chunks_of_a_source_that_broke_raise_what_it_raised() -> None:
    async def read() -> None:
        [chunk async for chunk in async_to_chunks(AsyncFakeSource([b"<!DOC", ConnectionResetError(RESET)]))]

    for reader in (
        lambda: list(to_chunks(FakeSource([b"<!DOC", ConnectionResetError(RESET)]))),
        lambda: anyio.run(read),
    ):
        with pytest.raises(ConnectionResetError):
            reader()


# --- by hand


def test_an_accumulator_that_is_fed_by_hand_can_be_told_that_the_source_broke() -> None:
    for head in HEADS[:-3]:
        accumulator = Accumulator()
        accumulator.absorb(head)
        error = SourceError("gone")
        assert error is accumulator.break_off(error).error
        assert error is accumulator.close().error
    accumulator = Accumulator()
    accumulator.absorb(A + DONE)
    assert "done_without_finish" == accumulator.break_off(SourceError("gone")).reason


def test_how_the_source_broke_is_a_source_error_or_the_senders() -> None:
    accumulator = Accumulator()
    for wrong in (ConnectionResetError(), None, TruncatedError("cut")):
        with pytest.raises(MisuseError, match=f"SourceError or a RemoteError, not {type(wrong).__name__}"):
            accumulator.break_off(wrong)  # type: ignore[arg-type]
    assert None is accumulator.outcome


@pytest.mark.parametrize("status, noted", [(None, None), (399, None), (400, 400)])
def test_the_status_of_a_refusal_stands_on_the_error_of_every_reader(status: int | None, noted: int | None) -> None:
    body = b'{"error":{"message":"boom"}}'
    errors: list[StreamError | None] = []
    with ChatStream(FakeSource([body], status=status)) as stream:
        errors.append(stream.until_done().error)
    watched = tee(FakeSource([body], status=status))
    list(watched)
    errors.append(watched.outcome and watched.outcome.error)
    errors.append(Broadcast(FakeSource([body], status=status)).run().error)
    with pytest.raises(RemoteError) as caught:
        reassemble(FakeSource([body], status=status))
    errors.append(caught.value)
    assert [noted] * 4 == [error.status for error in errors if error is not None]
