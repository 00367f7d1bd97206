"""`streamkit serve DIR`: recorded exchanges as a server, until it is interrupted; with a command, as long as that runs.

In: a folder of traces, where to listen, how they are played. Out: an exit code; on standard error where it listens and a line for
each request that is over, and at the end what clients did after what went wrong.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from .._recording.listening import address_of
from .._recording.server import TraceServer
from ..errors import counted
from .io import say
from .serving import run_command, until_stopped

__all__ = ("serve_traces",)


def serve_traces(
    folder: str,
    listen: str | None,
    command: Sequence[str],
    options: dict[str, Any],
    *,
    quiet: bool,
) -> int:
    """Serve with these options of a `TraceServer` until SIGINT or SIGTERM, or until the command ends; return the exit code."""
    where = listen or ("127.0.0.1:0" if command else "127.0.0.1:8000")
    address_of(where, "--listen")
    server = TraceServer(folder, listen=where, **options)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="streamkit: %(message)s")
    logging.getLogger("streamkit.serve").setLevel(logging.WARNING if quiet or command else logging.INFO)
    with server:

        def ready() -> None:
            say(f"serving {counted(len(server.traces), 'trace')} of {folder} at {server.url}")

        if command:
            if listen:  # else a command has standard error to itself
                ready()
            code = run_command(command, {"OPENAI_API_KEY": "any", "ANTHROPIC_API_KEY": "any", **server.environment})
        else:
            code = until_stopped(ready)
        found = server.verdict()  # before what is still under way is cut off
    for one in found:  # after the lines of the requests, the last of which may be written while the server stops
        say(str(one))
    return code
