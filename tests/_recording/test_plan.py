"""Whatever the trace, its pace, faults and cuts: a plan that can be played, the same each time, or a misuse that is named."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.tier import examples
from streamkit import FAULTS, Fault, MisuseError, replay
from streamkit._recording.plan import Plan, plan_of, split
from streamkit._recording.recut import RECUTS
from streamkit.trace import ENDS, Block, Trace

PIECES = st.sampled_from(
    [
        b"data: ",
        b'{"choices":[]}',
        b"\n\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b": ping",
        b"[DONE]",
        b"\xf0\x9f",
        b"\x98\x80",
        b"x",
    ]
)
BODIES = st.lists(st.lists(PIECES, min_size=1, max_size=6).map(b"".join), max_size=6)
PLACES = st.sampled_from(
    ["0", "0.5", "1", "random", "head", "event:1", "event:-1", "block:1", "block:-1", "byte:0", "byte:7"]
)
FAULT_TEXTS = st.builds(
    lambda name, at: f"{name}@{at}" if at else name, st.sampled_from(list(FAULTS)), st.one_of(st.none(), PLACES)
)
OPTIONS = st.fixed_dictionaries(
    {
        "speed": st.sampled_from([0, 0.5, 1, 3]),
        "ttft": st.sampled_from([None, 0, 2.5]),
        "max_gap": st.sampled_from([None, 0, 0.1]),
        "recut": st.sampled_from([None, *RECUTS, 1, 5]),
        "faults": st.lists(FAULT_TEXTS, max_size=3),
        "seed": st.integers(0, 3),
    }
)


def trace_of(bodies: list[bytes], end: str) -> Trace:
    return Trace(
        status=200, head_time=0.5, end=end, blocks=tuple(Block(1.0 + n, data) for n, data in enumerate(bodies))
    )


def plan_or_none(trace: Trace, options: dict[str, Any]) -> Plan | None:
    try:
        return replay(trace, **options).plan
    except MisuseError:
        return None


@given(BODIES, st.sampled_from(ENDS), OPTIONS)
@examples(500)
def test_every_plan_can_be_played_and_is_the_same_each_time(
    bodies: list[bytes], end: str, options: dict[str, Any]
) -> None:
    trace = trace_of(bodies, end)
    plan = plan_or_none(trace, options)
    assert plan == plan_or_none(trace, options)
    if plan is None:
        assert options["faults"]
        return
    times = [*([] if plan.head is None else [plan.head]), *(block.t for block in plan.blocks), plan.end_t]
    assert sorted(times) == times
    assert b"" not in {block.data for block in plan.blocks}
    assert plan.end in ("eof", "incomplete", "reset", "timeout", "silence")
    uncut = plan_or_none(trace, {**options, "recut": None})
    assert uncut is not None
    assert (uncut.body, uncut.end, uncut.status) == (plan.body, plan.end, plan.status)


@given(st.text(max_size=20) | st.builds(lambda a, b: a + b, FAULT_TEXTS, st.text("@=,;: %0123456789abc", max_size=8)))
@examples(500)
def test_any_text_is_a_fault_or_a_misuse(text: str) -> None:
    try:
        fault = Fault.parse(text)
    except MisuseError:
        return
    assert fault == Fault.parse(str(fault))


def test_a_plan_is_the_trace_where_nothing_is_asked_for() -> None:
    trace = trace_of([b"a", b"b"], "reset")
    expected = Plan(status=200, headers=(), head=0.5, blocks=trace.blocks, end="reset", end_t=2.0)
    assert expected == plan_of(trace) == replay(trace).plan
    assert b"ab" == expected.body


@pytest.mark.parametrize(
    ("trace", "head", "end", "end_t"),
    [
        (Trace(), 0.0, "eof", 0.0),
        (Trace(end="reset", end_time=2.0), None, "reset", 2.0),
        (Trace(status=204, end="eof"), 0.0, "eof", 0.0),
        (Trace(status=200, head_time=3.0, end="timeout", end_time=8.0), 3.0, "timeout", 8.0),
        (Trace(blocks=(Block(1.5, b"x"),), end="cancelled"), 1.5, "eof", 1.5),
    ],
)
def test_what_was_not_observed_follows_from_what_was(trace: Trace, head: float | None, end: str, end_t: float) -> None:
    plan = plan_of(trace)
    assert (head, end, end_t) == (plan.head, plan.end, plan.end_t)


@pytest.mark.parametrize("offset", [-1, 0, 1, 2, 3, 4, 9])
def test_a_split_loses_nothing(offset: int) -> None:
    blocks = (Block(1.0, b"ab"), Block(2.0, b"cd"))
    before, after = split(blocks, offset)
    assert b"abcd"[: max(offset, 0)] == b"".join(block.data for block in before)
    assert b"abcd"[max(offset, 0) :] == b"".join(block.data for block in after)
    assert attrs.evolve(plan_of(Trace()), blocks=(*before, *after)).body == b"abcd"
