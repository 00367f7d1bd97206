"""The timeline: blocks, a lane for each choice and call, anomalies and the running count, on one axis.

In: one or two readings. Out: HTML with an SVG for each row. Cost: a pass over the pieces of each lane.

Rule 1  Kinds of output differ by their line as well as by their colour: text is a whole line, reasoning a dotted one, arguments
        stand on the lower half, a refusal is two short ends. The same shapes are in the legend.
Rule 2  Every row can have the focus, and says in words what it shows; the tables below the drawing have the figures.
Rule 3  At most `LANES` lanes of a trace are drawn, `STALLS` stalls, and the anomalies of events that the page quotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ..errors import counted
from .axis import Axis, seconds
from .markup import Html, clipped, el, joined, prose
from .reading import Finish, Lane, Reading

__all__ = ("KINDS", "LANES", "RANK", "axis_of", "timeline")

LANES = 100
STALLS = 100
_SPANS = 120  # background spans of a lane; with more they are too narrow to see
_FINISHES = 3
_HEIGHT = 28  # pixels of a lane
_TALL = 120  # of the running count
KINDS = ("text", "reasoning", "refusal", "audio", "arguments")
RANK = {"lost": ("▲", 0), "repaired": ("◆", 1), "note": ("●", 2), "info": ("○", 3)}
"""The sign of each severity, and how grave it is."""
_SHAPES: dict[str, tuple[tuple[int, int], ...]] = {
    "text": ((4, 24),),
    "reasoning": ((4, 24),),  # dotted by the style
    "audio": ((9, 19),),
    "arguments": ((14, 24),),
    "refusal": ((4, 10), (18, 24)),
}
"""Top and bottom of the lines of a mark, in pixels from the top of its lane."""


def axis_of(readings: Sequence[Reading]) -> Axis:
    """Return the axis that the readings share."""
    marks = [len(lane.pieces) for reading in readings for lane in reading.lanes[:LANES]]
    marks += [2 * len(reading.positions) for reading in readings]  # blocks, and the running count
    return Axis.over(max(reading.end for reading in readings), marks, timed=all(one.timed for one in readings))


def timeline(readings: Sequence[Reading], axis: Axis) -> Html:
    """Return the section."""
    rows: list[Html] = [_axis_row(axis)]
    several = len(readings) > 1
    for number, reading in enumerate(readings):
        mark = "AB"[number]
        if several:
            rows.append(el("h3", {"class": f"name t{number}"}, el("b", {}, mark), f" {clipped(reading.name, 200)}"))
        rows.append(_blocks_row(reading, axis, number))
        rows += (_lane_row(reading, lane, at, axis, number) for at, lane in enumerate(reading.lanes[:LANES]))
        if (more := len(reading.lanes) - LANES) > 0:
            rows.append(el("p", {"class": "note"}, f"{counted(more, 'more lane')}: see the table of lanes."))
        rows += _flags_row(reading, axis, number)
    rows += _count_rows(readings, axis)
    return el(
        "section",
        {"id": "timeline", "aria-labelledby": "timeline-h"},
        el("h2", {"id": "timeline-h"}, "Timeline"),
        *(
            el("p", {"class": "why"}, prose(_told(reading, several, at)))
            for at, reading in enumerate(readings)
            if reading.why
        ),
        _legend(readings),
        _tools(),
        el("div", {"id": "plot"}, *rows),
    )


def _told(reading: Reading, several: bool, at: int) -> str:
    return f"{'AB'[at]}: {reading.why}" if several else reading.why


def _tools() -> Html:
    keys = "← → a step, Shift for ten · ↑ ↓ a lane · Home, End · + − zoom · 0 all"
    buttons: tuple[tuple[str, str, str], ...]
    buttons = (("earlier", "Earlier", "←"), ("later", "Later", "→"), ("zoom-in", "Zoom in", "+"))
    buttons += (("zoom-out", "Zoom out", "−"), ("zoom-all", "Show all", "all"))
    return el(
        "div",
        {"id": "tools", "hidden": True},
        *(el("button", {"type": "button", "id": key, "aria-label": label}, sign) for key, label, sign in buttons),
        el("span", {"class": "keys"}, keys),
        el("output", {"id": "readout", "aria-live": "polite"}, "Move over the drawing, or press an arrow key."),
    )


def _legend(readings: Sequence[Reading]) -> Html:
    present = {piece.kind for reading in readings for lane in reading.lanes[:LANES] for piece in lane.pieces}
    items = [_sample(kind) for kind in KINDS if kind in present]
    if any(reading.stalls for reading in readings):
        swatch = el("svg", {"width": 22, "height": 16, "aria-hidden": "true"}, _hatch_rect("0", "100%", 16))
        items.append(el("li", {}, swatch, "stall"))
    graves = {one.severity for reading in readings for one in reading.report.findings if one.severity != "info"}
    signs = [(RANK[word][0], word) for word in RANK if word in graves]
    items += (el("li", {}, el("span", {"class": f"sign {word}"}, sign), word) for sign, word in signs)
    return el("ul", {"class": "legend"}, *items)


def _sample(kind: str) -> Html:
    path = "".join(f"M{x} {top}V{bottom}" for x in (3, 8, 13, 18) for top, bottom in _SHAPES[kind])
    line = el("path", {"class": f"k-{kind}", "d": path})
    return el("li", {}, el("svg", {"width": 22, "height": 28, "aria-hidden": "true"}, line), kind)


# --- rows


def _row(label: Sequence[Html], drawing: Html, words: str, *, kind: str, number: int, lane: int | None = None) -> Html:
    attributes: dict[str, object] = {"class": f"row {kind} t{number}", "data-trace": number}
    if lane is not None:
        attributes |= {"data-lane": lane, "tabindex": 0, "role": "group", "aria-label": words}
    return el("div", attributes, el("div", {"class": "label"}, *label), el("div", {"class": "track"}, drawing))


def _drawing(axis: Axis, height: int, title: str, words: str, stretched: Iterable[Html], *placed: Html) -> Html:
    box = {"viewBox": f"0 0 {axis.columns} {height}", "preserveAspectRatio": "none", "class": "z"}
    inner = el("svg", {**box, "width": "100%", "height": height}, *stretched)
    label = [el("title", {}, title), el("desc", {}, words)]
    return el("svg", {"width": "100%", "height": height, "role": "img"}, *label, placed[0], inner, *placed[1:])


def _axis_row(axis: Axis) -> Html:
    # The labels are written by the script as well, after a zoom: in the same words, from the same figures.
    ticks = []
    for position in axis.ticks():
        share = axis.share(position)
        anchor = "start" if share < 0.02 else "end" if share > 0.96 else "middle"
        place = {"x": axis.percent(position), "data-x": share}
        ticks.append(el("text", {**place, "y": 13, "text-anchor": anchor}, axis.tick(position)))
    drawing = el("svg", {"id": "axis", "width": "100%", "height": 18, "aria-hidden": "true"}, *ticks)
    what = "time since the request" if axis.timed else "number of the event"
    label = el("div", {"class": "label"}, el("span", {"class": "sub"}, what))
    return el("div", {"class": "row axis"}, label, el("div", {"class": "track"}, drawing))


def _blocks_row(reading: Reading, axis: Axis, number: int) -> Html:
    # The height of a mark says how many bytes: the square root, since a burst may have a thousand times as many.
    highest = max(reading.sizes, default=1) or 1
    heights: dict[int, int] = {}
    for position, size in zip(reading.positions, reading.sizes, strict=True):
        column = axis.column(position)
        heights[column] = max(heights.get(column, 0), max(round((size / highest) ** 0.5 * 22), 3))
    path = "".join(f"M{column} 26V{26 - height}" for column, height in heights.items())
    what = "block" if reading.timed else "event"
    words = f"{counted(len(reading.positions), what, ',')}, {counted(sum(reading.sizes), 'byte', ',')}"
    stalls = reading.stalls[:STALLS]
    words += f", {counted(len(reading.stalls), 'stall')}" if stalls else ""
    head = reading.trace.head_time if reading.timed else None
    marks = [el("path", {"class": "k-head", "d": axis.path([head], 2, 26)})] if head is not None else []
    marks.append(el("path", {"class": "k-block", "d": path}))
    labels = []
    for stall in stalls:
        if axis.share(stall.end - stall.start) > 0.06:
            middle = (stall.start + stall.end) / 2
            place = {"x": axis.percent(middle), "data-x": axis.share(middle), "y": 17, "text-anchor": "middle"}
            labels.append(el("text", {**place, "class": "stalled"}, f"stall {seconds(stall.end - stall.start)}"))
    label = [el("b", {}, f"{what}s"), el("span", {"class": "sub"}, words)]
    drawing = _drawing(
        axis, _HEIGHT, f"{what.title()}s of {reading.name}", words, marks, _hatch(reading, axis), *labels
    )
    return _row(label, drawing, f"{what}s: {words}", kind="blocks", number=number, lane=-1)


def _hatch(reading: Reading, axis: Axis) -> Html:
    found = []
    for one in reading.stalls[:STALLS]:
        wide = one.end - one.start
        box = (axis.percent(one.start), axis.percent(wide), _HEIGHT, axis.share(one.start), axis.share(wide))
        found.append(_hatch_rect(*box))
    return joined(found)


def _hatch_rect(x: str, width: str, height: int, at: float | None = None, wide: float | None = None) -> Html:
    place = {"x": x, "width": width, "data-x": at, "data-w": wide, "height": height}
    return el("rect", {**place, "class": "stall", "fill": "url(#hatch)"})


def _lane_row(reading: Reading, lane: Lane, at: int, axis: Axis, number: int) -> Html:
    place = reading.positions
    paths = []
    for kind in KINDS:
        positions = [place[piece.block] for piece in lane.pieces if piece.kind == kind]
        shape = "".join(axis.path(positions, *span) for span in _SHAPES[kind]) if positions else ""
        if shape:
            paths.append(el("path", {"class": f"k-{kind}", "d": shape}))
    spans = lane.spans if len(lane.spans) <= _SPANS else ()
    backs = []
    for kind, first, last in spans:
        start, width = place[first], place[last] - place[first]
        box: dict[str, object] = {"x": axis.percent(start), "width": axis.percent(width)}
        box |= {"data-x": axis.share(start), "data-w": axis.share(width)}
        backs.append(el("rect", {**box, "y": 2, "height": 24, "rx": 3, "class": f"back k-{kind}"}))
    ends = []
    for one in _finishes(reading, lane):
        position = place[one.block]
        spot = {"x": axis.percent(position), "data-x": axis.share(position), "y": 18, "text-anchor": "middle"}
        ends.append(
            el("text", {**spot, "class": "finish"}, "■", el("title", {}, f"finish reason {clipped(one.reason, 100)}"))
        )
    words = _said(reading, lane)
    drawing = _drawing(
        axis, _HEIGHT, f"{lane.title} of {reading.name}", words, paths, joined([_hatch(reading, axis), *backs]), *ends
    )
    label = [el("b", {}, lane.title)]
    if lane.name:
        label += [el("code", {}, clipped(lane.name, 60))]
    label += [el("span", {"class": "sub"}, words)]
    title = f"{lane.title} {clipped(lane.name, 60)}".strip()
    return _row(label, drawing, f"{title}: {words}", kind="lane", number=number, lane=at)


def _finishes(reading: Reading, lane: Lane) -> list[Finish]:
    """Return the last few finish reasons of a choice: a sender may change its mind in every chunk."""
    return [one for one in reading.finishes if one.choice == lane.choice and lane.call is None][-_FINISHES:]


def _said(reading: Reading, lane: Lane) -> str:
    """Return what arrived in a lane, in words."""
    parts = []
    for kind in KINDS:
        pieces = [piece for piece in lane.pieces if piece.kind == kind]
        if pieces:
            letters = sum(len(piece.text) for piece in pieces)
            parts.append(f"{kind} {counted(letters, 'character', ',')} in {counted(len(pieces), 'piece', ',')}")
    if lane.call is None:
        parts += [f"finish {clipped(one.reason, 40)}" for one in _finishes(reading, lane)]
    return ", ".join(parts) or "nothing arrived"


def _flags_row(reading: Reading, axis: Axis, number: int) -> Iterator[Html]:
    """Yield a row of signs, each a link to its event, where a finding is worse than what the format allows."""
    quoted = set(reading.quoted)
    found = [one for one in reading.report.findings if one.severity != "info" and one.event in quoted]
    if not found or not reading.positions:
        return
    found.sort(key=lambda one: (one.event, RANK[one.severity][1]))
    signs = []
    for event, group in groupby(found, key=lambda one: one.event):
        findings = list(group)
        worst = findings[0].severity
        position = reading.positions[reading.block_of(event) or 0]
        words = f"event {event}: " + ", ".join(one.code for one in findings)
        spot = {"x": axis.percent(position), "data-x": axis.share(position), "y": 16, "text-anchor": "middle"}
        text = el("text", {**spot, "class": f"sign {worst}"}, RANK[worst][0])
        link = {"href": f"#{'ab'[number]}-event-{event}", "aria-label": words}
        signs.append(el("a", link, el("title", {}, words), text))
    words = f"{counted(len(found), 'kind')}, at the event where each was first seen"
    plain = el("svg", {"width": "100%", "height": 22, "role": "group", "aria-label": "anomalies"}, *signs)
    yield _row(
        [el("b", {}, "anomalies"), el("span", {"class": "sub"}, words)], plain, words, kind="flags", number=number
    )


# --- the running count


def _count_rows(readings: Sequence[Reading], axis: Axis) -> Iterator[Html]:
    """Yield the running count of the readings; two that count the same are in one drawing."""
    drawn = [(number, one) for number, one in enumerate(readings) if one.counts and one.counts[-1]]
    units = {one.unit for _, one in drawn}
    for unit in ("tokens", "chunks"):
        mine = [(number, one) for number, one in drawn if one.unit == unit]
        if not mine:
            continue
        highest = max(one.counts[-1] for _, one in mine)
        paths = [el("path", {"class": f"curve t{number}", "d": _curve(one, axis, highest)}) for number, one in mine]
        words = "; ".join(
            f"{'AB'[number] + ': ' if len(readings) > 1 else ''}{one.counts[-1]:,} {unit}" for number, one in mine
        )
        grid = [
            el("line", {"x1": 0, "x2": "100%", "y1": _height(share), "y2": _height(share), "class": "grid"})
            for share in (0.0, 0.5, 1.0)
        ]
        grid += [
            el(
                "text",
                {"x": 3, "y": _height(share) - 3, "class": "scale"},
                f"{highest * share:,g}" if highest < 1000 else f"{highest * share:,.0f}",
            )
            for share in ((0.5, 1.0) if highest > 1 else (1.0,))
        ]
        title = f"{unit} so far"
        label = [el("b", {}, title), el("span", {"class": "sub"}, words)]
        if len(mine) > 1:
            label.append(el("span", {"class": "sub"}, "A is the whole line, B the dashed one"))
        if unit == "chunks" and "tokens" not in units:
            label.append(el("span", {"class": "sub"}, "tokens are not counted while the stream runs"))
        drawing = _drawing(axis, _TALL, title, words, paths, joined(grid))
        yield _row(label, drawing, words, kind="count", number=mine[0][0])


def _height(share: float) -> float:
    return round(_TALL - 4 - share * (_TALL - 20), 1)


def _curve(reading: Reading, axis: Axis, highest: int) -> str:
    """Return the steps of a running count: the last value of each column."""
    steps: dict[int, float] = {}
    for position, count in zip(reading.positions, reading.counts, strict=True):
        steps[axis.column(position)] = _height(count / highest)
    path, before = f"M0 {_height(0)}", None
    for column, height in steps.items():
        if height != before:
            path += f"H{column}V{height:g}"
        before = height
    return f"{path}H{axis.column(reading.end)}"
