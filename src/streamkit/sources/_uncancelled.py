"""Closing that `asyncio.Task.cancel` cannot interrupt, for clients that could not be closed after that.

In: the coroutine function that closes a response. Out: the same, carried out to its end in a separate task; the calling
task waits for that, and is cancelled afterwards. Costs one task, and only if the response is still open.

The shield of anyio holds back its own cancellation, but not `Task.cancel`, which `asyncio.timeout`, `wait_for` and
Ctrl-C use. httpx notes that a response is closed before it closes it: cancelled at its first await it leaves the
connection open, and closing it again does nothing. Another task is not the place to close just anything: a generator,
or a class of the caller, may have to leave a cancel scope in the task that entered it. The clients named here have
none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ("uncancelled",)


def uncancelled(response: Any, close: Callable[[], Any] | None, seconds: float) -> Callable[[], Awaitable[None]] | None:
    """Return `close`, limited to `seconds`, as a function that the cancellation of a task does not interrupt; None for
    None.

    `response`: has `is_closed` if it knows that there is nothing to do.
    """
    if close is None:
        return None

    async def carried_out() -> None:
        done = close()
        if isinstance(done, Awaitable):
            await done

    async def closed() -> None:
        if getattr(response, "is_closed", False) is True:
            return
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio, whose only cancellation is the one that a shield holds back
            await carried_out()
            return
        task = loop.create_task(carried_out())
        cancelled: asyncio.CancelledError | None = None
        until = loop.time() + seconds
        while not task.done() and (left := until - loop.time()) > 0:
            try:
                await asyncio.wait((task,), timeout=left)
            except asyncio.CancelledError as error:
                cancelled = error
        if not task.done():
            task.cancel()
        if cancelled is not None:
            raise cancelled
        if task.done():
            task.result()

    return closed
