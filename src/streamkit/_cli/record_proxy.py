"""`streamkit record --upstream URL DIR [-- command …]`: the recording proxy, until it is interrupted or the command ends.

In: the upstream's URL, where to listen, where to write. Out: an exit code, that of the command where there is one. What is
recorded, and what could not be, is said on standard error.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from .._recording.listening import address_of
from .._recording.proxy import RecordingProxy
from .._recording.recorder import RecordingWarning
from .io import say
from .serving import run_command, saying_warnings, until_stopped

__all__ = ("record_proxied",)


def record_proxied(
    upstream: str, listen: str | None, into: str, command: Sequence[str], *, finish: bool, scrub: bool, verbose: bool
) -> int:
    """Record what goes through; return the exit code."""
    where = "127.0.0.1:0" if listen is None else listen
    address_of(where, "--listen")
    proxy = RecordingProxy(upstream, into, listen=where, finish=finish, scrub=scrub)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="streamkit: %(message)s")
    with saying_warnings(RecordingWarning), proxy:

        def ready() -> None:
            say(f"recording {proxy.upstream} at {proxy.url} into {into}")

        if not command:
            return until_stopped(ready)
        if verbose or listen is not None:  # else a command has standard error to itself, until something goes wrong
            ready()
        return run_command(command, proxy.environment)
