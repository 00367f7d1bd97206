"""The report on many streams as a page: which sender deviates how, down to the bytes of the first occurrence.

In: reports, one by one, each with its body. Out: HTML as bytes. Cost: a few hundred bytes are kept of each stream, whatever
its size; a page has at most about 4 MB.

Rule 1  The table has a row for each code and a column for each sender, in each cell the number of streams. A stream that did
        not end as complete counts under the reason of its outcome, too.
Rule 2  The sender is what the trace says, else the name of the folder that the stream is in.
Rule 3  Bounds: `SENDERS` senders, the others together in one column; `STREAMS` streams in the list of all, the worst first; `LISTED` in
        all cells together, at least three in each; the bytes of the first occurrence for `EXCERPTS` cells. What is left
        out is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import attrs

from .._check.report import Finding, Report
from ..errors import counted
from ..outcome import REASONS
from .markup import Html, Node, clipped, el, joined, prose
from .page import document
from .spans import Quotes
from .tables import bytes_shown, clients_of_finding, table
from .timeline import RANK

__all__ = ("CheckPage",)

SENDERS = 60
STREAMS = 2000
LISTED = 6000
EXCERPTS = 1000
_BYTES = 400
_NAME = 200
_CODES = 12  # of a stream, in the list of all
_VERDICTS = {"faulty": "▲", "notes": "●", "clean": "✓"}


@attrs.frozen
class _Stream:
    name: str
    sender: str
    verdict: str
    ending: str
    chunks: int
    codes: tuple[str, ...]


@attrs.define
class _Cell:
    """The streams of one sender that have one code."""

    streams: list[tuple[int, int, int]] = attrs.field(factory=list)
    """Number of the stream, first event, how often."""
    total: int = 0
    place: str = ""
    """Of the first occurrence, in the first of the streams."""
    excerpt: bytes = b""
    size: int = 0
    """Bytes of the event that the excerpt begins."""


@attrs.define
class _Code:
    code: str
    severity: str
    sentence: str
    clients: tuple[Html, ...]
    cells: dict[str, _Cell] = attrs.field(factory=dict)

    @property
    def total(self) -> int:
        return sum(cell.total for cell in self.cells.values())


class CheckPage:
    """add(report, body) for each stream, then page()."""

    def __init__(self) -> None:
        self._streams: list[_Stream] = []
        self._codes: dict[str, _Code] = {}
        self._excerpts = 0
        self._folder = ""  # that all names begin with
        self.unread = 0
        """Files that could not be read."""

    def add(self, report: Report, body: bytes) -> None:
        """Count one more stream. `body`: its bytes, unpacked."""
        sender, number, quotes = _sender(report), len(self._streams), Quotes(body)
        outcome = report.outcome
        found: dict[str, list[Finding]] = {}
        for one in report.findings:
            found.setdefault(one.code, []).append(one)
        for code, findings in found.items():
            first = findings[0]
            row = self._codes.get(code)
            if row is None:
                words = f"{first.message} {first.action}"
                row = self._codes[code] = _Code(code, first.severity, words, tuple(clients_of_finding(first)))
            event = min((one.event for one in findings if one.event), default=0)
            if (cell := self._see(row, sender, (number, event, sum(one.count for one in findings)))) and event:
                start, data = quotes.of(event)
                cell.place, cell.excerpt, cell.size = f"event {event:,}, from byte {start:,}", data[:_BYTES], len(data)
        if not outcome.ok:
            name, sentence = REASONS[outcome.reason]
            key = f"{name}: {outcome.reason}"
            row = self._codes.setdefault(key, _Code(key, "lost", f"{sentence[0].upper()}{sentence[1:]}.", ()))
            if cell := self._see(row, sender, (number, 0, 1)):
                start = max(len(body) - _BYTES, 0)
                cell.place, cell.excerpt = f"the end, from byte {start:,}", body[start:]
        codes = tuple(one for one in found if self._codes[one].severity != "info")
        ending = f"{outcome.name} ({outcome.reason})"
        self._streams.append(_Stream(report.name, sender, report.verdict, ending, report.statistics.chunks, codes))

    def _see(self, row: _Code, sender: str, where: tuple[int, int, int]) -> _Cell | None:
        """Count a stream of a cell; return the cell where it is the first one and there is room for its bytes."""
        cell = row.cells.setdefault(sender, _Cell())
        cell.total += 1
        if len(cell.streams) < LISTED:
            cell.streams.append(where)
        if cell.total > 1 or self._excerpts >= EXCERPTS:
            return None
        self._excerpts += 1
        return cell

    def page(self) -> bytes:
        """Return the page."""
        if not self._streams:
            return document("check", "Streams and the format", el("p", {"class": "note"}, "No stream was read."))
        self._folder = _folder_of([one.name for one in self._streams])
        codes = sorted(self._codes.values(), key=lambda one: (RANK[one.severity][1], -one.total, one.code))
        counts = _count(self._streams)
        senders = sorted(counts, key=lambda one: (-counts[one], one))[:SENDERS]
        keys = {one.code: f"code-{number}" for number, one in enumerate(codes, 1)}
        table_of_codes = self._matrix(codes, senders, keys, others=len(counts) > SENDERS)
        body = joined((self._summary(len(counts)), table_of_codes, self._drill(codes, senders, keys), self._list(keys)))
        return document("check", "Streams and the format", body)

    # --- the parts

    def _name(self, number: int) -> str:
        return clipped(self._streams[number].name[len(self._folder) :], _NAME)

    def _summary(self, senders: int) -> Html:
        verdicts = {word: sum(one.verdict == word for one in self._streams) for word in ("clean", "notes", "faulty")}
        tiles = [
            ("streams", len(self._streams), ""),
            ("clean", verdicts["clean"], "good"),
            ("with notes", verdicts["notes"], ""),
        ]
        tiles += [("faulty", verdicts["faulty"], "bad" if verdicts["faulty"] else "")]
        tiles += [("senders", senders, "")]
        tiles += [("not read", self.unread, "bad")] if self.unread else []
        parts = (
            el("div", {"class": f"tile {tone}".strip()}, el("dt", {}, name), el("dd", {}, f"{count:,}"))
            for name, count, tone in tiles
        )
        words = "Faulty: not complete, or something was lost or repaired. Notes: nothing was changed."
        folder = el("p", {"class": "which"}, clipped(self._folder, 300)) if self._folder else None
        return joined((folder, el("dl", {"class": "tiles"}, *parts), el("p", {"class": "note"}, words)))

    def _matrix(self, codes: Sequence[_Code], senders: Sequence[str], keys: dict[str, str], *, others: bool) -> Html:
        heading = el("h2", {"id": "matrix-h"}, "Codes by sender")
        box = {"id": "matrix", "aria-labelledby": "matrix-h"}
        if not codes:
            return el("section", box, heading, el("p", {"class": "note"}, "Nothing deviates from the format."))

        def row(name: Node, counts: dict[str, int], links: dict[str, str]) -> Html:
            total, named = sum(counts.values()), [counts.get(one, 0) for one in senders]
            cells = [
                _figure(total, None),
                *(_figure(count, links.get(one)) for count, one in zip(named, senders, strict=True)),
            ]
            cells += [_figure(total - sum(named), None)] if others else []
            return el("tr", {}, el("th", {"scope": "row"}, name), *cells)

        faulty = [one for one in self._streams if one.verdict == "faulty"]
        rows = [row("streams", _count(self._streams), {}), row("of them faulty", _count(faulty), {})]
        for code in codes:
            key = keys[code.code]
            name = joined((_sign(code.severity), " ", el("a", {"href": f"#{key}"}, el("code", {}, code.code))))
            links = {sender: f"#{key}-{at}" for at, sender in enumerate(senders, 1)}
            rows.append(row(name, {sender: cell.total for sender, cell in code.cells.items()}, links))
        words = (
            "code",
            "all",
            *(clipped(one, 40) or "unknown" for one in senders),
            *(("other senders",) if others else ()),
        )
        heads = (el("th", {"scope": "col"}, one) for one in words)
        inner = el("table", {"class": "matrix"}, el("thead", {}, el("tr", {}, *heads)), el("tbody", {}, *rows))
        region = {"class": "wide", "tabindex": 0, "role": "region", "aria-label": "table: codes by sender"}
        note = (
            "In how many streams each was seen. A number leads to the streams and to the bytes of the first occurrence."
        )
        signs = ", ".join(f"{sign} {word}" for word, (sign, _) in RANK.items())
        notes = (el("p", {"class": "note"}, note), el("p", {"class": "note"}, f"{signs}."))
        return el("section", box, heading, *notes, el("div", region, inner))

    def _drill(self, codes: Sequence[_Code], senders: Sequence[str], keys: dict[str, str]) -> Html:
        cells = sum(sender in code.cells for code in codes for sender in senders)
        room = max(LISTED // max(cells, 1), 3)
        parts = [self._code(code, senders, keys[code.code], room) for code in codes]
        heading = el("h2", {"id": "codes-h"}, "Codes")
        return el("section", {"id": "codes", "aria-labelledby": "codes-h"}, heading, *parts)

    def _code(self, code: _Code, senders: Sequence[str], key: str, room: int) -> Html:
        words = f"{counted(code.total, 'stream', ',')} of {counted(len(code.cells), 'sender', ',')}"
        about = el("span", {"class": "sub"}, words)
        parts: list[Node] = [
            el("summary", {}, _sign(code.severity), " ", el("code", {}, code.code), " ", about),
            el("p", {}, prose(code.sentence)),
            *code.clients,
        ]
        left = code.total
        for at, sender in enumerate(senders, 1):
            if (cell := code.cells.get(sender)) is None:
                continue
            left -= cell.total
            title = f"{clipped(sender, 80) or 'unknown'}: {counted(cell.total, 'stream', ',')}"
            parts += [el("h3", {"id": f"{key}-{at}"}, title), el("ul", {"class": "streams"}, *self._cell(cell, room))]
            if cell.excerpt:
                first = f"{self._name(cell.streams[0][0])}: {cell.place}"
                parts += [el("p", {"class": "sub"}, first), bytes_shown(cell.excerpt, _BYTES, size=cell.size)]
        parts += [el("p", {"class": "note"}, f"and {counted(left, 'stream', ',')} of other senders")] if left else []
        return el("details", {"id": key}, *parts)

    def _cell(self, cell: _Cell, room: int) -> Iterator[Html]:
        for number, event, count in cell.streams[:room]:
            at = f", event {event:,}" if event else ""
            times = f", {count:,} times" if count > 1 else ""
            yield el("li", {}, self._name(number), el("span", {"class": "note"}, f"{at}{times}"))
        if cell.total > room:
            yield el("li", {"class": "note"}, f"and {cell.total - room:,} more")

    def _list(self, keys: dict[str, str]) -> Html:
        order = {"faulty": 0, "notes": 1, "clean": 2}
        streams = sorted(self._streams, key=lambda one: order[one.verdict])  # stable: else as they were read
        rows = []
        for one in streams[:STREAMS]:
            codes: list[Node] = []
            for code in one.codes[:_CODES]:
                codes += [el("a", {"href": f"#{keys[code]}"}, el("code", {}, code)), " "]
            more = len(one.codes) - _CODES
            codes += [f"and {more} more"] if more > 0 else []
            mark = el("span", {"class": f"sign {_TONES[one.verdict]}"}, f"{_VERDICTS[one.verdict]} {one.verdict}")
            rows.append(
                (clipped(one.name[len(self._folder) :], _NAME), mark, one.ending, f"{one.chunks:,}", joined(codes))
            )
        more = len(streams) - len(rows)
        note = el("p", {"class": "note"}, f"and {more:,} more, none of them worse") if more > 0 else None
        heads = ("stream", "verdict", "outcome", "chunks", "codes")
        heading = el("h2", {"id": "streams-h"}, "Streams")
        box = {"id": "streams", "aria-labelledby": "streams-h"}
        return el("section", box, heading, table(heads, rows, numbers=(3,), wordy=True), note)


_TONES = {"faulty": "lost", "notes": "note", "clean": "info"}


def _sender(report: Report) -> str:
    """Return what wrote the stream (rule 2)."""
    if report.trace is not None and report.trace.sender:
        return report.trace.sender
    return os.path.basename(os.path.dirname(os.path.abspath(report.name))) if os.path.dirname(report.name) else ""


def _folder_of(names: Sequence[str]) -> str:
    """Return the folder that all names begin with, with its separator; empty if there is none."""
    first, last = min(names), max(names)  # what these two begin with, all others do
    same = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    folder, separator, _ = first[:same].rpartition("/")
    return folder + separator


def _sign(severity: str) -> Html:
    return el("span", {"class": f"sign {severity}", "title": severity}, RANK[severity][0])


def _count(streams: Sequence[_Stream]) -> dict[str, int]:
    """Return how many streams each sender has."""
    counts: dict[str, int] = {}
    for one in streams:
        counts[one.sender] = counts.get(one.sender, 0) + 1
    return counts


def _figure(count: int, link: str | None) -> Html:
    if not count:
        return el("td", {"class": "zero"}, "·")
    return el("td", {}, f"{count:,}" if link is None else el("a", {"href": link}, f"{count:,}"))
