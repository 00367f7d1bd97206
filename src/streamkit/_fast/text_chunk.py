"""What a chunk says, if it is one of a row of chunks that differ only in a few values.

In: a chunk that the reference path has decoded and folded. Out: a `TextChunk`, if folding it again with other values in
its slots would change nothing but those (`only_text`), and what it says besides (`facts_of`). Cost: 2 us.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from typing import Any, Literal

import attrs

from .._fold.field_rules import Extend, FieldState, Last
from .._fold.fields import Fields
from .._fold.identity import is_block, is_sealed
from ..rules import DELTA, REASONING, RULES, Rule, rule_for
from ..types import CompletionUsage, CreateChatCompletionStreamResponse
from ..types._unstructuring import written

__all__ = ("CHOICE", "FACTS", "Kind", "Path", "Slot", "Standing", "TextChunk", "facts_of", "only_text", "unknown_paths")

Kind = Literal["text", "same", "number", "padding", "tokens", "usage"]
Path = tuple[str | int, ...]

CHOICE: Path = ("choices", 0)
_STANDING = frozenset({Rule.FIRST, Rule.LAST, Rule.DROP})
_DROPPED = frozenset(path for path, rule in RULES.items() if rule is Rule.DROP)


@attrs.frozen
class Slot:
    """One value that differs from event to event."""

    kind: Kind
    path: Path
    """Its place in the document."""
    name: str = ""
    """Of `same` and `number`: the unknown field that it is folded into."""
    item: dict[str, Any] | None = None
    """Of `same` inside a list of keyed objects (`reasoning_details`): the object that contains it."""

    @property
    def key(self) -> bytes:
        """The name before its value."""
        return str(self.path[-1]).encode()


@attrs.frozen
class TextChunk:
    """A chunk that says nothing new but a text: in which field, and what else differs from event to event."""

    field: str
    slots: tuple[Slot, ...]
    """The text itself is the first."""
    index: int | None = None
    """Of the tool call, as the sender writes it."""
    standing: tuple[tuple[Extend, int], ...] = ()
    """The lists that it repeats, see `Standing`."""

    @property
    def names(self) -> set[str]:
        """The fields that contain the text."""
        return {self.field, *(slot.name for slot in self.slots)}

    @property
    def plain(self) -> bool:
        """Whether only the text (perhaps in several fields of the delta), padding and usage differ from event to event;
        and, in a chunk without a call, log probabilities."""
        if len(self.slots) == 1:
            return True
        plain = {"text", "padding", "usage"} if self.index is not None else {"text", "padding", "usage", "tokens"}
        return all(slot.kind in plain or (slot.kind == "same" and slot.path[2] == "delta") for slot in self.slots)

    @property
    def tokens(self) -> bool:
        """Whether log probabilities come with the text."""
        return any(slot.kind == "tokens" for slot in self.slots[-2:])


Standing = tuple[Extend, int]
"""A list that an event repeats whole, and how many items it has: with one more, a repeat would be appended."""

Look = Callable[[Path], FieldState | None]
"""The state of the unknown field at a place: of a chunk, of its only choice, or of the delta of that choice."""


def only_text(chunk: CreateChatCompletionStreamResponse, look: Look) -> TextChunk | None:
    """Return what `chunk` says, if folding it again could add nothing but values of slots, or else None."""
    if len(chunk.choices) != 1 or (chunk.usage is not None and not _has_one_form(chunk.usage)):
        return None
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.finish_reason is not None or delta.function_call is not None:
        return None
    if chunk.usage is None and not (
        choice.extra or chunk.extra or delta.extra or delta.tool_calls or choice.logprobs or delta.refusal
    ):
        return _ONLY_CONTENT if delta.content else None
    return _text_among_others(chunk, look)


def _text_among_others(chunk: CreateChatCompletionStreamResponse, look: Look) -> TextChunk | None:
    """Do what `only_text` does, for a chunk that has more than content."""
    (choice,) = chunk.choices
    delta = choice.delta
    if choice.extra.get("message") or choice.extra.get("usage") or chunk.extra.get("x_groq"):
        return None  # these are read as more than unknown fields
    home: Path = (*CHOICE, "delta")
    texts: list[tuple[str, str, Path]] = []
    index = None
    for name, text in (("content", delta.content), ("refusal", delta.refusal)):
        if text:
            texts.append((name, text, (*home, name)))
    for name, value in delta.extra.items():
        if value and name in REASONING and isinstance(value, str):
            texts.append((name, value, (*home, name)))
    if delta.tool_calls:
        (fragment, *more) = delta.tool_calls
        function = fragment.function
        if more or fragment.extra or fragment.id or fragment.index is None or function is None:
            return None
        if function.name or function.extra or not function.arguments:
            return None
        texts.append(("arguments", function.arguments, (*home, "tool_calls", 0, "function", "arguments")))
        index = fragment.index
    if not texts:
        return None
    (field, text, path), *others = texts
    slots, standing = [_text_slot(path)], list[Standing]()
    for name, other, place in others:  # vLLM writes `reasoning` and `reasoning_content`
        if other != text or name not in REASONING or field not in REASONING:
            return None
        slots.append(Slot("same", place, name))
    for prefix, where, extra in (
        ("", (), chunk.extra),
        ("choices[].", CHOICE, choice.extra),
        (DELTA, home, delta.extra),
    ):
        for name, value in extra.items():
            if name in REASONING and where == home and isinstance(value, str):
                continue
            if not _folds(prefix + name, (*where, name), value, text, slots, look, standing):
                return None
    if choice.logprobs is not None:
        if choice.logprobs.refusal or choice.logprobs.extra or not choice.logprobs.content:
            return None
        slots.append(Slot("tokens", (*CHOICE, "logprobs", "content")))
    if chunk.usage is not None:
        slots.append(Slot("usage", ("usage",)))
    return TextChunk(field, tuple(slots), index, tuple(standing))


def _has_one_form(usage: CompletionUsage) -> bool:
    """Return whether a report has nothing but numbers, texts (Perplexity's `search_context_size`) and nulls, in itself or in
    objects of it, and no digit in a name."""
    found: dict[str, Any] = written(usage)
    parts = [found, *(one for one in found.values() if type(one) is dict)]
    return all(
        not any(map(str.isdigit, name))
        and (
            type(value) in _PLAIN_VALUES
            or (type(value) is float and isfinite(value))
            or (part is found and type(value) is dict)
        )
        for part in parts
        for name, value in part.items()
    )


_PLAIN_VALUES = frozenset({int, str, type(None)})


@lru_cache(maxsize=16)
def _text_slot(path: Path) -> Slot:
    return Slot("text", path)


_ONLY_CONTENT = TextChunk("content", (_text_slot((*CHOICE, "delta", "content")),))
"""What the commonest chunk says."""


def _folds(
    path: str, place: Path, value: Any, text: str, slots: list[Slot], look: Look, standing: list[Standing]
) -> bool:
    """Return whether an unknown field may be folded any number of times in a row, with other values in its slots."""
    rule = rule_for(RULES, path, value)
    if rule is Rule.DROP and isinstance(value, str):
        slots.append(Slot("padding", place))
        return True
    if value is None or value == "":
        return True
    if rule is Rule.ADD and value == text and place[0] == "choices":
        slots.append(Slot("same", place, str(place[-1])))
        return True
    state = look(place)
    if rule is Rule.KEYED and len(place) == 4 and isinstance(value, list) and len(value) == 1:
        (item,) = value
        if not isinstance(item, dict) or not is_block(item) or is_sealed(item):
            return False
        # Next to another text it may be the reasoning that belongs to it, and is then an event.
        thought = slots[0].path[-1] in REASONING
        for name, inner in item.items():
            path_of = f"{path}[].{name}"
            if thought and inner == text and isinstance(inner, str) and rule_for(RULES, path_of, inner) is Rule.ADD:
                slots.append(Slot("same", (*place, 0, name), name, item))
            elif not _again(path_of, inner, None, standing):
                return False
        return True
    if rule is Rule.LAST and type(value) is int and value >= 0 and len(place) > 2:
        if isinstance(state, Last) and state.varies:  # from then on nothing more is noted
            slots.append(Slot("number", place, str(place[-1])))
            return True
    return _again(path, value, state, standing)


def _again(path: str, value: Any, state: FieldState | None, standing: list[Standing]) -> bool:
    """Return whether an unknown field may be folded any number of times in a row without a change."""
    if value is None or value == "":
        return True
    rule = rule_for(RULES, path, value)
    if rule is Rule.MERGE and isinstance(value, dict):
        fields = state if isinstance(state, Fields) else None
        return all(
            _again(f"{path}.{name}", item, None if fields is None else fields.state(name), standing)
            for name, item in value.items()
        )
    if rule is Rule.GROW and isinstance(state, Extend) and state.stands(value):  # Perplexity repeats all citations
        standing.append((state, state.length))
        return True
    return rule in _STANDING


def facts_of(chunk: CreateChatCompletionStreamResponse, said: TextChunk) -> tuple[Any, ...]:
    """Return what the chunk says besides its slots: a template holds only while this is what was folded last."""
    (choice,) = chunk.choices
    # Field of the choice or its delta -> the slot that is, or lies in, its value.
    inside = {slot.path[3 if slot.item else -1]: slot for slot in said.slots if slot.name}
    facts: list[tuple[str, str]] = []
    for extra in (chunk.extra, choice.extra, choice.delta.extra):
        for name, value in extra.items():
            slot = inside.get(name) if extra is not chunk.extra else None
            if slot is not None and slot.kind == "number":
                facts.append((name, "a number"))
            elif value is None or name in _DROPPED or name in REASONING:  # but `""`, 0 and false replace another value
                continue
            elif slot is None:
                facts.append((name, repr(value)))
            elif slot.item is not None:
                facts.append((name, repr({key: inner for key, inner in slot.item.items() if key != slot.name})))
    # If unknown fields say something about a choice, they must have been folded last for this choice.
    about = (choice.index, *facts) if facts else ()
    return (chunk.id, chunk.created, chunk.model, chunk.service_tier, chunk.system_fingerprint, *about)


FACTS = 5
"""How many facts every chunk has; those after them are about unknown fields."""


def unknown_paths(chunk: CreateChatCompletionStreamResponse) -> tuple[str, ...]:
    """Return the paths that the reference path counts as unknown fields of this chunk."""
    (choice,) = chunk.choices
    if not (chunk.extra or choice.extra or choice.delta.extra):
        return ()
    return (
        *chunk.extra,
        *(f"choices[].{name}" for name in choice.extra),
        *(f"choices[].delta.{name}" for name in choice.delta.extra),
    )
