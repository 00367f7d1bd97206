"""The tool calls of one choice as OpenAI writes them: one after the other, each with a header first.

In: fragments, already routed to their calls. Out: deltas' `tool_calls` entries, each with `function.arguments` (`custom.input`),
without which openai-python fails. Cost: O(1) a fragment; only what has to wait is kept.

Rule 1  A header waits for an id, a name and the first arguments: until then a sender may still change all of it. A call
        that has no id or name by the end gets its header there, with the id that is made up.
Rule 2  The arguments of a call wait until the call before it is over: until those are one whole JSON document, or the
        stream ends. Senders that begin all calls at once and write their arguments by turns are written one by one.
Rule 3  Each id of a choice is unique: one that appears again gets a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .._fold.pieces import Fragment
from .chunk_dict import ChunkDict
from .splitting import Cut, pieces_of

__all__ = ("CallWriter",)

_LONGEST = 40  # characters of an id that OpenAI takes back
_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class _Document:
    """Where one JSON object or list ends, in pieces of text."""

    __slots__ = ("_depth", "_escaped", "_quoted", "over")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False
        self.over = False

    def add(self, text: str) -> None:
        at = 1 if self._escaped and text else 0
        self._escaped = self._escaped and not text
        while found := (_INSIDE if self._quoted else _OUTSIDE).search(text, at):
            at, mark = found.end(), found[0]
            if mark == '"':
                self._quoted = not self._quoted
            elif mark == "\\":
                self._escaped, at = at == len(text), at + 1
            else:
                self._depth += 1 if mark in "{[" else -1
                self.over = self._depth <= 0


class _Call:
    """What was said of a call, and what waits."""

    __slots__ = ("beside", "custom", "document", "id", "inside", "made_up", "name", "said", "type", "waiting")

    def __init__(self) -> None:
        self.id = self.name = self.type = ""
        self.made_up = True
        self.custom = self.said = False
        self.document = _Document()
        self.beside: ChunkDict = {}  # unknown fields for the header
        self.inside: ChunkDict = {}  # and for the function in it
        self.waiting: list[str | tuple[ChunkDict, ChunkDict]] = []  # arguments, or unknown fields

    @property
    def kind(self) -> tuple[str, str]:
        return ("custom", "input") if self.custom else ("function", "arguments")


class CallWriter:
    """take(fragment), add(position, arguments) -> what can be said now; end() -> the rest."""

    __slots__ = ("_calls", "_current", "_cut", "_ids")

    def __init__(self, cut: Cut | None) -> None:
        self._calls: list[_Call] = []
        self._current = 0  # the call that is being written
        self._cut = cut
        self._ids: set[str] = set()

    def __len__(self) -> int:
        """Return how many calls there are so far."""
        return len(self._calls)

    def writes(self, position: int, arguments: str) -> bool:
        """Return whether these arguments are to be written as they are; what waits for them is not ready either."""
        if position != self._current or position + 1 != len(self._calls):
            return False
        call = self._calls[position]
        if not call.said or call.custom:
            return False
        call.document.add(arguments)
        return True

    def take(self, piece: Fragment) -> Iterator[ChunkDict]:
        """Take what a fragment says beside its arguments."""
        while len(self._calls) <= piece.call:
            self._calls.append(_Call())
        call = self._calls[piece.call]
        if not call.said:
            call.id, call.made_up, call.name = piece.id, piece.synthetic_id, piece.name
            call.type, call.custom = piece.type, piece.custom
        beside, inside = _unknown(piece, call.kind)
        if beside or inside:
            if (
                call.said
                or call.waiting
                or not (call.beside.keys().isdisjoint(beside) and call.inside.keys().isdisjoint(inside))
            ):
                call.waiting.append((beside, inside))
            else:
                call.beside |= beside
                call.inside |= inside
        if piece.call >= self._current:
            yield from self._go_on()

    def add(self, position: int, arguments: str) -> Iterator[ChunkDict]:
        """Take a piece of the arguments."""
        self._calls[position].waiting.append(arguments)
        if position >= self._current:
            yield from self._go_on()

    def end(self) -> Iterator[ChunkDict]:
        """Yield all that waits, call by call: the stream is over."""
        for position in (*range(self._current, len(self._calls)), *range(self._current)):
            call = self._calls[position]
            if not call.said:
                yield self._header(position, call)
            yield from self._released(position, call)
        self._current = len(self._calls)

    def _go_on(self) -> Iterator[ChunkDict]:
        """Write what the current call has, and those after it as long as each is over."""
        while self._current < len(self._calls):
            position, call = self._current, self._calls[self._current]
            if not call.said:
                if call.made_up or not call.name or not any(isinstance(one, str) for one in call.waiting):
                    return
                yield self._header(position, call)
            yield from self._released(position, call)
            if position + 1 == len(self._calls) or call.custom or not call.document.over:
                return
            self._current += 1

    def _header(self, position: int, call: _Call) -> ChunkDict:
        call.said = True
        kind, field = call.kind
        what = "custom" if call.custom else call.type or "function"
        inner = {"name": call.name, field: "", **call.inside}
        return {"index": position, "id": self._unique(call.id), "type": what, kind: inner, **call.beside}

    def _unique(self, id: str) -> str:
        number, unique = 2, id
        while unique in self._ids:
            end = f"_{number}"
            number, unique = number + 1, id[: _LONGEST - len(end)] + end
        self._ids.add(unique)
        return unique

    def _released(self, position: int, call: _Call) -> Iterator[ChunkDict]:
        waiting, call.waiting = call.waiting, []
        kind, field = call.kind
        for one in waiting:
            if isinstance(one, str):
                call.document.add(one)
                for text in pieces_of(one, self._cut):
                    yield {"index": position, kind: {field: text}}
            else:
                beside, inside = one
                yield {"index": position, kind: {field: "", **inside}, **beside}


def _unknown(piece: Fragment, kind: tuple[str, str]) -> tuple[ChunkDict, ChunkDict]:
    """Return the unknown fields of a fragment, and of the function or custom tool in it."""
    sent = piece.sent
    if not sent.extra and (sent.function is None or not sent.function.extra):
        return {}, {}
    inner: dict[str, Any] = dict(sent.function.extra) if sent.function is not None else {}
    if isinstance(custom := sent.extra.get("custom"), dict):
        inner |= {name: value for name, value in custom.items() if name not in ("name", "input")}
    inner = {name: value for name, value in inner.items() if name not in ("name", kind[1])}
    return {name: value for name, value in sent.extra.items() if name not in _KNOWN}, inner


_KNOWN = frozenset({"custom", "function", "id", "index", "type"})
