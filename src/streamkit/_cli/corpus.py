"""`streamkit corpus`: recorded streams in bulk, from files into Parquet, on an engine.

In: a file or folder, a folder to write to, names of columns. Out: the parts; how far it is and what could not be read on standard
error; on standard output the summary that `streamkit check` prints for files; an exit code.

Rule 1  0: every part is there, however its streams ended. 2: a part could not be made, or a row could not be read; the others are
        there all the same.
Rule 2  Started again with the same arguments, it makes the parts that are not there, and sums up all of them.
Rule 3  On a terminal progress is one line that replaces itself; elsewhere a line each half minute.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..errors import MisuseError, counted
from .check_lines import Summary
from .io import MISUSE, say, stdout, write
from .terminal import columns as terminal_columns
from .terminal import has_colours

__all__ = ("reassemble_corpus",)

NARROWEST = 40  # columns that the summary is laid out for
_EACH, _EACH_LINE = 0.2, 30.0  # seconds between two reports of progress: on a terminal, elsewhere
_INSTALL = {"ray": "ray[data]", "spark": "pyspark"}


def reassemble_corpus(
    source: str,
    target: str,
    columns: dict[str, str | None],
    *,
    engine: str,
    workers: int | None,
    keep: Sequence[str],
    sender: str | None,
    partitions: int | None,
) -> int:
    """Make the parts that are not there yet, and print the summary of all."""
    for name, number in (("--workers", workers), ("--partitions", partitions)):
        if number is not None and number < 1:
            raise MisuseError(f"{name} takes a whole number from 1, not {number}")
    run = _engine(engine)
    from ..corpus._parts import make_plan, run_part
    from ..corpus._tally import Tally

    try:
        plan = make_plan(source, target, columns=columns, keep=_kept(keep), sender=sender, parts=partitions)
    except OSError as error:
        raise MisuseError(f"{error.filename or source}: {error.strerror or error}") from None
    tally, failed = plan.done, 0
    if there := plan.parts - len(plan.jobs):
        say(f"there already: {there} of {counted(plan.parts, 'part')}, {counted(tally.rows, 'row', ',')}")
    progress = Progress(plan.parts - len(plan.jobs), plan.parts)
    function: Callable[[Any], Any] = run_part
    if engine == "local":

        def function(job: Any) -> Any:
            return run_part(job, progress.beat)

    for _, counts, failure in _each(run(function, plan.jobs, workers=workers or os.cpu_count() or 1), engine):
        if counts is None:
            failed += 1
            progress.clear()
            say(str(failure))
            continue
        part = Tally(**counts)
        progress.part(part)
        tally.merge(part)
    progress.clear()
    for message in tally.messages:
        say(message)
    _print(tally, progress)
    return MISUSE if failed or tally.unread else 0


def _engine(name: str) -> Any:
    import importlib

    try:
        module = importlib.import_module(f"...corpus.{name}", __name__)
    except ImportError as error:
        raise MisuseError(f'the corpus cannot be read: {error}; pip install "streamkit-llm[corpus]"') from None
    if name in _INSTALL:
        library = "pyspark" if name == "spark" else name
        try:
            importlib.import_module(library)
        except ImportError as error:
            raise MisuseError(f'--engine {name}: {error}; pip install "{_INSTALL[name]}"') from None
    return module.run


def _each(results: Iterable[Any], engine: str) -> Iterator[Any]:
    """Yield what an engine yields; what the engine itself raises (a cluster that is not there) is misuse, in one line."""
    try:
        yield from results
    except Exception as error:
        if engine == "local":
            raise
        raise MisuseError(f"--engine {engine}: {type(error).__name__}: {error}") from None


def _kept(keep: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for words in keep for one in words.split(",") if one]
    return {name: new or name for name, _, new in pairs}


def _print(tally: Any, progress: Progress) -> None:
    summary = Summary(unread=tally.unread)
    codes = {
        (severity, code): each
        for (severity, _, code), each in ((one.partition(" "), each) for one, each in tally.codes.items())
    }
    summary.add_counts(tally.verdicts, tally.endings, codes)
    out = stdout()
    lines = list(summary.lines(width=max(terminal_columns(), NARROWEST), colour=has_colours(out)))
    empty = tally.empty - tally.unread
    lines.append(
        f"{counted(tally.rows, 'row', ',')}, {tally.bytes:,} bytes of bodies{f', {empty:,} without one' if empty else ''}"
    )
    write(out, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    if progress.rows:
        say(progress.words())


class Progress:
    """How far it is: parts, rows, MB a second, streams that are not complete."""

    def __init__(self, done: int, parts: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts, self._done, self._clock = parts, done, clock
        self.rows = self._bytes = self._failed = 0
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._begun = clock()
        self._due = self._begun + (_EACH if self._terminal else _EACH_LINE)
        self._shown = False

    def beat(self, tally: Any) -> None:
        """Show how far the part is that runs."""
        self._show(tally.rows, tally.bytes, tally.failed)

    def part(self, tally: Any) -> None:
        """Count a part that is there."""
        self._done += 1
        self.rows += tally.rows
        self._bytes += tally.bytes
        self._failed += tally.failed
        self._show()

    def words(self, rows: int = 0, size: int = 0, failed: int = 0) -> str:
        """Return the line."""
        passed = max(self._clock() - self._begun, 1e-9)
        rows, size, failed = self.rows + rows, self._bytes + size, self._failed + failed
        speed = f"{rows / passed:,.0f} rows/s, {size / passed / 1e6:,.1f} MB/s"
        return f"{self._done:,}/{self._parts:,} parts, {rows:,} rows, {speed}, {failed:,} not complete"

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False

    def _show(self, rows: int = 0, size: int = 0, failed: int = 0) -> None:
        if sys.stderr is None or (now := self._clock()) < self._due:
            return
        self._due = now + (_EACH if self._terminal else _EACH_LINE)
        if self._terminal:
            self._shown = True
            print(f"\r\x1b[K{self.words(rows, size, failed)}", end="", file=sys.stderr, flush=True)
        else:
            say(self.words(rows, size, failed))
