"""One `chat.completion.chunk`: the piece of a response that one event of a stream carries.

The strict codec creates it, and so does the tolerant reader, which leaves unknown words as plain strings and unknown
fields in `extra`. On writing, nearly every field of a chunk is present, as null if it is None.
"""

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Protocol, runtime_checkable

import attrs

from ._base import NULL, U32, Received
from ._enums import FinishReason, Role, ServiceTierResponse
from ._logprobs import ChatChoiceLogprobs
from ._tool_calls import ChatCompletionMessageToolCallChunk, FunctionCallStream
from ._usage import CompletionUsage

__all__ = (
    "AsyncChatCompletionResponseStream",
    "ChatChoiceStream",
    "ChatCompletionResponseStream",
    "ChatCompletionStreamResponseDelta",
    "CreateChatCompletionStreamResponse",
)


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionStreamResponseDelta(Received):
    """What a chunk adds to the message of its choice."""

    content: str | None = attrs.field(default=None, metadata=NULL)
    """The next piece of the text."""
    function_call: FunctionCallStream | None = attrs.field(default=None, metadata=NULL)
    """Deprecated: the next piece of a legacy function call."""
    tool_calls: list[ChatCompletionMessageToolCallChunk] | None = attrs.field(default=None, metadata=NULL)
    """Fragments of tool calls."""
    role: Role | str | None = attrs.field(default=None, metadata=NULL | {"strict": Role | None})
    """The author, `assistant`; most senders write it in the first chunk only."""
    refusal: str | None = attrs.field(default=None, metadata=NULL)
    """The next piece of a refusal."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatChoiceStream(Received):
    """What a chunk adds to one choice."""

    index: U32
    """Which choice: 0 up to the request's `n` - 1."""
    delta: ChatCompletionStreamResponseDelta
    """What it adds to the message."""
    finish_reason: FinishReason | str | None = attrs.field(default=None, metadata={"strict": FinishReason | None})
    """Why the choice ended, in its last chunk; a plain string if the word is unknown."""
    logprobs: ChatChoiceLogprobs | None = None
    """The log probabilities of the tokens it adds."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CreateChatCompletionStreamResponse(Received):
    """One chunk of a streamed response."""

    id: str
    """The id of the response, the same in every chunk of a stream."""
    choices: list[ChatChoiceStream]
    """What it adds to each choice. Empty in the chunk that only carries usage."""
    created: U32
    """When the response began, in seconds since 1970; the same in every chunk."""
    model: str
    """The model that writes the response."""
    service_tier: ServiceTierResponse | str | None = attrs.field(
        default=None, metadata=NULL | {"strict": ServiceTierResponse | None}
    )
    """The latency tier it runs on; a plain string if the word is unknown."""
    system_fingerprint: str | None = attrs.field(default=None, metadata=NULL)
    """Identifies the sender's configuration: if it changes, the same seed may give a different answer."""
    object: str | None = attrs.field(default=None, metadata=NULL)
    """`chat.completion.chunk`."""
    usage: CompletionUsage | None = attrs.field(default=None, metadata=NULL)
    """Tokens used by the whole request, usually in one last chunk (`stream_options.include_usage`), in some streams in
    every chunk, counting up."""


@runtime_checkable
class ChatCompletionResponseStream(Protocol):
    """Chunks as they arrive: any iterator of them. It ends after the last chunk and raises `StreamError` if the stream
    fails, since the items of the seed's stream are a chunk or an error."""

    def __iter__(self) -> Iterator[CreateChatCompletionStreamResponse]:
        """Return the iterator itself."""
        ...

    def __next__(self) -> CreateChatCompletionStreamResponse:
        """Return the next chunk; wait until it has arrived."""
        ...


@runtime_checkable
class AsyncChatCompletionResponseStream(Protocol):
    """The asynchronous sibling of `ChatCompletionResponseStream`: any async iterator of chunks."""

    def __aiter__(self) -> AsyncIterator[CreateChatCompletionStreamResponse]:
        """Return the iterator itself."""
        ...

    def __anext__(self) -> Awaitable[CreateChatCompletionStreamResponse]:
        """Return the next chunk as soon as it has arrived."""
        ...
