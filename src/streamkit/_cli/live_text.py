"""The text of a stream while it runs, for people: `streamkit assemble --stream`.

In: the events of an accumulator. Out: UTF-8, one write for each call of `show`. Costs O(1) an event.

Rule 1  One choice at a time, as it arrives. The others wait until it is over, each under its number: senders take turns
        token by token, and three answers word by word on one screen are none.
Rule 2  Content is written as it is. Everything else begins a line and says in brackets what it is: `[reasoning]`,
        `[tool call 0: get_weather]`, and `[1]` for a choice. Content after it is `[content]`.
Rule 3  A `function_call` beside tool calls is one of them written twice (llama-cpp-python does, piece by piece): it is
        shown once it is clear that it stands alone, with its second piece or at the end.
Rule 4  Only where there are colours: reasoning is dim instead of named, and so is what is in brackets.
Rule 5  A terminal is not steered by what a sender wrote (`terminal.SHOWN`); a file gets what arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from .. import events as ev
from .io import write
from .terminal import SHOWN, dimmed, has_colours

__all__ = ("View",)

_REASONING = "reasoning"
_PARTS: dict[type, Callable[[Any], tuple[str, str]]] = {
    ev.ContentDelta: lambda event: ("", event.text),
    ev.ReasoningDelta: lambda event: (_REASONING, event.text),
    ev.RefusalDelta: lambda event: ("refusal", event.text),
    ev.ToolCallStarted: lambda event: (f"tool call {event.call}: {event.name}", ""),
    ev.ToolCallDelta: lambda event: (f"tool call {event.call}: {event.name}", event.arguments),
    ev.FunctionCallStarted: lambda event: (f"function call: {event.name}", ""),
    ev.FunctionCallDelta: lambda event: (f"function call: {event.name}", event.arguments),
    ev.AudioDelta: lambda event: ("audio", event.transcript),
}
_TOOL_CALL = (ev.ToolCallStarted, ev.ToolCallDelta)
_FUNCTION_CALL = (ev.FunctionCallStarted, ev.FunctionCallDelta)
_STARTS = (ev.ToolCallStarted, ev.FunctionCallStarted)  # shown before there is any text


class View:
    """Shows the text of a stream on `out`. `left`: called once if its reader leaves; without it, BrokenPipeError."""

    def __init__(self, out: BinaryIO, *, left: Callable[[], None] | None = None) -> None:
        self._out: BinaryIO | None = out
        self._left = left
        self._shown = SHOWN if out.isatty() else {}
        self._dim = has_colours(out)
        self._live: int | None = None  # the choice that is shown as it arrives
        self._waiting: dict[
            int, list[tuple[str, str]]
        ] = {}  # what arrived of it and the others, and is still to be shown
        self._over: set[int] = set()
        self._held: dict[int, list[tuple[str, str]]] = {}  # of a `function_call` (rule 3)
        self._alone: dict[int, bool] = {}  # whether it is shown, once that is clear
        self._choices = 0
        self._at: tuple[int, str] | None = None  # choice and part that the current line belongs to
        self._inside_line = False
        self._written: list[str] = []

    def show(self, events: Iterable[ev.Event]) -> None:
        """Write what these events say, at once."""
        for event in events:
            part = _PARTS.get(type(event))
            if part is not None:
                head, text = part(event)
                if text or isinstance(event, _STARTS):
                    self._take(event, head, text)
            elif isinstance(event, ev.ChoiceStarted):
                self._choices += not event.reopened
                self._over.discard(event.choice)
                self._waiting.setdefault(event.choice, [])
                if self._live is None:
                    self._live = event.choice
            elif isinstance(event, ev.ChoiceDone):
                self._end(event.choice)
            elif isinstance(event, ev.End):
                for choice in sorted(self._waiting):
                    self._end(choice)
                self._end_line()
        self._flush()

    def _take(self, event: Any, head: str, text: str) -> None:
        choice, pieces = event.choice, [(head, text)]
        if isinstance(event, _TOOL_CALL):
            self._alone.setdefault(choice, False)
            self._held.pop(choice, None)
        elif isinstance(event, _FUNCTION_CALL):
            alone = self._alone.get(choice)
            if alone is False:
                return
            if alone is None:
                held = self._held.setdefault(choice, [])
                held += pieces
                if (
                    len(held) < 3
                ):  # its start and its first piece: a tool call would be written between this and the next
                    return
                self._alone[choice] = True
                pieces = self._held.pop(choice)
        self._let(choice, pieces)

    def _let(self, choice: int, pieces: list[tuple[str, str]]) -> None:
        if choice != self._live:
            self._waiting[choice] += pieces
            return
        for head, text in pieces:
            self._piece(choice, head, text)

    def _end(self, choice: int) -> None:
        """End a choice: if it is the one shown, show what waited, up to a choice that still runs."""
        if held := self._held.pop(choice, None):
            self._let(choice, held)
        self._over.add(choice)
        while self._live in self._over:
            del self._waiting[self._live]
            self._live = min(self._waiting, default=None)
            if self._live is not None:
                self._let(self._live, self._waiting[self._live])

    def _piece(self, choice: int, head: str, text: str) -> None:
        if self._at != (choice, head):
            self._end_line()
            words = self._words(choice, head)
            if words:
                self._written.append(self._dimmed(f"[{', '.join(words)}]".translate(SHOWN)) + " ")
                self._inside_line = True
            self._at = (choice, head)
        if text:
            text = text.translate(self._shown)
            self._written.append(self._dimmed(text) if head == _REASONING else text)
            self._inside_line = not text.endswith("\n")

    def _words(self, choice: int, head: str) -> list[str]:
        """Return what is to be said in brackets before a new part."""
        goes_on = self._at is not None and self._at[0] == choice
        words = [str(choice)] if choice or self._choices > 1 else []
        if head != _REASONING:
            head = head or ("content" if goes_on and not self._dim else "")
        elif self._dim:
            head = ""
        return [*words, " ".join(head.split())] if head else ([] if goes_on else words)

    def _dimmed(self, text: str) -> str:
        return dimmed(text) if self._dim else text

    def _end_line(self) -> None:
        if self._inside_line:
            self._written.append("\n")
            self._inside_line = False

    def _flush(self) -> None:
        data = "".join(self._written).encode("utf-8", "replace")
        self._written.clear()
        if data and self._out is not None:
            try:
                write(self._out, data)
            except BrokenPipeError:
                if self._left is None:
                    raise
                self._out = None
                self._left()
