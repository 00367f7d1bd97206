"""The same bytes in blocks, cut in different ways: a network may cut anywhere.

In: bytes. Out: lists of blocks that add up to them, none of them empty. `every_cut` costs O(n²) bytes in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

__all__ = ("each_byte", "every_cut", "random_cuts")


def each_byte(wire: bytes) -> list[bytes]:
    """`wire` in blocks of one byte."""
    return [wire[at : at + 1] for at in range(len(wire))]


def every_cut(wire: bytes) -> Iterator[list[bytes]]:
    """`wire` whole, in two blocks at each place that there is, and byte by byte."""
    yield [wire]
    for at in range(1, len(wire)):
        yield [wire[:at], wire[at:]]
    if len(wire) > 2:
        yield each_byte(wire)


def random_cuts(wire: bytes, seed: int, count: int = 10) -> Iterator[list[bytes]]:
    """`wire` in blocks, cut at random in `count` ways; the same ways for the same seed."""
    chance = Random(seed)
    for _ in range(count):
        places = sorted(chance.sample(range(1, len(wire)), chance.randint(0, min(20, len(wire) - 1))) if wire else [])
        yield [wire[start:end] for start, end in zip([0, *places], [*places, len(wire)], strict=True)]
