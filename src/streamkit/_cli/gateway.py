"""`streamkit gateway`: the gateway under uvicorn, until it is interrupted.

In: the upstream's URL, where to listen. Out: an exit code; a line for each request on standard error.
"""

from __future__ import annotations

import logging
import os
import socket
import sys

from ..errors import MisuseError

__all__ = ("serve",)


def serve(upstream: str, listen: str, *, clean: bool) -> int:
    """Serve until SIGINT or SIGTERM. `MisuseError` where it cannot be: no such address, what it needs is not installed."""
    host, port = _address(listen)
    try:
        import uvicorn

        from ..gateway import create_app
    except ImportError as error:
        raise MisuseError(f'the gateway cannot run: {error}; pip install "streamkit-llm[gateway]"') from None
    app = create_app(upstream, always_clean=clean)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        known = None if isinstance(error, socket.gaierror) else error.errno  # that one has numbers of its own
        raise MisuseError(f"{listen}: {error.strerror or error if known is None else os.strerror(known)}") from None
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="streamkit: %(message)s")
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with listening:
        bound, port = listening.getsockname()[:2]
        shown = f"[{bound}]" if ":" in bound else bound
        logging.info("listening on http://%s:%d, forwarding to %s", shown, port, app.upstream)
        config = uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def _address(listen: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8000`, `:8000` (every interface) or `[::1]:8000`."""
    host, colon, port = listen.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise MisuseError(f"--listen takes HOST:PORT, as in 127.0.0.1:8000 or [::1]:8000, not {listen!r}")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)
