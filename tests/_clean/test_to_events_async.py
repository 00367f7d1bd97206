"""A response, or an async stream while it runs, comes out clean; on asyncio and trio."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from helpers.wire import DONE, delta, sse
from streamkit import MisuseError, TruncatedError, reassemble
from streamkit._clean.to_events import to_chunks, to_events
from streamkit._clean.to_events_async import async_to_chunks, async_to_events
from streamkit.testing import AsyncFakeSource, FakeSource

BLOCKS = [sse('{"choices":{"delta":{"content":"a"}}}'), sse(delta('{"content":"b"}', "stop")), DONE]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_it_gives_what_its_sibling_gives(backend: str) -> None:
    async def main() -> None:
        assert list(to_events(BLOCKS)) == [one async for one in async_to_events(AsyncFakeSource(BLOCKS))]
        chunks = [one async for one in async_to_chunks(AsyncFakeSource(BLOCKS))]
        assert list(to_chunks(BLOCKS)) == chunks
        assert list(to_chunks(BLOCKS)) == [one async for one in async_to_chunks(chunks)]

    anyio.run(main, backend=backend)


def test_an_event_is_given_before_the_next_block_is_read(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource(BLOCKS)
        async with async_to_events(source) as events:
            assert 0 == source.taken
            await anext(events)
            assert b'"content":"a"' in await anext(events)
            assert 1 == source.taken
        assert (1, 1) == (source.taken, source.closed)
        assert [] == [one async for one in events]

    anyio.run(main, backend=backend)


def test_a_response_is_written_too(backend: str) -> None:
    async def main() -> None:
        response = reassemble(b"".join(BLOCKS))
        assert list(to_events(response, text=1)) == [one async for one in async_to_events(response, text=1)]
        assert list(to_chunks(response)) == [one async for one in async_to_chunks(response)]
        async with async_to_events(response) as events:
            await anext(events)
        assert [] == [one async for one in events]

    anyio.run(main, backend=backend)


def test_wherever_it_is_cancelled_the_source_is_closed_once(backend: str) -> None:
    async def main() -> None:
        for place in range(len(BLOCKS)):
            source = AsyncFakeSource(BLOCKS)
            with anyio.CancelScope() as scope:
                async with async_to_events(source) as events:
                    if place == 0:
                        scope.cancel()
                    async for _ in events:
                        if source.taken == place:
                            scope.cancel()
            assert (place, 1) == (source.taken, source.closed)

    anyio.run(main, backend=backend)


def test_what_a_source_raises_is_raised_behind_what_had_come(backend: str) -> None:
    async def main() -> None:
        source = AsyncFakeSource(BLOCKS[:2], fail=ConnectionResetError("gone"))
        came: list[bytes] = []

        async def take() -> None:
            async for one in async_to_events(source):
                came.append(one)

        with pytest.raises(ConnectionResetError):
            await take()
        assert DONE == came[-1]
        assert 1 == source.closed

    anyio.run(main, backend=backend)


def test_chunks_of_a_stream_that_broke_off_end_with_its_error(backend: str) -> None:
    async def main() -> None:
        chunks = async_to_chunks(AsyncFakeSource(BLOCKS[:1]))
        assert ["", "a"] == [(await anext(chunks)).choices[0].delta.content for _ in range(2)]
        with pytest.raises(TruncatedError):
            await anext(chunks)
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)

    anyio.run(main, backend=backend)


def test_a_wrong_source_is_told_at_once(backend: str) -> None:
    for source in ("path", 5, None, {"choices": []}, FakeSource(BLOCKS)):
        with pytest.raises(MisuseError):
            async_to_events(source)
    for source in (reassemble(BLOCKS), BLOCKS):
        for how in ({"limits": 5}, {"dialect": "x"}, {"text": "a"}, {"logprobs": 1}, {"done": "no"}):
            (name,) = how
            with pytest.raises(MisuseError, match=name):
                async_to_events(source, **how)  # type: ignore[arg-type]
            if name != "done":
                with pytest.raises(MisuseError, match=name):
                    async_to_chunks(source, **how)  # type: ignore[arg-type]

    async def main() -> None:
        source = AsyncFakeSource([b"data", {"choices": []}])
        with pytest.raises(MisuseError):
            await anext(async_to_events(source))
        assert 1 == source.closed

    anyio.run(main, backend=backend)
