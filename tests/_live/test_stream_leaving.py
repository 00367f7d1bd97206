"""Live streams that are left early or cancelled: the source is closed, and nothing looks like an ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import streamkit
from helpers.loopback import PATIENCE
from helpers.streams import TOOLS, WHOLE, A, B
from helpers.wire import DONE, delta, sse
from streamkit import AsyncChatStream, ChatStream, MisuseError
from streamkit.sources import AsyncBlocks, Blocks
from streamkit.testing import FOREVER, AsyncFakeSource, FakeSource

pytestmark = pytest.mark.anyio


# --- leaving


async def test_leaving_early_closes_the_source_drains_nothing_and_is_cancelled() -> None:
    source = FakeSource(WHOLE)
    with ChatStream(source) as stream:
        for _ in stream.text():
            break
    assert (1, 1) == (source.reads, source.closed)
    assert ("cancelled", "cancelled") == (stream.outcome.name, stream.outcome.reason)
    assert "Hel" == stream.snapshot().choices[0].message.content
    with pytest.raises(MisuseError, match="was closed before it ended"):
        stream.response


async def test_leaving_early_is_the_same_for_the_async_sibling() -> None:
    source = AsyncFakeSource(WHOLE)
    async with AsyncChatStream(source) as stream:
        async for _ in stream.text():
            break
    assert (1, 1) == (source.reads, source.closed)
    assert "cancelled" == stream.outcome.name
    with pytest.raises(MisuseError, match="was closed before it ended"):
        stream.response


@pytest.mark.parametrize("script", [WHOLE, [b"".join(WHOLE)]], ids=["in-blocks", "at-once"])
async def test_who_iterates_a_stream_that_was_left_is_told_so(script: list[Any]) -> None:
    # `async for` behind the `async with`: httpx raises StreamClosed there. An empty iteration would look like an empty
    # response, and with all of a short stream in one block, like a complete one.
    for way in (lambda s: s, lambda s: s.text(), lambda s: s.chunks()):
        sync, stream = ChatStream(FakeSource(script)), AsyncChatStream(AsyncFakeSource(script))
        begun = sync.text()
        with sync:
            next(begun)
        async with stream:
            await anext(stream.text())
        for _ in range(2):
            with pytest.raises(MisuseError, match=r"was closed before it ended.*snapshot\(\)") as told:
                list(way(sync))
            with pytest.raises(MisuseError, match="was closed before it ended"):
                [piece async for piece in way(stream)]
        assert told.value.emitted
        assert told.value.partial == sync.snapshot()
        with pytest.raises(MisuseError, match="was closed before it ended"):
            next(begun)
        assert sync.outcome == sync.until_done() == await stream.until_done(), "which tells nothing but that"


@pytest.mark.parametrize("way", [lambda s: s, lambda s: s.text(), lambda s: s.chunks(), lambda s: s.tool_calls()])
async def test_a_read_that_was_broken_off_does_not_look_like_the_end(way: Callable[[Any], Any]) -> None:
    # The usual loop for "still thinking" messages: a timeout around each read, then the next try.
    stream = AsyncChatStream(AsyncFakeSource([WHOLE[0], FOREVER]))
    pieces = aiter(way(stream))
    with anyio.move_on_after(0.01) as scope:
        while True:
            await anext(pieces)
    assert scope.cancelled_caught
    for _ in range(2):
        with pytest.raises(MisuseError, match="was closed before it ended"):
            await anext(pieces)
    assert stream.outcome is not None
    assert "cancelled" == stream.outcome.name


async def test_who_asks_for_more_of_a_stream_that_he_read_to_its_end_gets_no_more() -> None:
    with ChatStream(FakeSource(WHOLE)) as sync:
        list(sync)
    async with AsyncChatStream(AsyncFakeSource(WHOLE)) as stream:
        await stream.until_done()
    assert None is next(sync, None)
    assert None is await anext(stream, None)
    for again in (sync, sync.text()):
        with pytest.raises(MisuseError, match="can be iterated only once"):
            list(again)
    with pytest.raises(MisuseError, match="can be iterated only once"):
        [piece async for piece in stream.text()]


async def test_tool_calls_are_kept_also_behind_the_end_of_the_context() -> None:
    script = [A + TOOLS + sse(delta(finish="tool_calls")), DONE]
    with ChatStream(FakeSource(script)) as sync:
        for _ in sync.text():
            pass
    assert ["c0"] == [call.id for call in sync.tool_calls()]
    with ChatStream(FakeSource(script)) as sync:
        next(sync.text())
    calls = sync.tool_calls()
    assert "c0" == next(calls).id
    with pytest.raises(MisuseError, match="was closed before it ended"):
        next(calls)
    with ChatStream(FakeSource([b"".join(script)])) as sync:
        next(sync.text())
    assert ["c0"] == [call.id for call in sync.tool_calls()], "all had come"


async def test_closing_one_of_the_narrower_iterators_leaves_the_stream() -> None:
    source, other = FakeSource(WHOLE), AsyncFakeSource(WHOLE)
    with closing(ChatStream(source).text()) as text:
        next(text)
    async with aclosing(AsyncChatStream(other).text()) as texts:
        await anext(texts)
    assert [1, 1] == [source.closed, other.closed]
    assert [] == list(text)
    assert [] == [piece async for piece in texts]


async def test_an_exception_of_the_caller_leaves_the_stream_and_passes() -> None:
    source = AsyncFakeSource(WHOLE)
    stream = AsyncChatStream(source)

    async def read() -> None:
        async with stream:
            async for _ in stream:
                raise KeyError("mine")

    with pytest.raises(KeyError):
        await read()
    assert ("cancelled", 1) == (stream.outcome.name, source.closed)


async def test_what_interrupts_a_sync_read_leaves_the_stream_and_passes() -> None:
    source = FakeSource([A, KeyboardInterrupt()])
    stream = ChatStream(source)
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    assert ("cancelled", 1) == (stream.outcome.name, source.closed)


async def test_a_stream_may_be_closed_twice_and_over_is_over() -> None:
    source = FakeSource(WHOLE)
    stream = ChatStream(source)
    stream.until_done()
    stream.close()
    stream.close()
    assert ("complete", 1) == (stream.outcome.name, source.closed)


# --- cancellation


@pytest.mark.parametrize("after", range(8))
async def test_cancelled_at_any_await_the_source_is_closed_and_the_outcome_is_cancelled(after: int) -> None:
    # A scope that cancels at the given turn of the event loop hits each await in its turn.
    source = AsyncFakeSource([A, B, A, FOREVER])
    stream = AsyncChatStream(source)

    async def read() -> None:
        async with stream:
            async for _ in stream:
                await checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for _ in range(after):
            await checkpoint()
        group.cancel_scope.cancel()
    assert ("cancelled", 1) == (stream.outcome.name, source.closed) or (after == 0 and stream.outcome is None)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_asyncio_task_closes_the_source() -> None:
    import asyncio

    source = AsyncFakeSource([A, FOREVER])
    stream = AsyncChatStream(source)
    task = asyncio.create_task(stream.until_done())
    await source.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ("cancelled", 1) == (stream.outcome.name, source.closed)
    assert "Hel" == stream.snapshot().choices[0].message.content


async def test_a_coroutine_that_is_thrown_away_leaves_its_stream_without_awaiting() -> None:
    class Suspends:
        def __await__(self) -> Any:
            yield

    class Waits(AsyncFakeSource):
        async def __anext__(self) -> Any:
            await Suspends()

    stream = AsyncChatStream(Waits([]))
    reading = stream.until_done()
    reading.send(None)
    reading.close()
    assert "cancelled" == stream.outcome.name


async def test_a_timeout_around_one_step_leaves_the_stream_cancelled() -> None:
    source = AsyncFakeSource([A, FOREVER])
    stream = AsyncChatStream(source)
    text = stream.text()
    assert "Hel" == await anext(text)
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.01):
            await anext(text)
    assert ("cancelled", 1) == (stream.outcome.name, source.closed)


async def test_no_cancel_scope_is_held_while_the_caller_runs() -> None:
    # Trio and anyio refuse to leave scopes in another order than they were entered in, and in another task.
    source = AsyncFakeSource(WHOLE)
    stream = AsyncChatStream(source, deadlines=streamkit.Deadlines(total=60, idle=60))
    kinds = []

    async def one() -> None:
        kinds.append(type(await anext(stream)).__name__)

    for _ in range(3):
        with anyio.CancelScope():
            async with anyio.create_task_group() as group:
                group.start_soon(one)
    assert ["ChoiceStarted", "ContentStarted", "ContentDelta"] == kinds
    assert "complete" == (await stream.until_done()).name


async def test_two_tasks_do_not_read_one_stream() -> None:
    source = AsyncFakeSource([A, FOREVER])
    stream = AsyncChatStream(source)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.until_done)
        await source.waiting.wait()
        with pytest.raises(MisuseError, match="another task is reading"):
            await anext(stream)
        group.cancel_scope.cancel()
    assert 1 == source.closed


async def test_a_stream_closed_by_another_task_is_cancelled() -> None:
    source = AsyncFakeSource([A, FOREVER])
    stream = AsyncChatStream(source)
    async with anyio.create_task_group() as group:
        group.start_soon(stream.until_done)
        await source.waiting.wait()
        await stream.aclose()
        group.cancel_scope.cancel()
    assert ("cancelled", 1) == (stream.outcome.name, source.closed)


@pytest.mark.parametrize("way", [lambda s: s, lambda s: s.text()], ids=["events", "text"])
async def test_who_waits_while_another_task_leaves_comes_to_the_end(way: Any) -> None:
    waits, closed = anyio.Event(), anyio.Event()

    async def source() -> Any:
        yield A
        waits.set()
        await closed.wait()
        yield B

    stream = AsyncChatStream(AsyncBlocks(source(), close=closed.set))
    pieces: list[Any] = []

    async def read() -> None:
        pieces.extend([piece async for piece in way(stream)])

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await waits.wait()
        await stream.aclose()
    assert ["Hel"] == [getattr(piece, "text", piece) for piece in pieces][-1:]
    assert "cancelled" == stream.outcome.name


@pytest.mark.parametrize("late", [B, None, OSError("closed")], ids=["block", "end", "error"])
@pytest.mark.parametrize("way", [lambda s: s, lambda s: s.text()], ids=["events", "text"])
def test_who_waits_while_another_thread_leaves_comes_to_the_end(way: Any, late: Any) -> None:
    waits, closed = threading.Event(), threading.Event()

    class Waits:
        given = 0

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            self.given += 1
            if self.given == 1:
                return A
            waits.set()
            assert closed.wait(PATIENCE)
            if isinstance(late, bytes):
                return late
            raise late or StopIteration

    stream = ChatStream(Blocks(Waits(), close=closed.set))
    pieces: list[Any] = []
    reader = threading.Thread(target=lambda: pieces.extend(way(stream)))
    reader.start()
    assert waits.wait(PATIENCE)
    stream.close()
    reader.join(PATIENCE)
    assert ["Hel"] == [getattr(piece, "text", piece) for piece in pieces][-1:]
    assert ("cancelled", None) == (stream.outcome.name, stream.source_error)


async def test_one_process_reads_many_streams_at_once() -> None:
    streams = [AsyncChatStream(AsyncFakeSource(WHOLE)) for _ in range(200)]
    async with anyio.create_task_group() as group:
        for stream in streams:
            group.start_soon(stream.until_done)
    assert {"Hello"} == {stream.response.choices[0].message.content for stream in streams}
