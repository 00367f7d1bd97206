"""`streamkit gateway`: the gateway under uvicorn, until it is interrupted.

In: the upstream's URL, where to listen. Out: an exit code; a line for each request on standard error.
"""

from __future__ import annotations

import logging
import sys

from .._recording.listening import address_of, listening, url_of
from ..errors import MisuseError

__all__ = ("serve",)


def serve(upstream: str, listen: str, *, clean: bool) -> int:
    """Serve until SIGINT or SIGTERM. `MisuseError` where it cannot be: no such address, what it needs is not installed."""
    address_of(listen, "--listen")
    try:
        import uvicorn

        from ..gateway import create_app
    except ImportError as error:
        raise MisuseError(f'the gateway cannot run: {error}; pip install "streamkit-llm[gateway]"') from None
    app = create_app(upstream, always_clean=clean)
    listener = listening(listen)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="streamkit: %(message)s")
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with listener:
        logging.info("listening on %s, forwarding to %s", url_of(listener), app.upstream)
        config = uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False)
        uvicorn.Server(config).run(sockets=[listener])
    return 0
