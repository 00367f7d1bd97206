"""The histogram of gaps between outputs, with its table.

In: one or two readings. Out: HTML. Cost: a pass over the gaps.

Rule 1  A gap is a wait between two outputs (`Timing.icl`): between tokens only where a chunk carries one token. Bins end at
        round numbers (`EDGES`), about a sixth of a power of ten apart, since gaps range from microseconds to seconds.
        Outputs of one block have no gap between them: a separate bin, "same block".
Rule 2  Two traces share the bins. Bars of the second one are hatched, and beside those of the first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from ..errors import counted
from .axis import seconds
from .markup import Html, el
from .reading import Reading

__all__ = ("gaps_section",)

EDGES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # of the bins in each power of ten
_FEWEST = 14  # bins that there is room for
_FLOOR = 1e-5  # seconds: what is shorter was in one read of the network
_HEIGHT = 170
_FOOT = 20


def gaps_section(readings: Sequence[Reading]) -> Html:
    """Return the section: a chart and its table, or why there is none."""
    gaps = [reading.timing.icl if reading.timed else () for reading in readings]
    heading = el("h2", {"id": "gaps-h"}, "Gaps between outputs")
    box: dict[str, object] = {"id": "gaps", "aria-labelledby": "gaps-h"}
    if not any(gaps):
        why = "There are not two outputs with a time, so there is no gap between them."
        return el("section", box, heading, el("p", {"class": "note"}, why))
    bins = [_binned(one) for one in gaps]
    long = [key for one in bins for key in one if key is not None]
    keys: list[int | None] = [None] if any(None in one for one in bins) else []
    keys += range(min(long) - 1, max(long) + 2) if long else ()
    return el(
        "section",
        box,
        heading,
        el("p", {"class": "note"}, _said(readings, gaps)),
        _chart(keys, bins),
        _table(keys, bins),
    )


def _said(readings: Sequence[Reading], gaps: Sequence[Sequence[float]]) -> str:
    parts = []
    for number, (reading, one) in enumerate(zip(readings, gaps, strict=True)):
        tokens = reading.timing.output_tokens
        words = f"{'AB'[number]}: " if len(readings) > 1 else ""
        words += f"{counted(len(one), 'gap', ',')} between {counted(len(one) + 1 if one else 0, 'output', ',')}"
        words += "" if tokens is None else f", {counted(tokens, 'token', ',')} by the sender's usage"
        parts.append(words)
    return "; ".join(parts) + (". The bars of B are hatched." if len(readings) > 1 else ".")


def _binned(gaps: Sequence[float]) -> dict[int | None, int]:
    found: dict[int | None, int] = {}
    for gap in gaps:
        key = None if gap < _FLOOR else _bin(gap)
        found[key] = found.get(key, 0) + 1
    return found


def _bin(gap: float) -> int:
    """Return the number of a bin: `_edge` is where it begins. Of a gap below the first or above the last, that one."""
    return bisect_right(_EDGES, gap) - 1 + _FIRST


def _edge(key: int) -> float:
    return float(f"{EDGES[key % len(EDGES)]}e{key // len(EDGES)}")


_FIRST = -5 * len(EDGES)  # the bin that begins at `_FLOOR`
_EDGES = [_edge(key) for key in range(_FIRST, 6 * len(EDGES))]  # up to a million seconds


def _name(key: int | None) -> str:
    return "same block" if key is None else f"{seconds(_edge(key))} to {seconds(_edge(key + 1))}"


def _chart(keys: Sequence[int | None], bins: Sequence[dict[int | None, int]]) -> Html:
    most = max(max(one.values(), default=1) for one in bins)
    wide = 100 / max(len(keys), _FEWEST)
    parts: list[Html] = []
    room = _HEIGHT - _FOOT - 16
    for at, key in enumerate(keys):
        for number, one in enumerate(bins):
            if not (count := one.get(key, 0)):
                continue
            height = max(room * count / most, 2)
            x = at * wide + wide * (0.06 + 0.44 * number)
            width = wide * (0.88 if len(bins) == 1 else 0.42)
            box = {"x": f"{x:.2f}%", "width": f"{width:.2f}%", "y": f"{_HEIGHT - _FOOT - height:.1f}"}
            title = el("title", {}, f"{_name(key)}: {count:,}")
            parts.append(el("rect", {**box, "height": f"{height:.1f}", "class": f"bar t{number}"}, title))
        if key is None:
            parts.append(_label(at * wide + wide / 2, "0", "middle"))
        elif at and (fine := _labelled(key, len(keys))) is not None:
            parts.append(_label(at * wide, seconds(_edge(key)), "middle", fine=fine))
    parts.append(el("line", {"x1": 0, "x2": "100%", "y1": _HEIGHT - _FOOT, "y2": _HEIGHT - _FOOT, "class": "grid"}))
    parts.append(el("text", {"x": "100%", "y": 11, "text-anchor": "end", "class": "scale"}, f"most in a bar: {most:,}"))
    words = f"Histogram of gaps in {counted(len(keys), 'bin')}; the table below has each."
    frame = {"width": "100%", "height": _HEIGHT, "role": "img"}
    return el("svg", frame, el("title", {}, "Histogram of gaps"), el("desc", {}, words), *parts)


def _labelled(key: int, bins: int) -> bool | None:
    """Return whether the edge of a bin has a label only where there is room for many; None for no label at all."""
    if key % len(EDGES) == 0:
        return False
    return True if bins <= 12 or (bins <= 40 and EDGES[key % len(EDGES)] in (2, 5)) else None


def _label(percent: float, words: str, anchor: str, *, fine: bool = False) -> Html:
    return el(
        "text",
        {"x": f"{percent:.2f}%", "y": _HEIGHT - 5, "text-anchor": anchor, "class": f"scale{' fine' * fine}"},
        words,
    )


def _table(keys: Sequence[int | None], bins: Sequence[dict[int | None, int]]) -> Html:
    heads = [
        el("th", {"scope": "col"}, name) for name in ("gap", *("AB"[: len(bins)] if len(bins) > 1 else ("outputs",)))
    ]
    rows = [
        el("tr", {}, el("th", {"scope": "row"}, _name(key)), *(el("td", {"class": "n"}, f"{one.get(key, 0):,}") for one in bins))
        for key in keys
    ]  # fmt: skip
    table = el("table", {}, el("thead", {}, el("tr", {}, *heads)), el("tbody", {}, *rows))
    return el("details", {}, el("summary", {}, "The histogram as a table"), el("div", {"class": "wide"}, table))
