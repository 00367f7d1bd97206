"""Our types to those of the SDK and back, losslessly.

In: a response or a chunk of ours, or a `ChatCompletion` or `ChatCompletionChunk`. Out: the other. Nothing is checked, as the
SDK checks nothing of what it reads: unknown finish reasons stay, unknown fields are attributes.
"""

from __future__ import annotations

from typing import Any, overload

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from streamkit import MisuseError, structure, unstructure
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

__all__ = ("from_openai", "to_openai")

# What the SDK's parsing adds to a completion; no sender wrote it.
_PARSED: Any = {
    "choices": {"__all__": {"message": {"parsed": True, "tool_calls": {"__all__": {"function": {"parsed_arguments"}}}}}}
}


@overload
def to_openai(response: CreateChatCompletionResponse) -> ChatCompletion: ...
@overload
def to_openai(response: CreateChatCompletionStreamResponse) -> ChatCompletionChunk: ...
def to_openai(
    response: CreateChatCompletionResponse | CreateChatCompletionStreamResponse,
) -> ChatCompletion | ChatCompletionChunk:
    """Return the SDK's `ChatCompletion` of a response, or its `ChatCompletionChunk` of a chunk."""
    if isinstance(response, CreateChatCompletionResponse):
        return ChatCompletion.construct(**unstructure(response))
    if isinstance(response, CreateChatCompletionStreamResponse):
        return ChatCompletionChunk.construct(**unstructure(response))
    raise MisuseError(f"to_openai() takes a response or a chunk of streamkit, not {type(response).__name__}")


@overload
def from_openai(obj: ChatCompletion) -> CreateChatCompletionResponse: ...
@overload
def from_openai(obj: ChatCompletionChunk) -> CreateChatCompletionStreamResponse: ...
def from_openai(
    obj: ChatCompletion | ChatCompletionChunk,
) -> CreateChatCompletionResponse | CreateChatCompletionStreamResponse:
    """Return our response of a `ChatCompletion`, or our chunk of a `ChatCompletionChunk`.

    What the SDK parsed (`message.parsed`, `function.parsed_arguments`) is left out: the text that it was parsed from stays.
    """
    if isinstance(obj, ChatCompletion):
        data = obj.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=_PARSED, warnings=False)
        return structure(data, CreateChatCompletionResponse, tolerant=True)
    if isinstance(obj, ChatCompletionChunk):
        data = obj.model_dump(mode="json", by_alias=True, exclude_unset=True, warnings=False)
        return structure(data, CreateChatCompletionStreamResponse, tolerant=True)
    raise MisuseError(f"from_openai() takes a ChatCompletion or a ChatCompletionChunk, not {type(obj).__name__}")
