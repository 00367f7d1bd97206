"""The body of a response: blocks of the sender in, clean events out, one read of the client for each.

In: an `Exchange`, and the blocks of the response. Out: the events of each block. The rules are those of `Exchange`.

Rule 1  A body may be iterated twice: it continues where it was. openai iterates again after `[DONE]`, to drain.
Rule 2  Closed after `[DONE]`, what follows is read for a moment, so that the connection is used again. Closed before, the
        sender's connection is closed.
Rule 3  Cancelled in mid-read, the stream is over and reported at once: a client may never close it.
"""

from __future__ import annotations

from collections.abc import Iterator

import anyio

from streamkit.sources import AsyncBlocks, Blocks

from ._exchange import Exchange
from ._refused import Refused

__all__ = ("AsyncCleanBody", "CleanBody")


class CleanBody:
    """The clean events of one response."""

    def __init__(self, exchange: Exchange | Refused, found: Blocks) -> None:
        self._exchange, self._found = exchange, found
        self._events = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self._events

    def _read(self) -> Iterator[bytes]:
        exchange, found = self._exchange, self._found
        while not exchange.over:
            try:
                if exchange.left() == 0:  # a read might block for ever
                    data = exchange.passed()
                else:
                    data = exchange.take(next(found))
            except StopIteration:
                data = exchange.end()
            except Exception as error:
                data = exchange.broke(error)
            except BaseException:
                self.close()
                raise
            if data:
                yield data
        if (error_of_ours := exchange.raised()) is not None:
            self.close()
            raise error_of_ours
        found.drain()
        exchange.report()

    def close(self) -> None:
        """Leave: the client calls it, at the end as well."""
        try:
            if self._exchange.over and self._exchange.said_end:
                self._found.finish()
            else:
                self._found.close()
        finally:
            self._exchange.leave()


class AsyncCleanBody:
    """The async sibling of `CleanBody`."""

    def __init__(self, exchange: Exchange | Refused, found: AsyncBlocks) -> None:
        self._exchange, self._found = exchange, found

    def __aiter__(self) -> AsyncCleanBody:
        return self

    async def __anext__(self) -> bytes:
        exchange = self._exchange
        while not exchange.over:
            try:
                left = exchange.left()
                if left is None:
                    data = exchange.take(await self._found.__anext__())
                else:
                    data = await self._read_within(left)
            except StopAsyncIteration:
                data = exchange.end()
            except Exception as error:
                data = exchange.broke(error)
            except BaseException as left_by:
                exchange.leave()
                if not isinstance(left_by, GeneratorExit):  # the event loop is gone: nothing can be awaited any more
                    await self.aclose()
                raise
            if data:
                return data
        if (error_of_ours := exchange.raised()) is not None:
            await self.aclose()
            raise error_of_ours
        await self._found.drain()
        exchange.report()
        raise StopAsyncIteration

    async def _read_within(self, seconds: float) -> bytes:
        with anyio.move_on_after(seconds) as scope:
            block = await anext(self._found)
        return self._exchange.passed() if scope.cancelled_caught else self._exchange.take(block)

    async def aclose(self) -> None:
        """Leave: the client calls it, at the end as well."""
        try:
            if self._exchange.over and self._exchange.said_end:
                await self._found.finish()
            else:
                await self._found.aclose()
        finally:
            self._exchange.leave()
