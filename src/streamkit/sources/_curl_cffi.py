"""Responses of curl_cffi, with `stream=True`, sync and async.

libcurl unpacks bodies itself, and does not report a body that ends before its trailer. It reads in a thread (or task)
of the session and puts blocks into a queue, each at most 16 KiB and unpacked already. The queue has no bound: if the
sender is faster than the reader, everything waits in memory.

Closing: its `close` waits for the transfer, which ends when the sender next sends something or the client's timeout
expires; its `aclose` waits for the end of the body. Here the transfer is stopped instead, without waiting for a silent
sender: sync, the response is closed when its thread has finished, and the sender notices when it next sends something;
async, its task is cancelled. Draining: sync, a connection carries one response and is closed with it, so nothing is
drained. Async it is reused. Waking: a read waits for the queue, so putting anything into it ends the read.
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
    """Read a response of a `Session`, open or already read."""
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
    """Read a response of an `AsyncSession`, open or already read."""
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
    """Return the body of a response without `stream=True`, else None."""
    return response.content if response.queue is None and isinstance(response.content, bytes) else None


def _check_open(response: Any, transfer: Any) -> None:
    if getattr(response, "_stream_closed", False) or (transfer.done() and response.queue.empty()):
        raise consumed(response)


_END = object()  # like curl_cffi's own: whatever is neither bytes nor an exception ends the body


def _items(response: Any) -> Iterator[bytes]:
    """Yield the blocks of `iter_content`, in a form that another thread can wake."""
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
        # Not in this thread: a signal handler may have interrupted it inside `get`, which holds the lock that `put`
        # needs.
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
        import asyncio  # this late: the caller has imported it, and a sync one should not wait for it

        response.quit_now.set()
        if not response.astream_task.done():
            response.astream_task.cancel()
            await asyncio.wait((response.astream_task,))

    return close
