"""Code that builds requests, as users write it: every line must pass strict type checkers, and the marked ones fail."""

from typing import assert_type

import attrs

import streamkit
from streamkit import types
from streamkit.types import (
    ChatCompletionMessageToolCall,
    ChatCompletionNamedToolChoice,
    ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestMessage,
    ChatCompletionRequestMessageContentPartImage,
    ChatCompletionRequestMessageContentPartText,
    ChatCompletionRequestSystemMessage,
    ChatCompletionRequestToolMessage,
    ChatCompletionRequestUserMessage,
    ChatCompletionTool,
    CreateChatCompletionRequest,
    FunctionCall,
    FunctionObject,
    ReasoningEffort,
    ResponseFormatJsonSchema,
)


def conversation(question: str, picture: str) -> list[ChatCompletionRequestMessage]:
    return [
        ChatCompletionRequestSystemMessage("Answer briefly."),
        ChatCompletionRequestUserMessage(question, name="ann"),
        ChatCompletionRequestUserMessage(["Look:", ChatCompletionRequestMessageContentPartImage(picture)]),
        ChatCompletionRequestUserMessage([{"type": "image_url", "image_url": {"url": picture}}]),
        ChatCompletionRequestAssistantMessage(
            tool_calls=[ChatCompletionMessageToolCall("call_1", FunctionCall("look", "{}"))]
        ),
        ChatCompletionRequestToolMessage("a cat", "call_1"),
    ]


def request(messages: list[ChatCompletionRequestMessage]) -> bytes:
    look = FunctionObject("look", description="Look again", parameters={"type": "object"})
    asked = CreateChatCompletionRequest(
        messages,
        "gpt-4o",
        temperature=0.2,
        n=2,
        reasoning_effort="high",
        stop=("END",),
        tools=[look, ChatCompletionTool(look)],
        tool_choice=ChatCompletionNamedToolChoice("look"),
        response_format=ResponseFormatJsonSchema("answer", {"type": "object"}, strict=True),
        logit_bias={50256: -100},
        stream=True,
        stream_options={"include_usage": True},
        extra={"top_k": 40},
    )
    assert_type(asked.check(), CreateChatCompletionRequest)
    assert_type(asked.n, int | None)
    assert_type(asked.temperature, float | None)
    assert_type(asked.messages, list[ChatCompletionRequestMessage])
    assert_type(asked.reasoning_effort, ReasoningEffort | str | None)
    again = attrs.evolve(asked, n=1, messages="Hello")
    return streamkit.dumps(again.check())


def strings_are_messages() -> CreateChatCompletionRequest:
    return CreateChatCompletionRequest(["Hello", {"role": "user", "content": "there"}], "gpt-4o", tool_choice="auto")


def who_is_it(message: ChatCompletionRequestMessage) -> str:
    if message.role == "tool":
        return message.tool_call_id
    match message:
        case ChatCompletionRequestUserMessage(content=str(text)):
            return text
        case ChatCompletionRequestAssistantMessage(tool_calls=[*calls]):
            return ",".join(call.id for call in calls)
        case _:
            return "somebody"


def text_of(message: ChatCompletionRequestUserMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(
        part.text for part in message.content if isinstance(part, ChatCompletionRequestMessageContentPartText)
    )


def mistakes() -> None:
    CreateChatCompletionRequest(["Hello"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CreateChatCompletionRequest(["Hello"], "m", n="2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CreateChatCompletionRequest([5], "m")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    ChatCompletionRequestUserMessage(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ChatCompletionRequestToolMessage("a cat")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    frozen = ChatCompletionRequestUserMessage("hi")
    frozen.content = "ho"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def words(effort: types.ReasoningEffort) -> str:
    return effort.upper() if effort is not ReasoningEffort.LOW else effort.value
