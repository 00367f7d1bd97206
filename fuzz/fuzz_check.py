"""Target: `check_stream`, the report on a sender.

Input: three bytes of the cut, then the bytes of a stream. Oracle: nothing is raised; whatever the cut the report is the
same, but for the number of blocks; it can be written as JSON; its outcome is that of an accumulator.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import seeds as of
from readings import same, split
from streamkit import Accumulator, check_stream

SIZE = 2500
HEAD = 3


def check(data: bytes) -> None:
    """Report on one stream, whole and cut."""
    cut, raw = int.from_bytes(data[:HEAD], "big"), data[HEAD:]
    whole = report([raw])
    same(whole, report(split(raw, cut or 1)), "in cuts: another report")
    accumulator = Accumulator()
    accumulator.absorb(raw)
    outcome = accumulator.close()
    same((outcome.name, outcome.reason), (whole["outcome"]["name"], whole["outcome"]["reason"]), "another outcome")


def report(blocks: list[bytes]) -> Any:
    """Return the report as JSON, without the number of blocks."""
    made = check_stream(blocks)
    assert made.verdict in ("clean", "notes", "faulty")
    assert not (made.passes(strict=True) and not made.passes())
    found = json.loads(json.dumps(made.as_json(), ensure_ascii=False).encode())
    found["counts"].pop("blocks")
    return found


def seeds() -> Iterator[bytes]:
    """Yield the same streams as for an accumulator."""
    for number, raw in enumerate(of.streams(SIZE - HEAD)):
        yield bytes([0, 0, number % 7]) + raw
