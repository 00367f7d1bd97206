"""Traces for other tools: the body as a file of server-sent events, and a timeline for trace viewers.

In: a `Trace`. Out: bytes. Costs one pass.

The timeline is the JSON of Chrome's trace events, which Perfetto and chrome://tracing open: a slice for the whole exchange,
inside it one until the head, one until the first block, and one for each wait between blocks; an instant for each event that
ended in a block. Times are microseconds, and slices are in order, the longer first, so that they nest.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import MisuseError
from ..sources import blocks
from ..sse import EventDecoder, ServerSentEvent
from ..trace import Trace

__all__ = ("FORMATS", "as_chrome", "as_sse", "exported")

FORMATS = ("sse", "chrome")
"""What a trace can be exported as."""
_LONG = 200  # characters of an event's data


def exported(trace: Trace, form: str) -> bytes:
    """Return a trace in one of `FORMATS`."""
    return as_sse(trace) if form == "sse" else as_chrome(trace)


def as_sse(trace: Trace) -> bytes:
    """Return the body, unpacked where it was recorded encoded."""
    return b"".join(blocks(trace))


def as_chrome(trace: Trace) -> bytes:
    """Return the timeline. Raises `MisuseError` for a trace without times."""
    if not trace.timed:
        raise MisuseError('a timeline needs the times of the blocks, and this trace has none ("observed": "none")')
    name = " ".join(word for word in (trace.sender, trace.case) if word) or trace.path or "exchange"
    times = [block.t for block in trace.blocks]
    last = max([0.0, *times, trace.head_time or 0.0, trace.end_time or 0.0])
    facts = {"status": trace.status, "end": trace.end, "error": trace.error, "observed": trace.observed}
    events = [
        {"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": "streamkit"}},
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": 1, "args": {"name": name}},
        _slice(name, 0.0, last, {key: value for key, value in facts.items() if value not in (None, "")}),
    ]
    head = trace.head_time
    if head is not None:
        events.append(_slice("head", 0.0, head, {"status": trace.status}))
    decoder, before, number = EventDecoder(), head or 0.0, 0
    for at, block in enumerate(trace.blocks, 1):
        events.append(_slice(f"block {at}", before, block.t, {"bytes": len(block.data)}))
        before = block.t
        for event in decoder.feed(block.data):
            if isinstance(event, ServerSentEvent):
                number += 1
                text = event.data.decode("utf-8", "replace")[:_LONG]
                events.append(
                    {"name": f"event {number}", "ph": "i", "s": "t", "ts": _micro(block.t), "pid": 1, "tid": 1}
                    | {"args": {"data": text}}
                )
    if trace.end_time is not None:
        events.append(_slice(f"end: {trace.end}", before, trace.end_time, {}))
    timeline = {"traceEvents": events, "displayTimeUnit": "ms"}
    return json.dumps(timeline, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def _slice(name: str, begin: float, end: float, args: dict[str, Any]) -> dict[str, Any]:
    # The end less the beginning, each rounded first: else neighbours overlap by a microsecond and do not nest.
    span = {"ts": _micro(begin), "dur": _micro(end) - _micro(begin)}
    return {"name": name, "cat": "http", "ph": "X", **span, "pid": 1, "tid": 1, "args": args}


def _micro(t: float) -> int:
    return round(t * 1_000_000)
