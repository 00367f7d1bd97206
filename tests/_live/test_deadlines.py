"""Deadlines: what they count, what resets them, which one passes first; and streams that are slower than they allow."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from helpers.wire import DONE, delta, sse
from streamkit import AsyncChatStream, ChatStream, DeadlineError, Deadlines, MisuseError
from streamkit._live.deadlines import Watch
from streamkit.testing import FOREVER, AsyncFakeSource, FakeClock, FakeSource

pytestmark = pytest.mark.anyio
SOON = 0.01  # seconds of real time, for what never comes

ROLE = sse(delta('{"role":"assistant","content":""}'))
TEXT = sse(delta('{"content":"a"}'))
END = sse(delta(finish="stop")) + DONE
COMMENT = b": still here\n\n"
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def read(deadlines: Deadlines, *script: Any, sent: float | None = None) -> ChatStream:
    """A sync stream that has been read to its end; the clock starts at 100."""
    clock = FakeClock(100.0)
    stream = ChatStream(FakeSource(script, clock=clock), deadlines=deadlines, clock=clock, sent=sent)
    stream.until_done()
    return stream


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param)
    return str(request.param)


# --- what is asked for


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "5", True])
def test_a_deadline_is_seconds_finite_and_more_than_none(seconds: Any) -> None:
    with pytest.raises(MisuseError, match="takes seconds"):
        Deadlines(idle=seconds)


def test_without_deadlines_nothing_is_left_to_wait_for() -> None:
    assert None is Watch(Deadlines(), 0.0).left(1e9)


def test_the_nearest_deadline_counts() -> None:
    watch = Watch(Deadlines(first_byte=5, idle=3, total=10), 0.0)
    assert ("idle", 3) == watch.left(0.0)
    assert ("first_byte", 1) == watch.left(4.0)


def test_a_deadline_that_was_met_is_done_with() -> None:
    watch = Watch(Deadlines(first_byte=5, first_output=8, total=10), 0.0)
    watch.came(1.0, data=True, output=False)
    assert ("first_output", 6) == watch.left(2.0)
    watch.came(2.0, data=True, output=True)
    assert ("total", 7) == watch.left(3.0)


def test_idle_counts_the_wait_and_not_the_time_that_the_reader_takes() -> None:
    watch = Watch(Deadlines(idle=3), 0.0)
    watch.left(0.0)
    watch.came(2.0, data=True, output=True)
    assert ("idle", 3) == watch.left(60.0)
    assert watch.late(62.9) is None
    assert "idle" == watch.late(63.0)


def test_idle_adds_up_over_reads_that_brought_only_keep_alives() -> None:
    watch = Watch(Deadlines(idle=3), 0.0)
    watch.left(0.0)
    watch.came(2.0, data=False, output=False)
    assert ("idle", 1) == watch.left(10.0)


# --- sync streams


@pytest.mark.parametrize(
    "deadlines, script, name",
    [
        (Deadlines(first_byte=5), [6, COMMENT, FOREVER], "first_byte"),
        (Deadlines(first_output=5), [1, ROLE, 5, ROLE, FOREVER], "first_output"),
        (Deadlines(idle=5), [1, TEXT, 5, TEXT, FOREVER], "idle"),
        (Deadlines(total=5), [3, TEXT, 3, TEXT, FOREVER], "total"),
    ],
    ids=["first-byte", "first-output", "idle", "total"],
)
def test_a_stream_that_is_late_has_failed_with_the_name_of_the_deadline(
    deadlines: Deadlines, script: list[Any], name: str
) -> None:
    clock = FakeClock(100.0)
    source = FakeSource(script, clock=clock)
    stream = ChatStream(source, deadlines=deadlines, clock=clock)
    outcome = stream.until_done()
    assert ("failed", f"deadline_{name}") == (outcome.name, outcome.reason)
    assert isinstance(outcome.error, DeadlineError)
    assert (name, 5) == (outcome.error.deadline, outcome.error.seconds)
    assert stream.snapshot() == outcome.error.partial
    assert 1 == source.closed


@pytest.mark.parametrize(
    "deadlines, script",
    [
        (Deadlines(first_byte=5), [4, COMMENT, 9, TEXT, 9, END]),
        (Deadlines(first_output=5), [4, TEXT, 9, TEXT, END]),
        (Deadlines(idle=5), [4, TEXT, 4, TEXT, 4, END]),
        (Deadlines(total=5), [2, TEXT, 2, END]),
    ],
    ids=["first-byte", "first-output", "idle", "total"],
)
def test_a_stream_that_is_in_time_is_complete(deadlines: Deadlines, script: list[Any]) -> None:
    assert "complete" == read(deadlines, *script).until_done().name


def test_a_late_block_is_read_all_the_same() -> None:
    stream = read(Deadlines(total=5), 6, TEXT, FOREVER)
    assert "a" == stream.snapshot().choices[0].message.content


def test_a_stream_that_a_late_block_completes_is_complete() -> None:
    assert "complete" == read(Deadlines(total=5), TEXT, 6, END).until_done().name


def test_the_time_before_the_stream_was_made_counts_where_it_is_known() -> None:
    assert "complete" == read(Deadlines(total=5), 3, TEXT, END).until_done().name
    assert "failed" == read(Deadlines(total=5), 3, TEXT, END, sent=97.0).until_done().name


@pytest.mark.parametrize("keep_alive", [COMMENT, PING, b"\n", b":\r\n"], ids=["comment", "ping", "newline", "colon"])
def test_keep_alives_do_not_reset_idle(keep_alive: bytes) -> None:
    script = [TEXT, 2, keep_alive, 2, keep_alive, 2, keep_alive, FOREVER]
    assert "deadline_idle" == read(Deadlines(idle=5), *script).until_done().reason


@pytest.mark.parametrize("keep_alive", [COMMENT, PING], ids=["comment", "ping"])
def test_keep_alives_reset_idle_where_the_caller_says_so(keep_alive: bytes) -> None:
    script = [TEXT, 3, keep_alive, 3, keep_alive, 3, END]
    assert "complete" == read(Deadlines(idle=5, keep_alives_count=True), *script).until_done().name


def test_the_parts_of_a_large_event_reset_idle() -> None:
    first, second, third = TEXT[:20], TEXT[20:40], TEXT[40:]
    assert "complete" == read(Deadlines(idle=5), first, 3, second, 3, third, 3, END).until_done().name


def test_a_comment_in_two_blocks_does_not_reset_idle() -> None:
    script = [TEXT, 2, b": sti", 2, b"ll here\n\n", 2, COMMENT, FOREVER]
    assert "deadline_idle" == read(Deadlines(idle=5), *script).until_done().reason


def test_a_passed_deadline_is_raised_behind_the_last_event() -> None:
    clock = FakeClock(100.0)
    stream = ChatStream(FakeSource([TEXT, 6, TEXT], clock=clock), deadlines=Deadlines(idle=5), clock=clock)
    told: list[Any] = []
    with pytest.raises(DeadlineError, match="no data arrived for 5 s") as raised:
        told.extend(stream)
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in told[-2:]]
    assert "aa" == raised.value.partial.choices[0].message.content
    assert raised.value.emitted
    assert [] == list(stream)


def test_a_sync_stream_does_not_begin_a_read_behind_its_deadline() -> None:
    clock = FakeClock(100.0)
    source = FakeSource([TEXT], clock=clock)
    stream = ChatStream(source, deadlines=Deadlines(total=5), clock=clock)
    clock.now += 6
    assert "deadline_total" == stream.until_done().reason
    assert (0, 1) == (source.reads, source.closed)


# --- async streams


@pytest.mark.parametrize(
    "deadlines, script, name",
    [
        (Deadlines(first_byte=SOON), [FOREVER], "first_byte"),
        (Deadlines(first_output=SOON), [ROLE, FOREVER], "first_output"),
        (Deadlines(idle=SOON), [TEXT, FOREVER], "idle"),
        (Deadlines(total=SOON), [TEXT, FOREVER], "total"),
    ],
    ids=["first-byte", "first-output", "idle", "total"],
)
async def test_an_async_read_is_broken_off_when_the_deadline_passes(
    deadlines: Deadlines, script: list[Any], name: str
) -> None:
    source = AsyncFakeSource(script)
    stream = AsyncChatStream(source, deadlines=deadlines)
    with pytest.raises(DeadlineError) as raised:
        async for _ in stream:
            pass
    assert ("failed", f"deadline_{name}") == (stream.outcome.name, stream.outcome.reason)
    assert name == raised.value.deadline
    assert stream.snapshot() == raised.value.partial
    assert 1 == source.closed


async def test_an_async_stream_that_is_in_time_is_complete() -> None:
    clock = FakeClock(100.0)
    source = AsyncFakeSource([4, TEXT, 4, COMMENT, TEXT, 4, END], clock=clock)
    stream = AsyncChatStream(source, deadlines=Deadlines(first_byte=5, idle=5, total=50), clock=clock)
    assert "complete" == (await stream.until_done()).name


async def test_a_deadline_that_had_passed_before_the_read_still_takes_what_is_there() -> None:
    clock = FakeClock(100.0)
    source = AsyncFakeSource([TEXT], clock=clock)
    stream = AsyncChatStream(source, deadlines=Deadlines(total=5), clock=clock)
    clock.now += 6
    assert "deadline_total" == (await stream.until_done()).reason


async def test_a_client_that_wraps_its_cancellation_has_run_into_the_deadline_all_the_same() -> None:
    async def client() -> Any:
        yield TEXT
        try:
            await anyio.sleep_forever()
        except BaseException:
            raise ConnectionError("read failed") from None

    stream = AsyncChatStream(client(), deadlines=Deadlines(idle=SOON))
    assert "deadline_idle" == (await stream.until_done()).reason


def test_a_deadline_that_passed_is_the_reason_also_where_the_client_timed_out_first() -> None:
    clock = FakeClock(100.0)

    def silent() -> Any:
        yield ROLE + TEXT
        clock.now += 5
        raise TimeoutError("read timed out")

    stream = ChatStream(silent(), deadlines=Deadlines(idle=3), clock=clock)
    outcome = stream.until_done()
    assert ("failed", "deadline_idle") == (outcome.name, outcome.reason)
    assert isinstance(outcome.error, DeadlineError)
    assert isinstance(outcome.error.__cause__, TimeoutError)


def test_what_is_no_deadlines_or_no_time_is_told_at_once() -> None:
    with pytest.raises(MisuseError, match="takes a Deadlines, not int"):
        ChatStream([TEXT], deadlines=30)  # type: ignore[arg-type]
    with pytest.raises(MisuseError, match="sent= takes a time by the stream's clock"):
        ChatStream([TEXT], clock=FakeClock(100.0), sent=1e9)


# --- a slow loris


def dripped(wire: bytes, seconds: float) -> list[Any]:
    """One byte at a time, and so many seconds before each."""
    return [step for byte in wire for step in (seconds, bytes([byte]))]


async def test_a_sender_that_drips_bytes_passes_no_idle_deadline_but_that_of_the_first_output_and_the_total() -> None:
    drip = dripped(ROLE + TEXT + TEXT, 4.0)
    assert "no_finish" == read(Deadlines(idle=5), *drip).outcome.reason
    assert "deadline_first_output" == read(Deadlines(idle=5, first_output=60), *drip).outcome.reason
    assert "deadline_total" == read(Deadlines(idle=5, total=400), *drip).outcome.reason


async def test_a_sender_that_drips_keep_alives_passes_the_idle_deadline_also_where_it_cuts_them() -> None:
    drip = [TEXT, *dripped(COMMENT, 4.0)]
    stream = read(Deadlines(idle=5), *drip)
    assert "deadline_idle" == stream.outcome.reason
    assert "a" == stream.snapshot().choices[0].message.content


def test_deadlines_can_be_held_by_hand() -> None:
    watch = Deadlines(total=5).watch(100.0)
    assert watch is not None
    assert ("total", 2.0) == watch.left(103.0)
    assert "total" == watch.late(105.0)
    assert Deadlines(keep_alives_count=True).watch(100.0) is None
    with pytest.raises(MisuseError, match="a time by the caller's clock, in seconds, not 'soon'"):
        Deadlines(total=5).watch("soon")  # type: ignore[arg-type]
