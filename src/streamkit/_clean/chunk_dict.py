"""One clean chunk as a plain dict, and as an event: what both writers and all that write to the wire share.

In: the parts of a chunk. Out: dicts in the order in which OpenAI writes their fields, and bytes. Cost: one dict, one `dumps`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ..codec import dumps, unstructure
from ..limits import Limits
from ..types import (
    ChatChoiceLogprobs,
    ChatChoiceStream,
    ChatCompletionStreamResponseDelta,
    CreateChatCompletionStreamResponse,
)
from ..types._base import wire_names

__all__ = (
    "DONE_EVENT",
    "KEEP_ALIVE",
    "OF_CHOICE",
    "OF_CHUNK",
    "OF_DELTA",
    "OF_LOGPROBS",
    "PING",
    "UNLIMITED",
    "ChunkDict",
    "choice_dict",
    "event_of",
    "without",
)

ChunkDict: TypeAlias = dict[str, Any]
"""A chunk, or a part of one, in the form that `json.loads` would return."""

KEEP_ALIVE: ChunkDict = {}
"""Among chunk dicts, known by its identity: the sender reports that it is alive."""

PING = b": ping\n\n"
"""`KEEP_ALIVE` on the wire: a comment."""

DONE_EVENT = b"data: [DONE]\n\n"
"""The event that ends a complete stream."""

UNLIMITED = Limits(
    max_event_bytes=2**40, max_response_bytes=2**40, max_choices=2**32, max_tool_calls=2**32, max_extra_values=2**40
)
"""For what has been read within its limits already."""

OF_CHUNK = wire_names(CreateChatCompletionStreamResponse)
OF_CHOICE = wire_names(ChatChoiceStream)
OF_DELTA = wire_names(ChatCompletionStreamResponseDelta) | {
    "audio"
}  # which deltas of OpenAI have, its specification not
OF_LOGPROBS = wire_names(ChatChoiceLogprobs)


def choice_dict(index: int, delta: ChunkDict, logprobs: ChunkDict | None = None) -> ChunkDict:
    """Return a choice without a finish reason, as a chunk carries it."""
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def without(extra: dict[str, Any], *known: str) -> ChunkDict:
    """Return the fields of `extra` as plain values, but for those under the name of a `known` field."""
    return {name: unstructure(value) for name, value in extra.items() if name not in known}


def event_of(chunk: ChunkDict) -> bytes:
    """Return a chunk dict, or that of an error, as an event: `data: {…}`, blank line."""
    return b"data: " + dumps(chunk) + b"\n\n"
