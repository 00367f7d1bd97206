"""The fast lane: events that differ from an earlier one only in the values of its holes (see `envelope`).

Rule 1: the reference path is the meaning. What an envelope is, and which events it takes, is proved when it is learned.
Rule 2: an envelope holds as long as nothing else happens. Each event on the reference path starts a new epoch, in
        which an envelope is checked again before its first use: the facts of the chunk (id, model ...) must be the last
        ones folded, and its part must be open.
Rule 3: any doubt goes to the reference path: bytes around a hole that differ, a hole that is not one JSON value of its
        kind, half a surrogate pair. An event is folded whole or not at all.

It reads blocks, not events, in two ways. `take` is for a block that is one event. `run` is for many: it cuts a stretch
of the block at its blank lines, compares all that stands around the holes of all its events in one comparison, and
decodes all their texts as one JSON array. The separator in that array is `",\\n"`: JSON knows no line end inside a
string, so that no text, whatever it holds, can run on into the next one or look like two. Where a stretch does not fit
as a whole, as much of it is tried as seems to, and then the first half of that.

Cost: 0.3 us an event that fits in a large block, 0.5 in a block of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import jiter

from .anomalies import Anomalies
from .cells import MANY_PIECES
from .choice import ChoiceState, Part
from .dialect import read_tokens
from .drafts import draft
from .envelope import Envelope, facts_of, find_holes, only_text, unknown_paths
from .events import ContentDelta, Event, LogprobsDelta, ToolCallDelta
from .reducer import Reducer
from .rules import REASONING
from .toolcalls import KNOWN_INDEX
from .types import ChatCompletionTokenLogprob, CreateChatCompletionStreamResponse

__all__ = ("Lane",)

_MOST = 32  # envelopes kept, one a choice and part; the least recently learned goes first
_PATIENCE = 4  # envelopes learned in a row that no event ever fitted, before learning becomes rarer
_LENIENCE = 32  # events in a row that no envelope can be learned from (a stream begins with some), before the same
# Bytes looked at together: few where the last ones did not fit, as what is cut in vain was in vain. At most so many
# that a search for the separator, which is begun anew for each event, still is a simple one (below 30,000).
_SHORT, _LONG = 6144, 24576
_FRAMES = ((b"data: ", b"\n\n"), (b"data:", b"\n\n"), (b"data: ", b"\r\n\r\n"), (b"data:", b"\r\n\r\n"))
_LEAST_FRAME = min(len(lead) + len(trail) for lead, trail in _FRAMES)
_STEADY = frozenset({"created_form", "field_type", "finish_empty", "index_missing", "index_type", "role_unknown"})
"""Anomalies that follow from what stands around the text, and are noted again with each event that is the same there."""

_Frame = tuple[bytes, bytes]
"""What stands before the data of an event, and behind it."""

_Tokens = list[ChatCompletionTokenLogprob]
_Found = tuple[Sequence[str], Sequence[_Tokens | None] | None, Sequence[int]]
"""Of each event its text, and its log probabilities where the envelope has them; of the last one its numbers."""

_new_delta = draft(ContentDelta)
_new_tool_delta = draft(ToolCallDelta)
_from_json = jiter.from_json


class Lane:
    """The envelopes of one stream."""

    def __init__(self, reducer: Reducer, unknown: dict[str, int], anomalies: Anomalies) -> None:
        self._reducer = reducer
        self._unknown = unknown
        self._anomalies = anomalies
        self._envelopes: list[Envelope] = []
        self._ready: dict[bytes, Envelope] = {}  # those that hold in this epoch, by how they begin
        self._frame: _Frame = _FRAMES[0]  # the same for all envelopes
        self.current: Envelope | None = None  # the one that fitted last; None: nothing can fit now
        self.overhead = 0  # bytes of an event that are not its data
        self._hot: Envelope | None = None  # the current one, while `take` may be called
        self._granted = self._room = 0  # bytes that `take` may take in all, and that are left
        self._taken = 0  # events that it took
        self._counted = 0  # those of them that are counted
        self._width = 0  # bytes by which ready envelopes are told apart
        self._stretch = _SHORT
        self._epoch = 0
        self._facts: Any = None
        self._misses = 0  # envelopes in a row that were learned in vain
        self._unfit = 0  # events in a row that none can be learned from
        self._rest = 0  # events not to be looked at, for a sender whose envelopes never fit

    # --- one event a block

    def arm(self, room: int) -> None:
        """From here on `take` may be called, for `room` bytes: the decoder is between two events."""
        self._hot, self._granted, self._room = self.current, room, room

    def disarm(self) -> None:
        """`take` takes no more. What it took must have been settled."""
        self._hot = None

    def settle(self) -> tuple[int, int]:
        """The number of events and of bytes that `take` took since the last time."""
        taken, size = self._taken, self._granted - self._room
        if taken:
            assert self._hot is not None
            self._count(self._hot, taken - self._counted)
            self._reducer.chunks += taken
            self.current = self._hot
            self._taken = self._counted = 0
            self._granted = self._room
        return taken, size

    def take(self, block: Any, out: list[Event] | None) -> bool:
        """Fold `block` if it is one event that fits, and nothing else; whether it was."""
        last = self._hot
        if last is None or type(block) is not bytes:
            return False
        envelope = last.next
        head, tail, between, width, start, stop, pieces = envelope.single
        if (envelope is not last and envelope.epoch != self._epoch) or not block.startswith(head):
            other = self._find(block[len(self._frame[0]) : -len(self._frame[1])])
            if other is None or not block.startswith(other.head):
                return False
            last.next = envelope = other
            _, tail, between, width, start, stop, pieces = envelope.single
        room = self._room - len(block)
        if room < 0 or not block.endswith(tail):
            return False
        if pieces is None:
            found = _read_one(envelope, block[len(self._frame[0]) : -len(self._frame[1])])
            if found is None:
                return False
            _add(envelope, *found)
            if out is not None:
                self._tell(envelope, found[0], found[1], out)
        else:
            if between:  # padding, which has no quotes in it, behind the text
                begin = block.rfind(b'"', 0, stop) + 1
                padding = block[begin:stop]
                if padding and not padding.isalnum():  # no line end, no escape, no byte that is not ASCII
                    return False
                if not block.endswith(between, 0, begin):
                    return False
                stop = begin - width
            try:
                text = _from_json(block[start:stop])  # with its quotes
            except ValueError:
                return False
            if text:
                pieces.append(text)
                if len(pieces) >= MANY_PIECES:
                    envelope.cells[0].compact()
                if out is not None:
                    self._tell(envelope, (text,), None, out)
        self._room = room
        if envelope is not last:
            self._count(last, self._taken - self._counted)
            self._counted = self._taken
            self._hot = envelope
        self._taken += 1
        return True

    # --- many events a block

    def run(self, block: bytes, start: int, out: list[Event] | None) -> tuple[int, int]:
        """Fold the events of `block` from the offset `start` on, as long as each fits an envelope.

        Returns the offset of the first byte that was not read and the number of events that were. At `start` an event
        begins.
        """
        lead, trail = self._frame
        at, events, end = start, 0, len(block)
        while at < end and block.startswith(lead, at):
            stop = block.rfind(trail, at, at + self._stretch)
            if stop < 0 and (stop := block.find(trail, at)) < 0:
                break
            parts = block[at + len(lead) : stop].split(trail + lead)
            fitted = self._fold(parts, out)
            events += fitted
            if fitted < len(parts):
                at += sum(map(len, parts[:fitted])) + fitted * self.overhead
                self._stretch = _SHORT
                break
            at = stop + len(trail)
            self._stretch = min(2 * self._stretch, _LONG)
        self._reducer.chunks += events
        return at, events

    def _fold(self, parts: list[bytes], out: list[Event] | None) -> int:
        """Fold the events with these data; how many did fit before one that does not."""
        folded = self._fold_some(parts, out)
        while 0 < folded < len(parts) and (more := self._fold_some(parts[folded:], out)):
            folded += more
        return folded

    def _fold_some(self, parts: list[bytes], out: list[Event] | None) -> int:
        """Fold all of these, or else the first of them; how many, 0 where the first does not fit."""
        assert self.current is not None
        if len(self._ready) == 1 and not self.current.frames(parts[0]) and self._find(parts[0]) is None:
            return 0  # no other choice or part begins here
        if len(self._ready) == 1:
            (envelope,) = self._ready.values()
            if self._fold_all(parts, envelope, out):
                self._count(envelope, len(parts))
                self.current = envelope
                return len(parts)
            fitting = next((at for at, part in enumerate(parts) if not envelope.frames(part)), len(parts))
        else:
            order = self._envelopes_of(parts)
            if len(order) == len(parts) and self._fold_mixed(parts, order, out):
                return len(parts)
            fitting = len(order)
        if fitting == len(parts):  # it is in the holes that one does not fit
            fitting //= 2
        return self._fold_some(parts[:fitting], out) if fitting else 0

    def _fold_all(self, parts: list[bytes], envelope: Envelope, out: list[Event] | None) -> bool:
        """Fold all of these, if they all fit this envelope; whether they did."""
        found = _read(envelope, parts)
        if found is None:
            return False
        _add(envelope, *found)
        if out is not None:
            self._tell(envelope, found[0], found[1], out)
        return True

    def _fold_mixed(self, parts: list[bytes], order: list[Envelope], out: list[Event] | None) -> bool:
        """Fold all of these, if each fits its envelope in `order`: choices or calls by turns."""
        sorted_parts: dict[Envelope, list[bytes]] = {}
        for part, envelope in zip(parts, order, strict=True):
            sorted_parts.setdefault(envelope, []).append(part)
        # Two forms of one choice's events may add to one field, by turns: one after the other, then, and text alone.
        apart = len({envelope.state for envelope in sorted_parts}) == len(sorted_parts)
        if not apart and not all(envelope.simple for envelope in sorted_parts):
            return False
        read = {}
        for envelope, group in sorted_parts.items():
            found = _read(envelope, group)
            if found is None:
                return False
            read[envelope] = found
        if apart:
            for envelope, found in read.items():
                _add(envelope, *found)
        else:
            said = {envelope: iter(texts) for envelope, (texts, _, _) in read.items()}
            for envelope in order:
                _add(envelope, (next(said[envelope]),), None, ())
        for envelope in reversed(dict.fromkeys(reversed(order))):  # the last call of a choice is counted last
            self._count(envelope, len(sorted_parts[envelope]))
        self.current = order[-1]
        if out is not None:
            each = {envelope: zip(found[0], found[1] or repeat(None), strict=False) for envelope, found in read.items()}
            for envelope in order:
                text, tokens = next(each[envelope])
                self._tell(envelope, (text,), (tokens,), out)
        return True

    def _envelopes_of(self, parts: list[bytes]) -> list[Envelope]:
        """Which envelope each of these begins as, up to one that begins as none does."""
        width = self._width
        order = [self._ready.get(part[:width]) for part in parts]
        while None in order:
            at = order.index(None)
            found = self._find(parts[at])
            if found is None:
                return order[:at]  # type: ignore[return-value]
            order[at] = found
        return order  # type: ignore[return-value]

    def _find(self, data: bytes) -> Envelope | None:
        """The envelope that begins and ends as `data` does and holds in this epoch, or None."""
        for envelope in self._envelopes:
            if envelope.frames(data) and (envelope.epoch == self._epoch or self._holds(envelope)):
                self._make_ready(envelope)
                return envelope
        return None

    def _make_ready(self, envelope: Envelope) -> None:
        ready = [*(one for one in self._ready.values() if one is not envelope), envelope]
        self._width = min(len(one.prefix) for one in ready)
        self._ready = {one.prefix[: self._width]: one for one in ready}

    def _holds(self, envelope: Envelope) -> bool:
        """Rule 2: whether an event of this envelope would change nothing but what its holes say."""
        state = envelope.state
        if envelope.facts is not self._facts or state.done or state.settled or envelope.part not in state.open:
            return False
        if envelope.role and state.bare:
            return False
        if envelope.call is not None and state.calls.at(envelope.index) is not envelope.call:
            return False
        if not envelope.bound():
            return False
        envelope.epoch = self._epoch
        return True

    def _count(self, envelope: Envelope, events: int) -> None:
        """What is counted for each event, for `events` in a row at once."""
        envelope.hits += events
        if not envelope.counted or not events:
            return
        if envelope.call is not None:
            envelope.call.explain(KNOWN_INDEX, events)
            envelope.state.calls.last = envelope.call
        self._anomalies.repeat(envelope.notes, events)
        for path in envelope.unknown:
            self._unknown[path] = self._unknown.get(path, 0) + events

    def _tell(
        self,
        envelope: Envelope,
        texts: Iterable[str],
        tokens: Sequence[_Tokens | None] | None,
        out: list[Event],
    ) -> None:
        """Append to `out` what these events mean."""
        sequence, choice, call, kind = self._reducer.sequence, envelope.state.index, envelope.call, envelope.event
        for number, text in enumerate(texts):
            if text:
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
                event.__class__ = kind
                sequence += 1
                out.append(event)
            if tokens is not None and (some := tokens[number]):
                out.append(LogprobsDelta(sequence, choice, list(some), []))
                sequence += 1
        self._reducer.sequence = sequence

    # --- learning

    @property
    def resting(self) -> bool:
        """Whether it is not worth while to look at the next event alone."""
        return self._rest > 0

    def pause(self) -> None:
        """Something is going to happen that no envelope knows of: a new epoch begins."""
        self._epoch += 1
        self.current = self._hot = self._facts = None
        self._ready = {}

    def miss(self) -> None:
        """An event was read by the reference path, and nothing can be learned from it."""
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
        if len(data) > _LONG:  # an image, perhaps: to look for its holes would cost more than it could ever save
            return self.miss()
        steady = not notes or all(code in _STEADY for code, _ in notes)
        # A field that changed its type keeps each of its values, also one that is the same again.
        said = only_text(chunk) if steady and not self._rest and not self._reducer.mixed else None
        frame = _frame_of(raw, data) if said else None
        if said is None or frame is None:
            return self.miss()
        self._unfit = 0
        state = self._reducer.choices[chunk.choices[0].index]
        role = bool(chunk.choices[0].delta.role)
        index = said.index
        part: Part | None = said.field
        if part in REASONING:
            part = "reasoning" if state.reasoning in said.names else None
        elif index is not None:
            part = state.calls.at(index)  # None where the fragment came to its call by another rule
        if part is None or part not in state.open or (role and state.bare):
            return
        if said.tokens and ("logprobs" not in state.open or any(".logprobs" in path for _, path in notes)):
            return
        if frame != self._frame or not self.overhead:
            self._envelopes.clear()
            self._frame, self.overhead = frame, len(frame[0]) + len(frame[1])
        facts = facts_of(chunk, said)
        envelope = self._known(state, part, data, facts, notes)
        if envelope is None:
            places = find_holes(data, said)
            if places is None:
                return self._learned_in_vain()
            envelope = Envelope(*places, frame, state, part)
            envelope.index = index
            envelope.facts = facts
            envelope.unknown = unknown_paths(chunk)
            envelope.notes = notes
            envelope.counted = bool(envelope.unknown or notes or envelope.call)
            envelope.role = role
            self._keep(envelope)
        else:
            self._misses = 0
        for other in self._envelopes:  # equal facts are one object, so that they are compared by identity
            if other.facts == facts:
                envelope.facts = other.facts
                break
        if envelope.bind():
            self._facts = envelope.facts
            envelope.epoch = self._epoch
            self._make_ready(envelope)
            self.current = envelope
        else:
            self._envelopes.remove(envelope)

    def _known(self, state: ChoiceState, part: Part, data: bytes, facts: Any, notes: Any) -> Envelope | None:
        """The envelope that would have taken an event like this one, had it been ready."""
        for one in self._envelopes:
            if one.state is state and one.part == part and one.facts == facts and one.notes == notes:
                if _read(one, [data]) is not None:
                    return one
        return None

    def _keep(self, envelope: Envelope) -> None:
        """Keep a new envelope, and let go of old ones. Of one part two are kept: some senders write an empty field into
        every other event (Z.ai's `"content":""`)."""
        alike = [one for one in self._envelopes if one.state is envelope.state and one.part == envelope.part]
        if alike and not alike[-1].hits:
            self._learned_in_vain()
        if len(alike) > 1:
            self._envelopes.remove(alike[0])
        elif len(self._envelopes) >= _MOST:
            del self._envelopes[0]
        self._envelopes.append(envelope)


def _read(envelope: Envelope, parts: list[bytes]) -> _Found | None:
    """What the holes of events with these data say, or None where one of them does not fit."""
    if envelope.simple:
        said = _read_texts(envelope, parts)
        return None if said is None else (said, None, ())
    texts: list[str] = []
    tokens: list[_Tokens | None] = []
    numbers: Sequence[int] = ()
    for part in parts:
        found = _read_one(envelope, part)
        if found is None:
            return None
        (text,), (some,), numbers = found
        texts.append(text)
        tokens.append(some)
    return texts, tokens, numbers


def _read_texts(envelope: Envelope, parts: list[bytes]) -> list[str] | None:
    """As `_read`, where nothing or just padding stands behind the text: the texts."""
    prefix, suffix = envelope.prefix, envelope.suffix
    begin, end = len(prefix), -len(suffix)
    texts = [part[begin:end] for part in parts]
    # One comparison for all. A part that is shorter than both makes what is compared longer than it is.
    if b"\n".join(parts) != prefix + (suffix + b"\n" + prefix).join(texts) + suffix:
        return None
    if between := envelope.between:
        cut = [text.partition(between) for text in texts]
        if b"" in [found for _, found, _ in cut]:
            return None
        texts = [text for text, _, _ in cut]
        padding = b"".join([behind for _, _, behind in cut])
        if padding and not padding.isalnum():  # no line end, no escape, no byte that is not ASCII
            return None
    try:
        said: list[str] = _from_json(b'["' + b'",\n"'.join(texts) + b'"]')
    except ValueError:
        return None
    return said if len(said) == len(parts) else None


def _read_one(envelope: Envelope, data: bytes) -> tuple[tuple[str], tuple[_Tokens | None], Sequence[int]] | None:
    """What the holes of one event say, or None where it does not fit."""
    if not envelope.frames(data):
        return None
    rest = data[len(envelope.prefix) : -len(envelope.suffix)]
    said = tokens = None
    numbers = []
    try:
        for kind, behind in envelope.steps:
            value = rest
            if behind:
                value, found, rest = rest.partition(behind)
                if not found:
                    return None
            if kind == "tokens":
                tokens = _read_tokens(value)
            elif kind == "number":
                if not value.isdigit():
                    return None
                numbers.append(_from_json(value))
            elif kind == "padding":
                if value and not value.isalnum():
                    return None
            elif said is None:
                said = value
            elif value != said:
                return None
        assert said is not None
        return (_from_json(b'"%b"' % said),), (tokens,), numbers
    except ValueError:
        return None


def _read_tokens(array: bytes) -> _Tokens:
    """The entries in a JSON array; ValueError where the reference path would find anything odd in it."""
    if b"\n" in array or b"\r" in array:
        raise ValueError("a line end between values ends the line of the event too")
    items = _from_json(array, allow_inf_nan=False)
    if type(items) is not list or not {dict}.issuperset(map(type, items)):
        raise ValueError("no list of objects")
    return read_tokens(items, "", _refuse)


def _refuse(code: str, *_: object) -> None:
    raise ValueError(code)


def _add(
    envelope: Envelope, texts: Sequence[str], tokens: Sequence[_Tokens | None] | None, numbers: Sequence[int]
) -> None:
    """Add what was read to where it goes."""
    text = "".join(texts)
    if text:
        for cell in envelope.cells:
            cell.pieces.append(text)
            if len(cell.pieces) >= MANY_PIECES:
                cell.compact()
    if tokens and (some := [token for each in tokens for token in each or ()]):
        envelope.state.need("logprobs_content").add(some)
    for counter, number in zip(envelope.counters, numbers, strict=True):
        counter.add(number)


def _frame_of(raw: bytes, data: bytes) -> _Frame | None:
    """What stands around `data` in `raw`; where the network cut the event in two, as far as its end tells."""
    if len(raw) < len(data) + _LEAST_FRAME:
        return _FRAMES[2 if raw.endswith(b"\r\n\r\n") else 0]
    return next((frame for frame in _FRAMES if raw == frame[0] + data + frame[1]), None)
