"""`streamkit check`: reports on streams, as columns for people, a line each, or JSON for machines.

In: the names of files and folders. Out: the reports on standard output, what could not be read on standard error, an exit
code.

Rule 1  0: every stream passes. 1: one does not. 2: a file could not be read; the others are reported all the same.
Rule 2  Nothing is wider than the terminal, but for addresses, which nobody could follow in two halves. Where standard
        output is not a terminal, the name of a file is whole, however long; `--format lines` cuts nothing anywhere.
Rule 3  Every word that has a colour says the same without it.
Rule 4  What a sender wrote stands on one line and steers no terminal.
Rule 5  The JSON is one document, a list with one object a stream: `Report.as_json`.
Rule 6  A folder stands for the streams in it, at any depth, in order of their names: files whose names end as those of
        bodies and traces do (`STREAMS`); hidden ones are left out. What is named itself is read whatever its name.
Rule 7  `--html FILE` writes a page about all streams when they are read, and standard output has the summary alone, unless a
        format is asked for. With `--html -` standard output has the page alone.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .._check.report import Report, check_stream
from ..errors import MisuseError
from ..sources import blocks
from ..trace import Trace
from .check_columns import render
from .check_lines import Summary, line_of
from .files import STREAMS, files_of
from .io import MISUSE, contents_of_file, opened, say, stdout, write
from .pages import check_target, write_page
from .terminal import columns, has_colours, json_bytes

if TYPE_CHECKING:
    from .._view.check_page import CheckPage

__all__ = ("FORMATS", "STREAMS", "check_files", "render")

FORMATS = ("report", "lines", "summary", "json")
NARROWEST = 40  # columns that a report is laid out for; a terminal of fewer wraps lines itself


def check_files(
    names: Sequence[str],
    *,
    json: bool,
    strict: bool,
    quiet: bool,
    verbose: bool,
    format: str | None = "report",
    html: str | None = None,
) -> int:
    """Report on each file in turn; return the exit code (rule 1). `json`: the same as `format="json"`. `html`: where to
    write a page about all of them (rule 7)."""
    if names.count("-") > 1:
        raise MisuseError("-: standard input can be read once only")
    out, form = stdout(), "json" if json else format or ("report" if html is None else "summary")
    if html is not None:
        check_target(html, names)
        if html == "-":
            form = "page"
    shape: dict[str, Any] = {"colour": has_colours(out), "width": max(columns(), NARROWEST)}
    shape |= {"verbose": verbose, "whole_name": not out.isatty()}
    told: list[dict[str, Any]] = []
    summary = Summary()
    page = None if html is None else _new_page()
    failed = False
    for name in _files(names, summary):
        report = _read(name, summary, page)
        if report is None:
            continue
        summary.add(report)
        passes = report.passes(strict=strict)
        failed = failed or not passes
        if quiet and passes:
            continue
        if form == "json":
            told.append(report.as_json())
        elif form == "lines":
            _print(out, [line_of(report, colour=shape["colour"])])
        elif form == "report":
            _print(out, [*render(report, **shape), ""])
    if form == "json":
        write(out, json_bytes(jsonlib.dumps(told, indent=2, ensure_ascii=False)))
    elif form == "summary" or (form == "report" and summary.streams > 1):
        _print(out, summary.lines(width=shape["width"], colour=shape["colour"]))
    if page is not None:
        page.unread = summary.unread
        write_page(page.page(), html)
    return MISUSE if summary.unread else int(failed)


def _print(out: Any, lines: Sequence[str] | Iterator[str]) -> None:
    write(out, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))


def _new_page() -> CheckPage:
    from .._view.check_page import CheckPage  # nothing else here needs it

    return CheckPage()


def _read(name: str, summary: Summary, page: CheckPage | None) -> Report | None:
    try:
        with opened(name) as file:
            shown = "standard input" if name == "-" else name
            found = contents_of_file(file, shown)
            if page is None:
                return check_stream(found, name=shown)
            contents = found if isinstance(found, Trace) else list(found)
            report = check_stream(contents, name=shown)
            page.add(report, _body(contents))
            return report
    except MisuseError as error:
        say(str(error))
        summary.unread += 1
        return None


def _body(contents: Trace | list[bytes]) -> bytes:
    """Return the body to quote from, unpacked as far as it can be."""
    read: list[bytes] = []
    try:
        read.extend(blocks(contents))
    except (ValueError, EOFError):
        pass
    return b"".join(read)


def _files(names: Sequence[str], summary: Summary) -> Iterator[str]:
    """Return the names of files, those in folders among them (rule 6)."""

    def unread(line: str) -> None:
        say(line)
        summary.unread += 1

    return files_of(names, unread)
