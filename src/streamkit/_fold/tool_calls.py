"""Assign fragments to tool calls. Each choice has its own `CallTable`.

Senders number calls from 0, from 1, with holes, all as 0, or not at all; they repeat ids and names in every fragment,
change them between chunks, or leave them out. The rules, in this order:

Rule 1: an id seen before is that call, whatever its index (unless it has another name, or another index with a name:
        senders reuse ids).
Rule 2: a new id with a name opens a call, unless the slot at its index still waits for its id.
Rule 3: a known index is that slot; a new id without a name is noise while arguments arrive; another name after
        arguments, without an id, opens a call.
Rule 4: an unknown index, or none, with an id or a name, opens a call.
Rule 5: bare arguments continue the last call.

Id and type: the first non-empty one is kept, but a changed id replaces it until an argument has arrived. A repeated
name is one name; different pieces of a name before any argument are joined. Arguments add. Calls are listed in order of
first appearance. A call without an id gets one generated from the response's id, as far as it is known when the call
begins, and the call's place: `call_<response>_<choice>_<position>`, the same in every run and for every cut.

Cost: O(1) a fragment.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from .._decode.doubled_json import is_json, last_document
from .._decode.tolerant_json import scrub
from .._decode.values import is_empty, text_of
from ..dialect import SoFar
from ..errors import LimitError, counted
from ..types import (
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionToolType,
    CustomToolCall,
    FunctionCall,
)
from ..types._unstructuring import Make, objects
from .field_rules import LastDocument, Waiting
from .fields import Context, Fields, new_field
from .weight import CALL

__all__ = ("Call", "CallTable", "says_nothing")

# OpenAI's chat completions refuse a tool call's id of more than 40 characters when the next turn repeats it, and
# Anthropic's API one with any character besides these.
_LONGEST = 40
_UNFIT = re.compile(r"[^A-Za-z0-9_-]++")
_LOOKED_AT = 1024  # characters read of an id to get the last 40: done for each of up to 1,024 calls without an id

KNOWN_INDEX = "rule 3: known index"
_NOTHING: dict[str, Any] = {}
_PATH = "choices[].delta.tool_calls[]"


class Call:
    """The state of one tool call while its stream is running."""

    __slots__ = (
        "arguments",
        "complete",
        "custom",
        "doubled",
        "extra",
        "function_extra",
        "has_arguments",
        "id",
        "index",
        "name",
        "position",
        "reasons",
        "so_far",
        "synthetic_id",
        "told",
        "type",
    )

    def __init__(self, context: Context, position: int, waiting: Waiting) -> None:
        self.position = position
        self.index: int | None = None
        self.id = ""
        self.synthetic_id = True
        self.name = ""
        self.type = ""
        self.custom = False
        self.arguments = new_field(context, f"{_PATH}.function.arguments", "", waiting)
        self.so_far = SoFar() if context.dialect.cumulative_text else None
        self.has_arguments = False
        self.doubled = False  # whether its arguments are more than the one document that they should be
        self.extra = Fields(context, _PATH, waiting)
        self.function_extra = Fields(context, f"{_PATH}.function", waiting)
        self.complete = False
        self.told: tuple[object, ...] = ()  # `identity()` when the call was last done
        self.reasons: list[tuple[str, int]] = []

    def explain(self, reason: str, count: int = 1) -> None:
        """Count `count` more fragments assigned here for `reason`; runs of one reason take one entry."""
        if self.reasons and self.reasons[-1][0] == reason:
            self.reasons[-1] = (reason, self.reasons[-1][1] + count)
        else:
            self.reasons.append((reason, count))

    def take_unknown(self, extra: dict[str, Any], known: str, inner: dict[str, Any]) -> None:
        """Fold the unknown fields of a fragment, except the `known` one, and those of its function."""
        if extra:
            self.extra.count(extra)
            for key, value in extra.items():
                if key != known:
                    self.extra.put(key, value)
        if inner:
            self.function_extra.count(inner)
            self.function_extra.add(inner)

    def identity(self) -> tuple[object, ...]:
        """Return the facts that a fragment without arguments can still change."""
        return self.id, self.name, self.type, self.custom

    def close(self, *, finished: bool, cut_off: bool) -> None:
        """End the call with its choice. `finished`: the choice has a finish reason. `cut_off`: by a limit on tokens or
        by a filter, in the middle of this call.

        A call is complete only if it has a name, and its arguments are a JSON document, or a custom tool's free text,
        or, if the choice was finished, empty (senders write `""` for a tool without parameters). They are parsed here,
        once. A call that was cut off is never complete: vLLM writes `{}` where it had not begun yet.
        """
        text = self.arguments.value() or ""
        whole = (finished and (self.custom or not text.strip())) or is_json(text)
        self.doubled = not whole and not self.custom and last_document(text) is not None
        self.complete = bool(self.name) and whole and not cut_off
        self.told = self.identity()

    def value(self, make: Make = objects) -> Any:
        """Return the call as the response lists it, an object or its JSON value."""
        text = self.arguments.value() or ""
        if self.custom:
            inner = self.function_extra.value()
            return make[ChatCompletionMessageCustomToolCall](
                id=self.id,
                custom=make[CustomToolCall](name=self.name, input=text, extra=inner),
                type="custom",
                extra=self.extra.value(),
                complete=self.complete,
                synthetic_id=self.synthetic_id,
            )
        return make[ChatCompletionMessageToolCall](
            id=self.id,
            type=_TYPES.get(self.type, self.type),
            function=make[FunctionCall](name=self.name, arguments=text, extra=self.function_extra.value()),
            extra=self.extra.value(),
            complete=self.complete,
            synthetic_id=self.synthetic_id,
        )


_TYPES: dict[str, Any] = {"": ChatCompletionToolType.FUNCTION, "function": ChatCompletionToolType.FUNCTION}


_NO_NAMES = frozenset({"null", "None", "undefined"})
"""Words that gateways write in later fragments for an absent name; a call that begins with one has it as its name."""


Routed: TypeAlias = tuple[Call, str]
"""The call of a fragment, and the rule that decided it."""


class CallTable:
    """The tool calls of one choice; assigns each fragment to one."""

    __slots__ = ("_by_arguments", "_by_id", "_by_index", "_choice", "_context", "_waiting", "calls", "last")

    def __init__(self, context: Context, choice: int, waiting: Waiting | None = None) -> None:
        self.calls: list[Call] = []
        self._context = context
        self._choice = choice
        self._waiting = {} if waiting is None else waiting
        self._by_arguments: dict[int, Call] = {}  # by the id() of their arguments
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}
        self.last: Call | None = None

    def add(self, fragment: ChatCompletionMessageToolCallChunk) -> tuple[Call | None, str]:
        """Fold one fragment; return its call and the new piece of arguments, as valid text.

        Return None for a fragment without an id, a name and arguments, if no call has its index: an empty struct.
        """
        function, custom = fragment.function, fragment.extra.get("custom")
        name, arguments, inner = "", None, _NOTHING
        if function is not None:
            name, arguments, inner = function.name or "", function.arguments, function.extra
        if isinstance(custom, dict):
            if custom:
                name, arguments, inner = _with_custom(custom, name, arguments, inner)
        else:
            custom = None
        if name in _NO_NAMES and (slot := self.at(fragment.index)) is not None and slot.name:
            name = ""
        if not (fragment.id or name or arguments or fragment.index in self._by_index) and says_nothing(fragment):
            return None, ""
        call, reason = self._route(fragment.id or "", fragment.index, name)
        call.explain(reason)
        self.last = call
        if fragment.id:
            self._identify(call, fragment.id)
        if fragment.type and not call.type:
            call.type = str(fragment.type)
        # `custom: {}` beside a function is a gateway that never omits empty fields.
        if call.type == "custom" or (custom and (custom.get("name") or custom.get("input"))):
            call.custom = True
            if isinstance(call.arguments, LastDocument):
                call.arguments.plain = True
        if name:
            self._name(call, name)
        if fragment.extra or inner:
            call.take_unknown(fragment.extra, "" if custom is None else "custom", inner)
        if arguments and call.so_far is not None:
            arguments = call.so_far.new_in(arguments)
        if not arguments:
            return call, ""
        call.has_arguments = True
        return call, call.arguments.add(arguments) or ""

    def at(self, index: int | None) -> Call | None:
        """Return the call that gets bare arguments with this index."""
        return self._by_index.get(index) if index is not None else None

    def waiting(self) -> list[Call]:
        """Return the calls whose arguments end in half of a surrogate pair, in order."""
        found = (self._by_arguments.get(text) for text in self._waiting)
        return sorted((call for call in found if call is not None), key=lambda call: call.position)

    def _route(self, id: str, index: int | None, name: str) -> Routed:
        """Return the call of a fragment, opened if necessary, and the rule that decided it."""
        slot = self._by_index.get(index) if index is not None else None
        if slot is not None and not id and not name:  # nearly every fragment
            return slot, KNOWN_INDEX
        for rule in (self._by_known_id, self._by_new_id, self._by_slot, self._by_mark):
            if (routed := rule(id, index, name, slot)) is not None:
                return routed
        if self.last is None:
            return self._open(index, id), "rule 5: bare arguments before any call open one"
        return self.last, "rule 5: bare arguments continue the last call"

    def _by_known_id(self, id: str, index: int | None, name: str, slot: Call | None) -> Routed | None:
        # Of two calls that share an id, the one at this index.
        known = slot if slot is not None and slot.id == id else self._by_id.get(id)
        if not id or known is None:
            return None
        renamed = name and known.name and name != known.name and (known.has_arguments or slot is not known)
        elsewhere = index is not None and known.index is not None and index != known.index
        if renamed or (name and elsewhere):
            self._note("tool_id_reused", index, id)
            return self._open(index, id), "rule 1: known id with another name or at another index opens a call"
        if elsewhere:
            self._note("tool_index_changed", index, id)
        return known, "rule 1: known id"

    def _by_new_id(self, id: str, index: int | None, name: str, slot: Call | None) -> Routed | None:
        if not (id and name):
            return None
        if slot is not None and slot.synthetic_id and not _is_another(name, slot):
            return slot, "rule 2: the slot at this index waited for its id"
        if slot is not None:
            self._note("tool_index_reused", index, id)
        return self._open(index, id), "rule 2: a new id with a name opens a call"

    def _by_slot(self, id: str, index: int | None, name: str, slot: Call | None) -> Routed | None:
        if slot is None:
            return None
        if name and not id and _is_another(name, slot):
            self._note("tool_index_reused", index, name)
            return self._open(index, id), "rule 3: another name after arguments opens a call"
        return slot, KNOWN_INDEX

    def _by_mark(self, id: str, index: int | None, name: str, slot: Call | None) -> Routed | None:
        if not (id or name):
            return None
        return self._open(index, id), "rule 4: an unknown index, or none, with an id or a name opens a call"

    def _open(self, index: int | None, known_by: str) -> Call:
        """Open a call; `known_by`: the id of its fragment, which `add` sets next; without one, an id is made up."""
        maximum = self._context.limits.max_tool_calls
        if len(self.calls) >= maximum:
            raise LimitError(
                f"more than {counted(maximum, 'tool call')} in a choice", limit="max_tool_calls", maximum=maximum
            )
        self._context.keep(CALL)
        position = len(self.calls)
        call = Call(self._context, position, self._waiting)
        self._by_arguments[id(call.arguments)] = call
        call.index = index
        if not known_by:
            call.id = _made_up(self._context, f"_{self._choice}_{position}")
            while call.id in self._by_id:  # a sender that writes ids like those generated here, but not for every call
                call.id += "_"
        if index is None:
            self._note("tool_index_missing", None)
        else:
            self._by_index[index] = call
        self.calls.append(call)
        return call

    def _identify(self, call: Call, id: str) -> None:
        if id != call.id and not call.synthetic_id:
            self._note("tool_id_changed", call.index, id)
        if call.synthetic_id or not call.has_arguments:
            call.id, call.synthetic_id = scrub(id), False
        self._by_id[id] = call

    def _name(self, call: Call, name: str) -> None:
        if name == call.name:
            self._note("tool_name_repeated", call.index, name)
        elif not (call.has_arguments and call.name):  # some senders write the name after the arguments
            call.name = scrub(call.name + name)

    def _note(self, code: str, index: int | None, found: object = None) -> None:
        self._context.note(code, f"$.choices[{self._choice}].delta.tool_calls[{index or 0}]", found)


def _is_another(name: str, call: Call) -> bool:
    """Return True if a fragment of this name cannot belong to `call`, whose arguments began under another one."""
    return bool(call.has_arguments and call.name and name != call.name)


def _with_custom(
    custom: dict[str, Any], name: str, arguments: str | None, inner: dict[str, Any]
) -> tuple[str, str | None, dict[str, Any]]:
    """Return name, arguments and unknown fields of a fragment together with those of its `custom` tool."""
    if not name and custom.get("name") is not None:
        name = text_of(custom["name"])
    if custom.get("input") is not None:
        arguments = (arguments or "") + text_of(custom["input"])
    return name, arguments, {**inner, **{key: value for key, value in custom.items() if key not in ("name", "input")}}


def says_nothing(fragment: ChatCompletionMessageToolCallChunk) -> bool:
    """Return True if a fragment has only its place and type: a gateway that never omits empty fields writes
    `{"index":0,"id":"","type":"function","function":{"name":"","arguments":""}}` next to every piece of text."""
    function = fragment.function
    if fragment.id or (function is not None and (function.name or function.arguments or not is_empty(function.extra))):
        return False
    return is_empty(fragment.extra)


def _made_up(context: Context, place: str) -> str:
    """Return an id for a call that has none.

    By its place alone, the first call of every turn of a conversation would be `call_0_0`, and a request with two calls
    of one id is refused. It uses the end of the response's id, since senders begin all of theirs alike (`chatcmpl-`).
    """
    response = _UNFIT.sub("-", str((context.id and context.id.value()) or "")[-_LOOKED_AT:])
    room = _LONGEST - len("call_") - len(place)
    return f"call_{response[-room:]}{place}" if response and room > 0 else f"call{place}"
