"""`streamkit diff A B`: do two traces have the same bytes, the same cuts, the same response, and where do they first differ.

In: the names of two files. Out: three lines on a terminal, one JSON object where standard output is none or `--json` asks for
it. Exit code 0: the same; 1: a difference in what was asked for; 2: misuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._recording.compare import MISSING, Comparison, Difference, compare
from ..errors import MisuseError, excerpt
from .io import stdout, write
from .terminal import one_line
from .traces import is_for_machines, trace_in, write_lines

__all__ = ("ASPECTS", "diff_files")

ASPECTS = ("bytes", "cuts", "response")


def diff_files(a: str, b: str, *, only: list[str], json: bool) -> int:
    """Compare two traces; return the exit code."""
    if a == b == "-":
        raise MisuseError("-: standard input can be read once only")
    found = compare(trace_in(a), trace_in(b))
    asked = [name for name in ASPECTS if name in (only or ASPECTS)]
    same = all(getattr(found, name) is None for name in asked)
    out = stdout()
    if is_for_machines(out, asked=json):
        told = {name: _json(getattr(found, name)) for name in asked}
        write_lines(out, [{"a": a, "b": b, "same": same, **told, "varying": list(found.varying)}])
    else:
        lines = [line for name in asked for line in _lines(name, found)]
        write(out, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    return 0 if same else 1


def _json(difference: Difference | None) -> dict[str, Any]:
    if difference is None:
        return {"same": True}
    sides = {side: value for side in ("a", "b") if (value := getattr(difference, side)) is not MISSING}
    return {"same": False, "where": difference.where, **sides}


def _lines(name: str, found: Comparison) -> Iterator[str]:
    difference: Difference | None = getattr(found, name)
    if difference is None:
        but = f" but for {', '.join(found.varying)}" if name == "response" and found.varying else ""
        yield f"{name:<9} same{but}"
        return
    yield f"{name:<9} differ at {difference.where}"
    for side, value in (("A", difference.a), ("B", difference.b)):
        yield f"  {side}: {'nothing' if value is MISSING else one_line(excerpt(value))}"
