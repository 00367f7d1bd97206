"""A dirty stream as the chunks of a clean one, each a plain dict, while it runs. No I/O.

In: blocks or chunks, as a sender writes them. Out: for each of them what it adds, as chunks that OpenAI could have
written. It reads with an `Accumulator`, and passes on what each chunk means: repaired by `_decode/chunk_reader.py`, tool calls
routed by `_fold/tool_calls.py`. What only the accumulator can tell (what a full message adds to its deltas, what it made of half a character)
is looked up in its response. Cost: O(what the chunk carries) a chunk, one snapshot at the end; it keeps no text.

Rule 1  What a block says leaves with that block: text, fragments, log probabilities, unknown fields where they stood.
Rule 2  Said once: the role first, a call's id and name at its head, the first id and model of the stream in every chunk.
        A head waits for its id until arguments come; one that has come to none by then gets the one that is made up.
Rule 3  What only the end can tell is said at the end: a finish reason (senders write it in every chunk, or go on behind
        it), then the usage (a ledger), then the error. A stream that broke off behind a finish reason that it went on
        from is not given that reason: it would look complete.
Rule 4  Under the name of a known field stands that field or nothing: what the tolerant reader could make nothing of, and
        kept in `extra`, stays behind. So does what has a place of its own at the end: an error, usage on a choice.

What the clean stream comes to is the response of the dirty one, but for rules 3 and 4, for what was said before it was
known (a call's id or type that came behind its arguments, or changed; a role that came behind the first chunk), for
unknown fields in a chunk that broke a limit, and for half a character in one that is cut in two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar

from .._arguments import check_kind
from .._decode.chunk_reader import read_delta
from .._decode.tolerant_json import pair, scrub
from .._fold.field_rules import First
from .._fold.fields import Context
from .._fold.reducer import is_beside, says
from .._fold.tool_calls import CallTable
from ..accumulator import Accumulator
from ..anomalies import ignore
from ..codec import unstructure
from ..dialect import Dialect, Interpreter
from ..errors import LimitError, RemoteError, StreamError
from ..events import KeepAlive
from ..limits import Limits
from ..outcome import Outcome
from ..rules import REASONING, RULES
from ..types import (
    ChatChoice,
    ChatChoiceLogprobs,
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FunctionCallStream,
    Role,
)
from .chunk_dict import (
    KEEP_ALIVE,
    OF_CHOICE,
    OF_CHUNK,
    OF_DELTA,
    OF_LOGPROBS,
    UNLIMITED,
    ChunkDict,
    choice_dict,
)
from .clean import DEFAULT_CLEAN, Clean
from .response_writer import fragments, reasoning
from .shaping import Verdict, shaper_of, verdict_on
from .splitting import Cut, Spread, pieces_of, with_tokens

__all__ = ("StreamWriter", "failure")

_IN_A_CHUNK = ("max_choices", "max_tool_calls", "max_nesting")  # limits that are met while a chunk is folded


class _Passing:
    """A text that is passed on piece by piece: how much of it there was, and half a character that waits."""

    __slots__ = ("held", "length")

    takes: ClassVar[type] = str

    def __init__(self) -> None:
        self.length = 0
        self.held = ""

    def add(self, text: str) -> str:
        """What can be said now, as `_fold/fields.Text` has it: half a surrogate pair waits for its other half."""
        if self.held or not text.isascii():
            text, self.held = pair(self.held + text), ""
            if "\ud800" <= text[-1:] <= "\udbff":
                text, self.held = text[:-1], text[-1]
            text = scrub(text)
        self.length += len(text)
        return text

    def rest(self, whole: str) -> str:
        """What `whole`, all of the text so far, has beyond what was said."""
        rest = whole[self.length :]
        if rest:
            self.length, self.held = len(whole), ""
        return rest

    def value(self) -> str:
        """Nothing is kept."""
        return ""


class _Head:
    """What was said of a tool call."""

    __slots__ = ("name", "said", "text", "waiting")

    def __init__(self) -> None:
        self.said = False
        self.name = ""
        self.text = _Passing()
        self.waiting: list[ChunkDict] = []  # unknown fields that came before the head could be said


class _Choice:
    """What was said of a choice."""

    __slots__ = ("adrift", "calls", "finished", "heads", "seen", "table", "texts", "told", "went_on")

    def __init__(self, context: Context, index: int) -> None:
        self.texts: dict[str, _Passing] = {}
        self.seen: set[str] = set()  # fields of the delta that were said at all, be it as null
        self.told: set[str] = set()  # those that were said with a value
        self.table = CallTable(context, index)
        self.calls: list[_Head] = []
        self.heads = 0  # how many of them have been said
        self.adrift = False  # whether a full message had further calls: where fragments belong, the response says
        self.finished = False  # whether a finish reason has come
        self.went_on = False  # whether something came behind it, and no finish reason since

    def text(self, name: str) -> _Passing:
        return self.texts.setdefault(name, _Passing())

    def head(self, position: int) -> _Head:
        while len(self.calls) <= position:
            self.calls.append(_Head())
        return self.calls[position]


class StreamWriter:
    """feed(block) or add(chunk) -> chunk dicts, then close() -> chunk dicts. `ended`: whether the last ones were returned."""

    def __init__(
        self, *, limits: Limits, dialect: Dialect, cut: Cut | None, logprobs: Spread, clean: Clean = DEFAULT_CLEAN
    ) -> None:
        check_kind("clean=", clean, Clean)
        self._clean, self._shaper = clean, shaper_of(clean)
        self.verdict = Verdict()  # how the clean stream ends, beyond what its sender said
        self._last = 0  # how many chunks there were before those of the end
        self.accumulator = Accumulator(limits=limits, dialect=dialect)
        self.accumulator.tap(self._tapped)
        self.ended = False
        self._interpreter = Interpreter(dialect) if dialect else None  # what is tapped is what the sender wrote
        self._cut = cut
        self._logprobs = logprobs
        self._pending: CreateChatCompletionStreamResponse | None = None  # the chunk that is being folded
        self._out: list[ChunkDict] = []
        self._before = 0  # how many of them there were before the piece that is being read
        self._head: ChunkDict = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._response: CreateChatCompletionResponse | None = None  # when all has come
        self._said: ChunkDict | None = None  # the head of the last chunk
        self._groq = False  # whether there is usage in `x_groq`: it stands beside the usage then, at the end
        self._choices: dict[int, _Choice] = {}
        self._context = Context(RULES, UNLIMITED, ignore)
        self._context.id = First()

    def feed(self, block: bytes | bytearray | memoryview) -> list[ChunkDict]:
        """What the next bytes say; the ending too, if they say that."""
        for piece in _at_events(block):
            self._came(self.accumulator.feed(piece))
        return self._given()

    def add(self, chunk: Any) -> list[ChunkDict]:
        """What a chunk says that somebody else decoded."""
        self._came(self.accumulator.add(chunk))
        return self._given()

    def close(self) -> list[ChunkDict]:
        """Nothing more will come: what is said at the end. Nothing, if that was said before."""
        self.accumulator.close()
        self._came([])
        return self._given()

    def _came(self, events: list[Any]) -> None:
        self._out[self._before : self._before] = [KEEP_ALIVE for one in events if type(one) is KeepAlive]
        outcome = self.accumulator.outcome
        if outcome is not None and isinstance(outcome.error, LimitError) and outcome.error.limit in _IN_A_CHUNK:
            self._pending = None  # what broke a limit does not go on; what of it was still read is looked up
        self._settle()
        if outcome is not None and not self.ended:
            self.ended, self._last = True, len(self._out)
            self._end(outcome)
        self._before = len(self._out)

    def _given(self) -> list[ChunkDict]:
        out, self._out, self._before = self._out, [], 0
        if self._shaper is None:
            return out
        if not self.ended:
            return list(self._shaper.shape(out))
        at, self._last = self._last, len(out)
        before = list(self._shaper.shape(out[:at]))
        self._shaper.know(self._response)
        return [*before, *self._shaper.release(), *self._shaper.shape(out[at:])]

    # --- one chunk

    def _tapped(self, chunk: CreateChatCompletionStreamResponse) -> None:
        """The accumulator takes a chunk; the one before it has been folded then."""
        self._settle()
        self._pending = chunk if self._interpreter is None else self._interpreter.read(chunk)

    def _settle(self) -> None:
        chunk, self._pending = self._pending, None
        if chunk is None:
            return
        self._context.id.add(chunk.id)
        head = self._head
        head["id"], head["created"] = head["id"] or scrub(chunk.id), head["created"] or chunk.created
        head["model"] = head["model"] or scrub(chunk.model)
        for name in ("service_tier", "system_fingerprint"):
            if (value := getattr(chunk, name)) is not None:
                head[name] = unstructure(value)
        beside = {
            name: value
            for name, value in chunk.extra.items()
            if name not in OF_CHUNK and not _has_its_place(name, value)
        }
        if isinstance(groq := beside.get("x_groq"), dict) and _has_its_place("usage", groq.get("usage")):
            self._groq = True
            if len(groq) > 1:
                beside["x_groq"] = {name: value for name, value in groq.items() if name != "usage"}
            else:
                del beside["x_groq"]
        for choice in chunk.choices:
            for part in self._choice(choice):
                self._say([part], beside)
                beside = {}
        if beside:
            # Beside a choice, if it stood beside one: without any, `error_type` would be an error.
            empty: ChunkDict = {"delta": {}, "logprobs": None, "finish_reason": None}
            self._say([{"index": choice.index, **empty} for choice in chunk.choices[:1]], beside)

    def _say(self, choices: list[ChunkDict], beside: ChunkDict) -> None:
        self._said = dict(self._head)
        self._out.append({**self._said, "choices": choices, **beside})

    def _choice(self, choice: ChatChoiceStream) -> Iterator[ChunkDict]:
        """What a chunk says of one choice, as the choices of clean chunks."""
        message = choice.extra.get("message")
        message = read_delta(message, "$", ignore) if isinstance(message, dict) else None
        finish, index, logprobs = choice.finish_reason, choice.index, choice.logprobs
        state = self._choices.get(index)
        role: ChunkDict = {}
        if state is None:
            state = self._choices[index] = _Choice(self._context, index)
            role = _role(choice.delta, message, state)
        beside = {
            name: value
            for name, value in choice.extra.items()
            if name not in OF_CHOICE and name != "message" and not _has_its_place(name, value)
        }
        if state.finished and says(choice.delta):
            state.went_on = True
        parts = self._delta(state, choice.delta, logprobs)
        if message is not None and finish is None and not is_beside(choice.delta):
            parts = [*parts, *self._delta(state, message, None)]
        if finish is not None:
            state.finished, state.went_on = True, False
        if state.adrift or (finish is not None and (message is not None or _holds(state))):
            parts = [*parts, *self._looked_up(state, index)]
        if role:
            if parts and parts[0][1] is None and not any(parts[0][0].values()):
                role = {**parts.pop(0)[0], **role}  # nothing but nulls: an empty chunk of their own is not for them
            parts = [(role, None), *parts]
        elif beside and not parts:
            parts = [({}, None)]
        for delta, part in parts:
            yield {**choice_dict(index, delta, part), **beside}
            beside = {}

    def _delta(
        self, state: _Choice, delta: ChatCompletionStreamResponseDelta, logprobs: ChatChoiceLogprobs | None
    ) -> list[tuple[ChunkDict, ChunkDict | None]]:
        fields: ChunkDict = {}
        for name, value in delta.extra.items():
            if name == "audio" and isinstance(value, dict):
                if isinstance(text := value.get("transcript"), str):
                    value = {**value, "transcript": state.text("transcript").add(text)}
            elif name in OF_DELTA:
                continue
            elif name in REASONING and isinstance(value, str):
                value = state.text(name).add(value)
            state.seen.add(name)
            if value is not None:
                state.told.add(name)
            fields[name] = value
        for name in ("content", "refusal"):
            said = getattr(delta, name)
            if said is not None:
                text = state.text(name).add(said)
                if text or name not in state.seen:
                    fields[name] = text
                state.seen.add(name)
        parts = self._pieces(fields, logprobs)
        if delta.function_call is not None:
            parts += [({"function_call": one}, None) for one in self._function_call(state, delta.function_call)]
        if not state.adrift:
            for fragment in delta.tool_calls or ():
                parts += [({"tool_calls": [one]}, None) for one in self._fragments(state, fragment)]
        return parts

    def _pieces(
        self, fields: ChunkDict, logprobs: ChatChoiceLogprobs | None
    ) -> list[tuple[ChunkDict, ChunkDict | None]]:
        """The fields of a delta in one chunk, or, where text is to be cut, in several."""
        known = None if logprobs is None else _logprobs(logprobs)
        if self._cut is None:
            return [(fields, known)] if fields or known is not None else []
        rest = dict(fields)
        parts: list[tuple[ChunkDict, ChunkDict | None]] = [(one, None) for one in reasoning(rest, self._cut)]
        for name in ("content", "refusal"):
            tokens = (getattr(logprobs, name) or []) if logprobs is not None else []
            for piece, some in with_tokens(rest.get(name) or "", tokens, self._cut, self._logprobs):
                said = {name: unstructure(some)} if some else None
                parts.append(({name: piece} if piece else {}, said))
                if piece:
                    rest.pop(name, None)
        if known is not None:
            known = {name: value if name not in OF_LOGPROBS or not value else [] for name, value in known.items()}
        if rest or known is not None:
            parts.insert(0, (rest, known))
        return parts

    # --- calls

    def _fragments(self, state: _Choice, fragment: ChatCompletionMessageToolCallChunk) -> Iterator[ChunkDict]:
        """A fragment, as the fragments of clean chunks."""
        call, piece = state.table.add(fragment)
        if call is None:
            return
        known = len(state.calls)
        head = state.head(call.position)
        if call.position >= known:  # the text of its arguments is kept once, by the accumulator
            head.text.length, head.text.held = len(piece), getattr(call.arguments, "held", "")
            call.arguments = head.text
        kind, field = ("custom", "input") if call.custom else ("function", "arguments")
        beside = _beside(fragment, kind)
        if not head.said:
            if not (piece or (call.name and not call.synthetic_id)):
                if beside:
                    head.waiting.append(beside)
                return
            yield from self._heads(state, call.position)
        elif call.name != head.name and call.name.startswith(head.name):
            beside[kind] = {"name": call.name[len(head.name) :], **beside.get(kind, {})}
            head.name = call.name
        if beside:
            yield {"index": call.position, **beside}
        for text in pieces_of(piece, self._cut):
            yield {"index": call.position, kind: {field: text}}

    def _heads(self, state: _Choice, position: int) -> Iterator[ChunkDict]:
        """The head of the call at `position`, and those before it that waited: calls are listed as they first appear."""
        for at in range(state.heads, position + 1):
            call, head = state.table.calls[at], state.head(at)
            head.said, head.name = True, call.name
            kind, what = ("custom", "custom") if call.custom else ("function", call.type or "function")
            field = "input" if call.custom else "arguments"
            yield {"index": at, "id": call.id, "type": what, kind: {"name": call.name, field: ""}}
            for one in head.waiting:
                yield {"index": at, **one}
            head.waiting.clear()
        state.heads = position + 1

    def _function_call(self, state: _Choice, function: FunctionCallStream) -> Iterator[ChunkDict]:
        """A piece of a legacy `function_call`; its name is said once, as soon as there is one."""
        first, named = "function_call" not in state.seen, "function_name" in state.told
        state.seen.add("function_call")
        beside = {name: value for name, value in function.extra.items() if name not in ("name", "arguments")}
        if function.name and not named:
            state.told.add("function_name")
        said: ChunkDict = (
            {"name": scrub(function.name)} if function.name and not named else {"name": ""} if first else {}
        )
        if said or beside:
            yield {**said, **({"arguments": ""} if first else {}), **beside}
        if function.arguments:
            for text in pieces_of(state.text("function_call").add(function.arguments), self._cut):
                yield {"arguments": text}

    # --- what the accumulator knows better

    def _looked_up(self, state: _Choice, index: int) -> list[tuple[ChunkDict, ChunkDict | None]]:
        """What the response has of a choice beyond what was said of it. Costs a snapshot."""
        response = self.accumulator.snapshot()
        found = next((one for one in response.choices if one.index == index), None) if response is not None else None
        return [] if found is None else [(delta, None) for delta in self._missing(state, found)]

    def _missing(self, state: _Choice, choice: ChatChoice) -> Iterator[ChunkDict]:
        message = choice.message
        for name, value in message.extra.items():
            if name in OF_DELTA:
                continue
            if name in REASONING and isinstance(value, str):
                if (rest := state.text(name).rest(value)) or name not in state.seen:
                    yield {name: rest}
            elif name not in (state.seen if value is None else state.told):
                yield {name: unstructure(value)}
            state.seen.add(name)
            if value is not None:
                state.told.add(name)
        for name in ("content", "refusal"):
            text = getattr(message, name)
            if text is not None and ((rest := state.text(name).rest(text)) or name not in state.seen):
                state.seen.add(name)
                yield {name: rest}
        if (audio := message.audio) is not None:
            rest = state.text("transcript").rest(audio.transcript)
            if "audio" not in state.told:
                state.told.add("audio")
                yield {"audio": unstructure(audio)}
            elif rest:
                yield {"audio": {"transcript": rest}}
        if (function := message.function_call) is not None:
            rest = state.text("function_call").rest(function.arguments)
            if "function_call" not in state.seen:
                state.seen.add("function_call")
                state.told.add("function_name")
                yield {"function_call": unstructure(function)}
            elif rest:
                yield {"function_call": {"arguments": rest}}
        for position, call in enumerate(message.tool_calls or ()):
            state.adrift = state.adrift or position >= len(state.table.calls)
            for fragment in self._missing_call(state.head(position), call):
                yield {"tool_calls": [{"index": position, **fragment}]}
            state.heads = max(state.heads, position + 1)

    def _missing_call(self, head: _Head, call: Any) -> Iterator[ChunkDict]:
        kind, field = ("custom", "input") if hasattr(call, "custom") else ("function", "arguments")
        inner = getattr(call, kind)
        rest = head.text.rest(getattr(inner, field))
        if not head.said:
            head.said, head.name = True, inner.name
            head.waiting.clear()
            first = next(fragments(call, None))
            yield {name: value for name, value in first.items() if name == kind or name not in ("function", "custom")}
        elif inner.name != head.name and inner.name.startswith(head.name):
            yield {kind: {"name": inner.name[len(head.name) :]}}
            head.name = inner.name
        if rest:
            yield {kind: {field: rest}}

    # --- the end

    def _end(self, outcome: Outcome) -> None:
        self._response = response = self.accumulator.snapshot()
        if response is not None:
            for choice in response.choices:
                state = self._choices.get(choice.index)
                if state is None:
                    state = self._choices[choice.index] = _Choice(self._context, choice.index)
                    said: ChunkDict = {"role": unstructure(choice.message.role), "content": None}
                    self._say([choice_dict(choice.index, said)], {})
                for delta in self._missing(state, choice):
                    self._say([choice_dict(choice.index, delta)], {})
            for choice in self._finished(response, outcome):
                said = choice_dict(choice.index, {})
                self._say([{**said, "finish_reason": unstructure(choice.finish_reason)}], {})
            if response.usage is not None:
                groq = response.extra.get("x_groq") if self._groq else None
                beside = {"x_groq": unstructure(groq)} if isinstance(groq, dict) else {}
                self._say([], {"usage": unstructure(response.usage), **beside})
            elif self._said != self._head:
                self._say([], {})
        if outcome.name == "failed":
            self._out.append(failure(outcome.error, outcome.reason))
        self.verdict = verdict_on(self._clean, response, outcome)
        if self.verdict.error is not None and not self.verdict.raises:
            self._out.append(failure(self.verdict.error, self.verdict.code))

    def _finished(self, response: CreateChatCompletionResponse, outcome: Outcome) -> list[ChatChoice]:
        """The choices whose finish reason is to be said."""
        found = [choice for choice in response.choices if choice.finish_reason is not None]
        if outcome.name not in ("truncated", "cancelled") or len(found) < len(response.choices):
            return found
        kept = [choice for choice in found if not self._choices[choice.index].went_on]
        return kept if len(kept) < len(found) else []


def failure(error: StreamError | None, code: str) -> ChunkDict:
    """Return what a stream failed with, as the JSON of an error event: as the sender wrote it, or else in our words."""
    if isinstance(error, RemoteError):
        facts: ChunkDict = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    else:
        message = code if error is None else error.message
        facts = {"message": message, "type": "stream_error", "param": None, "code": code}
    return {"error": facts}


def _role(
    delta: ChatCompletionStreamResponseDelta, message: ChatCompletionStreamResponseDelta | None, state: _Choice
) -> ChunkDict:
    """The delta of the first chunk of a choice. That content is null can be said as long as none has come."""
    role = delta.role or (None if message is None else message.role) or Role.ASSISTANT
    told = [
        name for name in ("content", "refusal") if any(getattr(one, name, None) is not None for one in (delta, message))
    ]
    state.seen.update(told)
    return {"role": unstructure(role), "content": None, **dict.fromkeys(told, "")}


def _has_its_place(name: str, value: Any) -> bool:
    """Whether an unknown field is what is said at the end, where it belongs."""
    return bool(value) and (name == "error" or (name == "usage" and isinstance(value, dict)))


def _holds(state: _Choice) -> bool:
    """Whether half a character waits, which the finish of its choice may have settled."""
    return any(text.held for text in state.texts.values()) or any(call.text.held for call in state.calls)


def _logprobs(said: ChatChoiceLogprobs) -> ChunkDict:
    extra = {name: value for name, value in said.extra.items() if name not in OF_LOGPROBS}
    return {"content": unstructure(said.content), "refusal": unstructure(said.refusal), **extra}


def _beside(fragment: ChatCompletionMessageToolCallChunk, kind: str) -> ChunkDict:
    """The unknown fields of a fragment, where they stood."""
    beside = {name: value for name, value in fragment.extra.items() if name not in ("function", "custom")}
    inner = dict(fragment.function.extra) if fragment.function is not None else {}
    if isinstance(custom := fragment.extra.get("custom"), dict):
        inner |= {name: value for name, value in custom.items() if name not in ("name", "input")}
    known = ("name", "input" if kind == "custom" else "arguments")
    inner = {name: value for name, value in inner.items() if name not in known}
    return {**beside, kind: inner} if inner else beside


def _at_events(block: Any) -> list[Any]:
    """A block in pieces that each give keep-alives, then chunks: so the one before `: ping` is said before it.

    An event is such a piece, with the comments in it. A block may begin with the line ends that end one, a comment behind
    them. Where lines end with CR, each is a piece. What is no block is for the accumulator to refuse.
    """
    if isinstance(block, (bytearray, memoryview)):
        with suppress(ValueError):  # a memoryview that was released
            block = bytes(block)
    if not isinstance(block, bytes) or not block:
        return [block]
    if b"\r" in block:
        return block.splitlines(keepends=True)
    *whole, last = (rest := block.lstrip(b"\n")).split(b"\n\n")
    return [one for one in (block[: len(block) - len(rest)], *(piece + b"\n\n" for piece in whole), last) if one]
