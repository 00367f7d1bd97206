"""Bounds on one input: CPU time, memory, and a closer look at one that took long.

    judged(check, data)     check(data), or an AssertionError that says which bound it broke

CPU time, not the clock: a loaded machine changes nothing. A search that hangs inside a regular expression is broken off
too, as `re` lets signal handlers run. Memory is the growth of the peak of the whole process: 4 times the bytes fed and
64 MB, as design rule 3 says. An input that took long, but not too long, is stretched and measured as `fuzz_growth` does:
whether it is dear or only large shows in the proportion.
"""

from __future__ import annotations

import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

CPU = 10.0  # seconds for one input; the slowest of the seeds takes a tenth, measured with coverage on
LONG = 1.5  # seconds from which on an input is looked at more closely
ROOM = 64 * 1024 * 1024

RUN = re.compile(rb"(.)\1{7,}", re.DOTALL)
NOT_GROWTH = bytes.maketrans(b"\xfc\xfd\xfe\xff", b"????")


class TooSlow(BaseException):
    """Raised inside of whatever takes too long; nothing under test may catch it."""


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in the body once it has used `seconds` of CPU time."""

    def stop(*_: object) -> NoReturn:
        raise TooSlow(f"more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def judged(check: Callable[[bytes], Any], data: bytes, closer: Callable[[bytes], Any] | None = None) -> None:
    """Run `check(data)` within the bounds; `closer`: look closer at inputs that took long, as growth inputs."""
    peak, start = _peak(), time.process_time()
    try:
        with cpu_limit(CPU):
            check(data)
    except TooSlow as error:
        raise AssertionError(f"{error} for {len(data)} bytes") from error
    grown = _peak() - peak
    if grown > 4 * len(data) + ROOM:
        raise AssertionError(f"{len(data)} bytes took {grown / 2**20:.0f} MB, over 4 times the bytes and 64 MB")
    if closer is not None and time.process_time() - start > LONG:
        for one in stretched(data):
            closer(one)


def stretched(data: bytes) -> Iterator[bytes]:
    """Yield growth inputs that an input suggests: all of it many times, and its runs of one byte made longer."""
    raw = data[4:].translate(NOT_GROWTH)
    yield b"\0\0\xff" + raw + b"\xff"
    if RUN.search(raw):
        yield b"\0\0" + RUN.sub(lambda run: b"\xff" + run[1] + b"\xff", raw)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
