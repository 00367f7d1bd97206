"""A server on the loopback interface that accepts any number of connections, and ends what it began."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any, Self

from helpers.loopback import PATIENCE


class Accepting:
    """Calls `accepted` with each connection; leaving the `with` block ends them all, and waits for their threads."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.accepted(connection)

    def accepted(self, connection: socket.socket) -> None:
        """Begin to serve a connection."""
        raise NotImplementedError

    def _run(self, target: Any, *args: Any) -> None:
        """Run `target` in a thread that is waited for."""
        self._threads.append(threading.Thread(target=target, args=args))
        self._threads[-1].start()
