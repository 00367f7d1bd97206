"""Where in a response a fault strikes: the head, a block, an event, a byte, a share of the body, or a seeded choice.

In: `at`, from a caller or a text. Out: a `Place`, and in a given body its offset and its span. Cost: a pass over the
body for events, nothing else.

    "head"      before the status and the headers
    "block:3"   the third block; "block:-1" the last. Blocks are those of the trace, before any new cut
    "event:3"   the third server-sent event, numbered as in errors: comments are not counted. "event:-1" is the last
    "byte:100"  after 100 bytes of the body
    0.5         after this share of the body, from 0 to 1
    "random"    any byte, by the seed

Rule 1  A fault that cuts or inserts strikes at the offset: before the block or the event, exactly at the byte or the share.
Rule 2  A fault that changes something strikes the span: the block, the event, the one byte; for a share or a random place
        the event in which it lies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import attrs

from .._arguments import number
from ..errors import MisuseError, counted, shown
from ..trace import Block
from .events_in_body import events_in, paragraphs

__all__ = ("Place", "Spot", "place_of", "spot_of")

_TAKEN = '"head", "block:3", "event:3" (from 1 on, or from -1 backwards), "byte:100", a share of the body from 0 to 1, or "random"'
_UNIT = re.compile(r"(block|event|byte):([+-]?\d{1,18})", re.ASCII)


@attrs.frozen
class Place:
    """Where a fault strikes, before it is known in which body."""

    unit: str
    """"head", "block", "event", "byte", "share", "random"."""
    value: float = 0
    """The number of the block or event, the byte, or the share; 0 for the others."""

    def __str__(self) -> str:
        if self.unit in ("head", "random"):
            return self.unit
        return f"{self.value:g}" if self.unit == "share" else f"{self.unit}:{self.value}"


@attrs.frozen
class Spot:
    """A place in one body, in bytes."""

    offset: int
    start: int
    end: int


def place_of(at: object) -> Place:
    """Return the place that `at` names. Raises `MisuseError` for anything else."""
    if isinstance(at, Place):
        return at
    if isinstance(at, str):
        text = at.strip()
        if text in ("head", "random"):
            return Place(text)
        if found := _UNIT.fullmatch(text):
            unit, value = found[1], int(found[2])
            if value >= 0 if unit == "byte" else value != 0:
                return Place(unit, value)
        elif re.fullmatch(r"[\d.]{1,18}", text, re.ASCII) and text.count(".") <= 1 and text != ".":
            at = float(text)
    if number(at) and 0 <= at <= 1 and not (type(at) is int and at):  # type: ignore[operator]
        return Place("share", float(at))  # type: ignore[arg-type]
    raise MisuseError(f"at takes {_TAKEN}, not {shown(at)}")


def spot_of(place: Place, blocks: Sequence[Block], chance: Random) -> Spot:
    """Return where `place` is in the body of `blocks`. Raises `MisuseError` where the body has no such place."""
    body = b"".join(block.data for block in blocks)
    if place.unit == "block":
        ends = [0]
        for block in blocks:
            ends.append(ends[-1] + len(block.data))
        start, end = _numbered(place, list(pairwise(ends)))
        return Spot(start, start, end)
    if place.unit == "event":
        start, end = _numbered(place, events_in(body))
        return Spot(start, start, end)
    if place.unit == "byte":
        offset = int(place.value)
        if offset > len(body):
            raise MisuseError(f'at "{place}": this body has {counted(len(body), "byte")}')
        return Spot(offset, offset, min(offset + 1, len(body)))
    offset = chance.randrange(len(body) or 1) if place.unit == "random" else round(place.value * len(body))
    for start, end in paragraphs(body):
        if offset < end or end == len(body):
            return Spot(offset, start, end)
    return Spot(0, 0, 0)


def _numbered(place: Place, spans: list[tuple[int, int]]) -> tuple[int, int]:
    number = int(place.value)
    if not 1 <= abs(number) <= len(spans):
        most = f': name one from "{place.unit}:1" to "{place.unit}:{len(spans)}"' if spans else ""
        raise MisuseError(f'at "{place}": this stream has {counted(len(spans), place.unit)}{most}')
    return spans[number - 1 if number > 0 else number]
