"""The targets by name. Each is a module of one shape, so that a new one is written by copying.

    SIZE            bytes of the largest input
    check(data)     read `data` in every way; AssertionError where a promise is broken, nothing else may be raised
    seeds()         inputs to begin with

`run` judges one input by name: the target's own oracle, and the bounds of `bounds.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import bounds
import fuzz_accumulator
import fuzz_check
import fuzz_checkpoint
import fuzz_cleaner
import fuzz_codec
import fuzz_decoder
import fuzz_growth
import fuzz_partial
import fuzz_text
import fuzz_trace


class Target(Protocol):
    """What a module of a target has."""

    SIZE: int

    def check(self, data: bytes) -> None: ...

    def seeds(self) -> Iterator[bytes]: ...


TARGETS: dict[str, Target] = {
    "accumulator": fuzz_accumulator,
    "decoder": fuzz_decoder,
    "text": fuzz_text,
    "codec": fuzz_codec,
    "partial": fuzz_partial,
    "cleaner": fuzz_cleaner,
    "trace": fuzz_trace,
    "check": fuzz_check,
    "checkpoint": fuzz_checkpoint,
    "growth": fuzz_growth,
}
STREAMS = ("accumulator", "cleaner", "check", "decoder")  # whose long inputs are looked at more closely


def run(name: str, data: bytes) -> None:
    """Judge one input; raise what is wrong with it."""
    if name == "growth":  # it has bounds itself, and waits for a process
        return fuzz_growth.check(data)
    return bounds.judged(TARGETS[name].check, data, fuzz_growth.check if name in STREAMS else None)
