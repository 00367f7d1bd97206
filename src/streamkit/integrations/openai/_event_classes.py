"""The SDK's event classes with a choice and a call: subclasses, so that `isinstance` and `event.type` still work.

In: nothing. Out: the classes, and two more for what the SDK has no event for.
"""

from __future__ import annotations

from typing import Any, Literal

from openai.lib.streaming import chat as sdk

from ._later import Later

__all__ = (
    "Chunk",
    "ContentDelta",
    "ContentDone",
    "CustomInputDelta",
    "CustomInputDone",
    "FunctionArgumentsDelta",
    "FunctionArgumentsDone",
    "LogprobsContentDelta",
    "LogprobsContentDone",
    "LogprobsRefusalDelta",
    "LogprobsRefusalDone",
    "RefusalDelta",
    "RefusalDone",
)


class Chunk(Later, sdk.ChunkEvent):
    """Fired for every chunk. `snapshot`: the completion so far, as it is when it is first asked for."""


class ContentDelta(Later, sdk.ContentDeltaEvent):
    """Fired for a piece of text. `choice`: its index."""

    choice: int


class ContentDone(Later, sdk.ContentDoneEvent[Any]):
    """Fired when the text of a choice is over."""

    choice: int


class RefusalDelta(Later, sdk.RefusalDeltaEvent):
    """Fired for a piece of a refusal."""

    choice: int


class RefusalDone(Later, sdk.RefusalDoneEvent):
    """Fired when the refusal of a choice is over."""

    choice: int


class FunctionArgumentsDelta(Later, sdk.FunctionToolCallArgumentsDeltaEvent):
    """Fired when a call of a function begins, and for a piece of its arguments. `id`: of the call."""

    choice: int
    id: str


class FunctionArgumentsDone(Later, sdk.FunctionToolCallArgumentsDoneEvent):
    """Fired when a call of a function is over."""

    choice: int
    id: str


class CustomInputDelta(Later):
    """Fired when a call of a custom tool begins, and for a piece of its input; the SDK has no such event."""

    type: Literal["tool_calls.custom.input.delta"]
    name: str
    index: int
    input: str
    """The input so far."""
    input_delta: str
    choice: int
    id: str


class CustomInputDone(Later):
    """Fired when a call of a custom tool is over; the SDK has no such event."""

    type: Literal["tool_calls.custom.input.done"]
    name: str
    index: int
    input: str
    choice: int
    id: str


class LogprobsContentDelta(Later, sdk.LogprobsContentDeltaEvent):
    """Fired for log probabilities of the text."""

    choice: int


class LogprobsContentDone(Later, sdk.LogprobsContentDoneEvent):
    """Fired when those of the text are over."""

    choice: int


class LogprobsRefusalDelta(Later, sdk.LogprobsRefusalDeltaEvent):
    """Fired for log probabilities of the refusal."""

    choice: int


class LogprobsRefusalDone(Later, sdk.LogprobsRefusalDoneEvent):
    """Fired when those of the refusal are over."""

    choice: int
