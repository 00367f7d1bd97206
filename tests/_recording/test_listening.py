"""The socket that servers listen on."""

from __future__ import annotations

import socket

import pytest

from streamkit import MisuseError
from streamkit._recording.listening import address_of, listening, url_of


def test_small_blocks_are_sent_at_once_on_each_connection() -> None:
    # With Nagle's algorithm the first block after the head waits until a client acknowledges it, 40 ms.
    with listening("127.0.0.1:0") as server, socket.create_connection(server.getsockname()):
        connection, _ = server.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "listen, address",
    [("127.0.0.1:8000", ("127.0.0.1", 8000)), (":80", ("0.0.0.0", 80)), ("[::1]:0", ("::1", 0))],
)
def test_an_address_is_read_from_its_text(listen: str, address: tuple[str, int]) -> None:
    assert address == address_of(listen)


@pytest.mark.parametrize("listen", ["8000", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "a:٣", None])
def test_another_text_is_refused(listen: object) -> None:
    with pytest.raises(MisuseError, match="--listen takes HOST:PORT"):
        address_of(listen, "--listen")


def test_an_address_that_is_taken_is_named() -> None:
    with listening("127.0.0.1:0") as taken, pytest.raises(MisuseError, match=url_of(taken).removeprefix("http://")):
        listening(url_of(taken).removeprefix("http://"))
