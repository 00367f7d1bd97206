"""What commands that serve share: they run until a signal, or as long as a command that they start.

In: nothing, or a command with the variables it gets. Out: an exit code.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import MisuseError
from .io import EXIT, say

__all__ = ("run_command", "saying_warnings", "until_stopped")

_STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def saying_warnings(kind: type[Warning]) -> Iterator[None]:
    """Write each warning of a kind as a line on standard error, from whatever thread."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always", kind)
        warnings.showwarning = lambda message, *_: say(str(message))
        yield


@contextmanager
def _handling(handler: Any) -> Iterator[None]:
    before = {one: signal.signal(one, handler) for one in _STOPS}
    try:
        yield
    finally:
        for one, old in before.items():
            signal.signal(one, old)


def until_stopped(ready: Callable[[], object]) -> int:
    """Wait for SIGINT (130), SIGTERM or SIGHUP (0); return the exit code. `ready`: called when signals are waited for."""
    # Not an Event: its `wait` holds a lock that its `set` takes, and a signal is handled between any two bytecodes of `wait`.
    received: queue.SimpleQueue[int] = queue.SimpleQueue()
    with _handling(lambda number, _: received.put(number)):
        ready()
        number = None
        while number is None:
            # Now and then it looks: a signal that arrives after the last look for one, and before the wait, ends no wait.
            with suppress(queue.Empty):
                number = received.get(timeout=1)
    return EXIT["cancelled"] if number == signal.SIGINT else 0


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command with more variables; return its exit code, of one that a signal ended 128 and the signal's number.

    SIGINT reaches it from the terminal as it reaches us, the others are passed on; we stay until it has ended. Raises
    `MisuseError` where it cannot be started.
    """
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: object) -> None:
        if number != signal.SIGINT:
            if started:
                started[0].send_signal(number)
            else:  # before it runs
                early.append(number)

    with _handling(pass_on):  # not SIG_IGN, which the command would inherit
        try:
            process = subprocess.Popen(list(command), env={**os.environ, **environment})
        except (OSError, ValueError) as error:
            raise MisuseError(f"{command[0]}: {getattr(error, 'strerror', None) or error}") from None
        started.append(process)
        for number in early:
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else 128 - code
