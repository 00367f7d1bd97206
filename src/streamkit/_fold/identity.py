"""Decide whether two objects are the same: a block of a list that arrives in pieces, or another object that arrives
whole.

In: what is kept of an object (`Fields`) and a new one at the same place. Two different objects are never merged, so
that everything except text in pieces must agree. The fields known to arrive in pieces are in the tables below and in
`rules.py`.

Cost: O(the new object): the kept value of a compared field is as long as the value that it was equal to before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..rules import BLOCK_TEXT, SEALS
from .field_rules import First, Last, SameOrAdd, Text

if TYPE_CHECKING:
    from .fields import Fields

__all__ = ("agrees", "is_another", "is_block", "is_sealed")

_PIECES = BLOCK_TEXT | SEALS | {"arguments", "content", "delta", "input", "output", "partial_json"}
"""Fields with a separate value, or a piece of one, in each block; Groq repeats the `arguments` of an executed tool."""

_LABELS = frozenset({"channel", "format", "id", "index", "model", "name", "provider_type", "role", "status", "type"})
"""Fields that label a block, the same in each of its pieces. (A title or a url belongs to one object.)"""

_BLOCK = _PIECES | _LABELS

_OWN = frozenset({"id", "title", "type", "uri", "url"})
"""Texts that never arrive in pieces: if they differ, there are two objects."""

_NUMBERS = frozenset({int, float})


def is_block(item: Mapping[str, Any]) -> bool:
    """Return True if an item of a list may be a block in pieces: it has a text or a seal, or an index and labels only.

    `{"type": "url_citation", "url_citation": {...}}` is an object that arrives whole, and so is a search result that
    has a title and a url next to its text, unless an index or id shows which piece belongs to which.
    """
    placed = item.get("index") is not None
    if _PIECES.isdisjoint(item):
        return placed and item.keys() <= _LABELS
    if placed or item.get("id"):
        return True
    return not any(value and isinstance(value, str) for name, value in item.items() if name not in _BLOCK)


def is_sealed(item: Mapping[str, Any]) -> bool:
    """Return True if a block ends with this piece."""
    if SEALS.isdisjoint(item):
        return False
    return any(item.get(name) for name in SEALS)


def agrees(kept: Fields, item: Mapping[str, Any]) -> bool:
    """Return True if a piece without an index or id can belong to this block: only text differs."""
    for name, value in item.items():
        if name in _PIECES or not value or isinstance(value, list):
            continue
        if isinstance(value, str) and name not in _LABELS:
            return False
        state = kept.state(name)
        if state is not None and (known := state.value()) and known != value:
            return False
    return True


def is_another(kept: Fields, value: Mapping[str, Any], whole: bool = False) -> bool:
    """Return True if a new object in the place of one object is a different one: LiteLLM's `citation`, one a chunk.

    It is if a text differs that never arrives in pieces, or a number next to a text that would be joined; in a typed
    object, and in those inside one (`whole`), if any text differs except those known to arrive in pieces.
    """
    whole = whole or isinstance(value.get("type"), str)
    moved = joined = False
    for name, new in value.items():
        state = kept.state(name)
        if state is None or not new:
            continue
        kind = type(new)
        if kind is dict:
            if whole and hasattr(state, "state") and is_another(cast("Fields", state), new, whole=True):
                return True
        elif kind is str and name not in _PIECES and isinstance(state, (SameOrAdd, Text, First, Last)):
            joined = True
            if (whole or name in _OWN) and (before := state.value()) and before != new:
                return True
        elif kind in _NUMBERS and isinstance(state, Last) and (before := state.value()) != new:
            moved = moved or type(before) in _NUMBERS
    return moved and joined
