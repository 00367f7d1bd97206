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

It reads blocks, not events: an envelope begins with the event's `data: ` and ends with its blank line, and what lies
between is found without the decoder, which must be between two events. In a JSON string every quote is escaped, so a
hole without an unescaped quote is one string, and a prefix that ends with `":"` can end in one place only. A line end in
the hole would make it another event.

Cost: 0.5 us an event that fits; about 20 us to learn an envelope, less and less often for a sender whose events never fit.
"""

from __future__ import annotations

import re
from typing import Any

import jiter

from .anomalies import Anomalies
from .cells import MANY_PIECES, Text
from .choice import ChoiceState, Part
from .drafts import draft
from .events import ContentDelta, Event, ReasoningDelta, RefusalDelta, ToolCallDelta
from .jsontext import decode
from .reducer import REASONING, Reducer
from .rules import DELTA, RULES, Rule, rule_for
from .toolcalls import KNOWN_INDEX, Call
from .types import CreateChatCompletionStreamResponse

__all__ = ("Lane",)

_MOST = 32  # envelopes kept, one a choice and part; the least recently learned goes first
_PATIENCE = 4  # envelopes learned in a row that no event ever fitted, before learning becomes rarer
_LENIENCE = 32  # events in a row that no envelope can be learned from (a stream begins with some), before the same
_QUOTE, _BACKSLASH, _LF, _CR = 34, 92, 10, 13  # as numbers: `34 in hole` takes 14 ns where `b'"' in hole` takes 92
_PROBE = 4  # bytes of a suffix to look for: its quote alone would be found at every escaped quote
_MARK = "streamkit"  # stands in the hole while its place is proved
_STRING = re.compile(rb'(?:[^"\\]|\\.)*')
_PADDING = re.compile(rb'"(?:obfuscation|p)" ?: ?"([^"\\]*)"')
_FRAMES = ((b"data: ", b"\n\n"), (b"data:", b"\n\n"), (b"data: ", b"\r\n\r\n"), (b"data:", b"\r\n\r\n"))
_LEAST_FRAME = min(len(lead) + len(trail) for lead, trail in _FRAMES)
_STEADY = frozenset({"created_form", "field_type", "finish_empty", "index_missing", "index_type", "role_unknown"})
"""Anomalies that follow from what stands around the text, and are noted again with each event that is the same there."""
_STANDING = frozenset({Rule.FIRST, Rule.LAST, Rule.DROP})
_DROPPED = frozenset(path for path, rule in RULES.items() if rule is Rule.DROP)

_Hole = tuple[bytes, bytes, bytes]
"""Prefix; suffix, or what stands between the two holes; what stands behind the second, empty where there is none."""

_Frame = tuple[bytes, bytes]
"""What stands before the data of an event, and behind it."""

_new_delta = draft(ContentDelta)
_new_tool_delta = draft(ToolCallDelta)
_EVENTS: dict[str, Any] = {"content": ContentDelta, "refusal": RefusalDelta, "reasoning": ReasoningDelta}


class _Envelope:
    """What stands around a hole, and where the text in it goes."""

    __slots__ = (
        "call", "cell", "counted", "epoch", "event", "facts", "head", "hits", "hole", "index", "next", "notes", "part", "parts", "role", "state",
        "unknown",
    )  # fmt: skip

    def __init__(self, hole: _Hole, frame: _Frame, facts: Any, state: ChoiceState, part: Part, cell: Text) -> None:
        self.hole = hole
        self.facts = facts
        self.state = state
        self.part = part
        self.cell = cell
        self.call = part if isinstance(part, Call) else None
        self.index: int | None = None  # of the tool call, as the sender writes it
        self.event = _EVENTS[part] if isinstance(part, str) else ToolCallDelta
        self.unknown: tuple[str, ...] = ()  # paths of the unknown fields in it, to be counted
        self.role = False  # whether it has a role, which is odd once content came without one
        self.notes: tuple[tuple[str, str], ...] = ()  # anomalies that are noted in each of its events
        self.counted = False  # whether anything is counted for its events
        self.epoch = -1  # in which it was last checked
        self.hits = 0  # events ever
        prefix, suffix, padding = hole
        self.head = frame[0] + prefix
        if padding:
            tail = padding + frame[1]
            ends = (suffix, len(suffix), suffix, tail, tail + self.head)
        else:
            suffix += frame[1]
            ends = (suffix, len(suffix), suffix + self.head, b"", b"")
        # For one quick look. An end comes also with the head of the next event behind it: where that stands, one
        # comparison does for both.
        self.parts = (len(self.head), suffix[:_PROBE], *ends, cell, self.call, state.index)
        self.next = self  # which envelope came after this one the last time: the first to be tried


class Lane:
    """The envelopes of one stream."""

    def __init__(self, reducer: Reducer, unknown: dict[str, int], anomalies: Anomalies) -> None:
        self._reducer = reducer
        self._unknown = unknown
        self._anomalies = anomalies
        self._envelopes: dict[tuple[int, Part], _Envelope] = {}
        self._frame: _Frame = _FRAMES[0]  # the same for all envelopes
        self.current: _Envelope | None = None  # the one that fitted last; None: nothing can fit now
        self.overhead = 0  # bytes of an event that are not its data
        self._epoch = 0
        self._facts: Any = None
        self._misses = 0  # envelopes in a row that were learned in vain
        self._unfit = 0  # events in a row that none can be learned from
        self._rest = 0  # events not to be looked at, for a sender whose envelopes never fit

    # --- reading

    def run(self, block: bytes, start: int, out: list[Event] | None) -> tuple[int, int]:
        """Fold the events of `block` from the offset `start` on, as long as each fits an envelope.

        Returns the offset of the first byte that was not read and the number of events that were. At `start` an event
        begins.
        """
        envelope = self.current
        assert envelope is not None
        at, end, events = start, len(block), 0
        sequence = self._reducer.sequence
        while at < end:
            following = envelope.next
            if following.epoch != self._epoch or not block.startswith(following.head, at):
                found = self._find(block, at)
                if found is None:
                    break
                following = found
            length, probe, suffix, skip, suffix_head, tail, tail_head, cell, call, choice = following.parts
            pieces = cell.pieces
            before, more = events, True
            # Every step below is a search for a few bytes or a comparison at one place: 55 ns each, whereas a search for a
            # suffix of 70 bytes takes 170, as the search prepares itself for its needle each time.
            while more:
                begin = at + length
                stop = block.find(probe, begin)
                if tail:
                    if not block.startswith(suffix, stop):  # the probe stands in the hole, behind a backslash
                        stop = block.find(suffix, begin)
                        if stop < 0:
                            break
                    ended = block.find(b'"', stop + skip)
                    padding = block[stop + skip : ended]
                    if padding and not padding.isalnum():  # no line end, no escape, no byte that is not ASCII
                        break
                    more = ended + len(tail) < end and block.startswith(tail_head, ended)
                    if not more and not block.startswith(tail, ended):
                        break
                    ended += len(tail)
                else:
                    more = stop + skip < end and block.startswith(suffix_head, stop)
                    if not more and not block.startswith(suffix, stop):
                        stop = block.find(suffix, begin)
                        if stop < 0:
                            break
                        more = block.startswith(suffix_head, stop)
                    ended = stop + skip
                hole = block[begin:stop]
                if _LF in hole or _CR in hole:
                    break
                if _BACKSLASH in hole:
                    try:
                        text = jiter.from_json(block[begin - 1 : stop + 1])  # with its quotes
                    except ValueError:
                        break
                elif _QUOTE in hole:
                    break
                else:
                    try:
                        text = hole.decode()
                    except UnicodeDecodeError:
                        break
                at = ended
                events += 1
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
                        event.__class__ = following.event
                        sequence += 1
                        out.append(event)
            if events == before:
                break
            following.hits += events - before
            if following.counted:
                self._count(following, events - before)
            if len(pieces) >= MANY_PIECES:
                cell.compact()
            envelope.next = following
            envelope = following
        if events:
            self.current = envelope
            self._reducer.chunks += events
            self._reducer.sequence = sequence
        return at, events

    def _count(self, envelope: _Envelope, events: int) -> None:
        """What is counted for each event, for `events` in a row at once."""
        if envelope.call is not None:
            envelope.call.explain(KNOWN_INDEX, events)
            envelope.state.calls.last = envelope.call
        self._anomalies.repeat(envelope.notes, events)
        for path in envelope.unknown:
            self._unknown[path] = self._unknown.get(path, 0) + events

    def _find(self, block: bytes, at: int) -> _Envelope | None:
        """The envelope that begins as `block` does at the offset `at` and holds in this epoch, or None."""
        for envelope in self._envelopes.values():
            if block.startswith(envelope.head, at) and (envelope.epoch == self._epoch or self._holds(envelope)):
                return envelope
        return None

    def _holds(self, envelope: _Envelope) -> bool:
        """Rule 2: whether an event of this envelope would change nothing but its text."""
        state = envelope.state
        if (
            envelope.facts is not self._facts
            or state.done
            or state.settled
            or envelope.part not in state.open
            or envelope.cell.held
        ):
            return False
        if envelope.call is not None and state.calls.at(envelope.index) is not envelope.call:
            return False
        if envelope.role and state.bare:
            return False
        envelope.epoch = self._epoch
        return True

    def framed(self, data: bytes) -> bytes:
        """`data` as an event of this stream stands in a block."""
        return self._frame[0] + data + self._frame[1]

    # --- learning

    @property
    def resting(self) -> bool:
        """Whether it is not worth while to look at the next event alone."""
        return self._rest > 0

    def pause(self) -> None:
        """Something was folded by the reference path that no envelope can be learned from."""
        self._epoch += 1
        self.current = self._facts = None

    def miss(self) -> None:
        """An event was read by the reference path, and nothing can be learned from it."""
        self.pause()
        if self._rest:
            self._rest -= 1
            return
        self._unfit += 1
        if self._unfit >= _LENIENCE:
            self._unfit, self._rest = 0, 4 * _LENIENCE

    def _learned_in_vain(self) -> None:
        self._misses += 1
        if self._misses >= _PATIENCE:
            self._rest = 1 << min(self._misses, 10)

    def learn(
        self, raw: bytes, data: bytes, chunk: CreateChatCompletionStreamResponse, notes: tuple[tuple[str, str], ...]
    ) -> None:
        """The reference path has folded `chunk`, decoded from `data`, and noted `notes`: code and path of anomalies.

        `raw`: the bytes that were read with it; an envelope is learned only where they are just this event, or its end.
        """
        steady = not notes or all(code in _STEADY for code, _ in notes)
        # A field that changed its type keeps each of its values, also one that is the same again.
        found = _only_text(chunk) if steady and not self._rest and not self._reducer.mixed else None
        frame = _frame_of(raw, data) if found else None
        if found is None or frame is None:
            return self.miss()
        self.pause()
        self._unfit = 0
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
        if state.bare and chunk.choices[0].delta.role:
            return
        if frame != self._frame or not self.overhead:
            self._envelopes.clear()
            self._frame, self.overhead = frame, len(frame[0]) + len(frame[1])
        facts = _facts(chunk)
        key = (state.index, part)
        envelope = self._envelopes.get(key)
        if envelope is None or envelope.facts != facts or envelope.notes != notes or not _fits(envelope, data):
            if envelope is not None and not envelope.hits:
                self._learned_in_vain()
            hole = _find_hole(data, field, text)
            if hole is None:
                return self._learned_in_vain()
            envelope = _Envelope(hole, frame, facts, state, part, cell)
            envelope.unknown = _unknown_paths(chunk)
            envelope.notes = notes
            envelope.counted = bool(envelope.unknown or notes or envelope.call)
            envelope.index = index
            envelope.role = bool(chunk.choices[0].delta.role)
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
        self.current = envelope


def _frame_of(raw: bytes, data: bytes) -> _Frame | None:
    """What stands around `data` in `raw`; where the network cut the event in two, as far as its end tells."""
    if len(raw) < len(data) + _LEAST_FRAME:
        return _FRAMES[2 if raw.endswith(b"\r\n\r\n") else 0]
    return next((frame for frame in _FRAMES if raw == frame[0] + data + frame[1]), None)


def _only_text(chunk: CreateChatCompletionStreamResponse) -> tuple[str, str] | None:
    """The field and the text, where text is all that folding `chunk` once more could add."""
    if len(chunk.choices) != 1 or chunk.usage is not None:
        return None
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.finish_reason is not None or choice.logprobs is not None or delta.function_call is not None:
        return None
    if any(choice.extra.get(name) for name in ("message", "usage")) or chunk.extra.get("x_groq"):
        return None  # of which more is made than an unknown field
    if not all(_again(f"choices[].{name}", value) for name, value in choice.extra.items()):
        return None
    if not all(_again(name, value) for name, value in chunk.extra.items()):
        return None
    texts = [(name, text) for name, text in (("content", delta.content), ("refusal", delta.refusal)) if text]
    for name, value in delta.extra.items():
        if value and name in REASONING and isinstance(value, str):
            texts.append((name, value))
        elif not _again(DELTA + name, value):
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


def _again(path: str, value: Any) -> bool:
    """Whether an unknown field may be folded again and again, right after itself, without a change."""
    if value is None or value == "":
        return True
    rule = rule_for(RULES, path, value)
    if rule is Rule.MERGE and isinstance(value, dict):
        return all(_again(f"{path}.{name}", item) for name, item in value.items())
    return rule in _STANDING


def _facts(chunk: CreateChatCompletionStreamResponse) -> tuple[Any, ...]:
    """What the chunk says besides its text: an envelope holds only while this is what was folded last."""
    (choice,) = chunk.choices
    said = [
        (name, repr(value))
        for extra in (chunk.extra, choice.extra, choice.delta.extra)
        for name, value in extra.items()
        if value and name not in _DROPPED and name not in REASONING
    ]
    # Where unknown fields say something of a choice, it must be this choice of which they were folded last.
    about = (choice.index, *said) if said else ()
    return (chunk.id, chunk.created, chunk.model, chunk.service_tier, chunk.system_fingerprint, *about)


def _unknown_paths(chunk: CreateChatCompletionStreamResponse) -> tuple[str, ...]:
    """The paths that the reference path counts as unknown fields of this chunk."""
    (choice,) = chunk.choices
    return (
        *chunk.extra,
        *(f"choices[].{name}" for name in choice.extra),
        *(f"choices[].delta.{name}" for name in choice.delta.extra),
    )


def _fits(envelope: _Envelope, data: bytes) -> bool:
    prefix, suffix, padding = envelope.hole
    return data.startswith(prefix) and data.endswith(padding or suffix)


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
