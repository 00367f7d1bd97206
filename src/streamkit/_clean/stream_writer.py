"""A dirty stream as the chunks of a clean one while it runs: the sink that writes chunks. No I/O.

In: blocks or chunks, as a sender writes them. Out: for each of them what it adds, as chunk dicts that OpenAI could have
written. An `Accumulator` folds them once, fast lane included, and hands over what is new, piece by piece (`_fold/pieces.py`);
here each piece is written. Cost: O(what the chunk carries) a chunk, one snapshot at the end; it keeps no text but that of
calls which have to wait.

Rule 1  What a block says is returned with that block: text, log probabilities, unknown fields in their place. Calls are
        written one after the other (`call_writer`), so that one may have to wait for another.
Rule 2  Said once: the role first (`assistant` where no chunk has one), the first id and model of the stream in every
        chunk, an unknown field again only where that changes something.
Rule 3  What is known only at the end is said at the end: a finish reason (senders repeat it, or continue after it),
        a list of objects that are not numbered, which no SDK can join, then the usage (a ledger), then the error. A stream
        that continued after a finish reason and then broke off is written without it: it would look complete.
Rule 4  The name of a known field has that field or nothing: what the tolerant reader could make nothing of, and kept in
        `extra`, is left out. So is what has its own place at the end: an error, usage on a choice.
Rule 5  A block means what it means whatever else was read with it: only values of pieces are written, never what the
        accumulator knows by then.

The clean stream makes the response of the dirty one, but for rules 3 and 4, for an id that appears twice in a choice,
for what was written before it was known (a call's type, a role that arrived after the first chunk), and for unknown fields
in a chunk that broke a limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from .. import events as ev
from .._arguments import check_kind
from .._decode.logprobs_reader import written
from .._decode.tolerant_json import scrub
from .._fold.pieces import Field, Fragment, Function, Head, LogprobsPiece, Over
from ..accumulator import Accumulator, hand_over_pieces
from ..codec import unstructure
from ..dialect import Dialect
from ..errors import RemoteError, StreamError
from ..limits import Limits
from ..outcome import Outcome
from ..types import (
    ChatChoice,
    ChatChoiceLogprobs,
    ChatCompletionTokenLogprob,
    CompletionUsage,
    CreateChatCompletionResponse,
    Role,
)
from ..types._base import wire_names
from .call_writer import CallWriter
from .chunk_dict import KEEP_ALIVE, OF_CHOICE, OF_CHUNK, OF_DELTA, OF_LOGPROBS, ChunkDict, choice_dict, event_of
from .clean import DEFAULT_CLEAN, Clean
from .response_writer import fragments, reasoning
from .shaping import Verdict, shaper_of, verdict_on
from .splitting import Cut, Spread, pieces_of, with_tokens

__all__ = ("StreamWriter", "failure")

_MARK = "\ue000 streamkit: a value is here \ue000"
_encoded = encode_basestring  # the way in which `dumps` writes a text
_MOST_FRAMES = 256  # of the fast lane's templates, kept ready


class _Choice:
    """What was said of a choice, and what one chunk says of it until that is over."""

    __slots__ = (
        "beside", "calls", "fields", "held", "index", "later", "logprobs", "named", "opens", "parts", "role", "seen", "told", "touched",
    )  # fmt: skip

    def __init__(self, index: int, cut: Cut | None) -> None:
        self.index = index
        self.opens = True  # whether its first chunk is still to be written
        self.seen: set[str] = set()  # texts of the format, and the function call, that were said at all
        self.told: set[str] = set()  # unknown fields of the message that were said with a value
        self.held: dict[str, None] = {}  # fields of the message that are said at the end
        self.named = False  # whether the legacy function call has its name
        self.calls = CallWriter(cut)
        self.touched = False
        self.clear()

    def clear(self) -> None:
        """Begin another chunk."""
        self.role: Any = None
        self.fields: ChunkDict = {}
        self.parts: list[ChunkDict] = []  # fields of chunks before: two pieces of one text
        self.logprobs: ChatChoiceLogprobs | None = None
        self.later: list[ChunkDict] = []  # function call and tool calls, which have a chunk each
        self.beside: ChunkDict = {}


class _Frame(NamedTuple):
    """What surrounds the values in an event of a template."""

    texts: list[str]
    """Before, between and after the places of its text; to the log probabilities, if it has any."""
    end: bytes
    """After the log probabilities."""


class StreamWriter:
    """feed(block) or add(chunk) -> chunk dicts, then close() -> chunk dicts. `ended`: whether the last ones were returned.

    `ready`: whether what the fast lane took is returned as the bytes of its event, where nothing else is to be done to it.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        dialect: Dialect,
        cut: Cut | None,
        logprobs: Spread,
        clean: Clean = DEFAULT_CLEAN,
        ready: bool = False,
    ) -> None:
        check_kind("clean=", clean, Clean)
        self._clean, self._shaper = clean, shaper_of(clean)
        self.verdict = Verdict()  # how the clean stream ends, beyond what its sender said
        self.accumulator = Accumulator(limits=limits, dialect=dialect)
        self._reducer = hand_over_pieces(self.accumulator)
        self.ended = False
        self._cut = cut
        self._ready = ready and cut is None
        self._frames: dict[Any, _Frame] = {}  # what surrounds the text in a template's event
        self._logprobs = logprobs
        self._out: list[Any] = []
        self._head: ChunkDict = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._said: ChunkDict | None = None  # the head of the last chunk
        self._beside: ChunkDict = {}  # unknown fields of the chunk that is not over
        self._groq = False  # whether there is an `x_groq`. Groq reports usage in it, so both are written in one chunk
        self._choices: dict[int, _Choice] = {}
        self._touched: list[_Choice] = []  # those that the chunk says something of

    def feed(self, block: bytes | bytearray | memoryview) -> list[Any]:
        """Return what the next bytes say; the ending too, if they say that."""
        return self._given(self.accumulator.feed(block))

    def add(self, chunk: Any) -> list[Any]:
        """Take a chunk that an SDK decoded; return what it says."""
        return self._given(self.accumulator.add(chunk))

    def close(self) -> list[Any]:
        """End the stream; return what is said at the end, nothing if that was said before."""
        return self._given(list(self.accumulator.close().events))

    def _given(self, pieces: list[Any]) -> list[Any]:
        if self.ended:
            return []
        for piece in pieces:
            kind = type(piece)
            if kind is tuple:
                self._fast(*piece)
            elif (take := _TAKES.get(kind)) is not None:
                take(self, piece)
        outcome = self.accumulator.outcome
        out, self._out = self._out, []
        if outcome is None:
            return out if self._shaper is None else list(self._shaper.shape(out))
        return self._last(out, outcome)

    # --- pieces

    def _fast(self, template: Any, text: str, tokens: list[ChatCompletionTokenLogprob] | None = None) -> None:
        """Write a piece of text that the fast lane took: its chunk says nothing else, perhaps in several fields, but for
        log probabilities."""
        choice, call, shaper = self._choices[template.state.index], template.call, self._shaper
        ready = self._ready and (shaper is None or shaper.passes(choice.index, str(template.slots[0].path[-1])))
        array = None
        if tokens is not None and ready:
            array = written(tokens) if text else None
            ready = array is not None
        if call is not None and not (ready and choice.calls.writes(call.position, text)):
            for fragment in choice.calls.add(call.position, text):
                self._say([choice_dict(choice.index, {"tool_calls": [fragment]})], {})
        elif ready:
            frame = self._frames.get(template)
            if frame is None:
                frame = self._frame(template, choice, tokens is not None)
            event = _encoded(text).join(frame.texts).encode()
            self._out.append(event if array is None else b"".join((event, array, frame.end)))
        else:
            logprobs = None if tokens is None else ChatChoiceLogprobs(tokens)
            for delta, part in self._pieces(_delta_of(template, choice, text) if text else {}, logprobs):
                self._say([choice_dict(choice.index, delta, part)], {})

    def _frame(self, template: Any, choice: _Choice, tokens: bool) -> _Frame:
        """Return the event of a template, cut where its text is, and where its log probabilities are."""
        if len(self._frames) >= _MOST_FRAMES:
            self._frames.clear()
        self._said = dict(self._head)

        def event(text: str, array: str) -> str:
            logprobs = {"content": array, "refusal": None} if tokens else None
            delta = _delta_of(template, choice, text)
            return event_of({**self._head, "choices": [choice_dict(choice.index, delta, logprobs)]}).decode()

        mark, known = _MARK, event("", "")
        while mark in known:  # an id or a model may be any text, this one too
            mark += mark
        before, _, end = event(mark, f"{mark}s").partition(_encoded(f"{mark}s"))
        frame = self._frames[template] = _Frame(before.split(_encoded(mark)), end.encode())
        return frame

    def _take_head(self, piece: Head) -> None:
        head = self._head
        head["id"], head["created"] = head["id"] or scrub(piece.id), head["created"] or piece.created
        head["model"] = head["model"] or scrub(piece.model)
        for name in ("service_tier", "system_fingerprint"):
            if (value := getattr(piece, name)) is not None:
                head[name] = unstructure(value)
        self._frames.clear()

    def _take_choice(self, piece: ev.ChoiceStarted) -> None:
        if not piece.reopened:
            self._choices[piece.choice] = _Choice(piece.choice, self._cut)
            self._touch(piece.choice)

    def _touch(self, index: int) -> _Choice:
        choice = self._choices[index]
        if not choice.touched:
            choice.touched = True
            self._touched.append(choice)
        return choice

    def _take_field(self, piece: Field) -> None:
        index, place, name, value = piece
        if place == "chunk":
            if name == "x_groq":
                self._groq = True
            elif name not in OF_CHUNK and not _has_its_place(name, value):
                self._beside[name] = value
            return
        choice = self._touch(index)
        if place == "choice":
            if name not in OF_CHOICE and name != "message" and not _has_its_place(name, value):
                choice.beside[name] = value
        elif place == "audio":
            choice.fields.setdefault("audio", {})[name] = value
        elif name == "role":
            choice.role = choice.role or value
        elif name in ("content", "refusal"):  # it was there, and perhaps empty
            choice.fields.setdefault(name, "")
        elif name in OF_DELTA:
            return
        elif name in choice.held or (name not in choice.told and _is_unnumbered(value)):
            choice.held[name] = None
        else:
            if value is not None:
                choice.told.add(name)
            if name in choice.fields:
                choice.parts.append(choice.fields)
                choice.fields = {}
            choice.fields[name] = value

    def _take_content(self, piece: ev.ContentDelta) -> None:
        self._text(piece.choice, "content", piece.text)

    def _take_refusal(self, piece: ev.RefusalDelta) -> None:
        self._text(piece.choice, "refusal", piece.text)

    def _text(self, index: int, name: str, text: str) -> None:
        choice = self._touch(index)
        if choice.fields.get(name):
            choice.parts.append(choice.fields)
            choice.fields = {}
        choice.fields[name] = text

    def _take_function(self, piece: Function) -> None:
        """Write a piece of a legacy `function_call`; its name is said once, as soon as there is one."""
        choice = self._touch(piece.choice)
        first = "function_call" not in choice.seen
        choice.seen.add("function_call")
        beside = {name: value for name, value in piece.extra.items() if name not in ("name", "arguments")}
        said: ChunkDict = {"name": ""} if first else {}
        if piece.name and not choice.named:
            choice.named, said = True, {"name": scrub(piece.name)}
        if said or beside:
            choice.later.append({"function_call": {**said, **({"arguments": ""} if first else {}), **beside}})

    def _take_function_arguments(self, piece: ev.FunctionCallDelta) -> None:
        texts = pieces_of(piece.arguments, self._cut)
        self._touch(piece.choice).later += [{"function_call": {"arguments": text}} for text in texts]

    def _take_fragment(self, piece: Fragment) -> None:
        choice = self._touch(piece.choice)
        choice.later += [{"tool_calls": [one]} for one in choice.calls.take(piece)]

    def _take_arguments(self, piece: ev.ToolCallDelta) -> None:
        choice = self._touch(piece.choice)
        choice.later += [{"tool_calls": [one]} for one in choice.calls.add(piece.call, piece.arguments)]

    def _take_logprobs(self, piece: LogprobsPiece) -> None:
        self._touch(piece.choice).logprobs = piece.logprobs

    def _keep_alive(self, _: ev.KeepAlive) -> None:
        self._over()
        self._out.append(KEEP_ALIVE)

    # --- one chunk

    def _over(self, piece: Over | None = None) -> None:
        """Write what a chunk said: a clean chunk for each part of it."""
        beside, self._beside = self._beside, {}
        touched, self._touched = self._touched, []
        for choice in touched:
            for part in self._choice(choice, bool(beside)):
                self._say([part], beside)
                beside = {}
            choice.touched = False
            choice.clear()
        if beside:
            # Beside a choice, if it was beside one: without any, `error_type` would be an error.
            found = piece is not None and piece.choice in self._choices
            self._say([choice_dict(piece.choice, {})] if piece is not None and found else [], beside)

    def _say(self, choices: list[ChunkDict], beside: ChunkDict) -> None:
        self._said = dict(self._head)
        self._out.append({**self._said, "choices": choices, **beside})

    def _choice(self, choice: _Choice, beside_it: bool) -> Iterator[ChunkDict]:
        """Yield what a chunk says of one choice, as choices of clean chunks; `beside_it`: other fields go with the first."""
        told = [name for name in ("content", "refusal") if any(name in one for one in (*choice.parts, choice.fields))]
        new = [name for name in told if name not in choice.seen]
        choice.seen.update(told)
        for name in told:
            if choice.fields.get(name) == "" and (choice.opens or name not in new):
                del choice.fields[name]
        for fields in (*choice.parts, choice.fields):
            for name in told:  # after the rest of the delta, wherever a half of a character was waited for
                if name in fields:
                    fields[name] = fields.pop(name)
        parts: list[tuple[ChunkDict, ChunkDict | None]] = []
        for fields in choice.parts:
            parts += self._pieces(fields, None)
        parts += self._pieces(choice.fields, choice.logprobs)
        if choice.later and not parts and not choice.opens and (choice.beside or beside_it):
            parts.append(({}, None))  # a fragment may have to wait, what is beside it has not
        parts += [(delta, None) for delta in choice.later]
        if choice.opens:
            choice.opens = False
            role = unstructure(choice.role or Role.ASSISTANT)
            first: ChunkDict = {"role": role, "content": None, **dict.fromkeys(told, "")}
            if parts and parts[0][1] is None and not any(parts[0][0].values()):
                first = {**parts.pop(0)[0], **first}  # nothing but nulls: they do not get a separate chunk
            parts.insert(0, (first, None))
        elif choice.beside and not parts:
            parts = [({}, None)]
        beside = choice.beside
        for delta, part in parts:
            yield {**choice_dict(choice.index, delta, part), **beside}
            beside = {}

    def _pieces(
        self, fields: ChunkDict, logprobs: ChatChoiceLogprobs | None
    ) -> list[tuple[ChunkDict, ChunkDict | None]]:
        """Return the fields of a delta in one chunk, or, where text is to be cut, in several."""
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

    # --- the end

    def _last(self, out: list[Any], outcome: Outcome) -> list[Any]:
        """Return all that is still to be said: what waited, and the end."""
        self.ended, self._out = True, out
        response = self.accumulator.snapshot()
        self._rest(response)
        shaper = self._shaper
        if shaper is not None:
            before = list(shaper.shape(self._out))
            shaper.know(response)
            self._out = [*before, *shaper.release()]
        at = len(self._out)
        self._end(response, outcome)
        self.verdict = verdict_on(self._clean, response, outcome)
        if self.verdict.error is not None and not self.verdict.raises:
            self._out.append(failure(self.verdict.error, self.verdict.code))
        return self._out if shaper is None else [*self._out[:at], *shaper.shape(self._out[at:])]

    def _rest(self, response: CreateChatCompletionResponse | None) -> None:
        """Write what waited: calls, and lists that are said whole."""
        self._over()
        messages = {one.index: one.message for one in response.choices} if response is not None else {}
        for index in sorted(self._choices):
            choice = self._choices[index]
            for fragment in choice.calls.end():
                self._say([choice_dict(index, {"tool_calls": [fragment]})], {})
            message = messages.get(index)
            # A limit may have ended the stream between a call and what its fragment says.
            for at, call in enumerate((message.tool_calls if message is not None else None) or ()):
                if at >= len(choice.calls):
                    self._say([choice_dict(index, {"tool_calls": [{"index": at, **next(fragments(call, None))}]})], {})
            extra = message.extra if message is not None else {}
            held = {name: unstructure(extra[name]) for name in choice.held if name in extra}
            if held:
                self._say([choice_dict(index, held)], {})

    def _end(self, response: CreateChatCompletionResponse | None, outcome: Outcome) -> None:
        if response is not None:
            for choice in self._finished(response, outcome):
                said = choice_dict(choice.index, {})
                self._say([{**said, "finish_reason": unstructure(choice.finish_reason)}], {})
            groq = (
                {"x_groq": unstructure(response.extra["x_groq"])} if self._groq and "x_groq" in response.extra else {}
            )
            # A report of which nothing could be read is none: `"usage":{}` would not be read as one again.
            usage = {} if response.usage is None else _usage(response.usage)
            if usage:
                self._say([], {"usage": usage, **groq})
            elif groq or self._said != self._head:
                self._say([], groq)
        if outcome.name == "failed":
            self._out.append(failure(outcome.error, outcome.reason))

    def _finished(self, response: CreateChatCompletionResponse, outcome: Outcome) -> list[ChatChoice]:
        """Return the choices whose finish reason is to be said."""
        found = [choice for choice in response.choices if choice.finish_reason is not None]
        if outcome.name not in ("truncated", "cancelled") or len(found) < len(response.choices):
            return found
        states = self._reducer.choices
        kept = [choice for choice in found if states[choice.index].done or states[choice.index].settled]
        return kept if len(kept) < len(found) else []


_TAKES: dict[type[Any], Callable[[StreamWriter, Any], None]] = {
    Head: StreamWriter._take_head,
    ev.ChoiceStarted: StreamWriter._take_choice,
    Field: StreamWriter._take_field,
    ev.ContentDelta: StreamWriter._take_content,
    ev.RefusalDelta: StreamWriter._take_refusal,
    Function: StreamWriter._take_function,
    ev.FunctionCallDelta: StreamWriter._take_function_arguments,
    Fragment: StreamWriter._take_fragment,
    ev.ToolCallDelta: StreamWriter._take_arguments,
    LogprobsPiece: StreamWriter._take_logprobs,
    ev.KeepAlive: StreamWriter._keep_alive,
    Over: StreamWriter._over,
}
"""What is done with each kind of piece; any other kind says nothing that these do not say."""


def _delta_of(template: Any, choice: _Choice, text: str) -> ChunkDict:
    """Return the delta that an event of this template says, in the order in which its chunk would be written."""
    if template.call is not None:
        return {"tool_calls": [{"index": template.call.position, "function": {"arguments": text}}]}
    fields: ChunkDict = {}
    for slot in template.slots:
        if slot.kind in ("padding", "tokens", "usage") or (name := str(slot.path[3])) in choice.held:
            continue
        if slot.item is None:
            fields[name] = text
        else:
            fields.setdefault(name, [dict(slot.item)])[0][slot.name] = text
    for name in ("content", "refusal"):
        if name in fields:
            fields[name] = fields.pop(name)
    return fields


def failure(error: StreamError | None, code: str) -> ChunkDict:
    """Return what a stream failed with, as the JSON of an error event: as the sender wrote it, or else in our words."""
    if isinstance(error, RemoteError):
        facts: ChunkDict = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    else:
        message = code if error is None else error.message
        facts = {"message": message, "type": "stream_error", "param": None, "code": code}
    return {"error": facts}


def _has_its_place(name: str, value: Any) -> bool:
    """Return whether an unknown field is what is said at the end, where it belongs."""
    return bool(value) and (name == "error" or (name == "usage" and isinstance(value, dict)))


def _is_unnumbered(value: Any) -> bool:
    """Return whether a value of a message's field holds a list that SDKs could not join with the next one: of objects that
    have no index, or still empty."""
    if isinstance(value, dict):
        return any(map(_is_unnumbered, value.values()))
    if not isinstance(value, list):
        return False
    if not value:
        return True
    return any(not isinstance(one, (str, int, float)) for one in value) and not all(
        isinstance(one, dict) and type(one.get("index")) is int for one in value
    )


def _logprobs(said: ChatChoiceLogprobs) -> ChunkDict:
    extra = {name: value for name, value in said.extra.items() if name not in OF_LOGPROBS}
    return {"content": unstructure(said.content), "refusal": unstructure(said.refusal), **extra}


def _usage(usage: CompletionUsage) -> ChunkDict:
    """Return the usage without what nothing could be made of, rule 4."""
    known = wire_names(CompletionUsage)
    found: ChunkDict = unstructure(usage)
    return {name: value for name, value in found.items() if name not in known or getattr(usage, name) is not None}
