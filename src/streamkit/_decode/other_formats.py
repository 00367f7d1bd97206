"""Recognise streams of other APIs: a table of them, by fields that each alone writes.

In: a decoded JSON object: an event, a line, or a whole body. Out: the name of its API, or None. Costs a few look-ups in
the object; used only for objects that are not chunks. These formats are not read: the name goes into the error of a
stream without a chunk, so that its reader knows which wrong endpoint was called.

A row tests what is in every event with output of its API. What several APIs write (`ping`, `error`) is in no row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ("LEGACY", "OTHER_FORMATS", "is_legacy", "other_format")

_ANTHROPIC = frozenset(
    "message_start content_block_start content_block_delta content_block_stop message_delta message_stop".split()
)
_COHERE = frozenset(
    "message-start content-start content-delta content-end message-end tool-call-start tool-call-delta tool-call-end".split()
)
_AI_SDK = frozenset("start-step finish-step text-start text-delta text-end tool-input-start tool-input-delta".split())
_CONVERSE = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop")


def _responses(value: dict[str, Any]) -> bool:
    kind = value.get("type")
    return value.get("object") == "response" or (isinstance(kind, str) and kind.startswith("response."))


def _anthropic(value: dict[str, Any]) -> bool:
    whole = (
        value.get("type") == "message" and value.get("role") == "assistant" and isinstance(value.get("content"), list)
    )
    return whole or _type_in(_ANTHROPIC)(value)


def _ollama(value: dict[str, Any]) -> bool:
    said = isinstance(value.get("message"), dict) or isinstance(value.get("response"), str)
    return said and isinstance(value.get("done"), bool)


def _gemini(value: dict[str, Any]) -> bool:
    return isinstance(value.get("candidates"), list)


def _converse(value: dict[str, Any]) -> bool:
    output = value.get("output")
    whole = isinstance(output, dict) and isinstance(output.get("message"), dict) and "stopReason" in value
    return whole or any(isinstance(value.get(name), dict) for name in _CONVERSE)


def _assistants(value: dict[str, Any]) -> bool:
    return isinstance(kind := value.get("object"), str) and kind.startswith("thread.")


def _generate(value: dict[str, Any]) -> bool:
    token = value.get("token")
    return isinstance(token, dict) and "text" in token and "generated_text" in value


def _llama_cpp(value: dict[str, Any]) -> bool:
    return isinstance(value.get("content"), str) and isinstance(value.get("stop"), bool)


def _workers_ai(value: dict[str, Any]) -> bool:
    return isinstance(value.get("response"), str) and "done" not in value and "model" not in value


def _type_in(words: frozenset[str]) -> Callable[[dict[str, Any]], bool]:
    return lambda value: isinstance(kind := value.get("type"), str) and kind in words


OTHER_FORMATS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "OpenAI's Responses API (/v1/responses)": _responses,
    "Anthropic's Messages API (/v1/messages)": _anthropic,
    "Ollama's own API (/api/chat, /api/generate)": _ollama,
    "Google's Gemini API (generateContent)": _gemini,
    "Amazon Bedrock's Converse API": _converse,
    "Cohere's Chat API (/v2/chat)": _type_in(_COHERE),
    "the Vercel AI SDK's stream for user interfaces": _type_in(_AI_SDK),
    "OpenAI's Assistants API (/v1/threads)": _assistants,
    "TGI's own API (/generate_stream)": _generate,
    "llama.cpp's own API (/completion)": _llama_cpp,
    "Cloudflare's Workers AI": _workers_ai,
}
"""The name of an API -> a test whether an object is one of its events, or its whole response."""


LEGACY = "OpenAI's Completions API (/v1/completions)"
"""The name of the API before chat, whose objects have choices, too."""


def is_legacy(value: dict[str, Any]) -> bool:
    """Return True if `value` is a whole completion of the API before chat: text on its choices, and neither message nor
    delta."""
    choices = value.get("choices")
    if value.get("object") != "text_completion" or value.get("error") or not isinstance(choices, list) or not choices:
        return False
    return all(
        isinstance(one, dict) and isinstance(one.get("text"), str) and not (one.get("message") or one.get("delta"))
        for one in choices
    )


def other_format(value: Any) -> str | None:
    """Return the name of the API that writes `value`, or the first item of a list; None if unknown, or a chunk."""
    if isinstance(value, list) and value:
        value = value[0]  # Gemini without `alt=sse` writes its stream as one list
    if not isinstance(value, dict):
        return None
    if "choices" in value:
        return LEGACY if is_legacy(value) else None
    return next((name for name, writes in OTHER_FORMATS.items() if writes(value)), None)
