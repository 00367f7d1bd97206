"""Templates out of events that the reference path has read, for as long as looking for them pays.

`Budget` decides when: the fast lane may lose about a tenth of what the reference path costs over a long stream.
Every event puts something into the budget, every event that takes the fast lane puts in more, and every attempt costs
what it takes. When the budget is empty the lane rests, and events go straight to the reference path. Streams that need
this: a new id in every chunk, LF and CRLF by turns, usage in every other chunk, more choices than templates are kept.

Known weakness: the grant of the beginning, and prices that hold on average, do not even out in a short stream. At 100 to 400
events the worst shapes (33 choices, LF and CRLF by turns) take 1.3 to 1.6 times the reference path, at 3,000 about 1.2.

`Templates` holds what was learned. Cost: about 20 us for a new template, 5 us where one is known again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .._fold.choice import ChoiceState, Part
from .._fold.field_rules import FieldState
from .._fold.fields import Fields
from .._fold.reducer import Reducer
from ..rules import REASONING
from ..types import CreateChatCompletionStreamResponse
from .slot_values import read_values
from .template import LONGEST, Path, Template, facts_of, find_slots, only_text, unknown_paths

__all__ = ("ASKED", "BETWEEN", "CUT", "FRAMES", "LONGEST", "PASSED", "Budget", "Frame", "Templates")

# In tenths of what the reference path takes for an event of text (0.6 us each). Measured on streams where learning never
# pays, so with cold caches; they need only be about right.
GRANT = 80  # what a stream begins with
EARNED = 1  # for each event, whichever way it was read: the tenth that may be lost
SAVED = 8  # for each event that took the fast lane
MOST = 5000  # a long honest beginning pays for no more than this
PASSED = 12  # an event that is no plain chunk
CUT = 8  # a stretch of a block that was cut into events and did not fit as a whole
ASKED = 2  # a single event of a block that did not fit
BETWEEN = 12  # comments between two events of a block: each event is then folded alone
NO_TEXT = 15  # a chunk that says more than a text, or none
OPENING = 3  # the same, for one of the first FEW: n=8 begins with eight that have a role
LOOKED = 19  # a chunk of text that no template can be learned from
KNOWN = 35  # an event that a template of an earlier epoch takes again
NEW = 90  # a new template
FIRST = 5  # the same, for one of the first FEW: each choice of n=8 needs one before the first can pay
FEW = 8
REST = 64  # events to rest for at least, so that resting itself costs nothing

MOST_TEMPLATES = 128  # one a choice and part; the one learned first goes first

Frame = tuple[bytes, bytes]
"""What stands before the data of an event, and after it."""

FRAMES: tuple[Frame, ...] = (
    (b"data: ", b"\n\n"),
    (b"data:", b"\n\n"),
    (b"data: ", b"\r\n\r\n"),
    (b"data:", b"\r\n\r\n"),
)
_LEAST_FRAME = min(len(lead) + len(trail) for lead, trail in FRAMES)

_STEADY = frozenset(
    {
        "created_form", "created_missing", "field_type", "finish_empty", "id_word", "index_missing", "index_type", "role_unknown",
    }
)  # fmt: skip
"""Anomalies that follow from what stands around the text, and are noted again with each event that is the same there."""

_ONCE = frozenset({"number_changed"})
"""Those that are noted once for a field, whatever follows."""


class Budget:
    """What may be spent on looking for templates."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = GRANT

    def earn(self, events: int) -> None:
        """Put in what events that took the fast lane have saved."""
        self._left = min(self._left + (EARNED + SAVED) * events, MOST)

    def spend(self, cost: int) -> None:
        """Take out what it cost to look at an event that the reference path then read."""
        self._left += EARNED - cost

    def rest(self, events: int) -> None:
        """Put in what events have earned that went to the reference path without being looked at."""
        self._left += EARNED * events

    @property
    def rests(self) -> int:
        """For how many events from here on the lane should rest; 0 while there is something left."""
        return 0 if self._left >= 0 else REST - self._left // EARNED


class Templates:
    """The templates of one stream, in the order in which they were learned; all of them have the same frame."""

    __slots__ = ("_blank", "_firsts", "_reducer", "budget", "frame", "kept", "overhead")

    def __init__(self, reducer: Reducer) -> None:
        self._reducer = reducer
        self.budget = Budget()
        self._blank = 0  # chunks without text so far
        self._firsts: Counter[tuple[int, Part]] = Counter()  # templates learned at the price of FIRST
        self.kept: list[Template] = []
        self.frame = FRAMES[0]
        self.overhead = 0  # bytes of an event that are not its data; 0 before the first template

    def learn(
        self, raw: bytes, data: bytes, chunk: CreateChatCompletionStreamResponse, notes: tuple[tuple[str, str], ...]
    ) -> Template | None:
        """The template of an event with these `data`, or None; `notes`: code and path of each anomaly in it.

        `raw`: the bytes that were read with it. A template is learned only where they are just this event, or its end.
        """
        # A field that changed its type keeps each of its values, also one that is the same again.
        notes = tuple(note for note in notes if note[0] not in _ONCE)
        if len(data) > LONGEST or self._reducer.mixed or not all(code in _STEADY for code, _ in notes):
            self.budget.spend(PASSED)
            return None
        text = only_text(chunk, lambda place: self._look(chunk, place))
        if text is None:
            self._blank += 1
            self.budget.spend(OPENING if self._blank <= FEW else NO_TEXT)
            return None
        if self._reducer.whole and not text.plain:  # pieces say all that differs from event to event
            self.budget.spend(LOOKED)
            return None
        frame = _frame_of(raw, data)
        if frame is None:
            self.budget.spend(LOOKED)
            return None
        state = self._reducer.choices[chunk.choices[0].index]
        role = bool(chunk.choices[0].delta.role)
        part: Part | None = text.field
        if part in REASONING:
            part = "reasoning" if state.thought is None and state.reasoning in text.names else None
        elif text.index is not None:
            part = state.calls.at(text.index)  # None where the fragment came to its call by another rule
        if part is None or part not in state.open or (role and state.bare):
            self.budget.spend(LOOKED)
            return None
        if text.tokens and ("logprobs" not in state.open or any(".logprobs" in path for _, path in notes)):
            self.budget.spend(LOOKED)
            return None
        if frame != self.frame or not self.overhead:
            self.kept.clear()
            self.frame, self.overhead = frame, len(frame[0]) + len(frame[1])
        facts = facts_of(chunk, text)
        template = self._known(state, part, data, facts, notes)
        if template is None:
            alike = [one for one in self.kept if one.state is state and one.part == part]
            first = self._firsts.get((state.index, part), 0) < 2 and self._firsts.total() < FEW
            self._firsts[state.index, part] += first
            self.budget.spend(FIRST if first else NEW + len(self.kept) // 2)
            places = find_slots(data, text)
            if places is None:
                return None
            template = Template(*places, frame, state, part)
            template.index = text.index
            template.facts = facts
            template.unknown = unknown_paths(chunk)
            template.notes = notes
            template.counted = bool(template.unknown or notes or template.call)
            template.role = role
            self._keep(template, alike)
        else:
            self.budget.spend(KNOWN + len(self.kept) // 4)
        template.standing = text.standing
        for other in self.kept:  # equal facts are one object, so that they are compared by identity
            if other.facts == facts:
                template.facts = other.facts
                break
        if template.bind():
            return template
        self.kept.remove(template)
        return None

    def _look(self, chunk: CreateChatCompletionStreamResponse, place: Path) -> FieldState | None:
        """The state of the unknown field at `place` of a chunk with one choice."""
        name = str(place[-1])
        if len(place) == 1:
            return self._reducer.unknown(name)
        state = self._reducer.choices[chunk.choices[0].index]
        fields: Fields | None = state.delta_extra if place[2] == "delta" and len(place) == 4 else state.extra
        return None if fields is None else fields.state(name)

    def _known(self, state: ChoiceState, part: Part, data: bytes, facts: Any, notes: Any) -> Template | None:
        """The template that would have taken an event like this one, had it been ready."""
        for one in self.kept:
            if one.state is state and one.part == part and one.facts == facts and one.notes == notes:
                if read_values(one, [data]) is not None:
                    return one
        return None

    def _keep(self, template: Template, alike: list[Template]) -> None:
        """Keep a new template, and let go of old ones. Of one part two are kept: some senders write an empty field into
        every other event (Z.ai's `"content":""`)."""
        if len(alike) > 1:
            self.kept.remove(alike[0])
        elif len(self.kept) >= MOST_TEMPLATES:
            del self.kept[0]
        self.kept.append(template)


def _frame_of(raw: bytes, data: bytes) -> Frame | None:
    """What stands around `data` in `raw`; where the network cut the event in two, as far as its end tells."""
    if len(raw) < len(data) + _LEAST_FRAME:
        return FRAMES[2 if raw.endswith(b"\r\n\r\n") else 0]
    return next((frame for frame in FRAMES if raw == frame[0] + data + frame[1]), None)
