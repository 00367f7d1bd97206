"""Living streams: what each way of iterating gives, how they end, and that the source is closed whatever happens.

Most is told of both siblings at once: `both` reads a script with `ChatStream` and with `AsyncChatStream`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Any

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint

import streamkit
from helpers.corpus import TRACES, Recorded
from helpers.wire import DONE, calls, check_grammar, choice, chunk, delta, each_byte, sse
from streamkit import (
    Accumulator,
    AsyncChatStream,
    ChatStream,
    FormatError,
    MisuseError,
    RemoteError,
    SourceError,
    TruncatedError,
    events,
    reassemble,
)
from streamkit.sources import AsyncBlocks, Blocks
from streamkit.testing import FOREVER, AsyncFakeSource, FakeClock, FakeSource
from streamkit.types import CreateChatCompletionStreamResponse

pytestmark = pytest.mark.anyio

A, B = sse(delta('{"content":"Hel"}')), sse(delta('{"content":"lo"}'))
FINISH = sse(delta(finish="stop"))
WHOLE = [A, B, FINISH + DONE]
TOOLS = sse(
    *calls(
        '{"index":0,"id":"c0","function":{"name":"f","arguments":"{\\"a\\""}}',
        '{"index":0,"function":{"arguments":":1}"}}',
        '{"index":1,"id":"c1","function":{"name":"g","arguments":"{"}}',
    )
)
ERROR = sse('{"error":{"message":"boom","code":500}}')


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


@attrs.frozen
class Seen:
    """What one reading gave, and what was raised behind it."""

    pieces: list[Any]
    raised: BaseException | None = attrs.field(eq=False)
    stream: Any = attrs.field(eq=False)
    source: Any = attrs.field(eq=False)

    @property
    def kinds(self) -> list[str]:
        return [type(piece).__name__ for piece in self.pieces]

    @property
    def ending(self) -> tuple[str, str]:
        return self.stream.outcome.name, self.stream.outcome.reason


async def both(script: list[Any], ways: Callable[[Any], Any] = lambda stream: stream, **options: Any) -> Seen:
    """What a script gives when it is iterated in one of the ways; both siblings must give the same."""
    source, stream_source = FakeSource(script), AsyncFakeSource(script)
    sync = ChatStream(source, clock=FakeClock(100.0), **options)
    pieces: list[Any] = []
    raised = None
    with sync:
        try:
            for piece in ways(sync):
                pieces.append(piece)
        except Exception as error:
            raised = error
    seen = Seen(pieces, raised, sync, source)
    other = AsyncChatStream(stream_source, clock=FakeClock(100.0), **options)
    others: list[Any] = []
    other_raised = None
    async with other:
        try:
            async for piece in ways(other):
                others.append(piece)
        except Exception as error:
            other_raised = error
    assert comparable(pieces) == comparable(others)
    assert str(raised) == str(other_raised)
    assert sync.outcome == other.outcome
    assert sync.snapshot() == other.snapshot()
    assert sync.timing == other.timing
    assert sync.anomalies == other.anomalies
    assert (source.closed, source.reads) == (stream_source.closed, stream_source.reads)
    return seen


def comparable(pieces: list[Any]) -> list[Any]:
    return [str(piece.error) if isinstance(piece, events.ErrorSeen) else piece for piece in pieces]


# --- the ways of iterating


async def test_iterating_gives_every_event_and_the_end_last() -> None:
    seen = await both(WHOLE)
    assert seen.raised is None
    check_grammar(seen.pieces, seen.stream.outcome)
    assert "Hello" == "".join(event.text for event in seen.pieces if isinstance(event, events.ContentDelta))


async def test_the_events_that_closing_gives_are_iterated_too() -> None:
    seen = await both([A, B, FINISH])
    assert "End" == seen.kinds[-1]
    assert ("complete", "finish_without_done") == seen.ending


async def test_after_the_ending_event_iteration_stops() -> None:
    stream = ChatStream(FakeSource(WHOLE))
    assert isinstance(list(stream)[-1], events.End)
    assert [] == list(stream)


async def test_text_gives_the_pieces_of_the_first_choice() -> None:
    assert ["Hel", "lo"] == (await both(WHOLE, lambda stream: stream.text())).pieces


async def test_text_gives_those_of_another_choice_when_asked() -> None:
    two = sse(chunk(choice('{"content":"a"}', "stop") + "," + choice('{"content":"b"}', "stop", 1)))
    assert ["b"] == (await both([two], lambda stream: stream.text(1))).pieces


async def test_chunks_are_typed_and_all_there() -> None:
    seen = await both(WHOLE, lambda stream: stream.chunks())
    assert ["CreateChatCompletionStreamResponse"] * 3 == seen.kinds
    assert ["Hel", "lo", None] == [piece.choices[0].delta.content for piece in seen.pieces]


async def test_tool_calls_are_given_when_they_are_over_and_complete() -> None:
    seen = await both([TOOLS, DONE], lambda stream: stream.tool_calls())
    assert [("c0", "f", '{"a":1}')] == [
        (call.id, call.function.name, call.function.arguments) for call in seen.pieces
    ], "the second was cut off in its arguments"


async def test_all_ways_share_one_cursor() -> None:
    stream = ChatStream(FakeSource(WHOLE))
    assert "Hel" == next(stream.text())
    assert "lo" == next(stream.text())
    rest = [type(event).__name__ for event in stream]
    assert "ContentDelta" not in rest
    assert "End" == rest[-1]


@pytest.mark.parametrize("trace", TRACES[::8], ids=repr)
async def test_a_recorded_stream_is_what_an_accumulator_makes_of_it(trace: Recorded) -> None:
    accumulator = Accumulator()
    expected = [event for block in trace.blocks for event in accumulator.feed(block)]
    expected += accumulator.close().events
    seen = await both(list(trace.blocks))
    assert comparable(expected) == comparable(seen.pieces)
    assert accumulator.snapshot() == seen.stream.snapshot()


async def test_chunks_may_be_the_source() -> None:
    mappings = [{"id": "1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}]
    seen = await both(mappings, lambda stream: stream.chunks())
    assert [CreateChatCompletionStreamResponse] == [type(piece) for piece in seen.pieces]
    assert "complete" == seen.stream.outcome.name


async def test_it_does_not_matter_how_the_bytes_were_cut() -> None:
    assert (await both([b"".join(WHOLE)])).pieces == (await both(each_byte(b"".join(WHOLE)))).pieces


async def test_options_go_to_the_accumulator() -> None:
    seen = await both([A, sse("not JSON"), *WHOLE], strict=True)
    assert isinstance(seen.raised, FormatError)
    assert ("failed", "anomaly") == seen.ending
    assert "Hel" == seen.raised.partial.choices[0].message.content
    assert (2, 1) == (seen.source.reads, seen.source.closed)


async def test_an_anomaly_at_the_very_end_is_raised_under_strict_too() -> None:
    for way in (lambda s: s, lambda s: s.text()):
        seen = await both([A, FINISH[:30]], way, strict=True)
        assert isinstance(seen.raised, FormatError)
        assert ("failed", "anomaly") == seen.ending
        assert 1 == seen.source.closed


async def test_an_error_body_is_raised_under_strict_like_an_error_event() -> None:
    for way in (lambda s: s, lambda s: s.text()):
        for blocks in ([b'{"error":{"message":"boom"}}'], each_byte(b'{"error":{"message":"boom"}}')):
            seen = await both(blocks, way, strict=True)
            assert isinstance(seen.raised, RemoteError)
            assert "boom" == seen.raised.message
            assert ("failed", "error_body") == seen.ending
            assert 1 == seen.source.closed


async def test_what_is_no_block_and_no_chunk_is_misuse_and_closes_the_source() -> None:
    seen = await both([A, 5j])
    assert isinstance(seen.raised, MisuseError)
    assert ("cancelled", "cancelled") == seen.ending
    assert 1 == seen.source.closed


# --- how it ends


async def test_nothing_is_read_behind_the_end() -> None:
    source = FakeSource([*WHOLE, A])
    assert "complete" == ChatStream(source).until_done().name
    assert (3, 1) == (source.reads, source.closed)


@pytest.mark.parametrize(
    "script, ending, error",
    [
        ([A], ("truncated", "no_finish"), TruncatedError),
        ([A, ERROR, DONE], ("failed", "remote_error"), RemoteError),
        ([], ("failed", "empty"), FormatError),
        ([b'{"error":{"message":"boom"}}'], ("failed", "error_body"), RemoteError),
    ],
    ids=["truncated", "remote-error", "empty", "error-body"],
)
async def test_what_the_sender_did_is_told_by_the_last_event_and_raised_where_that_is_not_shown(
    script: list[Any], ending: tuple[str, str], error: type[Exception]
) -> None:
    seen = await both(script)
    assert (None, ending, "End") == (seen.raised, seen.ending, seen.kinds[-1])
    for way in (lambda s: s.text(), lambda s: s.chunks(), lambda s: s.tool_calls()):
        narrow = await both(script, way)
        assert error is type(narrow.raised)
        assert narrow.stream.snapshot() == narrow.raised.partial
    assert 1 == seen.source.closed


async def test_a_broken_connection_is_a_truncated_stream_with_its_cause() -> None:
    broken = ConnectionResetError("reset")
    for way in (lambda s: s, lambda s: s.text(), lambda s: s.chunks()):
        seen = await both([A, broken], way)
        assert ("truncated", "no_finish") == seen.ending
        assert isinstance(seen.raised, TruncatedError)
        assert broken is seen.raised.__cause__
        assert broken is seen.stream.source_error
        assert "Hel" == seen.raised.partial.choices[0].message.content
        assert 1 == seen.source.closed


async def test_the_end_comes_before_the_exception() -> None:
    seen = await both([A, ConnectionResetError("reset")])
    assert "End" == seen.kinds[-1]
    assert isinstance(seen.raised, TruncatedError)


async def test_an_exception_is_raised_once() -> None:
    stream = ChatStream(FakeSource([A, OSError("gone")]))
    text = stream.text()
    assert "Hel" == next(text)
    with pytest.raises(TruncatedError):
        next(text)
    assert ([], []) == (list(text), list(stream))


KEEP_ALIVES = [b": ping\n\n", b'data: {"type":"ping"}\n\n', b"retry: 1\n: ping\n\n"]


@pytest.mark.parametrize("before", [[], [b""], *([one] for one in KEEP_ALIVES)])
async def test_a_connection_that_breaks_before_the_first_chunk_is_told_from_an_empty_body(before: list[Any]) -> None:
    for way in (lambda s: s, lambda s: s.text(), lambda s: s.tool_calls()):
        seen = await both([*before, ConnectionResetError("reset by peer")], way)
        assert ("failed", "source_error") == seen.ending
        assert type(seen.raised) is SourceError
        assert "the source broke before any chunk had come: ConnectionResetError: reset by peer" in str(seen.raised)
        assert isinstance(seen.raised.__cause__, ConnectionResetError)
        assert seen.raised.__cause__ is seen.stream.source_error
        assert (None, False) == (seen.raised.partial, seen.raised.emitted)
    assert ("failed", "empty") == (await both(before)).ending


@pytest.mark.parametrize(
    "before, ending",
    [
        (A, ("truncated", "no_finish")),
        (A[:30], ("truncated", "mid_event")),
        (b'{"error":{"message":"boom"}}', ("failed", "error_body")),
        (b"upstream connect error", ("failed", "not_a_stream")),
        (ERROR, ("failed", "remote_error")),
    ],
    ids=["chunk", "half-a-chunk", "error-body", "text", "error"],
)
async def test_a_connection_that_breaks_behind_something_is_told_by_what_came(
    before: bytes, ending: tuple[str, str]
) -> None:
    seen = await both([before, ConnectionResetError("reset")])
    assert ending == seen.ending
    assert isinstance(seen.raised.__cause__, ConnectionResetError)


async def test_a_connection_that_breaks_behind_the_finish_leaves_a_complete_response() -> None:
    seen = await both([A, B, FINISH, ConnectionResetError("reset")])
    assert (None, ("complete", "finish_without_done")) == (seen.raised, seen.ending)
    assert isinstance(seen.stream.source_error, ConnectionResetError)


async def test_an_exception_of_closing_does_not_spoil_the_response() -> None:
    source, other = (
        FakeSource(WHOLE, close_error=OSError("close")),
        AsyncFakeSource(WHOLE, close_error=OSError("close")),
    )
    sync, stream = ChatStream(source), AsyncChatStream(other)
    assert sync.until_done() == await stream.until_done()
    assert sync.response == stream.response
    assert "close" == str(sync.source_error) == str(stream.source_error)


async def test_what_a_client_raises_in_the_senders_words_is_the_senders_error() -> None:
    class APIError(Exception):
        message, body, code = "overloaded", {"message": "overloaded"}, 529

    seen = await both([A, APIError()])
    assert ("failed", "remote_error") == seen.ending
    assert isinstance(seen.raised, RemoteError)
    assert ("overloaded", 529, {"message": "overloaded"}) == (seen.raised.message, seen.raised.code, seen.raised.body)
    assert isinstance(seen.raised.__cause__, APIError)


async def test_an_error_of_a_response_says_its_status() -> None:
    stream = ChatStream(FakeSource([b"upstream connect error"], status=503))
    assert 503 == stream.status
    assert ["The response had the HTTP status 503."] == stream.until_done().error.__notes__
    assert AsyncChatStream(AsyncFakeSource(WHOLE)).status is None


# --- the response


async def test_the_response_drives_a_sync_stream_to_its_end() -> None:
    stream = ChatStream(FakeSource(WHOLE))
    assert "Hello" == stream.response.choices[0].message.content
    assert stream.response == stream.snapshot()
    assert [] == list(stream), "the events on the way were thrown away"


async def test_the_response_of_an_async_stream_wants_it_to_be_over() -> None:
    stream = AsyncChatStream(AsyncFakeSource(WHOLE))
    assert "Hel" == await anext(stream.text())
    with pytest.raises(MisuseError, match=r"await stream.until_done\(\)") as raised:
        stream.response
    assert "Hel" == raised.value.partial.choices[0].message.content
    assert "complete" == (await stream.until_done()).name
    assert "Hello" == stream.response.choices[0].message.content


async def test_the_response_of_a_stream_that_is_not_complete_raises_its_error() -> None:
    stream = ChatStream(FakeSource([A]))
    with pytest.raises(TruncatedError):
        stream.response
    assert "Hel" == stream.snapshot().choices[0].message.content


async def test_until_done_raises_nothing_that_the_outcome_tells() -> None:
    script = [A, ConnectionResetError("reset")]
    sync, stream = ChatStream(FakeSource(script)), AsyncChatStream(AsyncFakeSource(script))
    assert "truncated" == sync.until_done().name == (await stream.until_done()).name
    assert sync.until_done() == await stream.until_done()


async def test_the_outcome_is_none_while_it_runs() -> None:
    stream = ChatStream(FakeSource(WHOLE))
    assert (None, None) == (stream.outcome, stream.snapshot())
    next(stream)
    assert stream.outcome is None
    assert 1 == stream.statistics().chunks


# --- leaving


async def test_leaving_early_closes_the_source_drains_nothing_and_is_cancelled() -> None:
    source = FakeSource(WHOLE)
    with ChatStream(source) as stream:
        for _ in stream.text():
            break
    assert (1, 1) == (source.reads, source.closed)
    assert ("cancelled", "cancelled") == (stream.outcome.name, stream.outcome.reason)
    assert "Hel" == stream.snapshot().choices[0].message.content
    with pytest.raises(MisuseError, match="was left before its end"):
        stream.response


async def test_leaving_early_is_the_same_for_the_async_sibling() -> None:
    source = AsyncFakeSource(WHOLE)
    async with AsyncChatStream(source) as stream:
        async for _ in stream.text():
            break
    assert (1, 1) == (source.reads, source.closed)
    assert "cancelled" == stream.outcome.name
    with pytest.raises(MisuseError, match="was left before its end"):
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
            with pytest.raises(MisuseError, match=r"was left before its end.*snapshot\(\)") as told:
                list(way(sync))
            with pytest.raises(MisuseError, match="was left before its end"):
                [piece async for piece in way(stream)]
        assert told.value.emitted
        assert told.value.partial == sync.snapshot()
        with pytest.raises(MisuseError, match="was left before its end"):
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
        with pytest.raises(MisuseError, match="was left before its end"):
            await anext(pieces)
    assert stream.outcome is not None
    assert "cancelled" == stream.outcome.name


async def test_who_iterates_a_stream_that_he_read_to_its_end_gets_no_more() -> None:
    with ChatStream(FakeSource(WHOLE)) as sync:
        list(sync)
    async with AsyncChatStream(AsyncFakeSource(WHOLE)) as stream:
        await stream.until_done()
    assert [[], []] == [list(sync), list(sync.text())]
    assert [[], []] == [[piece async for piece in way] for way in (stream, stream.text())]


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
    with pytest.raises(MisuseError, match="was left before its end"):
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
            assert closed.wait(20)
            if isinstance(late, bytes):
                return late
            raise late or StopIteration

    stream = ChatStream(Blocks(Waits(), close=closed.set))
    pieces: list[Any] = []
    reader = threading.Thread(target=lambda: pieces.extend(way(stream)))
    reader.start()
    assert waits.wait(20)
    stream.close()
    reader.join(20)
    assert ["Hel"] == [getattr(piece, "text", piece) for piece in pieces][-1:]
    assert ("cancelled", None) == (stream.outcome.name, stream.source_error)


async def test_one_process_reads_many_streams_at_once() -> None:
    streams = [AsyncChatStream(AsyncFakeSource(WHOLE)) for _ in range(200)]
    async with anyio.create_task_group() as group:
        for stream in streams:
            group.start_soon(stream.until_done)
    assert {"Hello"} == {stream.response.choices[0].message.content for stream in streams}


# --- timing, and the face


async def test_a_stream_is_timed_by_the_clock_it_was_given() -> None:
    clock = FakeClock(100.0)
    source = FakeSource([2, A, 1, B, 1, FINISH + DONE], clock=clock, status=200)
    stream = ChatStream(source, clock=clock, sent=99.0)
    stream.until_done()
    timing = stream.timing
    assert (99, 100, 100, 102, 103) == (
        timing.sent,
        timing.opened,
        timing.head,
        timing.first_output,
        timing.last_output,
    )
    assert (104, 104, 104, 3) == (timing.finish, timing.done, timing.closed, timing.ttft)


async def test_the_streams_are_had_from_the_face_without_loading_anything_before() -> None:
    assert streamkit.ChatStream is ChatStream
    assert {"ChatStream", "AsyncChatStream", "Deadlines", "Timing"} <= set(dir(streamkit))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        streamkit.Nothing


def test_tool_calls_are_there_also_behind_the_text() -> None:
    call = '{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]}'
    stream = ChatStream([sse(delta('{"content":"a"}'), delta(call), delta(finish="tool_calls")) + DONE])
    assert "a" == "".join(stream.text())
    assert ["x"] == [one.id for one in stream.tool_calls()]


def test_a_stream_is_no_source() -> None:
    with pytest.raises(MisuseError, match="is no source"):
        reassemble(ChatStream([sse(delta('{"content":"a"}', "stop")) + DONE]))


def test_who_reads_while_another_reads_is_told_and_does_the_other_no_harm() -> None:
    refused: list[str] = []

    def source() -> Any:
        try:
            next(stream)
        except MisuseError as error:
            refused.append(str(error))
        yield sse(delta('{"content":"a"}', "stop")) + DONE

    stream = ChatStream(source())
    assert ("a", ["another thread is reading this stream: one at a time, and share what it gives"]) == (
        "".join(stream.text()),
        refused,
    )


@pytest.mark.parametrize("choice", ["0", None, -1, True, 0.0])
def test_a_choice_is_a_whole_number_before_anything_is_read(choice: Any) -> None:
    source = FakeSource(WHOLE)
    with ChatStream(source) as stream:
        for way in (stream.text, stream.tool_calls):
            with pytest.raises(MisuseError, match=f"not {choice!r}"):
                way(choice)
    assert 0 == source.taken
