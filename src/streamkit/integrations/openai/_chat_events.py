"""The events of `chat.completions.stream()`, of whatever sender: read from the bytes, before the SDK's decoder has them.

In: what `client.chat.completions.stream(...)` returns, or `create(..., stream=True)`, or any source. Out: the SDK's events, with
choices and call ids, and the completion. The rules are those of `ChatCompletionStreamState`; errors are the SDK's, with ours
as the cause.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any, Self

from streamkit import async_to_chunks, to_chunks

from ._convert import to_openai
from ._reading import Reading

__all__ = ("AsyncChatEvents", "ChatEvents")


class ChatEvents(Reading):
    """Iterate it inside of its `with` block.

        with ChatEvents(client.chat.completions.stream(model=…, messages=…, response_format=Answer)) as stream:
            for event in stream: ...
            stream.get_final_completion().choices[0].message.parsed

    `source`: as above. `response_format`, `input_tools`: what is parsed by, where the source does not know it. `limits`,
    `dialect`: as those of an `Accumulator`.
    """

    def __enter__(self) -> Self:
        if not hasattr(self._source, "__iter__") and hasattr(self._source, "__enter__"):
            self._manager = self._source
            self._opened(self._source.__enter__())
        self._chunks = to_chunks(self._source, **self._options())
        self._waiting: deque[Any] = deque()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        while not self._waiting:
            self._waiting.extend(self._state.handle_chunk(to_openai(next(self._chunks))))
        return self._waiting.popleft()

    def until_done(self) -> Self:
        """Read to the end."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> Any:
        """Read to the end, and return the `ParsedChatCompletion`."""
        return self.until_done()._state.get_final_completion()

    def close(self) -> None:
        """Leave: the response is closed."""
        self._chunks.close()
        if self._manager is not None:
            self._manager.__exit__(None, None, None)
        elif hasattr(self._source, "close"):  # where nothing was read, the chunks have not opened it
            self._source.close()


class AsyncChatEvents(Reading):
    """The async sibling of `ChatEvents`: `async with`, `async for`, `await stream.get_final_completion()`."""

    async def __aenter__(self) -> Self:
        if not hasattr(self._source, "__aiter__") and hasattr(self._source, "__aenter__"):
            self._manager = self._source
            self._opened(await self._source.__aenter__())
        self._chunks = async_to_chunks(self._source, **self._options())
        self._waiting: deque[Any] = deque()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._waiting:
            self._waiting.extend(self._state.handle_chunk(to_openai(await anext(self._chunks))))
        return self._waiting.popleft()

    async def until_done(self) -> Self:
        """Read to the end."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> Any:
        """Read to the end, and return the `ParsedChatCompletion`."""
        return (await self.until_done())._state.get_final_completion()

    async def close(self) -> None:
        """Leave: the response is closed."""
        await self._chunks.aclose()
        if self._manager is not None:
            await self._manager.__aexit__(None, None, None)
