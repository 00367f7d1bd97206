"""Draining: after the end of a stream, read what is left of the HTTP body for a moment so the connection can be reused.

In: a source whose stream has ended, and the seconds to spend on it. Out: nothing; the source has ended if the end of
the body arrived in time. Usually costs one read.

The stream has ended with `[DONE]`, but the body of the response has not: its end (in HTTP/1.1 the chunk
`0\\r\\n\\r\\n`) usually arrives right after, in a separate write. A client that is closed before has to discard the
connection, and the next request pays for a new one: two or three round trips. But some senders and gateways keep the
body open after `[DONE]`, silent or with keep-alives, so waiting for its end is not an option: openai-python did once,
and hung.

Rule 1  What is read is discarded, unless the caller asks for it (`take`), and failures are not reported: the connection
        is then closed, as it would have been.
Rule 2  At most `GRACE` seconds and `LIMIT` bytes. An async read is cancelled then. A blocking one cannot be, so a sync
        source is drained only if its client can limit the time of a read (`ReadWithin`); see the module of each client.
        All others are closed at `[DONE]`. A caller that wants to reuse their connections reads to the end, through a
        `tee`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any

__all__ = ("GRACE", "LIMIT", "ReadWithin", "drain", "drain_async", "throw_away")

GRACE = 0.1
"""Seconds for which the rest of a body is read after `[DONE]`: about what a new connection costs; more would gain nothing."""

LIMIT = 65536  # bytes: a few keep-alives


ReadWithin = Callable[[float], AbstractContextManager[bool]]
"""A context in which a read takes at most this many seconds; False if that is not possible."""


def throw_away(_: object) -> None:
    """Discard a block that follows the end: the default of `take`."""


def drain(
    items: Iterator[Any], reads_within: ReadWithin, seconds: float, take: Callable[[Any], object] = throw_away
) -> bool:
    """Read up to the end of the body, for at most `seconds`; return True if it was reached. `take` is called with each
    block."""
    until, room = monotonic() + seconds, LIMIT
    try:
        while room > 0 and (left := until - monotonic()) > 0:
            with reads_within(left) as possible:
                if not possible:
                    break
                block = next(items, None)
            if block is None:
                return True
            take(block)
            room -= len(block) or 1
    except Exception:
        pass  # Rule 1
    return False


async def drain_async(items: AsyncIterator[Any], seconds: float, take: Callable[[Any], object] = throw_away) -> bool:
    """Read up to the end of the body, for at most `seconds`; return True if it was reached. `take` is called with each
    block.

    A cancelled task stops at once.
    """
    import anyio

    room = LIMIT
    with anyio.move_on_after(seconds):
        try:
            async for block in items:
                take(block)
                room -= len(block) or 1
                if room <= 0:
                    return False
            return True
        except Exception:
            pass  # Rule 1
    return False
