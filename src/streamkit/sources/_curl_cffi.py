"""Responses of curl_cffi, with `stream=True`, sync and async.

libcurl unpacks bodies itself, and does not report that one ends before its trailer. It reads in a thread (or task) of the session and puts blocks into a queue, each at most 16 KiB and unpacked already.
The queue has no bound: of a sender that is faster than its reader everything waits in memory.

Closing: its own `close` waits for the transfer, which ends when the sender next says something or the client's timeout
passes; its own `aclose` waits for the end of the body. Here the transfer is stopped, and nobody waits for a silent
sender: sync, the response is closed when its thread is done, and the sender sees it when it next says something; async, its
task is cancelled.
Draining: sync, a connection carries one response and is closed with it, so nothing is drained. Async it is used again.
Waking: a read waits for the queue, so anything that is put there ends it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from threading import Thread
from typing import Any

from ..errors import MisuseError
from ._blocks import AsyncBlocks, Blocks
from ._detect import check_packed, consumed, head_of, method
from ._iterables import Each
from ._wake import Wake

__all__ = ("asynchronous", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """A response of a `Session`, open or read."""
    if not _is_curl_cffi(source):
        return None
    check_packed(source, unpack)
    if (body := _body(source)) is not None:
        return Blocks(iter((body,)), chunks=False, **head_of(source))
    if source.stream_task is None:
        raise MisuseError("this is a response of an AsyncSession: use AsyncChatStream, or a Session")
    _check_open(source, source.stream_task)
    return Blocks(_items(source), close=_closer(source), chunks=False, wake=_wake(source), **head_of(source))


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """A response of an `AsyncSession`, open or read."""
    if not _is_curl_cffi(source):
        return None
    check_packed(source, unpack)
    if (body := _body(source)) is not None:
        return AsyncBlocks(Each((body,)), chunks=False, **head_of(source))
    if source.astream_task is None:
        raise MisuseError(
            "this is a response of a Session, which would block the event loop while it waits: use an AsyncSession, or"
            " ChatStream in another thread"
        )
    _check_open(source, source.astream_task)
    return AsyncBlocks(
        _items_async(source), close=_closer_async(source), chunks=False, drainable=True, **head_of(source)
    )


def _is_curl_cffi(source: Any) -> bool:
    return method(source, "aiter_content") is not None and hasattr(source, "astream_task") and hasattr(source, "queue")


def _body(response: Any) -> bytes | None:
    """The body of a response without `stream=True`, else None."""
    return response.content if response.queue is None and isinstance(response.content, bytes) else None


def _check_open(response: Any, transfer: Any) -> None:
    if getattr(response, "_stream_closed", False) or (transfer.done() and response.queue.empty()):
        raise consumed(response)


_END = object()  # like curl_cffi's own: whatever is neither bytes nor an exception ends the body


def _items(response: Any) -> Iterator[bytes]:
    """What `iter_content` gives, in a form that another thread can wake."""
    while isinstance(block := response.queue.get(), bytes):
        yield block
    if isinstance(block, Exception):
        raise block


async def _items_async(response: Any) -> AsyncIterator[bytes]:
    while isinstance(block := await response.queue.get(), bytes):
        yield block
    if isinstance(block, Exception):
        raise block


def _wake(response: Any) -> Wake:
    def wake() -> bool:
        response.quit_now.set()
        # Not by this thread: a signal handler may have met it inside of `get`, which holds the lock that `put` wants.
        Thread(target=response.queue.put, args=(_END,), daemon=True).start()
        return True

    return wake


def _closer(response: Any) -> Callable[[], None]:
    def close() -> None:
        response.quit_now.set()
        response.stream_task.add_done_callback(lambda _: response.close())

    return close


def _closer_async(response: Any) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        import asyncio  # as late as this: its caller has it, and a sync one shall not wait for it

        response.quit_now.set()
        if not response.astream_task.done():
            response.astream_task.cancel()
            await asyncio.wait((response.astream_task,))

    return close
