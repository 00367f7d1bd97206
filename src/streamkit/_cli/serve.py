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
from .._recording.schedule import pace
from .._recording.server import TraceServer
from ..errors import counted
from .io import say
from .serving import run_command, until_stopped

__all__ = ("serve_traces",)


def serve_traces(
    folder: str,
    listen: str | None,
    command: Sequence[str],
    *,
    itl: float | None,
    jitter: float | None,
    recut: str | None,
    quiet: bool,
    ttft: float | None,
    seed: int,
    **playing: Any,
) -> int:
    """Serve until SIGINT or SIGTERM, or until the command ends; return the exit code."""
    where = listen or ("127.0.0.1:0" if command else "127.0.0.1:8000")
    address_of(where, "--listen")
    if itl is not None or jitter is not None:
        playing["pace"] = pace(0.5 if ttft is None else ttft, 0.02 if itl is None else itl, jitter or 0.0, seed)
    cuts: Any = int(recut) if recut is not None and recut.isdigit() else recut
    server = TraceServer(folder, listen=where, recut=cuts, ttft=ttft, seed=seed, **playing)
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
        for one in server.verdict():
            say(str(one))
    return code
