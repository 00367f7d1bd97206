"""Transports of httpx and httpx2 that answer in the process with given blocks, sync and async, and say when they are closed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from streamkit.trace import Trace

__all__ = ("Answering",)


class Answering:
    """Answers every request with the blocks of a trace. `requests`: what was sent; `closed`: how many bodies were closed;
    `given`: how many blocks were asked for. `error`: raised after the last block."""

    def __init__(self, trace: Trace, error: Exception | None = None) -> None:
        self.trace = trace
        self.error = error
        self.requests: list[Any] = []
        self.closed = self.given = 0

    def _response(self, request: Any) -> Any:
        self.requests.append(request)
        library = sys.modules[type(request).__module__.partition(".")[0]]
        body = type("Body", (_Body, library.SyncByteStream, library.AsyncByteStream), {})(self)
        headers = [(name.encode(), value.encode()) for name, value in self.trace.headers]
        return library.Response(self.trace.status or 200, headers=headers, stream=body)

    def handle_request(self, request: Any) -> Any:
        return self._response(request)

    async def handle_async_request(self, request: Any) -> Any:
        return self._response(request)

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class _Body:
    def __init__(self, owner: Answering) -> None:
        self.owner = owner

    def __iter__(self) -> Iterator[bytes]:
        for block in self.owner.trace.blocks:
            self.owner.given += 1
            yield block.data
        if self.owner.error is not None:
            raise self.owner.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self:
            yield block

    def close(self) -> None:
        self.owner.closed += 1

    async def aclose(self) -> None:
        self.owner.closed += 1
