"""Code that shares a stream with many readers, as users write it: every line must pass strict type checkers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import assert_type

from starlette.responses import Response

import streamkit
from streamkit.gateway import (
    Answer,
    CannotResumeError,
    Claim,
    Entry,
    Lease,
    MemoryStore,
    Page,
    RedisStore,
    SharedGateway,
    SharedStreams,
    Store,
    Wait,
    create_shared_app,
    new_key,
)


class MyStore:
    """Any class with these methods is a store."""

    async def claim(self, key: str, seconds: float) -> Claim:
        return Claim(Lease(key, "log", 1))

    async def renew(self, lease: Lease, seconds: float) -> None: ...

    async def append(self, lease: Lease, after: int, entries: Sequence[Entry], seconds: float) -> int:
        return after + len(entries)

    async def release(self, lease: Lease) -> None: ...

    async def read(self, key: str, log: str, after: int) -> Page | None:
        return None

    def watch(self, key: str) -> AbstractAsyncContextManager[Wait]:
        return MemoryStore().watch(key)

    async def aclose(self) -> None: ...


def stores() -> list[Store]:
    return [MemoryStore(expiry=60), RedisStore("redis://127.0.0.1:6379", prefix="mine"), MyStore()]


async def writing(source: AsyncIterator[bytes]) -> None:
    shared = SharedStreams(MyStore(), lease=10, takeover=60, keep=1000, ping=5, limits=streamkit.Limits())
    assert_type(await shared.publish(new_key(), source), Answer)
    assert_type(await shared.start(new_key(), source), asyncio.Task[Answer])

    async def open(offset: int) -> AsyncIterator[bytes]:
        if offset:
            raise CannotResumeError("it is gone")
        return source

    answer = await shared.ensure("run-1", open, resumes=True)
    assert_type(answer.outcome, streamkit.Outcome)
    assert_type(answer.response, streamkit.types.CreateChatCompletionResponse | None)


async def reading(shared: SharedStreams) -> None:
    async for events in shared.events("run-1", "0a1b-7"):
        assert_type(events, bytes)
    assert_type(shared.response("run-1"), Response)
    assert_type(create_shared_app("http://127.0.0.1:8080", shared, max_body=1 << 20), SharedGateway)
