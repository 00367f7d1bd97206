"""A clock that stands still until it is moved."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from streamkit.testing import (
    FakeClock,
)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


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
