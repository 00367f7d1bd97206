"""How a figure is measured, what it is measured against, and how it is shown.

`medians` times contestants beside each other; `Figure` is one number, beside its goal where it has one; `table` shows
figures as text or as Markdown. In: functions without arguments. Out: seconds, the median of the rounds.

Rule 1: all contestants of a figure are measured in one run, by turns: a slow moment of the machine falls on all.
Rule 2: the garbage collector is handled the same for all: emptied before each measurement and off while it lasts, or,
        with `--gc`, left on as programs have it.
Rule 3: what is timed has run before: once ahead of all rounds, so that imports and the specialising interpreter are
        warm; and in each round as often in a row as fills `FILL`, of which the mean counts. Else a contestant of a
        millisecond would pay mostly for the caches of the processor that one of 200 ms has left.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

import peers

__all__ = ("Figure", "Measurer", "at_least", "at_most", "machine", "ratio", "table", "us")

FILL = 0.02  # seconds that a contestant runs in a round, or once where it takes longer
SLOW = 0.5  # seconds; what takes longer has fewer rounds
SLOW_ROUNDS = 3
LIBRARIES = (
    "streamkit-llm attrs cattrs jiter openai pydantic pydantic-ai-slim langchain-openai litellm httpx httpx-sse".split()
)

Contestants = Mapping[str, Callable[[], Any]]


@attrs.frozen
class Figure:
    """One measured number; `met` says whether it reaches its goal, None where it has none."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    higher: bool = False  # whether more is better
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.higher else self.value <= self.goal

    def row(self) -> list[str]:
        sign = "≥" if self.higher else "≤"
        goal = "" if self.goal is None else f"{sign} {number(self.goal)}{self.unit}"
        met = {True: "yes", False: "NO", None: ""}[self.met]
        return [self.name, f"{number(self.value)}{self.unit}", goal, met, self.note]


HEAD = ["figure", "measured", "goal", "met", "of"]


def at_most(name: str, value: float, goal: float, unit: str = "", note: str = "") -> Figure:
    return Figure(name, value, unit, goal, note=note)


def at_least(name: str, value: float, goal: float, unit: str = " ×", note: str = "") -> Figure:
    return Figure(name, value, unit, goal, higher=True, note=note)


def us(name: str, seconds: float, count: int, note: str = "") -> Figure:
    """Microseconds apiece, without a goal."""
    return Figure(name, seconds / count * 1e6, " µs", note=note)


def ratio(name: str, value: float, note: str = "") -> Figure:
    return Figure(name, value, " ×", note=note)


def number(value: float) -> str:
    """With three digits that count, and never as a power of ten."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


@attrs.frozen
class Measurer:
    """`rounds` for each median; `collector`: whether the garbage collector stays on."""

    rounds: int = 9
    collector: bool = False

    def medians(self, contestants: Contestants, rounds: int = 0, fill: float = FILL) -> dict[str, float]:
        """Seconds for each contestant, all of them by turns; those that take long have `SLOW_ROUNDS`."""
        times: dict[str, list[float]] = {name: [] for name in contestants}
        often = {}
        for name, work in contestants.items():
            work()
            often[name] = max(1, min(1000, round(fill / self.once(work, 1))))
        if not self.collector:
            gc.collect()
            gc.freeze()  # what is loaded by now need not be looked at again before each measurement
        for _ in range(rounds or self.rounds):
            for name, work in contestants.items():
                if len(times[name]) < SLOW_ROUNDS or max(times[name]) < SLOW:
                    times[name].append(self.once(work, often[name]))
        return {name: statistics.median(found) for name, found in times.items()}

    def once(self, work: Callable[[], Any], often: int) -> float:
        """Seconds that one call of `work` takes, the mean of `often` in a row."""
        gc.collect()
        if not self.collector:
            gc.disable()
        try:
            start = time.process_time()
            for _ in range(often):
                work()
            return (time.process_time() - start) / often
        finally:
            gc.enable()


def machine() -> str:
    """Processor, cores, interpreter and versions: what the numbers below are true of."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.split(":", 1) for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0][1].strip() if lines else model
    python = f"{platform.python_implementation()} {platform.python_version()}"
    found = ", ".join(f"{name} {number}" for name, number in peers.versions(*LIBRARIES).items())
    return f"{model}, {os.cpu_count()} cores, {platform.system()}; {python}; {found}"


def table(figures: Iterable[Figure], markdown: bool) -> str:
    rows = [HEAD, *(figure.row() for figure in figures)]
    if markdown:
        rows.insert(1, ["---", "---:", "---:", "---", "---"])
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    left = {0, 3, 4}
    return "\n".join(
        "  ".join(
            cell.ljust(widths[at]) if at in left else cell.rjust(widths[at]) for at, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )
