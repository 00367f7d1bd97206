"""HTTP as bytes on a socket: what a client sends and gets, and an upstream that answers with given bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from .loopback import PATIENCE

__all__ = ("RawUpstream", "chunks_of", "connect", "nobody", "request", "until_closed")


@contextmanager
def nobody() -> Iterator[str]:
    """The URL of a port that refuses every connection, and that no other server is given meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and it does not listen
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def connect(url: str) -> socket.socket:
    """A connection to the server of `url`."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=PATIENCE)


def request(path: str = "/v1/chat/completions", body: bytes = b"", method: str = "POST", *headers: str) -> bytes:
    """A request as bytes."""
    head = [f"{method} {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def until_closed(sock: socket.socket) -> tuple[bytes, type[OSError] | None]:
    """All that arrives until the other side closes, and what it was closed with: None, or ConnectionResetError."""
    got = bytearray()
    try:
        while block := sock.recv(65536):
            got += block
    except ConnectionError as error:
        return bytes(got), type(error)
    return bytes(got), None


def chunks_of(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Head, chunks and what is left of a chunked response: b"" where its last chunk is there."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    chunks = []
    while (found := rest.partition(b"\r\n"))[1]:
        size = int(found[0], 16)
        if len(found[2]) < size + 2:
            break
        data, rest = found[2][:size], found[2][size + 2 :]
        if not size:
            return head, chunks, b""
        chunks.append(data)
    return head, chunks, rest


class RawUpstream:
    """A server that reads one request and answers with bytes, whatever was asked, then closes.

    `request`: what it read, once `answered`. With `reset` it closes by a TCP reset.
    """

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.request = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> RawUpstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            length = None
            while length is None or len(self.request.partition(b"\r\n\r\n")[2]) < length:
                self.request += connection.recv(65536)
                head, end, _ = self.request.partition(b"\r\n\r\n")
                if end:
                    lines = head.lower().split(b"\r\n")
                    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
            connection.sendall(self._answer)
