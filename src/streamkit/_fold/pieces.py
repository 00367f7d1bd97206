"""What a chunk says beside its events: the pieces that a writer of clean chunks needs, in the order in which they stood.

The reducer hands each new piece to a sink, which is the list `out`: events where the caller wants events, these pieces
among them where `Reducer.whole` is set, nothing where it is None. Pieces are values: they mean the same whenever they are
looked at, so that a whole block may be folded before the first of them is written. Cost: one tuple a piece.

Rule 1  Text and arguments are events (`ContentDelta`, `RefusalDelta`, `FunctionCallDelta`, `ToolCallDelta`), said once.
        Reasoning is a field here, as it may stand in several.
Rule 2  A field that only repeats what was kept is no piece. So it does not matter whether the fast lane took its event,
        which takes only events that repeat every field (`repeats` must hold wherever `_fast/template.py` says so).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..types import ChatChoiceLogprobs, ChatCompletionMessageToolCallChunk
from .field_rules import Base64, Dropped, Extend, FieldState, First, Last, SameOrAdd, Text
from .fields import Fields, Keyed, Several

__all__ = ("Field", "Fragment", "Function", "Head", "LogprobsPiece", "Over", "put_whole", "repeats")


class Head(NamedTuple):
    """What a chunk says of the whole response, where that is not what the last one said."""

    id: str
    created: int
    model: str
    service_tier: Any
    system_fingerprint: str | None


class Field(NamedTuple):
    """A value of a field outside the texts of the format, as the sender wrote it."""

    choice: int
    """-1 for a field of the chunk itself."""
    place: str
    """The object that it stands in: `chunk`, `choice`, `delta` or `audio`."""
    name: str
    value: Any


class Fragment(NamedTuple):
    """A fragment, and what is known of its call since; its arguments follow as an event."""

    choice: int
    call: int
    id: str
    synthetic_id: bool
    name: str
    type: str
    custom: bool
    sent: ChatCompletionMessageToolCallChunk


class Function(NamedTuple):
    """A piece of a legacy function call; its arguments follow as an event."""

    choice: int
    name: str
    extra: dict[str, Any]


class LogprobsPiece(NamedTuple):
    """The log probabilities of one chunk."""

    choice: int
    logprobs: ChatChoiceLogprobs


class Over(NamedTuple):
    """All pieces of one chunk have been said."""

    choice: int
    """The first choice that stands in it, -1 for none."""


def put_whole(fields: Fields, name: str, value: Any) -> tuple[Any, bool, Any]:
    """Put a value; return what `put` returns, whether the value is a piece, and that piece: of a text what can be shown."""
    same = repeats(fields, name, value)
    shown = fields.put(name, value)
    state = fields.state(name)
    if isinstance(state, Dropped):
        return shown, False, None
    is_text = isinstance(state, Text) and isinstance(value, str)
    return shown, not same, (shown or "") if is_text else value


def repeats(fields: Fields, name: str, value: Any) -> bool:
    """Whether putting this value changes nothing."""
    if value is None:
        return fields.knows(name)
    state = fields.state(name)
    return state is not None and _repeats(state, value)


def _repeats(state: FieldState, value: Any) -> bool:
    if isinstance(state, Dropped):
        return True
    if isinstance(state, First):
        return bool(state.value()) or _same(state.value(), value)
    if isinstance(state, Last):
        before = state.value()
        return _same(before, value) or (bool(before) and isinstance(value, (list, dict)) and not value)
    if isinstance(state, Several):
        state = state.last
    if isinstance(state, Fields):
        return isinstance(value, dict) and all(repeats(state, name, inner) for name, inner in value.items())
    if isinstance(state, Extend):
        return isinstance(value, list) and (not value or state.stands(value))
    if isinstance(state, (Text, SameOrAdd, Base64)):
        return bool(value == "")
    return isinstance(state, Keyed) and value == []


def _same(one: Any, other: Any) -> bool:
    """Equal, and of one type: True is not 1."""
    return type(one) is type(other) and bool(one == other)
