"""What stands behind the end of a stream: read for a moment, so that the client can use its connection once more.

In: a source that has said its end, and the seconds that this is worth. Out: nothing; the source has ended where the end
of the body came in time. Costs one read as a rule.

The stream is over with `[DONE]`, the body of the response is not: what ends that (of HTTP/1.1 the chunk `0\\r\\n\\r\\n`)
mostly comes right behind, in a write of its own. A client that is told to close before has to throw the connection away,
and the next request pays for a new one: two or three round trips. But there are senders and gateways that keep the body
open behind `[DONE]`, silent or with keep-alives, so nobody can wait for its end: openai-python did once, and hung.

Rule 1  What is read is thrown away, unless the caller asks for it (`take`), and what goes wrong is not reported: the
        connection is closed then, as it would have been.
Rule 2  At most `GRACE` seconds and `LIMIT` bytes. An async read is broken off then. A blocking one cannot be, so a sync
        source is read on only where its client lets one say how long a read may take (`ReadWithin`); how stands in the
        module of each client. All others are closed at `[DONE]`. A caller that wants their connections again reads to
        the end, through a `tee`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any

__all__ = ("GRACE", "LIMIT", "ReadWithin", "drain", "drain_async", "throw_away")

GRACE = 0.1  # seconds: about what a new connection costs; longer would be no gain
LIMIT = 65536  # bytes: a few keep-alives


ReadWithin = Callable[[float], AbstractContextManager[bool]]
"""Inside of it a read takes so many seconds at most; False where that cannot be had."""


def throw_away(_: object) -> None:
    """Take a block of what follows the end, which nobody wants as a rule."""


def drain(
    items: Iterator[Any], reads_within: ReadWithin, seconds: float, take: Callable[[Any], object] = throw_away
) -> bool:
    """Read up to the end of the body, for at most `seconds`; return whether it was reached. `take` is given each block."""
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
    """Read up to the end of the body, for at most `seconds`; return whether it was reached. `take` is given each block.

    A task that is cancelled stops at once.
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
