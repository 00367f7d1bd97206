"""What is given to those who test: streams that are streams, cuts that lose nothing, checks that see what is wrong."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import anyio
import pytest

from streamkit import Accumulator, ChatStream, MisuseError, TruncatedError, check_stream, reassemble
from streamkit.sources import async_blocks, blocks
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
    every_cut,
    fragment,
    random_cuts,
    response,
    stream_bytes,
)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_stream_of_text_is_a_whole_stream() -> None:
    wire = stream_bytes("Hel", "lo", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    made = reassemble(wire)
    assert "Hello" == made.choices[0].message.content
    assert "stop" == made.choices[0].finish_reason
    assert made.usage is not None
    assert 3 == made.usage.total_tokens
    accumulator = Accumulator(strict=True)
    accumulator.absorb(wire)
    assert "done" == accumulator.close().reason
    assert () == accumulator.anomalies
    assert check_stream(wire) is not None


def test_a_stream_of_fragments_is_a_call() -> None:
    wire = stream_bytes(
        chunk(delta=fragment("", id="a", name="f")),
        chunk(delta=fragment('{"k"')),
        chunk(delta=fragment(":1}")),
        chunk(finish="tool_calls"),
    )
    (call,) = reassemble(wire).choices[0].message.tool_calls or ()
    assert ("a", '{"k":1}', True) == (call.id, call.function.arguments, call.complete)  # type: ignore[union-attr]


def test_a_stream_may_break_off() -> None:
    with pytest.raises(TruncatedError):
        reassemble(stream_bytes("a", finish=None, done=False))
    assert stream_bytes("a").endswith(DONE)
    assert b"ab" == stream_bytes(b"a", b"b", finish=None, done=False)


def test_a_response_is_what_its_stream_gives() -> None:
    assert reassemble(stream_bytes("Hello")) == response("Hello")
    assert "hm" == response(reasoning="hm").choices[0].message.reasoning


@pytest.mark.parametrize(
    "wire, args",
    [
        (b"data: a\n\n", {"data": "a"}),
        (b'data: {"k":1}\n\n', {"data": {"k": 1}}),
        (b"data: a\ndata: b\n\n", {"data": b"a\nb"}),
        (b"event: error\ndata: a\n\n", {"data": "a", "type": "error"}),
    ],
)
def test_an_event_is_framed_as_the_standard_says(wire: bytes, args: dict[str, Any]) -> None:
    assert wire == event(**args)


def test_every_cut_is_every_cut() -> None:
    assert [[b"abc"], [b"a", b"bc"], [b"ab", b"c"], [b"a", b"b", b"c"]] == list(every_cut(b"abc"))
    assert [[b""]] == list(every_cut(b""))
    assert [b"a", b"b"] == each_byte(b"ab")


@pytest.mark.parametrize("wire", [b"", b"a", b"ab", stream_bytes("Hello")])
def test_random_cuts_lose_nothing_and_come_again(wire: bytes) -> None:
    cuts = list(random_cuts(wire, 5, 20))
    assert 20 == len(cuts)
    assert {wire} == {b"".join(one) for one in cuts}
    assert cuts == list(random_cuts(wire, 5, 20))
    assert all(all(one) for one in cuts) or not wire


def test_the_clock_goes_on_when_it_is_told_to(backend: str) -> None:
    clock = FakeClock(5.0)
    assert (5.0, 5.0) == (clock(), clock())
    assert 7.5 == clock.advance(2.5) == clock()
    assert [(b"a", 8.0), (b"b", 8.5)] == [(block, clock()) for block in clock.timed([b"a", b"b"], 0.5)]
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)

    async def main() -> None:
        assert [(b"a", 9.0)] == [(block, clock()) async for block in clock.timed_async([b"a"], 0.5)]

    anyio.run(main, backend=backend)


def test_the_fakes_are_sources_as_they_should_be(backend: str) -> None:
    check_source(FakeSource)
    check_source(lambda given: (block for block in given))

    async def main() -> None:
        await check_async_source(AsyncFakeSource)

    anyio.run(main, backend=backend)


def test_a_fake_counts_what_is_asked_of_it() -> None:
    source = FakeSource([b"a", b"b"], fail=OSError("gone"))
    assert b"a" == next(source)
    assert (1, 0) == (source.taken, source.closed)
    assert b"b" == next(source)
    with pytest.raises(OSError, match="gone"):
        next(source)
    source.close()
    assert 1 == source.closed
    assert [] == list(source)


def test_a_fake_plays_its_script(backend: str) -> None:
    clock, gone, stuck = FakeClock(), OSError("gone"), OSError("stuck")

    source = FakeSource([b"a", 2, 0.5, b"b", gone, b"c"], clock=clock, close_error=stuck, status=503)
    assert (b"a", 0.0) == (next(source), clock())
    assert (b"b", 2.5) == (next(source), clock())
    with pytest.raises(OSError, match="gone"):
        next(source)
    assert (b"c", 4, 3) == (next(source), source.reads, source.taken)
    with pytest.raises(OSError, match="stuck"):
        source.close()
    assert (1, 503) == (source.closed, blocks(source).status)
    with pytest.raises(MisuseError, match="needs a clock"):
        next(FakeSource([1, b"a"]))

    async def main() -> None:
        other = AsyncFakeSource([b"a", 1, b"b", FOREVER], clock=clock, close_error=stuck, status=503)
        assert [b"a", b"b"] == [await anext(other), await anext(other)]
        assert (3.5, False, 503) == (clock(), other.waiting.is_set(), async_blocks(other).status)
        async with anyio.create_task_group() as group:
            group.start_soon(anext, other)
            await other.waiting.wait()
            group.cancel_scope.cancel()
        assert (3, 2) == (other.reads, other.taken)
        with pytest.raises(OSError, match="stuck"):
            await other.aclose()
        assert 1 == other.closed

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_a_script_of_one_block(backend: str, kind: Any) -> None:
    clock, wire = FakeClock(), stream_bytes("Hel", "lo", " you")
    assert [wire] == list(FakeSource(kind(wire), clock=clock))
    assert "Hello you" == reassemble(FakeSource(kind(wire))).choices[0].message.content
    assert 0.0 == clock()

    async def main() -> None:
        assert [wire] == [block async for block in AsyncFakeSource(kind(wire))]

    anyio.run(main, backend=backend)


def test_a_class_of_exceptions_in_a_script_is_raised_as_an_exception_is(backend: str) -> None:
    source = FakeSource([b"a", OSError], fail=KeyError, close_error=ValueError)
    assert b"a" == next(source)
    for expected in (OSError, KeyError):
        with pytest.raises(expected):
            next(source)
    with pytest.raises(ValueError, match=r"^$"):
        source.close()

    async def main() -> None:
        with pytest.raises(OSError, match=r"^$"):
            await anext(AsyncFakeSource([OSError]))

    anyio.run(main, backend=backend)


def test_a_script_may_give_chunks_of_any_kind() -> None:
    class Dumps:
        def model_dump(self) -> dict[str, Any]:
            return chunk("Hello", finish="stop")

    script = [chunk("", delta={"role": "assistant"}), Dumps(), event(chunk())]
    assert script == list(FakeSource(script))


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ([FOREVER], "FOREVER is for an AsyncFakeSource"),
        (["data: 1"], "takes bytes, .*, not str"),
        ("data: 1", "takes bytes, .*, not str"),
        ([None], "not NoneType"),
        ([int], "not type"),
        (5, "takes bytes, or an iterable of steps, not int"),
    ],
    ids=["forever", "text", "only-text", "nothing", "class", "number"],
)
def test_what_is_no_step_of_a_script_is_misuse(script: Any, sentence: str) -> None:
    with pytest.raises(MisuseError, match=sentence):
        list(FakeSource(script))
    with pytest.raises(MisuseError, match=sentence):  # it is no source that broke
        list(ChatStream(FakeSource(script)))


def test_what_is_no_step_of_a_script_is_misuse_for_async_fakes_too(backend: str) -> None:
    async def main() -> None:
        with pytest.raises(MisuseError, match=r"takes bytes, .*, not str"):
            await anext(AsyncFakeSource(["a"]))

    anyio.run(main, backend=backend)


def joining(given: Iterable[bytes]) -> Iterator[bytes]:
    yield b"".join(given)


def behind(given: Iterable[bytes]) -> Iterator[bytes]:
    last = None
    for block in given:
        if last is not None:
            yield last
        last = block
    if last is not None:
        yield last


def losing(given: Iterable[bytes]) -> Iterator[bytes]:
    for block in given:
        yield block.strip()


def quiet(given: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from given
    except Exception:
        return


def in_strings(given: Iterable[bytes]) -> Iterator[Any]:
    for block in given:
        yield bytearray(block) if block.startswith(b"d") else b""


class Again:
    """A source that begins anew when it is asked after its end."""

    def __init__(self, given: Iterable[bytes]) -> None:
        self._given = given
        self._at = iter(given)

    def __iter__(self) -> Again:
        return self

    def __next__(self) -> bytes:
        for block in self._at:
            return block
        self._at = iter(self._given)
        raise StopIteration


@pytest.mark.parametrize(
    "make, sentence",
    [
        (joining, "nothing is held back"),
        (behind, "nothing is held back"),
        (losing, "in order and unchanged"),
        (quiet, "an error, not an end"),
        (in_strings, "in order and unchanged"),
        (Again, "stays ended"),
        (lambda given: iter(()), "first block comes"),
    ],
)
def test_a_source_that_does_wrong_is_told_what(backend: str, make: Any, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_source(make)

    class Wrapped:
        def __init__(self, given: Iterable[bytes]) -> None:
            self._source = iter(make(given))

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            for block in self._source:
                return block
            raise StopAsyncIteration

    async def main() -> None:
        with pytest.raises(AssertionError, match=sentence):
            await check_async_source(Wrapped)

    anyio.run(main, backend=backend)


def test_a_source_that_drains_when_it_is_closed_is_told_so(backend: str) -> None:
    class Draining(FakeSource):
        def close(self) -> None:
            list(self)
            super().close()

    with pytest.raises(AssertionError, match="drains nothing"):
        check_source(Draining)

    class AsyncDraining(AsyncFakeSource):
        async def aclose(self) -> None:
            [block async for block in self]
            await super().aclose()

    async def main() -> None:
        with pytest.raises(AssertionError, match="drains nothing"):
            await check_async_source(AsyncDraining)

    anyio.run(main, backend=backend)


def from_a_thread(given: Iterable[bytes]) -> Iterator[bytes]:
    """What another thread iterates, as a server does, over something that joins no threads: a failure in words of its own."""
    sent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def send() -> None:
        with contextlib.suppress(Exception):
            for block in given:
                sent.put(block)
            sent.put(b"")
        sent.put(None)

    threading.Thread(target=send, daemon=True).start()
    while block := sent.get():
        yield block
    if block is None:
        raise OSError("reset by peer")


def test_a_source_may_be_fed_by_another_thread(backend: str) -> None:
    check_source(from_a_thread)

    async def main() -> None:
        async def source(given: Iterable[bytes]) -> Any:
            made = from_a_thread(given)

            async def each() -> AsyncIterator[bytes]:
                while block := await anyio.to_thread.run_sync(next, made, b""):
                    yield block

            return each()

        await check_async_source(source)

    anyio.run(main, backend=backend)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (joining, "nothing is held back"),
        (behind, "nothing is held back"),
        (losing, "in order and unchanged"),
        (quiet, "an error, not an end"),
    ],
)
def test_a_source_that_is_fed_by_another_thread_and_does_wrong_is_told_what(
    make: Any, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamkit.testing._source_checks._PATIENCE", 0.05)
    with pytest.raises(AssertionError, match=sentence):
        check_source(lambda given: make(from_a_thread(given)))


@pytest.mark.parametrize("boundaries", [True, False])
def test_a_source_that_reads_all_when_it_is_made_is_told_so(backend: str, boundaries: bool) -> None:
    sentence = "nothing is held back" if boundaries else "not when it is made"
    with pytest.raises(AssertionError, match=sentence):
        check_source(lambda given: [b"".join(given)], boundaries=boundaries)

    async def main() -> None:
        async def source(given: Iterable[bytes]) -> Any:
            return [b"".join(given)]

        for make in (source, lambda given: [b"".join(given)]):
            with pytest.raises(AssertionError, match=sentence):
                await check_async_source(make, boundaries=boundaries)

    anyio.run(main, backend=backend)


def test_a_source_may_cut_anew_if_that_is_said() -> None:
    check_source(joining_what_comes, boundaries=False)


def joining_what_comes(given: Iterable[bytes]) -> Iterator[bytes]:
    """Two blocks as one, and what had come before a failure."""
    waiting = b""
    try:
        for block in given:
            waiting += block
            if len(waiting) > 10:
                yield waiting
                waiting = b""
    except Exception:
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting
