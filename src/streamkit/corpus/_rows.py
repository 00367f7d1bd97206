"""One row: the blocks of a body in, the values of the columns out, in the order of `SCHEMA`.

In: blocks, their times where known, options of an `Accumulator`. Out: a list of plain values, one a column. Nothing is raised but
for a wrong option: an odd body has an outcome that says so. Costs one reading, one snapshot and its JSON; with times, a second
reading for their events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .. import dumps, timing_of
from ..accumulator import Accumulator
from ..errors import LimitError, StreamError
from ..outcome import Outcome
from ..sources import end_stream
from ..trace import Block, Trace
from ..types import (
    ChatChoice,
    ChatCompletionMessageCustomToolCall,
    CompletionUsage,
    CreateChatCompletionResponse,
)
from ._bodies import Piece
from ._schema import FIGURES, INSTANTS, TOKENS, USAGE

__all__ = ("row_of", "timing_struct")

_MOST = 2**63 - 1  # of an int64 column; a count above that is none


def row_of(pieces: Iterable[Piece], seconds: Sequence[float] | None, options: dict[str, Any]) -> list[Any]:
    """Return the values of a row, in the order of `SCHEMA`."""
    accumulator = Accumulator(**options)
    kept: list[Piece] | None = None if seconds is None else []
    outcome = _read(accumulator, pieces, kept)
    response, numbers = accumulator.snapshot(), accumulator.statistics()
    error = outcome.error
    ending = [
        outcome.name,
        outcome.reason,
        None if error is None else str(error),
        None if error is None else error.kind,
    ]
    anomalies = [
        {
            "code": one.code,
            "severity": one.severity,
            "path": one.path,
            "event": one.event,
            "count": one.count,
            "excerpt": one.excerpt,
        }
        for one in accumulator.anomalies
    ]
    timing = None if seconds is None or kept is None else timing_struct(seconds, kept)
    counts = [numbers.bytes, numbers.events, numbers.comments, numbers.chunks]
    if response is None:
        return [
            None,
            None,
            None,
            *ending,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            anomalies,
            timing,
            *counts,
            None,
            None,
        ]
    return [
        response.id or None,
        response.model or None,
        _whole(response.created) or None,  # what no chunk had is 0 in a response, and "" for a text
        *ending,
        *_said(response),
        _usage(response.usage),
        anomalies,
        timing,
        *counts,
        accumulator.dumps(),
        _json(response.extra),
    ]


def _read(accumulator: Accumulator, pieces: Iterable[Piece], kept: list[Piece] | None) -> Outcome:
    try:
        for piece in pieces:
            accumulator.absorb(piece[1])
            if kept is not None:
                kept.append(piece)
            if accumulator.done and isinstance(getattr(accumulator.outcome, "error", None), LimitError):
                break  # nothing that follows is looked at: a few MB of gzip may unpack to more than all disks hold
        return accumulator.close()
    except StreamError:  # under strict=True
        return _closed(accumulator)
    except (ValueError, EOFError) as error:  # what could not be unpacked
        try:
            return end_stream(accumulator, error)
        except StreamError:
            return _closed(accumulator)


def _closed(accumulator: Accumulator) -> Outcome:
    try:
        return accumulator.close()
    except StreamError:
        return accumulator.close()  # the second says how it ended


def _said(response: CreateChatCompletionResponse) -> list[Any]:
    """Return the columns content, reasoning, refusal, tool_calls, choices, finish_reasons."""
    choices = [
        {
            "index": _whole(one.index),
            "finish_reason": None if one.finish_reason is None else str(one.finish_reason),
            "content": one.message.content,
            "reasoning": one.message.reasoning,
            "refusal": one.message.refusal,
            "extra_json": _json(one.message.extra),
        }
        for one in response.choices
    ]
    calls = [call for one in response.choices for call in _calls(one)]
    first = choices[0] if choices else dict.fromkeys(("content", "reasoning", "refusal"))
    texts = [first["content"], first["reasoning"], first["refusal"]]
    return [*texts, calls, choices, [one["finish_reason"] for one in choices]]


def _calls(choice: ChatChoice) -> Iterator[dict[str, Any]]:
    index = _whole(choice.index)
    for call in choice.message.tool_calls or ():
        if isinstance(call, ChatCompletionMessageCustomToolCall):
            name, arguments = call.custom.name, call.custom.input
        else:
            name, arguments = call.function.name, call.function.arguments
        facts = {"complete": call.complete, "synthetic_id": call.synthetic_id}
        yield {"choice": index, "id": call.id, "type": str(call.type), "name": name, "arguments": arguments, **facts}
    if (legacy := choice.message.function_call) is not None:
        found = {"choice": index, "id": None, "type": "function_call", "name": legacy.name}
        yield {**found, "arguments": legacy.arguments, "complete": None, "synthetic_id": None}


def _usage(usage: CompletionUsage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    found: dict[str, Any] = {"extra_json": _json(usage.extra)}
    for name, path in USAGE.items():
        value: Any = usage
        for step in path:
            value = getattr(value, step, None)
        found[name] = _whole(value)
    return found


def timing_struct(seconds: Sequence[float], kept: Iterable[Piece]) -> dict[str, Any] | None:
    """Return what `timing_of` says of blocks that arrived at `seconds`."""
    try:
        timing = timing_of(Trace(blocks=tuple(Block(seconds[number], data) for number, data in kept)))
    except StreamError:
        return None
    found: dict[str, Any] = {name: getattr(timing, name) for name in (*INSTANTS, *FIGURES)}
    found |= {name: _whole(getattr(timing, name)) for name in TOKENS}
    return found | {"chunk_times": timing.chunk_times, "output_times": timing.output_times}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and -_MOST <= value <= _MOST else None


def _json(extra: Any) -> str | None:
    return dumps(extra).decode() if extra else None
