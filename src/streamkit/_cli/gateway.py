"""`streamkit gateway`: the gateway under uvicorn, until it is interrupted.

In: the upstream's URL, where to listen. Out: an exit code; a line for each request on standard error, and one of JSON in
a file that was asked for, flushed.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import IO

from .._recording.listening import address_of, listening, url_of
from ..ended import Ended
from ..errors import MisuseError

__all__ = ("serve",)


def serve(upstream: str, listen: str, *, clean: bool, log: str | None = None) -> int:
    """Serve until SIGINT or SIGTERM. `log`: a file to append to, `-` for standard output. `MisuseError` where it cannot be:
    no such address, no such folder, what it needs is not installed."""
    address_of(listen, "--listen")
    try:
        import uvicorn

        from ..gateway import create_app
    except ImportError as error:
        raise MisuseError(f'the gateway cannot run: {error}; pip install "streamkit-llm[gateway]"') from None
    with _appended(log) as lines:
        app = create_app(upstream, always_clean=clean, on_end=None if lines is None else _writer(lines))
        listener = listening(listen)
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="streamkit: %(message)s")
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        with listener:
            logging.info("listening on %s, forwarding to %s", url_of(listener), app.upstream)
            config = uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False)
            uvicorn.Server(config).run(sockets=[listener])
    return 0


def _appended(name: str | None) -> AbstractContextManager[IO[str] | None]:
    if name is None or name == "-":
        return nullcontext(None if name is None else sys.stdout)
    try:
        return open(name, "a", encoding="utf-8")
    except OSError as error:
        raise MisuseError(f"--log {name}: {error.strerror}") from None


def _writer(lines: IO[str]) -> Callable[[Ended], None]:
    def write(ended: Ended) -> None:
        row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **ended.row()}
        lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        lines.flush()

    return write
