"""What it costs to record a block, and to replay one, beside the stream that is read."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest

import shapes
import streamkit
from streamkit.trace import Block, Head, Trace, TraceWriter, read_trace, write_trace

BODY = shapes.events(shapes.text(shapes.CHUNKS))
TRACE = Trace(status=200, end="eof", blocks=tuple(Block(n * 0.01, data) for n, data in enumerate(BODY)))
FAULTS = (None, "stall=0@0.5", "drop@0.5", "corrupt@0.5", "malformed@0.5", "bandwidth")
"""`bandwidth` changes the time of each block; it is not waited for here."""


def drain(blocks: Iterable[bytes]) -> int:
    return sum(1 for _ in blocks)


def replayed(**options: Any) -> int:
    return drain(streamkit.replay(TRACE, speed=0, clock=lambda: 0.0, sleep=lambda seconds: None, **options))


def written(target: Any) -> None:
    with TraceWriter(target, Trace(method="POST")) as writer:
        writer.write(Head(0.0, 200))
        for block in TRACE.blocks:
            writer.write(block)


def bench_a_block_written_to_a_file_as_it_arrives(measure: Any, tmp_path: Any) -> None:
    measure("record: 1,000 blocks, by TraceWriter", written, tmp_path / "x.trace.jsonl")


def bench_a_block_written_to_memory(measure: Any) -> None:
    measure("record: 1,000 blocks, by TraceWriter", lambda: written(io.BytesIO()))


def bench_a_trace_written_whole(measure: Any) -> None:
    measure("record: 1,000 blocks, whole", lambda: write_trace(TRACE, io.BytesIO()))


def bench_a_trace_read(measure: Any) -> None:
    file = io.BytesIO()
    write_trace(TRACE, file)
    assert measure("replay: read the file", lambda: read_trace(io.BytesIO(file.getvalue()))).blocks == TRACE.blocks


@pytest.mark.parametrize("recut", [None, "one", "events", "bytes"])
def bench_a_trace_replayed(measure: Any, recut: Any) -> None:
    measure(f"replay: 1,000 blocks, recut={recut}", lambda: replayed(recut=recut))


@pytest.mark.parametrize("fault", FAULTS)
def bench_a_trace_replayed_with_a_fault(measure: Any, fault: str | None) -> None:
    measure("replay: 1,000 blocks, with a fault", lambda: replayed(faults=fault))


def bench_yardstick_the_blocks_alone(measure: Any) -> None:
    measure("replay: 1,000 blocks, recut=None", lambda: drain(block.data for block in TRACE.blocks))


def bench_a_replay_read_as_a_stream(measure: Any) -> None:
    def read() -> None:
        with streamkit.ChatStream(streamkit.replay(TRACE, speed=0)) as stream:
            stream.until_done()

    measure("replay: 1,000 blocks, read by a ChatStream", read)
