"""Two traces side by side: the same bytes, the same cuts, the same response? And where they first differ. Pure.

In: two traces. Out: a `Difference` for each of the three, None where there is none. Cost: linear.

Rule 1  Bytes are compared over the whole body, whatever its blocks; cuts as offsets in it.
Rule 2  Responses are compared as the JSON that they are written as, with the outcome; `VARYING` fields, which differ between two
        equal answers, are reported apart and do not count as a difference.
Rule 3  Times are not compared: no two recordings have the same.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import attrs

from ..accumulator import Accumulator
from ..codec import unstructure
from ..errors import excerpt
from ..trace import Trace
from .events_in_body import events_in

__all__ = ("MISSING", "VARYING", "Comparison", "Difference", "compare", "first_difference")

MISSING: Any = object()
"""In a `Difference`: there is nothing."""

VARYING = ("id", "created", "system_fingerprint")
"""Fields of a response that differ between two answers with the same words; of tool calls `id` too."""


@attrs.frozen
class Difference:
    """The first place where two traces differ in one respect."""

    where: str
    """"byte 120 (event 3, block 2)", or a JSON path."""
    a: Any
    """What the first has there: text, an offset, or a JSON value; `MISSING` for nothing."""
    b: Any
    """What the second has there."""


@attrs.frozen(kw_only=True)
class Comparison:
    """What two traces have in common."""

    bytes: Difference | None
    cuts: Difference | None
    response: Difference | None
    varying: tuple[str, ...]
    """The paths of those fields that differ and may (rule 2)."""


def compare(a: Trace, b: Trace) -> Comparison:
    """Compare two traces."""
    response, varying = _responses(a, b)
    return Comparison(bytes=_bytes(a, b), cuts=_cuts(a, b), response=response, varying=tuple(varying))


def first_difference(a: Any, b: Any) -> Difference | None:
    """Return the first difference of two JSON values, in document order; nothing may vary."""
    return _first(a, b, "$", None)


def _bytes(a: Trace, b: Trace) -> Difference | None:
    one, other = a.body, b.body
    if one == other:
        return None
    low, high = 0, min(len(one), len(other))
    while low < high:  # the first difference: up to `low` both are equal
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return Difference(_place(a, low), _there(one, low), _there(other, low))


def _there(body: bytes, offset: int) -> Any:
    return excerpt(body[offset : offset + 1000]) if offset < len(body) else MISSING


def _place(trace: Trace, offset: int) -> str:
    event = sum(1 for start, _ in events_in(trace.body) if start <= offset)
    block = 1 + sum(1 for end in accumulate(len(block.data) for block in trace.blocks) if end <= offset)
    return f"byte {offset} (event {event}, block {block})"


def _cuts(a: Trace, b: Trace) -> Difference | None:
    ours, others = ([*accumulate(len(block.data) for block in trace.blocks)] for trace in (a, b))
    for number in range(max(len(ours), len(others))):
        mine, theirs = (ends[number] if number < len(ends) else MISSING for ends in (ours, others))
        if mine != theirs:
            return Difference(f"the end of block {number + 1}", mine, theirs)
    return None


def _responses(a: Trace, b: Trace) -> tuple[Difference | None, list[str]]:
    varying: list[str] = []
    return _first(_read(a), _read(b), "$", varying), varying


def _read(trace: Trace) -> Any:
    accumulator = Accumulator()
    for block in trace.blocks:
        accumulator.absorb(block.data)
    outcome = accumulator.close()
    response = accumulator.snapshot()
    written = None if response is None else unstructure(response)
    return {**(written or {}), "outcome": f"{outcome.name} ({outcome.reason})"}


def _first(a: Any, b: Any, path: str, varying: list[str] | None) -> Difference | None:
    """Return the first difference of two JSON values, in document order. `varying` None: nothing may vary (rule 2)."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in [*a, *(name for name in b if name not in a)]:
            inner = f"{path}.{name}"
            if name not in a or name not in b:
                found: Difference | None = Difference(inner, a.get(name, MISSING), b.get(name, MISSING))
            elif varying is not None and (
                (path == "$" and name in VARYING)
                or (path.rpartition(".")[2].startswith("tool_calls[") and name == "id")
            ):
                varying += [inner] if a[name] != b[name] else []
                continue
            else:
                found = _first(a[name], b[name], inner, varying)
            if found is not None:
                return found
        return None
    if isinstance(a, list) and isinstance(b, list):
        for index in range(max(len(a), len(b))):
            inner = f"{path}[{index}]"
            if index >= len(a) or index >= len(b):
                return Difference(inner, *(one[index] if index < len(one) else MISSING for one in (a, b)))
            if (found := _first(a[index], b[index], inner, varying)) is not None:
                return found
        return None
    return None if a == b and type(a) is type(b) else Difference(path, a, b)
