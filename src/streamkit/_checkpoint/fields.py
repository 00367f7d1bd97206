"""The states of fields in a checkpoint: `{"kind": "text", "text": "Hello"}`, one kind for each class.

A field of the format (`Standing`) must be of the kind that a new accumulator with the same rules creates for it. A field
in an object may be of any kind, since each kind checks the type of what it adds (`takes`). Cost: O(the state); two
frames for each level of objects in objects.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .._fold.field_rules import Base64, FieldState, LastDocument, Mixed, SameOrAdd, Text
from .._fold.fields import Block, Fields, Keyed, NoteHalf, Several, list_field, new_field
from ..rules import Rule
from ..types import ChatCompletionTokenLogprob
from .field_kinds import BLOCK, KEYED, NAMES, RECORDS
from .records import Slot
from .shapes import TEXT, WHOLE, Refused, Way, at, members
from .shapes import Each as ListOf
from .values import VALUE

__all__ = ("ORPHANS", "Object", "Standing", "TokensOf", "object_slot")

# --- writing


def write_field(state: FieldState | None, way: Way) -> Any:
    """Return the state of a field as JSON; null for a field that has only been null."""
    if state is None:
        return None
    name = NAMES[type(state)]
    found: dict[str, Any] = {"kind": name}
    if isinstance(state, Fields):
        found["fields"] = inner = {}
        for field, one in state._states.items():
            inner[field] = write_field(one, way)
    elif isinstance(state, Several):
        found["entries"] = entries = []
        for each in state._entries:
            entries.append(write_field(each, way))
    elif isinstance(state, Keyed):
        found |= KEYED.write(state, way)
        found["entries"] = entries = []
        for entry in state._entries:
            if type(entry) is Block:
                entries.append({"block": BLOCK.write(entry, way), "fields": write_field(entry.fields, way)})
            else:
                entries.append({"item": VALUE.write(entry, way)})
        numbers = {id(entry): number for number, entry in enumerate(state._entries)}
        found["last"] = {index: numbers[id(block)] for index, block in state._last.items()}
    else:
        found |= RECORDS[name].write(state, way)
    return found


# --- reading


def _made(name: str, found: dict[str, Any], path: str, way: Way) -> Any:
    """Return a new state of a kind that holds no other, equal to what `new_field` creates at this path."""
    context, lone = way.context, NoteHalf(way.context, path)
    if name == "extend":
        return list_field(context, path, Rule.GROW if found.get("grows") is True else Rule.EXTEND)
    if name in ("text", "same_or_add", "last_document"):
        return RECORDS[name].kind(lone, way.waiting)
    if name == "base64":
        return Base64(partial(context.note, "audio_base64", f"$.{path}"))
    return Mixed(None) if name == "mixed" else RECORDS[name].kind()


def read_field(found: Any, path: str, way: Way, level: int = 0) -> Any:
    """Return the state of the field at `path`; `level`: how many other fields hold it."""
    if type(found) is not dict or type(name := found.get("kind")) is not str or name not in NAMES.values():
        raise Refused(f"the state of a field, with its kind: {', '.join(NAMES.values())}", found)
    rest = {key: value for key, value in found.items() if key != "kind"}
    if name in RECORDS:
        return RECORDS[name].fill(_made(name, rest, path, way), rest, way)
    maximum = way.context.limits.max_nesting
    if level > maximum + 1:
        raise Refused(f"fields nested at most {maximum} levels deep, the limit", found)
    if name == "fields":
        fields = Fields(way.context, path, way.waiting)
        inner = _only(rest, "fields")
        states, prefix = members(inner), fields._prefix
        for field, one in states.items():
            with at("fields"), at(field):
                fields._states[field] = None if one is None else read_field(one, prefix + field, way, level + 1)
        return fields
    if name == "several":
        entries = _entries(_only(rest, "entries"))
        read = [_object_at(number, one, path, way, level) for number, one in enumerate(entries)]
        if not read:
            raise Refused("at least one entry", found)
        several = Several(way.context, path, read[0], way.waiting)
        several._entries = read
        return several
    return _keyed(rest, path, way, level)


def _object_at(number: int, found: Any, path: str, way: Way, level: int) -> Fields:
    with at("entries"), at(number):
        fields = read_field(found, path, way, level + 1)
        if type(fields) is not Fields:
            raise Refused("fields", found)
        return fields


def _keyed(found: dict[str, Any], path: str, way: Way, level: int) -> Keyed:
    keyed = Keyed(way.context, path, way.waiting)
    entries, last = _entries(found.pop("entries", None)), members(found.pop("last", {}))
    KEYED.fill(keyed, found, way)
    for number, one in enumerate(entries):
        with at("entries"), at(number):
            if type(one) is dict and list(one) == ["item"]:
                keyed._entries.append(VALUE.read(one["item"], way))
            elif type(one) is dict and sorted(one) == ["block", "fields"]:
                with at("fields"):
                    fields = read_field(one["fields"], keyed._path, way, level + 1)
                    if type(fields) is not Fields:
                        raise Refused("fields", one["fields"])
                with at("block"):
                    keyed._entries.append(BLOCK.fill(Block(fields, 0), one["block"], way))
            else:
                raise Refused("an entry: an item, or a block and its fields", one)
    for index, number in last.items():
        with at("last"), at(index):
            if type(number) is not int or not 0 <= number < len(entries) or type(keyed._entries[number]) is not Block:
                raise Refused("the number of an entry that is a block", number)
            keyed._last[index] = keyed._entries[number]
    return keyed


def _entries(found: Any) -> list[Any]:
    if type(found) is not list:
        raise Refused("a list of entries", found)
    return found


def _only(found: dict[str, Any], name: str) -> Any:
    if list(found) != [name]:
        raise Refused(f"a field with {name!r} and no other member", found)
    return found[name]


# --- shapes


class Standing:
    """A field of the format at `path`, which a new accumulator creates for the value `empty`; `takes`: the types of its
    value."""

    __slots__ = ("_empty", "_path", "_takes")

    def __init__(self, path: str, empty: Any, takes: tuple[type, ...] = (str,)) -> None:
        self._path = path
        self._empty = empty
        self._takes = takes

    def write(self, value: Any, way: Way) -> Any:
        way.standing = True
        try:
            return write_field(value, way)
        finally:
            way.standing = False

    def read(self, found: Any, way: Way) -> Any:
        way.standing = True
        try:
            state = read_field(found, self._path, way)
        finally:
            way.standing = False
        kind = type(new_field(way.context, self._path, self._empty, way.waiting))
        if type(state) is not kind:
            raise Refused(f"a field of the kind {NAMES[kind]!r}", found)
        value = state.value()
        if value is not None and (not isinstance(value, self._takes) or value is True or value is False):
            raise Refused(f"a value of the type {' or '.join(one.__name__ for one in self._takes)}", value)
        return state


class TokensOf(Standing):
    """The log probabilities at `path`."""

    __slots__ = ()

    def __init__(self, path: str) -> None:
        super().__init__(path, [], (list,))

    def read(self, found: Any, way: Way) -> Any:
        state = super().read(found, way)
        if not all(type(one) is ChatCompletionTokenLogprob for one in state.value() or ()):
            raise Refused("entries of log probabilities", found)
        return state


class Object:
    """The fields of an object at `path`."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self, value: Any, way: Way) -> Any:
        return write_field(value, way)

    def read(self, found: Any, way: Way) -> Any:
        fields = read_field(found, self._path, way)
        if type(fields) is not Fields:
            raise Refused("fields", found)
        return fields


class _Orphan:
    """A text that waits and is in no field any more, since its field changed its type: its end is still noted."""

    def write(self, value: Any, way: Way) -> Any:
        place = way.place(value)
        lone = value._text._lone if type(value) is LastDocument else value._lone
        path = lone.path if type(lone) is NoteHalf else ""
        return {"path": path, "waits": place, "field": write_field(value, way)}

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not dict or sorted(found) != ["field", "path", "waits"]:
            raise Refused("a field, its path, and its place among those that wait", found)
        with at("path"):
            path = TEXT.read(found["path"], way)
        with at("field"):
            field = read_field(found["field"], path, way)
            if not isinstance(field, (Text, SameOrAdd, LastDocument)):
                raise Refused("the state of a text", found["field"])
        with at("waits"):
            way.claim(field, WHOLE.read(found["waits"], way))
        return field


class _Orphans:
    """All of them. One that holds another, which waits too, is before it among those that wait."""

    def write(self, value: Any, way: Way) -> list[Any]:
        found = []
        while way.unwritten:
            found.append(_Orphan().write(way.unwritten[0], way))
        return found

    def read(self, found: Any, way: Way) -> list[Any]:
        found = ListOf(_Orphan()).read(found, way)
        return list(found)


ORPHANS = _Orphans()


def object_slot(attribute: str, path: str) -> Slot:
    """Return the slot of an object of any fields, which is left out while it is empty."""
    return Slot(attribute, Object(path), None, lambda owner, way: getattr(owner, attribute) or None)
