"""Where a server listens: `HOST:PORT` as text, and the socket for it.

In: `127.0.0.1:8000`, `:8000` (every interface), `[::1]:8000`; port 0 is a free one. Out: a socket that takes connections from now
on, before any loop runs, so that nobody has to wait for the server. `MisuseError` where there is no such address or it is taken.
"""

from __future__ import annotations

import os
import socket

from ..errors import MisuseError, shown

__all__ = ("address_of", "listening", "url_of")

_BACKLOG = 2048  # connections that wait; asyncio's 100 would refuse a thousand clients that begin at once


def address_of(listen: object, name: str = "listen") -> tuple[str, int]:
    """Return host and port. `name`: what the text was passed as. Raises `MisuseError` for any other text."""
    host, colon, port = listen.rpartition(":") if isinstance(listen, str) else ("", "", "")
    # Five digits: int() refuses a text of thousands.
    if not colon or not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise MisuseError(f"{name} takes HOST:PORT, as in 127.0.0.1:8000 or [::1]:8000, not {shown(listen)}")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)


def listening(listen: object) -> socket.socket:
    """Return a socket that listens there."""
    host, port = address_of(listen)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError, ValueError) as error:  # UnicodeError, ValueError: what is not the name of a host
        known = None if isinstance(error, socket.gaierror) or not isinstance(error, OSError) else error.errno
        words = str(error) if known is None else os.strerror(known)
        raise MisuseError(f"{listen}: {words}") from None
    # Connections inherit it. asyncio sets it only where a socket names its protocol, which this one does not; without it the
    # first block waits for the client to acknowledge the head: 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def url_of(sock: socket.socket) -> str:
    """Return the URL under which a listening socket is reached, without a path."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
