"""What an accumulator reports as a stream goes on. Values, frozen; each says when it is fired.

The grammar, for each choice and each of its parts (content, refusal, reasoning, each tool call, function_call, audio,
annotations, logprobs):

    choice := ChoiceStarted { part | Finish } [ChoiceDone]
    part   := Started(reopened=False) {Delta} [Done] { Started(reopened=True) {Delta} [Done] }

Done is fired when a part is really over: when its choice has finished, or the stream was completed without that. In a
stream that breaks off, parts stay without Done. One `End` comes always, and last. Every event has a running `sequence`
number from 0; every event of a choice has the choice's index; tool events also the call's position, id and name.
"""

from __future__ import annotations

import attrs

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

__all__ = (
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


@attrs.frozen(weakref_slot=False)
class ChoiceStarted:
    """Fired when a choice is seen for the first time, or goes on after it was done (`reopened`)."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class ChoiceDone:
    """Fired when a choice is over: all its parts are done. `finish_reason` is None where the sender gave none."""

    sequence: int
    choice: int
    finish_reason: str | None


@attrs.frozen(weakref_slot=False)
class Finish:
    """Fired when the sender gives a choice its finish reason, and again if it gives another one."""

    sequence: int
    choice: int
    finish_reason: str


@attrs.frozen(weakref_slot=False)
class ContentStarted:
    """Fired before the first piece of content of a choice."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class ContentDelta:
    """Fired for each piece of content."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False)
class ContentDone:
    """Fired when no more content will come; `text` is all of it."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False)
class RefusalStarted:
    """Fired before the first piece of a refusal."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class RefusalDelta:
    """Fired for each piece of a refusal."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False)
class RefusalDone:
    """Fired when the refusal is over; `text` is all of it."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False)
class ReasoningStarted:
    """Fired before the first piece of reasoning, whatever field the sender writes it in."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class ReasoningDelta:
    """Fired for each piece of reasoning; once where a sender writes it in two fields."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False)
class ReasoningDone:
    """Fired when no more reasoning will come; `text` is all of it."""

    sequence: int
    choice: int
    text: str


@attrs.frozen(weakref_slot=False)
class ToolCallStarted:
    """Fired when a tool call begins: with its name, or with its first arguments where the name comes later."""

    sequence: int
    choice: int
    call: int
    id: str
    name: str
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class ToolCallDelta:
    """Fired for each piece of a call's arguments (of its input, for a custom tool)."""

    sequence: int
    choice: int
    call: int
    id: str
    name: str
    arguments: str


@attrs.frozen(weakref_slot=False)
class ToolCallDone:
    """Fired when a call is over. `tool_call` is all of it; run it only if `tool_call.complete`."""

    sequence: int
    choice: int
    call: int
    id: str
    name: str
    tool_call: ChatCompletionMessageToolCall | ChatCompletionMessageCustomToolCall


@attrs.frozen(weakref_slot=False)
class FunctionCallStarted:
    """Fired when a legacy `function_call` begins."""

    sequence: int
    choice: int
    name: str
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class FunctionCallDelta:
    """Fired for each piece of the arguments of a legacy `function_call`."""

    sequence: int
    choice: int
    name: str
    arguments: str


@attrs.frozen(weakref_slot=False)
class FunctionCallDone:
    """Fired when a legacy `function_call` is over."""

    sequence: int
    choice: int
    function_call: FunctionCall


@attrs.frozen(weakref_slot=False)
class AudioStarted:
    """Fired before the first piece of audio or of its transcript."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class AudioDelta:
    """Fired for each piece of audio: decoded bytes, transcript, or both."""

    sequence: int
    choice: int
    data: bytes
    transcript: str


@attrs.frozen(weakref_slot=False)
class AudioDone:
    """Fired when the audio is over."""

    sequence: int
    choice: int
    audio: Audio


@attrs.frozen(weakref_slot=False)
class AnnotationsStarted:
    """Fired before the first annotations."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class AnnotationsDelta:
    """Fired for the annotations of one chunk, as the sender wrote them."""

    sequence: int
    choice: int
    annotations: list[object]


@attrs.frozen(weakref_slot=False)
class AnnotationsDone:
    """Fired when no more annotations will come."""

    sequence: int
    choice: int
    annotations: list[object]


@attrs.frozen(weakref_slot=False)
class LogprobsStarted:
    """Fired before the first log probabilities."""

    sequence: int
    choice: int
    reopened: bool = False


@attrs.frozen(weakref_slot=False)
class LogprobsDelta:
    """Fired for the log probabilities of one chunk: tokens of the content, tokens of the refusal."""

    sequence: int
    choice: int
    content: list[ChatCompletionTokenLogprob]
    refusal: list[ChatCompletionTokenLogprob]


@attrs.frozen(weakref_slot=False)
class LogprobsDone:
    """Fired when no more log probabilities will come."""

    sequence: int
    choice: int
    logprobs: ChatChoiceLogprobs


@attrs.frozen(weakref_slot=False)
class UsageSeen:
    """Fired when the sender reports usage; `usage` is what stands after it (senders report again and again)."""

    sequence: int
    usage: CompletionUsage


@attrs.frozen(weakref_slot=False)
class AnomalySeen:
    """Fired the first time that a sender deviates from the format in a way and place; repeats are only counted."""

    sequence: int
    anomaly: Anomaly


@attrs.frozen(weakref_slot=False)
class KeepAlive:
    """Fired for a comment or a ping: the sender is alive and has nothing to say. `text` is what it wrote."""

    sequence: int
    text: str


@attrs.frozen(weakref_slot=False)
class ErrorSeen:
    """Fired when the stream fails: an error that the sender reports, a limit. What had come stays."""

    sequence: int
    error: StreamError


@attrs.frozen(weakref_slot=False)
class End:
    """Fired once, always last: how the stream ended."""

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
