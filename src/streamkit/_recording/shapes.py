"""The shape of an answer: its keys and types, not its words; and where the shapes of two answers differ. Pure.

In: two traces, one recorded and one live. Out: what changed, in words, empty where nothing did. Cost: both are reassembled.

Rule 1  Compared are the status, the media type, the keys and types of the reassembled response, and the codes of its anomalies.
        A body that is not a chat completion is compared as JSON, its events together where it is a stream of them.
Rule 2  How many items a list has is words. All of its items together have one shape.
Rule 3  null fits every type, and an empty list every list: a sender writes them where it has nothing to say this time.
Rule 4  Objects whose keys are data (`logit_bias`, arguments of a tool) cannot be distinguished from others. None are in a response.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..accumulator import Accumulator
from ..codec import unstructure
from ..errors import StreamError
from ..sse import EventDecoder
from ..trace import Trace
from .plan import unpacked_trace

__all__ = ("changes",)

_NULL, _ANY = "null", "anything"


def changes(recorded: Trace, live: Trace) -> list[str]:
    """Return in what the shape of a live answer differs from the recorded one's."""
    found: list[str] = []
    for what, was, now in (
        ("status", recorded.status, live.status),
        ("media type", _media_type(recorded), _media_type(live)),
    ):
        if was != now:
            found.append(f"{what}: was {was}, is {now}")
    if found:
        return found  # an error has another shape, which says nothing more
    (was, codes), (now, others) = _answer(recorded), _answer(live)
    found += _differences(was, now, "$")
    found += [f"anomaly {code}: is gone" for code in sorted(codes - others)]
    found += [f"anomaly {code}: is new" for code in sorted(others - codes)]
    return found


def _media_type(trace: Trace) -> str:
    for name, value in trace.headers:
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""


def _answer(trace: Trace) -> tuple[Any, frozenset[str]]:
    """Return the shape of an answer, and the codes of its anomalies."""
    try:
        trace = unpacked_trace(trace)
    except Exception:  # an encoding that is not known here
        return _ANY, frozenset()
    accumulator = Accumulator()
    try:
        for block in trace.blocks:
            accumulator.absorb(block.data)
        accumulator.close()
    except StreamError:
        pass
    response = accumulator.snapshot()
    if response is not None and response.choices:
        return _shape(unstructure(response)), frozenset(one.code for one in accumulator.anomalies)
    return _other(trace), frozenset()


def _other(trace: Trace) -> Any:
    body = trace.body
    try:
        if _media_type(trace) != "text/event-stream":
            return _shape(json.loads(body))
        events = [event.data for event in EventDecoder().feed(body + b"\n\n")]
        return _shape([json.loads(data) for data in events if data and data != b"[DONE]"])
    except (ValueError, RecursionError):
        return _ANY


def _shape(value: Any) -> Any:
    """Return a dict of shapes for an object, a list with one shape (or none) for a list, else the name of a type."""
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        merged: Any = None
        for inner in value:
            merged = _shape(inner) if merged is None else _merged(merged, _shape(inner))
        return [] if merged is None else [merged]
    if isinstance(value, bool):
        return "true or false"
    return _NULL if value is None else "text" if isinstance(value, str) else "number"


def _merged(one: Any, other: Any) -> Any:
    """Return the shape that both have together (rule 2)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            name: _merged(one[name], other[name]) if name in one and name in other else one.get(name, other.get(name))
            for name in [*one, *(name for name in other if name not in one)]
        }
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])] if one and other else one or other
    if one == _NULL or other == _NULL:
        return other if one == _NULL else one
    return one if one == other else _ANY


def _differences(was: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        for name in [*was, *(name for name in now if name not in was)]:
            if name not in now:
                yield f"{path}.{name}: is gone, was {_name(was[name])}"
            elif name not in was:
                yield f"{path}.{name}: is new, {_name(now[name])}"
            else:
                yield from _differences(was[name], now[name], f"{path}.{name}")
    elif isinstance(was, list) and isinstance(now, list):
        if was and now:
            yield from _differences(was[0], now[0], f"{path}[*]")
    elif was != now and not {_NULL, _ANY} & {one for one in (was, now) if isinstance(one, str)}:
        yield f"{path}: was {_name(was)}, is {_name(now)}"


def _name(shape: Any) -> str:
    return "an object" if isinstance(shape, dict) else "a list" if isinstance(shape, list) else str(shape)
