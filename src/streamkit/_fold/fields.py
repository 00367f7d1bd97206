"""The fields of one object, each folded by its rule; unknown fields are kept here, too.

In: names and values, as a chunk has them. Out: the new part of a value (`put`), and the object so far (`value`), in the
order in which its fields appeared. Cost: O(1) a value in what arrived before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any, ClassVar

from .._decode.tolerant_json import depth
from .._decode.values import NO_IDS
from ..dialect import DEFAULT_DIALECT, Dialect
from ..errors import LimitError, counted
from ..limits import Limits
from ..rules import DELTA, RULES, Rule, is_usage, rule_for
from .field_rules import (
    Base64,
    Dropped,
    Each,
    Extend,
    FieldState,
    First,
    Last,
    LastDocument,
    Ledger,
    Mixed,
    SameOrAdd,
    Text,
    Waiting,
    all_repeated,
    copy_of,
    two_repeated,
)
from .identity import agrees, is_another, is_block, is_sealed
from .weight import ENTRY, FIELD, weight

__all__ = (
    "Block",
    "Context",
    "Fields",
    "Keyed",
    "NoteHalf",
    "Several",
    "field_makers",
    "list_field",
    "new_field",
    "new_fields",
)


FieldMakers = tuple[tuple[str, Any, Callable[[], FieldState]], ...]
"""Fields that are created together: the path, a first value, and the state that the table of rules means."""


class Context:
    """Shared by every state of one response: the rules, the limits, and where to report anomalies."""

    __slots__ = ("dialect", "event", "id", "kept", "limits", "mixed", "note", "rules", "size", "unknown")

    def __init__(
        self, rules: Mapping[str, Rule], limits: Limits, note: Callable[..., None], dialect: Dialect = DEFAULT_DIALECT
    ) -> None:
        self.rules = rules
        self.limits = limits
        self.note = note
        self.dialect = dialect
        self.event = 0  # number of the event that is being read
        self.size = 0  # bytes of its data; 0 for a chunk that was decoded elsewhere
        self.kept = 0  # units kept outside the typed fields, see `weight`
        self.id: Any = None  # the state of the response's id
        self.mixed = False  # whether a field changed its type between chunks: then each of its values counts
        self.unknown: dict[str, int] = {}  # path of each unknown field -> how often it was seen

    def keep(self, units: int) -> None:
        """Count units kept from here on outside the typed fields; negative if a value was replaced."""
        self.kept += units
        maximum = self.limits.max_extra_values
        if self.kept > maximum:
            text = f"the unknown fields of the response weigh more than {counted(maximum, 'value')}"
            raise LimitError(text, limit="max_extra_values", maximum=maximum)


_SCALARS = frozenset({str, int, float, bool})
_TAKE_TEXT = frozenset({Base64, Dropped, First, Mixed, SameOrAdd, Text})

_PREFIXES = {"": "", DELTA.removesuffix("."): DELTA}
"""Prefixes of names by path: those of the objects that each choice has, made once."""


class Fields:
    """MERGE: an object, each of its fields by its own rule. Also keeps every unknown field of one object."""

    __slots__ = ("_context", "_path", "_prefix", "_states", "_waiting")
    takes: ClassVar[type] = dict

    def __init__(self, context: Context, path: str = "", waiting: Waiting | None = None) -> None:
        self._context = context
        self._waiting = waiting
        self._path = path
        prefix = _PREFIXES.get(path)
        self._prefix = path + "." if prefix is None else prefix
        self._states: dict[str, FieldState | None] = {}

    def __bool__(self) -> bool:
        return bool(self._states)

    def add(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, item in value.items():
            self.put(name, item)
        return value

    def put(self, name: str, value: Any) -> Any:
        """Add the next value of field `name`; return the new part of it, None if nothing is new."""
        states, kind = self._states, type(value)
        if value is None:
            if name not in states and self._context.rules.get(self._prefix + name) is not Rule.DROP:
                self._context.keep(FIELD)
                states[name] = None
            return None
        state = states.get(name)
        if kind is str and type(state) in _TAKE_TEXT:
            return state.add(value)  # type: ignore[union-attr]
        if kind is float and not -inf < value < inf:  # 1e400, for example, which no parser refuses
            self._context.note("non_finite_number", "$", value)
        if type(state) is Last and type(state._value) is kind and kind in _SCALARS:  # a field that every chunk repeats
            if value == state._value:
                return value
            if state.begins_to_vary(value):
                self._note_number(name, value)
            return state.add(value)
        if state is None:
            if name not in states:
                self._context.keep(FIELD)
            state = states[name] = new_field(self._context, self._prefix + name, value, self._waiting)
        elif type(state) is Dropped:
            return None
        elif not isinstance(value, state.takes) or (type(state) in (Last, Each) and self._outgrows(name, value)):
            self._context.note("type_changed", f"$.{self._prefix}{name}", value)
            state = self._states[name] = Mixed(state.value())
            self._context.mixed = True
        elif type(state) is Last:
            if state.begins_to_vary(value):
                self._note_number(name, value)
        elif type(state) is Fields and self._is_whole(name) and is_another(state, value):  # type: ignore[arg-type]
            self._context.note("object_repeated", f"$.{self._prefix}{name}", value)
            state = self._states[name] = Several(self._context, self._prefix + name, state, self._waiting)
        if kind is not str and isinstance(value, (dict, list)):
            return self._add_structure(state, value)
        return state.add(value)

    def _add_structure(self, state: FieldState, value: Any) -> Any:
        """Add an object or a list to a state that takes it."""
        if type(state) is Extend and state.repeats(value):
            return []  # Perplexity: all citations in every chunk
        if depth(value) > self._context.limits.max_nesting:
            maximum = self._context.limits.max_nesting
            text = f"a field is nested more than {counted(maximum, 'level')} deep"
            raise LimitError(text, limit="max_nesting", maximum=maximum)
        if isinstance(state, Extend):
            if value := state.fresh(value):
                self._weigh(state, value)
            return state.append(value)
        if not isinstance(state, (Fields, Keyed, Several)):  # which count their pieces themselves
            self._weigh(state, value)
        return state.add(value)

    def _weigh(self, state: FieldState, value: Any) -> None:
        units = weight(value)
        if isinstance(state, Last):
            self._context.keep(units - state.weight)
            state.weight = units
        elif not (isinstance(state, First) and state.value()):
            self._context.keep(units)

    def count(self, names: Mapping[str, Any]) -> None:
        """Count `names` among the unknown fields."""
        unknown = self._context.unknown
        for name in names:
            path = self._prefix + name
            unknown[path] = unknown.get(path, 0) + 1

    def _note_number(self, name: str, value: Any) -> None:
        """Note once that only the last value of an unknown number is kept: Together's `token_id` changes with each
        token."""
        path = self._prefix + name
        if path not in self._context.rules and not is_usage(path):
            self._context.note("number_changed", f"$.{path}", value)

    def _is_whole(self, name: str) -> bool:
        """Return True if the object under `name` may arrive whole: in a delta, and not known to arrive in parts."""
        path = self._prefix + name
        return path.startswith(DELTA) and path not in self._context.rules

    def _outgrows(self, name: str, value: Any) -> bool:
        """Return True if a field of a delta was a number and is now a text, a list or an object, which would add."""
        path = self._prefix + name
        if isinstance(value, (int, float)) or not path.startswith(DELTA) or path in _OF_OTHER_TYPES:
            return False
        return rule_for(self._context.rules, path, value) not in (Rule.LAST, Rule.FIRST)

    def state(self, name: str) -> FieldState | None:
        """Return the state of field `name`, or None."""
        return self._states.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every field seen."""
        return tuple(self._states)

    def knows(self, name: str) -> bool:
        """Return True if field `name` was seen, even as null, or is dropped."""
        return name in self._states or self._context.rules.get(self._prefix + name) is Rule.DROP

    def has(self, name: str) -> bool:
        """Return True if there is a value under `name`. Unlike `get`, this copies nothing."""
        state = self._states.get(name)
        return state is not None and not isinstance(state, Dropped)

    def get(self, name: str) -> Any:
        """Return the value so far under `name`, or None."""
        state = self._states.get(name)
        return None if state is None else state.value()

    def value(self) -> dict[str, Any]:
        if not self._states:
            return {}
        states = self._states.items()
        return {name: None if c is None else c.value() for name, c in states if not isinstance(c, Dropped)}


class Block:
    """One entry of a list of typed blocks."""

    __slots__ = ("fields", "sealed", "turn", "whole")

    def __init__(self, fields: Fields, turn: int) -> None:
        self.fields = fields
        self.turn = turn  # the number of the list with its last piece
        self.sealed = False  # whether it has a signature, a seal or data: then it has ended
        self.whole: dict[str, Any] | None = None  # its value, once it was sealed and compared


class Keyed:
    """KEYED: typed blocks that arrive in pieces, joined entry by entry; any other item is appended.

    Rule 1: a piece continues the last entry of its index, without an index the last entry of all, if type and id agree
            (an absent one agrees) and that entry is not sealed. (OpenRouter repeats index 0 for all.)
    Rule 2: without an index and an id, everything that is not text must agree, too, and the piece is in a later list:
            two blocks in one list are two.
    Rule 3: objects without a text or a seal arrive whole, and so do those without a type if the table of rules does not
            define blocks here: they are appended, and so is anything that is not an object.
    Rule 4: a list that begins with the first two kept entries, each whole or sealed, repeats as many as agree.

    Cost: O(the list).
    """

    __slots__ = ("_context", "_entries", "_known", "_last", "_path", "_turn", "_waiting")
    takes: ClassVar[type] = list

    def __init__(self, context: Context, path: str, waiting: Waiting | None = None) -> None:
        self._context = context
        self._known = context.rules.get(path) is Rule.KEYED
        self._path = path + "[]"
        self._waiting = waiting
        self._entries: list[Any] = []  # blocks, or items that arrived whole
        self._last: dict[str, Block] = {}  # by index
        self._turn = 0

    def add(self, value: list[Any]) -> list[Any]:
        self._turn += 1
        if len(self._entries) > 1 and (repeated := self._repeated(value)):
            self._context.note("list_repeated", f"$.{self._path[:-2]}", value)
            value = value[repeated:]
        if dict not in map(type, value):
            self._append(value)
            return value
        for item in value:
            if not isinstance(item, dict):
                self._append([item])
                continue
            block = self._block_of(item, self._turn)
            if block is None:
                if not (is_block(item) and (self._known or isinstance(item.get("type"), str))):
                    self._append([item])
                    continue
                self._context.keep(ENTRY)
                block = Block(Fields(self._context, self._path, self._waiting), self._turn)
                self._entries.append(block)
                self._last[str(item.get("index"))] = block
            block.turn = self._turn
            block.sealed = is_sealed(item)
            block.fields.add(item)
        return value

    def _append(self, items: list[Any]) -> None:
        if items:
            self._context.keep(weight(items[0]) if len(items) == 1 else weight(items))
            new = [copy_of(item) for item in items]
            if new != items:
                self._context.note("lone_surrogate", f"$.{self._path[:-2]}")
            self._entries += new

    def entry_of(self, item: Mapping[str, Any]) -> Fields | None:
        """Return the entry that `item` would continue in a list of the next chunk, or None if it is a new one."""
        block = self._block_of(item, self._turn + 1)
        return None if block is None else block.fields

    def _block_of(self, item: Mapping[str, Any], turn: int) -> Block | None:
        index = item.get("index")
        if index is not None:
            block = self._last.get(str(index))
        else:
            block = self._entries[-1] if self._entries and type(self._entries[-1]) is Block else None
        if block is None or block.sealed:
            return None
        # An absent value agrees, and is not looked up: a type that is not a string might have any size.
        kind, id, certain = item.get("type"), item.get("id"), index is not None
        if kind and (known := block.fields.get("type")) and known != kind:
            return None
        if id and not (isinstance(id, str) and id in NO_IDS) and (known := block.fields.get("id")):
            if known != id:
                return None
            certain = True
        if certain or (block.turn != turn and is_block(item) and agrees(block.fields, item)):
            return block
        return None

    def _repeated(self, value: list[Any]) -> int:
        """Return how many items at the beginning of `value` only repeat kept ones."""
        count = 0
        for entry, item in zip(self._entries, value if len(value) > 1 else (), strict=False):
            if type(entry) is Block:
                if not entry.sealed:
                    break
                if entry.whole is None:
                    entry.whole = entry.fields.value()
                    self._context.keep(weight(entry.whole))
                entry = entry.whole
            if type(item) not in (dict, str) or entry != item:
                break
            count += 1
        return count if count > 1 else 0

    def value(self) -> list[Any]:
        return [item.fields.value() if type(item) is Block else copy_of(item) for item in self._entries]


class Several:
    """Objects that arrived whole, one a chunk, in the place of one object: kept as a list, not merged."""

    __slots__ = ("_context", "_entries", "_path", "_waiting")
    takes: ClassVar[type] = dict

    def __init__(self, context: Context, path: str, first: Fields, waiting: Waiting | None = None) -> None:
        self._context = context
        self._path = path
        self._waiting = waiting
        self._entries = [first]

    def add(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if is_another(self._entries[-1], value):
            self._context.keep(ENTRY)
            self._entries.append(Fields(self._context, self._path, self._waiting))
        return self._entries[-1].add(value)

    @property
    def last(self) -> Fields:
        """The last object."""
        return self._entries[-1]

    def value(self) -> list[Any]:
        return [one.value() for one in self._entries]


def field_makers(firsts: Mapping[str, Any]) -> FieldMakers:
    """Return what `new_fields` needs for fields that every response has: path -> a first value that stands for all."""
    return tuple((path, value, _STANDING[path]) for path, value in firsts.items())


def new_fields(context: Context, makers: FieldMakers) -> list[FieldState]:
    """Return a state for each of several fields, as `new_field` does."""
    if context.rules is RULES:
        return [make() for _, _, make in makers]
    return [new_field(context, path, value) for path, value, _ in makers]


def new_field(context: Context, path: str, value: Any, waiting: Waiting | None = None) -> FieldState:
    """Return a state for the field at `path`, whose first value is `value`; `waiting`: that of its choice."""
    if context.rules is RULES:
        if (plain := _STANDING.get(path)) is not None:
            return plain()
        if type(value) is str and path in _STANDING_TEXTS:
            if context.dialect.doubled_arguments and path in _ARGUMENTS:
                return LastDocument(NoteHalf(context, path), waiting)
            return Text(NoteHalf(context, path), waiting)
        if type(value) is dict and path in _STANDING_LEDGERS:
            return Ledger()
    rule = rule_for(context.rules, path, value)
    if path in _OF_OTHER_TYPES and not isinstance(value, (dict, list)):
        return Each()
    if rule is Rule.LAST:  # nearly every unknown field
        return Last()
    if not isinstance(value, _TAKES.get(rule, object)):
        if isinstance(value, (int, float)):
            return Each()
        # A value that the table's rule cannot take (`"reasoning": [...]`): treated as an unknown field.
        rule = rule_for({}, path, value)
    if rule is Rule.KEYED:
        return Keyed(context, path, waiting)
    if rule is Rule.MERGE:
        return Fields(context, path, waiting)
    if path in _ARGUMENTS and rule is Rule.ADD and context.dialect.doubled_arguments:
        return LastDocument(NoteHalf(context, path), waiting)
    if rule in _TEXTS:
        return _TEXTS[rule](NoteHalf(context, path), waiting)
    if rule in (Rule.EXTEND, Rule.GROW):
        return list_field(context, path, rule)
    if rule is Rule.ADD_BASE64:
        return Base64(partial(context.note, "audio_base64", f"$.{path}"))
    return _PLAIN[rule]()


class NoteHalf:
    """Notes half of a surrogate pair that was replaced in the text at a path, which a checkpoint needs. Each text has
    one: it takes a quarter of the memory of a `partial`."""

    __slots__ = ("_context", "path")

    def __init__(self, context: Context, path: str) -> None:
        self._context = context
        self.path = path

    def __call__(self) -> None:
        self._context.note("lone_surrogate", f"$.{self.path}")


def list_field(context: Context, path: str, rule: Rule) -> Extend:
    """Return a state for a list: outside a delta, repeats are expected, since senders repeat everything in each
    chunk."""

    def lone() -> None:
        context.note("lone_surrogate", f"$.{path}")

    def repeated() -> None:
        context.note("list_repeated", f"$.{path}")

    if rule is Rule.GROW:
        return Extend(lone, all_repeated)
    return Extend(lone, two_repeated, repeated) if path.startswith(DELTA) else Extend(lone)


_TAKES: dict[Rule, type] = {
    Rule.ADD: str,
    Rule.ADD_BASE64: str,
    Rule.SAME_OR_ADD: str,
    Rule.EXTEND: list,
    Rule.GROW: list,
    Rule.KEYED: list,
    Rule.MERGE: dict,
    Rule.LEDGER: dict,
}


_OF_OTHER_TYPES = frozenset(
    {
        "usage",
        "choices[].delta",
        "choices[].logprobs",
        "choices[].logprobs.content",
        "choices[].logprobs.refusal",
        "choices[].message",
        f"{DELTA}audio",
        f"{DELTA}function_call",
        f"{DELTA}tool_calls",
        f"{DELTA}tool_calls[].function",
    }
)
"""Fields that the format defines as an object or a list: any other value is kept among the unknown fields."""

_ARGUMENTS = (f"{DELTA}function_call.arguments", f"{DELTA}tool_calls[].function.arguments")


_TEXTS: dict[Rule, type[Text] | type[SameOrAdd]] = {Rule.ADD: Text, Rule.SAME_OR_ADD: SameOrAdd}

_PLAIN: dict[Rule, Callable[[], FieldState]] = {
    Rule.FIRST: First,
    Rule.LAST: Last,
    Rule.LEDGER: Ledger,
    Rule.DROP: Dropped,
}

_STANDING: dict[str, Callable[[], FieldState]] = {
    path: _PLAIN[RULES[path]]
    for path in (
        "id", "created", "model", "service_tier", "system_fingerprint", f"{DELTA}role", "choices[].finish_reason",
    )
}  # fmt: skip
"""State classes, looked up once, of the fields that nearly every stream has and whose rule takes any value."""

_STANDING_LEDGERS = frozenset(path for path, rule in RULES.items() if rule is Rule.LEDGER)
_STANDING_TEXTS = frozenset(path for path, rule in RULES.items() if rule is Rule.ADD)
"""Objects and texts that are nothing else."""
