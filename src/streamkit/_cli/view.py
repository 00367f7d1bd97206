"""`streamkit view`: a trace as a page, or two on one axis.

In: the names of one or two files, `-` being standard input. Out: HTML in a file, or on standard output where that is not a
terminal; an exit code: 0, or 2 for what cannot be read or written. The file is written when the page is whole.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .._view.page import view_page
from ..errors import MisuseError
from .io import stdout, write
from .traces import trace_in

__all__ = ("check_target", "view_files", "write_page")


def view_files(names: Sequence[str], *, output: str | None) -> int:
    """Draw one or two files; return the exit code."""
    if len(names) > 2:
        raise MisuseError(f"view takes one trace, or two for comparison, and {len(names)} were passed")
    if list(names).count("-") > 1:
        raise MisuseError("-: standard input can be read once only")
    check_target(output, names)
    traces = [("standard input" if name == "-" else name, trace_in(name)) for name in names]
    write_page(view_page(traces), output)
    return 0


def check_target(output: str | None, names: Sequence[str]) -> None:
    """Raise `MisuseError` where a page cannot be written there, before anything is read."""
    if output is None or output == "-":
        if output is None and stdout().isatty():
            raise MisuseError("a page is HTML, and standard output is a terminal: name a file, -o report.html")
        return
    if os.path.isdir(output):
        raise MisuseError(f"{output}: is a folder: name a file in it, {os.path.join(output, 'report.html')}")
    for name in names:
        if os.path.exists(name) and os.path.exists(output) and os.path.samefile(name, output):
            raise MisuseError(f"{output}: cannot be read and written at once")


def write_page(page: bytes, output: str | None) -> None:
    """Write a page to a file or to standard output."""
    if output is None or output == "-":
        write(stdout(), page)
        return
    try:
        with open(output, "wb") as file:
            file.write(page)
    except OSError as error:
        raise MisuseError(f"{output}: {error.strerror}") from None
