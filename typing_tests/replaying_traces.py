"""Code that replays traces, as users write it, sync, async, and in place of the network."""

from typing import Any, assert_type

import httpx

import streamkit
from streamkit import AsyncReplayTransport, Fault, Replay, ReplayTransport, pace, replay
from streamkit.testing import FakeClock, RecordedStream, traces
from streamkit.trace import Block, Trace, read_trace


def sources(path: str, trace: Trace) -> None:
    source = replay(path, speed=2, ttft=0.5, max_gap=1, recut="bytes", faults="stall=2@event:5", seed=7)
    assert_type(source, Replay)
    for block in source:
        assert_type(block, bytes)
    assert_type(source.blocks, tuple[Block, ...])
    assert_type(source.lag, float)
    assert_type(source.status, int | None)
    replay(trace, pace=pace(ttft=0.5, itl=0.02, jitter=0.1, seed=1), recut=100, clock=FakeClock())
    replay(trace, faults=[Fault("reset", at=0.5), "drop@event:3"])
    replay(trace, recut="byte")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_sources(path: str) -> None:
    async for block in replay(path):
        assert_type(block, bytes)
    async with streamkit.AsyncChatStream(replay(path)) as stream:
        await stream.until_done()


def transports(path: str, trace: Trace) -> tuple[httpx.Client, httpx.AsyncClient]:
    transport = ReplayTransport([path, trace, replay(trace, faults="status=429")], speed=0)
    assert_type(transport.requests, list[Any])
    assert_type(transport.replays, tuple[Replay, ...])
    return httpx.Client(transport=transport), httpx.AsyncClient(transport=AsyncReplayTransport(trace))


def recorded() -> None:
    for one in traces("vllm/plain"):
        assert_type(one, RecordedStream)
        assert_type(one.trace, Trace)
        assert_type(one.blocks, tuple[bytes, ...])
    assert_type(read_trace("x"), Trace)
