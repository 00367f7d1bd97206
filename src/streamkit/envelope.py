"""The fast lane: events that differ from an earlier one only in their text.

Consecutive events of a choice are byte for byte alike around one JSON string, the text or the arguments, and often a
second one that means nothing (`obfuscation`). An envelope is what stands around that hole, learned from an event that
the reference path has decoded. While the next event fits one, only the string in the hole is decoded and added.

Rule 1: the reference path is the meaning. An envelope is learned only from an event whose chunk, folded again with
        another text, changes nothing but that text; and learning proves where the hole is, by decoding the event once
        more with another string in it.
Rule 2: an envelope holds as long as nothing else happens. Each event on the reference path starts a new epoch, in
        which an envelope is checked again before its first use: the facts of the chunk (id, model ...) must be the last
        ones folded, and its part must be open.
Rule 3: any doubt goes to the reference path: a prefix or suffix that differs, a hole that is not one JSON string, bytes
        that are no UTF-8, half a surrogate pair.

In a JSON string every quote is escaped, so a hole without an unescaped quote is one string, and a prefix that ends with
`":"` can end in one place only. Cost: 0.3 us an event that fits; about 30 us to learn an envelope, less and less often
for a sender whose events never fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jiter

from .cells import Text
from .choice import ChoiceState, Part
from .drafts import draft
from .events import ContentDelta, Event, ReasoningDelta, RefusalDelta, ToolCallDelta
from .jsontext import decode
from .reducer import REASONING, Reducer
from .rules import RULES, Rule
from .toolcalls import KNOWN_INDEX, Call
from .types import CreateChatCompletionStreamResponse

__all__ = ("Lane",)

_MOST = 32  # envelopes kept, one a choice and part; the least recently learned goes first
_PATIENCE = 4  # envelopes learned in a row that no event ever fitted, before learning becomes rarer
_QUOTE, _BACKSLASH = 34, 92  # as numbers: `34 in hole` takes 14 ns where `b'"' in hole` takes 92
_MARK = "streamkit"  # stands in the hole while its place is proved
_STRING = re.compile(rb'(?:[^"\\]|\\.)*')
_PADDING = re.compile(rb'"(?:obfuscation|p)" ?: ?"([^"\\]*)"')
_DROPPED = frozenset(path for path, rule in RULES.items() if rule is Rule.DROP)

_Hole = tuple[bytes, bytes, bytes]
"""Prefix; suffix, or what stands between the two holes; what stands behind the second, empty where there is none."""

_new_delta = draft(ContentDelta)
_new_tool_delta = draft(ToolCallDelta)
_EVENTS: dict[str, Any] = {"content": ContentDelta, "refusal": RefusalDelta, "reasoning": ReasoningDelta}


class _Envelope:
    """What stands around a hole, and where the text in it goes."""

    __slots__ = (
        "call", "cell", "epoch", "event", "facts", "hits", "index", "next", "padding", "part", "parts",
        "prefix", "state", "suffix", "unknown",
    )  # fmt: skip

    def __init__(self, hole: _Hole, facts: Any, state: ChoiceState, part: Part, cell: Text) -> None:
        self.prefix, self.suffix, self.padding = hole
        self.facts = facts
        self.state = state
        self.part = part
        self.cell = cell
        self.call = part if isinstance(part, Call) else None
        self.index: int | None = None  # of the tool call, as the sender writes it
        self.event = _EVENTS[part] if isinstance(part, str) else ToolCallDelta
        self.unknown: tuple[str, ...] = ()  # paths of the unknown fields in it, to be counted
        self.epoch = -1  # in which it was last checked
        self.hits = 0  # events ever
        self.parts = (*hole[:1], len(hole[0]), *hole[1:], cell.pieces, self.call, state.index)  # for one quick look
        self.next = self  # which envelope came after this one the last time: the first to be tried


class Lane:
    """The envelopes of one stream."""

    def __init__(self, reducer: Reducer, unknown: dict[str, int]) -> None:
        self._reducer = reducer
        self._unknown = unknown
        self._envelopes: dict[tuple[int, Part], _Envelope] = {}
        self._current: _Envelope | None = None  # the one that fitted last; None: nothing can fit now
        self._epoch = 0
        self._facts: Any = None
        self._misses = 0
        self._rest = 0  # events not to be looked at, for a sender whose envelopes never fit

    @property
    def ready(self) -> bool:
        """Whether the next event may fit an envelope."""
        return self._current is not None

    # --- reading

    def run(self, items: Sequence[Any], start: int, out: list[Event] | None) -> int:
        """Fold as many of `items`, from `start` on, as fit an envelope; return the index of the first that does not.

        An item is the data of a plain event, or anything else, which does not fit.
        """
        envelope = self._current
        if envelope is None:
            return start
        epoch, sequence = self._epoch, self._reducer.sequence
        loaded, holds = None, False  # the envelope that the locals are of, and whether it holds
        at = since = start
        end = len(items)
        while at < end:
            data = items[at]
            if type(data) is not bytes:
                break
            following = envelope.next
            if following is not loaded:
                if at > since:
                    self._count(envelope, at - since)
                    since = at
                loaded, holds = following, following.epoch == epoch
                prefix, length, suffix, padding, pieces, call, choice = following.parts
            if not holds or not data.startswith(prefix):
                found = self._find(data)
                if found is None:
                    break
                following = found
                if at > since:
                    self._count(envelope, at - since)
                    since = at
                envelope.next = loaded = following
                holds = True
                prefix, length, suffix, padding, pieces, call, choice = following.parts
            if padding:
                stop = data.find(suffix, length)
                if stop < 0 or not data.endswith(padding) or _QUOTE in data[stop + len(suffix) : -len(padding)]:
                    break
            elif data.endswith(suffix):
                stop = len(data) - len(suffix)
                if stop < length:
                    break
            else:
                break
            hole = data[length:stop]
            if _BACKSLASH in hole:
                try:
                    text = jiter.from_json(data[length - 1 : stop + 1])  # its quotes are the envelope's
                except ValueError:
                    break
            elif _QUOTE in hole:
                break
            else:
                try:
                    text = str(hole, "utf-8")
                except UnicodeDecodeError:
                    break
            at += 1
            envelope = following
            if text:
                pieces.append(text)
                if out is not None:
                    if call is None:
                        event = _new_delta()
                        event.text = text
                    else:
                        event = _new_tool_delta()
                        event.call = call.position
                        event.id = call.id
                        event.name = call.name
                        event.arguments = text
                    event.sequence = sequence
                    event.choice = choice
                    event.__class__ = envelope.event
                    sequence += 1
                    out.append(event)
        if at > start:
            self._count(envelope, at - since)
            self._current = envelope
            self._reducer.sequence = sequence
            self._reducer.chunks += at - start
        return at

    def _count(self, envelope: _Envelope, events: int) -> None:
        """What is counted for each event, for `events` in a row at once."""
        envelope.hits += events
        if envelope.call is not None:
            envelope.call.explain(KNOWN_INDEX, events)
            envelope.state.calls.last = envelope.call
        for path in envelope.unknown:
            self._unknown[path] = self._unknown.get(path, 0) + events

    def _find(self, data: bytes) -> _Envelope | None:
        """The envelope that begins as `data` does and holds in this epoch, or None."""
        for envelope in self._envelopes.values():
            if data.startswith(envelope.prefix) and (envelope.epoch == self._epoch or self._holds(envelope)):
                return envelope
        return None

    def _holds(self, envelope: _Envelope) -> bool:
        """Rule 2: whether an event of this envelope would change nothing but its text."""
        state = envelope.state
        if envelope.facts is not self._facts or state.done or envelope.part not in state.open or envelope.cell.held:
            return False
        if envelope.call is not None and state.calls.at(envelope.index) is not envelope.call:
            return False
        envelope.epoch = self._epoch
        return True

    # --- learning

    def pause(self) -> None:
        """Something was folded by the reference path that no envelope can be learned from."""
        self._epoch += 1
        self._current = self._facts = None

    def learn(self, data: bytes, chunk: CreateChatCompletionStreamResponse) -> None:
        """The reference path has folded `chunk`, decoded from `data`, and noted no anomaly in it."""
        self.pause()
        if self._rest:
            self._rest -= 1
            return
        found = _only_text(chunk)
        if found is None:
            return
        state = self._reducer.choices[chunk.choices[0].index]
        field, text = found
        part: Part | None = field
        index = None
        if field in REASONING:
            part = "reasoning" if state.reasoning == field else None
        elif field == "arguments":
            index = chunk.choices[0].delta.tool_calls[0].index  # type: ignore[index]
            part = state.calls.at(index)  # None where the fragment came to its call by another rule
        cell = state.cell_of(field) if not isinstance(part, Call) else part.arguments
        if part is None or part not in state.open or not isinstance(cell, Text) or cell.held:
            return
        facts = _facts(chunk)
        key = (state.index, part)
        envelope = self._envelopes.get(key)
        if envelope is None or envelope.facts != facts or not _fits(envelope, data):
            if envelope is not None and not envelope.hits:
                self._misses += 1
                if self._misses >= _PATIENCE:
                    self._rest = 1 << min(self._misses, 12)
            hole = _find_hole(data, field, text)
            if hole is None:
                self._misses += 1
                self._rest = 1 << min(self._misses, 12)
                return
            envelope = _Envelope(hole, facts, state, part, cell)
            envelope.unknown = _unknown_paths(chunk)
            envelope.index = index
            self._envelopes.pop(key, None)
            self._envelopes[key] = envelope
            if len(self._envelopes) > _MOST:
                del self._envelopes[next(iter(self._envelopes))]
        else:
            self._misses = 0
        for other in self._envelopes.values():  # equal facts are one object, so that they are compared by identity
            if other.facts == facts:
                envelope.facts = other.facts
                break
        self._facts = envelope.facts
        envelope.epoch = self._epoch
        self._current = envelope


def _only_text(chunk: CreateChatCompletionStreamResponse) -> tuple[str, str] | None:
    """The field and the text, where text is all that folding `chunk` once more could add."""
    if len(chunk.choices) != 1 or chunk.usage is not None:
        return None
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.finish_reason is not None or choice.logprobs is not None or delta.function_call is not None:
        return None
    if any(value is not None for value in choice.extra.values()):
        return None
    if any(value is not None and name not in _DROPPED for name, value in chunk.extra.items()):
        return None
    texts = [(name, text) for name, text in (("content", delta.content), ("refusal", delta.refusal)) if text]
    for name, value in delta.extra.items():
        if value and name in REASONING and isinstance(value, str):
            texts.append((name, value))
        elif value is not None and value != "":
            return None
    if delta.tool_calls:
        (fragment, *more) = delta.tool_calls
        function = fragment.function
        if more or fragment.extra or fragment.id or fragment.index is None or function is None:
            return None
        if function.name or function.extra or not function.arguments:
            return None
        texts.append(("arguments", function.arguments))
    return texts[0] if len(texts) == 1 else None


def _facts(chunk: CreateChatCompletionStreamResponse) -> tuple[Any, ...]:
    """What the chunk says of the response as a whole: an envelope holds only while this is what was folded last."""
    return (chunk.id, chunk.created, chunk.model, chunk.service_tier, chunk.system_fingerprint)


def _unknown_paths(chunk: CreateChatCompletionStreamResponse) -> tuple[str, ...]:
    """The paths that the reference path counts as unknown fields of this chunk."""
    (choice,) = chunk.choices
    return (
        *chunk.extra,
        *(f"choices[].{name}" for name in choice.extra),
        *(f"choices[].delta.{name}" for name in choice.delta.extra),
    )


def _fits(envelope: _Envelope, data: bytes) -> bool:
    return data.startswith(envelope.prefix) and data.endswith(envelope.padding or envelope.suffix)


def _find_hole(data: bytes, field: str, text: str) -> _Hole | None:
    """Where `text` stands in `data` as the value of `field`: what is before it, between it and padding, and after.

    Proved by decoding the event with a mark in the hole: it must be the same document, the text apart.
    """
    try:
        value = decode(data)[0]
    except ValueError:
        return None
    for match in re.finditer(rb'"%b" ?: ?"' % field.encode(), data):
        start = match.end()
        string = _STRING.match(data, start)
        assert string is not None
        prefix, suffix = data[:start], data[string.end() :]
        if not _same_but(value, prefix + _MARK.encode() + suffix, field, text):
            continue
        padding = _PADDING.search(suffix)
        if padding is not None and padding.start() > 1:
            first, second = suffix[: padding.start(1)], suffix[padding.end(1) :]
            name = padding.group().split(b'"')[1].decode()
            if _same_but(value, prefix + data[start : string.end()] + first + _MARK.encode() + second, name, None):
                return prefix, first, second
        return prefix, suffix, b""
    return None


def _same_but(value: dict[str, Any], marked: bytes, field: str, text: str | None) -> bool:
    """Whether `marked` is the document `value` with the mark as its text (or as its top-level `field`)."""
    try:
        other = decode(marked)[0]
        home = other
        if text is not None:
            home = other["choices"][0]["delta"]
            if field == "arguments":
                home = home["tool_calls"][0]["function"]
        if home[field] != _MARK:
            return False
        home[field] = value[field] if text is None else text
    except (ValueError, LookupError, TypeError):
        return False
    return bool(other == value)
