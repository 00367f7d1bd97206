"""Target: an `Accumulator`, fed whole and cut, absorbed, with and without the fast lane, strict, under limits.

Input: one byte of options (0: the defaults), three of the cut (0: whole), then the bytes of the stream. Oracle: design
rules 2 and 11: any cut gives the same events, response, outcome, anomalies and counts; `absorb` and `fast=False` give
what `feed` gives; looking in mid-stream changes nothing; and all that `readings.read` holds of one reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import seeds as of
from readings import options_of, read, same, split
from streamkit import Accumulator, StreamError

SIZE = 2000
HEAD = 4


def check(data: bytes) -> None:
    """Read one stream in every way; raise an AssertionError where two ways differ."""
    options, cut, raw = options_of(data[0] if data else 0), int.from_bytes(data[1:HEAD], "big"), data[HEAD:]
    whole = read([raw], **options)
    # Under strict the events of a block go with the exception, so they alone depend on the cut.
    expected = whole.without_events() if options.get("strict") else whole
    few = cut > 2 or len(raw) < 200  # a look costs as much as a hundred blocks
    for name, got in (
        ("cut, and looked at after each block", read(split(raw, cut or 1), looking=few, **options)),
        ("without the fast lane", read([raw], fast=False, **options)),
        ("restored from a checkpoint after some blocks", read(split(raw, max(cut, 3)), restart=True, **options)),
    ):
        same(expected, got.without_events() if options.get("strict") else got, f"{name}: not as in one block")
    same(whole.without_events(), read([raw], absorb=True, **options), "absorbed: not as fed")
    same(whole.without_events(), read(split(raw, cut or 2), absorb=True, **options), "absorbed in cuts: not as fed")
    _add(raw)


def _add(raw: bytes) -> None:
    """Add the JSON objects of a stream as chunks decoded elsewhere: nothing but StreamError."""
    accumulator = Accumulator()
    for line in raw.split(b"\n"):
        try:
            value = json.loads(line.removeprefix(b"data:"))
        except (ValueError, RecursionError):
            continue
        try:
            accumulator.add(value)
        except StreamError:
            pass
    accumulator.close()
    accumulator.snapshot()


def seeds() -> Iterator[bytes]:
    """Yield recorded streams and the wire bytes of the tests, some cut, strict, or under limits."""
    for number, raw in enumerate(of.streams(SIZE - HEAD)):
        yield bytes([(0, 0, 1, 2, 0, 3)[number % 6], 0, 0, number % 7]) + raw
