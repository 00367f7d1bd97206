"""Convert the model's message to the assistant message of the next turn: with the data that its sender needs again, and
without fields that senders refuse.

In: a `ChatCompletionResponseMessage`, and what to do with calls that were cut off. Out: the request's message, which
shares nothing with the other that could change. Cost: a copy of what is kept, and a check of the JSON of each call's
arguments.

Rule 1  Data that a sender needs again stays as written: reasoning in every field (Kimi and DeepSeek refuse a call
        without it: https://github.com/continuedev/continue/issues/11600), `reasoning_details`, `thinking_blocks` and
        their signatures, thought signatures on calls, any field not named here.
Rule 2  Fields of responses alone are removed (`ONLY_RECEIVED`), and so are empty ones: None, an empty list or object,
        an empty `reasoning`. Groq, Mistral and Cerebras answer 400 or 422 to any field that their request does not
        define: https://github.com/karthink/gptel/issues/774, https://github.com/charmbracelet/crush/issues/1590,
        https://github.com/Kilo-Org/kilocode/issues/10375. An empty `reasoning_content` stays: see rule 1.
Rule 3  Content that arrived as a list of parts (Mistral, Databricks) is sent as one, without the fields derived from
        it: Mistral knows neither `content_parts` nor `reasoning_content`.
Rule 4  A call that was cut off is not sent, by default. llama.cpp answers 500 to arguments that are not JSON, in every
        turn that repeats them: https://github.com/ggml-org/llama.cpp/issues/25510. A tool message that answers such a
        call has to be removed, too.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from streamkit.errors import MisuseError, ValidationError, shown

from ._messages import ChatCompletionRequestAssistantMessage, ChatCompletionRequestAssistantMessageAudio
from ._reasoning import blocks_reasoning
from ._tool_calls import ChatCompletionMessageToolCall, ChatCompletionMessageToolCallUnion, FunctionCall

if TYPE_CHECKING:
    from ._response import ChatCompletionResponseMessage

__all__ = ("ONLY_RECEIVED", "IncompleteCalls", "to_request")

IncompleteCalls = Literal["drop", "raise", "as_sent"]
"""What to do with calls that were cut off."""

_CHOICES = ("drop", "raise", "as_sent")
_PARTS = "content_parts"

ONLY_RECEIVED: dict[str, str] = {
    "annotations": "OpenAI, OpenRouter: citations; https://platform.openai.com/docs/api-reference/chat/object",
    "audio_content": "MiniMax: audio of the answer",
    "channel": "Groq: the channel of gpt-oss",
    "executed_tools": "Groq: results of its built-in tools; https://console.groq.com/docs/compound",
    "graph_data": "Writer: results of its built-in tools, like the four below; https://dev.writer.com/api-reference/completion-api",
    "image_data": "Writer",
    "index": "Mistral: the index of the choice",
    "llm_data": "Writer",
    "provider_metadata": "Vercel's gateway: routing, cost and usage",
    "token_id": "Together, Hugging Face: the last token",
    "token_ids": "vLLM: the tokens",
    "translation_data": "Writer",
    "web_search_data": "Writer",
}
"""Fields of a message that only responses have, with their senders."""


def to_request(
    message: ChatCompletionResponseMessage, incomplete_calls: IncompleteCalls
) -> ChatCompletionRequestAssistantMessage:
    """Return the message of the next turn. Raise `MisuseError` for a call that was cut off, with `raise`."""
    if incomplete_calls not in _CHOICES:
        raise MisuseError(f"incomplete_calls= takes {', '.join(map(repr, _CHOICES))}, not {shown(incomplete_calls)}")
    try:
        calls = _calls(message, incomplete_calls)
        function = message.function_call
        if function is not None and not _sendable(function, incomplete_calls):
            function = None
        content, extra = message.content, _kept(message)
        silent = not calls and function is None and message.refusal is None and message.audio is None
        if (
            silent and content is None and "content" not in extra
        ):  # all calls were cut off, or it was left while it thought
            content = ""  # a message needs content or calls: llama.cpp answers 500 to one without content and calls
        return ChatCompletionRequestAssistantMessage(
            content=None if "content" in extra else content,
            refusal=message.refusal,
            audio=None if message.audio is None else ChatCompletionRequestAssistantMessageAudio(message.audio.id),
            tool_calls=calls or None,
            function_call=None if function is None else _sent_again(function),
            extra=extra,
        )
    except (MisuseError, ValidationError):
        raise
    except (AttributeError, RecursionError, TypeError, ValueError) as error:  # `attrs.evolve(message, tool_calls=5)`
        raise MisuseError(f"this message is not one that a response can have: {error}") from None


def _calls(
    message: ChatCompletionResponseMessage, incomplete_calls: IncompleteCalls
) -> list[ChatCompletionMessageToolCallUnion]:
    return [_sent_again(call) for call in message.tool_calls or () if _sendable(call, incomplete_calls)]


def _sendable(call: ChatCompletionMessageToolCallUnion | FunctionCall, incomplete_calls: IncompleteCalls) -> bool:
    if incomplete_calls == "as_sent" or _is_complete(call):
        return True
    if incomplete_calls == "raise":
        name = getattr(call, "id", None) or getattr(call, "name", None)
        raise MisuseError(
            f"the call {shown(name)} was cut off: its arguments are not a whole JSON document, or its choice did not finish;"
            ' pass incomplete_calls="drop" to send the message without it, or "as_sent" to send it unchanged'
        )
    return False


def _is_complete(call: ChatCompletionMessageToolCallUnion | FunctionCall) -> bool:
    """Return True if a call can be sent; also for a call read back from JSON, which does not say that it was cut
    off."""
    if not getattr(call, "complete", True):
        return False
    function = call.function if isinstance(call, ChatCompletionMessageToolCall) else call
    if not isinstance(function, FunctionCall) or not function.arguments:
        return True
    try:
        json.loads(function.arguments)
    except (ValueError, RecursionError):
        return False
    return True


_Call = TypeVar("_Call", bound=ChatCompletionMessageToolCallUnion | FunctionCall)


def _sent_again(call: _Call) -> _Call:
    """Return a call as sent in the next turn. An index belongs to fragments; Kimi refuses it in a request."""
    again = deepcopy(call)
    again.extra.pop("index", None)
    return again


def _kept(message: ChatCompletionResponseMessage) -> dict[str, Any]:
    """Return the other fields of a message that are sent again (rules 1 to 3)."""
    kept = {name: deepcopy(value) for name, value in message.extra.items() if _goes_back(name, value)}
    parts = kept.pop(_PARTS, None)
    if isinstance(parts, list) and parts:
        if kept.get("reasoning_content") == blocks_reasoning(parts):
            del kept["reasoning_content"]
        kept["content"] = _whole(parts, message.content)
    return kept


def _goes_back(name: str, value: Any) -> bool:
    if name in ONLY_RECEIVED or value is None or (isinstance(value, (list, dict)) and not value):
        return False
    return not (name == "reasoning" and value == "")


def _whole(parts: list[Any], content: str | None) -> list[Any]:
    """Return the parts with all the text. Mistral writes reasoning as a list, and most of the answer as separate
    strings."""
    texts = [part for part in parts if isinstance(part, str) or (isinstance(part, dict) and part.get("type") == "text")]
    said = "".join(str(part if isinstance(part, str) else part.get("text", "")) for part in texts)
    if said == (content or ""):
        return parts
    return [*(part for part in parts if part not in texts), {"type": "text", "text": content or ""}]
