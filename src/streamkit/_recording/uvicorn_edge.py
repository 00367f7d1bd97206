"""uvicorn's h11 protocol, and the four things that ASGI has no words for. Every private name of uvicorn is used here.

    Protocol             `uvicorn.Config(http=Protocol)`: a connection whose request head is not whole in time is closed
    spelled_headers      the fields of a request as they were spelled; ASGI has them in lower case
    ends_with_close      the body ends with the connection, as HTTP/1.0 has it
    left_at              when the client left
    break_off            the connection ends in mid-body: cleanly closed, or reset (RST), after half a chunk if asked

Where an app does not run under this protocol (another server, a middleware), the first returns what ASGI has, the second does
nothing, the third returns None, and the fourth returns False: the caller then leaves the response unfinished, which every
server makes a closed connection of.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

import anyio
import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..forwarding import Send

__all__ = ("HEAD_SECONDS", "Protocol", "break_off", "ends_with_close", "is_complete", "left_at", "spelled_headers")

HEAD_SECONDS = (
    30.0  # for the head of a request: uvicorn alone waits for ever, and a thousand such peers are a thousand sockets
)
_DRAIN = 2.0  # seconds until what was sent before a reset has arrived: a reset throws away what still waits
_STEP = 0.002


class _Connection(h11.Connection):
    """Remembers the fields of the request as they were spelled, and when the client left."""

    spelled: tuple[tuple[bytes, bytes], ...] = ()
    left_at: float | None = None

    def left(self) -> None:
        self.left_at = monotonic() if self.left_at is None else self.left_at

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.spelled = tuple((bytes(name), bytes(value)) for name, value in event.headers.raw_items())
        return event


class Protocol(H11Protocol):
    """uvicorn's protocol with a time limit for the head of a request. uvicorn makes one for each connection."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = self._ours = _Connection(h11.SERVER)
        self._no_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def eof_received(self) -> None:
        self._ours.left()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ours.left()
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._no_head is None and not self.transport.is_closing():
            # Once for a head, not again for each of its bytes.
            self._no_head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._no_head is not None:
            self._no_head.cancel()
            self._no_head = None


def _cycle(send: Send) -> Any:
    """Return uvicorn's state of the request that `send` answers; None where it is not uvicorn's own."""
    owner = getattr(send, "__self__", None)
    known = isinstance(getattr(owner, "conn", None), h11.Connection) and hasattr(owner, "transport")
    return owner if known else None


def spelled_headers(scope: Any, send: Send) -> list[tuple[bytes, bytes]]:
    """Return the fields of a request as the client spelled them."""
    connection = getattr(_cycle(send), "conn", None)
    spelled = connection.spelled if isinstance(connection, _Connection) else ()
    return list(spelled or scope["headers"])


def left_at(send: Send) -> float | None:
    """Return when the client left, by the monotonic clock; None where it has not. An app hears of it some turns of the loop
    later, and by then may have begun with what the same client sent on another connection."""
    connection = getattr(_cycle(send), "conn", None)
    return connection.left_at if isinstance(connection, _Connection) else None


def is_complete(send: Send) -> bool:
    """Return whether the last bytes of the response have been written, though `send` has not returned."""
    return bool(getattr(_cycle(send), "response_complete", False))


def ends_with_close(send: Send) -> None:
    """Let the body that is sent next end with the connection: no length, no chunks. Called before its head is sent."""
    if (cycle := _cycle(send)) is not None:
        cycle.conn.their_http_version = b"1.0"  # whose clients know no chunks; h11 frames for them


async def break_off(
    send: Send, *, reset: bool, data: bytes = b"", missing: int = 0, before: Callable[[], object] | None = None
) -> bool:
    """End the connection in mid-body; return False where that is not in our hands.

    `data`: sent before; inside a chunk of HTTP that announces `missing` bytes more than it has, or, where `missing` is 0, as it is.
    `before`: called just before the other side can see that it ends.
    """
    cycle = _cycle(send)
    if cycle is None:
        return False
    transport = cycle.transport
    if data:
        chunked = missing and cycle.conn.their_http_version != b"1.0"  # whose clients know no chunks
        transport.write(b"%x\r\n%b" % (len(data) + missing, data) if chunked else data)
    if reset:
        await _arrived(transport)
    if before is not None:
        before()
    if reset:
        sock = transport.get_extra_info("socket")
        if sock is not None and not transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    return True


async def _arrived(transport: Any) -> None:
    """Wait until all that was written is at the other side, for at most `_DRAIN` seconds."""
    until = monotonic() + _DRAIN
    sock = transport.get_extra_info("socket")
    while not transport.is_closing() and monotonic() < until:
        if not transport.get_write_buffer_size() and not _on_its_way(sock):
            return
        await anyio.sleep(_STEP)


def _on_its_way(sock: Any) -> int:
    """Return how many bytes the other side has not acknowledged; 0 where the system does not say."""
    if not sys.platform.startswith("linux") or sock is None or sock.fileno() < 0:
        return 0
    import fcntl
    import termios

    answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, sys.byteorder)
