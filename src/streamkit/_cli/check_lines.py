"""Many streams at a glance: one line for each, and a summary of all.

In: `Report`s. Out: lines. A summary keeps a count for each code and sender, and no report.

A line is for `grep`, `sort` and `awk`: columns of a fixed width, cut off nowhere, with the name at its end.

    faulty  complete   done                    3 chunks    0.120 s    2.400 s  odd.sse: index_missing 3, missing_done 1

verdict, outcome, reason, chunks, time to the first output and to the last byte (`-` without a trace that has times), name,
and the codes with how often, the worst first; `info` is left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

import attrs

from .._check.report import Report
from ..errors import counted
from ..outcome import REASONS
from .check_columns import Paint, in_colour, plain, seconds
from .terminal import clipped, one_line, wrapped

__all__ = ("Summary", "line_of")

_OUTCOME = max(len(name) for name, _ in REASONS.values())
_REASON = max(map(len, REASONS))
Word = TypeVar("Word", bound=Hashable)
_RANK = ("lost", "repaired", "note", "info")


def line_of(report: Report, *, colour: bool = False) -> str:
    """Return the one line of a report."""
    paint = in_colour if colour else plain
    times = report.seconds or {}
    verdict = paint(report.verdict, f"{report.verdict:<6}")
    columns = [f"{report.outcome.name:<{_OUTCOME}}", f"{report.outcome.reason:<{_REASON}}"]
    columns += [f"{counted(report.statistics.chunks, 'chunk'):<12}"]
    columns += [f"{seconds(times.get(name)):>9}" for name in ("first_output", "last_byte")]
    codes = ", ".join(f"{one.code} {one.count}" for one in report.findings if one.severity != "info")
    return f"{verdict}  {'  '.join(columns)}  {one_line(report.name)}{f': {codes}' if codes else ''}"


@attrs.define
class Summary:
    """add(report) for each, then lines()."""

    unread: int = 0
    """Files that could not be read."""
    _verdicts: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(("clean", "notes", "faulty"), 0))
    _codes: dict[tuple[str, str], dict[str, int]] = attrs.field(factory=dict)  # (severity, code) -> sender -> streams
    _endings: dict[str, dict[str, int]] = attrs.field(factory=dict)  # reason of an outcome that is not complete

    @property
    def streams(self) -> int:
        """How many there were, those among them that could not be read."""
        return sum(self._verdicts.values()) + self.unread

    def add(self, report: Report) -> None:
        """Count one more stream."""
        sender = "" if report.trace is None else report.trace.sender
        self._verdicts[report.verdict] += 1
        for severity, code in dict.fromkeys((one.severity, one.code) for one in report.findings):
            self._count(self._codes, (severity, code), sender)
        if not report.outcome.ok:
            self._count(self._endings, report.outcome.reason, sender)

    def add_counts(
        self,
        verdicts: Mapping[str, int],
        endings: Mapping[str, Mapping[str, int]],
        codes: Mapping[tuple[str, str], Mapping[str, int]],
    ) -> None:
        """Count streams that were counted elsewhere: by verdict; by reason of the outcome and sender; by severity, code
        and sender."""
        for verdict, count in verdicts.items():
            self._verdicts[verdict] += count
        for reason, senders in endings.items():
            for sender, count in senders.items():
                self._count(self._endings, reason, sender, count)
        for key, senders in codes.items():
            for sender, count in senders.items():
                self._count(self._codes, key, sender, count)

    @staticmethod
    def _count(table: dict[Word, dict[str, int]], word: Word, sender: str, count: int = 1) -> None:
        senders = table.setdefault(word, {})
        senders[sender] = senders.get(sender, 0) + count

    def lines(self, *, width: int, colour: bool = False) -> Iterator[str]:
        """Yield how the streams ended that are not complete, and each code: in how many streams, and of which senders."""
        paint = in_colour if colour else plain
        rows: list[tuple[str, str, dict[str, int], str]]
        rows = [(REASONS[reason][0], reason, senders, "lost") for reason, senders in self._endings.items()]
        codes = sorted(
            self._codes.items(), key=lambda item: (_RANK.index(item[0][0]), -sum(item[1].values()), item[0][1])
        )
        rows += [(severity, code, senders, severity) for (severity, code), senders in codes]
        if rows:
            yield from self._table(rows, width, paint)
            yield ""
        words = [f"{self._verdicts['clean']} clean", f"{self._verdicts['notes']} with notes"]
        words += [f"{self._verdicts['faulty']} faulty"]
        words += [f"{self.unread} not read"] if self.unread else []
        yield from wrapped(f"{counted(self.streams, 'stream')}: {', '.join(words)}", width, "", "  ")

    @staticmethod
    def _table(rows: list[tuple[str, str, dict[str, int], str]], width: int, paint: Paint) -> Iterator[str]:
        code = max(len(row[1]) for row in rows)
        short = width < code + 48
        yield "  SEVERITY   CODE" if short else f"  {'SEVERITY':<9}  {'CODE':<{code}}  STREAMS  SENDERS"
        for word, name, senders, colour in rows:
            each = sorted(senders.items(), key=lambda item: (-item[1], item[0]))
            total, named = (
                sum(senders.values()),
                ", ".join(f"{sender or 'unknown'} {count}" for sender, count in each),
            )
            severity = paint(colour, f"{word:<9}")
            if short:
                yield f"  {severity}  {clipped(name, width - 13)}"
                yield from wrapped(f"{counted(total, 'stream')}: {named}", width, "    ", "    ")
                continue
            head = f"  {'':<9}  {name:<{code}}  {total:>7}  "
            first, *rest = wrapped(named, width, head, " " * len(head))
            yield f"  {severity}{first[11:]}"
            yield from rest
