"""The arguments of calls, read as JSON while they arrive.

In: the state of the choices, and the events of a block before their caller gets them. Out: `peek`, the arguments so far as a
value, and the `path_events` of each piece. A call is read once, for all that ask, by a `Document` like that of `PartialJSON`.
Cost: that of the new text; nothing for a call that nobody asks for, and that no event is about.

Rule 1  The text that counts is that of the response. A block that was absorbed has no events: its text is read before that of
        the next event, or when somebody peeks.
Rule 2  The input of a custom tool is text: it is not read, and has no path events.
Rule 3  A text that is not only added to (`Dialect.doubled_arguments`, or a rule of the caller) is read from scratch by `peek`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._partial.document import Document
from .._partial.events import PathEvent
from ..events import FunctionCallDelta, ToolCallDelta
from .field_rules import Text
from .reducer import Reducer
from .tool_calls import Call

__all__ = ("GrowingArguments",)

_Key = tuple[int, int]
_NOWHERE = (-1, 0)  # a mark that is in no text: `Text.news` counts characters then
_FUNCTION = -1  # the place of a legacy function call among the calls of its choice


class _Reading:
    """How far a call has been read."""

    __slots__ = ("custom", "document", "length", "mark", "text")

    def __init__(self, custom: bool) -> None:
        self.custom = custom
        self.document = Document()
        self.length = 0  # characters
        self.text: Text | None = None  # the state of the text, for `peek`
        self.mark = _NOWHERE  # where they end in the state of the text

    def take(self, text: str) -> None:
        self.document.read(text, None)
        self.length += len(text)
        self.mark = _NOWHERE


def read(text: str) -> Any:
    """Return what a text is as JSON, as far as it is."""
    document = Document()
    document.read(text, None)
    return document.show()


class GrowingArguments:
    """The readings of one stream."""

    __slots__ = ("_readings", "_reducer", "missed")

    def __init__(self, reducer: Reducer) -> None:
        self._reducer = reducer
        self._readings: dict[_Key, _Reading] = {}
        self.missed = False  # whether text arrived without events

    def follow(self, events: Sequence[Any]) -> None:
        """Set the path events of these, which nobody has seen yet."""
        if self.missed:
            self._catch_up(events)
        readings = self._readings
        for event in events:
            kind = type(event)
            if kind is ToolCallDelta:
                key = event.choice, event.call
            elif kind is FunctionCallDelta:
                key = event.choice, _FUNCTION
            else:
                continue
            reading = readings.get(key) or self._reading(key)
            if not reading.custom:
                text = event.arguments
                reading.length += len(text)
                reading.mark = _NOWHERE
                out: list[PathEvent] = []
                reading.document.read(text, out)
                # Frozen, but for this one place, in which it is new.
                object.__setattr__(event, "path_events", tuple(out))

    def peek(self, choice: int, call: int) -> Any:
        """Return the arguments so far; None where nothing can be said of them."""
        reading = self._readings.get((choice, call))
        if reading is None or reading.text is None:
            state = self._reducer.choices.get(choice)
            if state is None or call >= len(state.calls.calls):
                return None
            found: Call = state.calls.calls[call]
            if found.custom or not isinstance(found.arguments, Text):
                text = found.arguments.value() or ""
                return text if found.custom or not isinstance(text, str) else read(text)
            if not found.has_arguments:
                return None
            reading = self._reading((choice, call))
            reading.text = found.arguments
        new, reading.mark = reading.text.news(reading.mark, reading.length)
        document = reading.document
        if new:
            document.read(new, None)
            reading.length += len(new)
        return document.copy(document.show())

    def _reading(self, key: _Key) -> _Reading:
        reading = self._readings.get(key)
        if reading is None:
            choice, call = key
            custom = call != _FUNCTION and self._reducer.choices[choice].calls.calls[call].custom
            reading = self._readings[key] = _Reading(custom)
        return reading

    def _catch_up(self, events: Sequence[Any]) -> None:
        """Read what arrived before these events and had none."""
        self.missed = False
        told: dict[_Key, int] = {}
        for event in events:
            if type(event) is ToolCallDelta or type(event) is FunctionCallDelta:
                key = (event.choice, event.call if type(event) is ToolCallDelta else _FUNCTION)
                told[key] = told.get(key, 0) + len(event.arguments)
        for (choice, call), state in [
            *(
                ((index, at.position), at.arguments)
                for index, one in self._reducer.choices.items()
                for at in one.calls.calls
            ),
            *(((index, _FUNCTION), one.function_arguments) for index, one in self._reducer.choices.items()),
        ]:
            if isinstance(state, Text):
                reading = self._reading((choice, call))
                missed = state.length - told.get((choice, call), 0) - reading.length
                if missed > 0:
                    reading.take(state.since(reading.length)[:missed])
