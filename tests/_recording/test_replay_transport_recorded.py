"""What is recorded of a replay is what was replayed: bytes, cuts, status, headers and end, by every client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.tier import some
from streamkit import (
    AsyncRecordingTransport,
    AsyncReplayTransport,
    RecordingTransport,
    ReplayTransport,
    record,
    replay,
)
from streamkit.trace import Trace, read_trace

ROOT = Path(__file__).parents[2]
URL = "http://replayed/v1/chat/completions"
LEAVES = ("litellm/engine_killed", "vllm/engine_killed")
"""Where openai-python leaves in mid-stream: at an error event."""


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def path_of(recorded: Recorded) -> Path:
    return ROOT / f"traces/{recorded.name}.trace.jsonl"


def facts(trace: Trace) -> Any:
    return [block.data for block in trace.blocks], trace.status, trace.end


@each(TRACES)
def test_a_source_is_recorded_as_it_was_replayed(recorded: Recorded, tmp_path: Path) -> None:
    trace = read_trace(path_of(recorded))
    try:
        for _ in record(replay(trace, speed=0), tmp_path / "x.trace.jsonl"):
            pass
    except Exception:
        assert trace.end != "eof"
    assert facts(trace) == facts(read_trace(tmp_path / "x.trace.jsonl"))


@each(TRACES)
def test_a_response_is_recorded_as_it_was_replayed(recorded: Recorded, tmp_path: Path, library: Any) -> None:
    trace = read_trace(path_of(recorded))
    transport = RecordingTransport(ReplayTransport(trace, speed=0), into=tmp_path / "x.trace.jsonl")
    try:
        with library.Client(transport=transport) as client, client.stream("POST", URL, json={}) as response:
            for _ in response.iter_raw():
                pass
    except library.HTTPError:
        assert trace.end != "eof"
    found = read_trace(tmp_path / "x.trace.jsonl")
    assert facts(trace) == facts(found)
    assert [] == [pair for pair in found.headers if pair not in trace.headers]


@each(some(TRACES))
def test_what_the_sdk_reads_is_recorded_to_its_end_though_it_closes_at_done(recorded: Recorded, tmp_path: Path) -> None:
    openai, httpx = pytest.importorskip("openai"), pytest.importorskip("httpx")
    trace = read_trace(path_of(recorded))
    transport = RecordingTransport(ReplayTransport(trace, speed=0), into=tmp_path / "x.trace.jsonl")
    http_client = httpx.Client(transport=transport)
    with openai.OpenAI(api_key="any", base_url="http://x/v1", max_retries=0, http_client=http_client) as client:
        try:
            for _ in client.chat.completions.create(model="m", messages=[], stream=True):
                pass
        except Exception:  # openai's own, or of an older one httpx's
            pass
    if recorded.name not in LEAVES:
        assert facts(trace) == facts(read_trace(tmp_path / "x.trace.jsonl"))


@pytest.mark.anyio
@each(some(TRACES)[::2])
async def test_async_clients_record_the_same(recorded: Recorded, tmp_path: Path, library: Any) -> None:
    trace = read_trace(path_of(recorded))
    transport = AsyncRecordingTransport(AsyncReplayTransport(trace, speed=0), into=tmp_path / "x.trace.jsonl")
    try:
        async with library.AsyncClient(transport=transport) as client, client.stream("POST", URL, json={}) as response:
            async for _ in response.aiter_raw():
                pass
    except library.HTTPError:
        assert trace.end != "eof"
    assert facts(trace) == facts(read_trace(tmp_path / "x.trace.jsonl"))
