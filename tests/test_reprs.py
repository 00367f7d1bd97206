"""What an object that reads a stream shows of itself: its state and its counts, in one short line, changing nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import streamkit
from streamkit import Accumulator, Limits
from streamkit.sources import async_blocks, blocks
from streamkit.testing import AsyncFakeSource, FakeSource, chunk, event, response, stream_bytes

HELLO = event(chunk("Hello"))
WIRE = [HELLO, event(chunk(finish="stop")), b"data: [DONE]\n\n"]


def test_an_accumulator_shows_its_state_and_its_counts() -> None:
    accumulator = Accumulator()
    assert "<Accumulator running events=0 chunks=0>" == repr(accumulator)
    accumulator.feed(WIRE[0])
    assert "<Accumulator running events=1 chunks=1>" == repr(accumulator)
    for block in WIRE[1:]:
        accumulator.absorb(block)
    assert "<Accumulator complete (done) events=3 chunks=2>" == repr(accumulator)


@pytest.mark.parametrize(
    ("expected", "end"),
    [
        ("<Accumulator truncated (no_finish) events=1 chunks=1>", Accumulator.close),
        ("<Accumulator cancelled (cancelled) events=1 chunks=1>", Accumulator.cancel),
    ],
)
def test_an_accumulator_that_was_closed_shows_the_outcome(expected: str, end: Callable[[Accumulator], object]) -> None:
    accumulator = Accumulator()
    accumulator.feed(WIRE[0])
    end(accumulator)
    assert expected == repr(accumulator)


@pytest.mark.parametrize("fast", [True, False])
def test_looking_at_an_accumulator_changes_nothing_in_either_lane(fast: bool) -> None:
    seen, unseen = Accumulator(fast=fast), Accumulator(fast=fast)
    for number in range(1, 51):  # one event a block: what the fast lane takes is settled later
        assert seen.feed(HELLO) == unseen.feed(HELLO)
        assert f"<Accumulator running events={number} chunks={number}>" == repr(seen)
    assert seen.statistics() == unseen.statistics()
    assert seen.snapshot() == unseen.snapshot()
    assert seen.close() == unseen.close()


def test_a_repr_stays_short_whatever_the_stream() -> None:
    accumulator = Accumulator(limits=Limits(max_response_bytes=10**9))
    accumulator.absorb(stream_bytes("x" * 10**6))
    assert len(repr(accumulator)) < 100


def test_a_stream_shows_what_its_accumulator_knows() -> None:
    stream = streamkit.ChatStream(FakeSource(WIRE))
    assert "<ChatStream running events=0 chunks=0>" == repr(stream)
    stream.until_done()
    assert "<ChatStream complete (done) events=3 chunks=2>" == repr(stream)


def test_a_tee_shows_what_was_watched_and_does_not_look_at_the_block_that_is_held() -> None:
    with streamkit.tee(FakeSource(WIRE)) as tee:
        next(tee)
        assert "<Tee running events=0 chunks=0>" == repr(tee)
        assert 2 == len(list(tee))
        assert "<Tee complete (done) events=3 chunks=2>" == repr(tee)


def test_a_tee_shows_the_error_of_its_watcher() -> None:
    with streamkit.tee(FakeSource([b"data: nonsense\n\n"]), Accumulator(strict=True)) as tee:
        assert 1 == len(list(tee))
    assert "<Tee failed (anomaly) events=1 chunks=0 error=FormatError>" == repr(tee)


def test_a_broadcast_shows_its_subscribers_and_each_of_them_what_waits() -> None:
    broadcast = streamkit.Broadcast(FakeSource(WIRE))
    with broadcast.subscribe("drop") as subscription, broadcast.subscribe() as other:
        other.close()
        assert "<Broadcast running events=0 chunks=0 subscribers=1>" == repr(broadcast)
        assert "<Subscription running waiting=0 dropped=0 slow='drop'>" == repr(subscription)
        broadcast.run()
        waiting = len(list(subscription))
        assert waiting > 3
        assert "<Subscription ended waiting=0 dropped=0 slow='drop'>" == repr(subscription)
        assert "<Subscription closed waiting=0 dropped=0 slow='wait'>" == repr(other)
    assert "<Broadcast complete (done) events=3 chunks=2 subscribers=0>" == repr(broadcast)


def test_a_cleaner_shows_the_stream_that_it_reads() -> None:
    cleaner = streamkit.Cleaner()
    cleaner.feed(WIRE[0])
    assert "<Cleaner running events=1 chunks=1>" == repr(cleaner)
    cleaner.close()
    assert "<Cleaner truncated (no_finish) events=1 chunks=1>" == repr(cleaner)


def test_a_source_shows_whether_it_is_open_and_what_it_gave() -> None:
    source = blocks(FakeSource(WIRE, status=200))
    assert "<Blocks open items=0 status=200>" == repr(source)
    next(source)
    assert "<Blocks open blocks=1 status=200>" == repr(source)
    source.close()
    assert "<Blocks closed blocks=1 status=200>" == repr(source)
    chunks = blocks([chunk("Hello")])
    next(chunks)
    assert "<Blocks open chunks=1>" == repr(chunks)


def test_the_async_siblings_show_the_same() -> None:
    async def main() -> None:
        stream = streamkit.AsyncChatStream(AsyncFakeSource(WIRE))
        assert "<AsyncChatStream running events=0 chunks=0>" == repr(stream)
        await stream.until_done()
        assert "<AsyncChatStream complete (done) events=3 chunks=2>" == repr(stream)

        tee = streamkit.async_tee(AsyncFakeSource(WIRE))
        assert WIRE == [block async for block in tee]
        assert "<AsyncTee complete (done) events=3 chunks=2>" == repr(tee)

        broadcast = streamkit.AsyncBroadcast(AsyncFakeSource(WIRE))
        subscription = broadcast.subscribe()
        assert "<AsyncSubscription running waiting=0 dropped=0 slow='wait'>" == repr(subscription)
        assert "<AsyncBroadcast running events=0 chunks=0 subscribers=1>" == repr(broadcast)
        await broadcast.aclose()
        assert "<AsyncBroadcast cancelled (cancelled) events=0 chunks=0 subscribers=1>" == repr(broadcast)

        written = streamkit.async_to_events(AsyncFakeSource(WIRE))
        assert "<AsyncWritten running events=0 chunks=0 waiting=0>" == repr(written)
        await anext(written)
        assert "<AsyncWritten running events=1 chunks=1 waiting=1>" == repr(written)  # the role went first
        assert "<AsyncWritten of a response>" == repr(streamkit.async_to_events(response()))

        source = async_blocks(AsyncFakeSource(WIRE))
        assert WIRE == [block async for block in source]
        await source.aclose()
        assert "<AsyncBlocks closed blocks=3>" == repr(source)

    anyio.run(main)


NEW: list[Any] = [
    Accumulator,
    streamkit.AsyncBroadcast,
    streamkit.AsyncChatStream,
    streamkit.AsyncTee,
    streamkit.Broadcast,
    streamkit.ChatStream,
    streamkit.Cleaner,
    streamkit.Tee,
    type(blocks([])),
    type(async_blocks(AsyncFakeSource([]))),
]


@pytest.mark.parametrize("cls", NEW)
def test_what_was_never_ready_can_be_shown_in_a_traceback(cls: type[Any]) -> None:
    assert repr(cls.__new__(cls)).startswith(f"<{cls.__name__} not ready")
