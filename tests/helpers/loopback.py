"""A real server on the loopback interface that sends a stream one event at a time, each when the client has the last.

    with Loopback(framing="chunked") as server:
        for block in blocks(client.stream("GET", server.url)):
            server.saw(block)

A client that holds events back never says that it saw one, so the server would wait for ever; it gives up after
`patience` seconds and cuts the stream, and the test fails. Nothing else here depends on time: a connection is waited
for however long the client takes to make one, and clients get PATIENCE in place of timeouts that a loaded machine could
reach.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from helpers.wire import DONE, delta, sse

T = TypeVar("T")
EVENTS = (
    sse(delta('{"role":"assistant","content":"Gr"}')),
    sse(delta('{"content":"üß"}')),
    sse(delta('{"content":"e"}')),
    sse(delta(finish="stop")),
    DONE,
)
TEXT = "Grüße"
PATIENCE = 60.0  # seconds until what hangs is given up, on either side; nothing that works waits for it
# For every client of httpx and its kin: no proxy of the environment, no timeout that a loaded machine could reach, and one
# TLS context for all, since making one takes 20 ms and nothing here is encrypted.
CLIENT: dict[str, Any] = {"trust_env": False, "timeout": PATIENCE, "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}


class Loopback:
    """One answer, for every connection.

    `framing`: "chunked", "close" (the body ends with the connection) or "length". `encoding`: None or "gzip", each
    event flushed. `end`: "whole"; "cut": closed after `cut_after` events without the end that the framing asks for;
    "reset": the same by a TCP reset. `body`: sent at once instead of the events. `patience`: seconds between an event
    and the sign that the client has it; fewer than PATIENCE only where that sign never arrives.
    """

    def __init__(
        self,
        framing: str = "chunked",
        *,
        encoding: str | None = None,
        status: str = "200 OK",
        content_type: str = "text/event-stream",
        end: str = "whole",
        cut_after: int = 2,
        body: bytes | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.patience = patience
        self.framing = framing
        self.encoding = encoding
        self.status = status
        self.content_type = content_type
        self.end = end
        self.events = EVENTS[:cut_after] if end != "whole" else EVENTS
        if body is not None:
            self.events = (body,)
        self.left = threading.Event()  # the client closed its side before the body had ended
        self._seen = bytearray()
        self._signs, self._sign = socket.socketpair()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sign.close()  # also ends a wait for a sign
        self._thread.join(PATIENCE)
        for one in (self._listener, self._signs):
            one.close()
        assert not self._thread.is_alive()

    def saw(self, block: bytes) -> None:
        """The client has this block: a sign for every event that it ends."""
        for byte in block:
            self._seen.append(byte)
            if self._seen.endswith(b"\n\n"):
                self._sign.send(b"x")

    def _serve(self) -> None:
        ready, _, _ = select.select([self._listener, self._signs], [], [], PATIENCE)
        if self._listener not in ready:  # no client: the test is over
            return
        connection, _ = self._listener.accept()
        with connection:
            try:
                self._answer(connection)
            except ConnectionError:
                self.left.set()

    def _answer(self, connection: socket.socket) -> None:
        read_request(connection)
        packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16) if self.encoding == "gzip" else None
        connection.sendall(self._head())
        for number, event in enumerate(self.events):
            if number and not self._wait(connection):
                return
            connection.sendall(
                self._frame(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) if packer else event)
            )
        if self.end != "whole":
            self._wait(connection)  # what was sent must arrive: a reset discards what still waits
            if self.end == "reset":
                reset(connection)
            return
        if packer is not None:
            connection.sendall(self._frame(packer.flush()))
        if self.framing == "chunked":
            connection.sendall(b"0\r\n\r\n")

    def _head(self) -> bytes:
        head = [f"HTTP/1.1 {self.status}", f"Content-Type: {self.content_type}"]
        if self.framing == "chunked":
            head.append("Transfer-Encoding: chunked")
        elif self.framing == "length":
            head.append(f"Content-Length: {sum(map(len, EVENTS if self.end != 'whole' else self.events))}")
        else:
            head.append("Connection: close")
        if self.encoding is not None:
            head.append(f"Content-Encoding: {self.encoding}")
        return "\r\n".join([*head, "", ""]).encode()

    def _frame(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self.framing == "chunked" and data else data

    def _wait(self, connection: socket.socket) -> bool:
        """Wait for the sign that the client saw the last event; False where it left."""
        ready, _, _ = select.select([connection, self._signs], [], [], self.patience)
        if self._signs in ready:
            return bool(self._signs.recv(1))
        if connection in ready:
            assert b"" == connection.recv(1)
            self.left.set()
        return False


def until(known: Callable[[], T]) -> T:
    """What `known` returns, once that is true: for what no event says. It fails where that never is."""
    end = time.monotonic() + PATIENCE
    while not (found := known()):
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0)  # the others' turn
    return found


def reset(connection: socket.socket) -> None:
    """Closing it from now on is a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_request(connection: socket.socket) -> None:
    """Read the head of a request, and a body of the length that it says."""
    with connection.makefile("rb") as file:
        length = 0
        while (line := file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        file.read(length)
