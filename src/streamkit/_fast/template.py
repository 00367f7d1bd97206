"""Event templates for the fast path, learned so that the next events need not be decoded as a whole.

Consecutive events of a choice differ only in a few values: the text or the arguments; the same text again under another
name (OpenRouter writes each piece of reasoning twice); padding without meaning (`obfuscation`); a number whose last
value is kept (`token_id`); the log probabilities of the token. Each such value is a slot. A template has the constant
bytes around the slots, and says for each slot where its value goes.

A template is learned only from an event that the reference path has decoded and whose chunk, folded again with other
values in the slots, would change nothing but those (`text_chunk`). The places of the slots are certain by their names,
or else proved by decoding the event again with marks in them (`slots`). After that the document of an event is
known if its bytes are those of the template and each slot has one whole JSON value of its kind: a parser would read
exactly that value.

Events of another choice, or of another tool call, also differ in an index. That is a slot too, but one that is filled
when a template is created: `slots.Stamp` creates the template of each further choice and call from that of the first.

Cost: about 10 us to learn one, 3 us to stamp one.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import eq, is_
from typing import Any

from .._fold.choice import ChoiceState, Part
from .._fold.field_rules import FieldState, Last, Text
from .._fold.fields import Keyed
from .._fold.tool_calls import Call
from ..events import TEXT_PARTS, ToolCallDelta
from ..types import CreateChatCompletionStreamResponse
from .text_chunk import FACTS, Kind, Slot, Standing

__all__ = ("LONGEST", "Steps", "Template", "is_lasting", "is_portable")

LONGEST = 24576  # bytes of an event to look for slots in: an image would cost more than it could ever save


Steps = tuple[tuple[Kind, bytes], ...]
"""Of each slot, in order of place, its kind and the constant bytes after it; none after the last."""


class Template:
    """The constant bytes around the slots of an event, and where the values in the slots go."""

    __slots__ = (
        "_tail",
        "between",
        "call",
        "counted",
        "counters",
        "epoch",
        "event",
        "facts",
        "form",
        "found",
        "head",
        "index",
        "lasting",
        "next",
        "notes",
        "part",
        "portable",
        "prefix",
        "role",
        "simple",
        "single",
        "slots",
        "standing",
        "state",
        "states",
        "steps",
        "suffix",
        "unknown",
    )  # fmt: skip

    def __init__(
        self, consts: list[bytes], slots: list[Slot], frame: tuple[bytes, bytes], state: ChoiceState, part: Part
    ) -> None:
        self.state = state
        self.part = part
        self.call = part if isinstance(part, Call) else None
        self.event: Any = TEXT_PARTS[part][1] if isinstance(part, str) else ToolCallDelta
        self.index: int | None = None  # of the tool call, as the sender writes it
        self.prefix, *betweens, self.suffix = consts  # before, between and after the slots
        self.slots = tuple(slots)
        kinds = [slot.kind for slot in slots]
        self.steps: Steps = tuple(zip(kinds, [*betweens, b""], strict=True))
        # For one event that is a whole block, where nothing or just padding follows the text.
        self.simple = kinds in (["text"], ["text", "padding"])
        self.between = betweens[0] if betweens else b""
        self.head = frame[0] + self.prefix
        self.single: tuple[Any, ...] = ()  # what is needed for one event that is a whole block, see `bind`
        self._tail = self.suffix + frame[1]
        self.found: tuple[Text | Last | None, ...] = ()  # the states that values of the slots go to
        self.states: tuple[Text, ...] = ()  # those of them that the text is added to
        self.counters: tuple[Last, ...] = ()  # and those that numbers go to, in order of place
        self.facts: Any = None
        self.form: bytes | None = None  # of a usage report in it: what is left without its digits
        self.standing: tuple[Standing, ...] = ()  # lists that its events repeat
        self.unknown: tuple[str, ...] = ()  # paths of the unknown fields in it, to be counted
        self.notes: tuple[tuple[str, str], ...] = ()  # anomalies that are noted in each of its events
        # Whether its events say nothing but their slots and what every chunk says about the response; and whether,
        # besides, an event that is taken as the first of its form changes nothing else of its choice: `Stamp.place_of`.
        self.lasting = self.portable = False
        self.role = False  # whether it has a role, which is odd once content arrived without one
        self.counted = False  # whether anything is counted for its events
        self.epoch = -1  # in which it was last checked
        # The template that followed this one the last time: the first to be tried; None for itself, so that a stream with
        # one template is freed without the garbage collector.
        self.next: Template | None = None

    def twin(self, consts: list[bytes], state: ChoiceState, part: Part, index: int | None) -> Template:
        """Return a template like this one for another choice or call: `consts` differ only in an index."""
        new = object.__new__(Template)
        new.state, new.part, new.index = state, part, index
        new.call = part if isinstance(part, Call) else None
        new.event, new.slots, new.simple, new.role = self.event, self.slots, self.simple, self.role
        new.unknown, new.notes, new.counted = self.unknown, self.notes, self.counted
        new.facts, new.standing, new.form = self.facts, (), self.form
        new.lasting, new.portable = self.lasting, self.portable
        # Keep equal bytes once: in the templates of eight choices most bytes are equal.
        new.prefix, *betweens, suffix = consts
        if suffix == self.suffix:
            new.suffix, new._tail = self.suffix, self._tail
        else:
            new.suffix, new._tail = suffix, suffix + self._tail[len(self.suffix) :]
        if all(map(eq, betweens, self.betweens)):
            new.steps, new.between = self.steps, self.between
        else:
            kinds = [slot.kind for slot in self.slots]
            new.steps, new.between = tuple(zip(kinds, [*betweens, b""], strict=True)), betweens[0]
        new.head = self.head[: len(self.head) - len(self.prefix)] + new.prefix
        new.epoch, new.next = -1, None
        return new

    @property
    def names(self) -> set[str]:
        """The names before its slots."""
        return {str(slot.path[-1]) for slot in self.slots}

    @property
    def has_tokens(self) -> bool:
        """Whether log probabilities are in one of its slots."""
        return any(slot.kind == "tokens" for slot in self.slots)

    @property
    def betweens(self) -> list[bytes]:
        """The bytes between the slots."""
        return [behind for _, behind in self.steps[:-1]]

    def bind(self) -> bool:
        """Look up the states that values of the slots go to; return whether all of them take any value, and at once."""
        self.found = found = tuple(self._find_states())
        # The same tuple where it would be equal: of text, and nothing else, there is one in each choice.
        self.states = found if len(found) == 1 else tuple([one for one in found if type(one) is Text])  # type: ignore[assignment]
        self.counters = tuple([state for state in found if type(state) is Last])
        if None in found or True in [state.held != "" for state in self.states]:
            return False
        # How it begins and ends; the bytes between text and padding, and how wide they are without their first quote;
        # where the string of the text begins, with its quote; where it ends, or the padding does, from the end of the
        # block; and where the text goes.
        end = -len(self._tail) if self.between else 1 - len(self._tail)
        pieces = self.states[0].pieces if self.simple else None
        width = len(self.between) - 1
        self.single = (self.head, self._tail, self.between, width, len(self.head) - 1, end, pieces)
        return True

    def bound(self) -> bool:
        """Return whether values would still go to the states that were looked up."""
        if not all(map(is_, self._find_states(), self.found)) or any(state.held for state in self.states):
            return False
        return all(state.length == length for state, length in self.standing)

    def _find_states(self) -> Iterator[Text | Last | None]:
        """Yield the state of each slot that has one, as the reference path finds it; None if it is of another kind."""
        state = self.state
        for slot in self.slots:
            field: FieldState | None = None
            if slot.kind == "text":
                field = self.call.arguments if self.call is not None else state.field_of(str(slot.path[-1]))
            elif not slot.name:
                continue
            elif slot.item is not None:
                keyed = state.delta_extra.state(str(slot.path[3]))
                entry = keyed.entry_of(slot.item) if isinstance(keyed, Keyed) else None
                field = entry.state(slot.name) if entry is not None else None
            else:
                fields = state.delta_extra if slot.path[2] == "delta" else state.extra
                field = fields.state(slot.name) if fields is not None else None
            if slot.kind == "number":
                yield field if isinstance(field, Last) else None
            else:
                yield field if isinstance(field, Text) else None

    def frames(self, data: bytes) -> bool:
        """Return whether `data` begins and ends like this template."""
        return data.startswith(self.prefix) and data.endswith(self.suffix)


def is_lasting(template: Template, chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return whether events like `chunk`, from which `template` was learned, say nothing but values of slots and what every
    chunk says of the response; a null says nothing (vLLM's `"token_ids":null`)."""
    if len(template.facts) != FACTS:
        return False
    if not template.unknown:
        return True
    (choice,) = chunk.choices
    extras = (chunk.extra, choice.extra, choice.delta.extra)
    return {name for extra in extras for name, value in extra.items() if value is not None} <= template.names


def is_portable(template: Template, chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return whether events like `chunk`, from which `template` was learned, change only what is in their slots,
    even in a choice or call where none of this form was folded before: no role, and no empty text that still counts."""
    (choice,) = chunk.choices
    delta = choice.delta
    if not template.lasting or template.notes or delta.role or chunk.usage is not None:
        return False
    said = template.names
    return (
        not (delta.extra.keys() - said or chunk.extra.keys() - said)
        and (delta.content is None or "content" in said)
        and (delta.refusal is None or "refusal" in said)
        and (choice.logprobs is None or template.has_tokens)
        and not (choice.extra or any(fragment.type for fragment in delta.tool_calls or ()))
    )
