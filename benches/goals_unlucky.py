"""Figures of the fast lane where it has little to win: beside the same stream without it (`fast=False`)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from figures import Figure, Measurer, at_most
from unlucky import UNLUCKY, cut, mixture
from workloads import Bench, Blocks, absorb, reference

__all__ = ("lane_ratio", "unlucky")

GOAL = 1.25
LENGTHS = (101, 400, 1500)
MIXTURES = 60
CUTS = {"live": "an event a block", "whole": "one block"}


def lane_ratio(measurer: Measurer, blocks: Blocks) -> float:
    """Return how many times as long a stream takes with the fast lane as without."""
    took = measurer.medians({"with": lambda: absorb(blocks), "without": lambda: reference(blocks)})
    return took["with"] / took["without"]


def unlucky(bench: Bench) -> Iterator[Figure]:
    """Streams on which the fast lane has little to win, and random mixtures of such: beside `fast=False`, the worst of each length"""
    for length in LENGTHS:
        streams = {name: [make(i) for i in range(length)] for name, make in UNLUCKY.items()}
        for how, title in CUTS.items():
            found = {
                name: lane_ratio(bench.measurer, cut(b"".join(events), events, how)[1])
                for name, events in streams.items()
            }
            yield worst(f"{length:,} events, {title}: the worst of {len(found)} shapes", found)
    mixtures = dict(mixture(seed, longest=1500) for seed in range(MIXTURES))
    found = {title: lane_ratio(bench.measurer, blocks) for title, blocks in mixtures.items()}
    yield worst(f"101 to 1,500 events: the worst of {MIXTURES} mixtures", found)


def worst(title: str, found: dict[str, float]) -> Figure:
    """Return the largest of these ratios, with the streams that have the largest, and the median."""
    order = sorted(found, key=found.__getitem__, reverse=True)
    named = "; ".join(f"{name} {found[name]:.2f}" for name in order[:3])
    return at_most(title, found[order[0]], GOAL, " ×", f"{named}; median {statistics.median(found.values()):.2f}")
