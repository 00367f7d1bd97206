"""Code that reads responses and chunks, as users write it, plain and from iterators of chunks."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import streamkit
from streamkit.codec import register_extra, tolerant_converter
from streamkit.types import (
    AsyncChatCompletionResponseStream,
    ChatChoice,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestMessage,
    ChatCompletionResponseStream,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FinishReason,
    Prompt,
    Stop,
)


def stored(path: str) -> CreateChatCompletionResponse:
    with open(path, "rb") as file:
        response = streamkit.loads(file.read(), CreateChatCompletionResponse)
    assert_type(response, CreateChatCompletionResponse)
    assert_type(response.choices, list[ChatChoice])
    assert_type(response.created, int)
    assert_type(response.extra, dict[str, Any])
    return response


def spent(response: CreateChatCompletionResponse) -> int:
    usage = response.usage
    if usage is None:
        return 0
    details = usage.completion_tokens_details
    assert_type(usage.total_tokens, int | None)
    return (usage.total_tokens or 0) + (details.reasoning_tokens or 0 if details else 0)


def arguments(choice: ChatChoice) -> list[str]:
    found: list[str] = []
    for call in choice.message.tool_calls or []:
        if isinstance(call, ChatCompletionMessageCustomToolCall):
            found.append(call.custom.input)
        else:
            assert_type(call, ChatCompletionMessageToolCall)
            if call.complete and not call.synthetic_id:
                found.append(call.function.arguments)
    return found


def ended(choice: ChatChoice) -> str:
    if choice.finish_reason == FinishReason.LENGTH:
        return "cut off"
    if choice.finish_reason == "tool_calls":
        return "calls"
    return choice.finish_reason or "not said"


def next_turn(said: list[ChatCompletionRequestMessage], choice: ChatChoice) -> list[ChatCompletionRequestMessage]:
    assert_type(choice.message.to_request(), ChatCompletionRequestAssistantMessage)
    assert_type(choice.message.to_request(incomplete_calls="raise"), ChatCompletionRequestAssistantMessage)
    assert_type(choice.message.reasoning, str | None)
    return [*said, choice.message.to_request()]


def text(chunks: ChatCompletionResponseStream) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def text_later(chunks: AsyncChatCompletionResponseStream) -> str:
    return "".join([choice.delta.content or "" async for chunk in chunks for choice in chunk.choices])


def any_iterator_is_a_stream(chunks: list[CreateChatCompletionStreamResponse]) -> str:
    def made() -> Iterator[CreateChatCompletionStreamResponse]:
        yield from chunks

    return text(iter(chunks)) + text(made())


async def any_async_iterator_is_a_stream(chunks: AsyncIterator[CreateChatCompletionStreamResponse]) -> str:
    return await text_later(chunks)


def codec(document: bytes, mapping: dict[str, Any]) -> None:
    assert_type(streamkit.structure(mapping, CreateChatCompletionStreamResponse), CreateChatCompletionStreamResponse)
    assert_type(streamkit.loads(document, list[ChatChoice]), list[ChatChoice])
    assert_type(streamkit.dumps(mapping), bytes)
    message: ChatCompletionRequestMessage = streamkit.structure(mapping, ChatCompletionRequestMessage)
    print(message, streamkit.unstructure(message))


def legacy(prompt: Prompt, stop: Stop) -> int:
    if isinstance(prompt, str):
        return len(prompt)
    return len(prompt) + len(stop)


def with_a_class_for_a_field(source: bytes) -> CreateChatCompletionResponse:
    converter = tolerant_converter.copy()
    register_extra(converter, CreateChatCompletionResponse, "search_results", list[ChatChoice])
    streamkit.Accumulator(converter=converter)
    return streamkit.reassemble(source, converter=converter)
