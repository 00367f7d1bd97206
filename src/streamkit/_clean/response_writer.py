"""A response as the chunks of a clean stream, each a plain dict.

In: a response and a way to cut text. Out: one dict a chunk, in the order in which OpenAI writes: the role, text piece by
piece, each tool call's header and then its arguments, whatever else the message has, the finish reason, the usage.
Choices take turns. Cost: linear; texts are cut once.

Rule 1  A field is said once, and a text as pieces that add up to it, so that any reader that adds up gets the same.
Rule 2  Unknown fields are written where they were: a message's in a delta, a choice's beside its finish reason, those of the
        response in the first chunk that has a choice.
Rule 3  What the tolerant reader kept under the name of a known field, since nothing could be made of it, has a separate
        chunk: in one object no name can appear twice.
Rule 4  `x_groq` is written beside the usage where there is one: in any chunk without it, it would be a second report.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

from ..codec import unstructure
from ..rules import REASONING
from ..types import (
    ChatChoice,
    ChatChoiceLogprobs,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionResponseMessage,
    CreateChatCompletionResponse,
)
from ..types import ChatCompletionResponseMessageAudio as Audio
from .chunk_dict import OF_CHOICE, OF_CHUNK, OF_DELTA, OF_LOGPROBS, ChunkDict, choice_dict, without
from .splitting import Cut, Spread, pieces_of, with_tokens

__all__ = ("chunk_dicts", "fragments", "reasoning")

_AUDIO_GROUP = 4  # characters of base64 that stand for whole bytes


def chunk_dicts(
    response: CreateChatCompletionResponse, cut: Cut | None, logprobs: Spread, audio_size: int
) -> Iterator[ChunkDict]:
    """Every chunk of `response`; `cut=None` leaves text in one piece, or one a token where log probabilities say how."""
    head = {"id": response.id, "object": "chat.completion.chunk", "created": response.created, "model": response.model}
    for name in ("service_tier", "system_fingerprint"):
        if (value := getattr(response, name)) is not None:
            head[name] = unstructure(value)
    extra = unstructure(response.extra)
    last = {name: extra.pop(name) for name in ("x_groq",) if name in extra and response.usage is not None}
    odd = {name: extra.pop(name) for name in list(extra) if name in OF_CHUNK}
    turns = zip_longest(*(_choice(one, cut, logprobs, audio_size) for one in response.choices))
    said = False
    for choice in chain.from_iterable(turns):
        if choice is not None:
            yield {**head, "choices": [choice], **({} if said else extra)}
            said = True
    if not said:
        yield {**head, "choices": [], **extra}
    for name, value in odd.items():
        yield {**head, "choices": [], name: value}
    if response.usage is not None:
        yield {**head, "choices": [], "usage": unstructure(response.usage), **last}


def _choice(choice: ChatChoice, cut: Cut | None, logprobs: Spread, audio_size: int) -> Iterator[ChunkDict]:
    """Yield what the chunks say of one choice."""
    message = choice.message
    rest = unstructure(message.extra)
    first: ChunkDict = {"role": unstructure(message.role), "content": None if message.content is None else ""}
    if message.refusal is not None:
        first["refusal"] = ""
    said = choice.logprobs
    yield choice_dict(choice.index, first, None if said is None else _first_logprobs(said))
    for name in [one for one in OF_LOGPROBS if said is not None and one in said.extra]:
        yield choice_dict(choice.index, {}, {name: unstructure(said.extra[name]) if said else None})
    for delta in reasoning(rest, cut):
        yield choice_dict(choice.index, delta)
    for name in ("content", "refusal"):
        text = getattr(message, name) or ""
        tokens = (getattr(said, name) or []) if said is not None else []
        for piece, some in with_tokens(text, tokens, cut, logprobs):
            part = {name: [unstructure(one) for one in some]} if some else None
            yield choice_dict(choice.index, {name: piece} if piece else {}, part)
    for delta in chain(_calls(message, cut), _function_call(message, cut), _audio(message.audio, cut, audio_size)):
        yield choice_dict(choice.index, delta)
    odd = {name: rest.pop(name) for name in list(rest) if name in OF_DELTA}
    if rest:
        yield choice_dict(choice.index, rest)
    for name, value in odd.items():
        yield choice_dict(choice.index, {name: value})
    yield from _end(choice)


def _end(choice: ChatChoice) -> Iterator[ChunkDict]:
    """Yield the finish reason and what was beside it."""
    extra = unstructure(choice.extra)
    for name in [one for one in extra if one in OF_CHOICE]:
        yield {**choice_dict(choice.index, {}), name: extra.pop(name)}
    if choice.finish_reason is not None or extra:
        yield {**choice_dict(choice.index, {}), "finish_reason": unstructure(choice.finish_reason), **extra}


def _first_logprobs(said: ChatChoiceLogprobs) -> ChunkDict:
    """Return that there are log probabilities at all, and what its sender says of all of them."""
    known: ChunkDict = {
        "content": None if said.content is None else [],
        "refusal": None if said.refusal is None else [],
    }
    return {**known, **{name: unstructure(one) for name, one in said.extra.items() if name not in OF_LOGPROBS}}


def reasoning(rest: ChunkDict, cut: Cut | None) -> Iterator[ChunkDict]:
    """Yield what was thought, taken out of `rest`; a sender's two fields of the same text stay side by side."""
    texts: dict[str, list[str]] = {}
    for name in REASONING:
        if isinstance(text := rest.get(name), str) and text:
            texts.setdefault(text, []).append(name)
            del rest[name]
    for text, names in texts.items():
        for piece in pieces_of(text, cut):
            yield dict.fromkeys(names, piece)


def _calls(message: ChatCompletionResponseMessage, cut: Cut | None) -> Iterator[ChunkDict]:
    for index, call in enumerate(message.tool_calls or ()):
        for fragment in fragments(call, cut):
            yield {"tool_calls": [{"index": index, **fragment}]}


def fragments(
    call: ChatCompletionMessageToolCall | ChatCompletionMessageCustomToolCall, cut: Cut | None
) -> Iterator[ChunkDict]:
    """Yield a header, then the arguments piece by piece."""
    if isinstance(call, ChatCompletionMessageCustomToolCall):
        kind, field, text = "custom", "input", call.custom.input
        inner = {"name": call.custom.name, "input": "", **without(call.custom.extra, "name", "input")}
    else:
        kind, field, text = "function", "arguments", call.function.arguments
        inner = {"name": call.function.name, "arguments": "", **without(call.function.extra, "name", "arguments")}
    yield {"id": call.id, "type": unstructure(call.type), kind: inner, **without(call.extra, "id", "type", kind)}
    if kind in call.extra:
        yield {kind: unstructure(call.extra[kind])}
    if kind == "custom" and "function" in call.extra:
        yield {"function": unstructure(call.extra["function"])}
    for piece in pieces_of(text, cut):
        yield {kind: {field: piece}}


def _function_call(message: ChatCompletionResponseMessage, cut: Cut | None) -> Iterator[ChunkDict]:
    call = message.function_call
    if call is not None:
        beside = without(call.extra, "name", "arguments")
        yield {"function_call": {"name": call.name, "arguments": "", **beside}}
        for piece in pieces_of(call.arguments, cut):
            yield {"function_call": {"arguments": piece}}


def _audio(audio: Audio | None, cut: Cut | None, size: int) -> Iterator[ChunkDict]:
    """Its id and what else is said of it, the transcript as text is cut, and the bytes."""
    if audio is None:
        return
    beside = without(audio.extra, "id", "data", "transcript", "expires_at")
    yield {"audio": {"id": audio.id, "data": "", "transcript": "", "expires_at": audio.expires_at, **beside}}
    for piece in pieces_of(audio.transcript, cut):
        yield {"audio": {"transcript": piece}}
    size -= size % _AUDIO_GROUP
    for at in range(0, len(audio.data), size):
        yield {"audio": {"data": audio.data[at : at + size]}}
