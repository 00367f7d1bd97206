"""Bytes go on untouched while an accumulator watches, whatever becomes of either."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from itertools import count
from typing import Any

import anyio
import pytest

from helpers.corpus import TRACES, Recorded, each
from helpers.stepping import cancelled_at
from streamkit import (
    Accumulator,
    AsyncBroadcast,
    Broadcast,
    ChatStream,
    DeadlineError,
    Deadlines,
    FormatError,
    MisuseError,
    SourceError,
    Timing,
    reassemble,
)
from streamkit._clean.to_events_async import async_to_events
from streamkit._live.tee import async_tee, tee
from streamkit.sources import Blocks
from streamkit.testing import (
    DONE,
    FOREVER,
    AsyncFakeSource,
    FakeClock,
    FakeSource,
    check_async_source,
    check_source,
    chunk,
    each_byte,
    event,
    stream_bytes,
)

WIRE = stream_bytes("Hel", "lo", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
EVENTS = [one + b"\n\n" for one in WIRE.split(b"\n\n")[:-1]]
LONG = [*[event(chunk("some words of a text "))] * 100, event(chunk(finish="stop")), DONE]
BLOCKS = [WIRE[:5], b"", WIRE[5:100], WIRE[100:]]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def run(backend: str, function: Any) -> Any:
    return anyio.run(function, backend=backend)


@each(TRACES)
def test_the_bytes_and_their_boundaries_are_those_of_the_source(recorded: Recorded) -> None:
    watched = tee(recorded.blocks)
    assert list(recorded.blocks) == list(watched)
    alone = Accumulator()
    alone.absorb(recorded.body)
    assert alone.close() == watched.outcome
    assert alone.snapshot() == watched.response
    assert watched.error is None


def test_every_block_goes_on_and_the_response_is_there_at_the_end() -> None:
    watched = tee(FakeSource(BLOCKS))
    assert BLOCKS == list(watched)
    assert watched.outcome is not None
    assert "done" == watched.outcome.reason
    assert reassemble(WIRE) == watched.response == watched.accumulator.snapshot()
    assert None is next(watched, None)
    with pytest.raises(MisuseError, match="iterate over it once"):
        list(watched)


def test_the_async_sibling_gives_the_same(backend: str) -> None:
    async def main() -> None:
        async with async_tee(AsyncFakeSource(BLOCKS)) as watched:
            assert BLOCKS == [block async for block in watched]
            assert None is await anext(watched, None)
            with pytest.raises(MisuseError, match="iterate over it once"):
                [block async for block in watched]
        assert watched.outcome is not None
        assert "done" == watched.outcome.reason
        assert reassemble(WIRE) == watched.response
        assert watched.error is None

    run(backend, main)


def test_a_block_goes_on_before_it_is_watched() -> None:
    accumulator = Accumulator()
    watched = tee([WIRE], accumulator)
    next(watched)
    assert 0 == accumulator.statistics().bytes
    assert reassemble(WIRE) == watched.response
    assert len(WIRE) == accumulator.statistics().bytes


def test_a_tee_is_a_source_as_good_as_the_one_it_watches() -> None:
    check_source(lambda given: tee(FakeSource(given)))


def test_an_async_tee_is_a_source_as_good_as_the_one_it_watches(backend: str) -> None:
    async def main() -> None:
        await check_async_source(lambda given: async_tee(AsyncFakeSource(given)))

    run(backend, main)


class Broken(Accumulator):
    """An accumulator with a bug."""

    def absorb(self, block: Any) -> None:
        raise ZeroDivisionError

    def close(self) -> Any:
        raise ZeroDivisionError

    def cancel(self) -> Any:
        raise ZeroDivisionError

    def snapshot(self) -> Any:
        raise ZeroDivisionError


def test_what_the_watcher_fails_with_is_kept_and_the_bytes_go_on(backend: str) -> None:
    watched = tee(BLOCKS, Broken())
    assert BLOCKS == list(watched)
    assert isinstance(watched.error, ZeroDivisionError)
    assert watched.response is None
    watched.close()

    async def main() -> None:
        watched = async_tee(BLOCKS, Broken())
        assert BLOCKS == [block async for block in watched]
        assert isinstance(watched.error, ZeroDivisionError)
        await watched.aclose()

    run(backend, main)


def test_a_strict_watcher_stops_at_the_first_anomaly_and_the_bytes_go_on() -> None:
    bad = event('{"choices":{"delta":{"content":"a"}}}') + WIRE
    watched = tee(each_byte(bad), Accumulator(strict=True))
    assert bad == b"".join(watched)
    assert isinstance(watched.error, FormatError)
    assert watched.outcome is not None
    assert "anomaly" == watched.outcome.reason


def test_an_accumulator_that_was_closed_by_somebody_else_is_a_failure_of_the_watcher() -> None:
    accumulator = Accumulator()
    watched = tee(BLOCKS, accumulator)
    accumulator.close()
    assert BLOCKS == list(watched)
    assert isinstance(watched.error, MisuseError)


def used(how: Any) -> Accumulator:
    accumulator = Accumulator()
    how(accumulator)
    return accumulator


NO_WATCHERS: list[Any] = [
    "x",
    Accumulator,
    used(lambda one: one.close()),
    used(lambda one: one.cancel()),
    used(lambda one: one.feed(b"d")),
    used(lambda one: one.add(chunk("a"))),
]


@pytest.mark.parametrize("accumulator", NO_WATCHERS)
@pytest.mark.parametrize("maker", [tee, async_tee, Broadcast, AsyncBroadcast])
def test_an_accumulator_that_cannot_watch_it_all_is_refused_at_once(maker: Any, accumulator: Any) -> None:
    source = FakeSource(BLOCKS)
    with pytest.raises(MisuseError, match="Accumulator"):
        maker(source, accumulator)
    assert 0 == source.taken


def test_what_the_source_raises_is_raised_and_the_stream_has_broken_off(backend: str) -> None:
    lost = ConnectionResetError("gone")
    watched = tee(FakeSource([WIRE[:300]], fail=lost))
    with pytest.raises(ConnectionResetError) as caught:
        list(watched)
    assert lost is caught.value
    assert watched.outcome is not None
    assert "truncated" == watched.outcome.name
    assert watched.error is None

    async def main() -> None:
        watched = async_tee(AsyncFakeSource([WIRE[:300]], fail=lost))
        with pytest.raises(ConnectionResetError):
            [block async for block in watched]
        assert watched.outcome is not None
        assert "truncated" == watched.outcome.name

    run(backend, main)


class Overloaded(Exception):
    """What a client raises for an error that it read in the stream."""

    message, body, code = "overloaded", {"message": "overloaded"}, 529


BROKEN: dict[str, tuple[list[bytes], Exception, tuple[str, str]]] = {
    "before any byte": ([], ConnectionResetError("gone"), ("failed", "source_error")),
    "behind a keep-alive": ([b": ping\n\n"], ConnectionResetError("gone"), ("failed", "source_error")),
    "behind a chunk": (EVENTS[:1], ConnectionResetError("gone"), ("truncated", "no_finish")),
    "inside an event": ([EVENTS[0], EVENTS[1][:20]], ConnectionResetError("gone"), ("truncated", "mid_event")),
    "inside the first event": ([WIRE[:20]], ConnectionResetError("gone"), ("failed", "source_error")),
    "behind another body": ([b"upstream error"], ConnectionResetError("gone"), ("failed", "source_error")),
    "in the sender's words": (EVENTS[:1], Overloaded(), ("failed", "remote_error")),
    "behind `[DONE]`": ([WIRE], ConnectionResetError("gone"), ("complete", "done")),
}
each_break = pytest.mark.parametrize("given, lost, ending", BROKEN.values(), ids=list(BROKEN))


def check_broken_off(watched: Any, lost: Exception, ending: tuple[str, str]) -> None:
    outcome = watched.outcome
    assert ending == (outcome.name, outcome.reason)
    assert (ending[0] == "complete") == (outcome.error is None)
    if outcome.error is not None:
        assert lost is outcome.error.__cause__
        assert (ending[1] == "source_error") == isinstance(outcome.error, SourceError)
        assert outcome.error.partial == watched.response


@each_break
def test_a_source_that_breaks_ends_the_stream_as_it_would_end_a_chat_stream(
    backend: str, given: list[bytes], lost: Exception, ending: tuple[str, str]
) -> None:
    stream = ChatStream(FakeSource(given, fail=lost))
    if ending[0] != "complete":
        assert ending == (stream.until_done().name, stream.until_done().reason)
    watched = tee(FakeSource(given, fail=lost))
    with pytest.raises(type(lost)) as caught:
        list(watched)
    assert lost is caught.value
    check_broken_off(watched, lost, ending)

    async def main() -> None:
        watched = async_tee(AsyncFakeSource(given, fail=lost))
        with pytest.raises(type(lost)):
            [block async for block in watched]
        check_broken_off(watched, lost, ending)

    run(backend, main)


def test_leaving_early_closes_the_source_and_ends_as_cancelled(backend: str) -> None:
    source = FakeSource(each_byte(WIRE))
    with tee(source) as watched:
        for _, _ in zip(range(400), watched, strict=False):
            pass
    taken = source.taken
    assert 1 == source.closed
    assert watched.outcome is not None
    assert "cancelled" == watched.outcome.name
    assert watched.response is not None
    assert [] == list(watched)
    assert taken == source.taken

    async def main() -> None:
        source = AsyncFakeSource(each_byte(WIRE))
        async with async_tee(source) as watched:
            async for _ in watched:
                if source.taken == 400:
                    break
        assert (1, 400) == (source.closed, source.taken)
        assert watched.outcome is not None
        assert "cancelled" == watched.outcome.name

    run(backend, main)


def test_the_last_block_before_leaving_is_watched_too() -> None:
    with tee([WIRE, b": more\n\n"]) as watched:
        next(watched)
    assert watched.outcome is not None
    assert "done" == watched.outcome.reason, "the stream had said its end"


def test_an_async_tee_that_is_cancelled_closes_its_source_and_ends_as_cancelled(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource(each_byte(WIRE))
        watched = async_tee(source)
        with anyio.CancelScope() as scope:
            async with watched:
                async for _ in watched:
                    if source.taken == 400:
                        scope.cancel()
        assert scope.cancelled_caught
        assert (1, 400) == (source.closed, source.taken)
        assert watched.outcome is not None
        assert "cancelled" == watched.outcome.name

    run(backend, main)


def test_wherever_an_async_tee_is_cancelled_what_had_gone_on_was_watched(backend: str) -> None:
    blocks = [one + b"\n\n" for one in WIRE.split(b"\n\n")[:-1]]

    async def main() -> None:
        for place in range(len(blocks) + 1):
            source = AsyncFakeSource(blocks)
            came = b""
            with anyio.CancelScope() as scope:
                async with async_tee(source) as watched:
                    if place == 0:
                        scope.cancel()
                    async for block in watched:
                        came += block
                        if source.taken == place:
                            scope.cancel()
            alone = Accumulator()
            alone.absorb(came)
            assert alone.cancel() == watched.outcome
            assert alone.snapshot() == watched.response
            assert (1, place) == (source.closed, source.taken)

    run(backend, main)


def test_a_second_reader_is_told_so_and_the_first_goes_on(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource([EVENTS[0], FOREVER])
        watched = async_tee(source)
        got = []

        async def first() -> None:
            got.extend([block async for block in watched])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await source.waiting.wait()
            with pytest.raises(MisuseError, match="another task is reading"):
                await anext(watched)
            assert watched.outcome is None
            tasks.cancel_scope.cancel()
        assert watched.response is not None

    run(backend, main)

    def source() -> Iterator[bytes]:
        yield EVENTS[0]
        with pytest.raises(MisuseError, match="another thread is reading"):
            next(watched)
        yield EVENTS[1]

    watched = tee(source())
    assert EVENTS[:2] == list(watched)


def test_a_source_of_chunks_has_no_bytes_to_pass_on(backend: str) -> None:
    with pytest.raises(MisuseError):
        next(tee([chunk("a")]))

    async def main() -> None:
        with pytest.raises(MisuseError):
            await anext(async_tee([chunk("a")]))

    run(backend, main)


def test_closing_closes_the_source_even_where_that_fails() -> None:
    class Stuck(FakeSource):
        def close(self) -> None:
            raise OSError("stuck")

    watched = tee(Stuck(BLOCKS))
    next(watched)
    with pytest.raises(OSError, match="stuck"):
        watched.close()
    assert watched.outcome is not None
    assert "cancelled" == watched.outcome.name


def test_what_the_source_says_of_its_response_is_said_by_the_tee(backend: str) -> None:
    watched = tee(Blocks(iter(BLOCKS), status=200, content_type="text/event-stream"))
    assert (200, "text/event-stream") == (watched.status, watched.content_type)

    async def main() -> None:
        watched = async_tee(AsyncFakeSource(BLOCKS))
        assert (None, None) == (watched.status, watched.content_type)

    run(backend, main)


# --- whoever is slow, and whoever leaves


def test_nothing_is_read_before_it_is_asked_for_and_the_watcher_is_one_block_behind() -> None:
    source, accumulator = FakeSource(EVENTS), Accumulator()
    watched = tee(source, accumulator)
    assert 0 == source.taken
    for number, block in enumerate(watched, 1):
        assert (number, EVENTS[number - 1]) == (source.taken, block)
        assert number - 1 == accumulator.progress[0], "it looks at a block when the next one is asked for"


def test_a_consumer_that_stops_keeps_nobody_else_from_going_on(backend: str) -> None:
    async def main() -> None:
        stopped = AsyncFakeSource(EVENTS)
        idle = async_tee(stopped)
        await anext(idle)
        others = [async_tee(AsyncFakeSource(EVENTS)) for _ in range(10)]
        async with anyio.create_task_group() as tasks:
            for one in others:
                tasks.start_soon(drain, one)
        assert all(one.outcome is not None and one.outcome.ok for one in others)
        assert (1, None) == (stopped.taken, idle.outcome)
        await idle.aclose()
        assert (1, 1) == (stopped.taken, stopped.closed)

    run(backend, main)


async def drain(watched: Any) -> None:
    async for _ in watched:
        await anyio.lowlevel.checkpoint()


class Careful(AsyncFakeSource):
    """A source that takes its time to close, and counts how often it is asked to."""

    asked = 0

    async def aclose(self) -> None:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        await super().aclose()


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("maker", [async_tee, async_to_events])
def test_at_whatever_await_it_is_cancelled_the_source_is_closed_once(backend: str, maker: Any, native: bool) -> None:
    if native and backend == "trio":
        pytest.skip("a way to cancel that asyncio has")

    async def main() -> None:
        for place in count():
            source, watched, came = Careful(EVENTS), None, []

            async def consume() -> None:
                nonlocal watched
                async with maker(source) as watched:  # noqa: B023  it is awaited here
                    async for block in watched:
                        came.append(block)  # noqa: B023
                        await anyio.lowlevel.checkpoint()

            met = await cancelled_at(place, consume, native=native)
            if not met.reached:
                assert place > 2 * len(EVENTS), "it was cancelled in reads, between them, and while it closed"
                break
            if watched is None:
                continue
            assert 1 == source.asked or (native and 2 == source.asked), "again only where the first was broken off"
            assert native or 1 == source.closed, "asyncio can break off the closing itself"
            await watched.aclose()
            assert 1 == source.closed, "and then it is closed by the next one"
            if maker is async_tee:
                alone = Accumulator()
                alone.absorb(b"".join(came))
                assert alone.snapshot() == watched.response
                assert watched.outcome is not None

    run(backend, main)


def test_a_tee_among_many_costs_what_a_tee_costs_and_leaves_nothing() -> None:
    async def held_by(number: int) -> float:
        """Bytes that each of so many holds when half of its blocks have gone on."""
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        all_of_them = [async_tee(AsyncFakeSource(LONG)) for _ in range(number)]
        for _ in range(len(LONG) // 2):
            for one in all_of_them:
                await anext(one)
        gc.collect()
        now, _ = tracemalloc.get_traced_memory()
        for one in all_of_them:
            async for _ in one:
                pass
            assert one.outcome is not None
            assert one.outcome.ok
        return (now - before) / number

    async def main() -> None:
        await held_by(5)  # what is loaded and cached by the first
        few, many = await held_by(10), await held_by(40)
        assert many < 1.1 * few
        assert many < 64 * 1024
        left = []
        for _ in range(3):  # something else, a cache of the interpreter, may grow during one of them
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            again = await held_by(40)
            gc.collect()
            left.append(tracemalloc.get_traced_memory()[0] - before)
            assert again < 1.1 * many
            if left[-1] < 40 * 64:
                break
        assert min(left) < 40 * 64, "under 64 bytes a tee: nothing of them"

    tracemalloc.start()
    try:
        # Without the debug mode of `python -X dev`, which keeps a traceback for every task and handle.
        anyio.run(main, backend_options={"debug": False})
    finally:
        tracemalloc.stop()


# --- deadlines, and the instants


PING = b": ping\n\n"


def test_keep_alives_go_on_and_do_not_keep_a_stream_from_its_idle_deadline() -> None:
    clock = FakeClock()
    source = FakeSource([EVENTS[0], 1, PING, 1, PING, 1, EVENTS[1]], clock=clock)
    watched = tee(source, deadlines=Deadlines(idle=1.5), clock=clock)
    came = []
    with pytest.raises(DeadlineError) as raised:
        came.extend(watched)
    assert [EVENTS[0], PING, PING] == came
    assert ("idle", "deadline_idle") == (raised.value.deadline, watched.outcome.reason)
    assert 1 == source.closed
    assert watched.snapshot() == raised.value.partial
    assert None is next(watched, None)


def test_a_tee_whose_keep_alives_count_goes_on() -> None:
    clock = FakeClock()
    source = FakeSource([EVENTS[0], 1, PING, 1, PING, 1, *EVENTS[1:]], clock=clock)
    watched = tee(source, deadlines=Deadlines(idle=1.5, keep_alives_count=True), clock=clock)
    assert [EVENTS[0], PING, PING, *EVENTS[1:]] == list(watched)
    assert watched.outcome is not None
    assert watched.outcome.ok


def test_a_late_block_goes_on_and_one_that_ends_the_stream_makes_it_complete() -> None:
    clock = FakeClock()
    watched = tee(FakeSource([WIRE[:100], 9, WIRE[100:]], clock=clock), deadlines=Deadlines(total=5), clock=clock)
    assert [WIRE[:100], WIRE[100:]] == list(watched)
    assert watched.outcome is not None
    assert watched.outcome.ok


def test_what_follows_the_end_of_the_stream_has_no_deadline() -> None:
    clock = FakeClock()
    watched = tee(FakeSource([WIRE, 9, PING, 9, PING], clock=clock), deadlines=Deadlines(total=5, idle=1), clock=clock)
    assert [WIRE, PING, PING] == list(watched)
    assert watched.outcome is not None
    assert watched.outcome.ok


def test_the_async_tee_breaks_a_silent_read_off(backend: str) -> None:
    async def main() -> None:
        source, clock = AsyncFakeSource([EVENTS[0], FOREVER]), FakeClock()
        watched = async_tee(source, deadlines=Deadlines(total=60), clock=clock)
        assert EVENTS[0] == await anext(watched)
        clock.advance(59.99)  # a hundredth of a real second is left: for what never arrives
        with pytest.raises(DeadlineError):
            await anext(watched)
        assert (1, "deadline_total") == (source.closed, watched.outcome.reason)

    run(backend, main)


def test_a_tee_that_is_told_when_the_request_was_sent_has_the_instants() -> None:
    clock = FakeClock()
    watched = tee(FakeSource([2, EVENTS[0], 1, *EVENTS[1:]], clock=clock), sent=clock(), clock=clock)
    list(watched)
    stream = ChatStream(
        FakeSource([2, EVENTS[0], 1, *EVENTS[1:]], clock=(other := FakeClock())), sent=other(), clock=other
    )
    stream.until_done()
    assert stream.timing == watched.timing
    assert (2, 2) == (watched.timing.time_to_first_byte, watched.timing.output_tokens)


def test_a_tee_that_nobody_asks_for_instants_keeps_none() -> None:
    watched = tee(FakeSource(BLOCKS))
    list(watched)
    assert Timing() == watched.timing


def test_a_tee_shows_what_any_stream_shows() -> None:
    broken = tee(FakeSource([EVENTS[0]], fail=(reset := ConnectionResetError()), status=502))
    with pytest.raises(ConnectionResetError):
        list(broken)
    assert (reset, 502, ()) == (broken.source_error, broken.status, broken.anomalies)
    assert 1 == broken.statistics().blocks


@pytest.mark.parametrize("wrong", [{"deadlines": 5}, {"sent": "now"}, {"clock": 5}])
def test_wrong_arguments_of_a_tee_are_misuse_before_anything_is_read(wrong: Any) -> None:
    source = FakeSource(BLOCKS)
    with pytest.raises(MisuseError):
        tee(source, **wrong)
    assert 0 == source.reads
