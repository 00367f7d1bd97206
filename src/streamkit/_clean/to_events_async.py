"""A response, or an async stream while it runs, as a clean stream: the async sibling of `_clean/to_events.py`.

    async with async_to_events(upstream) as events:
        async for event in events: await client.send(event)

The same sources (but for streams, which are whatever `async_blocks` takes), rules and costs. It holds no cancel scope,
and reads nothing before it is asked for it. A read that is cancelled may be tried again if the source allows it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

from ..accumulator import describe
from ..errors import MisuseError
from ..sources import GRACE, AsyncBlocks, async_blocks, said_end
from ..types import CreateChatCompletionStreamResponse
from .cleaner import Cleaner
from .to_events import ChunkWriter, Writer, broken, error_of, settle, to_chunks, to_events
from .write_options import EventOptions, WriteOptions

__all__ = ("AsyncWritten", "async_to_chunks", "async_to_events")

Made = TypeVar("Made")


def async_to_events(source: Any, **options: Unpack[EventOptions]) -> AsyncWritten[bytes]:
    """Like `to_events`, for async sources: a response, an accumulator, or whatever `async_blocks` takes.

    `options`: `text`, `logprobs`, `done`, `clean`, `raises`, `limits` and `dialect`, with the meaning and the defaults that they have there.
    """
    if settle(source) is not None:
        return AsyncWritten(given=to_events(source, **options))
    cleaner = Cleaner(**options)
    return AsyncWritten(blocks=async_blocks(source), writer=cleaner)


def async_to_chunks(source: Any, **options: Unpack[WriteOptions]) -> AsyncWritten[CreateChatCompletionStreamResponse]:
    """Like `to_chunks`, for async sources: a response, an accumulator, or whatever `async_blocks` takes.

    `options`: `text`, `logprobs`, `clean`, `raises`, `limits` and `dialect`, with the meaning and the defaults that they have there.
    """
    if settle(source) is not None:
        return AsyncWritten(given=to_chunks(source, **options))
    writer = ChunkWriter(**options)
    return AsyncWritten(blocks=async_blocks(source), writer=writer)


class AsyncWritten(Generic[Made]):
    """Events, or chunks, one after the other: `async for`, `async with`, `aclose`."""

    def __init__(
        self,
        *,
        given: Iterator[Made] | None = None,
        blocks: AsyncBlocks | None = None,
        writer: Writer[Made] | None = None,
    ) -> None:
        self._given = given
        self._blocks = blocks
        self._writer = writer
        self._waiting: deque[Made] = deque()
        self._over = False  # whether nothing more will be read
        self._raised: Exception | None = None  # what is raised behind all that is given

    def __repr__(self) -> str:
        if self._writer is None:
            return f"<{type(self).__name__} of a response>"
        return describe(self, self._writer.accumulator, waiting=len(self._waiting))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Made:
        if self._given is not None:
            for one in self._given:
                return one
            raise StopAsyncIteration
        while not self._waiting:
            if self._over:
                await self._finish()
                error, self._raised = self._raised, None
                if error is None:
                    raise StopAsyncIteration
                raise error if self._writer is None else error_of(self._writer, error)
            try:
                await self._step()
            except MisuseError:
                await self.aclose()
                raise
        return self._waiting.popleft()

    async def _finish(self) -> None:
        """All was given."""
        try:
            if self._blocks is not None and self._writer is not None and said_end(self._writer.accumulator.outcome):
                await self._blocks.drain(GRACE)
        except GeneratorExit:  # the event loop is gone: nothing can be awaited any more
            raise
        except BaseException:  # cancelled
            await self.aclose()
            raise
        await self.aclose()

    async def _step(self) -> None:
        """Read once."""
        blocks, writer = self._blocks, self._writer
        assert blocks is not None
        assert writer is not None
        try:
            item = await blocks.__anext__()
        except StopAsyncIteration:
            self._waiting.extend(writer.end())
            self._over = True
        except MisuseError:
            raise
        except Exception as error:
            self._waiting.extend(broken(writer, error, blocks.status))
            self._over, self._raised = True, error
        else:
            self._waiting.extend(writer.add(item) if blocks.chunks else writer.feed(item))
            self._over = writer.accumulator.done
        if self._over:
            self._raised = self._raised or writer.fault

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave: close the source, drain nothing. What waits is not given any more."""
        self._over = True
        self._waiting.clear()
        if self._given is not None:
            self._given = iter(())
        if self._blocks is not None:
            await self._blocks.aclose()
