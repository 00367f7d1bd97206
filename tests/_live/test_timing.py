"""Timing: which instant is which, and each figure under the definition that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.wire import DONE, calls, chunk, delta, sse
from streamkit import Accumulator, Timing
from streamkit._live.timing import Stopwatch, timing_of
from streamkit.trace import Block, Trace, read_trace

TRACES = Path(__file__).parents[2] / "traces"
ROLE = sse(delta('{"role":"assistant","content":""}'))
THINK = sse(delta('{"reasoning_content":"hm"}'))
A, B = sse(delta('{"content":"a"}')), sse(delta('{"content":"b"}'))
FINISH = sse(delta(finish="stop"))
USAGE = sse(
    chunk(
        more='"usage":{"prompt_tokens":20,"completion_tokens":11,"total_tokens":31,'
        '"completion_tokens_details":{"reasoning_tokens":4}}'
    )
)
COMMENT = b": keep-alive\n\n"
# A stream with everything in it: when what came.
FULL = [(1, COMMENT), (2, ROLE), (3, THINK), (5, A), (6, B + A), (8, B), (9, FINISH), (10, USAGE), (11, DONE)]


def trace(*blocks: tuple[float, bytes], timed: bool = True) -> Trace:
    observed = "reader" if timed else "none"
    return Trace(
        sender="s", case="c", observed=observed, blocks=tuple(Block(float(time), data) for time, data in blocks)
    )


def timed(*blocks: tuple[float, bytes], closed: float | None = None, **known: Any) -> Timing:
    accumulator, watch = Accumulator(), Stopwatch(**known)
    for time, data in blocks:
        watch.block(time, accumulator.feed(data), accumulator.progress)
    watch.end(closed, accumulator.close().events, accumulator.progress)
    return watch.timing()


# --- instants


@pytest.mark.parametrize(
    "instant, time",
    {
        "sent": 0,
        "opened": 0.5,
        "head": 0.25,
        "first_byte": 1,
        "first_event": 2,
        "first_chunk": 2,
        "first_output": 3,
        "first_reasoning": 3,
        "first_answer": 5,
        "first_content": 5,
        "first_tool": None,
        "last_output": 8,
        "last_chunk": 10,
        "finish": 9,
        "usage": 10,
        "done": 11,
        "closed": 12,
    }.items(),
)
def test_an_instant_is_the_arrival_of_the_block_that_it_came_with(instant: str, time: float | None) -> None:
    assert time == getattr(timed(*FULL, closed=12, sent=0, opened=0.5, head=0.25), instant)


def test_what_did_not_come_has_no_instant() -> None:
    assert Timing() == timed()
    assert Timing(first_byte=1) == timed((1, COMMENT))


def test_a_tool_call_begins_with_its_name() -> None:
    name, arguments = calls(
        '{"index":0,"id":"c","function":{"name":"f"}}', '{"index":0,"function":{"arguments":"{}"}}'
    )[:2]
    timing = timed((1, sse(name)), (2, sse(arguments)))
    assert (1, 1, 1, 2) == (timing.first_tool, timing.first_output, timing.first_answer, timing.last_output)
    assert (1, 2) == timing.output_times


def test_a_name_and_arguments_in_one_fragment_are_one_piece_of_output() -> None:
    both = calls('{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}')[0]
    assert (1,) == timed((1, sse(both))).output_times


def test_what_closing_finds_had_come_with_the_last_block() -> None:
    timing = timed((1, A), (2, FINISH[:-2]), closed=9)
    assert (2, 2, 9) == (timing.finish, timing.last_chunk, timing.closed)
    assert 2 == timed((1, A + FINISH), (2, b"data: [DONE]"), closed=9).done


@pytest.mark.parametrize(
    "blocks",
    [
        [(1, A)],
        [(1, A), (2, FINISH)],
        [(1, A), (2, sse('{"error":"boom"}'))],
        [(1, b"<html></html>")],
    ],
    ids=["truncated", "finish", "error", "page"],
)
def test_done_is_only_what_said_so(blocks: list[tuple[float, bytes]]) -> None:
    assert timed(*blocks, closed=9).done is None


def test_an_error_before_done_is_done_all_the_same() -> None:
    assert 3 == timed((1, A), (2, sse('{"error":"boom"}')), (3, DONE)).done


def test_a_full_body_comes_with_its_last_block() -> None:
    body = b'{"id":"1","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}'
    timing = timed((1, body[:9]), (2, body[9:]), closed=3)
    assert (1, 2, 2) == (timing.first_byte, timing.first_chunk, timing.first_content)


# --- figures


@pytest.mark.parametrize(
    "figure, value",
    {
        "time_to_first_byte": 1,
        "time_to_first_chunk": 2,  # OpenTelemetry
        "ttft": 3,  # AIPerf
        "ttfo": 5,  # AIPerf
        "ttst": 2,  # AIPerf
        "latency": 8,  # AIPerf
        "duration": 12,  # OpenTelemetry
        "icl": (2, 1, 0, 2),  # AIPerf
        "time_per_output_chunk": (1, 2, 1, 0, 2, 1, 1),  # OpenTelemetry
        "itl": (8 - 3) / 10,  # AIPerf
        "tpot": (10 - 2) / 10,  # vLLM bench
        "tpot_guidellm": 8 / 11,
        "tokens_per_second": 10 / (8 - 3),  # AIPerf
        "tokens_per_second_overall": 11 / 12,  # GuideLLM
        "input_tokens_per_second": 20 / 3,  # AIPerf
    }.items(),
)
def test_a_figure_follows_its_formula(figure: str, value: Any) -> None:
    assert pytest.approx(value) == getattr(timed(*FULL, closed=12, sent=0), figure)


def test_tokens_are_what_usage_counts() -> None:
    timing = timed(*FULL)
    assert (20, 11, 4) == (timing.input_tokens, timing.output_tokens, timing.reasoning_tokens)


TOKEN_FIGURES = (
    "itl tpot tpot_guidellm tokens_per_second tokens_per_second_overall input_tokens_per_second output_tokens".split()
)


@pytest.mark.parametrize("figure", TOKEN_FIGURES)
def test_a_chunk_is_no_token(figure: str) -> None:
    without = [(time, data) for time, data in FULL if data != USAGE]
    assert getattr(timed(*without, closed=12, sent=0), figure) is None


@pytest.mark.parametrize("figure", TOKEN_FIGURES)
def test_a_count_of_none_is_no_count(figure: str) -> None:
    nothing = sse(chunk(more='"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}'))
    assert getattr(timed((1, A), (2, B + FINISH), (3, nothing + DONE), closed=12, sent=0), figure) is None


@pytest.mark.parametrize("figure", ["itl", "tpot", "tokens_per_second"])
def test_one_token_has_no_time_between_tokens(figure: str) -> None:
    one = sse(chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}'))
    assert getattr(timed((1, A), (2, FINISH + one + DONE), sent=0), figure) is None


def test_what_came_in_one_block_shows_no_rate() -> None:
    timing = timed((1, A + B + FINISH + USAGE + DONE), sent=0)
    assert (0, 0, None) == (timing.itl, timing.tpot, timing.tokens_per_second)


@pytest.mark.parametrize("figure", ["time_to_first_byte", "time_to_first_chunk", "ttft", "ttfo", "latency", "duration"])
def test_without_the_sending_there_is_no_time_to_anything(figure: str) -> None:
    assert getattr(timed(*FULL, closed=12), figure) is None


def test_usage_that_is_told_again_and_again_counts_as_it_stood_last() -> None:
    usages = [
        sse(
            delta(
                '{"content":"a"}', more=f'"usage":{{"prompt_tokens":1,"completion_tokens":{n},"total_tokens":{n + 1}}}'
            )
        )
        for n in (1, 2, 3)
    ]
    timing = timed(*zip((1, 2, 3), usages, strict=True))
    assert (3, 3, 1) == (timing.output_tokens, timing.usage, timing.itl)


# --- traces


def test_a_trace_is_timed_by_its_blocks() -> None:
    timing = timing_of(trace(*FULL))
    assert timed(*FULL, sent=0) == timing
    assert (0, 3, None) == (timing.sent, timing.ttft, timing.duration)


def test_a_trace_whose_reads_were_not_observed_has_tokens_and_no_times() -> None:
    untimed = trace(*((0, data) for _, data in FULL), timed=False)
    assert Timing(input_tokens=20, output_tokens=11, reasoning_tokens=4) == timing_of(untimed)


@pytest.mark.parametrize("path", sorted(TRACES.glob("*/*.trace.jsonl"))[::4], ids=lambda path: path.parent.name)
def test_the_instants_of_a_recorded_stream_stand_in_order(path: Path) -> None:
    recorded = read_trace(path)
    timing = timing_of(recorded)
    if not (recorded.timed and recorded.blocks):
        assert timing.first_byte is None
        return
    names = "sent first_byte first_event first_chunk first_output first_answer last_output last_chunk done".split()
    times = [time for name in names if (time := getattr(timing, name)) is not None]
    assert sorted(times) == times
    assert recorded.blocks[0].t == timing.first_byte
    if timing.chunk_times:  # there are none in a body that is an error
        assert (timing.chunk_times[0], timing.chunk_times[-1]) == (timing.first_chunk, timing.last_chunk)
    if timing.output_times:
        assert (timing.output_times[0], timing.output_times[-1]) == (timing.first_output, timing.last_output)


def test_whatever_the_fast_lane_reads_is_timed_alike() -> None:
    slow, fast = Stopwatch(), Stopwatch()
    for watch, accumulator in ((slow, Accumulator(fast=False)), (fast, Accumulator())):
        for time, data in [(0, ROLE), *((n, A) for n in range(1, 50)), (50, A * 50), (51, FINISH + USAGE + DONE)]:
            watch.block(time, accumulator.feed(data), accumulator.progress)
    assert slow.timing() == fast.timing()
    assert 102 == len(fast.timing().chunk_times)
