"""CPU time of two inputs in one run, by turns: how a cost grows, never how large it is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 25  # at most: a machine with other work needs many until one of each is undisturbed


def best(read: Callable[[list[bytes]], Any], *inputs: list[bytes], enough: float = 2.5) -> list[float]:
    """Seconds that `read` takes for each of `inputs`, at best; by turns, until they are in proportion: the last one takes
    less than `enough` times as long as the first."""
    times = [float("inf")] * len(inputs)
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            for position, blocks in enumerate(inputs):
                start = time.process_time()
                read(blocks)
                times[position] = min(times[position], time.process_time() - start)
            if times[-1] < enough * times[0]:
                break
    finally:
        gc.enable()
    return times
