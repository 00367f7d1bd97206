"""`streamkit record`: a body from a pipe or a file, written as a trace while it passes.

In: the name of the input, `-` being standard input, and where to write. Out: the trace; with `tee` the bytes on standard
output, too. Exit code: how the stream ended, like that of `assemble`; 2 where it could not be recorded.
"""

from __future__ import annotations

import json
import warnings
from pathlib import PurePath
from typing import Any

import attrs

from .._recording.record import record
from .._recording.recorder import RecordingWarning
from ..accumulator import Accumulator
from ..errors import MisuseError
from ..trace import Trace
from .assemble import report_outcome
from .io import EXIT, MISUSE, Interrupts, opened, say, stdout, write

__all__ = ("record_input",)


def record_input(
    file: str, into: str, *, request: str | None, tee: bool, scrub: bool, verbose: bool, **header: str | None
) -> int:
    """Record one body; return the exit code, which says how it ended."""
    given: dict[str, Any] = {name: value for name, value in header.items() if value is not None}
    known = Trace(**given)
    if not known.case and file != "-":
        known = attrs.evolve(known, case=PurePath(file).name.partition(".")[0])
    if request is not None:
        known = attrs.evolve(known, request=_request(request))
    name = "standard input" if file == "-" else file
    out = stdout() if tee else None
    accumulator = Accumulator()
    with opened(file) as source, warnings.catch_warnings(record=True) as caught, Interrupts() as interrupts:
        warnings.simplefilter("always", RecordingWarning)
        with record(source, into, header=known, scrub=scrub) as recording:
            for block in interrupts.watch(recording):
                if out is not None:
                    write(out, block)
                if accumulator.outcome is None:
                    accumulator.absorb(block)
    outcome = accumulator.cancel() if interrupts.stopped else accumulator.close()
    report_outcome(name, accumulator, outcome, verbose=verbose)
    for warning in caught:
        say(f"{into}: {warning.message}")
    return MISUSE if caught else EXIT[outcome.name]


def _request(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except OSError as error:
        raise MisuseError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MisuseError(f"{path}: --request takes a file with the JSON object that was sent")
    return value
