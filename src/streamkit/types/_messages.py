"""The messages of a request, by role.

Each message has its `role`, the word that distinguishes them. Content may be a plain string, or
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
"""Content of a developer message."""

ChatCompletionRequestSystemMessageContent: TypeAlias = str | list[ChatCompletionRequestSystemMessageContentPart]
"""Content of a system message."""

ChatCompletionRequestUserMessageContent: TypeAlias = str | list[ChatCompletionRequestUserMessageContentPart]
"""Content of a user message."""

ChatCompletionRequestAssistantMessageContent: TypeAlias = str | list[ChatCompletionRequestAssistantMessageContentPart]
"""Content of an assistant message: text parts, or exactly one refusal."""

ChatCompletionRequestToolMessageContent: TypeAlias = str | list[ChatCompletionRequestToolMessageContentPart]
"""Content of a tool message."""

# What constructors accept for the above: a string, one part, or many, each also as a mapping or a string.
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
    """Instructions of the application's developer; replaces system messages on newer models."""

    role: Literal["developer"] | None = attrs.field(default="developer", kw_only=True, eq=False, metadata=TAG)
    """`developer`. None only if the message was read on its own from a mapping without it."""
    content: ChatCompletionRequestDeveloperMessageContent = attrs.field(converter=_developer)
    """The content."""
    name: str | None = None
    """Distinguishes participants with the same role."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestSystemMessage(Wire):
    """Instructions for the whole conversation."""

    role: Literal["system"] | None = attrs.field(default="system", kw_only=True, eq=False, metadata=TAG)
    """`system`. None only if the message was read on its own from a mapping without it."""
    content: ChatCompletionRequestSystemMessageContent = attrs.field(converter=_system)
    """The content."""
    name: str | None = None
    """Distinguishes participants with the same role."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestUserMessage(Wire):
    """A message of the user: text, images, audio."""

    role: Literal["user"] | None = attrs.field(default="user", kw_only=True, eq=False, metadata=TAG)
    """`user`. None only if the message was read on its own from a mapping without it."""
    content: ChatCompletionRequestUserMessageContent = attrs.field(converter=_user)
    """The content."""
    name: str | None = None
    """Distinguishes participants with the same role."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestAssistantMessageAudio(Wire):
    """Refers to audio that the model produced in an earlier turn."""

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
    """A message of the model in an earlier turn. `ChatCompletionResponseMessage.to_request()` creates one.

    Other data that a sender needs in the next turn (reasoning details, thought signatures) is in `extra`.
    """

    role: Literal["assistant"] | None = attrs.field(default="assistant", kw_only=True, eq=False, metadata=TAG)
    """`assistant`. None only if the message was read on its own from a mapping without it."""
    content: ChatCompletionRequestAssistantMessageContent | None = attrs.field(default=None, converter=_assistant)
    """The content. Required unless it called a tool."""
    refusal: str | None = None
    """The refusal, if the model refused to answer."""
    name: str | None = None
    """Distinguishes participants with the same role."""
    audio: ChatCompletionRequestAssistantMessageAudio | None = attrs.field(default=None, converter=_audio)
    """The audio that it produced; a plain string is the id."""
    tool_calls: list[ChatCompletionMessageToolCallUnion] | None = attrs.field(default=None, converter=_tool_calls)
    """The tools that it called; a tool message for each must follow."""
    function_call: FunctionCall | None = attrs.field(default=None, converter=_function_call)
    """Deprecated: the legacy function that it called."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestToolMessage(Wire):
    """The result of a tool call."""

    role: Literal["tool"] | None = attrs.field(default="tool", kw_only=True, eq=False, metadata=TAG)
    """`tool`. None only if the message was read on its own from a mapping without it."""
    content: ChatCompletionRequestToolMessageContent = attrs.field(converter=_tool)
    """The result."""
    tool_call_id: str
    """The id of the call."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestFunctionMessage(Wire):
    """Deprecated: the result of a legacy function call."""

    role: Literal["function"] | None = attrs.field(default="function", kw_only=True, eq=False, metadata=TAG)
    """`function`. None only if the message was read on its own from a mapping without it."""
    content: str | None = attrs.field(metadata=NULL)
    """The result."""
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
"""A message of a request, distinguished by its role."""
