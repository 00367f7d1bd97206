"""What is read from a trace for its page: lanes, positions, stalls, counts."""

from __future__ import annotations

import gzip

import attrs
import pytest

from helpers.wire import DONE, chunk, delta, sse
from streamkit import MisuseError
from streamkit._view.reading import Piece, Stall, has_times, read
from streamkit.trace import Block, Trace

START = delta('{"role":"assistant"}')
STOP = delta("{}", "stop")


def said(text: str, index: int = 0, field: str = "content") -> str:
    return chunk(f'{{"index":{index},"delta":{{"{field}":"{text}"}},"finish_reason":null}}')


def tool(fragment: str) -> str:
    return delta(f'{{"tool_calls":[{fragment}]}}')


def trace(*blocks: tuple[float, bytes], **more: object) -> Trace:
    found = tuple(Block(at, data) for at, data in blocks)
    return Trace(**{"observed": "transport", "status": 200, "end": "eof", "blocks": found, **more})  # type: ignore[arg-type]


def test_a_choice_and_each_of_its_calls_is_a_lane_with_its_pieces_in_their_blocks() -> None:
    found = read(
        trace(
            (0.1, sse(said("hm", field="reasoning_content"))),
            (0.2, sse(said("Hi"), tool('{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}'))),
            (0.3, sse(tool('{"index":1,"id":"b","function":{"name":"g","arguments":""}}'), said("!", 1))),
            (0.4, sse(tool('{"index":0,"function":{"arguments":"}"}}'), STOP) + DONE),
        )
    )
    assert [
        ("choice 0", "", (Piece(0, "reasoning", "hm"), Piece(1, "text", "Hi"))),
        ("choice 0 call 0", "f", (Piece(1, "arguments", "{"), Piece(3, "arguments", "}"))),
        ("choice 0 call 1", "g", ()),
        ("choice 1", "", (Piece(2, "text", "!"),)),
    ] == [(lane.title, lane.name, lane.pieces) for lane in found.lanes]
    assert (("reasoning", 0, 0), ("text", 1, 1)) == found.lanes[0].spans
    assert [(0, 3, "stop")] == [(one.choice, one.block, one.reason) for one in found.finishes]
    assert (0.1, 0.2, 0.3, 0.4) == found.positions
    assert (1, 3, 5, 8) == found.events
    assert [None, 0, 1, 1, 3] == [found.block_of(event) for event in (0, 1, 2, 3, 8)]


def test_a_legacy_function_call_is_a_lane() -> None:
    found = read(trace((0.1, sse(delta('{"function_call":{"name":"f","arguments":"{}"}}'), STOP) + DONE)))
    assert [("choice 0 function call", "f", 1)] == [(one.title, one.name, len(one.pieces)) for one in found.lanes]


@pytest.mark.parametrize(
    "observed, at, words",
    [("none", 0.0, '"observed": "none"'), ("transport", 0.0, "0 s after the request")],
)
def test_without_times_positions_are_the_numbers_of_events_and_it_says_why(
    observed: str, at: float, words: str
) -> None:
    body = sse(START, said("a"), said("b"), STOP) + DONE
    for blocks in ((body,), tuple(body[n : n + 1] for n in range(len(body)))):
        made = trace(*((at, block) for block in blocks), observed=observed)
        assert not has_times(made)
        found = read(made)
        assert (1, 2, 3, 4, 5) == found.positions
        assert words in found.why
        assert ((1, "a"), (2, "b")) == tuple((one.block, one.text) for one in found.lanes[0].pieces)
        assert () == found.stalls


def test_a_stall_is_a_wait_far_above_the_median_and_the_wait_before_the_end_counts() -> None:
    times = [0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 1.15, 1.16]
    made = trace(*((at, sse(said("x"))) for at in times), end_time=3.0, end="timeout")
    assert (Stall(0.15, 1.15), Stall(1.16, 3.0)) == read(made).stalls


def test_the_wait_for_the_first_byte_and_an_even_pace_are_not_stalls() -> None:
    assert () == read(trace(*((9 + at / 2, sse(said("x"))) for at in range(8)))).stalls
    assert () == read(trace((5.0, sse(said("x"))), (5.9, sse(STOP) + DONE))).stalls


def test_chunks_are_counted_where_nobody_counts_tokens_while_the_stream_runs() -> None:
    usage = chunk("", '"usage":{"prompt_tokens":1,"completion_tokens":9,"total_tokens":10}')
    found = read(trace((0.1, sse(said("a"), said("b"))), (0.2, sse(STOP, usage) + DONE)))
    assert ("chunks", (2, 4)) == (found.unit, found.counts)


def test_tokens_are_counted_where_usage_arrives_with_each_chunk() -> None:
    def counted(count: int) -> str:
        usage = f'"usage":{{"prompt_tokens":1,"completion_tokens":{count},"total_tokens":{count + 1}}}'
        return chunk('{"index":0,"delta":{"content":"x"},"finish_reason":null}', usage)

    found = read(trace((0.1, sse(counted(2))), (0.2, sse(counted(5))), (0.3, sse(counted(6), STOP) + DONE)))
    assert ("tokens", (2, 5, 6)) == (found.unit, found.counts)


def test_an_encoded_body_is_unpacked_and_keeps_its_times() -> None:
    packed = gzip.compress(sse(said("Hi"), STOP) + DONE)
    made = trace((0.1, packed[:12]), (0.7, packed[12:]), headers=(("Content-Encoding", "gzip"),))
    found = read(made)
    assert ("complete", "Hi") == (found.report.outcome.name, found.lanes[0].pieces[0].text)
    assert 0.7 == found.positions[found.lanes[0].pieces[0].block]


@pytest.mark.parametrize("encoding", ["gzip", "br, rot13"])
def test_a_body_that_cannot_be_unpacked_is_read_as_it_is_and_it_says_why(encoding: str) -> None:
    found = read(trace((0.1, b"what is this"), headers=(("content-encoding", encoding),)))
    assert f"encoded ({encoding.replace(' ', '')}) and cannot be unpacked" in found.why
    assert b"what is this" == found.body


def test_a_trace_without_blocks_has_no_lane_and_says_so() -> None:
    found = read(trace())
    assert ((), (), 0.0) == (found.lanes, found.positions, found.end)
    assert "empty" in found.why


def test_the_last_position_is_the_end_that_was_seen() -> None:
    made = trace((0.5, sse(STOP) + DONE))
    assert 0.5 == read(made).end
    assert 0.9 == read(attrs.evolve(made, end_time=0.9)).end


def test_more_than_two_traces_are_refused() -> None:
    from streamkit._view.page import view_page

    with pytest.raises(MisuseError, match="one trace, or two on one axis, not 0"):
        view_page([])
