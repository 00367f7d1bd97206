"""CPU time of two inputs in one run, by turns: how a cost grows, never how large it is.

    once, four_times = best(read, make(n), make(4 * n), enough=6)
    assert four_times < 8 * once

Between the linear 4 and the quadratic 16 lies as much room on either side, so that what other processes do to caches and
clock rate does not matter; and the fewest seconds of many rounds count, so that a round in which it did matters neither.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 25  # at most: a machine with other work needs many until one of each is undisturbed


def best(read: Callable[[Any], Any], *inputs: Any, enough: float = 2.5) -> list[float]:
    """Return the CPU seconds that `read` takes for each of `inputs`, at best, in this thread alone.

    By turns, until the last takes less than `enough` times what the first takes.
    """
    times = [float("inf")] * len(inputs)
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for position, given in enumerate(inputs):
                start = time.thread_time()
                read(given)
                times[position] = min(times[position], time.thread_time() - start)
            if times[-1] < enough * times[0]:
                break
    finally:
        gc.enable()
    return times
