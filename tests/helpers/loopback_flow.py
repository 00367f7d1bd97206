"""Two more real servers on the loopback interface: one sends faster than it is read, one sends what the test passes to
it.

    with Flood(events) as server: ...       # as fast as there is room; `blocked`, `still` and `left` say how it goes
    with Served(given) as server: ...       # each block when `given` has it; where that fails, the connection is reset

Both take the clients of `loopback_sync.py` and `loopback_async.py`, as `Loopback` does.
"""

from __future__ import annotations

import select
import socket
import threading
import zlib
from collections.abc import Iterable

from helpers.loopback import Loopback, read_request, reset

HEAD_OF_GZIP = 10  # bytes, which unpack to nothing
STILL = 0.05  # seconds without room after which a flood counts as stopped; the reader has stopped long before
_SEND_BUFFER = 8192  # bytes; the kernel doubles it


class Flood(Loopback):
    """Sends `events` as fast as the client takes them.

    `blocked`: set while there is no room to send. `still`: there has been none for a while. `stops`: how often there
    was none. `sent`: bytes so far. `finished`: all of it was sent; the other two are set as well, for those who wait.
    """

    def __init__(self, events: Iterable[bytes], framing: str = "chunked") -> None:
        super().__init__(framing)
        self._flood = events
        self.sent = self.stops = 0
        self.finished = False
        self.blocked, self.still = threading.Event(), threading.Event()

    def _answer(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        read_request(connection)
        try:
            self._push(connection, self._head())
            for event in self._flood:
                self._push(connection, self._frame(event))
            self._push(connection, b"0\r\n\r\n" if self.framing == "chunked" else b"")
            self.finished = True
        finally:
            self.blocked.set()
            self.still.set()

    def _push(self, connection: socket.socket, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                count = connection.send(view, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait_for_room(connection)
                continue
            self.sent += count
            self.blocked.clear()
            self.still.clear()
            view = view[count:]

    def _wait_for_room(self, connection: socket.socket) -> None:
        self.stops += 1
        self.blocked.set()
        reading = [connection, self._signs]
        if not any(select.select(reading, [connection], [], STILL)):
            self.still.set()
        if select.select(reading, [connection], [], self.patience)[0]:  # it left, or the test is over
            raise ConnectionResetError


class Served(Loopback):
    """Sends the blocks of `given`, each as one write, as soon as it has it."""

    def __init__(self, given: Iterable[bytes], framing: str = "chunked", encoding: str | None = None) -> None:
        super().__init__(framing, encoding=encoding)
        self._given = given

    def _answer(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_request(connection)
        connection.sendall(self._head())
        try:
            for block in self._given:
                connection.sendall(self._frame(block))
        except ConnectionError:
            raise
        except Exception:
            reset(connection)
            return
        if self.framing == "chunked":
            connection.sendall(b"0\r\n\r\n")


def packed(body: bytes) -> list[bytes]:
    """`body` as gzip, cut so that the first blocks unpack to nothing."""
    whole = zlib.compress(body, wbits=zlib.MAX_WBITS | 16)
    return [whole[:HEAD_OF_GZIP], whole[HEAD_OF_GZIP : HEAD_OF_GZIP + 2], whole[HEAD_OF_GZIP + 2 :]]
