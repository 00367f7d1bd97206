"""The fields of one object, each folded by its rule; unknown fields live here too.

In: names and values, as a chunk has them. Out: what is new in a value (`put`), and the object so far (`value`), in the
order in which its fields appeared. Cost: O(1) a value in what came before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .._decode.tolerant_json import depth
from ..dialect import DEFAULT_DIALECT, Dialect
from ..errors import LimitError
from ..limits import Limits
from ..rules import DELTA, Rule, rule_for
from .field_rules import (
    Base64,
    Dropped,
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
    copy_of,
)
from .weight import ENTRY, FIELD, weight

__all__ = ("Context", "Fields", "Keyed", "new_field")


class Context:
    """What every state of one response shares: the rules, the limits, and where to report what is odd."""

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
        self.mixed = False  # whether a field changed its type on the way: then each of its values counts
        self.unknown: dict[str, int] = {}  # path of each unknown field -> how often it stood there

    def keep(self, units: int) -> None:
        """Count what is kept from here on outside the typed fields; negative where a value was replaced."""
        self.kept += units
        maximum = self.limits.max_extra_values
        if self.kept > maximum:
            text = f"more than {maximum} values outside the fields that the format defines"
            raise LimitError(text, limit="max_extra_values", maximum=maximum)


class Fields:
    """MERGE: an object, each of its fields by its own rule. Also the home of every unknown field of one object."""

    __slots__ = ("_context", "_path", "_prefix", "_states", "_waiting")
    takes: ClassVar[type] = dict

    def __init__(self, context: Context, path: str = "", waiting: Waiting | None = None) -> None:
        self._context = context
        self._waiting = waiting
        self._path = path
        self._prefix = path + "." if path else ""
        self._states: dict[str, FieldState | None] = {}

    def __bool__(self) -> bool:
        return bool(self._states)

    def add(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, item in value.items():
            self.put(name, item)
        return value

    def put(self, name: str, value: Any) -> Any:
        """Take the next value of field `name`; return what is new in it, None where nothing is."""
        state = self._states.get(name)
        if value is None:
            if name not in self._states and self._context.rules.get(self._prefix + name) is not Rule.DROP:
                self._context.keep(FIELD)
                self._states[name] = None
            return None
        if state is None:
            if name not in self._states:
                self._context.keep(FIELD)
            state = self._states[name] = new_field(self._context, self._prefix + name, value, self._waiting)
        elif type(state) is Dropped:
            return None
        elif not isinstance(value, state.takes) or (type(state) is Last and self._outgrows(name, value)):
            self._context.note("type_changed", f"$.{self._prefix}{name}", value)
            state = self._states[name] = Mixed(state.value())
            self._context.mixed = True
        if isinstance(value, (dict, list)):
            if depth(value) > self._context.limits.max_nesting:
                maximum = self._context.limits.max_nesting
                text = f"a field is nested more than {maximum} levels deep"
                raise LimitError(text, limit="max_nesting", maximum=maximum)
            if not isinstance(state, (Fields, Keyed)):  # which count what they take, piece by piece
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

    def _outgrows(self, name: str, value: Any) -> bool:
        """Whether a field of a delta that was a number is a text, a list or an object now, which would add."""
        path = self._prefix + name
        if isinstance(value, (int, float)) or not path.startswith(DELTA):
            return False
        return rule_for(self._context.rules, path, value) not in (Rule.LAST, Rule.FIRST)

    def state(self, name: str) -> FieldState | None:
        """The state of field `name`, or None."""
        return self._states.get(name)

    def has(self, name: str) -> bool:
        """Whether anything stands under `name` now. Unlike `get`, this copies nothing."""
        state = self._states.get(name)
        return state is not None and not isinstance(state, Dropped)

    def get(self, name: str) -> Any:
        """What stands under `name` now, or None."""
        state = self._states.get(name)
        return None if state is None else state.value()

    def value(self) -> dict[str, Any]:
        states = self._states.items()
        return {name: None if c is None else c.value() for name, c in states if not isinstance(c, Dropped)}


class Keyed:
    """KEYED: objects of the same (type, index) are one; a new id, or an object without an index that cannot go on the
    last one, begins another. (OpenRouter cuts one reasoning detail into many chunks, and repeats index 0 for all.)"""

    __slots__ = ("_context", "_entries", "_last", "_path", "_waiting")
    takes: ClassVar[type] = list

    def __init__(self, context: Context, path: str, waiting: Waiting | None = None) -> None:
        self._context = context
        self._path = path + "[]"
        self._waiting = waiting
        self._entries: list[Any] = []  # Fields, or items that are no objects, as they came
        self._last: dict[tuple[str, str], Fields] = {}

    def add(self, value: list[Any]) -> list[Any]:
        for item in value:
            if not isinstance(item, dict):
                self._context.keep(weight(item))
                self._entries.append(item)
                continue
            entry = self.entry_of(item)
            if entry is None:
                self._context.keep(ENTRY)
                entry = self._last[_key(item)] = Fields(self._context, self._path, self._waiting)
                self._entries.append(entry)
            entry.add(item)
        return value

    def entry_of(self, item: Mapping[str, Any]) -> Fields | None:
        """The entry that `item` goes on, or None where it begins another."""
        entry = self._last.get(_key(item))
        if entry is None or (item.get("index") is None and entry is not self._entries[-1]):
            return None  # text, thinking, text: the second text does not go on the first
        known = entry.get("id")
        return None if known and item.get("id") and known != item["id"] else entry

    def value(self) -> list[Any]:
        return [item.value() if isinstance(item, Fields) else copy_of(item) for item in self._entries]


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item.get("type")), str(item.get("index"))


def new_field(context: Context, path: str, value: Any, waiting: Waiting | None = None) -> FieldState:
    """A state for the field at `path`, whose first value is `value`; `waiting`: of the choice that it belongs to."""
    rule = rule_for(context.rules, path, value)
    if not isinstance(value, _TAKES.get(rule, object)):
        rule = rule_for(
            {}, path, value
        )  # what the table's rule cannot take (`"reasoning": [...]`): as an unknown field
    if rule is Rule.KEYED:
        return Keyed(context, path, waiting)
    if rule is Rule.MERGE:
        return Fields(context, path, waiting)
    if path in _ARGUMENTS and rule is Rule.ADD and context.dialect.doubled_arguments:
        return LastDocument(lambda: context.note("lone_surrogate", f"$.{path}"), waiting)
    if rule in _TEXTS:
        return _TEXTS[rule](lambda: context.note("lone_surrogate", f"$.{path}"), waiting)
    if rule in _NOTING:
        kind, code = _NOTING[rule]
        return kind(lambda: context.note(code, f"$.{path}"))
    return _PLAIN[rule]()


_TAKES: dict[Rule, type] = {
    Rule.ADD: str,
    Rule.ADD_BASE64: str,
    Rule.SAME_OR_ADD: str,
    Rule.EXTEND: list,
    Rule.KEYED: list,
    Rule.MERGE: dict,
    Rule.LEDGER: dict,
}


_ARGUMENTS = (f"{DELTA}function_call.arguments", f"{DELTA}tool_calls[].function.arguments")

_TEXTS: dict[Rule, type[Text] | type[SameOrAdd]] = {Rule.ADD: Text, Rule.SAME_OR_ADD: SameOrAdd}

_NOTING: dict[Rule, tuple[Callable[[Callable[[], None]], FieldState], str]] = {
    Rule.EXTEND: (Extend, "lone_surrogate"),
    Rule.ADD_BASE64: (Base64, "audio_base64"),
}

_PLAIN: dict[Rule, Callable[[], FieldState]] = {
    Rule.FIRST: First,
    Rule.LAST: Last,
    Rule.LEDGER: Ledger,
    Rule.DROP: Dropped,
}
