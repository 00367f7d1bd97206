"""A trace as a source: blocks when they are due, then the end, sync and async, on a clock that takes no time."""

from __future__ import annotations

import asyncio
import http.client
import math
import selectors
import threading
import zlib
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.tier import some
from helpers.wire import DONE, delta, sse
from streamkit import (
    AsyncChatStream,
    ChatStream,
    Deadlines,
    FormatError,
    MisuseError,
    SourceError,
    TruncatedError,
    async_tee,
    reassemble,
    replay,
    tee,
)
from streamkit.testing import FakeClock
from streamkit.trace import Block, Trace, read_trace, write_trace

ROOT = Path(__file__).parents[2]
HI, STOP = sse(delta('{"role":"assistant","content":"Hi"}')), sse(delta("{}", "stop"))
TRACE = Trace(
    sender="x",
    case="y",
    status=200,
    headers=(("Content-Type", "text/event-stream"),),
    end="eof",
    blocks=(Block(1.0, HI), Block(2.5, STOP), Block(2.5, DONE)),
)
PATIENCE = 60  # seconds for what hangs


def path_of(recorded: Recorded) -> Path:
    return ROOT / f"traces/{recorded.name}.trace.jsonl"


# --- blocks when they are due


def test_each_block_arrives_at_its_time_and_lateness_does_not_add_up() -> None:
    clock = FakeClock(100.0)
    source = replay(TRACE, clock=clock)
    found = []
    for block in source:
        found.append((clock.now, block))
        clock.advance(1.2)  # a reader that takes its time over each block
    assert [(101.0, HI), (102.5, STOP), (103.7, DONE)] == found
    assert (0.0, 0.0, 1.2) == source.lags
    assert 1.2 == source.lag


def test_at_speed_0_nothing_waits() -> None:
    slept: list[float] = []
    assert [HI, STOP, DONE] == list(replay(TRACE, speed=0, sleep=slept.append))
    assert [] == slept


def test_an_injected_sleep_is_asked_for_each_wait() -> None:
    slept: list[float] = []
    assert [HI, STOP, DONE] == list(replay(TRACE, speed=0.5, clock=lambda: 7.0, sleep=slept.append))
    assert [2.0, 5.0, 5.0, 5.0] == slept  # of a clock that stands still


def test_time_starts_with_the_first_read() -> None:
    clock = FakeClock()
    source = replay(TRACE, clock=clock)
    clock.advance(50.0)
    next(source)
    assert 51.0 == clock.now


def test_a_replay_is_what_its_trace_says() -> None:
    source = replay(TRACE)
    assert (200, {"content-type": "text/event-stream"}, TRACE.blocks) == (source.status, source.headers, source.blocks)
    assert "<Replay open blocks=0/3 status=200>" == repr(source)


def test_it_is_read_once() -> None:
    source = replay(TRACE, speed=0)
    assert 3 == len(list(source))
    for again in (lambda: list(source), lambda: ChatStream(source), lambda: AsyncChatStream(source)):
        with pytest.raises(MisuseError, match=r"^this replay was read already: call replay\(\) again"):
            again()
    assert "<Replay over blocks=3/3 status=200>" == repr(source)


def test_a_wait_ends_when_another_thread_closes() -> None:
    source = replay(TRACE, faults="stall@head")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.extend(source), daemon=True)
    reader.start()
    source.close()
    reader.join(PATIENCE)
    assert not reader.is_alive()
    assert [] == found


@each(some(TRACES))
def test_a_recorded_stream_is_replayed_byte_for_byte_and_cut_for_cut(recorded: Recorded) -> None:
    clock = FakeClock()
    trace = read_trace(path_of(recorded))
    source = replay(trace, speed=3 if trace.timed else 0, clock=clock)
    found = []
    try:
        for block in source:
            found.append(block)
    except (http.client.IncompleteRead, ConnectionResetError, TimeoutError):
        assert trace.end in ("incomplete", "reset", "timeout")
    assert list(recorded.blocks) == found
    assert 0.0 == source.lag


# --- wherever a source is taken


def test_every_reader_of_sources_takes_it(tmp_path: Path) -> None:
    expected = reassemble(HI + STOP + DONE)
    assert expected == reassemble(replay(TRACE, speed=0))
    assert expected == ChatStream(replay(TRACE, speed=0)).response
    with tee(replay(TRACE, speed=0)) as passing:
        assert [HI, STOP, DONE] == list(passing)
        assert expected == passing.response
    write_trace(TRACE, tmp_path / "y.trace.jsonl")
    assert expected == reassemble(replay(tmp_path / "y.trace.jsonl", speed=0))
    with open(tmp_path / "y.trace.jsonl", "rb") as file:
        assert expected == reassemble(replay(file, speed=0))


def test_a_stream_over_it_has_its_times_and_its_deadlines() -> None:
    clock = FakeClock()
    with ChatStream(replay(TRACE, clock=clock), clock=clock, sent=0.0) as stream:
        stream.until_done()
        assert (1.0, 2.5) == (stream.timing.ttft, stream.timing.done)
    clock = FakeClock()
    with ChatStream(replay(TRACE, clock=clock), clock=clock, deadlines=Deadlines(first_byte=0.5)) as stream:
        assert "deadline_first_byte" == stream.until_done().reason


def test_a_refused_request_is_the_sender_s_error_with_its_status() -> None:
    with ChatStream(replay(TRACE, speed=0, faults="status=429,retry_after=3")) as stream:
        outcome = stream.until_done()
    assert ("failed", 429) == (outcome.name, getattr(outcome.error, "status", None))


def test_a_body_that_was_recorded_encoded_is_given_unpacked() -> None:
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(HI) + packer.flush(zlib.Z_SYNC_FLUSH), packer.compress(STOP + DONE) + packer.flush()]
    headers = (("Content-Encoding", "gzip"), ("Content-Length", "9"), ("X-One", "1"))
    blocks = tuple(Block(t, data) for t, data in zip((1.0, 2.0), packed, strict=True))
    source = replay(Trace(status=200, headers=headers, blocks=blocks, end="eof"))
    assert (Block(1.0, HI), Block(2.0, STOP + DONE)) == source.blocks
    assert {"x-one": "1"} == source.headers


# --- the end


@pytest.mark.parametrize(
    ("end", "raised"),
    [
        ("incomplete", http.client.IncompleteRead),
        ("reset", ConnectionResetError),
        ("timeout", TimeoutError),
        ("eof", None),
        ("cancelled", None),
        ("unknown", None),
    ],
)
def test_a_recorded_end_is_met_again(end: str, raised: type[Exception] | None) -> None:
    trace = Trace(sender="x", case="y", end=end, blocks=TRACE.blocks[:1])
    source = replay(trace, speed=0)
    assert HI == next(source)
    with pytest.raises(raised or StopIteration):
        next(source)
    with pytest.raises(StopIteration):
        next(source)


def test_before_the_head_a_client_has_other_words() -> None:
    with pytest.raises(http.client.RemoteDisconnected, match="without response"):
        next(replay(TRACE, speed=0, faults="disconnect@head"))
    with ChatStream(replay(TRACE, speed=0, faults="reset@head")) as stream:
        error = stream.until_done().error
    assert (SourceError, ConnectionResetError) == (type(error), type(error and error.__cause__))


def test_a_silence_is_as_long_as_the_reader_waits() -> None:
    clock = FakeClock()
    with ChatStream(replay(TRACE, faults="stall@block:2", clock=clock), clock=clock) as stream:
        outcome = stream.until_done()
    assert (TruncatedError, TimeoutError) == (type(outcome.error), type(outcome.error and outcome.error.__cause__))
    assert math.inf == clock.now


def test_head_and_end_have_their_own_times_where_they_were_observed() -> None:
    trace = Trace(status=200, head_time=0.25, blocks=TRACE.blocks, end="eof", end_time=4.0)
    clock = FakeClock()
    source = replay(trace, clock=clock)
    source.wait_for_head()
    assert 0.25 == clock.now
    assert [HI, STOP, DONE] == list(source)
    assert 4.0 == clock.now


def test_a_request_that_was_never_answered_fails_before_the_head_again() -> None:
    trace = Trace(method="POST", end="reset", end_time=3.0)
    clock = FakeClock()
    with pytest.raises(ConnectionResetError):
        replay(trace, clock=clock).wait_for_head()
    assert 3.0 == clock.now


# --- bad input


def test_a_torn_file_and_one_of_an_unknown_version_say_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "y.trace.jsonl"
    write_trace(TRACE, path)
    raw = path.read_bytes()
    path.write_bytes(raw[:-100])
    assert [HI] == [*replay(path, speed=0)]
    path.write_bytes(raw.replace(b'"version":', b'"version":9', 1))
    with pytest.raises(FormatError, match=r"y\.trace\.jsonl, line 1: expected .*version"):
        replay(path)
    path.write_bytes(b"data: [DONE]\n\n")
    with pytest.raises(FormatError, match=r"y\.trace\.jsonl, line 1: expected one JSON object"):
        replay(path)


# --- async


@pytest.mark.anyio
async def test_the_same_object_is_an_async_source() -> None:
    clock = FakeClock()
    source = replay(TRACE, clock=clock)
    found = [(clock.now, block) async for block in source]
    assert [(1.0, HI), (2.5, STOP), (2.5, DONE)] == found
    async with AsyncChatStream(replay(TRACE, speed=0)) as stream:
        assert "Hi" == "".join([text async for text in stream.text()])
    async with async_tee(replay(TRACE, speed=0)) as passing:
        assert [HI, STOP, DONE] == [block async for block in passing]


@pytest.mark.anyio
async def test_an_injected_sleep_may_be_async() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert 3 == len([block async for block in replay(TRACE, clock=lambda: 0.0, sleep=sleep)])
    assert [1.0, 2.5, 2.5, 2.5] == slept


@pytest.mark.anyio
async def test_an_async_wait_ends_when_another_task_closes() -> None:
    source = replay(TRACE, speed=0, faults="stall@block:2")
    waiting = anyio.Event()
    found: list[bytes] = []

    async def reads() -> None:
        async for block in source:
            found.append(block)
            waiting.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reads)
            await waiting.wait()
            await anyio.lowlevel.checkpoint()
            await source.aclose()
    assert [HI] == found


@pytest.mark.anyio
async def test_a_cancelled_wait_stops_at_once() -> None:
    source = replay(TRACE, faults="stall@head")
    with anyio.move_on_after(0) as scope:
        await anext(source)
    assert scope.cancelled_caught


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fault", "raised"), [("reset", ConnectionResetError), ("half_chunk", http.client.IncompleteRead)]
)
async def test_async_broken_ends_are_the_same(fault: str, raised: type[Exception]) -> None:
    source = replay(TRACE, speed=0, faults=fault)
    with pytest.raises(raised):
        async for _ in source:
            pass


# --- virtual time: 9 s and 29 s of a stream pass at once, nothing is late, deadlines fire at their instant

LONG = ["vllm/json_schema", "vllm/logprobs"]


async def long_stream(name: str) -> tuple[float, float, Any, float]:
    """Seconds of the clock for a whole replay, its lag; then how one with a deadline ended, and when."""
    source = replay(ROOT / f"traces/{name}.trace.jsonl")
    start = anyio.current_time()
    async with AsyncChatStream(source, clock=anyio.current_time) as stream:
        await stream.until_done()
    took = anyio.current_time() - start
    start = anyio.current_time()
    late = replay(ROOT / f"traces/{name}.trace.jsonl", faults="stall@0.5")
    deadlines = Deadlines(total=took)
    async with AsyncChatStream(late, clock=anyio.current_time, deadlines=deadlines) as stream:
        outcome = await stream.until_done()
    return took, source.lag, outcome.reason, anyio.current_time() - start


def check_long(name: str, found: tuple[float, float, Any, float]) -> None:
    took, lag, reason, after = found
    blocks = read_trace(ROOT / f"traces/{name}.trace.jsonl").blocks
    assert blocks[-1].t >= 9
    assert pytest.approx(blocks[-1].t, abs=1e-6) == took
    assert 0.0 == lag
    assert ("deadline_total", pytest.approx(took, abs=1e-6)) == (reason, after)


@pytest.mark.parametrize("name", LONG)
def test_under_trio_s_mock_clock_a_replay_takes_no_time(name: str) -> None:
    trio = pytest.importorskip("trio")
    from trio.testing import MockClock

    check_long(name, trio.run(long_stream, name, clock=MockClock(autojump_threshold=0)))


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time, as looptime has it (whose pytest plugin does not get along with anyio's)."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now = 0.0
        inner = self._selector  # type: ignore[attr-defined]
        select = inner.select

        def skip(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        inner.select = skip

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize("name", LONG)
def test_in_an_event_loop_without_waiting_a_replay_takes_no_time(name: str) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        check_long(name, runner.run(long_stream(name)))


def test_a_folder_in_place_of_a_trace_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"is a folder: name one of the traces in it$"):
        replay(tmp_path)
