"""Live streams: what each way of iterating gives."""

from __future__ import annotations

from typing import Any

import pytest

import streamkit
from helpers.corpus import TRACES, Recorded
from helpers.streams import FINISH, TOOLS, WHOLE, A, B, both, comparable
from helpers.wire import DONE, check_grammar, choice, chunk, delta, each_byte, sse
from streamkit import (
    Accumulator,
    AsyncChatStream,
    ChatStream,
    FormatError,
    MisuseError,
    RemoteError,
    TruncatedError,
    events,
    reassemble,
)
from streamkit.testing import AsyncFakeSource, FakeClock, FakeSource
from streamkit.types import CreateChatCompletionStreamResponse

pytestmark = pytest.mark.anyio


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
    assert [None, None] == [next(stream, None), next(stream, None)]


AGAIN = "can be iterated only once"


@pytest.mark.parametrize(
    "again", [lambda s: s, lambda s: s.text(), lambda s: s.chunks()], ids=["events", "text", "chunks"]
)
@pytest.mark.parametrize("first", [list, lambda s: list(s.text()), lambda s: s.until_done(), lambda s: s.response])
async def test_to_iterate_over_a_stream_that_was_read_to_its_end_is_misuse(first: Any, again: Any) -> None:
    stream = ChatStream(FakeSource(WHOLE))
    first(stream)
    with pytest.raises(MisuseError, match=AGAIN) as caught:
        list(again(stream))
    assert stream.response == caught.value.partial
    assert [] == list(stream.tool_calls()), "which are kept"


@pytest.mark.parametrize(
    "again", [lambda s: s, lambda s: s.text(), lambda s: s.chunks()], ids=["events", "text", "chunks"]
)
async def test_to_iterate_over_an_async_stream_that_was_read_to_its_end_is_misuse(again: Any) -> None:
    stream = AsyncChatStream(AsyncFakeSource(WHOLE))
    await stream.until_done()
    with pytest.raises(MisuseError, match=AGAIN):
        [piece async for piece in again(stream)]


async def test_a_stream_that_is_over_still_gives_what_was_not_given() -> None:
    stream = ChatStream(FakeSource([b"".join(WHOLE)]))
    next(stream)
    assert stream.outcome is not None
    assert ["Hel", "lo"] == list(stream.text())


async def test_an_iteration_over_nothing_is_no_misuse() -> None:
    stream = ChatStream(FakeSource([sse(delta('{"content":"x"}', "stop")), DONE]))
    assert [] == list(stream.tool_calls())
    assert [] == list(stream.tool_calls())


@pytest.mark.parametrize("way", ["text", "tool_calls"])
async def test_a_choice_that_the_stream_does_not_have_is_reported_at_its_end(way: str) -> None:
    async def asked(stream: Any) -> list[Any]:
        return [piece async for piece in getattr(stream, way)(choice=5)]

    with pytest.raises(MisuseError, match=r"no choice 5: choice= takes the index of one that it has \(0\)"):
        list(getattr(ChatStream(FakeSource(WHOLE)), way)(choice=5))
    with pytest.raises(MisuseError, match="no choice 5"):
        await asked(AsyncChatStream(AsyncFakeSource(WHOLE)))


async def test_a_choice_of_a_stream_that_did_not_end_well_is_not_reported_besides() -> None:
    with pytest.raises(TruncatedError):
        list(ChatStream(FakeSource([A])).text(choice=5))


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
    with pytest.raises(MisuseError, match="is not a source"):
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
    assert ("a", ["another thread is reading this stream: let one read, and share what it reads"]) == (
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
