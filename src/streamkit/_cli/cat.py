"""`streamkit cat`: what a trace holds, at the level that is asked for: bytes, blocks, events, chunks or text.

In: the name of a file. Out: its body as it is, or a line for each block, event or chunk: for people on a terminal, JSON where
standard output is none; or its text. Exit code 0; how the stream ended is for `assemble` and `check`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from ..accumulator import Accumulator
from ..errors import counted
from ..sse import EventDecoder, ServerSentEvent
from ..trace import Trace
from .io import say, stdout, write
from .live_text import View
from .terminal import clipped, columns
from .traces import is_for_machines, trace_in, write_lines

__all__ = ("LEVELS", "cat_file")

_Line: TypeAlias = tuple[dict[str, Any], tuple[str, str]]
"""One line for machines; for people, what is always shown and what is cut to the width."""

LEVELS = ("body", "blocks", "events", "chunks", "text")


def cat_file(file: str, *, level: str) -> int:
    """Print one level of a trace."""
    trace, out = trace_in(file), stdout()
    if level == "body":
        for block in trace.blocks:
            write(out, block.data)
    elif level == "text":
        accumulator, view = Accumulator(), View(out)
        for block in trace.blocks:
            view.show(accumulator.feed(block.data))
        view.show(accumulator.close().events)
    else:
        found = {"blocks": _blocks, "events": _events, "chunks": _chunks}[level](trace)
        if level == "chunks" or is_for_machines(out):
            write_lines(out, (one for one, _ in found))
        else:
            width = columns()
            for _, (left, right) in found:
                write(out, f"{left}{clipped(right, max(width - len(left), 1))}\n".encode("utf-8", "replace"))
    return 0


def _blocks(trace: Trace) -> Iterator[_Line]:
    """Each block, as a line of the trace file with its number."""
    for number, block in enumerate(trace.blocks, 1):
        left = f"{number:>6}  {_time(trace, block.t)}  {len(block.data):>7,} B  "
        yield (
            {"block": number, "t": block.t if trace.timed else None, **_data(block.data)},
            (left, _visible(block.data)),
        )


def _events(trace: Trace) -> Iterator[_Line]:
    """Each event with its type and data, and when its last byte arrived. Comments have no number and no line."""
    for number, (t, event) in enumerate(_events_of(trace), 1):
        fields = {"event": number, "t": t if trace.timed else None, "type": event.event, **_data(event.data)}
        yield fields, (f"{number:>6}  {_time(trace, t)}  ", f"{event.event}  {_visible(event.data)}")


def _chunks(trace: Trace) -> Iterator[_Line]:
    """Each chunk as the sender wrote it: the data of each event that is a JSON object."""
    others = 0
    for _, event in _events_of(trace):
        try:
            value = json.loads(event.data)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            yield value, ("", "")
        else:
            others += event.data.strip() != b"[DONE]"
    if others:
        say(f"{counted(others, 'event')} without a JSON object left out: --events shows them")


def _events_of(trace: Trace) -> Iterator[tuple[float, ServerSentEvent]]:
    decoder, t = EventDecoder(), 0.0
    for block in trace.blocks:
        t = block.t
        yield from ((t, event) for event in decoder.feed(block.data) if isinstance(event, ServerSentEvent))
    last = decoder.close()
    if isinstance(last, ServerSentEvent):
        yield t, last


def _data(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _time(trace: Trace, t: float) -> str:
    return f"{t:>10.6f} s" if trace.timed else f"{'-':>12}"


def _visible(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\r", "\\r").replace("\n", "\\n")
