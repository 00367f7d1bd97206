"""Read a JSON value as a chunk, in any sender's variant: its meaning is restored here, at the edge.

`read_chunk` never raises: what is certain is repaired, the rest is kept as an unknown field, and each deviation is
reported by `note(code, path, found)`. The result is clean: choices are a list, indices are numbers, an absent delta is
an empty one, an empty finish reason is None, text is text. Unknown fields go to `extra` of their object.

Cost: one pass over the fields of a chunk.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..types import (
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    ChatCompletionToolType,
    CompletionTokensDetails,
    CompletionUsage,
    CreateChatCompletionStreamResponse,
    FinishReason,
    FunctionCallStream,
    PromptTokensDetails,
    Role,
    ServiceTierResponse,
)
from ..types._base import wire_names
from ..types._reasoning import reasoning_in
from .fast_frozen import unfrozen_twin
from .logprobs_reader import read_logprobs
from .other_formats import other_format
from .values import NO_IDS, Note, count, fields_beside, identifier, is_empty, misplaced, string, text_of, whole_number

__all__ = (
    "is_chunk",
    "moved_usages",
    "read_choice",
    "read_chunk",
    "read_delta",
    "read_fragment",
    "read_function",
    "read_usage",
)


_CHUNK_MARKS = frozenset({"choices", "usage", "id", "object", "model", "x_groq", "prompt_filter_results"})
_CHUNK = wire_names(CreateChatCompletionStreamResponse)
_CHOICE = wire_names(ChatChoiceStream) | {"message"}
_DELTA = wire_names(ChatCompletionStreamResponseDelta)
_TOOL_CALL = wire_names(ChatCompletionMessageToolCallChunk)
_FUNCTION = wire_names(FunctionCallStream)
_SPAN = ("content_filter_offsets", "content_filter_results")
_USAGE = wire_names(CompletionUsage)
_PROMPT = wire_names(PromptTokensDetails)
_COMPLETION = wire_names(CompletionTokensDetails)
_ROLES: dict[Any, Role] = {role.value: role for role in Role}
_FINISHES: dict[Any, FinishReason] = {reason.value: reason for reason in FinishReason}
_TIERS: dict[Any, ServiceTierResponse] = {tier.value: tier for tier in ServiceTierResponse}
_FUNCTION_TYPE = ChatCompletionToolType.FUNCTION
_FIRST_CHOICE, _FIRST_DELTA = "$.choices[0]", "$.choices[0].delta"  # the path of nearly all, made once

_MILLISECONDS = 10**11  # as seconds the year 5138, as milliseconds 1973

_new_chunk = unfrozen_twin(CreateChatCompletionStreamResponse)
_new_choice = unfrozen_twin(ChatChoiceStream)
_new_delta = unfrozen_twin(ChatCompletionStreamResponseDelta)
_new_fragment = unfrozen_twin(ChatCompletionMessageToolCallChunk)
_new_function = unfrozen_twin(FunctionCallStream)
_new_usage = unfrozen_twin(CompletionUsage)
_new_prompt = unfrozen_twin(PromptTokensDetails)
_new_completion = unfrozen_twin(CompletionTokensDetails)
_COUNTED = 2**63  # any count below needs no look at its path


def is_chunk(value: dict[str, Any]) -> bool:
    """Return True if an object looks like a chunk; `{"type": "ping"}` does not, nor does a line of Ollama's native
    format."""
    return "choices" in value or (not _CHUNK_MARKS.isdisjoint(value) and other_format(value) is None)


def read_chunk(value: dict[str, Any], note: Note) -> CreateChatCompletionStreamResponse:
    """Return the chunk that `value` means."""
    get = value.get
    choices = get("choices")
    if type(choices) is not list:
        choices = _listed(choices, note)
    chunk = _new_chunk()
    chunk.choices = read = []
    for position, choice in enumerate(choices):
        if isinstance(choice, dict):
            read.append(read_choice(choice, position, note))
        else:
            note("null_item" if choice is None else "bad_choice", f"$.choices[{position}]", choice)
    chunk.extra = extra = {} if _CHUNK.issuperset(value) else fields_beside(value, _CHUNK)
    id = get("id")
    chunk.id = id if type(id) is str and id not in NO_IDS else identifier(id, "$.id", note) or ""
    created = get("created")
    if type(created) is not int or not 0 <= created < _MILLISECONDS:
        created = _created(created, note, extra)
    chunk.created = created
    chunk.model = model if type(model := get("model")) is str else string(model, "$.model", note) or ""
    tier = get("service_tier")
    if tier is not None:
        tier = _TIERS[tier] if isinstance(tier, str) and tier in _TIERS else string(tier, "$.service_tier", note)
    chunk.service_tier = tier
    mark = get("system_fingerprint")
    chunk.system_fingerprint = mark if mark is None or type(mark) is str else string(mark, "$.system_fingerprint", note)
    chunk.object = kind if type(kind := get("object")) is str else string(kind, "$.object", note)
    usage = get("usage")
    if usage is not None:
        if type(usage) is dict:
            usage = read_usage(usage, "$.usage", note) if usage else None
        else:
            usage = misplaced("usage", usage, "$", note, extra)
    chunk.usage = usage
    chunk.__class__ = CreateChatCompletionStreamResponse
    return chunk  # type: ignore[no-any-return]


def _listed(choices: Any, note: Note) -> list[Any]:
    """Return choices that are not a list as one."""
    if isinstance(choices, dict):
        note("choices_object", "$.choices", choices)
        return [choices]
    note("choices_missing", "$.choices")
    return []


def read_choice(value: dict[str, Any], position: int, note: Note) -> ChatChoiceStream:
    get = value.get
    index = get("index")
    if type(index) is not int or index < 0:
        note("index_missing" if index is None else "index_type", f"$.choices[{position}].index", index)
        index = position if type(index) is int else whole_number(index, position)
        index = position if index < 0 else index  # `"-5"`
    path = f"$.choices[{index}]" if index else _FIRST_CHOICE
    extra = {} if _CHOICE.issuperset(value) else fields_beside(value, _CHOICE)
    delta = get("delta")
    message = get("message")
    if type(delta) is not dict:
        if delta is not None:
            note("bad_field", f"{path}.delta", delta)
            extra["delta"] = delta
        elif isinstance(message, dict):
            note("message_for_delta", f"{path}.message")
        else:
            note("delta_missing", f"{path}.delta")
        delta = {}
    if message is not None:
        extra["message"] = message  # the reducer takes from it what is missing in the deltas
    if "content_filter_offsets" in extra:  # Azure's filter reports later, of one span of the text at a time
        extra.setdefault("content_filter_spans", [{key: extra[key] for key in _SPAN if key in extra}])
    choice = _new_choice()
    choice.index = index
    choice.extra = extra
    finish = get("finish_reason")
    if finish is not None:
        known = _FINISHES.get(finish) if type(finish) is str else None
        finish = _finish(finish, path, note) if known is None else known
    choice.finish_reason = finish
    logprobs = get("logprobs")
    if logprobs is not None:
        logprobs = read_logprobs(logprobs, f"{path}.logprobs", note, extra)
    choice.logprobs = logprobs
    choice.delta = read_delta(delta, path, note)
    choice.__class__ = ChatChoiceStream
    return choice  # type: ignore[no-any-return]


def _finish(finish: Any, path: str, note: Note) -> str | None:
    """Return a finish reason that the format does not define, None if it stands for none."""
    if isinstance(finish, str) and FinishReason.is_nothing(finish):
        note("finish_empty", f"{path}.finish_reason", finish)
        return None
    note("finish_unknown", f"{path}.finish_reason", finish)
    return str(finish)


def read_delta(value: dict[str, Any], path: str, note: Note) -> ChatCompletionStreamResponseDelta:
    """Return the delta that `value` means; `path`: of its choice."""
    path = _FIRST_DELTA if path is _FIRST_CHOICE else f"{path}.delta"
    get = value.get
    delta = _new_delta()
    delta.extra = extra = {} if _DELTA.issuperset(value) else fields_beside(value, _DELTA)
    content = get("content")
    if content is not None and type(content) is not str:
        content = _content(content, path, note, extra)
    delta.content = content
    calls = get("tool_calls")
    delta.tool_calls = None if calls is None else _calls(calls, path, note, extra)
    function = get("function_call")
    delta.function_call = None if function is None else _function_call(function, path, note, extra)
    if extra and (audio := extra.get("audio")) and not isinstance(audio, dict):
        note("bad_field", f"{path}.audio", audio)
    role = get("role")
    if role is not None:
        known = _ROLES.get(role) if type(role) is str else None
        if known is None and role != "":
            note("role_unknown", f"{path}.role", role)
            role = str(role)
        else:
            role = known
    delta.role = role
    refusal = get("refusal")
    if refusal is not None and type(refusal) is not str:
        refusal = string(refusal, f"{path}.refusal", note)
    delta.refusal = refusal
    delta.__class__ = ChatCompletionStreamResponseDelta
    return delta  # type: ignore[no-any-return]


def _calls(calls: Any, path: str, note: Note, extra: dict[str, Any]) -> list[Any] | None:
    """Return the fragments of a delta."""
    if calls == "":
        return None
    if isinstance(calls, dict):
        note("tool_calls_object", f"{path}.tool_calls", calls)
        calls = [calls]
    if not isinstance(calls, list):
        misplaced("tool_calls", calls, path, note, extra)
        return None
    read = []
    for position, call in enumerate(calls):
        if call != {} and (fragment := read_fragment(call, f"{path}.tool_calls[{position}]", note)) is not None:
            read.append(fragment)
    return read


def _function_call(function: Any, path: str, note: Note, extra: dict[str, Any]) -> FunctionCallStream | None:
    """Return the legacy function call of a delta."""
    if not (isinstance(function, dict) or function == ""):
        misplaced("function_call", function, path, note, extra)
        return None
    return None if is_empty(function) else read_function(function, f"{path}.function_call", note)


def _content(value: Any, path: str, note: Note, extra: dict[str, Any]) -> str | None:
    """Return content that is not a string: Mistral sends a list of text and thinking parts, Databricks of reasoning."""
    if not isinstance(value, list):
        return string(value, f"{path}.content", note)
    note("content_parts", f"{path}.content", value)
    text, thinking = [], []
    for part in value:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            text.append(part["text"])
        else:
            thinking.append(reasoning_in(part))
    if thought := "".join(thinking):
        extra.setdefault("reasoning_content", thought)
    extra["content_parts"] = value  # whole, since the sender needs it again in the next turn
    return "".join(text) if text else None


def read_fragment(value: Any, path: str, note: Note) -> ChatCompletionMessageToolCallChunk | None:
    if not isinstance(value, dict):
        note("null_item" if value is None else "bad_tool_call", path, value)
        return None
    extra = {} if _TOOL_CALL.issuperset(value) else fields_beside(value, _TOOL_CALL)
    index = value.get("index")
    if index is not None and type(index) is not int:
        note("index_type", f"{path}.index", index)
        index = whole_number(index, None)
    function = value.get("function")
    if function is not None:
        if isinstance(function, dict):
            function = read_function(function, f"{path}.function", note)
        else:
            function = misplaced("function", function, path, note, extra)
    id = value.get("id")
    if id is not None:
        id = identifier(id, f"{path}.id", note)
    if not id and function is not None and "id" in function.extra:
        note("tool_id_nested", f"{path}.function.id", function.extra["id"])
        id = identifier(function.extra.pop("id"), f"{path}.function.id", note)
    kind = value.get("type")
    if kind == "function":
        kind = _FUNCTION_TYPE
    elif kind is not None and type(kind) is not str:
        kind = string(kind, f"{path}.type", note)
    fragment = _new_fragment()
    fragment.index = index
    fragment.id = id
    fragment.type = kind
    fragment.function = function
    fragment.extra = extra
    fragment.__class__ = ChatCompletionMessageToolCallChunk
    return fragment  # type: ignore[no-any-return]


def read_function(value: dict[str, Any], path: str, note: Note) -> FunctionCallStream:
    extra = {} if _FUNCTION.issuperset(value) else fields_beside(value, _FUNCTION)
    name = value.get("name")
    if name is not None and type(name) is not str:
        name = string(name, f"{path}.name", note)
    arguments = value.get("arguments")
    if arguments is not None and type(arguments) is not str:
        note("arguments_object", f"{path}.arguments", arguments)
        arguments = text_of(arguments)
    function = _new_function()
    function.name = name
    function.arguments = arguments
    function.extra = extra
    function.__class__ = FunctionCallStream
    return function  # type: ignore[no-any-return]


def moved_usages(chunk: CreateChatCompletionStreamResponse, note: Note) -> list[tuple[str, CompletionUsage]]:
    """Return the usages that are not on the chunk, with their places: in `x_groq` (Groq), on a choice (Moonshot).

    They also stay where they were.
    """
    found = []
    groq = chunk.extra.get("x_groq")
    if isinstance(groq, dict) and isinstance(groq.get("usage"), dict) and groq["usage"]:
        found.append(("x_groq.usage", read_usage(groq["usage"], "$.x_groq.usage", note)))
    for choice in chunk.choices:
        if choice.extra and isinstance(usage := choice.extra.get("usage"), dict) and usage:
            found.append(("choices[].usage", read_usage(usage, f"$.choices[{choice.index}].usage", note)))
    return found


def read_usage(value: dict[str, Any], path: str, note: Note) -> CompletionUsage:
    """Return the usage that `value` means; a count that is absent, or cannot be read, is None."""
    extra = {} if _USAGE.issuperset(value) else fields_beside(value, _USAGE)
    prompt, completion = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    if prompt is not None and not isinstance(prompt, dict):
        prompt = misplaced("prompt_tokens_details", prompt, path, note, extra)
    if completion is not None and not isinstance(completion, dict):
        completion = misplaced("completion_tokens_details", completion, path, note, extra)
    usage = _new_usage()
    usage.prompt_tokens = _count(value, "prompt_tokens", path, note)
    usage.completion_tokens = _count(value, "completion_tokens", path, note)
    usage.total_tokens = _count(value, "total_tokens", path, note)
    usage.prompt_tokens_details = None if prompt is None else _prompt_details(prompt, path, note)
    usage.completion_tokens_details = None if completion is None else _completion_details(completion, path, note)
    usage.extra = extra
    usage.__class__ = CompletionUsage
    return usage  # type: ignore[no-any-return]


def _prompt_details(value: dict[str, Any], path: str, note: Note) -> PromptTokensDetails:
    details = _new_prompt()
    details.audio_tokens = _count(value, "audio_tokens", path, note)
    details.cached_tokens = _count(value, "cached_tokens", path, note)
    details.extra = {} if _PROMPT.issuperset(value) else fields_beside(value, _PROMPT)
    details.__class__ = PromptTokensDetails
    return details  # type: ignore[no-any-return]


def _completion_details(value: dict[str, Any], path: str, note: Note) -> CompletionTokensDetails:
    details = _new_completion()
    details.accepted_prediction_tokens = _count(value, "accepted_prediction_tokens", path, note)
    details.audio_tokens = _count(value, "audio_tokens", path, note)
    details.reasoning_tokens = _count(value, "reasoning_tokens", path, note)
    details.rejected_prediction_tokens = _count(value, "rejected_prediction_tokens", path, note)
    details.extra = {} if _COMPLETION.issuperset(value) else fields_beside(value, _COMPLETION)
    details.__class__ = CompletionTokensDetails
    return details  # type: ignore[no-any-return]


def _count(value: dict[str, Any], name: str, path: str, note: Note) -> int | None:
    found = value.get(name)
    if found is None or (type(found) is int and 0 <= found < _COUNTED):
        return found
    return count(found, f"{path}.{name}", note)


def _created(value: Any, note: Note, extra: dict[str, Any]) -> int:
    """Return seconds since 1970: senders also write null, a float, milliseconds, a numeral, an ISO date, or nothing.

    The original value is kept in `extra`; on the wire, the format's own field takes precedence over it.
    """
    if value is None:
        note("created_missing", "$.created")
        return 0
    note("created_form", "$.created", value)
    extra["created"] = value
    if isinstance(value, str) and not value.isdecimal():
        try:
            when = datetime.fromisoformat(value)
            value = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return 0
    seconds = whole_number(value, 0)
    while _MILLISECONDS <= seconds < 10**20:  # milliseconds (mistral.rs), or finer; beyond that it is not a time
        seconds //= 1000
    return int(seconds) if 0 <= seconds < _MILLISECONDS else 0
