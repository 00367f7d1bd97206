"""`streamkit replay`: a recorded stream live again, as text, as events or as bytes.

In: the name of a trace, its pace and faults. Out: on standard output its text with reasoning and tool calls, the events of
the library as JSON Lines, or the bytes; on standard error how it ended; the exit code says so, too.

Rule 1  Each block is handled when it is due, and what it says is written at once.
Rule 2  Text on a terminal, JSON Lines where standard output is none, unless a format is asked for.
Rule 3  A broken end ends the stream as it would end that of a `ChatStream`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from .. import events as ev
from .._recording.replay import Replay, replay
from ..accumulator import Accumulator
from ..anomalies import Anomaly
from ..codec import unstructure
from ..errors import MisuseError, named
from ..outcome import Outcome
from ..sources import blocks, end_stream
from .assemble import report_outcome
from .io import EXIT, Interrupts, say, stdout, write
from .live_text import View
from .traces import is_for_machines, trace_in, write_lines

__all__ = ("FORMATS", "replay_file")

FORMATS = ("text", "events", "bytes")


def replay_file(file: str, options: dict[str, Any], *, format: str | None, verbose: bool) -> int:
    """Play one trace with these options of `replay`; return the exit code, which says how it ended."""
    trace = trace_in(file)
    if options["speed"] and not trace.timed and options["pace"] is None:
        raise MisuseError(
            f"{file}: no times were recorded, so it cannot be played at speed {options['speed']:g}: pass --speed 0 for no waiting, or"
            " --itl 0.02 for a block each 0.02 s"
        )
    source = replay(trace, **options)
    out = stdout()
    format = format or ("events" if is_for_machines(out) else "text")
    accumulator = Accumulator()
    view = View(out) if format == "text" else None

    def show(events: Iterable[ev.Event], t: float | None) -> None:
        if view is not None:
            view.show(events)
        elif format == "events":
            write_lines(out, map(_line, events, _for_ever(t)))

    found = blocks(source)
    with Interrupts() as interrupts:
        try:
            for number, block in enumerate(interrupts.watch(iter(found))):
                if format == "bytes":
                    write(out, block)
                show(accumulator.feed(block), source.blocks[number].t)
        except Exception as error:
            if error is not found.error:  # not the source's, but that of what is written to
                raise
        if interrupts.stopped:
            outcome = accumulator.cancel()
        else:
            outcome = end_stream(accumulator, found.error, status=found.status)
    show(outcome.events, None if interrupts.stopped else source.plan.end_t)
    name = "standard input" if file == "-" else file
    report_outcome(name, accumulator, outcome, verbose=verbose)
    if trace.torn:
        say(f"{name}: this recording was cut: it stops without saying how the body ended")
    if verbose and found.error is not None:
        say(f"{name}: the source raised {named(found.error)}")
    if verbose:
        say(f"{name}: {_played(source)}")
    return EXIT[outcome.name]


def _played(source: Replay) -> str:
    lags = sorted(source.lags)
    if not lags:
        return "no block was played"
    return f"{len(lags)} blocks given, late by {lags[len(lags) // 2] * 1e3:.1f} ms as a rule, {lags[-1] * 1e3:.1f} ms at most"


def _for_ever(t: float | None) -> Iterator[float | None]:
    while True:
        yield t


def _line(event: ev.Event, t: float | None) -> dict[str, Any]:
    names = [
        field.name for field in attrs.fields(type(event)) if field.name != "path_events"
    ]  # which nobody asked for here
    fields = {name: _plain(getattr(event, name)) for name in names}
    return {"t": t, "event": type(event).__name__, **fields}


def _plain(value: Any) -> Any:
    """Return the field of an event as JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Outcome):
        return {"name": value.name, "reason": value.reason, "error": _plain(value.error)}
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, Anomaly):
        return attrs.asdict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return unstructure(value) if attrs.has(type(value)) else value
