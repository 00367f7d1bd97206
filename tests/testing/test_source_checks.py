"""Checks that see what is wrong with a source."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import anyio
import pytest

from streamkit.testing import (
    AsyncFakeSource,
    FakeSource,
    check_async_source,
    check_source,
)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


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
        (lambda given: iter(()), "first block arrives"),
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
