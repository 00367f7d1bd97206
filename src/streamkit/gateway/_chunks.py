"""The events of an accumulator as clean chunks, one at a time. No I/O.

In: events. Out: the JSON of the chunks that say the same, each a `chat.completion.chunk` as OpenAI writes them. Which chunk an
event becomes depends on that event alone, so that two processes that read the same bytes write the same chunks, wherever each
of them began (`Cleaner` writes more, and holds some of it back, which is more state than a checkpoint has).

Rule 1  Text, reasoning, refusals, tool calls, log probabilities, annotations and finish reasons are said as they arrive. Calls
        that arrive by turns are written by turns: `index` says which.
Rule 2  Everything else (usage, audio, unknown fields, an id that changed) is in the snapshot before the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from streamkit import Accumulator, unstructure
from streamkit import events as ev

__all__ = ("ChunksOf",)

_Choice = dict[str, Any]


class ChunksOf:
    """take(events) -> the JSON of their chunks. `accumulator`: the one that made the events."""

    def __init__(self, accumulator: Accumulator) -> None:
        self._accumulator = accumulator
        self._head: dict[str, Any] | None = None

    def take(self, events: Iterable[ev.Event]) -> list[bytes]:
        """Return the chunks of these events."""
        out = []
        for event in events:
            write = _WRITES.get(type(event))
            if write is not None and (said := write(event)) is not None:
                choice = {"index": getattr(event, "choice", 0), "delta": {}, **said}
                out.append(_json({**self._known(), "choices": [choice]}))
        return out

    def _known(self) -> dict[str, Any]:
        head = self._head
        if head is None:
            response = self._accumulator.snapshot()
            assert response is not None  # an event of a choice is made of a chunk
            head = {"id": response.id, "object": "chat.completion.chunk"}
            head |= {"created": response.created, "model": response.model}
            if response.id and response.model:  # or a later chunk has them
                self._head = head
        return head


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _started(event: ev.ChoiceStarted) -> _Choice | None:
    return None if event.reopened else {"delta": {"role": "assistant"}}


def _call_started(event: ev.ToolCallStarted) -> _Choice | None:
    if event.reopened:
        return None
    function = {"name": event.name, "arguments": ""}
    call = {"index": event.call, "id": event.id, "type": "function", "function": function}
    return {"delta": {"tool_calls": [call]}}


def _call(event: ev.ToolCallDelta) -> _Choice:
    return {"delta": {"tool_calls": [{"index": event.call, "function": {"arguments": event.arguments}}]}}


def _function_started(event: ev.FunctionCallStarted) -> _Choice | None:
    return None if event.reopened else {"delta": {"function_call": {"name": event.name, "arguments": ""}}}


def _logprobs(event: ev.LogprobsDelta) -> _Choice:
    return {"logprobs": {"content": unstructure(event.content), "refusal": unstructure(event.refusal)}}


_WRITES: dict[type[Any], Callable[[Any], _Choice | None]] = {
    ev.ChoiceStarted: _started,
    ev.ContentDelta: lambda event: {"delta": {"content": event.text}},
    ev.ReasoningDelta: lambda event: {"delta": {"reasoning_content": event.text}},
    ev.RefusalDelta: lambda event: {"delta": {"refusal": event.text}},
    ev.ToolCallStarted: _call_started,
    ev.ToolCallDelta: _call,
    ev.FunctionCallStarted: _function_started,
    ev.FunctionCallDelta: lambda event: {"delta": {"function_call": {"arguments": event.arguments}}},
    ev.LogprobsDelta: _logprobs,
    ev.AnnotationsDelta: lambda event: {"delta": {"annotations": unstructure(event.annotations)}},
    ev.Finish: lambda event: {"finish_reason": event.finish_reason},
}
"""What each event says of its choice; any other says nothing that these do not say."""
