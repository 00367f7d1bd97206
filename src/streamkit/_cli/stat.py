"""`streamkit stat`: what is in traces in numbers, and their timing, each figure by the definition that it follows.

In: the names of files and folders. Out: a table on a terminal, one JSON object a trace on a line where standard output is none
or `--json` asks for it; what could not be read on standard error; an exit code: 0, or 2 if a file could not be read.

Rule 1  A figure that cannot be known is null, and `-` in the table: a trace without times has none.
Rule 2  Of several traces the table says how many have a figure, and its 50th, 90th and 99th percentile and maximum over them;
        a percentile is a value that occurs (nearest rank).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._live.figures import FIGURES, figures_of, percentile
from .._live.timing import timing_of
from ..accumulator import Accumulator
from ..errors import MisuseError
from ..trace import Trace
from .files import files_of
from .io import MISUSE, say, stdout, write
from .progress import with_progress
from .terminal import clipped, columns, has_colours, one_line, painted
from .traces import is_for_machines, trace_in, write_lines

__all__ = ("FIGURES", "stat_files", "stat_of")

COUNTS = (
    "bytes",
    "blocks",
    "events",
    "comments",
    "chunks",
    "choices",
    "tool_calls",
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "anomalies",
)


def stat_files(names: Sequence[str], *, json: bool) -> int:
    """Print the numbers of each trace; return the exit code."""
    failed: list[str] = []

    def unread(line: str) -> None:
        failed.append(line)
        say(line)

    if names.count("-") > 1:
        raise MisuseError("-: standard input can be read once only")
    files = list(files_of(names, unread))
    found = _stats(with_progress(files, len(files), "traces read"), unread)
    out = stdout()
    if is_for_machines(out, asked=json):
        write_lines(out, found)
    elif stats := list(found):
        lines = _one(stats[0]) if len(stats) == 1 else _many(stats)
        bold = has_colours(out)
        shown = [painted(line, "1") if bold and line and not line.startswith(" ") else line for line in lines]
        write(out, "".join(f"{line}\n" for line in shown).encode("utf-8", "replace"))
    return MISUSE if failed else 0


def _stats(files: Iterable[str], unread: Any) -> Iterator[dict[str, Any]]:
    for file in files:
        try:
            yield stat_of(trace_in(file), "standard input" if file == "-" else file)
        except MisuseError as error:
            unread(str(error))


def stat_of(trace: Trace, file: str) -> dict[str, Any]:
    """Return everything that `stat` says of a trace, as JSON."""
    accumulator = Accumulator()
    for block in trace.blocks:
        accumulator.absorb(block.data)
    outcome = accumulator.close()
    response, numbers, timing = accumulator.snapshot(), accumulator.statistics(), timing_of(trace)
    calls = 0 if response is None else sum(len(one.message.tool_calls or ()) for one in response.choices)
    return {
        "file": file,
        "sender": trace.sender,
        "case": trace.case,
        "status": trace.status,
        "end": trace.end,
        "outcome": outcome.name,
        "reason": outcome.reason,
        "bytes": numbers.bytes,
        "blocks": len(trace.blocks),
        "events": numbers.events,
        "comments": numbers.comments,
        "chunks": numbers.chunks,
        "choices": 0 if response is None else len(response.choices),
        "tool_calls": calls,
        "input_tokens": timing.input_tokens,
        "output_tokens": timing.output_tokens,
        "reasoning_tokens": timing.reasoning_tokens,
        "anomalies": sum(one.count for one in accumulator.anomalies),
        "timing": figures_of(trace, timing),
    }


# --- tables


def _one(stat: dict[str, Any]) -> Iterator[str]:
    yield one_line(stat["file"])
    head = " ".join(filter(None, (stat["sender"], stat["case"])))
    yield f"  {one_line(head)}: {stat['outcome']} ({stat['reason']}), HTTP {_cell(stat['status'])}, body ended: {stat['end']}"
    yield ""
    yield "counts"
    for name in COUNTS:
        yield f"  {name:<24}{_cell(stat[name]):>12}"
    yield ""
    yield "timing"
    width = columns()
    for name, (unit, words) in FIGURES.items():
        yield "  " + _side_by_side(f"{name:<24}{_cell(stat['timing'][name]):>12} {unit:<3} ", words, width - 2)


def _side_by_side(left: str, right: str, room: int) -> str:
    """Return both on one line, as much of the right as there is room for."""
    return left + clipped(right, room - len(left)) if room - len(left) > 1 else left


def _many(stats: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"{len(stats)} traces"
    endings: dict[str, int] = {}
    for stat in stats:
        word = f"{stat['outcome']} ({stat['reason']})"
        endings[word] = endings.get(word, 0) + 1
    yield f"  {', '.join(f'{count} {word}' for word, count in sorted(endings.items(), key=lambda one: -one[1]))}"
    head = "".join(f"{name:>11}" for name in ("traces", "p50", "p90", "p99", "max"))
    for title, rows in (
        ("counts", {name: ("", [stat[name] for stat in stats]) for name in COUNTS}),
        ("timing", {name: (unit, [stat["timing"][name] for stat in stats]) for name, (unit, _) in FIGURES.items()}),
    ):
        yield ""
        yield f"{title:<29}{head}"
        for name, (unit, all_values) in rows.items():
            values = [value for value in all_values if value is not None]
            cells = [len(values), *(percentile(values, share) for share in (0.5, 0.9, 0.99, 1.0))]
            yield f"  {name:<24}{unit:<3}" + "".join(f"{_cell(cell):>11}" for cell in cells)


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"
