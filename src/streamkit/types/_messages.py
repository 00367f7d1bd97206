"""The messages of a request, by who they are from.

Each message knows its `role`, the word that tells messages apart. Where content is taken, a plain string will do, or
any mix of parts, mappings and strings: `ChatCompletionRequestUserMessage(["Look:", {"type": "image_url", …}])`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import attrs

from ._base import NULL, TAG, Wire
from ._parts import (
    ChatCompletionRequestAssistantMessageContentPart,
    ChatCompletionRequestMessageContentPartText,
    ChatCompletionRequestSystemMessageContentPart,
    ChatCompletionRequestToolMessageContentPart,
    ChatCompletionRequestUserMessageContentPart,
    content,
)
from ._structuring import each, taken
from ._tool_calls import ChatCompletionMessageToolCallUnion, FunctionCall

__all__ = (
    "ChatCompletionRequestAssistantMessage",
    "ChatCompletionRequestAssistantMessageAudio",
    "ChatCompletionRequestAssistantMessageContent",
    "ChatCompletionRequestDeveloperMessage",
    "ChatCompletionRequestDeveloperMessageContent",
    "ChatCompletionRequestFunctionMessage",
    "ChatCompletionRequestMessage",
    "ChatCompletionRequestSystemMessage",
    "ChatCompletionRequestSystemMessageContent",
    "ChatCompletionRequestToolMessage",
    "ChatCompletionRequestToolMessageContent",
    "ChatCompletionRequestUserMessage",
    "ChatCompletionRequestUserMessageContent",
)

ChatCompletionRequestDeveloperMessageContent: TypeAlias = str | list[ChatCompletionRequestMessageContentPartText]
"""What a developer message says."""

ChatCompletionRequestSystemMessageContent: TypeAlias = str | list[ChatCompletionRequestSystemMessageContentPart]
"""What a system message says."""

ChatCompletionRequestUserMessageContent: TypeAlias = str | list[ChatCompletionRequestUserMessageContentPart]
"""What a user's message says."""

ChatCompletionRequestAssistantMessageContent: TypeAlias = str | list[ChatCompletionRequestAssistantMessageContentPart]
"""What an assistant's message says: text parts, or exactly one refusal."""

ChatCompletionRequestToolMessageContent: TypeAlias = str | list[ChatCompletionRequestToolMessageContentPart]
"""What a tool answers."""

# What constructors take for the above: a string, one part, or many, each also as a mapping or a string.
_Plain: TypeAlias = str | Mapping[str, Any]
_Text: TypeAlias = ChatCompletionRequestMessageContentPartText
_TextLike: TypeAlias = _Plain | _Text | Iterable[_Plain | _Text]
_UserLike: TypeAlias = (
    _Plain
    | ChatCompletionRequestUserMessageContentPart
    | Iterable[_Plain | ChatCompletionRequestUserMessageContentPart]
)
_AssistantLike: TypeAlias = (
    _Plain
    | ChatCompletionRequestAssistantMessageContentPart
    | Iterable[_Plain | ChatCompletionRequestAssistantMessageContentPart]
)


def _developer(value: _TextLike) -> ChatCompletionRequestDeveloperMessageContent:
    said: ChatCompletionRequestDeveloperMessageContent = content(value, ChatCompletionRequestMessageContentPartText)
    return said


def _system(value: _TextLike) -> ChatCompletionRequestSystemMessageContent:
    said: ChatCompletionRequestSystemMessageContent = content(value, ChatCompletionRequestSystemMessageContentPart)
    return said


def _user(value: _UserLike) -> ChatCompletionRequestUserMessageContent:
    said: ChatCompletionRequestUserMessageContent = content(value, ChatCompletionRequestUserMessageContentPart)
    return said


def _assistant(value: _AssistantLike | None) -> ChatCompletionRequestAssistantMessageContent | None:
    said: ChatCompletionRequestAssistantMessageContent | None = content(
        value, ChatCompletionRequestAssistantMessageContentPart
    )
    return said


def _tool(value: _TextLike) -> ChatCompletionRequestToolMessageContent:
    said: ChatCompletionRequestToolMessageContent = content(value, ChatCompletionRequestToolMessageContentPart)
    return said


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestDeveloperMessage(Wire):
    """Instructions of the application's developer; on newer models what system messages were."""

    role: Literal["developer"] | None = attrs.field(default="developer", kw_only=True, eq=False, metadata=TAG)
    """`developer`. None only where the message was read by itself from a mapping that went without."""
    content: ChatCompletionRequestDeveloperMessageContent = attrs.field(converter=_developer)
    """What it says."""
    name: str | None = None
    """Tells participants of the same role apart."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestSystemMessage(Wire):
    """Instructions that hold for the whole conversation."""

    role: Literal["system"] | None = attrs.field(default="system", kw_only=True, eq=False, metadata=TAG)
    """`system`. None only where the message was read by itself from a mapping that went without."""
    content: ChatCompletionRequestSystemMessageContent = attrs.field(converter=_system)
    """What it says."""
    name: str | None = None
    """Tells participants of the same role apart."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestUserMessage(Wire):
    """What the user says or shows."""

    role: Literal["user"] | None = attrs.field(default="user", kw_only=True, eq=False, metadata=TAG)
    """`user`. None only where the message was read by itself from a mapping that went without."""
    content: ChatCompletionRequestUserMessageContent = attrs.field(converter=_user)
    """What it says."""
    name: str | None = None
    """Tells participants of the same role apart."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestAssistantMessageAudio(Wire):
    """Points at audio that the model gave in an earlier turn."""

    id: str
    """The id of that audio."""


def _audio(
    value: ChatCompletionRequestAssistantMessageAudio | _Plain | None,
) -> ChatCompletionRequestAssistantMessageAudio | None:
    if isinstance(value, str):
        return ChatCompletionRequestAssistantMessageAudio(value)
    return None if value is None else taken(value, ChatCompletionRequestAssistantMessageAudio, "$.audio")


def _tool_calls(
    value: Iterable[ChatCompletionMessageToolCallUnion | Mapping[str, Any]] | None,
) -> list[ChatCompletionMessageToolCallUnion] | None:
    if value is None:
        return None
    path = "$.tool_calls"
    return [
        taken(call, ChatCompletionMessageToolCallUnion, f"{path}[{at}]") for at, call in enumerate(each(value, path))
    ]


def _function_call(value: FunctionCall | Mapping[str, Any] | None) -> FunctionCall | None:
    return None if value is None else taken(value, FunctionCall, "$.function_call")


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestAssistantMessage(Wire):
    """What the model said in an earlier turn. `ChatCompletionResponseMessage.to_request()` makes one.

    What a sender wants to see again beside the fields below (reasoning details, thought signatures) is in `extra`.
    """

    role: Literal["assistant"] | None = attrs.field(default="assistant", kw_only=True, eq=False, metadata=TAG)
    """`assistant`. None only where the message was read by itself from a mapping that went without."""
    content: ChatCompletionRequestAssistantMessageContent | None = attrs.field(default=None, converter=_assistant)
    """What it said. Required unless it called something."""
    refusal: str | None = None
    """What it said where it would not answer."""
    name: str | None = None
    """Tells participants of the same role apart."""
    audio: ChatCompletionRequestAssistantMessageAudio | None = attrs.field(default=None, converter=_audio)
    """The audio that it gave; a plain string is taken as the id."""
    tool_calls: list[ChatCompletionMessageToolCallUnion] | None = attrs.field(default=None, converter=_tool_calls)
    """The tools that it called; a tool message for each must follow."""
    function_call: FunctionCall | None = attrs.field(default=None, converter=_function_call)
    """Deprecated: the function of the first kind that it called."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestToolMessage(Wire):
    """What a tool answered."""

    role: Literal["tool"] | None = attrs.field(default="tool", kw_only=True, eq=False, metadata=TAG)
    """`tool`. None only where the message was read by itself from a mapping that went without."""
    content: ChatCompletionRequestToolMessageContent = attrs.field(converter=_tool)
    """The answer."""
    tool_call_id: str
    """The id of the call that it answers."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestFunctionMessage(Wire):
    """Deprecated: what a function of the first kind answered."""

    role: Literal["function"] | None = attrs.field(default="function", kw_only=True, eq=False, metadata=TAG)
    """`function`. None only where the message was read by itself from a mapping that went without."""
    content: str | None = attrs.field(metadata=NULL)
    """The answer."""
    name: str
    """The function's name."""


ChatCompletionRequestMessage: TypeAlias = (
    ChatCompletionRequestDeveloperMessage
    | ChatCompletionRequestSystemMessage
    | ChatCompletionRequestUserMessage
    | ChatCompletionRequestAssistantMessage
    | ChatCompletionRequestToolMessage
    | ChatCompletionRequestFunctionMessage
)
"""A message of a request, told by its role."""
