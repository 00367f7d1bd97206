"""Whatever is a source can be recorded while it is read, by whatever reads it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.loopback import EVENTS, PATIENCE, Loopback
from helpers.loopback_async import HTTP, Opener, by_aiohttp_content, named, run
from helpers.loopback_sync import CLIENTS, QUESTION, by_http_client, by_httpx, by_urllib3, by_urllib_request, name_of
from helpers.tier import some
from helpers.wire import DONE
from streamkit import (
    AsyncChatStream,
    ChatStream,
    MisuseError,
    async_record,
    reassemble,
    record,
    tee,
)
from streamkit.testing import FakeClock
from streamkit.trace import Trace, read_trace

BODY = b"".join(EVENTS)


@each(some(TRACES))
def test_every_recorded_stream_goes_through_and_into_the_file(recorded: Recorded, tmp_path: Path) -> None:
    path = tmp_path / "x.trace.jsonl"
    assert [*recorded.blocks] == [*record(recorded.blocks, path)]
    trace = read_trace(path)
    assert ([*recorded.blocks], "eof", "reader") == ([b.data for b in trace.blocks], trace.end, trace.observed)


@pytest.mark.parametrize("client", CLIENTS, ids=name_of)
def test_the_first_block_is_out_before_the_second_is_in(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.trace.jsonl"
    with Loopback() as server, client(server) as source, record(source, path) as blocks:
        for block in blocks:
            assert block in read_trace(path).body
            server.saw(block)
    trace = read_trace(path)
    assert (BODY, "eof", 200) == (trace.body, trace.end, trace.status)
    assert ("Content-Type", "text/event-stream") in trace.headers
    if client is by_http_client:
        return  # its response does not know its request
    assert trace.path.startswith("/v1")
    if client not in (by_urllib3, by_urllib_request):
        assert trace.method in ("GET", "POST")
    if trace.method == "POST":
        assert QUESTION == trace.request


@named(HTTP)
def test_async_the_first_block_is_out_before_the_second_is_in(client: Opener, backend: str, tmp_path: Path) -> None:
    path = tmp_path / "x.trace.jsonl"

    async def main() -> None:
        with Loopback() as server:
            async with client(server) as source, async_record(source, path) as blocks:
                async for block in blocks:
                    server.saw(block)

    run(main, backend)
    trace = read_trace(path)
    # The `content` of a response of aiohttp has no status.
    assert (BODY, "eof", None if client is by_aiohttp_content else 200) == (trace.body, trace.end, trace.status)


def test_a_chat_stream_a_tee_and_reassemble_read_through_it(tmp_path: Path) -> None:
    with ChatStream(record([*EVENTS], tmp_path / "a.jsonl")) as stream:
        assert "Grüße" == "".join(stream.text())
    assert [*EVENTS] == [*tee(record([*EVENTS], tmp_path / "b.jsonl"))]
    assert "Grüße" == reassemble(record([*EVENTS], tmp_path / "c.jsonl")).choices[0].message.content
    for name in "ac":  # closed at [DONE]: the source is a list, of which nothing more is asked
        assert BODY == read_trace(tmp_path / f"{name}.jsonl").body
    assert "eof" == read_trace(tmp_path / "b.jsonl").end


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_chat_stream_reads_through_it(backend: str, tmp_path: Path) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        for event in EVENTS:
            yield event

    async def main() -> None:
        async with AsyncChatStream(async_record(blocks(), tmp_path / "a.jsonl")) as stream:
            assert "Grüße" == "".join([text async for text in stream.text()])

    run(main, backend)
    assert BODY == read_trace(tmp_path / "a.jsonl").body


def test_the_end_is_seen_although_the_reader_closes_at_done(tmp_path: Path) -> None:
    with Loopback() as server, by_httpx(server) as response:
        recording = record(response, tmp_path / "x.jsonl", grace=PATIENCE)
        for block in recording:
            server.saw(block)
            if DONE in block:
                break
        recording.close()
    assert ("eof", BODY) == ((trace := read_trace(tmp_path / "x.jsonl")).end, trace.body)


@pytest.mark.parametrize("left_after", range(len(EVENTS)))
def test_a_reader_that_leaves_before_is_recorded_as_that(left_after: int, tmp_path: Path) -> None:
    closed = []

    def blocks() -> Iterator[bytes]:
        try:
            yield from EVENTS
        finally:
            closed.append(True)

    recording = record(blocks(), tmp_path / "x.jsonl")
    with recording:
        for _ in range(left_after):
            next(recording)
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("cancelled", [*EVENTS[:left_after]]) == (trace.end, [block.data for block in trace.blocks])
    assert [True][: min(left_after, 1)] == closed  # a generator that never ran has nothing to close


def test_what_the_source_raises_is_raised_and_is_the_end(tmp_path: Path) -> None:
    def blocks() -> Iterator[bytes]:
        yield EVENTS[0]
        raise ConnectionResetError("reset by peer")

    recording = record(blocks(), tmp_path / "x.jsonl")
    assert EVENTS[0] == next(recording)
    with pytest.raises(ConnectionResetError):
        next(recording)
    recording.close()
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("reset", "ConnectionResetError: reset by peer") == (trace.end, trace.error)


def test_chunks_are_written_as_events_again_and_the_trace_says_so(tmp_path: Path) -> None:
    chunks = [{"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}]
    assert chunks == [*record(chunks, tmp_path / "x.jsonl")]
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("rebuilt from chunks", "eof") == (trace.provenance, trace.end)
    assert chunks == [json.loads(trace.body.removeprefix(b"data: "))]


def test_an_encoded_body_is_recorded_unpacked_and_without_the_headers_that_said_otherwise(tmp_path: Path) -> None:
    with Loopback(encoding="gzip") as server, by_httpx(server) as response:
        for block in record(response, tmp_path / "x.jsonl"):
            server.saw(block)
    trace = read_trace(tmp_path / "x.jsonl")
    assert (BODY, "") == (trace.body, trace.encoding)
    assert "sent as gzip" in trace.notes


def test_what_the_source_does_not_know_is_taken_from_the_header(tmp_path: Path) -> None:
    header = Trace(sender="acme", case="hello", notes="by hand", request={"n": 1})
    assert [b"x"] == [*record([b"x"], tmp_path / "x.jsonl", header=header, sent=0.0)]
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("acme", "hello", "by hand", {"n": 1}) == (trace.sender, trace.case, trace.notes, trace.request)


def test_times_are_those_of_the_clock_since_the_request_was_sent(tmp_path: Path) -> None:
    clock = FakeClock(100.0)
    blocks = clock.timed([b"a\n", b"b\n"], 0.5)
    assert [b"a\n", b"b\n"] == [*record(blocks, tmp_path / "x.jsonl", sent=99.0, clock=clock)]
    trace = read_trace(tmp_path / "x.jsonl")
    assert ([1.5, 2.0], 2.0) == ([block.t for block in trace.blocks], trace.end_time)


def test_it_is_written_into_a_binary_file_too() -> None:
    file = io.BytesIO()
    assert [b"x\n"] == [*record([b"x\n"], file)]
    assert b"x\n" == read_trace(io.BytesIO(file.getvalue())).body


def test_misuse_is_refused_before_a_file_is_made(tmp_path: Path) -> None:
    for source, into, text in ((7, tmp_path / "x.jsonl", "source"), ([b""], 7, "into="), ([b""], "", "into=")):
        with pytest.raises(MisuseError, match=text):
            record(source, into)  # type: ignore[arg-type]
        with pytest.raises(MisuseError, match=text):
            async_record(source, into)  # type: ignore[arg-type]
    assert [] == [*tmp_path.iterdir()]


PROGRAM = """
import sys, streamkit
for block in streamkit.record(sys.stdin.buffer, sys.argv[1]):
    print(len(block), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL, as POSIX has it")
@pytest.mark.parametrize("name", ["x.trace.jsonl", "x.trace.jsonl.gz"])
def test_killed_in_mid_stream_the_file_has_what_had_arrived(name: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path / name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for event in EVENTS[:3]:
            process.stdin.write(event)
            assert len(event) == int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.stdin.close()
        process.stdout.close()
    trace = read_trace(tmp_path / "x.trace.jsonl")  # plain while it was recorded
    assert ([*EVENTS[:3]], "unknown", True) == ([block.data for block in trace.blocks], trace.end, trace.torn)
