"""How to end a read that waits for a silent sender: its socket is shut down.

In: a response or a file that another thread reads from. Out: whether that read returns now. Costs some attribute
lookups, and nothing until somebody closes a source while another thread reads it.

A thread that waits in `recv` is not woken when another one closes the descriptor, and Python's buffered files do not even
close while a read is under way: `close()` waits for it, up to the client's own timeout. `shutdown(SHUT_RDWR)` ends the
wait at once, and the sender sees that its client left. The descriptor stays open, so that no other connection can get its
number while the read still holds it; the thread that reads closes the source when its read returns (`Blocks`).

Rule 1  Only a connection that carries this one response. Over HTTP/2 many streams share one, so it is left alone, and the
        read ends when the connection next gives something.
Rule 2  Where a client keeps its socket stands in its module. Underscored names may go with a new version: a read is then
        not ended early, as that of a pipe is not.
Rule 3  Nothing is raised: whatever goes wrong, the read ends when its sender or its client's timeout ends it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ("Wake", "file_wake", "shut_down", "socket_below")

Wake = Callable[[], bool]
"""Ends a read that is under way in another thread; returns False where that cannot be had."""

_DEEP = 5  # files in files: urllib.error.HTTPError, http.client, BufferedReader, SocketIO, socket


def file_wake(file: Any) -> Wake | None:
    """For files, and responses that are files. None for a class of the caller's, whose own `close` may end its reads."""
    if socket_below(file) is None and not isinstance(file, (io.BufferedReader, io.BufferedRandom, io.FileIO)):
        return None
    return partial(shut_down, partial(socket_below, file))


def socket_below(file: Any) -> Any:
    """The socket at the bottom of a file, None where there is none."""
    for _ in range(_DEEP):
        if file is None:
            return None
        if (found := getattr(file, "_sock", None)) is not None:
            return found
        inner = getattr(file, "fp", None)
        file = getattr(file, "raw", None) if inner is None else inner
    return None


def shut_down(find: Callable[[], Any]) -> bool:
    """Shut the socket down that `find` returns; return whether that was done."""
    import socket

    try:
        found = find()
        while not isinstance(found, socket.socket):  # pyOpenSSL's and TLS inside of TLS wrap one
            found = found.socket
        # Of an ssl.SSLSocket as well: its own shutdown() first forgets the TLS that the other thread reads through.
        socket.socket.shutdown(found, socket.SHUT_RDWR)
    except Exception:  # Rule 3
        return False
    return True
