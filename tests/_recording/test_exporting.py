"""Traces for other tools: the body, and a timeline whose slices nest and stand in order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from streamkit import MisuseError
from streamkit._recording.exporting import as_chrome, as_sse
from streamkit.trace import Block, Trace, read_trace

TRACES = [*sorted((Path(__file__).parents[2] / "traces").glob("*/*.trace.jsonl"))]


def test_the_body_is_what_was_sent_unpacked() -> None:
    assert b"data: 1\n\n" == as_sse(Trace(blocks=(Block(0, b"data: "), Block(1, b"1\n\n"))))
    packed = Trace(headers=(("Content-Encoding", "gzip"),), blocks=(Block(0, gzip.compress(b"data: 1\n\n")),))
    assert b"data: 1\n\n" == as_sse(packed)


@pytest.mark.parametrize("path", TRACES, ids=lambda path: f"{path.parent.name}/{path.name.partition('.')[0]}")
def test_the_slices_of_a_timeline_nest_and_stand_in_order(path: Path) -> None:
    trace = read_trace(path)
    if not trace.timed:
        with pytest.raises(MisuseError, match="times"):
            as_chrome(trace)
        return
    events: list[dict[str, Any]] = json.loads(as_chrome(trace))["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    assert 1 + len(trace.blocks) == sum(event["name"].startswith("block") for event in slices) + 1
    times = [event["ts"] for event in events if "ts" in event]
    assert sorted(times) == times
    open_until: list[int] = []
    for one in slices:
        begin, end = one["ts"], one["ts"] + one["dur"]
        while open_until and open_until[-1] <= begin:
            open_until.pop()
        assert not open_until or end <= open_until[-1]
        open_until.append(end)


def test_an_exchange_says_what_it_was_and_where_each_event_ended() -> None:
    trace = Trace(
        sender="acme",
        case="hello",
        status=200,
        head_time=0.1,
        blocks=(Block(0.25, b"data: 1\n\ndata: 2"), Block(0.5, b"\n\n")),
        end="eof",
        end_time=0.75,
    )
    events = json.loads(as_chrome(trace))["traceEvents"]
    seen = [(one["name"], one.get("ts"), one.get("dur")) for one in events if one["ph"] != "M"]
    assert [
        ("acme hello", 0, 750_000),
        ("head", 0, 100_000),
        ("block 1", 100_000, 150_000),
        ("event 1", 250_000, None),
        ("block 2", 250_000, 250_000),
        ("event 2", 500_000, None),
        ("end: eof", 500_000, 250_000),
    ] == seen
