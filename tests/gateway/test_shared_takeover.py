"""A worker is gone in mid-stream, another one goes on: readers see every character once, whatever the upstream can do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from helpers.corpus import TRACES
from helpers.loopback import PATIENCE
from helpers.shared_reader import PageReader
from helpers.tier import some
from streamkit import MisuseError, reassemble, unstructure
from streamkit.testing import DONE, chunk, event, fragment

gateway = pytest.importorskip("streamkit.gateway", exc_type=ImportError)
MemoryStore, SharedStreams = gateway.MemoryStore, gateway.SharedStreams

TEXT = [chunk(f"word{number} ") for number in range(12)]
CALL = [chunk(delta=fragment(piece)) for piece in ['{"ci', 'ty":', '"Par', 'is"', "}"]]
CHUNKS = [*TEXT, chunk(delta=fragment(id="call_1", name="weather")), *CALL, chunk(finish="tool_calls")]
WIRE = b"".join(map(event, CHUNKS)) + DONE
SAID = "".join(f"word{number} " for number in range(12))
LEASE = 10.0


class Killed(BaseException):
    """What ends a worker without a word."""


class Worker:
    """A worker's view of a store: nothing of what it does after its death arrives."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.alive = True

    def __getattr__(self, name: str) -> Any:
        if not self.alive:
            raise ConnectionError("this worker is dead")
        return getattr(self._store, name)


class World:
    """A store whose clock stands still, and workers that read `wire` until they are killed."""

    def __init__(self, *, keep: int) -> None:
        self.now = 0.0
        self.keep = keep
        self.store = MemoryStore(clock=lambda: self.now)
        self.asked: list[int] = []

    def die(self, worker: Worker) -> None:
        worker.alive = False
        raise Killed

    async def work(self, wire: bytes, size: int, until: int | None, *, resumes: bool = True) -> Any:
        """Read the stream of `k`, `size` bytes at a time; be killed when `until` blocks have been passed on."""
        worker = Worker(self.store)
        shared = SharedStreams(worker, lease=LEASE, keep=self.keep)

        async def open(offset: int) -> AsyncIterator[bytes]:
            self.asked.append(offset)

            async def source() -> AsyncIterator[bytes]:
                for number, at in enumerate(range(offset, len(wire), size)):
                    if number == until:
                        self.die(worker)
                    await asyncio.sleep(0)
                    yield wire[at : at + size]
                if until is not None:
                    self.die(worker)

            return source()

        try:
            answer = await shared.ensure("k", open, resumes=resumes)
        except (Killed, BaseExceptionGroup):
            pass
        else:
            return answer
        assert not worker.alive
        self.now += LEASE + 1  # and its lease runs out
        return None


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            await test()

    asyncio.run(main())


async def follow(world: World) -> PageReader:
    reader = PageReader()
    shared = SharedStreams(world.store, takeover=PATIENCE)
    while reader.end is None:  # a reader that arrives before the first worker
        await reader.follow(shared.events("k", reader.id))
        await asyncio.sleep(0)
    return reader


@pytest.mark.parametrize("keep", [0, 1500, 10**6])
@pytest.mark.parametrize("size", [40, 250])
def test_each_character_is_seen_once_wherever_the_worker_was_killed(keep: int, size: int) -> None:
    cuts = range(0, len(WIRE) // size + 1, 1 if size > 100 else 7)
    for cut in cuts:

        async def test(cut: int = cut) -> None:
            world = World(keep=keep)
            reader = asyncio.create_task(follow(world))
            assert await world.work(WIRE, size, cut) is None
            answer = await world.work(WIRE, 97, None)
            seen = await reader
            assert (SAID, SAID, {0: ["weather", '{"city":"Paris"}']}) == (seen.text, seen.typed, seen.calls)
            assert ("complete", reassemble(WIRE)) == (seen.end["outcome"], answer.response)
            assert unstructure(answer.response) == seen.response
            assert world.asked[1] <= cut * size
            if keep == 0:
                assert cut * size == world.asked[1] or cut * size - world.asked[1] < 3000

        run(test)


@pytest.mark.parametrize("seed", some(range(100)))
def test_each_character_is_seen_once_whatever_happens_when(seed: int) -> None:
    """Workers die at any byte, readers leave at any event and return, and the log is folded more or less often."""
    chance = random.Random(seed)
    pieces = [chunk(f"{number} ") for number in range(chance.randrange(5, 120))]
    wire = b"".join(map(event, [*pieces, *CHUNKS[12:]])) + DONE

    async def visit(world: World) -> PageReader:
        reader, shared = PageReader(), SharedStreams(world.store, takeover=PATIENCE)
        while reader.end is None:
            stay = chance.randrange(1, 40)
            events = shared.events("k", reader.id)
            async for some_events in events:
                for one in some_events.split(b"\n\n"):
                    if b"id: " in one and stay and reader.end is None:
                        stay -= 1
                        reader.take(one + b"\n\n")
                if not stay:
                    break
            await events.aclose()
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)
        return reader

    async def test() -> None:
        world = World(keep=chance.choice([0, 300, 3000, 10**6]))
        readers = [asyncio.create_task(visit(world)) for _ in range(3)]
        size, deaths = chance.randrange(20, 500), chance.randrange(4)
        while await world.work(wire, size, chance.randrange(len(wire) // size + 1) if deaths > 0 else None) is None:
            deaths -= 1
        said = "".join(one["choices"][0]["delta"]["content"] for one in pieces)
        for reader in await asyncio.gather(*readers):
            assert (said, said, {0: ["weather", '{"city":"Paris"}']}) == (reader.text, reader.typed, reader.calls)
            numbers = [int(id.rpartition("-")[2]) for id in reader.ids]
            assert sorted(set(numbers)) == numbers

    run(test)


def test_workers_may_die_again_and_again() -> None:
    async def test() -> None:
        long = b"".join(event(chunk(f"{number} ")) for number in range(200)) + event(chunk(finish="stop")) + DONE
        world = World(keep=600)
        reader = asyncio.create_task(follow(world))
        deaths = 0
        while await world.work(long, 120, 50) is None:
            deaths += 1
            assert deaths < 50
        seen = await reader
        assert reassemble(long).choices[0].message.content == seen.text == seen.typed
        assert deaths > 2
        assert sorted(world.asked) == world.asked

    run(test)


@pytest.mark.parametrize("keep", [0, 10**6])
def test_an_upstream_that_says_the_same_again_is_not_noticed_or_wipes_the_page(keep: int) -> None:
    async def test() -> None:
        world = World(keep=keep)
        reader = asyncio.create_task(follow(world))
        await world.work(WIRE, 250, 6, resumes=False)
        answer = await world.work(WIRE, 250, None, resumes=False)
        seen = await reader
        assert [0, 0] == world.asked
        assert (SAID, reassemble(WIRE)) == (seen.text, answer.response)
        assert SAID == seen.typed or keep == 0

    run(test)


@pytest.mark.parametrize("keep", [0, 10**6])
@pytest.mark.parametrize("cut", [3, 8, 15])
def test_an_upstream_that_says_something_else_replaces_what_readers_have(keep: int, cut: int) -> None:
    other = b"".join(map(event, [*TEXT[:3], chunk("another"), chunk(finish="stop")])) + DONE

    async def test() -> None:
        world = World(keep=keep)
        reader = asyncio.create_task(follow(world))
        await world.work(WIRE, 150, cut, resumes=False)
        answer = await world.work(other, 150, None, resumes=False)
        seen = await reader
        assert ("word0 word1 word2 another", reassemble(other)) == (seen.text, answer.response)
        assert unstructure(answer.response) == seen.response
        assert seen.typed.count("~") <= 2

    run(test)


def test_a_stream_that_is_over_is_not_asked_for_again(new_store: Callable[..., Any]) -> None:
    async def test() -> None:
        shared = SharedStreams(new_store())
        asked = []

        async def open(offset: int) -> AsyncIterator[bytes]:
            asked.append(offset)

            async def source() -> AsyncIterator[bytes]:
                yield WIRE

            return source()

        first, second = await shared.ensure("k", open), await shared.ensure("k", open)
        assert [0] == asked
        assert first.response == second.response == reassemble(WIRE)
        assert first.outcome == second.outcome
        await shared.aclose()

    run(test)


def test_of_several_workers_one_reads_and_all_know_what_it_made(new_store: Callable[..., Any]) -> None:
    async def test() -> None:
        store = new_store()
        asked = []

        async def open(offset: int) -> AsyncIterator[bytes]:
            asked.append(offset)

            async def source() -> AsyncIterator[bytes]:
                for at in range(0, len(WIRE), 500):
                    await asyncio.sleep(0)
                    yield WIRE[at : at + 500]

            return source()

        answers = await asyncio.gather(*(SharedStreams(store).ensure("k", open) for _ in range(4)))
        assert [0] == asked
        assert [reassemble(WIRE)] * 4 == [one.response for one in answers]
        await store.aclose()

    run(test)


def test_a_worker_that_is_cancelled_hands_over_at_once(new_store: Callable[..., Any]) -> None:
    async def test() -> None:
        store = new_store()
        shared = SharedStreams(store, takeover=PATIENCE)  # and a lease of 15 seconds
        asked = []
        waits = asyncio.Event()

        async def open(offset: int) -> AsyncIterator[bytes]:
            asked.append(offset)

            async def source() -> AsyncIterator[bytes]:
                yield WIRE[offset:1000]
                if len(asked) == 1:
                    waits.set()
                    await anyio.sleep_forever()
                yield WIRE[max(1000, offset) :]

            return source()

        first = asyncio.create_task(shared.ensure("k", open))
        await waits.wait()
        second = asyncio.create_task(SharedStreams(store).ensure("k", open))
        first.cancel()
        assert reassemble(WIRE) == (await second).response
        reader = await PageReader().follow(shared.events("k"))
        assert SAID == reader.text
        await shared.aclose()

    run(test)


@pytest.mark.parametrize("keep", [0, 10**6])
def test_an_upstream_that_has_lost_the_stream_begins_again(keep: int) -> None:
    async def test() -> None:
        world = World(keep=keep)
        reader = asyncio.create_task(follow(world))
        await world.work(WIRE, 150, 12)
        asked = []

        async def open(offset: int) -> AsyncIterator[bytes]:
            asked.append(offset)
            if offset:
                raise gateway.CannotResumeError("HTTP 404")

            async def source() -> AsyncIterator[bytes]:
                yield WIRE

            return source()

        answer = await SharedStreams(world.store).ensure("k", open)
        seen = await reader
        assert reassemble(WIRE) == answer.response
        assert SAID == seen.text
        if keep:
            assert ([0], SAID) == (asked, seen.typed)  # nothing was folded: it is compared from the beginning
        else:
            assert asked[0] > 0 == asked[1]

    run(test)


def test_chunks_of_an_sdk_have_no_offset() -> None:
    async def open(offset: int) -> AsyncIterator[dict[str, Any]]:
        async def source() -> AsyncIterator[dict[str, Any]]:
            for one in CHUNKS:
                yield one

        return source()

    async def test() -> None:
        shared = SharedStreams()
        with pytest.raises(MisuseError, match="resumes=False"):
            await shared.ensure("k", open)
        assert reassemble(WIRE).choices == (await shared.ensure("k", open, resumes=False)).response.choices

    run(test)


def test_an_upstream_that_answers_with_an_error_does_not_continue() -> None:
    httpx = pytest.importorskip("httpx2")

    async def test() -> None:
        world = World(keep=0)
        reader = asyncio.create_task(follow(world))
        await world.work(WIRE, 150, 12)

        async def open(offset: int) -> Any:
            assert offset
            return httpx.Response(503, json={"error": {"message": "overloaded"}})

        answer = await SharedStreams(world.store).ensure("k", open)
        seen = await reader
        assert ("truncated", True) == (answer.outcome.name, SAID.startswith(seen.text) and bool(seen.text))
        assert "HTTP 503" in str(answer.outcome.error)

    run(test)


@pytest.mark.parametrize("keep", [0, 10**6])
@pytest.mark.parametrize("resumes", [True, False])
@pytest.mark.parametrize("fault", ["503", "unreachable", "silent", "a comment, then gone", "gone again, but earlier"])
def test_an_upstream_that_fails_when_it_is_asked_again_takes_nothing_from_readers(
    fault: str, resumes: bool, keep: int
) -> None:
    httpx = pytest.importorskip("httpx2")

    async def test() -> None:
        world = World(keep=keep)
        reader = asyncio.create_task(follow(world))
        await world.work(WIRE, 150, 12, resumes=resumes)

        async def open(offset: int) -> Any:
            if fault == "503":
                return httpx.Response(503, json={"error": {"message": "overloaded"}})
            if fault == "unreachable":
                raise ConnectionError("refused")

            async def source() -> AsyncIterator[bytes]:
                if fault == "a comment, then gone":
                    yield b": waking up\n\n"
                    raise ConnectionError("gone")
                if fault == "gone again, but earlier" and keep:  # else its new answer replaces the first
                    yield WIRE[:500]

            return source()

        answer = await SharedStreams(world.store).ensure("k", open, resumes=resumes)
        seen = await reader
        assert answer.outcome.name in {"truncated", "failed"}
        assert seen.end["outcome"] == answer.outcome.name
        assert len(seen.text) > 5
        assert SAID.startswith(seen.text)
        assert seen.text == seen.typed  # nothing was wiped
        assert unstructure(answer.response) == seen.response

    run(test)


def test_a_key_that_is_reserved_is_waited_for(new_store: Callable[..., Any]) -> None:
    async def test() -> None:
        shared = SharedStreams(new_store(), takeover=PATIENCE)
        await shared.reserve("k")
        reader = asyncio.create_task(PageReader().follow(shared.events("k")))
        await asyncio.sleep(0)

        async def source() -> AsyncIterator[bytes]:
            yield WIRE

        await shared.publish("k", source())
        await shared.reserve("k")  # of one that is over: nothing
        assert SAID == (await reader).text
        await shared.aclose()

    run(test)


def test_a_checkpoint_that_cannot_be_read_begins_again() -> None:
    async def test() -> None:
        world = World(keep=0)
        await world.work(WIRE, 250, 8)
        log = world.store._logs["k"]
        log.entries = [gateway.Entry(one.kind, one.data, one.checkpoint and b"{}", one.number) for one in log.entries]
        answer = await world.work(WIRE, 250, None)
        assert [0, 0] == world.asked
        assert reassemble(WIRE) == answer.response

    run(test)


def test_a_worker_that_was_paused_for_too_long_leaves_the_log_to_the_other() -> None:
    async def test() -> None:
        world = World(keep=10**6)
        go_on = asyncio.Event()

        async def open(offset: int) -> AsyncIterator[bytes]:
            async def source() -> AsyncIterator[bytes]:
                yield WIRE[offset:1000]
                await go_on.wait()
                yield WIRE[1000:]

            return source()

        shared = SharedStreams(world.store, lease=LEASE)
        paused = asyncio.create_task(shared.ensure("k", open))
        reader = PageReader()
        events = shared.events("k")
        while not reader.text:
            try:
                reader.take(await anext(events))
            except StopAsyncIteration:
                events = shared.events("k")
                await asyncio.sleep(0)
        world.now += LEASE + 1
        answer = await world.work(WIRE, 200, None)
        go_on.set()
        assert answer.response == (await paused).response == reassemble(WIRE)
        await reader.follow(events)
        assert SAID == reader.typed

    run(test)


@pytest.mark.parametrize("recorded", some([one for one in TRACES if len(one.body) < 20_000], 3), ids=repr)
def test_recorded_streams_go_on_in_another_worker(recorded: Any) -> None:
    async def test(cut: int) -> None:
        world = World(keep=0)
        reader = asyncio.create_task(follow(world))
        await world.work(recorded.body, 400, cut)
        answer = await world.work(recorded.body, 1000, None)
        seen = await reader
        single = World(keep=0)
        expected = await single.work(recorded.body, 400, None)
        assert (expected.response, expected.outcome) == (answer.response, answer.outcome)
        assert (None if answer.response is None else unstructure(answer.response)) == seen.response
        assert "~" not in seen.typed

    for cut in (1, 3, len(recorded.body) // 800):
        run(lambda cut=cut: test(cut))  # type: ignore[misc]
