"""What every bench shares: one way to measure and to name, so that streamkit and its peers are in one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shapes import CHUNKS

Measure = Callable[..., Any]


@pytest.fixture
def measure(benchmark: Any) -> Measure:
    """`measure(group, work, *args, chunks=1000, slow=False)`: times `work(*args)` and returns its result.

    `slow` is for what takes a second or more: three rounds without calibration.
    """

    def run(group: str, work: Callable[..., Any], *args: Any, chunks: int = CHUNKS, slow: bool = False) -> Any:
        benchmark.group = group
        result = benchmark.pedantic(work, args, rounds=3) if slow else benchmark(work, *args)
        benchmark.extra_info["chunks"] = chunks
        if benchmark.stats is not None:  # None under --benchmark-disable
            benchmark.extra_info["us_per_chunk"] = round(benchmark.stats.stats.median / chunks * 1e6, 4)
        return result

    return run
