"""Clean chunks as `Clean` asks for them: the step between the writers and the wire.

In: chunk dicts of at most one choice each, as both writers make them, and at the end the response. Out: chunk dicts, and
the error that the stream ends with. Cost: O(1) a chunk; with `Clean()` nothing. What waits (calls with
`incomplete_calls="drop"`, choices with `order="index"`) is kept until the end at most.

Rule 1  A chunk that has nothing left is not written; unknown fields of the response that were on it stay, without a
        choice.
Rule 2  Reasoning that several fields repeat is taken from the first that was seen, as the events have it; from typed
        blocks only where no field has it.
Rule 3  An error is said once, the sender's or the stream's before that of a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from .._decode.doubled_json import is_json
from ..errors import StreamError, TruncatedError
from ..outcome import Outcome
from ..rules import REASONING
from ..types import ChatChoice, ChatCompletionMessageToolCall, CreateChatCompletionResponse, FinishReason
from ..types._reasoning import blocks_reasoning, reasoning_in
from .chunk_dict import OF_CHOICE, OF_CHUNK, ChunkDict
from .clean import DEFAULT_CLEAN, Clean

__all__ = ("Shaper", "Verdict", "shaper_of", "verdict_on")

_OPEN, _CLOSE = "<think>", "</think>"
_CUT_OFF = frozenset({FinishReason.LENGTH, FinishReason.CONTENT_FILTER})


@attrs.frozen
class Verdict:
    """How a clean stream ends."""

    error: StreamError | None = None
    """What it ends with that its sender did not say, None where there is nothing."""
    code: str = ""
    """The word for it in an error event."""
    raises: bool = False
    """Whether the error is raised, not written."""


class _Shaped:
    """What was done to one choice."""

    __slots__ = ("field", "numbers", "thinks")

    def __init__(self) -> None:
        self.field = ""  # in which its sender writes reasoning; that of a list of blocks too
        self.thinks = False  # whether `<think>` is open
        self.numbers: dict[int, int] = {}  # position of a call -> its index among those that are written


def shaper_of(clean: Clean) -> Shaper | None:
    """Return what carries `clean` out on chunks; None where nothing is to be done to them."""
    plain = attrs.evolve(clean, truncated="as_sent")
    if plain.incomplete_calls != "drop":
        plain = attrs.evolve(plain, incomplete_calls="as_sent")
    return None if plain == DEFAULT_CLEAN else Shaper(clean)


class Shaper:
    """shape(chunks) -> chunks; at the end know(response), release() -> chunks, and shape(the last chunks)."""

    def __init__(self, clean: Clean) -> None:
        self._clean = clean
        self._choices: dict[int, _Shaped] = {}
        self._begun = 0  # with `order="index"`: choices below have begun
        self._early: list[tuple[int, ChunkDict]] = []  # chunks of choices that have to wait
        self._calls: list[tuple[int, ChunkDict]] = []  # fragments that wait, each with its choice
        self._final = False
        self._cut: set[tuple[int, int]] = set()  # choice and position of each call that is left out

    def shape(self, chunks: Iterable[Any]) -> Iterator[Any]:
        """Return what is to be written of `chunks`; the bytes of an event are written as they are."""
        for chunk in chunks:
            if type(chunk) is bytes:  # see `passes`
                yield chunk
                continue
            for one in (chunk,) if not chunk.get("choices") else self._chosen(chunk):
                yield from self._ordered(one)

    def passes(self, index: int, field: str) -> bool:
        """Return whether a piece of this text of a choice (`arguments`: of a call) is written as it is, before and after what
        else `shape` gets with it."""
        clean = self._clean
        if (clean.choices is not None and index >= clean.choices) or (clean.order == "index" and index >= self._begun):
            return False
        if field == "arguments":
            return clean.incomplete_calls != "drop" and clean.reasoning != "tags"
        return (field == "content" and clean.reasoning != "tags") or (field == "refusal" and clean.refusal == "as_sent")

    def know(self, response: CreateChatCompletionResponse | None) -> None:
        """Take the response: which calls were cut off is known from here on, and nothing waits."""
        self._final = True
        if self._clean.incomplete_calls == "drop" and response is not None:
            self._cut = {(choice.index, at) for choice in response.choices for at in cut_off(choice)}

    def release(self) -> Iterator[ChunkDict]:
        """Return what waited."""
        early, self._early = self._early, []
        calls, self._calls = self._calls, []
        for _, chunk in sorted(early, key=lambda one: one[0]):
            if chunk["choices"][0]["delta"].get("tool_calls") and self._clean.incomplete_calls == "drop":
                yield from self._call(chunk)
            else:
                yield chunk
        for _, chunk in sorted(calls, key=lambda one: one[0]):
            yield from self._call(chunk)

    # --- which choices

    def _chosen(self, chunk: ChunkDict) -> Iterator[ChunkDict]:
        choice = chunk["choices"][0]
        index = choice["index"]
        if self._clean.choices is not None and index >= self._clean.choices:
            yield from _rest(chunk)
            return
        shaped = self._choices.get(index)
        if shaped is None:
            shaped = self._choices[index] = _Shaped()
        delta = dict(choice["delta"])
        logprobs = choice["logprobs"]
        if self._clean.reasoning != "as_sent":
            self._think(shaped, delta, choice["finish_reason"])
        if self._clean.refusal == "content":
            logprobs = _as_content(delta, logprobs)
        new = {**chunk, "choices": [{**choice, "delta": delta, "logprobs": logprobs}]}
        if (
            delta
            or not choice["delta"]
            or logprobs
            or choice["finish_reason"] is not None
            or len(choice) > len(OF_CHOICE)
        ):
            yield new
        else:
            yield from _rest(new)

    # --- in which order

    def _ordered(self, chunk: ChunkDict) -> Iterator[ChunkDict]:
        choices = chunk.get("choices")
        if not choices:
            yield chunk
            return
        if self._clean.order != "index" or self._final:
            yield from self._held(chunk)
            return
        index = choices[0]["index"]
        if index > self._begun:
            self._early.append((index, chunk))
            return
        yield from self._held(chunk)
        if index == self._begun:
            waiting, self._early = self._early, []
            self._begun += 1
            for _, early in waiting:
                yield from self._ordered(early)

    # --- which calls

    def _held(self, chunk: ChunkDict) -> Iterator[ChunkDict]:
        choice = chunk["choices"][0]
        fragments = choice["delta"].get("tool_calls")
        if not fragments or self._clean.incomplete_calls != "drop":
            yield chunk
        elif self._final:
            yield from self._call(chunk)
        else:
            self._calls.append((choice["index"], chunk))

    def _call(self, chunk: ChunkDict) -> Iterator[ChunkDict]:
        choice = chunk["choices"][0]
        (fragment,) = choice["delta"]["tool_calls"]
        index, position = choice["index"], fragment["index"]
        if (index, position) in self._cut:
            yield from _rest(chunk)
            return
        numbers = self._choices[index].numbers
        number = numbers.setdefault(position, len(numbers))
        delta = {**choice["delta"], "tool_calls": [{**fragment, "index": number}]}
        yield {**chunk, "choices": [{**choice, "delta": delta}]}

    # --- where reasoning is written

    def _think(self, shaped: _Shaped, delta: ChunkDict, finish: Any) -> None:
        where = self._clean.reasoning
        text = _thought(shaped, delta, keep=where in ("reasoning_content", "reasoning"))
        if where == "drop":
            return
        if where != "tags":
            if text:
                delta[where] = text
            return
        before = ""
        if text:
            before = text if shaped.thinks else _OPEN + text
            shaped.thinks = True
        said = any(delta.get(name) for name in ("content", "refusal", "tool_calls", "function_call", "audio"))
        if shaped.thinks and (said or finish is not None):
            shaped.thinks = False
            before += _CLOSE
        if before:
            delta["content"] = before + (delta.get("content") or "")


def _thought(shaped: _Shaped, delta: ChunkDict, *, keep: bool) -> str:
    """Take the reasoning out of a delta and return it, by rule 2. `keep`: whether typed blocks stay."""
    text, blocks = "", dict[str, str]()
    for name in list(delta):
        value = delta[name]
        if name in REASONING and (value is None or isinstance(value, str)):
            del delta[name]
            if value:
                shaped.field = shaped.field or name
                text += value if name == shaped.field else ""
        elif _is_thought(value):
            blocks[name] = blocks_reasoning(value)
            if not keep:
                del delta[name]
    if not any(blocks.values()) or shaped.field in REASONING:
        return text
    shaped.field = shaped.field or next(name for name, said in blocks.items() if said)
    return blocks.get(shaped.field, "")


def _is_thought(value: Any) -> bool:
    """Return whether `value` is a list of typed blocks that hold reasoning, in words or sealed."""
    return isinstance(value, list) and bool(value) and all(_is_block(one) for one in value)


def _is_block(value: Any) -> bool:
    kind = value.get("type") if isinstance(value, dict) else None
    return bool(reasoning_in(value)) or (isinstance(kind, str) and ("reasoning" in kind or "thinking" in kind))


def _as_content(delta: ChunkDict, logprobs: ChunkDict | None) -> ChunkDict | None:
    """Move a refusal into the content, with its log probabilities."""
    refusal = delta.pop("refusal", None)
    if refusal is not None:
        delta["content"] = (delta.get("content") or "") + refusal
    if logprobs and logprobs.get("refusal"):
        tokens = [*(logprobs.get("content") or ()), *logprobs["refusal"]]
        logprobs = {**logprobs, "content": tokens, "refusal": None}
    return logprobs


def _rest(chunk: ChunkDict) -> Iterator[ChunkDict]:
    """Yield what is written of a chunk whose choice is not: the fields beside it, rule 1."""
    if any(name not in OF_CHUNK for name in chunk):
        yield {**chunk, "choices": []}


# --- the end


def cut_off(choice: ChatChoice) -> list[int]:
    """Return the positions of the calls of a choice that were cut off: by a limit or a filter, or with the stream."""
    calls, reason = enumerate(choice.message.tool_calls or ()), choice.finish_reason
    if reason is None:
        return [
            at
            for at, call in calls
            if not (isinstance(call, ChatCompletionMessageToolCall) and is_json(call.function.arguments))
        ]
    return [at for at, call in calls if not call.complete] if FinishReason.meant_by(reason) in _CUT_OFF else []


def verdict_on(clean: Clean, response: CreateChatCompletionResponse | None, outcome: Outcome | None) -> Verdict:
    """Return what the clean stream of `response` ends with; `outcome`: of its stream, None for a response that the caller passed."""
    if outcome is not None and outcome.name == "failed":
        return Verdict()
    if outcome is not None and outcome.name == "truncated":
        if clean.truncated == "as_sent":
            return Verdict()
        return Verdict(outcome.error, outcome.reason, clean.truncated == "raise")
    if clean.incomplete_calls not in ("error", "raise") or response is None:
        return Verdict()
    for choice in response.choices:
        if choice.finish_reason is None or (clean.choices is not None and choice.index >= clean.choices):
            continue
        for at in cut_off(choice):
            reason = f"the finish reason {str(choice.finish_reason)!r}"
            text = (
                f"tool call {at} of choice {choice.index} was cut off: {reason} arrived before its arguments were over"
            )
            error = TruncatedError(text, path=f"$.choices[{choice.index}].message.tool_calls[{at}]")
            error.partial, error.emitted = response, True
            return Verdict(error, "incomplete_call", clean.incomplete_calls == "raise")
    return Verdict()
