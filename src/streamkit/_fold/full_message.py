"""A full message in the chunk that finishes a choice: adds what the deltas lacked, and nothing twice.

In: the message (read as a delta) and the state of its choice. Out: a delta with what is still missing. MiniMax and
Perplexity repeat the whole message at the end; other senders write messages instead of deltas, so that a message may
also be a further piece. If the message contradicts the deltas, the deltas are kept and the message is kept in `extra`.
"""

from __future__ import annotations

from typing import Any

from ..types import (
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    FunctionCallStream,
)
from ..types._unstructuring import written
from .choice import ChoiceState
from .field_rules import Text
from .fields import Context

__all__ = ("missing_from_deltas",)


def missing_from_deltas(
    context: Context, state: ChoiceState, whole: ChatCompletionStreamResponseDelta
) -> ChatCompletionStreamResponseDelta:
    """Return the part of the message `whole` that is missing in the deltas of its choice."""
    content, refusal = whole.content, whole.refusal
    if content:
        content = _missing_text(context, state, "content", content)
    if refusal:
        refusal = _missing_text(context, state, "refusal", refusal)
    calls = whole.tool_calls
    if calls and state.calls.calls:
        calls = _missing_calls(context, state, calls)
    return ChatCompletionStreamResponseDelta(
        content,
        None if state.has_function_call else whole.function_call,
        calls,
        None if state.role.value() else whole.role,
        refusal,
        extra={
            name: value
            for name, value in whole.extra.items()
            if not (state.delta_extra.has(name) or (name == "audio" and state.audio))
        },
    )


def _missing_text(context: Context, state: ChoiceState, part: str, whole: str) -> str | None:
    """Return the rest of the full text `whole` after the text so far.

    Return all of `whole` if it is a further piece: from a sender that writes messages instead of deltas, or from one
    that wrote more text before, which a full text would repeat.
    """
    path = f"$.choices[{state.index}].message.{part}"
    if len(whole) < state.length_of(part):  # do not join for this: a sender may write a short message in every chunk
        return whole
    so_far = state.text_of(part)
    if whole.startswith(so_far):
        if so_far:
            context.note("message_repeated", path)
        return whole[len(so_far) :] or None
    if state.has_message:
        return whole
    _keep_beside(context, state, path, part, whole)
    return None


def _missing_calls(
    context: Context, state: ChoiceState, whole: list[ChatCompletionMessageToolCallChunk]
) -> list[ChatCompletionMessageToolCallChunk] | None:
    """Return the calls of a full message if they are a further piece; None if they repeat those of the deltas."""
    path = f"$.choices[{state.index}].message.tool_calls"
    functions = [one.function or FunctionCallStream() for one in whole]
    calls = state.calls.calls
    # Lengths first, so that only arguments as long as those of the message are joined.
    if len(functions) == len(calls) and all(
        (one.name or "") == call.name
        and (not isinstance(call.arguments, Text) or call.arguments.length == len(one.arguments or ""))
        and call.arguments.value() == (one.arguments or "")
        for one, call in zip(functions, calls, strict=True)
    ):
        context.note("message_repeated", path)
        return None
    if state.has_message:
        return whole
    _keep_beside(context, state, path, "tool_calls", [written(one) for one in whole])
    return None


def _keep_beside(context: Context, state: ChoiceState, path: str, field: str, whole: Any) -> None:
    """Keep the deltas, and keep the value of the message in `extra`."""
    context.note("message_differs", path, whole)
    state.need("extra").put("message", {field: whole})
