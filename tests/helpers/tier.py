"""How many generated examples a run looks at: a quick tier for every change, the whole one before a change lands.

    STREAMKIT_EXAMPLES not set    quick: a fifth of the examples, the same ones in every run, and a fifth of the recorded
                                  streams where each is read in many ways; of a test with more than 5 parameters,
                                  a fifth of them and at least 5 (`-k` and names of cases are honoured first)
    STREAMKIT_EXAMPLES=1          whole: all of them, the same ones in every run
    STREAMKIT_EXAMPLES=20         20 times as many as the whole tier, other ones in every run

The same examples in every run mean that a change is judged by what it changes. `make test TIER=whole` sets 1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings

__all__ = ("TIER", "examples", "left_out", "load", "some")

T = TypeVar("T")

QUICK = 1 / 5
CASES = 5  # of one test that are always looked at; those written by hand are seldom more
_DEFAULT = 100  # examples of a test that names no number, as Hypothesis has it


def _factor() -> float:
    said = os.environ.get("STREAMKIT_EXAMPLES", "")
    if not said:
        return QUICK
    if not said.isascii() or not said.isdigit() or int(said) == 0:
        raise ValueError(f"STREAMKIT_EXAMPLES takes a whole number from 1 (the whole tier), not {said!r}")
    return int(said)


FACTOR = _factor()
TIER = "quick" if FACTOR < 1 else "whole" if FACTOR == 1 else "more"


def scaled(count: int) -> int:
    """Return how many of `count` examples this tier looks at, at least one."""
    return max(1, round(count * FACTOR))


def some(items: Sequence[T], turn: int = 0) -> Sequence[T]:
    """Return those of `items` that this tier looks at: every fifth of them, others with each turn, or all."""
    step = round(1 / QUICK)
    return items[turn % step :: step] if TIER == "quick" else items


def left_out(items: Sequence[pytest.Item]) -> frozenset[pytest.Item]:
    """Return the cases that this tier leaves out of tests with many parameters; the same ones in every run.

    The mark `quick(most)` names fewer, for a test whose cases are few and take seconds. They are taken by a sum over
    their names: every fifth in order would be the same value of the last parameter each time, where that has five.
    """
    tests: dict[str, list[pytest.Item]] = {}
    if TIER == "quick":
        for item in items:
            if hasattr(item, "callspec"):
                tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    out: list[pytest.Item] = []
    for cases in tests.values():
        mark = cases[0].get_closest_marker("quick")
        most = max(CASES, scaled(len(cases))) if mark is None else mark.args[0]
        out += sorted(cases, key=lambda item: crc32(item.nodeid.encode()))[most:]
    return frozenset(out)


def examples(count: int) -> settings:
    """Return settings for a test that looks at `count` examples in the whole tier, however long each takes."""
    return settings(max_examples=scaled(count))


def load() -> None:
    """Make this tier what every test of Hypothesis inherits.

    No clock decides: Hypothesis would fail an example that takes more than 200 ms (`deadline`), and a test whose
    inputs are made slowly (`too_slow`), both in wall time, which a loaded machine stretches.
    """
    settings.register_profile(
        TIER,
        max_examples=scaled(_DEFAULT),
        derandomize=FACTOR <= 1,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile(TIER)
