"""Field states: the state of one field while its stream runs, one class for each rule of `rules.py`.

`add(value)` takes the next value (never None) and returns what is new in it; `value()` gives what stands now, never
an alias of live state (frozen objects, such as the entries of log probabilities, are values and are shared). Text is
kept in pieces and joined when read, so that n pieces cost O(n), not O(n^2).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .._decode.tolerant_json import depth, has_half, pair
from ..errors import LimitError
from ..limits import Limits
from ..rules import DELTA, Rule, rule_for

__all__ = (
    "MANY_PIECES",
    "Base64",
    "Context",
    "Extend",
    "FieldState",
    "Fields",
    "First",
    "Keyed",
    "Last",
    "SameOrAdd",
    "Text",
    "new_field",
)


MANY_PIECES = 32
"""Pieces of text to be joined for good: enough that joining costs 15 ns a piece, few enough to be no memory."""


class FieldState(Protocol):
    """The state of one field."""

    def add(self, value: Any) -> Any:
        """Take the next value; return what is new in it."""

    def value(self) -> Any:
        """What stands now."""


class Context:
    """What every state of one response shares: the rules, the limits, and where to report what is odd."""

    __slots__ = ("event", "id", "limits", "mixed", "note", "rules", "unknown")

    def __init__(self, rules: Mapping[str, Rule], limits: Limits, note: Callable[..., None]) -> None:
        self.rules = rules
        self.limits = limits
        self.note = note
        self.event = 0  # number of the event that is being read
        self.id: Any = None  # the state of the response's id
        self.mixed = False  # whether a field changed its type on the way: then each of its values counts
        self.unknown: dict[str, int] = {}  # path of each unknown field -> how often it stood there


class First:
    """FIRST: the first non-empty value stands."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = None

    def add(self, value: Any) -> Any:
        if not self._value:
            self._value = _whole(value)
        return value

    def value(self) -> Any:
        return _copy(self._value)


class Last:
    """LAST: the last value stands; an empty list or object does not replace one that says something."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: Any = None

    def add(self, value: Any) -> Any:
        if not (self._value and isinstance(value, (list, dict)) and not value):
            self._value = _whole(value)
        return value

    def value(self) -> Any:
        return _copy(self._value)


class Text:
    """ADD: pieces of text, valid at every moment.

    A sender that cuts between UTF-16 units sends half a surrogate pair at the end of one delta and the other half at
    the start of the next; the first half is held back until then, and becomes U+FFFD if nothing follows.
    """

    __slots__ = ("_joined", "_lone", "held", "pieces")

    def __init__(self, lone: Callable[[], None] | None = None) -> None:
        self._joined: list[str] = []  # what was joined before
        self.pieces: list[str] = []  # what came since; always this list, to which the fast lane appends
        self.held = ""
        self._lone = lone or _nothing  # called for each half that became U+FFFD

    def add(self, value: str) -> str:
        if not value:
            return value
        if self.held or value[0] >= "\ud800" or value[-1] >= "\ud800":
            value = self._mend(value)
        self.pieces.append(value)
        if len(self.pieces) >= MANY_PIECES:
            self.compact()
        return value

    def compact(self) -> None:
        """Join what came since the last time, once: a string of one token takes 50 bytes beside its text."""
        self._joined.append("".join(self.pieces))
        self.pieces.clear()

    def _mend(self, value: str) -> str:
        value = pair(self.held + value)
        self.held = ""
        if "\ud800" <= value[-1] <= "\udbff":
            self.held, value = value[-1], value[:-1]
        whole = _whole_text(value)
        if whole != value:
            self._lone()
        return whole

    def flush(self) -> str:
        """Nothing more will come: a half that still waits becomes U+FFFD, which is returned."""
        lost, self.held = ("\ufffd" if self.held else ""), ""
        if lost:
            self.pieces.append(lost)
            self._lone()
        return lost

    def value(self) -> str:
        if self.pieces:
            self.compact()
        if len(self._joined) > 1:
            self._joined = ["".join(self._joined)]
        return self._joined[0] if self._joined else ""


class SameOrAdd:
    """SAME_OR_ADD: one value while every piece is equal, the pieces joined once they differ."""

    __slots__ = ("_first", "_lone", "_text", "_times")

    def __init__(self, lone: Callable[[], None] | None = None) -> None:
        self._first: str | None = None
        self._times = 0
        self._text: Text | None = None
        self._lone = lone or _nothing

    def add(self, value: str) -> str:
        if self._text is not None:
            return self._text.add(value)
        if self._first is None:
            self._first = value
        if value == self._first:
            self._times += 1
            return value
        self._text = Text(self._lone)
        for _ in range(self._times):
            self._text.add(self._first)
        return self._text.add(value)

    def flush(self) -> str:
        """As `Text.flush`."""
        if self._text is not None:
            return self._text.flush()
        whole = _whole_text(self._first or "")
        if whole != (self._first or ""):
            self._first = whole
            self._lone()
        return ""

    def value(self) -> str:
        if self._text is not None:
            return self._text.value()
        return _whole_text(self._first or "")


class Extend:
    """EXTEND: a list that grows by the items of each value."""

    __slots__ = ("_items", "_lone")

    def __init__(self, lone: Callable[[], None] | None = None) -> None:
        self._items: list[Any] = []
        self._lone = lone or _nothing

    def add(self, value: list[Any]) -> list[Any]:
        if value and type(value[0]) in _JSON:
            new = [_copy(item) for item in value]
            if new != value:
                self._lone()
            value = new
        self._items += value
        return value

    def value(self) -> list[Any]:
        return [_copy(item) for item in self._items]


class Base64:
    """ADD_BASE64: pieces of base64 joined as bytes. A piece may be padded, or end inside a group of four characters.

    Where a piece is no base64 at all, all of them are joined as the text they are: nothing is lost.
    """

    __slots__ = ("_broken", "_bytes", "_carry", "_pieces")

    def __init__(self, broken: Callable[[], None] | None = None) -> None:
        self._bytes: list[bytes] | None = []
        self._carry = ""
        self._pieces: list[str] = []
        self._broken = broken or _nothing  # called once it is clear that this is no base64

    def add(self, value: str) -> bytes:
        self._pieces.append(value)
        if self._bytes is None:
            return b""
        text = self._carry + value
        whole = len(text) - len(text) % 4
        try:
            # Strict, or `####` would be read as nothing.
            new = b"".join(binascii.a2b_base64(part, strict_mode=True) for part in _padded_parts(text[:whole]))
        except (binascii.Error, ValueError):
            self._bytes, self._carry = None, ""
            self._broken()
            return b""
        self._carry = text[whole:]
        self._bytes.append(new)
        return new

    def flush(self) -> bytes:
        """Nothing more will come: what a last piece without padding still stands for."""
        text, self._carry = self._carry, ""
        if not text or self._bytes is None:
            return b""
        try:
            new = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
        except (binascii.Error, ValueError):  # one character is less than a byte
            self._bytes = None
            self._broken()
            return b""
        self._bytes.append(new)
        return new

    def value(self) -> str:
        if self._bytes is None:
            return "".join(self._pieces)
        self._bytes = [b"".join(self._bytes)]
        return base64.b64encode(self._bytes[0]).decode("ascii") + self._carry


def _padded_parts(text: str) -> list[str]:
    """`QQ==Qg==` -> `QQ==`, `Qg==`: a2b_base64 stops at the first padding."""
    parts, start = [], 0
    while (end := text.find("=", start)) >= 0:
        while end < len(text) and text[end] == "=":
            end += 1
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


class Dropped:
    """DROP: takes everything, keeps nothing."""

    __slots__ = ()

    def add(self, value: Any) -> None:
        return None

    def value(self) -> None:
        return None


class Mixed:
    """A field that changed its type on the way: all its values, as a list."""

    __slots__ = ("_items",)

    def __init__(self, before: Any) -> None:
        self._items = [before]

    def add(self, value: Any) -> Any:
        if value != "":  # says nothing, whatever the type was; the fast lane counts on that
            self._items.append(_copy(value))
        return _copy(value)

    def value(self) -> list[Any]:
        return [_copy(item) for item in self._items]


class Keyed:
    """KEYED: objects of the same (type, index) are one; a new id, or an object without an index that cannot go on the
    last one, begins another. (OpenRouter cuts one reasoning detail into many chunks, and repeats index 0 for all.)"""

    __slots__ = ("_context", "_entries", "_last", "_path")

    def __init__(self, context: Context, path: str) -> None:
        self._context = context
        self._path = path + "[]"
        self._entries: list[Any] = []  # Fields, or items that are no objects, as they came
        self._last: dict[tuple[str, str], Fields] = {}

    def add(self, value: list[Any]) -> list[Any]:
        for item in value:
            if not isinstance(item, dict):
                self._entries.append(item)
                continue
            entry = self.entry_of(item)
            if entry is None:
                entry = self._last[_key(item)] = Fields(self._context, self._path)
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

    def flush(self) -> str:
        """As `Text.flush`, for every text in here."""
        return "".join(entry.flush() for entry in self._entries if isinstance(entry, Fields))

    def value(self) -> list[Any]:
        return [item.value() if isinstance(item, Fields) else _copy(item) for item in self._entries]


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return str(item.get("type")), str(item.get("index"))


class Ledger:
    """LEDGER: counts that are reported again and again. The last report stands; absent, null and zero erase nothing.

    Zero cannot erase because counts only grow: a zero after a number is a sender that had nothing to say (MiniMax
    writes zeros in every chunk but one).
    """

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: dict[str, Any] = {}

    def add(self, value: dict[str, Any]) -> list[str]:
        """Take the next report; return the paths of the counts that it gave."""
        return _merge_counts(self._value, value)

    def value(self) -> dict[str, Any]:
        return {name: _copy(count) for name, count in self._value.items()}


def _merge_counts(into: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    taken = []
    for key, value in new.items():
        before = into.get(key)
        if isinstance(value, dict):
            if not isinstance(before, dict):
                before = into[key] = {}
            taken += _merge_counts(before, value, f"{prefix}{key}.")
        elif value or before is None:
            into[key] = _copy(value)
            taken.append(prefix + key)
    return taken


class Fields:
    """MERGE: an object, each of its fields by its own rule. Also the home of every unknown field of one object."""

    __slots__ = ("_context", "_path", "_prefix", "_states")

    def __init__(self, context: Context, path: str = "") -> None:
        self._context = context
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
                self._states[name] = None
            return None
        if state is None:
            state = self._states[name] = new_field(self._context, self._prefix + name, value)
        elif type(state) is Dropped:
            return None
        elif not _takes(state, value) or (type(state) is Last and self._outgrows(name, value)):
            self._context.note("type_changed", f"$.{self._prefix}{name}", value)
            state = self._states[name] = Mixed(state.value())
            self._context.mixed = True
        if isinstance(value, (dict, list)) and depth(value) > self._context.limits.max_nesting:
            maximum = self._context.limits.max_nesting
            raise LimitError(f"a field is nested more than {maximum} levels deep", limit="max_nesting", maximum=maximum)
        return state.add(value)

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

    def get(self, name: str) -> Any:
        """What stands under `name` now, or None."""
        state = self._states.get(name)
        return None if state is None else state.value()

    def flush(self) -> str:
        """Nothing more will come: as `Text.flush`, for every text in here."""
        texts = (Text, SameOrAdd, Keyed, Fields)
        return "".join(state.flush() for state in self._states.values() if isinstance(state, texts))

    def value(self) -> dict[str, Any]:
        states = self._states.items()
        return {name: None if c is None else c.value() for name, c in states if not isinstance(c, Dropped)}


def new_field(context: Context, path: str, value: Any) -> FieldState:
    """A state for the field at `path`, whose first value is `value`."""
    rule = rule_for(context.rules, path, value)
    if not isinstance(value, _TAKES.get(rule, object)):
        rule = rule_for(
            {}, path, value
        )  # what the table's rule cannot take (`"reasoning": [...]`): as an unknown field
    if rule is Rule.KEYED:
        return Keyed(context, path)
    if rule is Rule.MERGE:
        return Fields(context, path)
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
_NOTING: dict[Rule, tuple[Callable[[Callable[[], None]], FieldState], str]] = {
    Rule.ADD: (Text, "lone_surrogate"),
    Rule.SAME_OR_ADD: (SameOrAdd, "lone_surrogate"),
    Rule.EXTEND: (Extend, "lone_surrogate"),
    Rule.ADD_BASE64: (Base64, "audio_base64"),
}
_PLAIN: dict[Rule, Callable[[], FieldState]] = {
    Rule.FIRST: First,
    Rule.LAST: Last,
    Rule.LEDGER: Ledger,
    Rule.DROP: Dropped,
}


def _takes(state: FieldState, value: Any) -> bool:
    if isinstance(state, (Text, SameOrAdd, Base64)):
        return isinstance(value, str)
    if isinstance(state, (Extend, Keyed)):
        return isinstance(value, list)
    if isinstance(state, (Fields, Ledger)):
        return isinstance(value, dict)
    return True


def _whole(value: Any) -> Any:
    return _whole_text(value) if isinstance(value, str) else value


def _whole_text(text: str) -> str:
    """`text` with every lone surrogate replaced, so that it can be encoded."""
    if text.isascii() or not has_half(text):  # no copy of what is to stay as it is
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _copy(value: Any) -> Any:
    """A value that shares nothing mutable with live state, its text valid. Frozen objects are values already."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _whole_text(value)
    if kind is list:
        return [_copy(item) for item in value]
    if kind is dict:
        return {key: _copy(item) for key, item in value.items()}
    return value


_JSON = frozenset({dict, list, str})


def _nothing() -> None:
    """For a state that nobody wants to hear of."""
