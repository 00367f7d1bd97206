"""What a source gives is a block or a chunk, never both; closing closes once, and drains nothing."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint

from helpers.loopback import PATIENCE
from streamkit import MisuseError
from streamkit.sources._blocks import AsyncBlocks, Blocks
from streamkit.types import CreateChatCompletionStreamResponse

CHUNK: dict[str, Any] = {"id": "c", "choices": []}


class Model:
    """A chunk of an SDK, as far as it can be told."""

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return CHUNK


@attrs.frozen
class Event:
    """An event, as decoders of event streams give it."""

    data: str
    event: str


async def each(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


def all_of(items: Any, **options: Any) -> list[Any]:
    """What both siblings give of `items`, which must be the same."""
    found = list(Blocks(iter(items), **options))

    async def main() -> list[Any]:
        return [item async for item in AsyncBlocks(each(items), **options)]

    assert found == anyio.run(main)
    return found


def error_of(items: Any, **options: Any) -> str:
    """What both siblings raise over `items`."""
    with pytest.raises(MisuseError) as caught:
        list(Blocks(iter(items), **options))
    with pytest.raises(MisuseError) as other:
        all_async(items, **options)
    assert str(caught.value) == str(other.value)
    return str(caught.value)


def all_async(items: Any, **options: Any) -> None:
    async def main() -> None:
        async for _ in AsyncBlocks(each(items), **options):
            pass

    anyio.run(main)


def test_blocks_arrive_as_bytes_whatever_kind_of_bytes_they_were() -> None:
    found = all_of([b"a", bytearray(b"b"), memoryview(b"c"), b""])
    assert [b"a", b"b", b"c", b""] == found
    assert {bytes} == set(map(type, found))


def test_chunks_arrive_unchanged() -> None:
    ours, model = CreateChatCompletionStreamResponse(id="c", choices=[], created=1, model="m"), Model()
    assert [CHUNK, ours, model] == all_of([CHUNK, ours, model])


@pytest.mark.parametrize("items, chunks", [([b"a"], False), ([CHUNK], True)])
def test_which_of_the_two_is_known_with_the_first_item(items: Any, chunks: bool) -> None:
    found = Blocks(iter(items))
    assert not found.chunks
    next(found)
    assert chunks == found.chunks
    assert Blocks(iter(()), chunks=True).chunks


@pytest.mark.parametrize(
    "items, message",
    [
        ([b"a", CHUNK], "block 1 of the source is dict"),
        ([CHUNK, b"a"], "item 1 of the source is bytes"),
        ([b"a", "b"], "block 1 of the source is str, not bytes: pass the response itself"),
        ([97], "block 0 of the source is int, not bytes: pass the bytes themselves"),
        ([None], "block 0 of the source is NoneType, not bytes: a file in non-blocking mode"),
        ([Event("{}", "message")], "block 0 of the source is Event, not bytes: pass the response itself"),
        ([object()], "block 0 of the source is object"),
    ],
    ids=["chunk-after-block", "block-after-chunk", "text", "number", "none", "event", "object"],
)
def test_what_is_neither_or_both_is_misuse(items: Any, message: str) -> None:
    assert message in error_of(items)


def test_an_error_of_the_source_passes_through_unchanged() -> None:
    error = ConnectionResetError("reset")

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise error

    found = Blocks(broken())
    assert b"a" == next(found)
    with pytest.raises(ConnectionResetError) as caught:
        next(found)
    assert error is caught.value


def test_closing_closes_the_generator_then_the_source_and_once() -> None:
    closed: list[str] = []

    def source() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("generator")

    found = Blocks(source(), close=lambda: closed.append("source"))
    next(found)
    found.close()
    found.close()
    assert ["generator", "source"] == closed
    assert [] == list(found)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("awaits", [True, False], ids=["async-close", "sync-close"])
def test_closing_async_closes_the_generator_then_the_source_and_once(backend: str, awaits: bool) -> None:
    if backend == "trio":
        pytest.importorskip("trio")
    closed: list[str] = []

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("generator")

    async def close() -> None:
        closed.append("source")

    async def main() -> None:
        found = AsyncBlocks(source(), close=close if awaits else lambda: closed.append("source"))
        assert b"a" == await found.__anext__()
        await found.aclose()
        await found.aclose()
        assert [] == [block async for block in found]

    anyio.run(main, backend=backend)
    assert ["generator", "source"] == closed


def test_a_source_is_closed_even_where_its_generator_fails_to() -> None:
    closed = []

    def source() -> Iterator[bytes]:
        try:
            yield b"a"
        finally:
            raise OSError("while closing")

    found = Blocks(source(), close=lambda: closed.append(True))
    next(found)
    with pytest.raises(OSError, match="while closing"):
        found.close()
    assert [True] == closed


def test_another_thread_may_close_what_one_thread_waits_for() -> None:
    waiting, ended = threading.Event(), threading.Event()

    def source() -> Iterator[bytes]:
        waiting.set()
        ended.wait(PATIENCE)
        yield b"late"

    found = Blocks(source(), close=ended.set)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(found))
    reader.start()
    assert waiting.wait(PATIENCE)
    found.close()
    reader.join(PATIENCE)
    assert [b"late"] == got


def test_another_task_may_close_what_one_task_waits_for() -> None:
    async def main() -> list[bytes]:
        ended = anyio.Event()

        async def source() -> AsyncIterator[bytes]:
            await ended.wait()
            yield b"late"

        found = AsyncBlocks(source(), close=ended.set)
        got: list[bytes] = []

        async def read() -> None:
            async for block in found:
                got.append(block)

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            await found.aclose()
        return got

    assert [b"late"] == anyio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_source_is_closed_to_the_end_by_a_cancelled_task(backend: str) -> None:
    ended: list[str] = []

    async def close() -> None:
        await checkpoint()
        ended.append("close")

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"a"
        finally:
            await checkpoint()
            ended.append("generator")

    async def main() -> None:
        found = AsyncBlocks(source(), close=close)
        await anext(found)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await found.aclose()
        assert ["generator", "close"] == ended

    anyio.run(main, backend=backend)
