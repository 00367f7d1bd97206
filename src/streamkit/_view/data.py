"""What the script of a page reads out under the cursor: the blocks, and which pieces arrived with each.

In: readings. Out: JSON that can be inside a script element. Cost: linear.

Rule 1  All of it takes at most `ROOM` bytes, but for the blocks themselves, of which there are at most `BLOCKS`: pieces are
        shortened, then counted only, then left out. Of more blocks several are put together.
Rule 2  The element is data and never run; `<` is written as an escape, so that no text can end it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from .axis import Axis
from .markup import Html, el, raw, shown
from .reading import Lane, Reading
from .timeline import LANES

__all__ = ("data_element",)

ROOM = 300_000
BLOCKS = 12_000  # of a trace
_LONG = (60, 16, 0, None)  # characters of a piece, the longest that fits; None: no pieces


def data_element(readings: Sequence[Reading], axis: Axis) -> Html:
    """Return the element."""
    text = ""
    for long in _LONG:
        text = _written(readings, axis, long)
        if len(text.encode()) <= ROOM:
            break
    return el("script", {"type": "application/json", "id": "data"}, raw(text))


def _written(readings: Sequence[Reading], axis: Axis, long: int | None) -> str:
    value = {
        "end": axis.end,
        "timed": axis.timed,
        "columns": axis.columns,
        "traces": [_trace(one, long) for one in readings],
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _trace(reading: Reading, long: int | None) -> dict[str, Any]:
    scale = 1_000_000 if reading.timed else 1
    every = max(math.ceil(len(reading.positions) / BLOCKS), 1)
    starts = range(0, len(reading.positions), every)
    return {
        "scale": scale,
        "every": every,
        "at": _steps([round(reading.positions[start] * scale) for start in starts]),
        "bytes": [sum(reading.sizes[start : start + every]) for start in starts],
        "events": _steps([reading.events[min(start + every, len(reading.events)) - 1] for start in starts]),
        "lanes": [] if long is None else [_lane(lane, long, every) for lane in reading.lanes[:LANES]],
    }


def _lane(lane: Lane, long: int, every: int) -> dict[str, Any]:
    blocks = [piece.block // every for piece in lane.pieces]
    if long:
        return {"blocks": _steps(blocks), "text": [_short(piece.text, long) for piece in lane.pieces]}
    return {"blocks": _steps(list(dict.fromkeys(blocks))), "text": []}


def _steps(values: Sequence[int]) -> list[int]:
    """Return each value less the one before: short numbers."""
    before = 0
    steps = []
    for value in values:
        steps.append(value - before)
        before = value
    return steps


def _short(text: str, long: int) -> str:
    return shown(text if len(text) <= long else text[: long - 1] + "…")
