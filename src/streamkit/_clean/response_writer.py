"""A response as the documents of a clean stream: what each chunk says, as plain JSON values.

In: a response and a way to cut text. Out: one dict a chunk, in the order in which OpenAI writes: the role, text piece by
piece, each tool call's header and then its arguments, whatever else the message has, the finish reason, the usage.
Choices take turns. Cost: linear; texts are cut once.

Rule 1  A field is said once, and a text as pieces that add up to it, so that any reader that adds up comes to the same.
Rule 2  Unknown fields stand where they stood: a message's in a delta, a choice's beside its finish reason, those of the
        response in the first chunk that has a choice.
Rule 3  What the tolerant reader kept under the name of a known field, since nothing could be made of it, has a chunk of
        its own: in one object no name can stand twice.
Rule 4  `x_groq` stands beside the usage where there is one: in any chunk without it, it would be a second report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from typing import Any, Literal, TypeAlias

from ..codec import unstructure
from ..limits import Limits
from ..rules import REASONING
from ..types import (
    ChatChoice,
    ChatChoiceLogprobs,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionResponseMessage,
    ChatCompletionTokenLogprob,
    CreateChatCompletionResponse,
)
from ..types import ChatCompletionResponseMessageAudio as Audio

__all__ = (
    "OF_CHOICE",
    "OF_CHUNK",
    "OF_DELTA",
    "OF_LOGPROBS",
    "UNLIMITED",
    "ChunkDict",
    "Cut",
    "Spread",
    "documents",
    "fragments",
    "reasoning",
    "with_tokens",
)

Cut: TypeAlias = Callable[[str], list[str]]
"""A text to its pieces, none of them empty."""

Spread: TypeAlias = Literal["spread", "whole"]
"""Where log probabilities stand: each with the text of its token, or all in one chunk."""

ChunkDict: TypeAlias = dict[str, Any]

UNLIMITED = Limits(max_event_bytes=2**40, max_response_bytes=2**40, max_choices=2**32, max_tool_calls=2**32)
"""For what was read within its limits already."""

OF_CHUNK = frozenset({"id", "choices", "created", "model", "service_tier", "system_fingerprint", "object", "usage"})
OF_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
OF_DELTA = frozenset({"content", "function_call", "tool_calls", "role", "refusal", "audio"})
OF_LOGPROBS = frozenset({"content", "refusal"})
_AUDIO_GROUP = 4  # characters of base64 that stand for whole bytes


def documents(
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
    """What the chunks say of one choice."""
    message = choice.message
    rest = unstructure(message.extra)
    first: ChunkDict = {"role": unstructure(message.role), "content": None if message.content is None else ""}
    if message.refusal is not None:
        first["refusal"] = ""
    said = choice.logprobs
    yield _said(choice, first, None if said is None else _first_logprobs(said))
    for name in [one for one in OF_LOGPROBS if said is not None and one in said.extra]:
        yield _said(choice, {}, {name: unstructure(said.extra[name]) if said else None})
    for delta in reasoning(rest, cut):
        yield _said(choice, delta)
    for name in ("content", "refusal"):
        text = getattr(message, name) or ""
        tokens = (getattr(said, name) or []) if said is not None else []
        for piece, some in with_tokens(text, tokens, cut, logprobs):
            part = {name: [_token(one) for one in some]} if some else None
            yield _said(choice, {name: piece} if piece else {}, part)
    for delta in chain(_calls(message, cut), _function_call(message, cut), _audio(message.audio, cut, audio_size)):
        yield _said(choice, delta)
    odd = {name: rest.pop(name) for name in list(rest) if name in OF_DELTA}
    if rest:
        yield _said(choice, rest)
    for name, value in odd.items():
        yield _said(choice, {name: value})
    yield from _end(choice)


def _said(choice: ChatChoice, delta: ChunkDict, logprobs: ChunkDict | None = None) -> ChunkDict:
    return {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def _end(choice: ChatChoice) -> Iterator[ChunkDict]:
    """The finish reason and what stood beside it."""
    extra = unstructure(choice.extra)
    for name in [one for one in extra if one in OF_CHOICE]:
        yield {**_said(choice, {}), name: extra.pop(name)}
    if choice.finish_reason is not None or extra:
        yield {**_said(choice, {}), "finish_reason": unstructure(choice.finish_reason), **extra}


def _first_logprobs(said: ChatChoiceLogprobs) -> ChunkDict:
    """That there are log probabilities at all, and what its sender says of all of them."""
    known: ChunkDict = {
        "content": None if said.content is None else [],
        "refusal": None if said.refusal is None else [],
    }
    return {**known, **{name: unstructure(one) for name, one in said.extra.items() if name not in OF_LOGPROBS}}


def _token(token: ChatCompletionTokenLogprob) -> ChunkDict:
    written: ChunkDict = unstructure(token)
    if "top_logprobs" in token.extra:  # no list of tokens, and kept as it was; the known field is empty then
        written["top_logprobs"] = unstructure(token.extra["top_logprobs"])
    return written


def with_tokens(
    text: str, tokens: list[ChatCompletionTokenLogprob], cut: Cut | None, logprobs: Spread
) -> Iterator[tuple[str, list[ChatCompletionTokenLogprob]]]:
    """The pieces of a text, each with the log probabilities of its tokens."""
    if logprobs == "whole" or not tokens:
        pieces = _cut(text, cut)
        yield from ((piece, tokens if at == len(pieces) - 1 else []) for at, piece in enumerate(pieces))
        if tokens and not pieces:
            yield "", tokens
        return
    if cut is None:
        words = [one.token for one in tokens]
        # Tokens that hold part of a character are written as something else: then they are no cut of the text.
        pieces = words if "".join(words) == text else _cut(text, None)
    else:
        pieces = _cut(text, cut)
    at = end = reached = 0
    for number, piece in enumerate(pieces):
        start, reached = at, reached + len(piece)
        while at < len(tokens) and (end + len(tokens[at].token) <= reached):
            end += len(tokens[at].token)
            at += 1
            if cut is None and len(pieces) == len(tokens):
                break  # one piece, one token; empty ones too
        if number == len(pieces) - 1:
            at = len(tokens)
        yield piece, tokens[start:at]
    if not pieces:
        yield "", tokens


def reasoning(rest: ChunkDict, cut: Cut | None) -> Iterator[ChunkDict]:
    """What was thought, taken out of `rest`; a sender's two fields of the same text stay side by side."""
    texts: dict[str, list[str]] = {}
    for name in REASONING:
        if isinstance(text := rest.get(name), str) and text:
            texts.setdefault(text, []).append(name)
            del rest[name]
    for text, names in texts.items():
        for piece in _cut(text, cut):
            yield dict.fromkeys(names, piece)


def _calls(message: ChatCompletionResponseMessage, cut: Cut | None) -> Iterator[ChunkDict]:
    for index, call in enumerate(message.tool_calls or ()):
        for fragment in fragments(call, cut):
            yield {"tool_calls": [{"index": index, **fragment}]}


def fragments(
    call: ChatCompletionMessageToolCall | ChatCompletionMessageCustomToolCall, cut: Cut | None
) -> Iterator[ChunkDict]:
    """A header, then the arguments piece by piece."""
    if isinstance(call, ChatCompletionMessageCustomToolCall):
        kind, field, text = "custom", "input", call.custom.input
        inner = {"name": call.custom.name, "input": "", **_beside(call.custom.extra, "name", "input")}
    else:
        kind, field, text = "function", "arguments", call.function.arguments
        inner = {"name": call.function.name, "arguments": "", **_beside(call.function.extra, "name", "arguments")}
    yield {"id": call.id, "type": unstructure(call.type), kind: inner, **_beside(call.extra, "id", "type", kind)}
    if kind in call.extra:
        yield {kind: unstructure(call.extra[kind])}
    if kind == "custom" and "function" in call.extra:
        yield {"function": unstructure(call.extra["function"])}
    for piece in _cut(text, cut):
        yield {kind: {field: piece}}


def _beside(extra: dict[str, Any], *known: str) -> ChunkDict:
    return {name: unstructure(value) for name, value in extra.items() if name not in known}


def _function_call(message: ChatCompletionResponseMessage, cut: Cut | None) -> Iterator[ChunkDict]:
    call = message.function_call
    if call is not None:
        beside = _beside(call.extra, "name", "arguments")
        yield {"function_call": {"name": call.name, "arguments": "", **beside}}
        for piece in _cut(call.arguments, cut):
            yield {"function_call": {"arguments": piece}}


def _audio(audio: Audio | None, cut: Cut | None, size: int) -> Iterator[ChunkDict]:
    """Its id and what else is said of it, the transcript as text is cut, and the bytes."""
    if audio is None:
        return
    beside = _beside(audio.extra, "id", "data", "transcript", "expires_at")
    yield {"audio": {"id": audio.id, "data": "", "transcript": "", "expires_at": audio.expires_at, **beside}}
    for piece in _cut(audio.transcript, cut):
        yield {"audio": {"transcript": piece}}
    size -= size % _AUDIO_GROUP
    for at in range(0, len(audio.data), size):
        yield {"audio": {"data": audio.data[at : at + size]}}


def _cut(text: str, cut: Cut | None) -> list[str]:
    if not text:
        return []
    return [text] if cut is None else cut(text)
