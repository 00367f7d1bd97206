"""Where a chunk says what it says: the places of its slots in the bytes of its event.

In: the data of an event and its `TextChunk`. Out: the constant bytes around its slots (`find_slots`), which are certain
by the names before them, or else proved by decoding the event again with marks in the slots; and, with the indices of
choice and call as further slots, what templates of further choices and calls are stamped with (`find_stamp`). Cost: 10
us to find slots, 50 to prove them, 3 to stamp a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice, product
from typing import Any, Literal

import attrs

from .._decode.tolerant_json import decode
from .._fold.choice import ChoiceState, Part
from .template import Template
from .text_chunk import CHOICE, Kind, Path, Slot, TextChunk

__all__ = ("Stamp", "find_slots", "find_stamp")

_INDICES = (Slot("number", (*CHOICE, "index")), Slot("number", (*CHOICE, "delta", "tool_calls", 0, "index")))
_FILLS: dict[Path, Literal["choice", "call"]] = {_INDICES[0].path: "choice", _INDICES[1].path: "call"}
# What is written into the slots while their places are proved, each with its own number.
_MARK, _MARK_NUMBER = "streamkit", 1970010100
_MARKED: dict[str, Callable[[str, int], Any]] = {
    "number": lambda _, number: _MARK_NUMBER + number,
    "tokens": lambda mark, _: [mark],
    "usage": lambda mark, number: {mark: number},
}
_MOST_DIGITS = 9  # of an index
_MOST_GUESSES = 16  # a field's name may appear in an event more than once
_WHOLE_INDEX = re.compile(rb'"index" ?: ?(\d+)[,}\s]')
_CALLS = b'"tool_calls"'
_scan = json.JSONDecoder().raw_decode


def find_slots(data: bytes, said: TextChunk) -> tuple[list[bytes], list[Slot]] | None:
    """Return the bytes around the slots in `data` (one item more than slots) and the slots, both in order of place.

    A slot is certain if its name appears between quotes once in the whole event, and no backslash outside the slots
    could spell that name another way: a quote inside a string has a backslash before it. Everything else is proved by
    decoding the event with marks in the slots: except for the marks it must be the same document.
    """
    if len(said.slots) == 1 and (found := _only_place(data, said.slots[0])) is not None:
        return found, [said.slots[0]]
    return _find(data, said.slots, sure=True)


def _find(data: bytes, wanted: tuple[Slot, ...], *, sure: bool) -> tuple[list[bytes], list[Slot]] | None:
    """Do what `find_slots` does. If it is not `sure` that every slot was read from the place that its path names (an
    index may be absent), everything is proved."""
    try:
        guesses = [list(islice(_places(data, slot), _MOST_GUESSES)) for slot in wanted]
    except ValueError:
        return None
    once = sure and all(data.count(b'"%b"' % slot.key) == 1 for slot in wanted)
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
            slots = [wanted[number] for number in order]
            if (once and b"\\" not in b"".join(consts)) or _proved(data, consts, slots):
                return consts, slots
    return None


def _only_place(data: bytes, slot: Slot) -> list[bytes] | None:
    """Return the bytes around the only slot if it is certain by its name, or None; like `find_slots`, in a third of the
    time."""
    if slot.kind != "text":
        return None
    key = b'"%b"' % slot.key
    found = data.find(key)
    start = found + len(key) + 2
    if found < 0 or data.find(key, found + 1) >= 0:
        return None
    if b"\\" not in data and data.startswith(b':"', start - 2):  # nearly all
        return [data[:start], data[data.find(b'"', start) :]]
    match = _pattern("text", slot.key).search(data)
    if match is not None:
        start, end = match.span(1)
        before, after = data[:start], data[end:]
        if b"\\" not in before and b"\\" not in after:
            return [before, after]
    return None


def _places(data: bytes, slot: Slot) -> Iterator[tuple[int, int]]:
    """Yield the places where the value of `slot` may be: of a string, what is between its quotes; of usage, between its
    braces, which say that an event has it."""
    for match in _pattern(slot.kind, slot.key).finditer(data):
        if slot.kind in ("tokens", "usage"):
            # One character a byte: bytes above 127 appear only in strings.
            start, end = match.start(1), _scan(data.decode("latin-1"), match.start(1))[1]
            yield (start, end) if slot.kind == "tokens" else (start + 1, end - 1)
        else:
            yield match.span(1)


@lru_cache(maxsize=256)
def _pattern(kind: Kind, name: bytes) -> re.Pattern[bytes]:
    value = {"tokens": rb"(\[)", "usage": rb"(\{)", "number": rb"(\d+)"}.get(kind, rb'"((?:[^"\\]++|\\.)*+)"')
    return re.compile(rb'"%b" ?: ?%b' % (re.escape(name), value))


def _proved(data: bytes, consts: list[bytes], slots: list[Slot]) -> bool:
    """Return whether the document with marks in its slots equals that of `data`, except for the slots."""
    marks: list[Any] = []
    for number, slot in enumerate(slots):
        mark = f"{_MARK}{number}"
        marks.append(_MARKED[slot.kind](mark, number) if slot.kind in _MARKED else mark)
    texts = [str(mark) if type(mark) is int else json.dumps(mark) for mark in marks]  # in a third of the time
    filled = [(text if text[0] not in '"{' else text[1:-1]).encode() for text in texts]
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


# --- further choices and calls


@attrs.frozen
class Stamp:
    """A template in which the index of the choice, and of the tool call, is a slot as well."""

    template: Template
    consts: list[bytes]
    """The bytes around all slots, those of the indices among them."""
    fills: tuple[Literal["choice", "call", ""], ...]
    """Of each slot, in order of place, which index it is."""
    _indices: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_indices", sum(map(bool, self.fills)))

    def place_of(self, data: bytes) -> tuple[int, int | None] | None:
        """Return the index of the choice, and of the tool call, in an event that begins like those of this stamp; None
        if it does not, or if an index is after the text."""
        if not data.startswith(self.consts[0]):
            return None
        at, found = len(self.consts[0]), list[int]()
        for fill, const in zip(self.fills, self.consts[1:], strict=True):
            if not fill:
                break
            stop = data.find(const, at, at + _MOST_DIGITS + len(const))
            digits = data[at : max(stop, at)]
            if not digits.isdigit() or (digits.startswith(b"0") and digits != b"0"):
                return None
            found.append(int(digits))
            at = stop + len(const)
        if len(found) < self._indices:
            return None
        choice, *call = found if self.fills[0] == "choice" else found[::-1]
        return choice, call[0] if call else None

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
    indices = _INDICES[: 1 if said.index is None else 2]
    prefixes = _around_indices(data, len(indices), template)
    if prefixes is not None:
        slots = [*indices, *template.slots]
        consts = [*prefixes, *template.betweens, template.suffix]
    else:
        found = _find(data, said.slots + indices, sure=False)
        if found is None:
            return None
        consts, slots = found
    return Stamp(template, consts, tuple([_FILLS.get(slot.path, "") for slot in slots]))


def _around_indices(data: bytes, count: int, template: Template) -> list[bytes] | None:
    """Return the bytes around the indices in the prefix of `template` if they are certain by their names, or None; in a
    fifth of the time of a proof.

    No anomaly was noted, so each of the `count` indices is in the document as a whole number. If the name appears that
    often in the whole event, with no backslash outside the slots, each of those is one of them.
    """
    prefix = template.prefix
    if template.notes or data.count(b'"index"') != count or (count == 2 and data.count(_CALLS) != 1):
        return None
    if b"\\" in prefix or b"\\" in template.suffix or any(b"\\" in one for one in template.betweens):
        return None
    parts, at = list[bytes](), 0
    for match in _WHOLE_INDEX.finditer(prefix):
        start, end = match.span(1)
        parts.append(prefix[at:start])
        at = end
    # Of two, only that of the call is in its list, so after the name of that.
    if len(parts) != count or (count == 2 and (_CALLS in parts[0] or _CALLS not in parts[1])):
        return None
    return [*parts, prefix[at:]]
