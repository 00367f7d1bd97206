"""Whether a delta has output, which is anything that a reader would miss.

In: a delta. Out: yes or no. An empty text, a role and empty structs do not count: senders write them beside finish reasons and
around messages.
"""

from __future__ import annotations

from .._decode.values import is_empty
from ..types import ChatCompletionStreamResponseDelta
from .tool_calls import says_nothing

__all__ = ("is_beside", "says")


def says(delta: ChatCompletionStreamResponseDelta) -> bool:
    """Return True if a delta has anything except its role and empty structs."""
    return bool(delta.content or delta.refusal) or _calls(delta) or not all(map(is_empty, delta.extra.values()))


def _calls(delta: ChatCompletionStreamResponseDelta) -> bool:
    """Return True if a delta has any part of a call, of either kind."""
    function = delta.function_call
    if function is not None and (function.name or function.arguments or not is_empty(function.extra)):
        return True
    return bool(delta.tool_calls) and not all(map(says_nothing, delta.tool_calls or ()))


def is_beside(delta: ChatCompletionStreamResponseDelta) -> bool:
    """Return True if a message in the same choice is separate from this delta and repeats the output; else it is the
    delta."""
    return says(delta) or bool(delta.content == "" and delta.role)
