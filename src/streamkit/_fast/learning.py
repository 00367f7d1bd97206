"""Learn templates from events that the reference path has read, for as long as looking for them pays.

`Budget` decides when: the fast lane may lose about a tenth of the cost of the reference path over a long stream. Every
event adds something to the budget, every event that takes the fast lane adds more, and every attempt costs its
price. When the budget is empty the lane rests, and events go straight to the reference path. Streams that need this: a
new id in every chunk, alternating LF and CRLF, usage in every other chunk, more choices than templates are kept.

Rule 1: nothing is learned from an event whose bytes around its choices differ from the event before, but for padding:
        no template of it could pay.
Rule 2: a further choice or call is learned at its second event, as a stamp of a known template (`Stamp`).
Rule 3: if no event of that form can change more than its text (`portable`), that second event need not take the
        reference path: its bytes, except for an index, are those that were proved (`adopt`).

Known weakness: the prices are averages, and a lane that only begins and rests costs 30 to 60 us. At 100 events of the
worst shapes (a few events of text between others, a frame or an id that changes) some take up to 1.3 times the
reference path.

`Templates` keeps what was learned. Cost: 15 to 30 us for a new template, half of that for one that is recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .._fold.choice import ChoiceState, Part
from .._fold.field_rules import FieldState
from .._fold.fields import Fields
from .._fold.reducer import Reducer
from .._fold.tool_calls import Call
from ..rules import REASONING, RULES, Rule
from ..types import ChatChoiceStream, CreateChatCompletionStreamResponse
from .slot_values import form_of, read_values
from .slots import Stamp, find_slots, find_stamp
from .template import LONGEST, Template, is_lasting, is_portable
from .text_chunk import Path, TextChunk, facts_of, only_text, unknown_paths

__all__ = ("ASKED", "BETWEEN", "CUT", "FRAMES", "LONGEST", "PASSED", "RUN", "Budget", "Frame", "Templates")

# In twentieths of what the reference path takes for an event of text (0.3 us each). Measured on streams where learning
# never pays, so with cold caches; they need only be about right. Reading event by event costs about twice as much, so
# looking at one and learning nothing costs at least `UNLIKE`.
GRANT = 85  # what a stream begins with
EARNED = 1  # for each event, on either path: what may be lost
SAVED = 12  # for each event that took the fast lane
MOST = 10000  # a long row of events that fit pays for no more than this
PASSED = 20  # an event that is not a plain chunk
RUN = 45  # events of a block that fitted, up to one that did not: a few save less than many
CUT = 36  # a stretch of a block that was cut into events and did not fit as a whole
ASKED = 20  # a single event of a block that did not fit
BETWEEN = 26  # comments between two events of a block: each event is then folded alone
NO_TEXT = 22  # a chunk that says more than a text, or has no text
OPENING = 3  # the same, for one of the first FEW: n=8 begins with eight that have a role
LOOKED = 38  # a chunk of text that no template can be learned from
KNOWN = 90  # an event that a template of an earlier epoch takes again
AGAIN = 38  # the same, where its constant bytes are proof enough
FIRST_NEW = 20  # the first template of a stream: nearly all streams make it pay
NEW = 130  # a new template
FOUND = 40  # looking for the index in a template that is to serve other choices
ADOPTED = 50  # a template for another choice or call, from the bytes of an event alone
STAMPED = 100  # one for another choice or call, from one that is known
FIRST = 20  # the same, for one of the first FEW: each choice of n=8 needs one before the first can pay
FEW = 8
UNLIKE = 18  # an event that is not like the one before, see `_is_like`
FIRST_SEEN = 28  # an event of a choice or call that was not seen before
REST = 128  # least number of events to rest for, so that resting itself costs nothing

MOST_TEMPLATES = 128  # one a choice and part; the oldest is dropped first
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
_PADDING = re.compile(  # and usage, which has other numbers in each event
    rb'"usage" ?: ?\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}|"(?:%b)" ?: ?"[A-Za-z0-9]*+"'
    % "|".join(path for path, rule in RULES.items() if rule is Rule.DROP and "." not in path).encode()
)
_MOST_AROUND = 1024  # bytes around the choices in which padding is looked for


class Budget:
    """What may be spent on looking for templates."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = GRANT

    def earn(self, events: int) -> None:
        """Add what events saved that took the fast lane."""
        self._left = min(self._left + (EARNED + SAVED) * events, MOST)

    def spend(self, cost: int) -> None:
        """Subtract what it cost to look at an event that the reference path then read."""
        self._left += EARNED - cost

    def rest(self, events: int) -> None:
        """Add what events earned that took the reference path without being looked at."""
        self._left += EARNED * events

    @property
    def empty(self) -> bool:
        """Whether nothing is left to be spent."""
        return self._left < 0

    @property
    def rests(self) -> int:
        """For how many events from here on the lane should rest; 0 while something is left."""
        return 0 if self._left >= 0 else REST - self._left // EARNED


class Templates:
    """The templates of one stream, in the order in which they were learned; all of them have the same frame."""

    __slots__ = (
        "_adopted",
        "_before",
        "_blank",
        "_facts",
        "_favours",
        "_heads",
        "_made",
        "_of",
        "_reducer",
        "_seen",
        "_stamped_so_far",
        "_stamps",
        "_widths",
        "budget",
        "frame",
        "kept",
        "opened",
        "overhead",
    )

    def __init__(self, reducer: Reducer) -> None:
        self._reducer = reducer
        self.budget = Budget()
        self._before: tuple[Frame | None, bytes] | None = None  # frame and data of the event before
        self.opened = False  # whether the event before was of a choice or call that was not seen before
        self._blank = 0  # chunks without text so far
        self._made = self._stamped_so_far = self._adopted = self._favours = 0
        self._seen: set[tuple[int, int | None]] = set()  # choices and calls
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

    @property
    def opening(self) -> bool:
        """Whether the first few choices or calls are being learned: a stream of eight choices earns what that costs."""
        return len(self._seen) > 1 and self._adopted < FEW and len(self._seen) <= 2 * FEW

    def price(self, cost: int, data: bytes | None = None) -> int:
        """Return what to spend on something that costs `cost` and that streams of a few choices must pay before it can
        earn: hardly anything, a few times in a stream, while the first choices or calls are being learned, or if that is
        where an event with these `data` begins."""
        first = self.opening or (data is not None and any(_may_serve(stamp, data) for stamp in self._stamps))
        if not first or self._favours >= 2 * FEW:
            return cost
        self._favours += 1
        return OPENING

    def framing(self, data: bytes) -> Iterator[Template]:
        """Yield the templates that begin and end like `data`."""
        for width in self._widths:
            for template in self._heads.get(data[:width], ()):
                if data.endswith(template.suffix):
                    yield template

    def learn(
        self, raw: bytes, data: bytes, chunk: CreateChatCompletionStreamResponse, notes: tuple[tuple[str, str], ...]
    ) -> Template | None:
        """Return the template of an event with these `data`, or None; `notes`: code and path of each anomaly in it.

        `raw`: the bytes that were read with it. A template is learned only if they are just this event, or its end.
        """
        self.opened = False
        if not _may_say_text(chunk) or (chunk.usage is not None and not self._reducer.usage.repeated):
            self._blank += 1
            self.opened = not self._seen.issuperset(map(_key, chunk.choices))
            self._seen.update(map(_key, chunk.choices))
            self.budget.spend(OPENING if self._blank <= FEW else NO_TEXT)
            return None
        frame, before = _frame_of(raw, data), self._before
        self._before = frame, data
        if before is not None and not (frame == before[0] and _is_like(data, before[1])):
            self.budget.spend(UNLIKE)
            return None
        if not self._seen_before(chunk.choices[0]):
            self.budget.spend(OPENING if len(self._seen) <= FEW else FIRST_SEEN)
            return None
        if notes:
            # A field that changed its type keeps each of its values, even one that is the same again.
            notes = tuple(note for note in notes if note[0] not in _ONCE)
        if len(data) > LONGEST or self._reducer.mixed or not (not notes or all(code in _STEADY for code, _ in notes)):
            self.budget.spend(PASSED)
            return None
        if not notes and self._facts == self._reducer.metadata:
            template = self._again(data) or self.adopt(data, self._facts)
            if template is not None:
                return template
        text = only_text(chunk, lambda place: self._look(chunk, place))
        if text is None:
            self._blank += 1
            self.budget.spend(OPENING if self._blank <= FEW else NO_TEXT)
            return None
        if self._reducer.whole and not text.plain:  # pieces hold all that differs from event to event
            self.budget.spend(LOOKED)
            return None
        if frame is None:
            self.budget.spend(LOOKED)
            return None
        state = self._reducer.choices[chunk.choices[0].index]
        role = bool(chunk.choices[0].delta.role)
        part: Part | None = text.field
        if part in REASONING:
            part = "reasoning" if state.thought is None and state.reasoning in text.names else None
        elif text.index is not None:
            part = state.calls.at(text.index)  # None if another rule matched the fragment to its call
        if part is None or part not in state.open or (role and state.bare):
            self.budget.spend(LOOKED)
            return None
        if text.tokens and ("logprobs" not in state.open or any(".logprobs" in path for _, path in notes)):
            self.budget.spend(LOOKED)
            return None
        if frame != self.frame or not self.overhead:
            self._forget()
            self.frame, self.overhead = frame, len(frame[0]) + len(frame[1])
        facts = facts_of(chunk, text)
        alike = [one for one in self._of.get(_owner(state, part), ()) if one.part == part]
        template = self._known(alike, data, facts, notes)
        if template is not None:
            self.budget.spend(self.price(KNOWN))
        else:
            template = self._stamped(state, part, text.index, data, notes, role)
            if template is not None:
                self._stamped_so_far += 1
                self.budget.spend(FIRST if self._stamped_so_far < FEW else STAMPED)
            else:
                self.budget.spend(NEW if self._made else FIRST_NEW)
                self._made += 1
                places = find_slots(data, text)
                if places is None:
                    return None
                template = Template(*places, self.frame, state, part)
                template.form = form_of(template, data)
                template.index = text.index
                template.unknown = unknown_paths(chunk)
                template.notes = notes
                template.counted = bool(template.unknown or notes or template.call)
                template.role = role
                self._stamps.insert(0, _Unstamped(template, data, text))
                del self._stamps[_MOST_STAMPS:]
            template.facts = self._same(facts, alike)
            template.lasting = is_lasting(template)
            template.portable = is_portable(template, chunk)
            self._keep(template, alike)
        template.standing = text.standing
        if template.bind():
            return template
        self._drop(template)
        return None

    def _seen_before(self, choice: ChatChoiceStream) -> bool:
        """Return whether a template may pay for events like this one: only from the second event of a choice or call on,
        as 100 choices may have one event each, and the first is most often a role, or the name of a call. In the first
        choice, which nearly all streams continue, an event without a role is enough."""
        key = _key(choice)
        if key in self._seen:
            return True
        self._seen.add(key)
        self.opened = True
        return len(self._seen) == 1 and not choice.delta.role

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
                    self.budget.spend(OPENING if self.opening else AGAIN)
                    return one
        return None

    def adopt(self, data: bytes, facts: Any) -> Template | None:
        """Return the template of an event with these `data` that no template frames, from one of another choice or call
        (rule 3), or None.

        `facts`: those that were folded last, or will be if the event's bytes say so.
        """
        if len(self._seen) < 2 or len(self.kept) >= MOST_TEMPLATES or self.budget.empty:
            return None
        for at, stamp in enumerate(self._stamps):
            like = stamp.template
            if not like.portable or like.facts is not facts:
                continue
            if type(stamp) is _Unstamped:
                if not _may_serve(stamp, data):
                    continue
                found = find_stamp(stamp.data, stamp.text, like)
                self.budget.spend(OPENING if self._adopted < FEW else FOUND)
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
                self.budget.spend(ADOPTED if self._adopted > FEW else 0)
                self._keep(template, [one for one in self._of.get(_owner(state, part), ()) if one.part == part])
                return template
        return None

    def _part_at(self, place: tuple[int, int | None], like: Template) -> Part | None:
        """Return the part of another choice, or the other call, that an event like those of `like` continues; None if
        the event would change more than its text."""
        state = self._reducer.choices.get(place[0])
        if state is None:
            return None
        if like.call is not None:
            call = state.calls.at(place[1])
            return call if call is not None and call in state.open and call.has_arguments else None
        if like.part not in state.open or (like.part == "content" and not state.bare):
            return None
        names = {slot.path[-1] for slot in like.slots}
        return like.part if like.part != "reasoning" or state.reasoning in names else None

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
    return choice.finish_reason is None and bool(delta.content or delta.extra or delta.tool_calls or delta.refusal)


def _is_like(data: bytes, before: bytes) -> bool:
    """Return whether an event may be one of a row of similar events: the bytes around its choices are those of the one
    before, but for padding. If not, a number or an id differs in each event, and a template would be useless."""
    head = data.find(b'"choices"')
    if head < 0:
        return True
    begin, end = data[:head], data[data.rfind(b"]") :]
    if before.startswith(begin) and before.endswith(end):
        return True
    head = before.find(b'"choices"')
    return _unpadded(begin) == _unpadded(before[:head]) and _unpadded(end) == _unpadded(before[before.rfind(b"]") :])


def _unpadded(text: bytes) -> bytes:
    """Return `text` without the padding in it (OpenAI's `obfuscation`), which has another length in each event."""
    return _PADDING.sub(b"", text) if len(text) <= _MOST_AROUND else text


def _key(choice: ChatChoiceStream) -> tuple[int, int | None]:
    """Return the indices of the choice, and of its call, that this is about."""
    calls = choice.delta.tool_calls
    return choice.index, calls[0].index if calls else None


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
