"""Code that records and reads traces, as users write it: every line must pass strict type checkers."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import streamkit
from streamkit.trace import Block, Ending, Head, Trace, TraceWriter, iter_trace, read_trace, write_trace


class BaseTransport:
    """Stands for that of httpx and of httpx2: a recording transport passes for either."""


class Client:
    def __init__(self, transport: BaseTransport | None = None) -> None: ...


def clients() -> None:
    Client(transport=streamkit.RecordingTransport(into="traces/"))
    Client(transport=streamkit.AsyncRecordingTransport(into="x.trace.jsonl.gz", keep_headers=("x-mine",), scrub=False))
    inner = BaseTransport()
    streamkit.RecordingTransport(inner, "traces/", scrub=lambda text: [text[:3]], max_bytes=1 << 20)


def sources(blocks: Iterator[bytes]) -> None:
    with streamkit.record(blocks, "x.trace.jsonl", header=Trace(sender="acme")) as recording:
        assert_type(recording, streamkit.Recording)
        for _ in recording:
            pass
    with streamkit.ChatStream(streamkit.record(blocks, "x.trace.jsonl", sent=0.5)) as stream:
        print(stream.response)


async def async_sources(blocks: AsyncIterator[bytes]) -> None:
    async with streamkit.async_record(blocks, "x.trace.jsonl") as recording:
        async for _ in recording:
            pass


def files() -> None:
    trace = read_trace("x.trace.jsonl")
    assert_type(trace.blocks, tuple[Block, ...])
    assert_type(trace.head_time, float | None)
    write_trace(trace, "y.trace.jsonl.gz")
    with TraceWriter("z.trace.jsonl", Trace(method="POST")) as writer:
        assert_type(writer.write(Head(0.1, 200)), bool)
        writer.write(Ending(0.2, "eof"))
    for item in iter_trace("z.trace.jsonl"):
        assert_type(item, Trace | Head | Block | Ending)
