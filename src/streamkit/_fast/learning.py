"""Learn templates from events that the reference path has read, for as long as looking for them pays.

`Budget` decides when: the fast lane may lose about a tenth of the cost of the reference path over a long stream, and less
than a quarter over 100 events. It begins with what one template costs, every event adds something, every event that
takes the fast lane adds more, and every attempt costs its price. When the budget is empty the lane rests, and events go
straight to the reference path, unless what is ahead in the block shows that more will pay. Streams that need this: a
few events of text between others, a new id in every third chunk, more choices than templates are kept.

Rule 1: nothing is learned from an event that is not like another one (`likeness`): no template of it could pay.
Rule 2: a further choice or call is learned at its second event, as a stamp of a known template (`Stamp`).
Rule 3: if no event of that form can change more than its text (`portable`), that second event need not take the
        reference path: its bytes, except for an index, are those that were proved (`adopt`).
Rule 4: with more than a few choices or calls nothing is learned before the budget affords a template for each: they
        arrive by turns, and some of them save nothing.

Known weakness: the prices are averages, and code that runs once in a stream finds cold caches. At exactly 101 events of
the worst random mixtures some take up to 1.3 times the reference path; benches/unlucky.py has them.

`Templates` keeps what was learned. Cost: 15 to 30 us for a new template, half of that for one that is recognised.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._fold.choice import ChoiceState, Part
from .._fold.field_rules import FieldState
from .._fold.fields import Fields
from .._fold.reducer import Reducer
from .._fold.tool_calls import Call
from ..rules import DELTA, REASONING
from ..types import CreateChatCompletionStreamResponse
from .likeness import Likeness
from .slot_values import form_of, read_values
from .slots import Stamp, find_slots, find_stamp
from .template import LONGEST, Template, is_lasting, is_portable
from .text_chunk import Path, TextChunk, facts_of, only_text, unknown_paths

__all__ = (
    "ALONE",
    "ASIDE",
    "ASKED",
    "BETWEEN",
    "CUT",
    "FEW",
    "FEW_READ",
    "FRAMES",
    "LENT",
    "LIKE",
    "LONGEST",
    "PASSED",
    "PROMISED",
    "REFUSED",
    "RESUMED",
    "RUN",
    "TRUSTED",
    "UNLIKE",
    "Budget",
    "Frame",
    "Templates",
    "whole_event",
)

# In twentieths of what the reference path takes for a short event of text (0.25 us each). Measured on streams where
# learning never pays, so with cold caches, and with what it costs to read an event apart from those around it (5 us).
GRANT = 180  # what a stream begins with
PROMISED = 280  # what it gets once where the block shows that choices by turns will pay (`Likeness.promises`)
TRUSTED = 200  # the same, where nothing is ahead, but choices arrive by turns
LENT = 120  # the same, where it shows that the next few events fit: what those will earn
EARNED = 1  # for each event, on either path: what may be lost
SAVED = 12  # for each event that took the fast lane
MOST = 10000  # a long row of events that fit pays for no more than this
UNLIKE = 6  # an event that is not like another one, and as much again for a row of them
ASIDE = 30  # more for one of a block, or some in a row: they are read apart from the others
PASSED = 8  # an event that is not a plain chunk
REFUSED = 10  # an event that is a whole block and did not fit
ASKED = 20  # a single event of a larger block that did not fit
ALONE = 75  # events of a block that were read one by one, up to one that did not fit
CUT = 28  # a stretch of a block that was cut into events and did not fit as a whole
RUN = 0, 110, 85, 80, 75  # 0, 1, 2 ... events of a block that fitted, up to one that did not; the last for more
BETWEEN = 26  # comments between two events of a block: each event is then folded alone
RESUMED = 16  # checking a template again after an event that is not like its own
NO_TEXT = 28  # a chunk that says more than a text, or has no text
LOOKED = 80  # a chunk of text that no template can be learned from
KNOWN = 110  # an event that a template of an earlier epoch takes again
AGAIN = 75  # the same, where its constant bytes are proof enough
NEW = 140  # a new template
FIRST_NEW = 120  # the first two: of a number that is a slot, and of a form that arrives by turns with another, both pay
FOUND = 60  # looking for the index in a template that is to serve other choices
ADOPTED = 80  # a template for another choice or call, from the bytes of an event alone
READ = 20  # more for that, where the event had to be read all the same
STAMPED = 85  # one for another choice or call, from one that is known
SAVED_FOR = 20  # what must be left for each of many before the first is learned: by then many have arrived
FEW, FEW_READ = 16, 3  # choices or calls that are learned on trust, and those of which each must be read for that
LIKE = 24  # finding that an event is like another one
# The same, for the first FEW where they arrive by turns: nearly all streams with a few choices make it pay.
FIRST_FOUND, FIRST_ADOPTED = 30, 4
REST, LONGEST_REST = 256, 1024  # events to rest for: the first time, and after many times that earned nothing

_SHORT, _MOST_EXPECTED = 100, 150  # events: those that GRANT is enough for, and the most that count after them
MOST_TEMPLATES = 128  # one a choice and part; the oldest is dropped first
_ROW = 6  # events of one choice in a row: then others are not expected by turns
_FITS = 2  # events, after which a template has paid for itself
_MOST_STAMPS = 4  # content, reasoning, arguments, each in as many forms as a sender has

Frame = tuple[bytes, bytes]
"""The bytes before the data of an event, and after it."""

FRAMES: tuple[Frame, ...] = (
    (b"data: ", b"\n\n"),
    (b"data:", b"\n\n"),
    (b"data: ", b"\r\n\r\n"),
    (b"data:", b"\r\n\r\n"),
)
_COMMON = len(FRAMES[0][0]) + len(FRAMES[0][1])
_LEAST_FRAME = min(len(lead) + len(trail) for lead, trail in FRAMES)

_STEADY = frozenset(
    {
        "created_form", "created_missing", "field_type", "finish_empty", "id_word", "index_missing", "index_type", "role_unknown",
    }
)  # fmt: skip
"""Anomalies that follow from the bytes around the text, and are noted again with each event that has the same
bytes there."""

_ONCE = frozenset({"number_changed"})
"""Those that are noted once for a field, whatever follows."""


_CHOICES = b'"choices"'


class Budget:
    """What may be spent on looking for templates."""

    __slots__ = ("_left", "_missing", "_paying", "_rest", "earned", "promised")

    def __init__(self) -> None:
        self._left = GRANT
        self._rest = REST  # events to rest for the next time
        self._missing = 0  # of what is to be saved for
        self._paying = False  # whether events took the lane since the last rest
        self.promised = False  # whether more was asked for on trust
        self.earned = 0  # events that took the fast lane

    def expect(self, events: int) -> None:
        """Add what a stream may lose that is known to have that many events ahead."""
        self._left += EARNED * min(max(events - _SHORT, 0), _MOST_EXPECTED)

    def earn(self, events: int) -> None:
        """Add what events saved that took the fast lane."""
        self.earned += events
        self._left = min(self._left + (EARNED + SAVED) * events, MOST)
        self._rest, self._paying = REST, True

    def spend(self, cost: int, events: int = 1) -> None:
        """Subtract what it cost to look at events that the reference path then read."""
        self._left += EARNED * events - cost

    def is_enough_for(self, choices: int) -> bool:
        """Return whether there is enough left for a template of each choice, if they arrive by turns."""
        return self._left > FIRST_NEW + FIRST_FOUND + FIRST_ADOPTED * choices + ASKED

    def affords(self, cost: int) -> bool:
        """Return whether there is that much left; if not, the lane rests until there is."""
        self._missing = max(cost - self._left, 0)
        return not self._missing

    def promise(self, amount: int) -> None:
        """Add what is spent on trust, once in a stream; 0 if nothing is."""
        self.promised = True
        self._left += amount

    def rest(self, events: int) -> None:
        """Add what events earned that took the reference path without being looked at."""
        self._left += EARNED * events

    @property
    def rich(self) -> bool:
        """Whether so much was earned that what is in vain for a while does not matter."""
        return self._paying and self._left > GRANT // 2

    @property
    def spent(self) -> bool:
        """Whether nothing is left, or not what is to be saved for."""
        return self._left < 0 or self._missing > 0

    def lie_down(self) -> int:
        """Return for how many events from here on the lane should rest: twice as many each time that it earned nothing."""
        least = REST if self.spent else REST // 2  # looking in vain costs less than learning in vain
        owed = max(self._missing, -self._left) // EARNED
        events = max(least if self._rest == REST else self._rest, least + owed)
        self._rest, self._missing = min(2 * self._rest, LONGEST_REST), 0
        self._paying = False
        return events


class Templates:
    """The templates of one stream, in the order in which they were learned; all of them have the same frame."""

    __slots__ = (
        "_adopted",
        "_facts",
        "_heads",
        "_made",
        "_of",
        "_reducer",
        "_stamps",
        "_widths",
        "budget",
        "frame",
        "in_vain",
        "kept",
        "overhead",
    )

    def __init__(self, reducer: Reducer) -> None:
        self._reducer = reducer
        self.budget = Budget()
        self.in_vain = False  # whether nothing can be learned from events like the one that was looked at last
        self._adopted = self._made = 0
        self._stamps: list[Stamp | _Unstamped] = []  # of the templates learned last that were not stamped themselves
        self._facts: Any = None  # those of the template learned last
        self.frame = FRAMES[0]
        self.overhead = 0  # bytes of an event that are not its data; 0 before the first template
        self._forget()

    def _forget(self) -> None:
        self.kept: list[Template] = []
        self._of: dict[ChoiceState | Call, tuple[Template, ...]] = {}  # by choice or call
        self._heads: dict[bytes, tuple[Template, ...]] = {}  # by prefix
        self._widths: dict[int, int] = {}  # how many prefixes are that long
        self._stamps.clear()

    def framing(self, data: bytes) -> Iterator[Template]:
        """Yield the templates that begin and end like `data`."""
        for width in self._widths:
            for template in self._heads.get(data[:width], ()):
                if data.endswith(template.suffix):
                    yield template

    def learn(
        self,
        raw: bytes,
        data: bytes,
        chunk: CreateChatCompletionStreamResponse,
        notes: tuple[tuple[str, str], ...],
        likeness: Likeness,
        following: bytes,
    ) -> Template | None:
        """Return the template of an event with these `data`, or None; `notes`: code and path of each anomaly in it.

        `likeness`: how well the templates so far have fitted; `following`: the bytes after this event, if they are known.
        `raw`: the bytes that were read with it. A template is learned only if they are just this event, or its end.
        """
        self.in_vain = False
        if not _may_say_text(chunk):
            self._nothing(NO_TEXT)
            return None
        if chunk.usage is not None and (not self._reducer.usage.repeated or any("usage" in path for _, path in notes)):
            self.budget.spend(NO_TEXT)
            return None
        frame = _frame_of(raw, data)
        if frame is None:
            self.budget.spend(PASSED)
            return None
        if notes:
            # A field that changed its type keeps each of its values, even one that is the same again.
            notes = tuple(note for note in notes if note[0] not in _ONCE)
        if len(data) > LONGEST or self._reducer.mixed or not (not notes or all(code in _STEADY for code, _ in notes)):
            self.budget.spend(PASSED)
            return None
        if not notes and self._facts == self._reducer.metadata:
            template = self._again(data)
            if template is not None:
                return template
            template = self.adopt(data, self._facts, 0)
            if template is not None:
                self.budget.spend(READ)
                return template
        if not self._may_pay(data, chunk, likeness, following):
            self._nothing(NO_TEXT)
            return None
        text = only_text(chunk, lambda place: self._look(chunk, place))
        if text is None:
            self._nothing(LOOKED)
            return None
        if self._reducer.whole and not text.plain:  # pieces hold all that differs from event to event
            self._nothing(LOOKED)
            return None
        state = self._reducer.choices[chunk.choices[0].index]
        role = bool(chunk.choices[0].delta.role)
        part = self._part_of(text, state, role, notes)
        if part is None:
            self._nothing(LOOKED)
            return None
        if not self.kept and not self._affords(state, not notes):
            return None
        if frame != self.frame or not self.overhead:
            self._forget()
            self.frame, self.overhead = frame, len(frame[0]) + len(frame[1])
        facts = facts_of(chunk, text)
        alike = [one for one in self._of.get(_owner(state, part), ()) if one.part == part]
        template = self._known(alike, data, facts, notes)
        if template is not None:
            self.budget.spend(KNOWN)
        else:
            template = self._stamped(state, part, text.index, data, notes, role) if self._stamps else None
            if template is not None:
                self.budget.spend(STAMPED)
            else:
                self._made += 1
                self.budget.spend(NEW if self._made > 2 else FIRST_NEW)
                places = find_slots(data, text)
                if places is None:
                    self.in_vain = True
                    return None
                template = Template(*places, self.frame, state, part)
                if chunk.usage is not None:
                    template.form = form_of(template, data)
                template.index = text.index
                template.unknown = unknown_paths(chunk)
                template.notes = notes
                template.counted = bool(template.unknown or notes or template.call)
                template.role = role
                self._stamps.insert(0, _Unstamped(template, data, text))
                del self._stamps[_MOST_STAMPS:]
            template.facts = self._same(facts, alike)
            template.lasting = is_lasting(template, chunk)
            template.portable = is_portable(template, chunk)
            self._keep(template, alike)
        template.standing = text.standing
        if template.bind():
            return template
        self._drop(template)
        self.in_vain = True
        return None

    def _nothing(self, cost: int) -> None:
        """Note that nothing can be learned from an event, and what it cost to see it."""
        self.in_vain = True
        self.budget.spend(cost)

    def _part_of(self, text: TextChunk, state: ChoiceState, role: bool, notes: Any) -> Part | None:
        """Return the part that `text` continues; None if an event like this would change more than that."""
        part: Part | None = text.field
        if part in REASONING:
            part = "reasoning" if state.thought is None and state.reasoning in text.names else None
        elif text.index is not None:
            part = state.calls.at(text.index)  # None if another rule matched the fragment to its call
        if part is None or part not in state.open or (role and state.bare):
            return None
        if text.tokens and ("logprobs" not in state.open or any(".logprobs" in path for _, path in notes)):
            return None
        return part

    def _may_pay(
        self, data: bytes, chunk: CreateChatCompletionStreamResponse, likeness: Likeness, following: bytes
    ) -> bool:
        """Return whether another template of the same part may pay, as far as little shows that: if the last one does, by
        what it fitted or by what is next, or if a number may be a slot now that it has varied."""
        if not self.kept:
            return True
        (choice,) = chunk.choices
        last, delta, end = self.kept[-1], choice.delta, following.find(self.frame[1])
        if likeness.fits >= _FITS or choice.index != last.state.index:
            return True
        if last.part != ("content" if delta.content else "reasoning") or delta.tool_calls:
            return True
        if end >= 0 and last.frames(following[len(self.frame[0]) : end]):
            return True
        extras = (("", chunk.extra), ("choices[].", choice.extra), (DELTA, delta.extra))
        names = [lead + name for lead, extra in extras for name, value in extra.items() if type(value) is int]
        return any(name in last.unknown for name in names) or next(self.framing(data), None) is not None

    def fits(self, event: bytes) -> bool:
        """Return whether an event begins and ends like a template that need not be learned again after others."""
        lead, trail = self.frame
        return event.startswith(lead) and any(one.lasting for one in self.framing(event[len(lead) : -len(trail)]))

    def _affords(self, state: ChoiceState, plain: bool) -> bool:
        """Return whether the first template may be learned: with many choices or calls by turns each needs one before any
        can pay; `plain`: whether the others need not be read for that."""
        others = max(len(self._reducer.choices), len(state.calls.calls))
        if others <= (FEW if plain else FEW_READ):
            return True
        return self.budget.affords(NEW + FOUND + (SAVED_FOR if plain else STAMPED) * min(others, MOST_TEMPLATES))

    def _look(self, chunk: CreateChatCompletionStreamResponse, place: Path) -> FieldState | None:
        """Return the state of the unknown field at `place` of a chunk with one choice."""
        name = str(place[-1])
        if len(place) == 1:
            return self._reducer.unknown(name)
        state = self._reducer.choices[chunk.choices[0].index]
        fields: Fields | None = state.delta_extra if place[2] == "delta" and len(place) == 4 else state.extra
        return None if fields is None else fields.state(name)

    def _known(self, alike: list[Template], data: bytes, facts: Any, notes: Any) -> Template | None:
        """Return the one of these templates that would have taken an event like this if it had been ready, or None."""
        for one in alike:
            if one.facts == facts and one.notes == notes and read_values(one, [data]) is not None:
                return one
        return None

    def _stamped(
        self, state: ChoiceState, part: Part, index: int | None, data: bytes, notes: Any, role: bool
    ) -> Template | None:
        """Return the template of this event, made from one of another choice or call that differs only in an index, or
        None."""
        for at, stamp in enumerate(self._stamps):
            like = stamp.template
            if like.notes != notes or like.role is not role:
                continue
            if like.part != part if index is None else (like.call is None or like.part is part):
                continue
            if index is None and like.state is state:
                continue
            if type(stamp) is _Unstamped:
                found = find_stamp(stamp.data, stamp.text, like)
                if found is None:
                    del self._stamps[at]
                    return None
                self._stamps[at] = stamp = found
            template = stamp.template_of(state, part, index)  # type: ignore[union-attr]
            if read_values(template, [data]) is not None:
                return template
        return None

    def _again(self, data: bytes) -> Template | None:
        """Return the template that frames `data`, which the reference path has folded, if it needs no further proof."""
        for one in self.framing(data):
            if one.lasting and not one.notes and one.facts is self._facts and one.part in one.state.open:
                stands = one.part != "reasoning" or one.state.thought is None
                stands = stands and (one.call is None or one.state.calls.at(one.index) is one.call)
                if stands and not one.role and read_values(one, [data]) is not None and one.bind():
                    self.budget.spend(AGAIN)
                    return one
        return None

    def adopt(self, data: bytes, facts: Any, row: int) -> Template | None:
        """Return the template of an event with these `data` that no template frames, from one of another choice or call
        (rule 3), or None. It holds in this epoch.

        `facts`: those that were folded last, or will be if the event's bytes say so. `row`: events since a template was
        adopted last.
        """
        if not self.kept or len(self.kept) >= MOST_TEMPLATES or self.budget.spent:
            return None
        for at, stamp in enumerate(self._stamps):
            like = stamp.template
            if not like.portable or like.facts is not facts:
                continue
            if len(self._reducer.choices if like.call is None else like.state.calls.calls) < 2:
                continue
            if type(stamp) is _Unstamped:
                if not _may_serve(stamp, data):
                    continue
                found = find_stamp(stamp.data, stamp.text, like)
                self.budget.spend(FIRST_FOUND if self._adopted < FEW else FOUND)
                if found is None:
                    del self._stamps[at]
                    return None
                self._stamps[at] = stamp = found
            place = stamp.place_of(data)  # type: ignore[union-attr]
            if place is None:
                continue
            part = self._part_at(place, like)
            if part is None:
                continue
            state = self._reducer.choices[place[0]]
            template = stamp.template_of(state, part, place[1])  # type: ignore[union-attr]
            if template.frames(data) and template.bind():
                self._adopted += 1
                self.budget.spend(FIRST_ADOPTED if self._adopted <= FEW and row < _ROW else ADOPTED)
                self._keep(template, [one for one in self._of.get(_owner(state, part), ()) if one.part == part])
                return template
        return None

    def _part_at(self, place: tuple[int, int | None], like: Template) -> Part | None:
        """Return the part of another choice, or the other call, that an event like those of `like` continues; None if
        the event would change more than its text."""
        state = self._reducer.choices.get(place[0])
        if state is None or state.done or state.settled or (like.has_tokens and "logprobs" not in state.open):
            return None
        if like.call is not None:
            call = state.calls.at(place[1])
            return call if call is not None and call in state.open and call.has_arguments else None
        if like.part not in state.open or (like.part == "content" and not state.bare):
            return None
        if like.part == "reasoning" and (state.thought is not None or state.reasoning not in like.names):
            return None
        return like.part

    def _same(self, facts: Any, alike: list[Template]) -> Any:
        """Return the object that already holds equal facts, if there is one, so that facts are compared by identity."""
        if facts != self._facts:
            self._facts = next((one.facts for one in reversed(self.kept) if one.facts == facts), facts)
        return self._facts

    def _keep(self, template: Template, alike: list[Template]) -> None:
        """Keep a new template, and drop old ones. One part has up to two: some senders write an empty field into every
        other event (Z.ai's `"content":""`)."""
        if len(alike) > 1:
            self._drop(alike[0])
        elif len(self.kept) >= MOST_TEMPLATES:
            self._drop(self.kept[0])
        self.kept.append(template)
        owner, prefix = _owner(template.state, template.part), template.prefix
        self._of[owner] = (*self._of.get(owner, ()), template)
        self._heads[prefix] = (*self._heads.get(prefix, ()), template)
        self._widths[len(prefix)] = self._widths.get(len(prefix), 0) + 1

    def _drop(self, template: Template) -> None:
        self.kept.remove(template)
        owner, prefix = _owner(template.state, template.part), template.prefix
        _remove(self._of, owner, template)
        _remove(self._heads, prefix, template)
        self._widths[len(prefix)] -= 1
        if not self._widths[len(prefix)]:
            del self._widths[len(prefix)]


class _Unstamped:
    """A template that was learned, and its source: enough to make a stamp of it, which most streams never need."""

    __slots__ = ("data", "head", "template", "text")

    def __init__(self, template: Template, data: bytes, text: TextChunk) -> None:
        self.template = template
        self.data = data
        self.text = text
        self.head = data[: data.find(_CHOICES) + len(_CHOICES)] if _CHOICES in data else b""


def _may_serve(stamp: Stamp | _Unstamped, data: bytes) -> bool:
    """Return whether `data` begin and end as the events of another choice or call would."""
    head = stamp.head if type(stamp) is _Unstamped else stamp.consts[0]  # type: ignore[union-attr]
    like = stamp.template
    return data.endswith(like.suffix) and data.startswith(head) and not data.startswith(like.prefix)


def _may_say_text(chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return whether `only_text` need be asked: a check that costs hardly anything."""
    if len(chunk.choices) != 1:
        return False
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.finish_reason is not None or (delta.tool_calls and delta.tool_calls[0].id):
        return False
    return bool(delta.content or delta.extra or delta.tool_calls or delta.refusal)


def _owner(state: ChoiceState, part: Part) -> ChoiceState | Call:
    return part if isinstance(part, Call) else state


def _remove(table: dict[Any, tuple[Template, ...]], key: Any, template: Template) -> None:
    left = tuple(one for one in table[key] if one is not template)
    if left:
        table[key] = left
    else:
        del table[key]


def _frame_of(raw: bytes, data: bytes) -> Frame | None:
    """Return what surrounds `data` in `raw`; if the network cut the event in two, as far as its end shows."""
    if len(raw) == len(data) + _COMMON and raw.startswith(b"data: ") and raw.endswith(b"\n\n"):
        return FRAMES[0]
    if len(raw) < len(data) + _LEAST_FRAME:
        return FRAMES[2 if raw.endswith(b"\r\n\r\n") else 0]
    return next((frame for frame in FRAMES if raw == frame[0] + data + frame[1]), None)


def whole_event(raw: bytes, data: bytes) -> bytes:
    """Return the event with these `data` of which the network cut off the beginning, as far as `raw`, its end, shows."""
    lead, trail = _frame_of(raw, data) or FRAMES[0]
    return lead + data + trail
