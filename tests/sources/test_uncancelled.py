"""Closing that a cancelled task carries out all the same, and no longer than it may take."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from helpers.stepping import cancelled_at
from streamkit.sources._uncancelled import uncancelled

OPEN = SimpleNamespace(is_closed=False)


class Response:
    """Notes that it is closed before it is, as that of httpx does."""

    def __init__(self) -> None:
        self.is_closed = False
        self.connection = "open"

    async def aclose(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            await checkpoint()
            await checkpoint()
            self.connection = "closed"


def test_at_whatever_await_it_is_cancelled_it_is_carried_out() -> None:
    async def main() -> None:
        place, reached = 0, True
        while reached:
            response = Response()
            close: Any = uncancelled(response, response.aclose, 5)
            met = await cancelled_at(place, close, native=True)
            assert met.raised == met.reached, "and the cancellation goes on"
            assert "closed" == response.connection
            assert 1 == len(asyncio.all_tasks())
            place, reached = place + 1, met.reached
        assert place > 1

    anyio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_closed_already_is_left_alone_and_what_closing_raises_is_raised(backend: str) -> None:
    pytest.importorskip(backend)

    async def fails() -> None:
        await checkpoint()
        raise OSError("while closing")

    async def main() -> None:
        await uncancelled(SimpleNamespace(is_closed=True), fails, 5)()  # type: ignore[misc]
        with pytest.raises(OSError, match="while closing"):
            await uncancelled(OPEN, fails, 5)()  # type: ignore[misc]
        closed: list[str] = []
        await uncancelled(object(), lambda: closed.append("sync"), 5)()  # type: ignore[misc]
        assert ["sync"] == closed

    anyio.run(main, backend=backend)


def test_a_closing_that_takes_too_long_is_given_up() -> None:
    async def main() -> None:
        await uncancelled(OPEN, anyio.sleep_forever, 0.001)()  # type: ignore[misc]
        await checkpoint()
        await checkpoint()
        assert 1 == len(asyncio.all_tasks())

    anyio.run(main)


def test_what_cannot_be_closed_is_not() -> None:
    assert None is uncancelled(OPEN, None, 5)
