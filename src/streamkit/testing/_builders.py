"""Chunks, events, whole streams and responses, built from the few facts that a test is about.

In: those facts. Out: JSON objects as a sender would write them, and their bytes. Every field that is not named has the same
value each time, so that two calls are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._clean.chunk_dict import DONE_EVENT
from ..codec import dumps, structure
from ..types import CreateChatCompletionResponse

__all__ = ("chunk", "event", "fragment", "response", "stream_bytes")


def chunk(
    content: str | None = None,
    *,
    finish: str | None = None,
    index: int = 0,
    delta: Mapping[str, Any] | None = None,
    usage: Mapping[str, int] | None = None,
    id: str = "chatcmpl-1",
    created: int = 1763720000,
    model: str = "a-model",
    **more: Any,
) -> dict[str, Any]:
    """Return a chunk as the JSON object that it is, with one choice; with usage and nothing else, none.

    `content` and `delta`: what its delta says. `more`: further fields of the chunk.
    """
    said = {**({} if content is None else {"content": content}), **(delta or {})}
    choices = [{"index": index, "delta": said, "finish_reason": finish}]
    if usage is not None and not said and finish is None:
        choices = []
    made = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": choices}
    return {**made, **({} if usage is None else {"usage": dict(usage)}), **more}


def fragment(
    arguments: str | None = None, *, index: int | None = 0, id: str | None = None, name: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return the delta with one fragment of a tool call: a header where it has an id or a name, and a piece of arguments."""
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": id, "type": "function" if id or name else None, "function": _said(function), **more}
    return {"tool_calls": [_said(call)]}


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def event(data: Any, *, type: str | None = None) -> bytes:
    """One server-sent event: of bytes or text as it is, of anything else its JSON."""
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, (bytes, bytearray)):
        data = dumps(data)
    head = b"" if type is None else b"event: " + type.encode() + b"\n"
    return head + b"".join(b"data: " + line + b"\n" for line in bytes(data).split(b"\n")) + b"\n"


def stream_bytes(
    *items: str | bytes | Mapping[str, Any],
    finish: str | None = "stop",
    usage: Mapping[str, int] | None = None,
    done: bool = True,
) -> bytes:
    """Return a whole stream. Each item is a piece of content (`str`), a chunk (any mapping), or bytes as they are.

    The role comes first, where the first item is content; a chunk with the finish reason, where none of the chunks has
    one; then the usage, and `[DONE]`. `finish=None` and `done=False` leave theirs out: a stream that broke off.
    """
    parts = [chunk("", delta={"role": "assistant"})] if items and isinstance(items[0], str) else []
    events = [event(part) for part in parts]
    for item in items:
        events.append(item if isinstance(item, bytes) else event(chunk(item) if isinstance(item, str) else item))
    if finish is not None and not any(_finishes(item) for item in items if isinstance(item, Mapping)):
        events.append(event(chunk(finish=finish)))
    if usage is not None:
        events.append(event(chunk(usage=usage)))
    return b"".join(events) + (DONE_EVENT if done else b"")


def _finishes(item: Mapping[str, Any]) -> bool:
    choices = item.get("choices")
    return isinstance(choices, list) and any(isinstance(one, Mapping) and one.get("finish_reason") for one in choices)


def response(content: str = "Hello", *, finish: str = "stop", **more: Any) -> CreateChatCompletionResponse:
    """Return a response with one choice; `more` are fields of its message."""
    made = chunk()
    made |= {"object": "chat.completion"}
    message = {"role": "assistant", "content": content, **more}
    made["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    return structure(made, CreateChatCompletionResponse)
