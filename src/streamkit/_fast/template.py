"""Event templates for the fast path, learned so that the next events need not be decoded as a whole.

Consecutive events of a choice differ only in a few values: the text or the arguments; the same text again under another
name (OpenRouter writes each piece of reasoning twice); padding without meaning (`obfuscation`); a number whose last
value is kept (`token_id`); the log probabilities of the token. Each such value is a slot. A template has the constant
bytes around the slots, and says for each slot where its value goes.

A template is learned only from an event that the reference path has decoded and whose chunk, folded again with other
values in the slots, would change nothing but those (`only_text`). The places of the slots are certain by their names,
or else proved by decoding the event again with marks in them (`find_slots`). After that the document of an event is
known if its bytes are those of the template and each slot has one whole JSON value of its kind: a parser would read
exactly that value.

Events of another choice, or of another tool call, also differ in an index. That is a slot too, but one that is filled
when a template is created: `Stamp` creates the template of each further choice and call from that of the first
(`find_stamp`).

Cost: about 10 us to learn one, 3 us to stamp one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice, product
from operator import eq, is_
from typing import Any, Literal

import attrs

from .._decode.tolerant_json import decode
from .._fold.choice import ChoiceState, Part
from .._fold.field_rules import Extend, FieldState, Last, Text
from .._fold.fields import Fields, Keyed
from .._fold.identity import is_block, is_sealed
from .._fold.tool_calls import Call
from ..events import TEXT_PARTS, ToolCallDelta
from ..rules import DELTA, REASONING, RULES, Rule, rule_for
from ..types import CreateChatCompletionStreamResponse

__all__ = (
    "LONGEST", "Path", "Stamp", "Template", "TextChunk", "facts_of", "find_slots", "find_stamp", "is_lasting", "is_portable", "only_text", "unknown_paths",
)  # fmt: skip

LONGEST = 24576  # bytes of an event to look for slots in: an image would cost more than it could ever save

Kind = Literal["text", "same", "number", "padding", "tokens"]
Path = tuple[str | int, ...]

_STANDING = frozenset({Rule.FIRST, Rule.LAST, Rule.DROP})
_DROPPED = frozenset(path for path, rule in RULES.items() if rule is Rule.DROP)
_CHOICE: Path = ("choices", 0)
_CHOICE_INDEX: Path = (*_CHOICE, "index")
_CALL_INDEX: Path = (*_CHOICE, "delta", "tool_calls", 0, "index")
# What is written into the slots while their places are proved, each with its own number.
_MARK, _MARK_NUMBER = "streamkit", 1970010100
_MOST_DIGITS = 9  # of an index
_MOST_GUESSES = 16  # a field's name may appear in an event more than once
_scan = json.JSONDecoder().raw_decode


@attrs.frozen
class Slot:
    """One value that differs from event to event."""

    kind: Kind
    path: Path
    """Its place in the document."""
    name: str = ""
    """Of `same` and `number`: the unknown field that it is folded into."""
    item: dict[str, Any] | None = None
    """Of `same` inside a list of keyed objects (`reasoning_details`): the object that contains it."""

    @property
    def key(self) -> bytes:
        """The name before its value."""
        return str(self.path[-1]).encode()


@attrs.frozen
class TextChunk:
    """A chunk that says nothing new but a text: in which field, and what else differs from event to event."""

    field: str
    slots: tuple[Slot, ...]
    """The text itself is the first."""
    index: int | None = None
    """Of the tool call, as the sender writes it."""
    standing: tuple[tuple[Extend, int], ...] = ()
    """The lists that it repeats, see `Standing`."""

    @property
    def names(self) -> set[str]:
        """The fields that contain the text."""
        return {self.field, *(slot.name for slot in self.slots)}

    @property
    def plain(self) -> bool:
        """Whether only the text (perhaps in several fields of the delta) and padding differ from event to event."""
        if len(self.slots) == 1:
            return True
        kinds = ((slot.kind, slot.kind == "same" and slot.path[2] == "delta") for slot in self.slots)
        return all(kind in ("text", "padding") or beside for kind, beside in kinds)

    @property
    def tokens(self) -> bool:
        """Whether log probabilities come with the text."""
        return len(self.slots) > 1 and self.slots[-1].kind == "tokens"


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
        self.steps = tuple(zip(kinds, [*betweens, b""], strict=True))  # of each slot its kind, and the bytes after it
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
        new.facts, new.standing = self.facts, ()
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


# --- what a chunk says


Standing = tuple[Extend, int]
"""A list that an event repeats whole, and how many items it has: with one more, a repeat would be appended."""

Look = Callable[[Path], FieldState | None]
"""The state of the unknown field at a place: of a chunk, of its only choice, or of the delta of that choice."""


def only_text(chunk: CreateChatCompletionStreamResponse, look: Look) -> TextChunk | None:
    """Return what `chunk` says, if folding it again could add nothing but values of slots, or else None."""
    if len(chunk.choices) != 1 or chunk.usage is not None:
        return None
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.finish_reason is not None or delta.function_call is not None:
        return None
    if not (choice.extra or chunk.extra or delta.extra or delta.tool_calls or choice.logprobs or delta.refusal):
        return _ONLY_CONTENT if delta.content else None
    return _text_among_others(chunk, look)


def _text_among_others(chunk: CreateChatCompletionStreamResponse, look: Look) -> TextChunk | None:
    """Do what `only_text` does, for a chunk that has more than content."""
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.extra.get("message") or choice.extra.get("usage") or chunk.extra.get("x_groq"):
        return None  # these are read as more than unknown fields
    home: Path = (*_CHOICE, "delta")
    texts: list[tuple[str, str, Path]] = []
    index = None
    for name, text in (("content", delta.content), ("refusal", delta.refusal)):
        if text:
            texts.append((name, text, (*home, name)))
    for name, value in delta.extra.items():
        if value and name in REASONING and isinstance(value, str):
            texts.append((name, value, (*home, name)))
    if delta.tool_calls:
        (fragment, *more) = delta.tool_calls
        function = fragment.function
        if more or fragment.extra or fragment.id or fragment.index is None or function is None:
            return None
        if function.name or function.extra or not function.arguments:
            return None
        texts.append(("arguments", function.arguments, (*home, "tool_calls", 0, "function", "arguments")))
        index = fragment.index
    if not texts:
        return None
    (field, text, path), *others = texts
    slots, standing = [_text_slot(path)], list[Standing]()
    for name, other, place in others:  # vLLM writes `reasoning` and `reasoning_content`
        if other != text or name not in REASONING or field not in REASONING:
            return None
        slots.append(Slot("same", place, name))
    for prefix, where, extra in (
        ("", (), chunk.extra),
        ("choices[].", _CHOICE, choice.extra),
        (DELTA, home, delta.extra),
    ):
        for name, value in extra.items():
            if name in REASONING and where == home and isinstance(value, str):
                continue
            if not _folds(prefix + name, (*where, name), value, text, slots, look, standing):
                return None
    if choice.logprobs is not None:
        if choice.logprobs.refusal or choice.logprobs.extra or not choice.logprobs.content:
            return None
        slots.append(Slot("tokens", (*_CHOICE, "logprobs", "content")))
    return TextChunk(field, tuple(slots), index, tuple(standing))


@lru_cache(maxsize=16)
def _text_slot(path: Path) -> Slot:
    return Slot("text", path)


_ONLY_CONTENT = TextChunk("content", (_text_slot((*_CHOICE, "delta", "content")),))
"""What the commonest chunk says."""


def _folds(
    path: str, place: Path, value: Any, text: str, slots: list[Slot], look: Look, standing: list[Standing]
) -> bool:
    """Return whether an unknown field may be folded any number of times in a row, with other values in its slots."""
    rule = rule_for(RULES, path, value)
    if rule is Rule.DROP and isinstance(value, str):
        slots.append(Slot("padding", place))
        return True
    if value is None or value == "":
        return True
    if rule is Rule.ADD and value == text and place[0] == "choices":
        slots.append(Slot("same", place, str(place[-1])))
        return True
    state = look(place)
    if rule is Rule.KEYED and len(place) == 4 and isinstance(value, list) and len(value) == 1:
        (item,) = value
        if not isinstance(item, dict) or not is_block(item) or is_sealed(item):
            return False
        # Next to another text it may be the reasoning that belongs to it, and is then an event.
        thought = slots[0].path[-1] in REASONING
        for name, inner in item.items():
            path_of = f"{path}[].{name}"
            if thought and inner == text and isinstance(inner, str) and rule_for(RULES, path_of, inner) is Rule.ADD:
                slots.append(Slot("same", (*place, 0, name), name, item))
            elif not _again(path_of, inner, None, standing):
                return False
        return True
    if rule is Rule.LAST and type(value) is int and value >= 0 and len(place) > 2:
        if isinstance(state, Last) and state.varies:  # from then on nothing more is noted
            slots.append(Slot("number", place, str(place[-1])))
            return True
    return _again(path, value, state, standing)


def _again(path: str, value: Any, state: FieldState | None, standing: list[Standing]) -> bool:
    """Return whether an unknown field may be folded any number of times in a row without a change."""
    if value is None or value == "":
        return True
    rule = rule_for(RULES, path, value)
    if rule is Rule.MERGE and isinstance(value, dict):
        fields = state if isinstance(state, Fields) else None
        return all(
            _again(f"{path}.{name}", item, None if fields is None else fields.state(name), standing)
            for name, item in value.items()
        )
    if rule is Rule.GROW and isinstance(state, Extend) and state.stands(value):  # Perplexity repeats all citations
        standing.append((state, state.length))
        return True
    return rule in _STANDING


def facts_of(chunk: CreateChatCompletionStreamResponse, said: TextChunk) -> tuple[Any, ...]:
    """Return what the chunk says besides its slots: a template holds only while this is what was folded last."""
    (choice,) = chunk.choices
    # Field of the choice or its delta -> the slot that is, or lies in, its value.
    inside = {slot.path[3 if slot.item else -1]: slot for slot in said.slots if slot.name}
    facts: list[tuple[str, str]] = []
    for extra in (chunk.extra, choice.extra, choice.delta.extra):
        for name, value in extra.items():
            slot = inside.get(name) if extra is not chunk.extra else None
            if slot is not None and slot.kind == "number":
                facts.append((name, "a number"))
            elif value is None or name in _DROPPED or name in REASONING:  # but `""`, 0 and false replace another value
                continue
            elif slot is None:
                facts.append((name, repr(value)))
            elif slot.item is not None:
                facts.append((name, repr({key: inner for key, inner in slot.item.items() if key != slot.name})))
    # If unknown fields say something about a choice, they must have been folded last for this choice.
    about = (choice.index, *facts) if facts else ()
    return (chunk.id, chunk.created, chunk.model, chunk.service_tier, chunk.system_fingerprint, *about)


FACTS = 5
"""How many facts every chunk has; those after them are about unknown fields."""


def is_lasting(template: Template) -> bool:
    """Return whether events of `template` say nothing but values of slots and what every chunk says of the response."""
    if len(template.facts) != FACTS:
        return False
    return not template.unknown or {path.rpartition(".")[2] for path in template.unknown} <= template.names


def is_portable(template: Template, chunk: CreateChatCompletionStreamResponse) -> bool:
    """Return whether events like `chunk`, from which `template` was learned, change only what is in their slots,
    even in a choice or call where none of this form was folded before: no role, and no empty text that still counts."""
    (choice,) = chunk.choices
    delta = choice.delta
    if not template.lasting or template.notes or delta.role:
        return False
    said = template.names
    return (
        not (delta.extra.keys() - said)
        and (delta.content is None or "content" in said)
        and (delta.refusal is None or "refusal" in said)
        and choice.logprobs is None
        and not (choice.extra or any(fragment.type for fragment in delta.tool_calls or ()))
    )


def unknown_paths(chunk: CreateChatCompletionStreamResponse) -> tuple[str, ...]:
    """Return the paths that the reference path counts as unknown fields of this chunk."""
    (choice,) = chunk.choices
    return (
        *chunk.extra,
        *(f"choices[].{name}" for name in choice.extra),
        *(f"choices[].delta.{name}" for name in choice.delta.extra),
    )


# --- where it says it


def find_slots(data: bytes, said: TextChunk, *, sure: bool = True) -> tuple[list[bytes], list[Slot]] | None:
    """Return the bytes around the slots in `data` (one item more than slots) and the slots, both in order of place.

    A slot is certain if its name appears between quotes once in the whole event, and no backslash outside the slots
    could spell that name another way: a quote inside a string has a backslash before it. Everything else is proved by
    decoding the event with marks in the slots: except for the marks it must be the same document. If it is not `sure`
    that every slot was read from the place that its path names (an index may be absent), everything is proved.
    """
    if sure and len(said.slots) == 1 and (found := _only_place(data, said.slots[0])) is not None:
        return found, [said.slots[0]]
    try:
        guesses = [list(islice(_places(data, slot), _MOST_GUESSES)) for slot in said.slots]
    except ValueError:
        return None
    once = sure and all(data.count(b'"%b"' % slot.key) == 1 for slot in said.slots)
    for places in islice(product(*guesses), _MOST_GUESSES):
        order = sorted(range(len(places)), key=places.__getitem__)
        consts, at = [], 0
        for number in order:
            start, end = places[number]
            if start < at:
                break  # one lies in another
            consts.append(data[at:start])
            at = end
        else:
            consts.append(data[at:])
            slots = [said.slots[number] for number in order]
            if (once and b"\\" not in b"".join(consts)) or _proved(data, consts, slots):
                return consts, slots
    return None


def _only_place(data: bytes, slot: Slot) -> list[bytes] | None:
    """Return the bytes around the only slot if it is certain by its name, or None; like `find_slots`, in a third of the
    time."""
    if slot.kind == "text" and data.count(b'"%b"' % slot.key) == 1:
        match = _pattern("text", slot.key).search(data)
        if match is not None:
            start, end = match.span(1)
            before, after = data[:start], data[end:]
            if b"\\" not in before and b"\\" not in after:
                return [before, after]
    return None


def _places(data: bytes, slot: Slot) -> Iterator[tuple[int, int]]:
    """Yield the places where the value of `slot` may be: of a string, what is between its quotes."""
    for match in _pattern(slot.kind, slot.key).finditer(data):
        if slot.kind == "tokens":
            # One character a byte: bytes above 127 appear only in strings.
            yield match.start(1), _scan(data.decode("latin-1"), match.start(1))[1]
        else:
            yield match.span(1)


@attrs.frozen
class Stamp:
    """A template in which the index of the choice, and of the tool call, is a slot as well."""

    template: Template
    consts: list[bytes]
    """The bytes around all slots, those of the indices among them."""
    fills: tuple[Literal["choice", "call", ""], ...]
    """Of each slot, in order of place, which index it is."""

    def place_of(self, data: bytes) -> tuple[int, int | None] | None:
        """Return the index of the choice, and of the tool call, in an event that begins like those of this stamp; None
        if it does not, or if an index is after the text."""
        at, found = len(self.consts[0]), dict[str, int]()
        if not data.startswith(self.consts[0]):
            return None
        for fill, const in zip(self.fills, self.consts[1:], strict=True):
            if not fill:
                break
            stop = data.find(const, at, at + _MOST_DIGITS + len(const))
            digits = data[at : max(stop, at)]
            if not digits.isdigit() or (digits.startswith(b"0") and digits != b"0"):
                return None
            found[fill] = int(digits)
            at = stop + len(const)
        if "choice" not in found or ("call" in self.fills and "call" not in found):
            return None
        return found["choice"], found.get("call")

    def template_of(self, state: ChoiceState, part: Part, index: int | None) -> Template:
        """Return the template of the same events for another choice, or for another call."""
        consts = [self.consts[0]]
        for fill, const in zip(self.fills, self.consts[1:], strict=True):
            if fill:
                consts[-1] += str(state.index if fill == "choice" else index).encode() + const
            else:
                consts.append(const)
        return self.template.twin(consts, state, part, index)


def find_stamp(data: bytes, said: TextChunk, template: Template) -> Stamp | None:
    """Return the stamp of `template`, which was learned from `data`, or None if what it says may depend on its choice.

    A number in the delta is a slot only once it varies, a list that is repeated has a length, an entry of a list of
    content blocks has a state: all this is known only for one choice.
    """
    if said.standing or any(slot.kind == "number" or slot.item is not None for slot in said.slots):
        return None
    indices = [Slot("number", _CHOICE_INDEX)]
    if said.index is not None:
        indices.append(Slot("number", _CALL_INDEX))
    found = find_slots(data, attrs.evolve(said, slots=(*said.slots, *indices)), sure=False)
    if found is None:
        return None
    consts, slots = found
    fills = {_CHOICE_INDEX: "choice", _CALL_INDEX: "call"}
    return Stamp(template, consts, tuple(fills.get(slot.path, "") for slot in slots))  # type: ignore[misc]


@lru_cache(maxsize=256)
def _pattern(kind: Kind, name: bytes) -> re.Pattern[bytes]:
    value = {"tokens": rb"(\[)", "number": rb"(\d+)"}.get(kind, rb'"((?:[^"\\]++|\\.)*+)"')
    return re.compile(rb'"%b" ?: ?%b' % (re.escape(name), value))


def _proved(data: bytes, consts: list[bytes], slots: list[Slot]) -> bool:
    """Return whether the document with marks in its slots equals that of `data`, except for the slots."""
    marks: list[Any] = []
    for number, slot in enumerate(slots):
        mark = f"{_MARK}{number}"
        marks.append(_MARK_NUMBER + number if slot.kind == "number" else [mark] if slot.kind == "tokens" else mark)
    filled = [mark.encode() if isinstance(mark, str) else json.dumps(mark).encode() for mark in marks]
    marked = b"".join(part for pair in zip(consts, filled, strict=False) for part in pair) + consts[-1]
    try:
        value, other = decode(data)[0], decode(marked)[0]
        for mark, slot in zip(marks, slots, strict=True):
            here, there = other, value
            for key in slot.path[:-1]:
                here, there = here[key], there[key]
            last: Any = slot.path[-1]
            if here[last] != mark:
                return False
            here[last] = there[last]
    except (ValueError, LookupError, TypeError):
        return False
    return bool(other == value)
