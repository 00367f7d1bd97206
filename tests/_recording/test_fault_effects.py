"""What each fault does to a stream, shown on the wire bytes of a small one."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import DONE, delta, sse
from streamkit import Accumulator, replay
from streamkit.trace import Block, Trace

ROLE, HI, STOP = sse(delta('{"role":"assistant"}')), sse(delta('{"content":"Hé"}')), sse(delta("{}", "stop"))
TRACE = Trace(
    sender="x",
    case="y",
    status=200,
    headers=(("Content-Type", "text/event-stream"),),
    end="eof",
    blocks=(Block(1.0, ROLE), Block(2.0, HI), Block(3.0, STOP), Block(4.0, DONE)),
)
WHOLE = [(1.0, ROLE), (2.0, HI), (3.0, STOP), (4.0, DONE)]


def played(faults: str, trace: Trace = TRACE) -> tuple[list[tuple[float, bytes]], str, float]:
    plan = replay(trace, faults=faults).plan
    return [(block.t, block.data) for block in plan.blocks], plan.end, plan.end_t


def test_delay_lets_all_from_its_place_on_arrive_later() -> None:
    assert ([(3.0, ROLE), (4.0, HI), (5.0, STOP), (6.0, DONE)], "eof", 6.0) == played("delay=2")
    assert 3.0 == replay(TRACE, faults="delay=2").plan.head
    assert ([(1.0, ROLE), (2.0, HI), (5.0, STOP), (6.0, DONE)], "eof", 6.0) == played("delay=2@event:3")
    assert 1.0 == replay(TRACE, faults="delay=2@event:3").plan.head


def test_stall_is_a_silence_after_which_it_goes_on_or_does_not() -> None:
    assert ([(1.0, ROLE), (12.0, HI), (13.0, STOP), (14.0, DONE)], "eof", 14.0) == played("stall=10@block:2")
    assert ([(1.0, ROLE)], "silence", 2.0) == played("stall@block:2")
    assert ([], "silence", 1.0) == played("stall@head")


def test_a_stall_inside_a_block_cuts_it() -> None:
    assert [(1.0, ROLE[:5]), (11.0, ROLE[5:])] == played("stall=10@byte:5")[0][:2]


def test_truncate_is_a_clean_end_and_never_after_done() -> None:
    assert ([(1.0, ROLE), (2.0, HI)], "eof", 3.0) == played("truncate@event:3")
    assert (WHOLE[:3], "eof", 4.0) == played("truncate@1")
    assert ([(1.0, ROLE), (2.0, HI[:7])], "eof", 2.0) == played(f"truncate@byte:{len(ROLE) + 7}")


def test_disconnect_and_reset_are_broken_ends() -> None:
    assert ([(1.0, ROLE), (2.0, HI)], "incomplete", 3.0) == played("disconnect@event:3")
    assert ([(1.0, ROLE), (2.0, HI)], "reset", 3.0) == played("reset@event:3")
    assert (WHOLE, "incomplete", 4.0) == played("disconnect@1")


@pytest.mark.parametrize(("fault", "end"), [("disconnect", "incomplete"), ("reset", "reset"), ("stall", "silence")])
def test_at_the_head_nothing_of_a_response_arrives(fault: str, end: str) -> None:
    plan = replay(TRACE, faults=f"{fault}@head").plan
    assert (None, None, (), (), end, 1.0) == (plan.status, plan.head, plan.headers, plan.blocks, plan.end, plan.end_t)


def test_half_a_chunk_is_half_of_what_was_announced() -> None:
    plan = replay(TRACE, faults="half_chunk@block:2").plan
    half = len(HI) // 2
    assert [Block(1.0, ROLE), Block(2.0, HI[:half])] == list(plan.blocks)
    assert ("incomplete", 2.0, len(HI) - half) == (plan.end, plan.end_t, plan.missing)


def test_drop_leaves_out_and_duplicate_sends_twice_what_the_place_names() -> None:
    assert [(1.0, ROLE), (3.0, STOP), (4.0, DONE)] == played("drop@event:2")[0]
    assert [(1.0, ROLE), (2.0, HI), (2.0, HI), (3.0, STOP), (4.0, DONE)] == played("duplicate@event:2")[0]
    assert (1.0, ROLE[1:]) == played("drop@byte:0")[0][0]
    assert [(1.0, b"d"), (1.0, b"d"), (1.0, ROLE[1:])] == played("duplicate@byte:0")[0][:3]


def test_an_event_that_spans_blocks_is_dropped_from_all_of_them() -> None:
    cut = Trace(
        sender="x", case="y", blocks=(Block(1.0, ROLE + HI[:4]), Block(2.0, HI[4:9]), Block(3.0, HI[9:] + STOP))
    )
    assert [(1.0, ROLE), (3.0, STOP)] == played("drop@event:2", cut)[0]
    again = [(1.0, ROLE), (1.0, HI[:4]), (2.0, HI[4:9]), (3.0, HI[9:]), (3.0, HI), (3.0, STOP)]
    assert again == played("duplicate@event:2", cut)[0]


def test_corrupt_changes_so_many_bytes_of_the_span_and_no_length() -> None:
    blocks, end, _ = played("corrupt=3@event:2")
    assert [ROLE, STOP, DONE] == [data for n, (_, data) in enumerate(blocks) if n != 1]
    assert 3 == sum(a != b for a, b in zip(HI, blocks[1][1], strict=True))
    all_of_them = played("corrupt=100000@event:2")[0][1][1]
    assert len(HI) == sum(a != b for a, b in zip(HI, all_of_them, strict=True))
    assert "eof" == end


def test_malformed_leaves_out_the_second_half_of_the_data_up_to_a_character() -> None:
    data = HI.removeprefix(b"data: ").removesuffix(b"\n\n")
    blocks, _, _ = played("malformed@event:2")
    found = b"".join(data for _, data in blocks).removeprefix(ROLE).removesuffix(STOP + DONE)
    assert b"data: " + data[: len(data) // 2] + b"\n\n" == found
    accent = Trace(sender="x", case="y", blocks=(Block(0.0, b'data: "\xc3\xa9"\n\n'),))
    assert b'data: "\n\n' == b"".join(data for _, data in played("malformed", accent)[0])


def test_malformed_in_the_midst_of_an_event_is_that_event() -> None:
    assert played("malformed@event:2") == played(f"malformed@byte:{len(ROLE) + 9}")


def test_an_error_event_stands_between_two_events_and_ends_the_stream() -> None:
    blocks, end, end_t = played(f"error_event=overloaded@byte:{len(ROLE) + 9}")
    assert [(1.0, ROLE)] == blocks[:1]
    assert (
        b'data: {"error": {"message": "The server had an error while processing your request.", "type": "server_error"'
        in blocks[1][1]
    )
    assert b'"code": "overloaded"}}\n\n' in blocks[1][1]
    assert (2, "eof", 2.0) == (len(blocks), end, end_t)


def test_an_error_event_takes_the_place_of_a_body_that_has_no_events() -> None:
    refused = Trace(sender="x", case="y", status=400, blocks=(Block(1.0, b'{"error": {}}'),))
    assert [b"data: "] == [data[:6] for _, data in played("error_event", refused)[0]]


def test_status_is_another_response() -> None:
    plan = replay(TRACE, faults="status=503,retry_after=2").plan
    assert (503, 1.0, "eof") == (plan.status, plan.head, plan.end)
    assert dict(plan.headers) == {
        "content-type": "application/json",
        "content-length": str(len(plan.body)),
        "retry-after": "2",
    }
    accumulator = Accumulator()
    accumulator.absorb(plan.body)
    assert "error_body" == accumulator.close().reason


def test_bandwidth_lets_bytes_through_one_after_the_other() -> None:
    flat = Trace(
        sender="x", case="y", end="eof", blocks=(Block(0.0, b"x" * 50), Block(0.1, b"x" * 50), Block(9.0, b"x" * 10))
    )
    blocks, _, end_t = played("bandwidth=100", flat)
    assert [0.5, 1.0, 9.1] == [round(t, 9) for t, _ in blocks]
    assert 9.1 == end_t
    assert [0.0, 0.6, 9.1] == [round(t, 9) for t, _ in played("bandwidth=100@block:2", flat)[0]]


def test_slow_close_lets_the_end_wait() -> None:
    assert (WHOLE, "eof", 7.0) == played("slow_close=3")


def test_empty_is_a_response_without_a_body() -> None:
    plan = replay(TRACE, faults="empty").plan
    assert (200, 1.0, (), "eof") == (plan.status, plan.head, plan.blocks, plan.end)


def test_faults_are_applied_one_after_the_other() -> None:
    blocks, end, _ = played("drop@event:1 drop@event:1 reset@event:2")
    assert ([(3.0, STOP)], "reset") == (blocks, end)


def test_seconds_of_faults_are_the_reader_s_whatever_the_speed() -> None:
    found: Any = [block.t for block in replay(TRACE, speed=0, faults="stall=2@block:3").blocks]
    assert [0.0, 0.0, 2.0, 2.0] == found


@pytest.mark.parametrize("at", ["0.0", "0.5", "1.0", "random"])
@pytest.mark.parametrize(
    "name",
    [
        "truncate",
        "disconnect",
        "reset",
        "half_chunk",
        "drop",
        "duplicate",
        "corrupt",
        "malformed",
        "error_event",
        "stall=1",
        "delay=1",
        "bandwidth",
    ],
)
def test_an_empty_body_bears_every_fault_at_a_share(name: str, at: str) -> None:
    empty = Trace(sender="x", case="y", end="eof", blocks=())
    assert replay(empty, faults=f"{name}@{at}").plan.body in (b"", replay(empty, faults="error_event").plan.body)
