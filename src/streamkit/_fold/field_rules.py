"""The merge rules, implemented: the state of one field while its stream is running, one class for each rule of
`rules.py`.

`add(value)` takes the next value (never None) and returns the new part of it; `value()` returns the value so far, never
an alias of live state (frozen objects, such as the entries of log probabilities, are values and are shared). `takes` is
the type that a class adds: a value of another type turns the field into a `Mixed` one. Text is kept in pieces and
joined when read, so that n pieces cost O(n), not O(n^2).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from .._decode.doubled_json import last_document
from .._decode.tolerant_json import has_half, pair
from ..types import FinishReason, Role, ServiceTierResponse

__all__ = (
    "MANY_PIECES",
    "Base64",
    "Dropped",
    "Each",
    "Extend",
    "FieldState",
    "First",
    "Last",
    "LastDocument",
    "Ledger",
    "Mixed",
    "SameOrAdd",
    "Text",
    "Waiting",
    "all_repeated",
    "copy_of",
    "nothing",
    "two_repeated",
)

MANY_PIECES = 32
"""Number of pieces to join at a time: enough that joining costs 15 ns a piece, few enough to take little memory."""


class FieldState(Protocol):
    """The state of one field."""

    takes: ClassVar[type]
    """The type of the values that it can add."""

    def add(self, value: Any) -> Any:
        """Add the next value; return the new part of it."""

    def value(self) -> Any:
        """Return the value so far."""


Waiting = dict[int, "Text | SameOrAdd | LastDocument"]
"""The texts of one choice in which half of a surrogate pair waits for its other half, by `id()`: so that the end of a
choice does not visit every field ever seen."""


class First:
    """FIRST: the first non-empty value is kept."""

    __slots__ = ("_value",)
    takes: ClassVar[type] = object

    def __init__(self) -> None:
        self._value: Any = None

    def add(self, value: Any) -> Any:
        if not self._value:
            self._value = value if type(value) in _NO_TEXT else _whole(value)
        return value

    def value(self) -> Any:
        value = self._value
        return value if type(value) in _NO_TEXT else copy_of(value)


class Last:
    """LAST: the last value is kept; an empty list or object does not replace a non-empty one."""

    __slots__ = ("_value", "varies", "weight")
    takes: ClassVar[type] = object

    def __init__(self) -> None:
        self._value: Any = None
        self.varies = False  # whether it was a different number before
        self.weight = 0  # of the kept value, see `weight.weight`

    def add(self, value: Any) -> Any:
        if value or not (self._value and isinstance(value, (list, dict))):
            self._value = value if type(value) in _NO_TEXT else _whole(value)
        return value

    def begins_to_vary(self, value: Any) -> bool:
        """Return True if `value` is the first number that differs from the kept one."""
        if self.varies or type(value) not in _NUMBERS or type(self._value) not in _NUMBERS or value == self._value:
            return False
        self.varies = True
        return True

    def value(self) -> Any:
        value = self._value
        return value if type(value) in _NO_TEXT else copy_of(value)


class Each:
    """A field of the format with a value of another type than the format defines: each value is kept, as a list if
    there are two; an equal value adds nothing."""

    __slots__ = ("_items",)
    takes: ClassVar[type] = object

    def __init__(self) -> None:
        self._items: list[Any] = []

    def add(self, value: Any) -> Any:
        value = copy_of(value)
        if not self._items or self._items[-1] != value or type(self._items[-1]) is not type(value):
            self._items.append(value)
        return value

    def value(self) -> Any:
        return copy_of(self._items[0]) if len(self._items) == 1 else [copy_of(item) for item in self._items]


class Text:
    """ADD: pieces of text, valid at every moment.

    A sender that cuts between UTF-16 units sends half a surrogate pair at the end of one delta and the other half at
    the start of the next; the first half is held back until then, and is replaced by U+FFFD if nothing follows.
    """

    __slots__ = ("_joined", "_length", "_lone", "_waiting", "held", "pieces")
    takes: ClassVar[type] = str

    def __init__(self, lone: Callable[[], None] | None = None, waiting: Waiting | None = None) -> None:
        self._joined: list[str] = []  # already joined
        self._length = 0  # of everything joined
        self.pieces: list[str] = []  # not joined yet; always this list object, to which the fast lane appends
        self.held = ""
        self._lone = lone or nothing  # called for each half that was replaced by U+FFFD
        self._waiting = waiting

    @property
    def length(self) -> int:
        """Number of characters so far, without a waiting half. Joins nothing."""
        return self._length + sum(map(len, self.pieces))

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
        """Join the pieces since the last time: a string of one token takes 50 bytes in addition to its text."""
        joined = "".join(self.pieces)
        self._joined.append(joined)
        self._length += len(joined)
        self.pieces.clear()

    def _mend(self, value: str) -> str:
        value = pair(self.held + value)
        self.held = ""
        if "\ud800" <= value[-1] <= "\udbff":
            self.held, value = value[-1], value[:-1]
            if self._waiting is not None:
                self._waiting[id(self)] = self
        whole = _whole_text(value)
        if whole != value:
            self._lone()
        return whole

    def flush(self) -> str:
        """End the text: replace a waiting half by U+FFFD and return it."""
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

    def news(self, mark: tuple[int, int], start: int) -> tuple[str, tuple[int, int]]:
        """Return the text from the character `start` on, and a mark at its end: `mark` is one that was returned for
        `start`, or any other pair. In nearly all cases that costs one join of the pieces since."""
        length, seen = mark
        pieces = self.pieces
        new = "".join(pieces[seen:]) if length == self._length else self.since(start)
        return new, (self._length, len(pieces))

    def since(self, start: int) -> str:
        """Return the text from the character `start` on. Costs the length of that, not of all."""
        left, parts = self.length - start, []
        for part in (*reversed(self.pieces), *reversed(self._joined)):
            if left <= 0:
                break
            parts.append(part[-left:])
            left -= len(part)
        return "".join(reversed(parts))


class SameOrAdd:
    """SAME_OR_ADD: one value while every piece is equal, the pieces joined once they differ."""

    __slots__ = ("_first", "_lone", "_text", "_times", "_waiting")
    takes: ClassVar[type] = str

    def __init__(self, lone: Callable[[], None] | None = None, waiting: Waiting | None = None) -> None:
        self._first: str | None = None
        self._times = 0
        self._text: Text | None = None
        self._lone = lone or nothing
        self._waiting = waiting

    def add(self, value: str) -> str:
        if self._text is not None:
            return self._text.add(value)
        if self._first is None:
            self._first = value
            if self._waiting is not None and not value.isascii() and _whole_text(value) != value:
                self._waiting[id(self)] = self
        if value == self._first:
            self._times += 1
            return value
        self._text = Text(self._lone, self._waiting)
        for _ in range(self._times):
            self._text.add(self._first)
        return self._text.add(value)

    def flush(self) -> str:
        """Do what `Text.flush` does."""
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


class LastDocument:
    """ADD, for arguments of a sender that doubles them (`Dialect.doubled_arguments`): which pieces count is known when
    the last one has arrived, so all are held back until then. A text that is not doubled is returned unchanged."""

    __slots__ = ("_settled", "_text", "_waiting", "plain")
    takes: ClassVar[type] = str

    def __init__(self, lone: Callable[[], None] | None = None, waiting: Waiting | None = None) -> None:
        self._text = Text(lone)
        self._waiting = waiting
        self._settled = False
        self.plain = False  # the input of a custom tool is any text

    @property
    def held(self) -> bool:
        """Return True if something is held back."""
        return not self._settled and bool(self._text.length or self._text.held)

    def add(self, value: str) -> str:
        shown = self._text.add(value)
        if self._waiting is not None and (not self._settled or self._text.held):
            self._waiting[id(self)] = self
        return shown if self._settled else ""

    def flush(self) -> str:
        """End the text: return what was held back, or the last document of a doubled text."""
        rest = self._text.flush()
        if self._settled:
            return rest
        self._settled = True
        whole = self._text.value()
        last = None if self.plain else last_document(whole)
        if last is None:
            return whole
        self._text = Text()
        return self._text.add(last)

    def value(self) -> str:
        return self._text.value()


Repeats = Callable[[list[Any], list[Any]], int]
"""Returns how many items at the beginning of a new list (the second) only repeat the kept ones (the first)."""


def none_repeated(kept: list[Any], new: list[Any]) -> int:
    """Return 0: each list is new, since two equal tokens are both kept."""
    return 0


def all_repeated(kept: list[Any], new: list[Any]) -> int:
    """Return the repeated items by GROW: a list of objects or strings that begins with everything kept repeats it.

    Cost: O(the new list): both compared lists have its length, and a comparison ends with the shorter of two values.
    """
    if not kept or len(new) < len(kept) or not _NAMEABLE.issuperset(map(type, new)):
        return 0
    return len(kept) if new[: len(kept)] == kept else 0


def two_repeated(kept: list[Any], new: list[Any]) -> int:
    """Return the repeated items inside a delta: a list that begins with the first two kept objects or strings repeats
    them."""
    count = 0
    for before, now in zip(kept, new, strict=False):
        if type(now) not in _NAMEABLE or before != now:
            break
        count += 1
    return count if count > 1 else 0


class Extend:
    """EXTEND and GROW: a list that grows by the items of each value, except those that only repeat kept ones."""

    __slots__ = ("_items", "_lone", "_repeated", "_repeats")
    takes: ClassVar[type] = list

    def __init__(
        self,
        lone: Callable[[], None] | None = None,
        repeats: Repeats = none_repeated,
        repeated: Callable[[], None] | None = None,
    ) -> None:
        self._items: list[Any] = []
        self._lone = lone or nothing
        self._repeats = repeats
        self._repeated = repeated or nothing  # called for each list with repeated items

    @property
    def length(self) -> int:
        """Number of kept items."""
        return len(self._items)

    def stands(self, value: list[Any]) -> bool:
        """Return True if `value` equals the kept list, and would add nothing."""
        return self._repeats(self._items, value) == len(self._items) == len(value) > 0

    def repeats(self, value: list[Any]) -> bool:
        """Take `value` if it equals the kept list; return whether it does. It is then as deep, and as valid."""
        if not self.stands(value):
            return False
        self._repeated()
        return True

    def fresh(self, value: list[Any]) -> list[Any]:
        """Return the new items of `value`, as valid text."""
        if value and type(value[0]) in _JSON:
            new = [copy_of(item) for item in value]
            if new != value:
                self._lone()
            value = new
        count = self._repeats(self._items, value)
        if count:
            self._repeated()
            return value[count:]
        return value

    def add(self, value: list[Any]) -> list[Any]:
        return self.append(self.fresh(value))

    def append(self, fresh: list[Any]) -> list[Any]:
        """Append the result of `fresh`, and return it."""
        self._items += fresh
        return fresh

    def value(self) -> list[Any]:
        return [copy_of(item) for item in self._items]


class Base64:
    """ADD_BASE64: pieces of base64 joined as bytes. A piece may be padded, or end inside a group of four characters.

    If a piece is not base64, all of them are joined as text: nothing is lost.
    """

    __slots__ = ("_broken", "_bytes", "_carry", "_pieces")
    takes: ClassVar[type] = str

    def __init__(self, broken: Callable[[], None] | None = None) -> None:
        self._bytes: list[bytes] | None = []
        self._carry = ""
        self._pieces: list[str] = []
        self._broken = broken or nothing  # called once this is known not to be base64

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
        """End the data: return the bytes of a last piece without padding."""
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
    """DROP: accepts everything, keeps nothing."""

    __slots__ = ()
    takes: ClassVar[type] = object

    def add(self, value: Any) -> None:
        return None

    def value(self) -> None:
        return None


class Mixed:
    """A field that changed its type between chunks: all its values, as a list."""

    __slots__ = ("_items",)
    takes: ClassVar[type] = object

    def __init__(self, before: Any) -> None:
        self._items = [before]

    def add(self, value: Any) -> Any:
        if value != "":  # empty, whatever the type was; the fast lane relies on that
            self._items.append(copy_of(value))
        return copy_of(value)

    def value(self) -> list[Any]:
        return [copy_of(item) for item in self._items]


class Ledger:
    """LEDGER: counts that are reported repeatedly. The last report is kept; absent, null and zero erase nothing.

    Zero cannot erase because counts only grow: a zero after a number is a sender without news (MiniMax writes zeros in
    every chunk but one).
    """

    __slots__ = ("_value",)
    takes: ClassVar[type] = dict

    def __init__(self) -> None:
        self._value: dict[str, Any] = {}

    def add(self, value: dict[str, Any]) -> list[str]:
        """Add the next report; return the paths of its counts."""
        return _merge_counts(self._value, value)

    @property
    def kept(self) -> dict[str, Any]:
        """The value so far itself, for a caller that only reads it, and now."""
        return self._value

    def begin(self, value: dict[str, Any]) -> list[str]:
        """Do what `add` does for a first report that has nothing but numbers and that nobody else changes: keep it as it
        is."""
        self._value = value
        taken = []
        for name, one in value.items():
            if type(one) is dict:
                taken += [f"{name}.{inner}" for inner in one]
            else:
                taken.append(name)
        return taken

    def value(self) -> dict[str, Any]:
        return {name: one if type(one) in _NO_TEXT else copy_of(one) for name, one in self._value.items()}


def _merge_counts(into: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    taken = []
    for key, value in new.items():
        if value and type(value) in _NUMBERS:  # nearly all
            into[key] = value
        elif isinstance(value, dict):
            before = into.get(key)
            if not isinstance(before, dict):
                before = into[key] = {}
            taken += _merge_counts(before, value, f"{prefix}{key}.")
            continue
        elif value or into.get(key) is None:
            into[key] = copy_of(value)
        else:
            continue
        taken.append(prefix + key)
    return taken


_NO_TEXT = frozenset({int, float, bool, type(None), Role, FinishReason, ServiceTierResponse})
"""What needs no copy, and has no text that could be invalid."""


def _whole(value: Any) -> Any:
    return (value if value.isascii() else _whole_text(value)) if isinstance(value, str) else value


def _whole_text(text: str) -> str:
    """Return `text` with every lone surrogate replaced, so that it can be encoded."""
    if text.isascii() or not has_half(text):  # no copy if nothing changes
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def copy_of(value: Any) -> Any:
    """Return a copy that shares nothing mutable with live state, with valid text. Frozen objects are returned
    unchanged."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _whole_text(value)
    if kind is list:
        return [item if type(item) in _NO_TEXT else copy_of(item) for item in value]
    if kind is dict:
        return {key: item if type(item) in _NO_TEXT else copy_of(item) for key, item in value.items()}
    return value


_JSON = frozenset({dict, list, str})
_NAMEABLE = frozenset({dict, str})  # two equal ones are a repeat; two equal numbers may be two values
_NUMBERS = frozenset({int, float})


def nothing() -> None:
    """Do nothing: the default callback."""
