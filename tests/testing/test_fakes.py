"""Fakes that play a script and count what is asked of them."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from streamkit import ChatStream, MisuseError, reassemble
from streamkit.sources import async_blocks, blocks
from streamkit.testing import (
    FOREVER,
    AsyncFakeSource,
    FakeClock,
    FakeSource,
    check_async_source,
    check_source,
    chunk,
    event,
    stream_bytes,
)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


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
