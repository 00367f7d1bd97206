"""What was asked and what was said, in the JSON of `gen_ai.input.messages` and `gen_ai.output.messages`. Pure.

Both are opt-in, since they hold what users write. A part of a kind that the conventions do not know keeps its type alone:
an image is not copied into a span.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from streamkit import unstructure
from streamkit.types import ChatCompletionResponseMessage, CreateChatCompletionResponse

__all__ = ("input_messages", "output_messages")

Part = dict[str, Any]


def output_messages(response: CreateChatCompletionResponse, *, content: bool) -> str | None:
    """Return the message of each choice as JSON: with what was said where `content` is True, else its tool calls alone.
    None where there is nothing to show."""
    messages = []
    for choice in response.choices:
        parts = [*(_said(choice.message) if content else ()), *_calls(unstructure(choice.message))]
        if parts:
            reason = {} if choice.finish_reason is None else {"finish_reason": str(choice.finish_reason)}
            messages.append({"role": "assistant", "parts": parts, **reason})
    return _json(messages)


def input_messages(request: Mapping[str, Any]) -> str | None:
    """Return the messages of a request as JSON; None where there are none."""
    messages = request.get("messages")
    if not isinstance(messages, (list, tuple)):
        return None
    found = []
    for message in messages:
        value = message if isinstance(message, Mapping) else _as_mapping(message)
        if value is None:
            continue
        role = str(value.get("role", "user"))
        if role == "tool":
            answer = {"type": "tool_call_response", "id": value.get("tool_call_id"), "response": value.get("content")}
            found.append({"role": role, "parts": [answer]})
        else:
            found.append({"role": role, "parts": [*_parts(value.get("content")), *_calls(value)]})
    return _json(found)


def _said(message: ChatCompletionResponseMessage) -> Iterable[Part]:
    if message.reasoning:
        yield {"type": "reasoning", "content": message.reasoning}
    for text in filter(None, (message.content, message.refusal)):
        yield {"type": "text", "content": text}


def _parts(content: Any) -> Iterable[Part]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    if not isinstance(content, (list, tuple)):
        return []
    values = (one if isinstance(one, Mapping) else {"type": "text", "text": one} for one in content)
    return [
        {"type": "text", "content": one["text"]} if isinstance(one.get("text"), str) else {"type": str(one.get("type"))}
        for one in values
    ]


def _calls(message: Mapping[str, Any]) -> Iterable[Part]:
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, (list, tuple)) else ():
        called = call.get("function") or call.get("custom") if isinstance(call, Mapping) else None
        if isinstance(called, Mapping):
            arguments = _decoded(called.get("arguments", called.get("input")))
            yield {"type": "tool_call", "id": call.get("id"), "name": called.get("name"), "arguments": arguments}


def _decoded(arguments: Any) -> Any:
    """Return the object that arguments are; the text where they are none, as of a call that was cut off."""
    try:
        return json.loads(arguments)
    except (TypeError, ValueError, RecursionError):
        return arguments


def _as_mapping(message: Any) -> Mapping[str, Any] | None:
    if hasattr(message, "to_request"):  # the answer of an earlier turn, as it may be in a request of ours
        message = message.to_request(incomplete_calls="as_sent")
    try:
        value = unstructure(message)
    except Exception:  # not ours: a span is not worth an error
        return None
    return value if isinstance(value, Mapping) else None


def _json(messages: list[Part]) -> str | None:
    return json.dumps(messages, ensure_ascii=False, default=str) if messages else None
