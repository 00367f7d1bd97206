"""Cancellation at every await of an async stream: wherever it arrives, the stream ends well and so does its source.

Each way of reading a stream is run again and again, cancelled at its first await, its second, and so on to its last
(`stepping.py`): on trio, on asyncio by a scope of anyio, and on asyncio by `Task.cancel`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from helpers.loopback import EVENTS, Loopback
from helpers.loopback_async import Opener, by_aiohttp, by_httpx, by_openai, named, run
from helpers.stepping import cancelled_at
from helpers.wire import DONE, calls, delta, sse
from streamkit import AsyncChatStream, Deadlines, reassemble
from streamkit.sources import AsyncBlocks

SCRIPT = [
    sse(delta('{"content":"Hel"}')),
    b": waits\n\n",
    sse(delta('{"content":"lo"}')),
    sse(*calls('{"index":0,"id":"c0","function":{"name":"f","arguments":"{}"}}')) + sse(delta(finish="tool_calls")),
    DONE,
]
RESPONSE = reassemble(SCRIPT)


# --- sources, each with another kind of await


class Counted:
    """The closing of a source: how often it began, and how often it finished."""

    def __init__(self) -> None:
        self.began = self.closed = 0

    async def close(self) -> None:
        self.began += 1
        await checkpoint()
        await checkpoint()
        self.closed += 1


@contextmanager
def turns(counted: Counted, group: Any) -> Iterator[Any]:
    """Each read gives the event loop a turn."""

    class Turns:
        def __init__(self) -> None:
            self._script = iter(SCRIPT)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            await checkpoint()
            for block in self._script:
                return block
            raise StopAsyncIteration

    yield AsyncBlocks(Turns(), close=counted.close)


@contextmanager
def generated(counted: Counted, group: Any) -> Iterator[Any]:
    """An async generator with awaits in its `finally`, as one around a client's `async with` has them."""

    async def generator() -> AsyncIterator[bytes]:
        try:
            for block in SCRIPT:
                await checkpoint()
                yield block
        finally:
            counted.began += 1
            with anyio.CancelScope(shield=True):
                await checkpoint()
            counted.closed += 1

    yield generator()


@contextmanager
def fed(counted: Counted, group: Any) -> Iterator[Any]:
    """Each read waits for another task."""
    sending, receiving = anyio.create_memory_object_stream[bytes]()

    async def feed() -> None:
        with sending:
            try:
                for block in SCRIPT:
                    await sending.send(block)
            except anyio.BrokenResourceError:
                pass  # the reader has left

    async def close() -> None:
        await counted.close()
        receiving.close()

    group.start_soon(feed)
    with receiving:
        yield AsyncBlocks(receiving, close=close)


# --- ways of reading


async def by_events(stream: AsyncChatStream, seen: list[Any]) -> None:
    async with stream:
        async for event in stream:
            seen.append(event)


async def by_text(stream: AsyncChatStream, seen: list[Any]) -> None:
    async with stream:
        async for piece in stream.text():
            seen.append(piece)
            await checkpoint()


async def by_chunks(stream: AsyncChatStream, seen: list[Any]) -> None:
    async with stream:
        async for chunk in stream.chunks():
            seen.append(chunk)


async def by_calls(stream: AsyncChatStream, seen: list[Any]) -> None:
    async with stream:
        async for call in stream.tool_calls():
            seen.append(call)


async def by_until_done(stream: AsyncChatStream, seen: list[Any]) -> None:
    seen.append(await stream.until_done())


async def by_leaving(stream: AsyncChatStream, seen: list[Any]) -> None:
    async with stream:
        async for piece in stream.text():
            seen.append(piece)
            break


async def by_closing(stream: AsyncChatStream, seen: list[Any]) -> None:
    text = stream.text()
    seen.append(await anext(text))
    await text.aclose()
    await stream.aclose()


# --- at every place


@contextmanager
def nothing_left_over() -> Iterator[None]:
    """Check that no task is running, and every async generator has ended."""
    tasks = len(anyio.get_running_tasks())
    made: list[AsyncGenerator[Any, Any]] = []  # held, or the collector would end them
    hooks = sys.get_asyncgen_hooks()

    def first(generator: AsyncGenerator[Any, Any]) -> None:
        made.append(generator)
        hooks.firstiter(generator)

    sys.set_asyncgen_hooks(firstiter=first, finalizer=hooks.finalizer)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert tasks == len(anyio.get_running_tasks())
    assert [] == [generator for generator in made if generator.ag_frame is not None]


async def read(way: Any, make: Any, deadlines: Deadlines, place: int, native: bool) -> bool:
    """One run, cancelled at one place; whether there was such a place."""
    counted, seen = Counted(), []
    before: list[tuple[int, int]] = []
    async with anyio.create_task_group() as group:
        with make(counted, group) as source:
            stream = AsyncChatStream(source, deadlines=deadlines)
            met = await cancelled_at(
                place,
                lambda: way(stream, seen),
                native=native,
                just_before=lambda: before.append((len(seen), counted.began)),
            )
    outcome, snapshot = stream.outcome, stream.snapshot()
    assert outcome is not None
    ((pieces, closing),) = before or [(len(seen), 0)]
    if native and closing:  # asyncio knows no shield: a closing that is cancelled is broken off, and may be done again
        assert counted.closed <= 1
        await stream.aclose()
        assert 1 == counted.closed or make is generated, "a generator ends at the first exception"
        assert counted.began <= (1 if make is generated else 2)
    else:
        assert 1 == counted.began, "closed once"
        assert 1 == counted.closed
    if not met.reached:
        expected = ("cancelled", None) if way in (by_leaving, by_closing) else ("complete", None)
        assert expected == (outcome.name, outcome.error)
        assert not met.raised
    elif native or not closing:  # a scope's cancellation waits for the closing, which may be the last await
        assert met.raised, "who cancels is not kept waiting"
        assert pieces == len(seen), "and the reader goes no further"
    assert outcome.name in ("cancelled", "complete")
    assert outcome.name == "cancelled" or snapshot == RESPONSE
    if snapshot is not None:
        assert "Hello".startswith(snapshot.choices[0].message.content or "")
    assert None is stream.source_error
    return met.reached


@pytest.mark.parametrize("mode", ["trio", "asyncio", "asyncio-native"])
@pytest.mark.parametrize("deadlines", [Deadlines(), Deadlines(idle=60, total=60)], ids=["no-deadlines", "deadlines"])
@pytest.mark.parametrize("make", [turns, generated, fed])
@pytest.mark.parametrize(
    "way",
    [by_events, by_text, by_chunks, by_calls, by_until_done, by_leaving, by_closing],
    ids=lambda way: way.__name__[3:],
)
def test_cancelled_at_any_await(
    way: Callable[..., Any], make: Callable[..., Any], deadlines: Deadlines, mode: str
) -> None:
    async def main() -> None:
        place = 0
        with nothing_left_over():
            while await read(way, make, deadlines, place, mode == "asyncio-native"):
                place += 1
        assert place > 1, "there are awaits to be cancelled at"

    run(main, mode.removesuffix("-native"))


# On trio httpx leaves generators of its own behind, wherever it is cancelled, with us or without.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@named([(by_httpx, "asyncio"), (by_httpx, "trio"), (by_aiohttp, "asyncio"), (by_openai, "asyncio")])
def test_a_real_client_cancelled_at_any_await_leaves_its_connection(client: Opener, backend: str) -> None:
    streams: list[AsyncChatStream] = []

    async def read(server: Loopback) -> None:
        seen = 0
        async with client(server) as response, AsyncChatStream(response) as stream:
            streams.append(stream)
            async for _ in stream:
                while seen < stream.statistics().blocks:  # the next one is sent when this one has come
                    server.saw(EVENTS[seen])
                    seen += 1
                await checkpoint()

    async def main() -> None:
        place, reached = 0, True
        while reached:
            with Loopback() as server:
                met = await cancelled_at(place, lambda: read(server))
            place, reached = place + 1, met.reached
        assert {"cancelled", "complete"} == {stream.outcome.name for stream in streams if stream.outcome}
        assert [None] * len(streams) == [stream.source_error for stream in streams]
        assert "complete" == streams[-1].outcome.name

    run(main, backend)
