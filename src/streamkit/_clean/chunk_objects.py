"""Clean chunk dicts as typed chunks that are written as those dicts: what is absent stays absent, and null stays null.

In: chunk dicts, or the bytes of their events. Out: `CreateChatCompletionStreamResponse`s. By themselves these write null for
most fields that are None, which a reader that adds up takes for a value: openai-python fails at a second `"type":null`.
Cost: one `dumps`, and the chunk is read as any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jiter

from .._decode.chunk_reader import read_chunk
from ..anomalies import ignore
from ..codec import dumps
from ..types import CreateChatCompletionStreamResponse
from ..types._base import Received, Sparse
from .chunk_dict import ChunkDict

__all__ = ("as_chunks",)

_INSIDE = ("choices", "delta", "function", "function_call", "logprobs", "tool_calls")


def as_chunks(some: Iterable[ChunkDict]) -> list[CreateChatCompletionStreamResponse]:
    """Return the chunks of these dicts; keep-alives and errors are none."""
    made = []
    for one in some:
        if "choices" in one:
            document = jiter.from_json(dumps(one))
            chunk = read_chunk(document, ignore)
            _mark(chunk, document)
            made.append(chunk)
    return made


def _mark(value: Any, document: Any) -> None:
    """Let an object, and those in it, be written with the nulls that `document` has."""
    if isinstance(value, list) and isinstance(document, list):
        for one, other in zip(value, document, strict=False):
            _mark(one, other)
    elif isinstance(value, Received) and isinstance(document, dict):
        nulls = frozenset(name for name, one in document.items() if one is None)
        object.__setattr__(value, "extra", Sparse(value.extra, nulls))
        for name in _INSIDE:
            if name in document:
                _mark(getattr(value, name, None), document[name])
