"""Sender habits that cannot be detected with certainty: opt-ins, off by default, as one `Dialect` value.

`Interpreter` applies a Dialect to chunks between `_decode/chunk_reader.py` and the reducer; the options about arguments
of tool calls are applied in `_fold`, which knows the call of each fragment. `suggest` examines the chunks of a recorded
stream and returns the Dialect that reads it best. Each habit has a recognisable shape:

    token_index          the choice index counts tokens (TGI wrote 0, 1, 2 ... for the tokens of its only choice)
    cumulative_text      every delta repeats all text so far, or all arguments of a call (DashScope, Apple's models, some
                         Gemini relays)
    doubled_arguments    a call's arguments are more than one document: `{}` first, or the whole again at the end (proxies
                         of Bedrock, Anthropic and Gemini)
    cumulative_logprobs  every chunk repeats the log probabilities so far (SGLang, for a while)
    choice_text          text is on the choice, where the old completions API has it (bridges from that API)
    think_tags           reasoning is in the content, between `<think>` and `</think>`

Cost: O(size of the chunk) a chunk; nothing for an empty Dialect, for which no Interpreter is created.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import attrs

from ._arguments import bool_field
from ._decode.chunk_reader import is_chunk, read_chunk
from ._decode.documents import DONE, DocumentReader
from ._decode.doubled_json import is_json, last_document
from ._field_docs import show_fields
from .anomalies import Anomalies, ignore
from .errors import LimitError, MisuseError
from .limits import DEFAULT_LIMITS
from .sse import EventDecoder
from .types import (
    ChatChoiceStream,
    ChatCompletionStreamResponseDelta,
    ChatCompletionTokenLogprob,
    CreateChatCompletionStreamResponse,
)

__all__ = ("DEFAULT_DIALECT", "Dialect", "suggest")

_OPEN, _CLOSE = "<think>", "</think>"
_TEXTS = ("reasoning_content", "reasoning")
_ENOUGH = 4  # deltas that must agree before a habit is suggested
_ENOUGH_ARGUMENTS = 3  # fewer for arguments, since together they must form a document
_LONG = 16  # characters of cumulative text before it counts: "ha", "haha" is a laugh


@attrs.frozen(kw_only=True)
class Dialect:
    """Habits of a sender that its bytes alone cannot prove; all off by default. `suggest` finds them in a recording."""

    token_index: bool = attrs.field(default=False, validator=bool_field)
    """The index of a choice counts tokens: everything belongs to choice 0."""
    cumulative_text: bool = attrs.field(default=False, validator=bool_field)
    """Each delta repeats the text so far and adds to it: only the new part is taken. Text that repeats nothing is
    appended. Applies to arguments of calls too."""
    cumulative_logprobs: bool = attrs.field(default=False, validator=bool_field)
    """Log probabilities repeat those so far and add to them: only the new ones are taken."""
    doubled_arguments: bool = attrs.field(default=False, validator=bool_field)
    """Arguments of calls may be several JSON documents, or be repeated as a whole at the end: the last whole document
    is taken. Their text is reported at the end of the choice, when it is known. Arguments that are one document are
    kept as sent."""
    choice_text: bool = attrs.field(default=False, validator=bool_field)
    """`text` on a choice is its content if the delta has none. (Together repeats the content of the delta there.)"""
    think_tags: bool = attrs.field(default=False, validator=bool_field)
    """`<think>`…`</think>` at the start of the content is reasoning: it is moved to `reasoning_content`."""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in attrs.fields(Dialect))


DEFAULT_DIALECT = Dialect()
"""No habit at all: what an accumulator reads by unless it is passed another."""


class Interpreter:
    """Rewrites the chunks of one stream by a `Dialect`: each habit has one method, applied in this order."""

    def __init__(self, dialect: Dialect) -> None:
        self._so_far: dict[tuple[int, str], SoFar] = {}
        self._tokens: dict[tuple[int, str], list[ChatCompletionTokenLogprob]] = {}
        self._tags: dict[int, ThinkTags] = {}
        habits = {
            "token_index": _without_index,
            "choice_text": _with_text,
            "cumulative_logprobs": self._without_known_tokens,
            "cumulative_text": self._without_known_text,
            "think_tags": self._without_tags,
        }
        self._habits = tuple(habit for name, habit in habits.items() if getattr(dialect, name))

    def read(self, chunk: CreateChatCompletionStreamResponse) -> CreateChatCompletionStreamResponse:
        """Return the chunk as the sender meant it."""
        choices = chunk.choices
        for habit in self._habits:
            choices = [habit(choice) for choice in choices]
        return attrs.evolve(chunk, choices=choices)

    def end(self) -> list[ChatChoiceStream]:
        """End the stream: return choices with the text held back for a tag that did not arrive."""
        held = []
        for index, tags in self._tags.items():
            content, reasoning = tags.end()
            if content or reasoning:
                held.append(ChatChoiceStream(index, _delta(content, reasoning)))
        return held

    def _without_known_tokens(self, choice: ChatChoiceStream) -> ChatChoiceStream:
        logprobs = choice.logprobs
        if logprobs is None:
            return choice
        content = self._new_tokens(choice.index, "content", logprobs.content)
        refusal = self._new_tokens(choice.index, "refusal", logprobs.refusal)
        return attrs.evolve(choice, logprobs=attrs.evolve(logprobs, content=content, refusal=refusal))

    def _without_known_text(self, choice: ChatChoiceStream) -> ChatChoiceStream:
        delta, index = choice.delta, choice.index
        function = delta.function_call
        if function is not None and function.arguments:
            function = attrs.evolve(function, arguments=self._new_text(index, "function_call", function.arguments))
        extra = {
            name: self._new_text(index, name, value) if name in _TEXTS else value for name, value in delta.extra.items()
        }
        content = self._new_text(index, "content", delta.content)
        return attrs.evolve(choice, delta=attrs.evolve(delta, content=content, function_call=function, extra=extra))

    def _without_tags(self, choice: ChatChoiceStream) -> ChatChoiceStream:
        delta, finished = choice.delta, choice.finish_reason is not None
        if not (delta.content or finished):
            return choice
        tags = self._tags.setdefault(choice.index, ThinkTags())
        content, reasoning = tags.split(delta.content or "")
        if finished:
            more = tags.end()
            content, reasoning = content + more[0], reasoning + more[1]
        extra = dict(delta.extra)
        if reasoning and not any(extra.get(name) for name in _TEXTS):
            extra["reasoning_content"] = reasoning
        text = content if delta.content is not None or content else None
        return attrs.evolve(choice, delta=attrs.evolve(delta, content=text, extra=extra))

    def _new_text(self, index: int, field: str, text: Any) -> Any:
        """Return what `text` adds to the text so far: all of it if it does not repeat that text."""
        if not text or not isinstance(text, str):
            return text
        return self._so_far.setdefault((index, field), SoFar()).new_in(text)

    def _new_tokens(
        self, index: int, field: str, tokens: list[ChatCompletionTokenLogprob] | None
    ) -> list[ChatCompletionTokenLogprob] | None:
        """Return what `tokens` add to the tokens so far: all of them if they do not repeat those."""
        if not tokens:
            return tokens
        so_far = self._tokens.setdefault((index, field), [])
        if tokens[: len(so_far)] == so_far:
            tokens = tokens[len(so_far) :]
        so_far += tokens
        return tokens


def _without_index(choice: ChatChoiceStream) -> ChatChoiceStream:
    return attrs.evolve(choice, index=0)


def _with_text(choice: ChatChoiceStream) -> ChatChoiceStream:
    text = choice.extra.get("text")
    if not isinstance(text, str) or choice.delta.content:
        return choice
    extra = {name: value for name, value in choice.extra.items() if name != "text"}
    return attrs.evolve(choice, delta=attrs.evolve(choice.delta, content=text), extra=extra)


def _delta(content: str, reasoning: str) -> ChatCompletionStreamResponseDelta:
    return ChatCompletionStreamResponseDelta(
        content or None, extra={"reasoning_content": reasoning} if reasoning else {}
    )


class SoFar:
    """The text so far, joined only if a new text begins like it: text that repeats nothing costs its length."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def new_in(self, text: str) -> str:
        """Return what `text` adds if it begins with the text so far, or else all of it, as a further piece."""
        if self._pieces and self._begins(text):
            if len(text) >= self._length:
                self._pieces = ["".join(self._pieces)]
                text = text[self._length :]
            elif len(text) >= _LONG:
                return ""  # an older state, repeated
        self._pieces.append(text)
        self._length += len(text)
        return text

    def _begins(self, text: str) -> bool:
        """Return True if one of `text` and the text so far begins with the other. Costs at most the length of `text`:
        each piece is compared in place, since a join for each text that is an older state would cost the whole text so
        far."""
        at = 0
        for piece in self._pieces:
            if at >= len(text):
                break
            if not text.startswith(piece if at + len(piece) <= len(text) else piece[: len(text) - at], at):
                return False
            at += len(piece)
        return True


class ThinkTags:
    """Splits content that arrives in pieces at `<think>` and `</think>`; a tag may be cut anywhere."""

    def __init__(self) -> None:
        self._held = ""  # possibly the beginning of a tag
        self._blank: list[str] = []  # whitespace before it, not scanned again with each piece
        self._tag = _OPEN  # the tag to look for; empty once reasoning has ended or can no longer begin
        self._thinking = False

    def split(self, text: str) -> tuple[str, str]:
        """Return (content, reasoning) in `text` and in the text held back."""
        text, self._held = self._held + text, ""
        if not self._tag:
            return text, ""
        if not self._thinking:
            start = text.lstrip()
            if not start.startswith(_OPEN):
                if _OPEN.startswith(start):
                    self._blank.append(text[: len(text) - len(start)])
                    self._held = start
                    return "", ""
                self._tag = ""  # the content began without it: a later tag is content
                return self._blanks() + text, ""
            self._thinking, self._tag = True, _CLOSE
            self._blank.clear()
            text = start[len(_OPEN) :]
        at = text.find(_CLOSE)
        if at >= 0:
            self._thinking, self._tag = False, ""
            return text[at + len(_CLOSE) :], text[:at]
        keep = next((n for n in range(len(_CLOSE) - 1, 0, -1) if text.endswith(_CLOSE[:n])), 0)
        self._held = text[len(text) - keep :]
        return "", text[: len(text) - keep]

    def end(self) -> tuple[str, str]:
        """Return (content, reasoning) in the text held back."""
        held, self._held = self._blanks() + self._held, ""
        return ("", held) if self._thinking else (held, "")

    def _blanks(self) -> str:
        blanks = "".join(self._blank)
        self._blank.clear()
        return blanks


def suggest(stream: bytes | bytearray | memoryview | Iterable[CreateChatCompletionStreamResponse]) -> Dialect:
    """Return the Dialect that reads a recorded stream best. It is a suggestion: check the stream before you use it.

    `stream`: the bytes of its body, or its chunks. A habit is suggested on clear evidence only: several deltas in a row
    of its shape, and none against it. Raises `MisuseError` for a str or anything else that does not contain chunks.
    """
    if isinstance(stream, (bytes, bytearray, memoryview)):
        chunks: Iterable[CreateChatCompletionStreamResponse] = _chunks_in(bytes(stream))
    elif isinstance(stream, Iterable) and not isinstance(stream, (str, Mapping)):
        chunks = map(_checked, stream)
    else:
        raise MisuseError(f"suggest() takes the bytes of a stream, or its chunks, not {type(stream).__name__}")
    evidence = _Evidence()
    for chunk in chunks:
        evidence.add(chunk)
    return evidence.dialect()


class _Evidence:
    """The evidence for habits in the chunks of a recorded stream."""

    def __init__(self) -> None:
        self._indices: list[int] = []
        self._texts: dict[int, list[str]] = {}
        self._aside = 0  # choices with `text`, whose delta has none
        self._old = False  # a chunk declares itself an object of the old completions API
        self._tokens: dict[int, list[list[Any]]] = {}
        self._arguments = _ArgumentPieces()
        self._single = True  # no chunk had several choices

    def add(self, chunk: CreateChatCompletionStreamResponse) -> None:
        self._single = self._single and len(chunk.choices) <= 1
        self._old = self._old or chunk.object == "text_completion"
        for choice in chunk.choices:
            self._indices.append(choice.index)
            if choice.delta.content:
                self._texts.setdefault(choice.index, []).append(choice.delta.content)
            elif isinstance(choice.extra.get("text"), str):
                self._aside += bool(choice.extra["text"])
            self._arguments.add(choice)
            if choice.logprobs is not None and choice.logprobs.content:
                self._tokens.setdefault(choice.index, []).append(choice.logprobs.content)

    def dialect(self) -> Dialect:
        texts = self._texts.values()
        counting = self._single and len(self._indices) >= _ENOUGH and _counts(self._indices)
        growing, doubled = False, []
        for call in self._arguments.calls:
            if _grows_to_a_document(call.pieces):
                growing = True
            else:
                doubled.append("".join(call.pieces))
        begun = ["".join(pieces) for pieces in texts]
        if counting:  # the text of one choice, token by token
            begun.append("".join(begun))
        return Dialect(
            token_index=counting,
            cumulative_text=any(map(_grows, texts)) or growing,
            cumulative_logprobs=any(map(_repeats, self._tokens.values())),
            doubled_arguments=any(last_document(one) is not None for one in doubled),
            choice_text=self._aside >= (1 if self._old else _ENOUGH) and not texts,
            think_tags=any(text.lstrip().startswith(_OPEN) for text in begun),
        )


def _checked(chunk: Any) -> CreateChatCompletionStreamResponse:
    if not isinstance(chunk, CreateChatCompletionStreamResponse):
        hint = ": join the blocks of a stream, b''.join(blocks)" if isinstance(chunk, (bytes, int)) else ""
        raise MisuseError(
            f"suggest() takes chunks, CreateChatCompletionStreamResponse, not {type(chunk).__name__}{hint}"
        )
    return chunk


def _chunks_in(data: bytes) -> Iterator[CreateChatCompletionStreamResponse]:
    """Return the chunks of a body. Anomalies are ignored (see `Accumulator.anomalies`); it stops where the body is
    unreadable."""
    decoder = EventDecoder(max_event_bytes=max(len(data), 1))
    documents = DocumentReader(Anomalies(maximum=1), DEFAULT_LIMITS.max_event_values)
    last = None
    try:
        events = decoder.feed(data)
        last = decoder.close()
        for event in events if last is None else [*events, last]:
            for document in documents.read(event):
                if document == DONE:
                    return
                for value in document if isinstance(document, list) else [document]:
                    if isinstance(value, dict) and is_chunk(value):
                        yield read_chunk(value, ignore)
    except LimitError:
        return


def _counts(indices: list[int]) -> bool:
    """Return True if the indices go up by one; the last chunks of a stream may repeat one."""
    steps = [b - a for a, b in pairwise(indices)]
    return max(indices) >= _ENOUGH - 1 and all(step in (0, 1) for step in steps) and steps.count(0) <= 2


def _grows(pieces: list[str]) -> bool:
    """Return True if each piece repeats the one before, and most add to it."""
    return (
        len(set(pieces)) >= _ENOUGH
        and len(pieces[-1]) >= _LONG
        and all(later.startswith(earlier) for earlier, later in pairwise(pieces))
    )


@attrs.define
class _Arguments:
    """The pieces of the arguments of one recorded call."""

    id: str
    name: str
    pieces: list[str] = attrs.Factory(list)


class _ArgumentPieces:
    """The pieces of arguments of each call of a recorded stream. The call of a piece is taken from index, id and name,
    as far as these are clear; `_fold/tool_calls.py`, which knows better, is on a higher level."""

    def __init__(self) -> None:
        self.calls: list[_Arguments] = []
        self._last: dict[tuple[int, int | None], _Arguments] = {}  # by choice and index; None: the last of the choice

    def add(self, choice: ChatChoiceStream) -> None:
        """Add one choice of a chunk."""
        function = choice.delta.function_call
        if function is not None and function.arguments:
            self._piece((choice.index, -1), "", "", function.arguments)
        for fragment in choice.delta.tool_calls or ():
            inner = fragment.function
            name, piece = (inner.name, inner.arguments) if inner is not None else ("", "")
            self._piece((choice.index, fragment.index), fragment.id or "", name or "", piece or "")

    def _piece(self, place: tuple[int, int | None], id: str, name: str, piece: str) -> None:
        call = self._last.get(place)
        begins = (id and id != getattr(call, "id", "")) or (
            name and not id and (place[1] is None or name != getattr(call, "name", ""))
        )
        if call is None or begins:
            call = _Arguments(id, name)
            self.calls.append(call)
        self._last[place] = self._last[place[0], None] = call
        if piece:
            call.pieces.append(piece)


def _grows_to_a_document(pieces: list[str]) -> bool:
    """Return True if each piece of arguments repeats the one before, and the last is a whole document."""
    pieces = [piece for piece, before in zip(pieces, ["", *pieces], strict=False) if piece != before]
    return (
        len(pieces) >= _ENOUGH_ARGUMENTS
        and all(later.startswith(earlier) for earlier, later in pairwise(pieces))
        and is_json(pieces[-1])
        and not is_json("".join(pieces))
    )


def _repeats(lists: list[list[Any]]) -> bool:
    """Return True if each list repeats the one before, and most add to it."""
    return len({len(one) for one in lists}) >= _ENOUGH and all(
        later[: len(earlier)] == earlier for earlier, later in pairwise(lists)
    )


show_fields(__name__)
