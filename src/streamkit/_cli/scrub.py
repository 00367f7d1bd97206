"""`streamkit scrub`: secrets out of traces, and whether there were any.

In: names of files and folders, and patterns of the user's. Out: for each trace in which something was found a line, JSON
where standard output is not a terminal; the file is replaced, unless it is only to be looked at. Exit code: 0 nothing found, 1
something found, 2 a file that could not be read or is not a trace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._recording.scrub import Find
from .._recording.scrub_trace import Finding, scrub_file
from ..errors import MisuseError, StreamError
from ..trace import SUFFIXES
from .files import files_of
from .io import MISUSE, say, stdout, write
from .progress import with_progress
from .traces import is_for_machines, write_lines

__all__ = ("scrub_files",)


def scrub_files(files: Sequence[str], *, check: bool, find: Sequence[str], keep: Sequence[str], json: bool) -> int:
    """Scrub traces; return the exit code."""
    unread: list[str] = []

    def failed(line: str) -> None:
        say(line)
        unread.append(line)

    out, finds = stdout(), _find(find)
    machines = is_for_machines(out, asked=json)
    names = [*files_of(files, failed, endings=SUFFIXES)]
    any_found = False
    for name in with_progress(names, len(names), "traces"):
        try:
            if name == "-":
                raise MisuseError("standard input cannot be replaced: name a file")
            finding = scrub_file(name, finds, keep=tuple(keep), write=not check)
        except StreamError as error:  # it begins with the name, and with the line where it is not a trace
            failed(str(error))
            continue
        except OSError as error:
            failed(f"{name}: {error.strerror or error}")
            continue
        if finding:
            any_found = True
            if machines:
                facts = {
                    "secrets": finding.secrets,
                    "encoded": finding.encoded,
                    "replaced": finding.secrets and not check,
                }
                write_lines(out, ({"file": name, **facts},))
            else:
                write(out, f"{name}: {_words(finding, check)}\n".encode("utf-8", "replace"))
    return MISUSE if unread else int(any_found)


def _words(finding: Finding, check: bool) -> str:
    words = []
    if finding.secrets:
        words.append("something private" + (" (not replaced: --check)" if check else " was replaced"))
    if finding.encoded:
        words.append(f"the body is encoded ({finding.encoded}) and cannot be searched: record it again")
    return "; ".join(words)


def _find(patterns: Sequence[str]) -> Find | None:
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise MisuseError(f"--find takes a regular expression, and {pattern!r} is none: {error}") from None
    if not compiled:
        return None
    return lambda text: [found[0] for one in compiled for found in one.finditer(text)]
