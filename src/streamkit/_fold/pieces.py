"""The pieces of a chunk that are not events: what a writer of clean chunks needs, in the order in which they appeared.

The reducer passes each new piece to a sink, the list `out`: events if the caller wants events, with these pieces
among them if `Reducer.whole` is set, nothing if it is None. Pieces are values: they mean the same whenever they are
read, so that a whole block may be folded before the first of them is written. Cost: one tuple a piece.

Rule 1  Text and arguments are events (`ContentDelta`, `RefusalDelta`, `FunctionCallDelta`, `ToolCallDelta`), reported
        once. Reasoning is a field here, as it may be in several.
Rule 2  A field that only repeats its kept value is not a piece. So it does not matter whether the fast lane took its
        event, which takes only events that repeat every field (`repeats` must be true wherever `_fast/text_chunk.py`
        requires it).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..types import ChatChoiceLogprobs, ChatCompletionMessageToolCallChunk
from .field_rules import Base64, Dropped, Extend, FieldState, First, Last, SameOrAdd, Text
from .fields import Fields, Keyed, Several

__all__ = ("Field", "Fragment", "Function", "Head", "LogprobsPiece", "Over", "put_told", "put_whole", "repeats")


class Head(NamedTuple):
    """The fields of a chunk about the whole response, if they differ from the last chunk's."""

    id: str
    created: int
    model: str
    service_tier: Any
    system_fingerprint: str | None


class Field(NamedTuple):
    """A value of a field that is not one of the format's texts, as the sender wrote it."""

    choice: int
    """-1 for a field of the chunk itself."""
    place: str
    """The object that it is in: `chunk`, `choice`, `delta` or `audio`."""
    name: str
    value: Any


class Fragment(NamedTuple):
    """A fragment, and what is now known about its call; its arguments follow as an event."""

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
    """All pieces of one chunk have been reported."""

    choice: int
    """The first choice in it, -1 for none."""


def put_whole(fields: Fields, name: str, value: Any) -> tuple[Any, bool, Any]:
    """Put a value; return the result of `put`, whether the value is a piece, and that piece: for a text the valid
    part."""
    same = repeats(fields, name, value)
    shown = fields.put(name, value)
    state = fields.state(name)
    if isinstance(state, Dropped):
        return shown, False, None
    is_text = isinstance(state, Text) and isinstance(value, str)
    return shown, not same, (shown or "") if is_text else value


def put_told(fields: Fields, name: str, value: Any, choice: int, place: str, out: list[Any]) -> Any:
    """Put a value; return the result of `put`, and append the piece that it is, if it is one, to `out`."""
    shown, new, piece = put_whole(fields, name, value)
    if new:
        out.append(Field(choice, place, name, piece))
    return shown


def repeats(fields: Fields, name: str, value: Any) -> bool:
    """Return True if putting this value changes nothing."""
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
    """Return True if both are equal and of one type: True is not 1."""
    return type(one) is type(other) and bool(one == other)
