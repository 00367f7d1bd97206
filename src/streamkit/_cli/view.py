"""`streamkit view`: a trace as a page, or two on one axis.

In: the names of one or two files, `-` being standard input. Out: HTML in a file, or on standard output where that is not a
terminal; an exit code: 0, or 2 for what cannot be read or written. The file is written when the page is whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._view.page import view_page
from ..errors import MisuseError
from .pages import check_target, write_page
from .traces import trace_in

__all__ = ("view_files",)


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
