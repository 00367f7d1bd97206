"""Chunks decoded by other libraries: which values count as one, and how they are converted to a mapping.

In: any value. Out: whether `Accumulator.add` accepts it, or its fields. SDK objects have various dump methods: they are
in one table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import attrgetter
from types import NoneType
from typing import Any

from ..errors import MisuseError
from ..types import (
    ChatChoiceLogprobs,
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    ChatCompletionTokenLogprob,
    CompletionTokensDetails,
    CompletionUsage,
    CreateChatCompletionStreamResponse,
    FinishReason,
    FunctionCallStream,
    PromptTokensDetails,
    Role,
    ServiceTierResponse,
    TopLogprobs,
)
from ..types._base import Sparse

__all__ = ("as_mapping", "can_dump", "is_chunk_object", "is_sound")

_TEXT, _COUNT = (str, NoneType), (int, NoneType)
_FIELDS: dict[type, dict[str, tuple[type, ...]]] = {
    CreateChatCompletionStreamResponse: {
        "id": (str,),
        "choices": (list,),
        "created": (int,),
        "model": (str,),
        "service_tier": _TEXT,
        "system_fingerprint": _TEXT,
        "usage": (CompletionUsage, NoneType),
    },
    ChatChoiceStream: {
        "index": (int,),
        "delta": (ChatCompletionStreamResponseDelta,),
        "finish_reason": _TEXT,
        "logprobs": (ChatChoiceLogprobs, NoneType),
    },
    ChatCompletionStreamResponseDelta: {
        "content": _TEXT,
        "function_call": (FunctionCallStream, NoneType),
        "tool_calls": (list, NoneType),
        "role": _TEXT,
        "refusal": _TEXT,
    },
    ChatCompletionMessageToolCallChunk: {
        "index": _COUNT,
        "id": _TEXT,
        "type": _TEXT,
        "function": (FunctionCallStream, NoneType),
    },
    FunctionCallStream: {"name": _TEXT, "arguments": _TEXT},
    ChatChoiceLogprobs: {"content": (list, NoneType), "refusal": (list, NoneType)},
    CompletionUsage: {
        "prompt_tokens": (int,),
        "completion_tokens": (int,),
        "total_tokens": (int,),
        "prompt_tokens_details": (PromptTokensDetails, NoneType),
        "completion_tokens_details": (CompletionTokensDetails, NoneType),
    },
    PromptTokensDetails: dict.fromkeys(("audio_tokens", "cached_tokens"), _COUNT),
    CompletionTokensDetails: dict.fromkeys(
        ("accepted_prediction_tokens", "audio_tokens", "reasoning_tokens", "rejected_prediction_tokens"), _COUNT
    ),
    ChatCompletionTokenLogprob: {"token": (str,), "top_logprobs": (list,)},
    TopLogprobs: {"token": (str,)},
}
"""The types that folding relies on in each object of a chunk: field -> the classes of its value."""

_ITEMS: dict[str, type] = {
    "choices": ChatChoiceStream,
    "tool_calls": ChatCompletionMessageToolCallChunk,
    "content": ChatCompletionTokenLogprob,
    "refusal": ChatCompletionTokenLogprob,
    "top_logprobs": TopLogprobs,
}
"""For each field that is a list, the class of its items."""

_WORDS = frozenset({str, NoneType, Role, FinishReason, ServiceTierResponse})

_DUMPS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "model_dump",
        {"exclude_unset": True, "warnings": False},
    ),  # pydantic 2: openai, and most SDKs; unset fields are not the sender's
    ("to_dict", {}),  # mistralai, groq's older models, dataclass mixins
    ("dict", {}),  # pydantic 1
)

_METHODS = tuple(name for name, _ in _DUMPS)


def can_dump(value: Any) -> bool:
    """Return True if `value` is an object with a dump method. A class has the methods, too, but nothing to dump."""
    return not isinstance(value, type) and any(callable(getattr(value, name, None)) for name in _METHODS)


def is_chunk_object(value: Any) -> bool:
    """Return True if `Accumulator.add` accepts `value`: a mapping, a chunk of ours, or an SDK's object."""
    return isinstance(value, (Mapping, CreateChatCompletionStreamResponse)) or can_dump(value)


def is_sound(chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return True if a chunk of ours matches its class: `attrs.evolve(chunk, choices=5)` does not.

    0.5 us for a chunk of text, as most are; some microseconds for any other.
    """
    return _is_text(chunk) or _fits(chunk)


def _is_text(chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return True if a chunk is sound and has nothing but text; without a loop, since the general way takes 5 us."""
    if type(chunk.choices) is not list or len(chunk.choices) != 1 or chunk.extra != {} or chunk.usage is not None:
        return False
    choice = chunk.choices[0]
    if type(choice) is not ChatChoiceStream or choice.extra != {} or choice.logprobs is not None:
        return False
    delta = choice.delta
    if type(delta) is not ChatCompletionStreamResponseDelta or delta.extra != {}:
        return False
    texts = (
        chunk.service_tier,
        chunk.system_fingerprint,
        choice.finish_reason,
        delta.content,
        delta.role,
        delta.refusal,
    )
    return (
        delta.tool_calls is None
        and delta.function_call is None
        and type(chunk.id) is str
        and type(chunk.created) is int
        and type(chunk.model) is str
        and type(choice.index) is int
        and _WORDS.issuperset(map(type, texts))
    )


def _fits(value: Any) -> bool:
    extra = value.extra
    if not (type(extra) is dict or type(extra) is Sparse) or (extra and not _is_json(extra)):
        return False
    kind = type(value)
    plan = _plans.get(kind) or _planned(kind)
    values = plan.get(value)
    kinds = tuple(map(type, values))
    inside = plan.seen.get(kinds)
    if inside is None:
        if not all(map(isinstance, values, _FIELDS[kind].values())):
            return False
        inside = plan.seen[kinds] = [(at, item) for at, item in plan.nested if values[at] is not None]
    for at, item in inside:
        one = values[at]
        if type(one) is not list:
            if not _fits(one):
                return False
        elif any(type(each) is not item or not _fits(each) for each in one):
            return False
    return True


class _Plan:
    """How a class is checked: its fields, those that may contain objects, and the types of values already found right
    for those."""

    __slots__ = ("get", "nested", "seen")

    def __init__(self, fields: dict[str, tuple[type, ...]]) -> None:
        self.get: Callable[[Any], tuple[Any, ...]] = attrgetter(*fields)
        inside = {name: _ITEMS.get(name) if list in kinds else kinds[0] for name, kinds in fields.items()}
        self.nested = [(at, kind) for at, kind in enumerate(inside.values()) if kind in _FIELDS]
        self.seen: dict[tuple[type, ...], list[tuple[int, type]]] = {}


_plans: dict[type, _Plan] = {}


def _planned(kind: type) -> _Plan:
    plan = _plans[kind] = _Plan(_FIELDS[kind])
    return plan


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (RecursionError, TypeError, ValueError):
        return False
    return True


def as_mapping(chunk: Any) -> dict[str, Any]:
    """Return `chunk` as a mapping; raise `MisuseError` if it is not one and has no dump method."""
    if isinstance(chunk, Mapping):
        return dict(chunk)
    for name, arguments in _DUMPS:
        dump = getattr(chunk, name, None)
        if callable(dump) and not isinstance(chunk, type):
            try:
                try:
                    value = dump(**arguments)
                except TypeError:  # a method with that name but without arguments
                    value = dump()
            except (RecursionError, MisuseError):
                raise
            except Exception as error:
                text = (
                    f"add() takes a chunk with a dump method that works; {name}() of this {type(chunk).__name__} raised"
                )
                raise MisuseError(f"{text} {type(error).__name__}: {error}") from error
            if isinstance(value, Mapping):
                return dict(value)
    raise MisuseError(
        "add() takes a chunk: one of streamkit's, a mapping, or an object with model_dump() or to_dict(),"
        f" not {type(chunk).__name__}"
    )
