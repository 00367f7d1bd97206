"""What the commands on traces share: the trace in a file, and JSON Lines.

In: the name of a file, `-` being standard input. Out: a `Trace`. A body that is not a trace becomes one without times, its
blocks being what the reads returned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, BinaryIO

from ..trace import Block, Trace
from .io import contents_of_file, opened, write
from .terminal import json_bytes

__all__ = ("is_for_machines", "trace_in", "write_lines")


def trace_in(name: str) -> Trace:
    """Return the trace in a file. Raises `MisuseError` where it cannot be read, or promises a trace and is none."""
    with opened(name) as file:
        shown = "standard input" if name == "-" else name
        found = contents_of_file(file, shown)
        if isinstance(found, Trace):
            return found
        blocks = tuple(Block(0.0, data) for data in found)
    case = "standard input" if name == "-" else PurePath(name).name.partition(".")[0]
    return Trace(case=case, observed="none", blocks=blocks)


def is_for_machines(out: BinaryIO, *, asked: bool = False) -> bool:
    """Return whether `out` gets JSON Lines: where it is asked for, and where it is not a terminal."""
    return asked or not out.isatty()


def write_lines(out: BinaryIO, objects: Iterable[Any]) -> None:
    """Write each of `objects` as JSON on a line, as soon as it is there."""
    for one in objects:
        write(out, json_bytes(json.dumps(one, ensure_ascii=False, separators=(",", ":"))))
