"""What the state of a choice is: its fields, its calls, and which of its parts are open.

A reference to a call is its position in the choice; a reference to another part is its name.
"""

from __future__ import annotations

from typing import Any

from .._fold.choice import LATER, ChoiceState
from .._fold.tool_calls import Call, CallTable
from ..dialect import SoFar
from ..events import TEXT_PARTS
from .fields import ORPHANS, Object, Standing, TokensOf, object_slot
from .records import DERIVED, OWNER, REQUIRED, New, Record, Slot, Within
from .shapes import COUNT, FLAG, NUMBER, TEXT, WHOLE, Each, Mapped, Maybe, Refused, Row, Shape, Way, at

__all__ = ("CALL", "CALLS", "CHOICE", "CHOICES", "SO_FAR")


def _put_so_far(so_far: SoFar, text: str, way: Way) -> None:
    so_far._pieces, so_far._length = [text], len(text)


SO_FAR = Record(
    SoFar,
    Slot("text", TEXT, "", lambda so_far, way: "".join(so_far._pieces), _put_so_far),
    beside={"_pieces": "in `text`", "_length": "that of `text`"},
)

# --- tool calls

_CALL_PATH = "choices[].delta.tool_calls[]"

CALL = Record(
    Call,
    Slot("index", Maybe(NUMBER), None),
    Slot("id", TEXT),
    Slot("synthetic_id", FLAG, True),
    Slot("name", TEXT, ""),
    Slot("type", TEXT, ""),
    Slot("custom", FLAG, False),
    Slot("arguments", Standing(f"{_CALL_PATH}.function.arguments", "")),
    Slot("so_far", Maybe(New(SO_FAR)), None),
    Slot("has_arguments", FLAG, False),
    Slot("doubled", FLAG, False),
    object_slot("extra", _CALL_PATH),
    object_slot("function_extra", f"{_CALL_PATH}.function"),
    Slot("complete", FLAG, False),
    Slot("told", Row(TEXT, TEXT, TEXT, FLAG), ()),
    Slot("reasons", Each(Row(TEXT, COUNT)), []),
    beside={"position": "its place in the list"},
)


def _call_of(table: CallTable, position: Any) -> Call:
    if type(position) is not int or not 0 <= position < len(table.calls):
        raise Refused("the position of a call of this choice", position)
    return table.calls[position]


class _Calls:
    """The calls of a choice, in order."""

    def write(self, value: Any, way: Way) -> Any:
        return [CALL.write(call, way) for call in value]

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not list:
            raise Refused("a list of calls", found)
        return found


def _put_calls(table: CallTable, found: list[Any], way: Way) -> None:
    most = way.context.limits.max_tool_calls
    if len(found) > most:
        raise Refused(f"at most {most:,} calls, the limit", found)
    for position, one in enumerate(found):
        with at(position):
            call = CALL.fill(Call(way.context, position, way.waiting), one, way)
            table.calls.append(call)
            table._by_arguments[id(call.arguments)] = call


_POSITIONS = Mapped(WHOLE)


def _put_by_id(table: CallTable, found: dict[str, int], way: Way) -> None:
    for key, position in found.items():
        with at(key):
            table._by_id[key] = _call_of(table, position)


def _put_by_index(table: CallTable, found: list[Any], way: Way) -> None:
    for index, position in found:
        table._by_index[index] = _call_of(table, position)


CALLS = Record(
    CallTable,
    Slot("calls", _Calls(), [], put=_put_calls),
    Slot(
        "_by_id",
        _POSITIONS,
        {},
        lambda table, way: {key: call.position for key, call in table._by_id.items()},
        _put_by_id,
    ),
    Slot(
        "_by_index",
        Each(Row(NUMBER, WHOLE)),
        [],
        lambda table, way: [(index, call.position) for index, call in table._by_index.items()],
        _put_by_index,
    ),
    Slot(
        "last",
        WHOLE,
        None,
        lambda table, way: None if table.last is None else table.last.position,
        lambda table, position, way: setattr(table, "last", _call_of(table, position)),
    ),
    beside={
        "_context": OWNER,
        "_choice": "that of its choice",
        "_waiting": "that of its choice",
        "_by_arguments": DERIVED,
    },
)

# --- choices

_DELTA = "choices[].delta"
_PARTS = frozenset({*TEXT_PARTS, "function_call", "audio", "annotations", "logprobs"})


class _PartNames:
    """Parts of a choice, in order: a name, or the position of a call."""

    def write(self, value: Any, way: Way) -> Any:
        return [part.position if isinstance(part, Call) else part for part in value]

    def read(self, found: Any, way: Way) -> Any:
        if type(found) is not list:
            raise Refused("a list of parts", found)
        return found


def _parts(attribute: str) -> Slot:
    def put(state: ChoiceState, found: list[Any], way: Way) -> None:
        parts: dict[Any, None] = {}
        for number, part in enumerate(found):
            with at(number):
                if type(part) is str and part in _PARTS:
                    parts[part] = None
                else:
                    parts[_call_of(state.calls, part)] = None
        setattr(state, attribute, parts)

    return Slot(attribute, _PartNames(), {}, put=put)


def _later(name: str) -> Slot:
    path, empty = LATER[name]
    shape: Shape = Object(path) if empty is None else TokensOf(path) if empty == [] else Standing(path, empty)
    return Slot(name, shape, None)


CHOICE = Record(
    ChoiceState,
    Slot("role", Standing(f"{_DELTA}.role", "")),
    Slot("content", Standing(f"{_DELTA}.content", "")),
    Slot(
        "_calls",
        Within(CALLS),
        REQUIRED,
        lambda state, way: state.calls,
        lambda state, found, way: CALLS.fill(state.calls, found, way),
    ),
    Slot("finish", Standing("choices[].finish_reason", "")),
    object_slot("delta_extra", _DELTA),
    *map(_later, LATER),
    Slot("has_content", FLAG, False),
    Slot("has_function_call", FLAG, False),
    Slot("has_logprobs", FLAG, False),
    Slot("has_message", FLAG, False),
    Slot("bare", FLAG, False),
    Slot("reasoning", TEXT, ""),
    _parts("open"),
    _parts("ended"),
    Slot("reopened", FLAG, False),
    Slot("settled", FLAG, False),
    Slot("done", FLAG, False),
    Slot(
        "waiting",
        ORPHANS,
        {},
        lambda state, way: state.waiting if way.unwritten else {},
        lambda state, found, way: None,
    ),
    beside={"_context": OWNER, "index": "the key of the choice"},
)


class _Choices:
    """The choices, in order of first appearance: `[index, state]`."""

    def write(self, value: Any, way: Way) -> Any:
        found = []
        for index, state in value.items():
            with way.inside(state.waiting):
                found.append([index, CHOICE.write(state, way)])
        return found

    def read(self, found: Any, way: Way) -> Any:
        most = way.context.limits.max_choices
        if type(found) is not list or len(found) > most:
            raise Refused(f"a list of at most {most:,} choices, the limit", found)
        choices: dict[int, ChoiceState] = {}
        for number, one in enumerate(found):
            with at(number):
                if type(one) is not list or len(one) != 2:
                    raise Refused("the index of a choice and its state", one)
                with at(0):
                    index = NUMBER.read(one[0], way)
                    if index in choices:
                        raise Refused("an index that no other choice has", index)
                state = ChoiceState(way.context, index)
                with way.inside(state.waiting), at(1):
                    choices[index] = CHOICE.fill(state, one[1], way)
                    way.wait()
        return choices


CHOICES = _Choices()
