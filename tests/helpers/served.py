"""An ASGI app on loopback, under uvicorn in a thread."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from .loopback import PATIENCE


@contextmanager
def served(app: Any, lifespan: str) -> Iterator[str]:
    """Serve `app` on a free port; it takes connections before its loop runs, so nobody has to wait for that."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, lifespan=lifespan, ws="none", log_config=None, timeout_graceful_shutdown=PATIENCE)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()
