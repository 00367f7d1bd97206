"""The events that an accumulator reports. Frozen values; each docstring says when the event is fired.

The grammar, for each choice and each of its parts (content, refusal, reasoning, each tool call, function_call, audio,
annotations, logprobs):

    choice := ChoiceStarted { part | Finish } [ChoiceDone]
    part   := Started(reopened=False) {Delta} [Done] { Started(reopened=True) {Delta} [Done] }

Done is fired when a part is really over: when its choice has finished, or the stream was completed without that. If a
stream breaks off, its open parts have no Done. One `End` is always fired, and last. Every event has a running
`sequence` number from 0; every event of a choice has the choice's index; tool events also have the call's position, id
and name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ._field_docs import show_fields
from .anomalies import Anomaly
from .errors import StreamError
from .outcome import Outcome
from .types import (
    ChatChoiceLogprobs,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionTokenLogprob,
    CompletionUsage,
    FunctionCall,
)
from .types import ChatCompletionResponseMessageAudio as Audio

if TYPE_CHECKING:
    from .partial_json import PathEvent

__all__ = (
    "TEXT_DELTAS",
    "TEXT_PARTS",
    "AnnotationsDelta",
    "AnnotationsDone",
    "AnnotationsStarted",
    "AnomalySeen",
    "AudioDelta",
    "AudioDone",
    "AudioStarted",
    "ChoiceDone",
    "ChoiceStarted",
    "ContentDelta",
    "ContentDone",
    "ContentStarted",
    "End",
    "ErrorSeen",
    "Event",
    "Finish",
    "FunctionCallDelta",
    "FunctionCallDone",
    "FunctionCallStarted",
    "KeepAlive",
    "LogprobsDelta",
    "LogprobsDone",
    "LogprobsStarted",
    "ReasoningDelta",
    "ReasoningDone",
    "ReasoningStarted",
    "RefusalDelta",
    "RefusalDone",
    "RefusalStarted",
    "ToolCallDelta",
    "ToolCallDone",
    "ToolCallStarted",
    "UsageSeen",
)


class _Fired:
    """The methods that attrs would generate for each event class, written once: saves half of their import time."""

    __slots__: tuple[str, ...] = ()

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({facts})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self.__slots__)))


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ChoiceStarted(_Fired):
    """Fired when a choice is seen for the first time, or continues after it was done (`reopened`)."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ChoiceDone(_Fired):
    """Fired when a choice is over: all its parts are done. `finish_reason` is None if the sender sent none."""

    sequence: int
    choice: int
    finish_reason: str | None


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class Finish(_Fired):
    """Fired when the sender reports a choice's finish reason, and again if it reports a different one."""

    sequence: int
    choice: int
    finish_reason: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ContentStarted(_Fired):
    """Fired before the first piece of content of a choice."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ContentDelta(_Fired):
    """Fired for each piece of content."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ContentDone(_Fired):
    """Fired when the content is complete; `text` is all of it."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class RefusalStarted(_Fired):
    """Fired before the first piece of a refusal."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class RefusalDelta(_Fired):
    """Fired for each piece of a refusal."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class RefusalDone(_Fired):
    """Fired when the refusal is complete; `text` is all of it."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ReasoningStarted(_Fired):
    """Fired before the first piece of reasoning, whichever field the sender writes it in."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ReasoningDelta(_Fired):
    """Fired for each piece of reasoning; only once if a sender writes it in two fields."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ReasoningDone(_Fired):
    """Fired when the reasoning is complete; `text` is all of it."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ToolCallStarted(_Fired):
    """Fired when a tool call begins: with its name, or with its first arguments if the name arrives later."""

    sequence: int
    choice: int
    call: int
    id: str
    name: str
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ToolCallDelta(_Fired):
    """Fired for each piece of a call's arguments (of its input, for a custom tool)."""

    sequence: int
    choice: int
    call: int
    id: str
    name: str
    arguments: str
    path_events: tuple[PathEvent, ...] = ()


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ToolCallDone(_Fired):
    """Fired when a call has ended. `tool_call` is all of it; run it only if `tool_call.complete`."""

    sequence: int
    choice: int
    call: int
    id: str
    name: str
    tool_call: ChatCompletionMessageToolCall | ChatCompletionMessageCustomToolCall


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class FunctionCallStarted(_Fired):
    """Fired when a legacy `function_call` begins."""

    sequence: int
    choice: int
    name: str
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class FunctionCallDelta(_Fired):
    """Fired for each piece of the arguments of a legacy `function_call`."""

    sequence: int
    choice: int
    name: str
    arguments: str
    path_events: tuple[PathEvent, ...] = ()


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class FunctionCallDone(_Fired):
    """Fired when a legacy `function_call` has ended."""

    sequence: int
    choice: int
    function_call: FunctionCall


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AudioStarted(_Fired):
    """Fired before the first piece of audio or of its transcript."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AudioDelta(_Fired):
    """Fired for each piece of audio: decoded bytes, transcript, or both."""

    sequence: int
    choice: int
    data: bytes
    transcript: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AudioDone(_Fired):
    """Fired when the audio is complete."""

    sequence: int
    choice: int
    audio: Audio


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AnnotationsStarted(_Fired):
    """Fired before the first annotations."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AnnotationsDelta(_Fired):
    """Fired for the annotations of one chunk, as the sender wrote them."""

    sequence: int
    choice: int
    annotations: list[object]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AnnotationsDone(_Fired):
    """Fired when the annotations are complete."""

    sequence: int
    choice: int
    annotations: list[object]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class LogprobsStarted(_Fired):
    """Fired before the first log probabilities."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class LogprobsDelta(_Fired):
    """Fired for the log probabilities of one chunk: tokens of the content, tokens of the refusal."""

    sequence: int
    choice: int
    content: list[ChatCompletionTokenLogprob]
    refusal: list[ChatCompletionTokenLogprob]


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class LogprobsDone(_Fired):
    """Fired when the log probabilities are complete."""

    sequence: int
    choice: int
    logprobs: ChatChoiceLogprobs


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class UsageSeen(_Fired):
    """Fired when the sender reports usage; `usage` is the current total, since some senders report repeatedly."""

    sequence: int
    usage: CompletionUsage


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class AnomalySeen(_Fired):
    """Fired the first time that an anomaly is seen at a path; repeats are only counted."""

    sequence: int
    anomaly: Anomaly


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class KeepAlive(_Fired):
    """Fired for a comment or a ping: the sender is alive but has no data to send. `text` is what it wrote."""

    sequence: int
    text: str


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class ErrorSeen(_Fired):
    """Fired when the stream fails: an error reported by the sender, or a limit. What had arrived is kept."""

    sequence: int
    error: StreamError


@attrs.frozen(weakref_slot=False, eq=False, repr=False)
class End(_Fired):
    """Fired once, always last; `outcome` says how the stream ended."""

    sequence: int
    outcome: Outcome


Event = (
    ChoiceStarted
    | ChoiceDone
    | Finish
    | ContentStarted
    | ContentDelta
    | ContentDone
    | RefusalStarted
    | RefusalDelta
    | RefusalDone
    | ReasoningStarted
    | ReasoningDelta
    | ReasoningDone
    | ToolCallStarted
    | ToolCallDelta
    | ToolCallDone
    | FunctionCallStarted
    | FunctionCallDelta
    | FunctionCallDone
    | AudioStarted
    | AudioDelta
    | AudioDone
    | AnnotationsStarted
    | AnnotationsDelta
    | AnnotationsDone
    | LogprobsStarted
    | LogprobsDelta
    | LogprobsDone
    | UsageSeen
    | AnomalySeen
    | KeepAlive
    | ErrorSeen
    | End
)
"""Anything that an accumulator reports."""

TEXT_PARTS: Mapping[str, tuple[type[Any], type[Any], type[Any]]] = {
    "content": (ContentStarted, ContentDelta, ContentDone),
    "refusal": (RefusalStarted, RefusalDelta, RefusalDone),
    "reasoning": (ReasoningStarted, ReasoningDelta, ReasoningDone),
}
"""The parts of a choice that are text, each with the events that start it, add to it and end it."""

TEXT_DELTAS: Mapping[type[Any], str] = {
    **{delta: "text" for _, delta, _ in TEXT_PARTS.values()},
    ToolCallDelta: "arguments",
    FunctionCallDelta: "arguments",
}
"""The events that carry a piece of text, each with the name of the field that holds it."""


show_fields(
    __name__,
    {
        "annotations": "The annotations: of one chunk, or all of them in the event that ends the part.",
        "anomaly": "What the sender did, and what was done about it.",
        "arguments": "The piece of the arguments.",
        "audio": "All of the audio.",
        "call": "Position of the tool call in its choice, from 0.",
        "choice": "Index of the choice.",
        "content": "Tokens of the content.",
        "data": "The piece of audio, decoded; empty where there is none.",
        "error": "The error that the stream failed with.",
        "finish_reason": "Why the choice ended, as the sender reported it.",
        "function_call": "All of the call.",
        "id": "Id of the tool call.",
        "logprobs": "All log probabilities of the choice.",
        "name": "Name of the called function, empty until it is known.",
        "outcome": "How the stream ended.",
        "path_events": "What the piece means for the JSON that the arguments are, see `PartialJSON`; with the option"
        " `path_events=True` of `Accumulator`, else empty, and empty for a custom tool.",
        "refusal": "Tokens of the refusal.",
        "reopened": "True if it continues after it was done.",
        "sequence": "Running number of the event in its stream, from 0.",
        "text": "The piece of text, or all of it in the event that ends the part.",
        "tool_call": "All of the call.",
        "transcript": "The piece of the transcript; empty where there is none.",
        "usage": "The token counts in effect from here on.",
    },
)
