"""Ending a read that waits for a silent sender: which sockets are shut down, and which are left alone.

What it does to each client is in tests/test_closing.py.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from streamkit.sources._httpx import httpx_wake
from streamkit.sources._urllib3 import urllib3_wake
from streamkit.sources._wake import file_wake


class Pair:
    """Two sockets that are connected."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()

    def is_shut_down(self) -> bool:
        self.theirs.setblocking(False)
        try:
            return self.theirs.recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    with pair.ours, pair.theirs:
        yield pair


def httpx_response(sock: Any, version: bytes = b"HTTP/1.1", is_closed: bool = False) -> Any:
    stream = SimpleNamespace(get_extra_info={"socket": sock}.get)
    return SimpleNamespace(is_closed=is_closed, extensions={"http_version": version, "network_stream": stream})


def test_the_socket_of_a_connection_that_carries_one_response_is_shut_down(pair: Pair) -> None:
    assert httpx_wake(httpx_response(pair.ours))()
    assert pair.is_shut_down()
    assert pair.ours.fileno() >= 0, "and stays open, for the read that holds its number"


@pytest.mark.parametrize("shared", [{"version": b"HTTP/2"}, {"is_closed": True}], ids=["HTTP/2", "given-back"])
def test_a_connection_that_others_use_is_left_alone(pair: Pair, shared: Any) -> None:
    assert not httpx_wake(httpx_response(pair.ours, **shared))()
    raw = SimpleNamespace(version=20, connection=SimpleNamespace(sock=pair.ours))
    assert not urllib3_wake(raw)()
    assert not pair.is_shut_down()


def test_a_socket_inside_of_another_is_found(pair: Pair) -> None:
    wrapped = SimpleNamespace(socket=SimpleNamespace(socket=pair.ours))
    raw = SimpleNamespace(version=11, connection=SimpleNamespace(sock=wrapped))
    assert urllib3_wake(raw)()
    assert pair.is_shut_down()


def test_what_has_no_socket_is_not_woken_and_nothing_is_raised() -> None:
    for response in (SimpleNamespace(is_closed=False), httpx_response(None), httpx_response(object())):
        assert not httpx_wake(response)()
    for raw in (SimpleNamespace(version=11), SimpleNamespace(version=11, connection=SimpleNamespace(sock=None))):
        assert not urllib3_wake(raw)()
    wake = file_wake(io.BufferedReader(io.BytesIO()))  # type: ignore[arg-type]
    assert wake is not None
    assert not wake()


def test_of_a_file_it_is_known_whether_its_close_waits_for_a_read(pair: Pair) -> None:
    with pair.ours.makefile("rb") as file:
        for layers in (file, SimpleNamespace(fp=file), SimpleNamespace(fp=SimpleNamespace(fp=file))):
            assert file_wake(layers) is not None
        wake = file_wake(SimpleNamespace(fp=file))
        assert wake is not None
        assert wake()
        assert pair.is_shut_down()
    assert None is file_wake(io.BytesIO())
    assert None is file_wake(SimpleNamespace(read=lambda: b"", close=lambda: None))
