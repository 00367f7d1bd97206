"""One stream and many readers, through the app's own front door: every reader gets everything once, whenever it arrives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from helpers.corpus import TRACES
from helpers.loopback import PATIENCE
from helpers.shared_reader import PageReader, split
from helpers.tier import some
from streamkit import Accumulator, MisuseError, reassemble, resume_point, unstructure
from streamkit.testing import DONE, chunk, event, fragment, stream_bytes

gateway = pytest.importorskip("streamkit.gateway", exc_type=ImportError)
SharedStreams, MemoryStore = gateway.SharedStreams, gateway.MemoryStore

WORDS = [f"word{number} " for number in range(30)]
CALL = [
    event(chunk(delta=fragment(id="call_1", name="weather"))),
    *(event(chunk(delta=fragment(piece))) for piece in ['{"ci', 'ty":', '"Par', 'is"}']),
]
WIRE = b"".join([*(event(chunk(word)) for word in WORDS), *CALL, event(chunk(finish="tool_calls")), DONE])


def run(store: Any, test: Callable[..., Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        shared = SharedStreams(store, **options)
        try:
            async with asyncio.timeout(PATIENCE):
                await test(shared)
        finally:
            await shared.aclose()

    asyncio.run(main())


async def blocks(data: bytes, size: int = 0) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size or len(data)):
        await asyncio.sleep(0)
        yield data[at : at + (size or len(data))]


async def gathered(events: AsyncIterator[bytes]) -> bytes:
    return b"".join([some async for some in events])


def response_of(data: bytes) -> Any:
    response = reassemble(data)
    return json.loads(json.dumps(unstructure(response)))


def check(reader: PageReader, wire: bytes = WIRE) -> None:
    assert ("".join(WORDS), {0: ["weather", '{"city":"Paris"}']}) == (reader.text, reader.calls)
    assert "".join(WORDS) == reader.typed
    assert ("complete", "done") == (reader.end["outcome"], reader.end["reason"])
    assert response_of(wire)["choices"] == reader.response["choices"]


# --- each once, in order


@pytest.mark.parametrize("size", [0, 1, 97])
def test_readers_that_are_there_get_each_event_once(new_store: Callable[..., Any], size: int) -> None:
    async def test(shared: Any) -> None:
        task = await shared.start("k", blocks(WIRE if size != 1 else WIRE[-2000:], size))
        readers = await asyncio.gather(*(PageReader().follow(shared.events("k")) for _ in range(3)))
        answer = await task
        assert ("complete", "done") == (answer.outcome.name, answer.outcome.reason)
        assert readers[0].typed == readers[1].typed == readers[2].typed == readers[0].text
        assert "snapshot" == readers[0].names[-2]
        assert len(set(readers[0].ids)) == len(readers[0].ids)
        if size != 1:
            check(readers[0])

    run(new_store(), test)


@pytest.mark.parametrize("keep", [0, 2000, 10**6])
def test_a_reader_that_returns_gets_what_it_missed_from_every_id_on(new_store: Callable[..., Any], keep: int) -> None:
    async def test(shared: Any) -> None:
        task = await shared.start("k", blocks(WIRE, 150))
        whole = await gathered(shared.events("k"))
        await task
        events = split(whole)
        for at, (id, name, _) in enumerate(events):
            reader = PageReader()
            reader.take(whole[: whole.index(f"id: {id}\n".encode())].rpartition(b"event: ")[0] if at else b"")
            reader.take(
                b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), id.encode(), json.dumps(events[at][2]).encode())
            )
            if name != "end":
                missed = await gathered(shared.events("k", id))
                if keep == 10**6:
                    assert events[at + 1 :] == split(missed)
                reader.take(missed)
            check(reader)

    run(new_store(), test, keep=keep)


@pytest.mark.parametrize("keep", [0, 2000])
def test_a_reader_that_leaves_after_each_event_and_returns_gets_each_once(
    new_store: Callable[..., Any], keep: int
) -> None:
    async def test(shared: Any) -> None:
        task = await shared.start("k", blocks(WIRE, 150))
        reader = PageReader()
        while reader.end is None:
            events = shared.events("k", reader.id)
            async for some_events in events:
                if first := [one for one in some_events.split(b"\n\n") if b"id: " in one][:1]:
                    reader.take(first[0] + b"\n\n")  # and here the connection breaks
                    break
            await events.aclose()
        await task
        check(reader)

    run(new_store(), test, keep=keep)


def test_a_reader_that_arrives_late_gets_the_whole_response_and_the_end(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        await shared.publish("k", blocks(WIRE))
        reader = await PageReader().follow(shared.events("k"))
        assert ["snapshot", "end"] == reader.names
        check(reader)
        assert b"retry: 1000\n\nevent: snapshot\nid: " == (await gathered(shared.events("k")))[:33]

    run(new_store(), test)


@pytest.mark.parametrize("recorded", some(TRACES, 2), ids=repr)
def test_what_a_page_makes_of_the_chunks_is_what_the_response_says(recorded: Any) -> None:
    async def test(shared: Any) -> None:
        task = await shared.start("k", blocks(recorded.body, 1000))
        reader = PageReader()
        async for some_events in shared.events("k"):
            for one in some_events.split(b"\n\n"):
                if b"event: snapshot" in one:  # the last: what was said before it is to say the same
                    choices = (json.loads(one.partition(b"data: ")[2]) or {"choices": []})["choices"]
                    message = next((choice["message"] for choice in choices if choice["index"] == 0), {})
                    assert (message.get("content") or "") == reader.text
                    calls = [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
                    assert calls == [arguments for _, (_, arguments) in sorted(reader.calls.items())]
                reader.take(one + b"\n\n")
        answer = await task
        assert (None if answer.response is None else unstructure(answer.response)) == reader.response
        assert answer.outcome.name == reader.end["outcome"]

    run(MemoryStore(), test, keep=10**9)


@pytest.mark.parametrize("keep", [0, 600])
def test_a_client_in_python_reads_it_as_any_other_stream_whenever_it_arrives(keep: int) -> None:
    async def test(shared: Any) -> None:
        followers: list[asyncio.Task[bytes]] = []

        async def source() -> AsyncIterator[bytes]:
            for at in range(0, len(WIRE), 200):
                yield WIRE[at : at + 200]
                followers.append(asyncio.create_task(gathered(shared.events("k"))))
                await asyncio.sleep(0)

        await shared.publish("k", source())
        whole = response_of(WIRE)["choices"]
        for body in await asyncio.gather(*followers):
            found = Accumulator()
            found.feed(body)
            assert "complete" == found.close().name
            assert whole == json.loads(found.dumps() or b"")["choices"]

    run(MemoryStore(), test, keep=keep)


def test_a_client_in_python_resumes_with_the_id_in_its_checkpoint() -> None:
    """Where the chunks that it missed are kept; in place of a snapshot, a new accumulator is needed."""

    async def test(shared: Any) -> None:
        task = await shared.start("k", blocks(WIRE, 150))
        whole = await gathered(shared.events("k"))
        await task
        for cut in range(100, len(whole), len(whole) // 10):
            first = Accumulator()
            first.feed(whole[:cut])
            saved = first.checkpoint()
            second = Accumulator.restore(saved, whole_events=True)
            second.feed(await gathered(shared.events("k", resume_point(saved).last_event_id)))
            assert "complete" == second.close().name
            assert response_of(WIRE)["choices"] == json.loads(second.dumps() or b"")["choices"], cut

    run(MemoryStore(), test, keep=10**6)


# --- bounded


def kept(store: Any) -> tuple[int, int]:
    """Entries and bytes that a log in memory has."""
    log = store._logs["k"]
    return len(log.entries), sum(len(one.data) for one in log.entries)


def test_what_is_kept_of_a_stream_is_bounded_however_long_it_is() -> None:
    most, ends = {}, {}
    for count in (500, 1000, 2000):
        store = MemoryStore()
        sizes: list[tuple[int, int]] = []

        async def test(
            shared: Any, store: Any = store, count: int = count, sizes: list[tuple[int, int]] = sizes
        ) -> None:
            async def source() -> AsyncIterator[bytes]:
                for _ in range(count):
                    yield event(chunk("x"))
                    sizes.append(kept(store))
                yield event(chunk(finish="stop")) + DONE

            await shared.publish("k", source())

        run(store, test, keep=5000)
        most[count], ends[count] = max(one for one, _ in sizes), max(one for _, one in sizes)
    # Two times `keep` in chunks of 150 bytes, and bases of a response of at most 2000 characters.
    assert most[500] == most[1000] == most[2000] < 80
    assert ends[2000] < 2 * 5000 + 2 * 2500 + 500


def test_all_bases_together_cost_at_most_three_times_the_chunks() -> None:
    written = [0, 0]

    class Counting(MemoryStore):  # type: ignore[misc, valid-type]
        async def append(self, lease: Any, after: int, entries: Any, seconds: float) -> int:
            for one in entries:
                written[one.kind != "chunk"] += len(one.data)
            return await super().append(lease, after, entries, seconds)  # type: ignore[no-any-return]

    async def test(shared: Any) -> None:
        await shared.publish("k", blocks(b"".join(event(chunk("word " * 200)) for _ in range(300)), 1100))

    run(Counting(), test, keep=1)
    assert written[1] < 3 * written[0]


def test_a_reader_that_is_slow_gets_a_snapshot_in_place_of_what_it_missed(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        go_on = asyncio.Event()

        async def source() -> AsyncIterator[bytes]:
            yield event(chunk("first "))
            await go_on.wait()
            for number in range(500):
                yield event(chunk(f"{number} "))
            yield event(chunk(finish="stop")) + DONE

        task = await shared.start("k", source())
        events = shared.events("k")
        reader = PageReader()
        while not reader.text:
            reader.take(await anext(events))
        go_on.set()
        await task  # the reader asks for nothing meanwhile
        before = len(reader.ids)
        async for some_events in events:
            reader.take(some_events)
        assert ["snapshot", "end"] == reader.names[before:]
        assert "first " + "".join(f"{number} " for number in range(500)) == reader.text == reader.typed

    run(new_store(), test, keep=1000)


# --- endings


@pytest.mark.parametrize(
    ("wire", "outcome", "reason", "kind"),
    [
        (stream_bytes("a"), "complete", "done", None),
        (event(chunk("a")), "truncated", "no_finish", "network"),
        (
            event(chunk("a")) + event({"error": {"message": "overloaded", "code": 529}}),
            "failed",
            "remote_error",
            "overloaded",
        ),
        (b"", "failed", "empty", None),
    ],
)
def test_the_last_event_says_how_it_ended(
    new_store: Callable[..., Any], wire: bytes, outcome: str, reason: str, kind: str | None
) -> None:
    async def test(shared: Any) -> None:
        answer = await shared.publish("k", blocks(wire, len(wire) or 1))
        reader = await PageReader().follow(shared.events("k"))
        assert (outcome, reason) == (reader.end["outcome"], reader.end["reason"])
        assert (outcome, reason) == (answer.outcome.name, answer.outcome.reason)
        if kind is not None:
            assert kind == reader.end["error"]["kind"] == answer.outcome.error.kind
        assert (None if answer.response is None else unstructure(answer.response)) == reader.response

    run(new_store(), test)


def test_a_source_that_breaks_ends_the_stream_as_truncated(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        async def source() -> AsyncIterator[bytes]:
            yield event(chunk("a"))
            raise ConnectionResetError("reset")

        answer = await shared.publish("k", source())
        reader = await PageReader().follow(shared.events("k"))
        assert ("a", "truncated", "network") == (reader.text, reader.end["outcome"], reader.end["error"]["kind"])
        assert "truncated" == answer.outcome.name

    run(new_store(), test)


def test_a_writer_that_is_cancelled_ends_the_stream_as_cancelled(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        closed = []

        async def source() -> AsyncIterator[bytes]:
            try:
                yield event(chunk("a"))
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        task = await shared.start("k", source())
        events = shared.events("k")
        reader = PageReader()
        while not reader.text:
            reader.take(await anext(events))
        task.cancel()
        await reader.follow(events)
        assert ("a", "cancelled") == (reader.text, reader.end["outcome"])
        assert [True] == closed

    run(new_store(), test)


def test_readers_do_not_wait_for_a_writer_that_is_gone(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        store = shared._store
        lease = (await store.claim("k", 60)).lease
        await store.append(lease, 0, [gateway.Entry("chunk", json.dumps(chunk("a")).encode())], 60)
        readers = [(PageReader(), shared.events("k")) for _ in range(2)]
        for reader, events in readers:
            reader.take(await anext(events))
        await store.renew(lease, 0.05)  # they look at it again with each keep-alive
        await asyncio.gather(*(reader.follow(events) for reader, events in readers))
        for reader, _ in readers:
            assert ["chunk", "snapshot", "end"] == reader.names
            assert ("a", "a", "truncated", "writer_lost") == (
                reader.text,
                reader.typed,
                reader.end["outcome"],
                reader.end["reason"],
            )
            assert "network" == reader.end["error"]["kind"]

    run(new_store(), test, ping=0.05)


def test_readers_wait_for_a_takeover_where_they_are_asked_to(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        store = shared._store
        lease = (await store.claim("k", 60)).lease
        await store.append(lease, 0, [gateway.Entry("chunk", json.dumps(chunk("a")).encode())], 60)
        await store.release(lease)
        events = shared.events("k")
        reader = PageReader()
        reader.take(await anext(events))
        assert "a" == reader.text
        waiting = asyncio.create_task(anext(events))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        claim = await store.claim("k", 60)
        await store.append(claim.lease, 1, [gateway.Entry("end", b'{"outcome":"complete"}')], 60)
        while b"end" not in (said := await waiting):
            waiting = asyncio.create_task(anext(events))
        reader.take(said)
        assert "complete" == reader.end["outcome"]

    run(new_store(), test, takeover=PATIENCE)


def test_a_log_that_was_made_again_begins_with_an_empty_page(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        await shared.start("k", blocks(event(chunk("new")), 10))
        reader = PageReader()
        reader.take(b'event: chunk\nid: 0123-7\ndata: {"choices":[{"index":0,"delta":{"content":"old"}}]}\n\n')
        await reader.follow(shared.events("k", reader.id))
        assert ("new", "old~new") == (reader.text, reader.typed)
        assert reader.ids[1].endswith("-0")

    run(new_store(), test)


def test_keep_alives_are_sent_while_the_sender_is_silent(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        go_on = asyncio.Event()

        async def source() -> AsyncIterator[bytes]:
            await go_on.wait()
            yield event(chunk("a", finish="stop")) + DONE

        await shared.start("k", source())
        got = []
        async for some_events in shared.events("k"):
            got.append(some_events)
            if got.count(b": ping\n\n") == 2:
                go_on.set()
        assert b"retry: 1000\n\n" == got[0]
        assert "complete" == split(b"".join(got))[-1][2]["outcome"]

    run(new_store(), test, ping=0.01)


def test_all_but_start_works_on_trio_too() -> None:
    trio = pytest.importorskip("trio")

    async def test() -> None:
        shared = SharedStreams()
        reader = PageReader()

        async def source() -> AsyncIterator[bytes]:
            for at in range(0, len(WIRE), 300):
                await trio.lowlevel.checkpoint()
                yield WIRE[at : at + 300]

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(shared.publish, "k", source())
                while reader.end is None:
                    await trio.lowlevel.checkpoint()
                    await reader.follow(shared.events("k", reader.id))
        check(reader)
        await shared.aclose()

    trio.run(test)


# --- misuse


def test_a_key_is_used_once(new_store: Callable[..., Any]) -> None:
    async def test(shared: Any) -> None:
        go_on = asyncio.Event()

        async def source() -> AsyncIterator[bytes]:
            yield event(chunk("a"))
            await go_on.wait()

        task = await shared.start("k", source())
        with pytest.raises(MisuseError, match="was used before"):
            await shared.publish("k", blocks(WIRE))
        go_on.set()
        await task
        with pytest.raises(MisuseError, match="was used before"):
            await shared.start("k", blocks(WIRE))

    run(new_store(), test)


@pytest.mark.parametrize("key", ["", None, 5, "a\n", "x" * 257, b"k"])
def test_what_is_not_a_key_is_named(key: Any) -> None:
    async def test(shared: Any) -> None:
        for call in (shared.publish(key, blocks(WIRE)), anext(shared.events(key)), shared.ensure(key, blocks)):
            with pytest.raises(MisuseError, match="a key is a text"):
                await call

    run(MemoryStore(), test)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lease": 0}, "lease= takes seconds"),
        ({"lease": "1"}, "lease= takes seconds"),
        ({"takeover": -1}, "takeover= takes seconds"),
        ({"takeover": True}, "takeover= takes seconds"),
        ({"ping": None}, "ping= takes seconds"),
        ({"keep": 1.5}, "keep= takes a number of bytes"),
        ({"store": object()}, "store= takes a MemoryStore"),
        ({"limits": 5}, "limits="),
        ({"dialect": 5}, "dialect="),
    ],
)
def test_odd_options_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        SharedStreams(**options)


def test_a_source_that_is_not_one_is_misuse_and_ends_the_stream() -> None:
    async def test(shared: Any) -> None:
        with pytest.raises(MisuseError):
            await shared.publish("k", 5)
        reader = await PageReader().follow(shared.events("k"))
        assert "cancelled" == reader.end["outcome"]

    run(MemoryStore(), test)


def test_keys_are_fit_for_a_path_and_differ() -> None:
    keys = {gateway.new_key() for _ in range(100)}
    assert 100 == len(keys)
    assert all(len(key) == 22 and set(key) <= set("-_") | set(map(chr, range(48, 123))) for key in keys)
