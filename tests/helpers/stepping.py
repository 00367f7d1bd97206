"""A coroutine that is cancelled at a place of one's choice: where it hands control to the event loop for the k-th time.

    met = await cancelled_at(k, consume)

Every await that waits for anything reaches such a place, those inside of clients and of anyio too: going through k = 0,
1, 2, ... until one is not reached tries each of them. At that place the coroutine is just being suspended, so the
cancellation meets it as one from outside would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio
import attrs

Consumer = Callable[[], Coroutine[Any, Any, Any]]


@attrs.define
class Met:
    """The result. `reached`: there was such a place. `raised`: the cancellation left the coroutine."""

    reached: bool = False
    raised: bool = False


async def cancelled_at(
    place: int, consume: Consumer, *, native: bool = False, just_before: Callable[[], object] = lambda: None
) -> Met:
    """Run it, cancelled at the place of that number.

    `native`: by `asyncio.Task.cancel`, which meets an await once; else by a scope of anyio, which meets every await
    from there on that is not shielded. `just_before`: called where the cancellation is.
    """
    met = Met()

    def stepped(cancel: Callable[[], object]) -> _Stepped:
        def at(count: int) -> None:
            if count == place:
                met.reached = True
                just_before()
                cancel()

        return _Stepped(consume(), at)

    if native:

        async def run() -> None:
            await stepped(asyncio.current_task().cancel)  # type: ignore[union-attr]

        try:
            await asyncio.create_task(run())
        except asyncio.CancelledError:
            met.raised = True
    else:
        with anyio.CancelScope() as scope:
            await stepped(scope.cancel)
        met.raised = scope.cancelled_caught
    return met


class _Stepped:
    """Awaits a coroutine, and calls `at(k)` before it is suspended for the k-th time."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: Callable[[int], object]) -> None:
        self._coroutine = coroutine
        self._at = at

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine.__await__()
        step: Callable[[Any], Any] = inner.send
        argument: Any = None
        for count in range(10_000):
            try:
                waits_for = step(argument)
            except StopIteration as stop:
                return stop.value
            self._at(count)
            try:
                step, argument = inner.send, (yield waits_for)
            except BaseException as error:
                step, argument = inner.throw, error
        raise AssertionError("it waits without end")
