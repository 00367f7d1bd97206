"""Our events to those of the SDK.

In: a chunk of the SDK's, and the events that an accumulator made of it. Out: events of the SDK, `chunk` first. A rule for
each kind of ours in one table; kinds that the SDK does not know (reasoning, audio) give none: they are in the chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from openai.types.chat import ChatCompletionTokenLogprob

from streamkit import events as ours
from streamkit import unstructure

from . import _event_classes as kinds
from ._later import made
from ._parsing import Parser, is_cut

__all__ = ("EventMaker",)


class EventMaker:
    """Makes events for one stream. `snapshot`: returns the completion so far."""

    def __init__(self, parser: Parser, snapshot: Callable[[], Any]) -> None:
        self._parser, self._snapshot = parser, snapshot
        self._pieces: dict[Any, list[Any]] = {}  # of each text so far: a list is joined when it is asked for
        self._custom: set[tuple[int, int]] = set()  # calls of custom tools

    def events(self, chunk: Any, found: Iterable[ours.Event]) -> list[Any]:
        """Return the events of one chunk."""
        customs = _customs(chunk)
        events: list[Any] = [made(kinds.Chunk, {"snapshot": self._snapshot}, chunk=chunk)]
        for event in found:
            if isinstance(event, ours.ToolCallStarted) and event.id in customs:
                self._custom.add((event.choice, event.call))
            rule = _RULES.get(type(event))
            if rule is not None:
                events += rule(self, event)
        return events

    def _so_far(self, key: Any, pieces: Iterable[Any]) -> Callable[[], list[Any]]:
        """Keep pieces of one text; return a function that returns all of them up to here."""
        kept = self._pieces.setdefault(key, [])
        kept.extend(pieces)
        count = len(kept)
        return lambda: kept[:count]

    def _content(self, event: ours.ContentDelta) -> list[Any]:
        so_far = self._so_far(("content", event.choice), [event.text])
        later = {"snapshot": lambda: "".join(so_far()), "parsed": lambda: self._parser.so_far("".join(so_far()))}
        return [made(kinds.ContentDelta, later, delta=event.text, choice=event.choice)]

    def _content_done(self, event: ours.ContentDone) -> list[Any]:
        refusal = "".join(self._pieces.get(("refusal", event.choice), []))
        parsed = self._parser.content(event.text, refusal)
        return [made(kinds.ContentDone, {}, content=event.text, parsed=parsed, choice=event.choice)]

    def _refusal(self, event: ours.RefusalDelta) -> list[Any]:
        so_far = self._so_far(("refusal", event.choice), [event.text])
        later = {"snapshot": lambda: "".join(so_far())}
        return [made(kinds.RefusalDelta, later, delta=event.text, choice=event.choice)]

    def _refusal_done(self, event: ours.RefusalDone) -> list[Any]:
        return [made(kinds.RefusalDone, {}, refusal=event.text, choice=event.choice)]

    def _call(self, event: ours.ToolCallStarted | ours.ToolCallDelta) -> list[Any]:
        piece = event.arguments if isinstance(event, ours.ToolCallDelta) else ""
        so_far = self._so_far(("call", event.choice, event.call), [piece])
        name = event.name or ""
        of = {"index": event.call, "name": name, "choice": event.choice, "id": event.id or ""}
        if (event.choice, event.call) in self._custom:
            return [made(kinds.CustomInputDelta, {"input": lambda: "".join(so_far())}, input_delta=piece, **of)]
        later = {
            "arguments": lambda: "".join(so_far()),
            "parsed_arguments": lambda: self._parser.arguments_so_far(name, "".join(so_far())),
        }
        return [made(kinds.FunctionArgumentsDelta, later, arguments_delta=piece, **of)]

    def _call_done(self, event: ours.ToolCallDone) -> list[Any]:
        call: Any = event.tool_call
        of = {"index": event.call, "choice": event.choice, "id": call.id}
        if hasattr(call, "custom"):
            return [made(kinds.CustomInputDone, {}, name=call.custom.name, input=call.custom.input, **of)]
        name, arguments = call.function.name, call.function.arguments
        parsed = self._parser.arguments(name, arguments)
        return [made(kinds.FunctionArgumentsDone, {}, name=name, arguments=arguments, parsed_arguments=parsed, **of)]

    def _logprobs(self, event: ours.LogprobsDelta) -> list[Any]:
        events: list[Any] = []
        for field, kind in (("content", kinds.LogprobsContentDelta), ("refusal", kinds.LogprobsRefusalDelta)):
            if tokens := _tokens(getattr(event, field)):
                so_far = self._so_far(("logprobs", field, event.choice), tokens)
                events.append(made(kind, {"snapshot": so_far}, **{field: tokens}, choice=event.choice))
        return events

    def _logprobs_done(self, event: ours.LogprobsDone) -> list[Any]:
        events: list[Any] = []
        for field, kind in (("content", kinds.LogprobsContentDone), ("refusal", kinds.LogprobsRefusalDone)):
            if tokens := self._pieces.get(("logprobs", field, event.choice)):
                events.append(made(kind, {}, **{field: list(tokens)}, choice=event.choice))
        return events

    def _finish(self, event: ours.Finish) -> list[Any]:
        if self._parser.parses and (cut := is_cut(event.finish_reason, self._snapshot())) is not None:
            raise cut
        return []


_RULES: dict[type[Any], Callable[[EventMaker, Any], list[Any]]] = {
    ours.ContentDelta: EventMaker._content,
    ours.ContentDone: EventMaker._content_done,
    ours.RefusalDelta: EventMaker._refusal,
    ours.RefusalDone: EventMaker._refusal_done,
    ours.ToolCallStarted: EventMaker._call,
    ours.ToolCallDelta: EventMaker._call,
    ours.ToolCallDone: EventMaker._call_done,
    ours.LogprobsDelta: EventMaker._logprobs,
    ours.LogprobsDone: EventMaker._logprobs_done,
    ours.Finish: EventMaker._finish,
}


def _tokens(tokens: Iterable[Any]) -> list[ChatCompletionTokenLogprob]:
    return [ChatCompletionTokenLogprob.construct(**unstructure(token)) for token in tokens or ()]


def _customs(chunk: Any) -> set[str]:
    """Return the ids of the custom tools that are called in a chunk."""
    calls = [call for choice in chunk.choices or [] for call in getattr(choice.delta, "tool_calls", None) or []]
    return {call.id for call in calls if call.id and (call.type == "custom" or getattr(call, "custom", None))}
