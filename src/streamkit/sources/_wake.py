"""End a read that waits for a silent sender, by shutting down its socket.

In: a response or a file that another thread reads from. Out: whether that read returns now. Costs a few attribute
lookups, and nothing until a source is closed while another thread reads it.

A thread that waits in `recv` is not woken when another one closes the descriptor, and Python's buffered files do not
even close during a read: `close()` waits for it, up to the client's timeout. `shutdown(SHUT_RDWR)` ends the wait at
once, and the sender sees that its client left. The descriptor stays open, so that no other connection can get its
number while the read still uses it; the reading thread closes the source when its read returns (`Blocks`).

Rule 1  Only a connection that carries this one response. Over HTTP/2 many streams share one: it is not shut down, and
        the read ends when the connection next returns something.
Rule 2  Each client module says where the client keeps its socket. Underscored names may vanish in a new version: a read
        is then not ended early, like that of a pipe.
Rule 3  Nothing is raised: if anything fails, the read ends when its sender or its client's timeout ends it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ("Wake", "file_wake", "shut_down", "socket_below")

Wake = Callable[[], bool]
"""Ends a read in progress in another thread; returns False if that is not possible."""

_DEEP = 5  # files in files: urllib.error.HTTPError, http.client, BufferedReader, SocketIO, socket


def file_wake(file: Any) -> Wake | None:
    """Return how to wake a read of a file, or a response that is one; None for a class of the caller, whose `close` may
    do it."""
    if socket_below(file) is None and not isinstance(file, (io.BufferedReader, io.BufferedRandom, io.FileIO)):
        return None
    return partial(shut_down, partial(socket_below, file))


def socket_below(file: Any) -> Any:
    """Return the socket below a file, None if there is none."""
    for _ in range(_DEEP):
        if file is None:
            return None
        if (found := getattr(file, "_sock", None)) is not None:
            return found
        inner = getattr(file, "fp", None)
        file = getattr(file, "raw", None) if inner is None else inner
    return None


def shut_down(find: Callable[[], Any]) -> bool:
    """Shut down the socket that `find` returns; return True if that was done."""
    import socket

    try:
        found = find()
        while not isinstance(found, socket.socket):  # those of pyOpenSSL and TLS inside TLS wrap one
            found = found.socket
        # Also for an ssl.SSLSocket: its own shutdown() first discards the TLS state that the other thread reads
        # through.
        socket.socket.shutdown(found, socket.SHUT_RDWR)
    except Exception:  # Rule 3
        return False
    return True
