"""Tables of a page: the summary, the timing table, lanes, anomalies with their events, and what was recorded.

In: one or two readings. Out: HTML. Cost: linear in what is shown, which is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from .._check.report import COUNTS, Finding, Report
from .._live.figures import FIGURES, figures_of
from ..errors import counted
from ..outcome import REASONS
from .axis import seconds
from .markup import Html, Node, clipped, el, fitting, prose
from .reading import Reading
from .spans import Quotes
from .timeline import KINDS, RANK

__all__ = (
    "anomalies_section",
    "bytes_shown",
    "clients_of_finding",
    "ending_of",
    "facts_section",
    "lanes_section",
    "summary",
    "table",
    "timing_section",
)

_FINDINGS = 200
_BYTES = 600  # of one event
_LANES = 300
_NOTES = 1000  # characters of what a recorder wrote


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Node]], *, numbers: Sequence[int] = (), wordy: bool = False
) -> Html:
    """Return a table, its first column being the heads of the rows. `numbers`: columns that are set to the right. `wordy`:
    whether the last column is prose, which on a phone is below the others."""

    def cell(at: int, value: Node) -> Html:
        if at == 0:
            return el("th", {"scope": "row"}, value)
        label = heads[at] if wordy and at < len(heads) - 1 else None
        return el("td", {"class": "n" if at in numbers else None, "data-label": label}, value)

    head = (el("th", {"scope": "col", "class": "n" if at in numbers else None}, one) for at, one in enumerate(heads))
    body = (el("tr", {}, *(cell(at, value) for at, value in enumerate(row))) for row in rows)
    shape = {"class": "prose" if wordy else None}
    inner = el("table", shape, el("thead", {}, el("tr", {}, *head)), el("tbody", {}, *body))
    return el(
        "div", {"class": "wide", "tabindex": 0, "role": "region", "aria-label": f"table: {', '.join(heads)}"}, inner
    )


def _section(key: str, title: str, *children: Node) -> Html:
    heading = el("h2", {"id": f"{key}-h"}, title)
    return el("section", {"id": key, "aria-labelledby": f"{key}-h"}, heading, *children)


# --- the summary


def summary(readings: Sequence[Reading]) -> Html:
    """Return the figures that are looked for first."""
    marks = "AB" if len(readings) > 1 else " "
    return el("div", {"class": "summary"}, *(_tiles(one, marks[at].strip()) for at, one in enumerate(readings)))


def _tiles(reading: Reading, mark: str) -> Html:
    report, timing = reading.report, reading.timing
    outcome = report.outcome
    worst = min((one.severity for one in report.findings), key=lambda word: RANK[word][1], default="info")
    kinds = sum(one.severity != "info" for one in report.findings)
    speed = timing.tokens_per_second if reading.timed else None
    tiles: list[tuple[str, str, str, str]] = [
        ("outcome", outcome.name, outcome.reason, "good" if outcome.ok else "bad"),
    ]
    if reading.timed:
        last = reading.positions[-1] if reading.positions else None
        tiles += [
            ("first output", seconds(timing.ttft), "" if timing.ttft is None else "after the request", ""),
            ("last byte", seconds(last), "", ""),
        ]
        long = max((one.end - one.start for one in reading.stalls), default=None)
        words = f"longest {seconds(long)}" if long is not None else ""
        tiles.append(("stalls", f"{len(reading.stalls):,}", words, "bad" if reading.stalls else ""))
    tokens = timing.output_tokens
    rate = f"{speed:,.1f} a second" if speed else f"{counted(report.statistics.chunks, 'chunk', ',')}"
    tiles.append(("output tokens", "–" if tokens is None else f"{tokens:,}", rate, ""))
    tone = "bad" if worst in ("lost", "repaired") else ""
    tiles.append(("anomalies", f"{kinds:,}", f"worst: {worst}" if kinds else "", tone))
    parts = []
    for title, value, more, tone in tiles:
        small = el("small", {}, more) if more else None
        parts.append(el("div", {"class": f"tile {tone}".strip()}, el("dt", {}, title), el("dd", {}, value, small)))
    ending, said = ending_of(report)
    name = [el("b", {"class": "mark"}, mark), " "] if mark else []
    return el(
        "div",
        {"class": "trace"},
        el("p", {"class": "which"}, *name, clipped(reading.name, 300)),
        el("dl", {"class": "tiles"}, *parts),
        el("p", {"class": "note"}, prose(ending), said),
    )


def ending_of(report: Report) -> tuple[str, str]:
    """Return how a stream ended in a sentence, and what its error says more than that."""
    sentence, error = REASONS[report.outcome.reason][1], report.outcome.error
    ending = f"{sentence[0].upper()}{sentence[1:]}."
    if error is None or error.message == sentence:
        return ending, ""
    said = clipped(error.message, 500)
    begins = sentence.partition(":")[0]
    return ("", f"{said[:1].upper()}{said[1:]}.") if said.startswith(begins) else (ending, f" {said}")


# --- timing


def timing_section(readings: Sequence[Reading]) -> Html:
    """Return the timing table, each figure with whose definition it is."""
    found = [figures_of(one.trace, one.timing) if one.timed else dict.fromkeys(FIGURES) for one in readings]
    if not any(value is not None for one in found for value in one.values()):
        return _section("timing", "Timing", el("p", {"class": "note"}, "No times are known."))
    two = len(readings) > 1
    heads = ["figure", *(("A", "B", "B − A") if two else ("value",)), "definition"]

    def row(name: str) -> Iterator[Node]:
        unit, words = FIGURES[name]
        show = seconds if unit == "s" else _rate
        values = [one[name] for one in found]
        yield el("code", {}, name)
        yield from map(show, values)
        if two:
            known = values[0] is not None and values[1] is not None
            more = values[1] - values[0] if known else None  # type: ignore[operator]
            yield f"{'+' if more is not None and more > 0 else ''}{show(more)}"
        yield words

    numbers = range(1, 4) if two else (1,)
    known = [name for name in FIGURES if any(one[name] is not None for one in found)]
    rest = ", ".join(name for name in FIGURES if name not in known)
    why = el("p", {"class": "note"}, f"Not known: {rest}.") if rest else None
    return _section(
        "timing", "Timing", table(heads, map(tuple, map(row, known)), numbers=tuple(numbers), wordy=True), why
    )


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}/s"


# --- lanes


def lanes_section(readings: Sequence[Reading]) -> Html:
    """Return the lanes in words: the table beside the drawing."""
    two = len(readings) > 1
    rows: list[Sequence[Node]] = []
    for number, reading in enumerate(readings):
        show: Callable[[float], str] = seconds if reading.timed else lambda at: f"event {at:.0f}"
        for lane in reading.lanes[:_LANES]:
            for kind in KINDS:
                pieces = [piece for piece in lane.pieces if piece.kind == kind]
                if not pieces:
                    continue
                first, last = (reading.positions[pieces[at].block] for at in (0, -1))
                name = f"{'AB'[number]}: {lane.title}" if two else lane.title
                letters = sum(len(piece.text) for piece in pieces)
                cells = (f"{len(pieces):,}", f"{letters:,}", show(first), show(last))
                rows.append((name, clipped(lane.name, 80), kind, *cells))
    if not rows:
        return _section("lanes", "Lanes", el("p", {"class": "note"}, "No output arrived."))
    heads = ("lane", "function", "kind", "pieces", "characters", "first", "last")
    return _section("lanes", "Lanes", table(heads, rows, numbers=(3, 4, 5, 6)))


# --- anomalies


def anomalies_section(readings: Sequence[Reading]) -> Html:
    """Return what deviates from the format, and the bytes of the events where each was first seen."""
    parts: list[Node] = []
    for number, reading in enumerate(readings):
        if len(readings) > 1:
            parts.append(el("h3", {}, el("b", {"class": "mark"}, "AB"[number]), f" {clipped(reading.name, 200)}"))
        parts += _findings(reading, "ab"[number])
    return _section("anomalies", "Anomalies", *parts)


def _findings(reading: Reading, key: str) -> Iterator[Node]:
    findings = reading.report.findings
    if not findings:
        yield el("p", {"class": "note"}, "Nothing deviates from the format.")
        return
    events = reading.quoted
    rows = [
        (
            el("code", {}, one.code),
            el("span", {"class": f"sign {one.severity}"}, f"{RANK[one.severity][0]} {one.severity}"),
            _link(key, one.event, events),
            f"{one.count:,}",
            el("span", {}, prose(f"{one.message} {one.action}"), *_more(one)),
        )
        for one in findings[:_FINDINGS]
    ]
    yield table(("code", "severity", "event", "times", "what"), rows, numbers=(2, 3), wordy=True)
    if (more := len(findings) - _FINDINGS) > 0:
        yield el("p", {"class": "note"}, f"and {more:,} more")
    if events:
        yield el("h3", {}, "Events where they were first seen")
        quotes = Quotes(reading.body)
        for event in events:
            yield _event(reading, key, event, quotes)


def _link(key: str, event: int, events: Sequence[int]) -> Node:
    if event < 1:
        return "–"
    return el("a", {"href": f"#{key}-event-{event}"}, f"{event:,}") if event in events else f"{event:,}"


def _more(finding: Finding) -> Iterator[Html]:
    if finding.path != "$":
        yield el("span", {"class": "sub"}, "at ", el("code", {}, clipped(finding.path, 200)))
    if finding.excerpt is not None:
        seen = finding.excerpt if finding.excerpt.strip() else repr(finding.excerpt)
        yield el("span", {"class": "sub"}, "seen ", el("code", {}, clipped(seen, 200)))
    yield from clients_of_finding(finding)


def clients_of_finding(finding: Finding) -> Iterator[Html]:
    """Yield which clients are known to break on it."""
    if finding.clients:
        names = dict.fromkeys(f"{one.name} {one.version}".strip() for one in finding.clients)
        yield el("span", {"class": "sub"}, clipped(f"breaks {', '.join(names)}", 300))


def _event(reading: Reading, key: str, event: int, quotes: Quotes) -> Html:
    offset, data = quotes.of(event)
    block = reading.block_of(event)
    where = f"event {event:,}"
    if block is not None and reading.timed:
        where += f", block {block + 1:,}, {seconds(reading.positions[block])}"
    where += f", byte {offset:,}, {counted(len(data), 'byte', ',')}"
    jump = {"class": "event", "id": f"{key}-event-{event}", "data-trace": "ab".index(key), "data-block": block}
    return el("div", jump, el("p", {"class": "sub"}, where), bytes_shown(data, _BYTES))


def bytes_shown(data: bytes, room: int, *, size: int = 0) -> Html:
    """Return the first `room` bytes as text: UTF-8 where they are, what steers shown, the line ends of CR as signs. `size`: how
    many bytes there are where `data` is only their beginning."""
    text = fitting(data[:room].decode("utf-8", "replace"), 3 * room).rstrip("\n")
    text = text.replace("\r\n", "␍␊\n").replace("\r", "␍\n")
    more = max(size, len(data)) - min(room, len(data))
    return el("pre", {"tabindex": 0}, text, f"\n… {counted(more, 'byte', ',')} more" if more > 0 else None)


# --- what was recorded


def facts_section(readings: Sequence[Reading]) -> Html:
    """Return what is known of the exchange, and what went through."""
    rows = [(name, *map(show, readings)) for name, show in _FACTS.items()]
    kept = [row for row in rows if any(row[1:])]
    heads = ("fact", *(("A", "B") if len(readings) > 1 else ("value",)))
    return _section("facts", "Exchange", table(heads, kept, wordy=len(readings) == 1))


def _counts(reading: Reading) -> str:
    s = reading.report.statistics
    blocks = len(reading.trace.blocks)
    return f"{s.bytes:,} bytes, {blocks:,} blocks, {s.events:,} events, {s.comments:,} comments, {s.chunks:,} chunks"


def _usage(reading: Reading) -> str:
    usage = reading.report.usage
    figures = ((name.removesuffix("_tokens"), getattr(usage, name, None)) for name in COUNTS)
    return ", ".join(f"{figure:,} {name}" for name, figure in figures if isinstance(figure, int))


def _unknown(reading: Reading) -> str:
    fields = list(reading.report.statistics.unknown_fields.items())
    return ", ".join(f"{clipped(path, 100)} ({count:,})" for path, count in fields[:20])


_FACTS: dict[str, Callable[[Reading], str]] = {
    "request": lambda one: clipped(f"{one.trace.method} {one.trace.path}".strip(), 300),
    "model": lambda one: clipped(one.report.model, 300),
    "status": lambda one: "" if one.trace.status is None else str(one.trace.status),
    "content type": lambda one: clipped(one.report.content_type or "", 300),
    "sender": lambda one: clipped(f"{one.trace.sender} {one.trace.sender_version}".strip(), 300),
    "counts": _counts,
    "usage": _usage,
    "[DONE]": lambda one: "yes" if one.report.done else "no",
    "body ended": lambda one: clipped(f"{one.trace.end} {one.trace.error}".strip(), _NOTES),
    "observed by": lambda one: clipped(one.trace.observed, 100),
    "recorded": lambda one: clipped(f"{one.trace.recorded} {one.trace.provenance}".strip(), 300),
    "notes": lambda one: clipped(one.trace.notes, _NOTES),
    "unknown fields": _unknown,
}
