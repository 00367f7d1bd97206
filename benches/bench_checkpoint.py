"""A checkpoint and its restoring, by shape: what a worker pays that saves its state after each block.

The state after 1,000 and 4,000 chunks; `python benches/bench_checkpoint.py` prints one table: microseconds, bytes of the
checkpoint beside those of the stream and of the response.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

import shapes
from streamkit import Accumulator

SIZES = (1, 1000, 4000)


def fed(shape: str, chunks: int) -> tuple[Accumulator, int]:
    """Return an accumulator that has read a stream up to its last finish reason, and the bytes of that."""
    stream = shapes.SHAPES[shape](chunks)[: -len(shapes.DONE)]
    accumulator = Accumulator()
    accumulator.absorb(stream)
    return accumulator, len(stream)


@pytest.mark.parametrize("shape", shapes.SHAPES)
def bench_checkpoint(measure: Any, shape: str) -> None:
    accumulator, _ = fed(shape, shapes.CHUNKS)
    assert measure(f"checkpoint: {shape}", Accumulator.checkpoint, accumulator)


@pytest.mark.parametrize("shape", shapes.SHAPES)
def bench_restore(measure: Any, shape: str) -> None:
    accumulator, _ = fed(shape, shapes.CHUNKS)
    restored = measure(f"restore: {shape}", Accumulator.restore, accumulator.checkpoint())
    assert accumulator.snapshot() == restored.snapshot()


def _best(work: Callable[[], object]) -> float:
    """Return the least CPU time of a call in microseconds."""
    times = []
    for _ in range(20):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times) * 1e6


def main() -> None:
    print("| shape | chunks | stream, bytes | response, bytes | checkpoint, bytes | checkpoint, µs | restore, µs |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for shape in shapes.SHAPES:
        for chunks in SIZES:
            accumulator, size = fed(shape, chunks)
            data, response = accumulator.checkpoint(), accumulator.dumps() or b""
            wrote = _best(accumulator.checkpoint)
            read = _best(lambda data=data: Accumulator.restore(data))  # type: ignore[misc]
            print(
                f"| {shape} | {chunks:,} | {size:,} | {len(response):,} | {len(data):,} | {wrote:,.0f} | {read:,.0f} |"
            )


if __name__ == "__main__":
    sys.exit(main())
