"""No connection but to loopback, for the time of a test: what would have been sent unseen (aiohttp, requests) is found.

In: hosts that are let through. Out: a failure of the test where a name is looked up or a connection made, with the host's
name. Costs a look at each address, while it is on.

Rule 1  What is raised is pytest's own failure, which is not an `Exception`: a client takes an `OSError` for a bad network, sends again,
        and hides the name.
Rule 2  Names are refused when they are looked up, since a connection knows addresses only. Addresses, that of this machine, and
        sockets that are not of TCP are let through there.

Known weaknesses: clients that speak to the system past Python's `socket` (uvloop, curl_cffi, grpc, a subprocess) are not seen.
"""

from __future__ import annotations

import ipaddress
import socket
from fnmatch import fnmatchcase
from typing import Any

import pytest

__all__ = ("NetworkGuard",)

_INET = (socket.AF_INET, socket.AF_INET6)


class NetworkGuard:
    """`start` it and `stop` it. `blocked`: the hosts that were refused."""

    def __init__(self, let_through: tuple[str, ...] = ()) -> None:
        self._let_through = let_through
        self.blocked: list[str] = []
        self._patch = pytest.MonkeyPatch()

    def start(self) -> None:
        """Refuse from now on."""
        lookup, connect, connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex
        guard = self

        def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if not guard._lets(host, port, by_name=True):
                guard._refuse(host, port)
            return lookup(host, port, *args, **kwargs)

        def checked(sock: socket.socket, address: Any) -> None:
            if sock.family in _INET and sock.type & 0xF == socket.SOCK_STREAM and isinstance(address, tuple):
                if not guard._lets(address[0], address[1], by_name=False):
                    guard._refuse(address[0], address[1])

        def connecting(sock: socket.socket, address: Any) -> None:
            checked(sock, address)
            connect(sock, address)

        def connecting_ex(sock: socket.socket, address: Any) -> int:
            checked(sock, address)
            return connect_ex(sock, address)

        self._patch.setattr(socket, "getaddrinfo", getaddrinfo)
        self._patch.setattr(socket.socket, "connect", connecting, raising=True)
        self._patch.setattr(socket.socket, "connect_ex", connecting_ex, raising=True)

    def stop(self) -> None:
        """Put back what was there."""
        self._patch.undo()

    def _lets(self, host: Any, port: Any, *, by_name: bool) -> bool:
        name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
        if name is None or name == "":
            return True
        name = str(name).lower().rstrip(".")
        if any(fnmatchcase(one, pattern) for pattern in self._let_through for one in (name, f"{name}:{port}")):
            return True
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost")
        return by_name or address.is_loopback or address.is_unspecified

    def _refuse(self, host: Any, port: Any) -> None:
        name = host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host
        self.blocked.append(f"{name}:{port}")
        pytest.fail(
            f"a connection to {name}:{port} was refused: this test plays recordings and never connects. What httpx and"
            " httpx2 send is played; this was sent by something else (aiohttp, requests …): record it by `streamkit record`"
            " and play it by the fixture trace_server, or let the host through by trace(let_through=…)",
            pytrace=False,
        )
