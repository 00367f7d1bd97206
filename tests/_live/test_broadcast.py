"""One source, many subscribers: each gets what was said, however late and slow it is, and the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import partial
from threading import Event, Thread
from typing import Any

import anyio
import attrs
import pytest

from helpers.loopback import PATIENCE
from helpers.wire import check_grammar
from streamkit import Accumulator, DeadlineError, Deadlines, MisuseError, SourceError, events, reassemble
from streamkit._live.broadcast import Broadcast, Snapshot
from streamkit._live.broadcast_async import AsyncBroadcast, AsyncSubscription
from streamkit.testing import (
    DONE,
    FOREVER,
    AsyncFakeSource,
    FakeClock,
    FakeSource,
    chunk,
    event,
    fragment,
    random_cuts,
    stream_bytes,
)

WIRE = stream_bytes("Hel", "lo", " you", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
PING = b": ping\n\n"
TOOLS = stream_bytes(
    chunk(delta={"reasoning": "hm"}),
    *(chunk(f"{at} ", index=at % 2) for at in range(40)),
    chunk(delta=fragment(id="a", name="f")),
    *(chunk(delta=fragment(str(at))) for at in range(40)),
    chunk(finish="tool_calls"),
    chunk(finish="stop", index=1),
)


def alone(wire: bytes) -> list[Any]:
    accumulator = Accumulator()
    told = accumulator.feed(wire)
    return [*told, *accumulator.close().events]


def one_each(wire: bytes) -> list[bytes]:
    """One event a block."""
    return [one + b"\n\n" for one in wire.split(b"\n\n")[:-1]]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def in_thread(function: Any) -> Thread:
    thread = Thread(target=function, daemon=True)
    thread.start()
    return thread


def said(items: list[Any], choice: int = 0) -> str:
    """The text that a subscriber has after all of these: what its last snapshot says, and the deltas after it."""
    text = ""
    for item in items:
        if isinstance(item, Snapshot):
            text = (item.response.choices[choice].message.content or "") if item.response else ""
        elif isinstance(item, events.ContentDelta) and item.choice == choice:
            text += item.text
    return text


def test_every_subscriber_gets_every_event() -> None:
    broadcast = Broadcast(FakeSource(one_each(WIRE)))
    heard: list[list[Any]] = []

    def listen(one: Iterator[Any]) -> None:
        heard.append(list(one))

    threads = [in_thread(partial(listen, broadcast.subscribe(buffer=1))) for _ in range(2)]
    assert "done" == broadcast.run().reason
    for thread in threads:
        thread.join(PATIENCE)
    assert [alone(WIRE)] * 2 == heard
    assert reassemble(WIRE) == broadcast.response


def test_the_source_is_read_once_and_closed() -> None:
    source = FakeSource(one_each(WIRE))
    Broadcast(source).run()
    assert 1 == source.closed
    assert len(one_each(WIRE)) == source.taken


def test_a_slow_subscriber_that_drops_gets_a_snapshot_in_place_of_what_it_did_not_read() -> None:
    broadcast = Broadcast(one_each(TOOLS))
    slow = broadcast.subscribe("drop", buffer=3)
    broadcast.run()
    snapshot, end = list(slow)
    assert len(alone(TOOLS)) - 1 == slow.dropped
    assert Snapshot(len(alone(TOOLS)) - 1, reassemble(TOOLS)) == snapshot
    assert isinstance(end, events.End)


def test_a_subscriber_that_drops_goes_on_live_after_the_snapshot() -> None:
    blocks = one_each(WIRE)
    heard: list[Any] = []

    def source() -> Iterator[bytes]:
        yield from blocks[:3]
        heard.append(next(slow))
        yield from blocks[3:]

    broadcast = Broadcast(source())
    slow = broadcast.subscribe("drop", buffer=4)
    broadcast.run()
    heard += slow
    assert "Hello you" == said(heard)
    sequences = [item.sequence for item in heard]
    assert sorted(sequences) == sequences


def test_a_slow_subscriber_that_coalesces_gets_each_text_in_one_piece() -> None:
    broadcast = Broadcast(one_each(TOOLS))
    slow = broadcast.subscribe("coalesce", buffer=30)
    outcome = broadcast.run()
    heard = list(slow)
    assert 0 == slow.dropped
    told = alone(TOOLS)
    assert len(heard) < len(told)
    for kind, field in (("ContentDelta", "text"), ("ToolCallDelta", "arguments")):
        for choice in (0, 1):
            pieces = [
                [getattr(one, field) for one in which if type(one).__name__ == kind and one.choice == choice]
                for which in (told, heard)
            ]
            assert "".join(pieces[0]) == "".join(pieces[1])
            assert len(pieces[1]) <= 2
    assert [one.sequence for one in heard] == sorted(one.sequence for one in heard)
    check_grammar([renumbered(one, at) for at, one in enumerate(heard)], outcome)


def renumbered(one: Any, sequence: int) -> Any:
    return attrs.evolve(one, sequence=sequence)


def test_what_cannot_be_joined_gives_way_to_a_snapshot() -> None:
    broadcast = Broadcast(one_each(TOOLS))
    slow = broadcast.subscribe("coalesce", buffer=2)
    broadcast.run()
    heard = list(slow)
    assert [Snapshot, events.End] == [type(one) for one in heard]
    assert slow.dropped == len(alone(TOOLS)) - 1


def test_who_joins_late_gets_the_snapshot_first_and_then_live_events() -> None:
    blocks = one_each(WIRE)
    joined: list[Any] = []

    def source() -> Iterator[bytes]:
        yield from blocks[:2]
        joined.append(broadcast.subscribe())
        yield from blocks[2:]

    broadcast = Broadcast(source())
    broadcast.run()
    first, *rest = list(joined[0])
    begun = Accumulator()
    told = begun.feed(b"".join(blocks[:2]))
    assert Snapshot(len(told), begun.snapshot()) == first
    assert alone(WIRE)[len(told) :] == rest


def test_who_joins_in_the_middle_of_a_block_hears_nothing_twice() -> None:
    broadcast = Broadcast([WIRE])
    full = broadcast.subscribe("wait", buffer=1)
    thread = in_thread(broadcast.run)
    heard = [next(full), next(full)]  # the source has given all that it has, and waits here
    late = broadcast.subscribe(buffer=1)
    assert alone(WIRE) == [*heard, *full]
    thread.join(PATIENCE)
    assert [Snapshot, events.End] == [type(one) for one in late]


def test_who_joins_after_the_end_gets_the_response_and_the_end() -> None:
    broadcast = Broadcast([WIRE])
    broadcast.run()
    assert [Snapshot(len(alone(WIRE)) - 1, reassemble(WIRE)), alone(WIRE)[-1]] == list(broadcast.subscribe())


def test_a_source_that_fails_ends_all_and_raises() -> None:
    lost = ConnectionResetError("gone")
    broadcast = Broadcast(FakeSource([WIRE[:300]], fail=lost))
    one = broadcast.subscribe()
    with pytest.raises(ConnectionResetError):
        broadcast.run()
    end = list(one)[-1]
    assert isinstance(end, events.End)
    assert "truncated" == end.outcome.name
    assert lost is broadcast.error
    assert lost is end.outcome.error.__cause__


@pytest.mark.parametrize("given", [[], [b": ping\n\n"]], ids=["before-any-byte", "behind-a-keep-alive"])
def test_a_source_that_breaks_before_any_chunk_is_told_from_an_empty_body(backend: str, given: list[bytes]) -> None:
    lost = ConnectionResetError("gone")

    def check(end: Any, outcome: Any) -> None:
        assert ("failed", "source_error") == (end.outcome.name, end.outcome.reason) == (outcome.name, outcome.reason)
        assert isinstance(outcome.error, SourceError)
        assert lost is outcome.error.__cause__

    broadcast = Broadcast(FakeSource(given, fail=lost))
    one = broadcast.subscribe()
    with pytest.raises(ConnectionResetError):
        broadcast.run()
    check(list(one)[-1], broadcast.outcome)
    assert "empty" == Broadcast(FakeSource(given)).run().reason

    async def main() -> None:
        broadcast = AsyncBroadcast(AsyncFakeSource(given, fail=lost))
        one = broadcast.subscribe()
        with pytest.raises(ConnectionResetError):
            await broadcast.run()
        check([item async for item in one][-1], broadcast.outcome)

    anyio.run(main, backend=backend)


def test_a_source_of_neither_bytes_nor_chunks_ends_as_cancelled(backend: str) -> None:
    broadcast = Broadcast([*one_each(WIRE)[:1], 5j])
    with pytest.raises(MisuseError):
        broadcast.run()
    assert "cancelled" == broadcast.outcome.name

    async def main() -> None:
        broadcast = AsyncBroadcast([*one_each(WIRE)[:1], 5j])
        with pytest.raises(MisuseError):
            await broadcast.run()
        assert "cancelled" == broadcast.outcome.name

    anyio.run(main, backend=backend)


def test_an_accumulator_that_is_strict_ends_all_and_raises() -> None:
    broadcast = Broadcast([event('{"choices":{"delta":{"content":"a"}}}')], Accumulator(strict=True))
    one = broadcast.subscribe()
    with pytest.raises(Exception, match="choices"):
        broadcast.run()
    assert isinstance(list(one)[-1], events.End) or broadcast.outcome is not None


def test_whoever_leaves_is_not_waited_for() -> None:
    broadcast = Broadcast(one_each(WIRE))
    with broadcast.subscribe("wait", buffer=1) as one:
        pass
    other = broadcast.subscribe("wait", buffer=1)
    thread = in_thread(broadcast.run)
    next(other)
    other.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert broadcast.outcome is not None
    assert broadcast.outcome.ok
    assert [] == list(one) == list(other)


def test_whoever_dies_without_a_word_is_not_waited_for() -> None:
    broadcast = Broadcast(one_each(WIRE))
    waiting = Event()

    def die(one: Iterator[Any]) -> None:
        next(one)
        waiting.wait(PATIENCE)  # its thread ends here, with all that it had

    other = broadcast.subscribe("wait", buffer=100)
    deaf = in_thread(partial(die, broadcast.subscribe("wait", buffer=1)))
    thread = in_thread(broadcast.run)
    first = next(other)
    waiting.set()
    deaf.join(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert alone(WIRE) == [first, *other]


def test_a_subscriber_that_is_collected_as_garbage_is_not_waited_for() -> None:
    class Cycle:
        def __init__(self, one: Any) -> None:
            self.one = one
            self.itself = self

    broadcast = Broadcast(one_each(WIRE))
    cycle = Cycle(broadcast.subscribe("wait", buffer=1))
    kept = broadcast.subscribe("wait", buffer=100)
    thread = in_thread(broadcast.run)
    heard = [next(kept), next(kept)]
    del cycle
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert alone(WIRE) == [*heard, *kept]


def test_nothing_is_kept_for_those_that_left() -> None:
    broadcast = Broadcast(one_each(WIRE))
    for _ in range(100):
        broadcast.subscribe()
        broadcast.subscribe().close()
    broadcast.run()
    assert [] == broadcast._boxes


def test_an_async_subscriber_that_dies_without_a_word_is_not_waited_for(backend: str) -> None:
    async def main() -> None:
        broadcast = AsyncBroadcast(AsyncFakeSource(one_each(WIRE)))
        heard: list[Any] = []

        async def die(one: Any) -> None:
            await anext(one)
            await anext(one)

        async def listen(one: Any) -> None:
            heard.extend([item async for item in one])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(die, broadcast.subscribe("wait", buffer=1))
            tasks.start_soon(listen, broadcast.subscribe("wait", buffer=1))
            tasks.start_soon(broadcast.run)
        assert alone(WIRE) == heard

    with_deadline(main, backend)


def test_an_async_subscriber_that_another_thread_collects_is_not_waited_for(backend: str) -> None:
    async def main() -> None:
        broadcast = AsyncBroadcast(AsyncFakeSource(one_each(WIRE)))
        held = [broadcast.subscribe("wait", buffer=1)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broadcast.run)
            await anext(held[0])
            await anyio.to_thread.run_sync(held.clear)
        assert broadcast.outcome is not None
        assert broadcast.outcome.ok

    with_deadline(main, backend)


def with_deadline(main: Any, backend: str) -> None:
    async def within() -> None:
        with anyio.fail_after(PATIENCE):
            await main()

    anyio.run(within, backend=backend)


def test_leaving_before_it_runs_closes_the_source_and_ends_as_cancelled() -> None:
    source = FakeSource([WIRE])
    with Broadcast(source) as broadcast:
        one = broadcast.subscribe()
    assert (1, 0) == (source.closed, source.taken)
    (end,) = list(one)
    assert "cancelled" == end.outcome.name


def test_leaving_while_it_runs_ends_as_cancelled() -> None:
    def source() -> Iterator[bytes]:
        yield WIRE.removesuffix(DONE)
        raise AssertionError("read on after it was left")

    broadcast = Broadcast(source())
    one = broadcast.subscribe("wait", buffer=1)
    thread = in_thread(broadcast.run)
    heard = [next(one), next(one)]
    broadcast.close()
    heard += one
    thread.join(PATIENCE)
    assert "cancelled" == heard[-1].outcome.name
    assert list(range(len(heard))) == [item.sequence for item in heard], "nothing that was read is lost"


def test_chunks_are_a_source_too() -> None:
    broadcast = Broadcast([chunk("Hel"), chunk("lo"), chunk(finish="stop")])
    one = broadcast.subscribe()
    assert "complete" == broadcast.run().name
    assert "Hello" == said(list(one))


@pytest.mark.parametrize("how", [{"slow": "never"}, {"buffer": 0}, {"buffer": True}])
def test_a_wrong_argument_says_what_is_taken(how: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        Broadcast([WIRE]).subscribe(**how)


def test_a_broadcast_runs_once(backend: str) -> None:
    broadcast = Broadcast([WIRE])
    broadcast.run()
    with pytest.raises(MisuseError):
        broadcast.run()

    async def main() -> None:
        broadcast = AsyncBroadcast([WIRE])
        await broadcast.run()
        with pytest.raises(MisuseError):
            await broadcast.run()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("slow", ["wait", "drop", "coalesce"])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_cut_and_the_speed_the_text_is_the_same(backend: str, slow: Any, seed: int) -> None:
    async def main() -> None:
        (blocks,) = random_cuts(TOOLS, seed, 1)
        broadcast = AsyncBroadcast(AsyncFakeSource(blocks))
        heard: list[list[Any]] = [[], [], []]

        async def listen(number: int) -> None:
            for _ in range(number * 3):
                await anyio.lowlevel.checkpoint()
            async with broadcast.subscribe(slow, buffer=1 + 4 * number) as one:
                async for item in one:
                    heard[number].append(item)
                    for _ in range(number):
                        await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(listen, number)
            tasks.start_soon(broadcast.run)
        response = reassemble(TOOLS)
        for one in heard:
            assert isinstance(one[-1], events.End)
            for choice in (0, 1):
                assert response.choices[choice].message.content == said(one, choice)
        if slow == "wait":
            assert alone(TOOLS) == heard[0]

    anyio.run(main, backend=backend)


def test_an_async_broadcast_that_is_cancelled_gives_all_the_end_and_closes_the_source(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource(one_each(WIRE))
        broadcast = AsyncBroadcast(source)
        stuck = broadcast.subscribe("wait", buffer=2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broadcast.run)
            await anext(stuck)
            tasks.cancel_scope.cancel()
        heard = [item async for item in stuck]
        assert "cancelled" == heard[-1].outcome.name
        assert list(range(1, 1 + len(heard))) == [one.sequence for one in heard], "nothing that was read is lost"
        assert 1 == source.closed
        late = [item async for item in broadcast.subscribe()]
        assert [Snapshot, events.End] == [type(one) for one in late]

    anyio.run(main, backend=backend)


def test_leaving_an_async_broadcast_ends_as_cancelled(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource(one_each(WIRE))
        async with AsyncBroadcast(source) as broadcast:
            one = broadcast.subscribe()
        assert 1 == source.closed
        assert ["cancelled"] == [item.outcome.name async for item in one]
        broadcast = AsyncBroadcast(AsyncFakeSource(one_each(WIRE)))
        stuck = broadcast.subscribe(buffer=1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broadcast.run)
            await anext(stuck)
            await broadcast.aclose()
        assert broadcast.outcome is not None
        assert "cancelled" == broadcast.outcome.name
        await stuck.aclose()
        assert [] == [item async for item in stuck]

    anyio.run(main, backend=backend)


def test_closing_ends_it_for_all_though_the_sender_is_silent(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource([WIRE[:480], FOREVER])
        broadcast = AsyncBroadcast(source)
        subscriptions = [broadcast.subscribe(), broadcast.subscribe("drop")]
        last: list[Any] = []

        async def take(subscription: AsyncSubscription) -> None:
            last.append([item async for item in subscription][-1])

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(broadcast.run)
                for one in subscriptions:
                    tasks.start_soon(take, one)
                await source.waiting.wait()
                await broadcast.aclose()
        assert ["cancelled", "cancelled"] == [item.outcome.name for item in last]
        assert 1 == source.closed

    anyio.run(main, backend=backend)


def test_an_async_source_that_fails_ends_all_and_raises(backend: str) -> None:
    async def main() -> None:
        lost = ConnectionResetError("gone")
        broadcast = AsyncBroadcast(AsyncFakeSource([WIRE[:300]], fail=lost))
        one = broadcast.subscribe()
        with pytest.raises(ConnectionResetError):
            await broadcast.run()
        heard = [item async for item in one]
        assert "truncated" == heard[-1].outcome.name
        assert lost is heard[-1].outcome.error.__cause__

    anyio.run(main, backend=backend)


def test_a_stream_that_stays_open_behind_its_end_is_left() -> None:
    def source() -> Iterator[bytes]:
        yield WIRE
        raise AssertionError("read on behind [DONE]")

    assert WIRE.endswith(DONE)
    assert Broadcast(source()).run().ok


@pytest.mark.parametrize("buffer", ["x", 0, -1, None, True])
def test_a_buffer_is_checked_where_it_is_given(buffer: Any) -> None:
    for kind, source in ((Broadcast, FakeSource([WIRE])), (AsyncBroadcast, AsyncFakeSource([WIRE]))):
        with pytest.raises(MisuseError, match="buffer"):
            kind(source, buffer=buffer)  # type: ignore[operator]


# --- deadlines, and the instants


def test_a_passed_deadline_ends_the_stream_for_every_subscriber_and_is_raised_by_run() -> None:
    clock = FakeClock()
    source = FakeSource([*one_each(WIRE)[:2], 1, PING, 1, PING, 1, *one_each(WIRE)[2:]], clock=clock)
    broadcast = Broadcast(source, deadlines=Deadlines(idle=1.5), clock=clock)
    subscriber = broadcast.subscribe()
    with pytest.raises(DeadlineError) as raised:
        broadcast.run()
    heard = list(subscriber)
    assert isinstance(heard[-1], events.End)
    assert ("deadline_idle", raised.value) == (heard[-1].outcome.reason, broadcast.error)
    assert 1 == source.closed


def test_an_async_broadcast_breaks_a_silent_read_off(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource([*one_each(WIRE)[:2], FOREVER])
        broadcast = AsyncBroadcast(source, deadlines=Deadlines(idle=0.01))
        subscriber = broadcast.subscribe()
        with pytest.raises(DeadlineError):
            await broadcast.run()
        heard = [item async for item in subscriber]
        assert isinstance(heard[-1], events.End)
        assert ("deadline_idle", 1) == (heard[-1].outcome.reason, source.closed)

    anyio.run(main, backend=backend)


def test_a_broadcast_shows_what_any_stream_shows() -> None:
    clock = FakeClock()
    broadcast = Broadcast(FakeSource([2, WIRE], clock=clock, status=200), clock=clock, sent=clock())
    broadcast.run()
    assert (2, 200, None, ()) == (
        broadcast.timing.time_to_first_byte,
        broadcast.status,
        broadcast.source_error,
        broadcast.anomalies,
    )
    assert reassemble(WIRE) == broadcast.snapshot() == broadcast.response
    assert 1 == broadcast.statistics().blocks


@pytest.mark.parametrize("kind", [Broadcast, AsyncBroadcast])
@pytest.mark.parametrize("wrong", [{"deadlines": 5}, {"sent": "now"}, {"clock": 5}])
def test_wrong_arguments_are_misuse_before_anything_is_read(kind: Any, wrong: Any) -> None:
    with pytest.raises(MisuseError):
        kind([WIRE] if kind is Broadcast else AsyncFakeSource([WIRE]), **wrong)
