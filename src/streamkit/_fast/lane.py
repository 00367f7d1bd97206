"""The fast lane: events that differ from an earlier one only in the values of its slots (see `template`).

Rule 1: the reference path is the meaning. What an template is, and which events it takes, is proved when it is learned.
Rule 2: an template holds as long as nothing else happens. Each event on the reference path starts a new epoch, in
        which an template is checked again before its first use: the facts of the chunk (id, model ...) must be the last
        ones folded, and its part must be open.
Rule 3: any doubt goes to the reference path: bytes around a slot that differ, a slot that is not one JSON value of its
        kind, half a surrogate pair. An event is folded whole or not at all.

It reads blocks, not events, in two ways. `take` is for a block that is one event. `run` is for many: it cuts a stretch
of the block at its blank lines, compares all that stands around the slots of all its events in one comparison, and
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

from .._decode.chunk_reader import read_tokens
from .._decode.fast_frozen import unfrozen_twin
from .._fold.choice import ChoiceState, Part
from .._fold.fields import MANY_PIECES
from .._fold.reducer import Reducer
from .._fold.tool_calls import KNOWN_INDEX
from ..anomalies import Anomalies
from ..events import ContentDelta, Event, LogprobsDelta, ToolCallDelta
from ..rules import REASONING
from ..types import ChatCompletionTokenLogprob, CreateChatCompletionStreamResponse
from .template import Template, facts_of, find_slots, only_text, unknown_paths

__all__ = ("Lane",)

_MOST = 32  # templates kept, one a choice and part; the least recently learned goes first
_PATIENCE = 4  # templates learned in a row that no event ever fitted, before learning becomes rarer
_LENIENCE = 32  # events in a row that no template can be learned from (a stream begins with some), before the same
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
"""Of each event its text, and its log probabilities where the template has them; of the last one its numbers."""

_new_delta = unfrozen_twin(ContentDelta)
_new_tool_delta = unfrozen_twin(ToolCallDelta)
_from_json = jiter.from_json


class Lane:
    """The templates of one stream."""

    def __init__(self, reducer: Reducer, unknown: dict[str, int], anomalies: Anomalies) -> None:
        self._reducer = reducer
        self._unknown = unknown
        self._anomalies = anomalies
        self._envelopes: list[Template] = []
        self._ready: dict[bytes, Template] = {}  # those that hold in this epoch, by how they begin
        self._frame: _Frame = _FRAMES[0]  # the same for all templates
        self.current: Template | None = None  # the one that fitted last; None: nothing can fit now
        self.overhead = 0  # bytes of an event that are not its data
        self._hot: Template | None = None  # the current one, while `take` may be called
        self._granted = self._room = 0  # bytes that `take` may take in all, and that are left
        self._taken = 0  # events that it took
        self._counted = 0  # those of them that are counted
        self._width = 0  # bytes by which ready templates are told apart
        self._stretch = _SHORT
        self._epoch = 0
        self._facts: Any = None
        self._misses = 0  # templates in a row that were learned in vain
        self._unfit = 0  # events in a row that none can be learned from
        self._rest = 0  # events not to be looked at, for a sender whose templates never fit

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
        template = last.next
        head, tail, between, width, start, stop, pieces = template.single
        if (template is not last and template.epoch != self._epoch) or not block.startswith(head):
            other = self._find(block[len(self._frame[0]) : -len(self._frame[1])])
            if other is None or not block.startswith(other.head):
                return False
            last.next = template = other
            _, tail, between, width, start, stop, pieces = template.single
        room = self._room - len(block)
        if room < 0 or not block.endswith(tail):
            return False
        if pieces is None:
            found = _read_one(template, block[len(self._frame[0]) : -len(self._frame[1])])
            if found is None:
                return False
            if template is not last:
                self._turn(last, template)
            if out is not None:
                self._tell(template, found[0], found[1], out)
            _add(template, *found)
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
            # Any call may raise RecursionError: none stands between two changes that must go together.
            if template is not last:
                self._turn(last, template)
            if text:
                if len(pieces) >= MANY_PIECES:
                    template.states[0].compact()
                if out is not None:
                    self._tell(template, (text,), None, out)
                pieces.append(text)
        self._room = room
        self._taken += 1
        return True

    def _turn(self, last: Template, template: Template) -> None:
        """Count the events that `last` took, as those of `template` come now."""
        self._count(last, self._taken - self._counted)
        self._counted = self._taken
        self._hot = template

    # --- many events a block

    def run(self, block: bytes, start: int, out: list[Event] | None) -> tuple[int, int]:
        """Fold the events of `block` from the offset `start` on, as long as each fits an template.

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
            (template,) = self._ready.values()
            if self._fold_all(parts, template, out):
                self._count(template, len(parts))
                self.current = template
                return len(parts)
            fitting = next((at for at, part in enumerate(parts) if not template.frames(part)), len(parts))
        else:
            order = self._envelopes_of(parts)
            if len(order) == len(parts) and self._fold_mixed(parts, order, out):
                return len(parts)
            fitting = len(order)
        if fitting == len(parts):  # it is in the slots that one does not fit
            fitting //= 2
        return self._fold_some(parts[:fitting], out) if fitting else 0

    def _fold_all(self, parts: list[bytes], template: Template, out: list[Event] | None) -> bool:
        """Fold all of these, if they all fit this template; whether they did."""
        found = _read(template, parts)
        if found is None:
            return False
        _add(template, *found)
        if out is not None:
            self._tell(template, found[0], found[1], out)
        return True

    def _fold_mixed(self, parts: list[bytes], order: list[Template], out: list[Event] | None) -> bool:
        """Fold all of these, if each fits its template in `order`: choices or calls by turns."""
        sorted_parts: dict[Template, list[bytes]] = {}
        for part, template in zip(parts, order, strict=True):
            sorted_parts.setdefault(template, []).append(part)
        # Two forms of one choice's events may add to one field, by turns: one after the other, then, and text alone.
        apart = len({template.state for template in sorted_parts}) == len(sorted_parts)
        if not apart and not all(template.simple for template in sorted_parts):
            return False
        read = {}
        for template, group in sorted_parts.items():
            found = _read(template, group)
            if found is None:
                return False
            read[template] = found
        if apart:
            for template, found in read.items():
                _add(template, *found)
        else:
            said = {template: iter(texts) for template, (texts, _, _) in read.items()}
            for template in order:
                _add(template, (next(said[template]),), None, ())
        for template in reversed(dict.fromkeys(reversed(order))):  # the last call of a choice is counted last
            self._count(template, len(sorted_parts[template]))
        self.current = order[-1]
        if out is not None:
            each = {template: zip(found[0], found[1] or repeat(None), strict=False) for template, found in read.items()}
            for template in order:
                text, tokens = next(each[template])
                self._tell(template, (text,), (tokens,), out)
        return True

    def _envelopes_of(self, parts: list[bytes]) -> list[Template]:
        """Which template each of these begins as, up to one that begins as none does."""
        width = self._width
        order = [self._ready.get(part[:width]) for part in parts]
        while None in order:
            at = order.index(None)
            found = self._find(parts[at])
            if found is None:
                return order[:at]  # type: ignore[return-value]
            order[at] = found
        return order  # type: ignore[return-value]

    def _find(self, data: bytes) -> Template | None:
        """The template that begins and ends as `data` does and holds in this epoch, or None."""
        for template in self._envelopes:
            if template.frames(data) and (template.epoch == self._epoch or self._holds(template)):
                self._make_ready(template)
                return template
        return None

    def _make_ready(self, template: Template) -> None:
        ready = [*(one for one in self._ready.values() if one is not template), template]
        width = min(len(one.prefix) for one in ready)
        self._ready = {one.prefix[:width]: one for one in ready}
        self._width = width

    def _holds(self, template: Template) -> bool:
        """Rule 2: whether an event of this template would change nothing but what its slots say."""
        state = template.state
        if template.facts is not self._facts or state.done or state.settled or template.part not in state.open:
            return False
        if template.role and state.bare:
            return False
        if template.call is not None and state.calls.at(template.index) is not template.call:
            return False
        if not template.bound():
            return False
        template.epoch = self._epoch
        return True

    def _count(self, template: Template, events: int) -> None:
        """What is counted for each event, for `events` in a row at once."""
        template.hits += events
        if not template.counted or not events:
            return
        if template.call is not None:
            template.call.explain(KNOWN_INDEX, events)
            template.state.calls.last = template.call
        self._anomalies.repeat(template.notes, events)
        for path in template.unknown:
            self._unknown[path] = self._unknown.get(path, 0) + events

    def _tell(
        self,
        template: Template,
        texts: Iterable[str],
        tokens: Sequence[_Tokens | None] | None,
        out: list[Event],
    ) -> None:
        """Append to `out` what these events mean."""
        sequence, choice, call, kind = self._reducer.sequence, template.state.index, template.call, template.event
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
        """Something is going to happen that no template knows of: a new epoch begins."""
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

        `raw`: the bytes that were read with it; an template is learned only where they are just this event, or its end.
        """
        if len(data) > _LONG:  # an image, perhaps: to look for its slots would cost more than it could ever save
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
        template = self._known(state, part, data, facts, notes)
        if template is None:
            places = find_slots(data, said)
            if places is None:
                return self._learned_in_vain()
            template = Template(*places, frame, state, part)
            template.index = index
            template.facts = facts
            template.unknown = unknown_paths(chunk)
            template.notes = notes
            template.counted = bool(template.unknown or notes or template.call)
            template.role = role
            self._keep(template)
        else:
            self._misses = 0
        for other in self._envelopes:  # equal facts are one object, so that they are compared by identity
            if other.facts == facts:
                template.facts = other.facts
                break
        if template.bind():
            self._facts = template.facts
            template.epoch = self._epoch
            self._make_ready(template)
            self.current = template
        else:
            self._envelopes.remove(template)

    def _known(self, state: ChoiceState, part: Part, data: bytes, facts: Any, notes: Any) -> Template | None:
        """The template that would have taken an event like this one, had it been ready."""
        for one in self._envelopes:
            if one.state is state and one.part == part and one.facts == facts and one.notes == notes:
                if _read(one, [data]) is not None:
                    return one
        return None

    def _keep(self, template: Template) -> None:
        """Keep a new template, and let go of old ones. Of one part two are kept: some senders write an empty field into
        every other event (Z.ai's `"content":""`)."""
        alike = [one for one in self._envelopes if one.state is template.state and one.part == template.part]
        if alike and not alike[-1].hits:
            self._learned_in_vain()
        if len(alike) > 1:
            self._envelopes.remove(alike[0])
        elif len(self._envelopes) >= _MOST:
            del self._envelopes[0]
        self._envelopes.append(template)


def _read(template: Template, parts: list[bytes]) -> _Found | None:
    """What the slots of events with these data say, or None where one of them does not fit."""
    if template.simple:
        said = _read_texts(template, parts)
        return None if said is None else (said, None, ())
    texts: list[str] = []
    tokens: list[_Tokens | None] = []
    numbers: Sequence[int] = ()
    for part in parts:
        found = _read_one(template, part)
        if found is None:
            return None
        (text,), (some,), numbers = found
        texts.append(text)
        tokens.append(some)
    return texts, tokens, numbers


def _read_texts(template: Template, parts: list[bytes]) -> list[str] | None:
    """As `_read`, where nothing or just padding stands behind the text: the texts."""
    prefix, suffix = template.prefix, template.suffix
    begin, end = len(prefix), -len(suffix)
    texts = [part[begin:end] for part in parts]
    # One comparison for all. A part that is shorter than both makes what is compared longer than it is.
    if b"\n".join(parts) != prefix + (suffix + b"\n" + prefix).join(texts) + suffix:
        return None
    if between := template.between:
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


def _read_one(template: Template, data: bytes) -> tuple[tuple[str], tuple[_Tokens | None], Sequence[int]] | None:
    """What the slots of one event say, or None where it does not fit."""
    if not template.frames(data):
        return None
    rest = data[len(template.prefix) : -len(template.suffix)]
    said = tokens = None
    numbers = []
    try:
        for kind, behind in template.steps:
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
    template: Template, texts: Sequence[str], tokens: Sequence[_Tokens | None] | None, numbers: Sequence[int]
) -> None:
    """Add what was read to where it goes."""
    # What takes the most frames stands first: where that goes well, so does the rest.
    for counter, number in zip(template.counters, numbers, strict=True):
        counter.add(number)
    if tokens and (some := [token for each in tokens for token in each or ()]):
        template.state.need("logprobs_content").add(some)
    text = "".join(texts)
    if text:
        for state in template.states:
            if len(state.pieces) >= MANY_PIECES:
                state.compact()
        for state in template.states:
            state.pieces.append(text)


def _frame_of(raw: bytes, data: bytes) -> _Frame | None:
    """What stands around `data` in `raw`; where the network cut the event in two, as far as its end tells."""
    if len(raw) < len(data) + _LEAST_FRAME:
        return _FRAMES[2 if raw.endswith(b"\r\n\r\n") else 0]
    return next((frame for frame in _FRAMES if raw == frame[0] + data + frame[1]), None)
