"""What was asked and what was answered, as text that is escaped, and shortened where it is long.

In: one or two readings. Out: HTML. Cost: linear in what is shown.

Rule 1  All of a page's answers share `ROOM` bytes and `PARTS` parts; what did not fit is counted, never left out in silence.
Rule 2  Of a body that is not a stream the beginning is shown, since there is no response.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..codec import dumps
from ..errors import counted
from ..types import ChatChoice
from .markup import Html, Node, clipped, cost, el, fitting
from .reading import Reading
from .tables import bytes_shown

__all__ = ("answer_section", "request_section")

ROOM = 120_000
PARTS = 600  # texts and calls, of all choices
_JSON = 40_000
_CHOICES = 200
_BODY = 4_000


class _Budget:
    def __init__(self) -> None:
        self.left = ROOM
        self.parts = PARTS
        self.dropped = 0

    def part(self, kind: str, tag: Sequence[Node], words: str) -> Html | None:
        """Return a part of an answer, or count it as one that did not fit."""
        if not self.parts:
            self.dropped += 1
            return None
        self.parts -= 1
        return el("div", {"class": f"part k-{kind}"}, el("span", {"class": "tag"}, *tag), self._text(words))

    def _text(self, words: str) -> Html:
        took = fitting(words, self.left)
        self.left -= cost(took)
        more = len(words) - len(took)
        note = el("span", {"class": "sub"}, f"… {counted(more, 'character', ',')} more") if more else None
        return el("div", {"class": "said", "dir": "auto"}, took, note)


def answer_section(readings: Sequence[Reading]) -> Html:
    """Return the responses, beside one another where there are two."""
    heading = el("h2", {"id": "answer-h"}, "Response")
    budget = _Budget()
    columns = []
    for number, reading in enumerate(readings):
        mark = [el("h3", {}, el("b", {"class": "mark"}, "AB"[number]), f" {clipped(reading.name, 200)}")]
        columns.append(el("div", {"class": "answer"}, *(mark if len(readings) > 1 else ()), *_answer(reading, budget)))
    box = {"id": "answer", "aria-labelledby": "answer-h"}
    return el("section", box, heading, el("div", {"class": "answers"}, *columns))


def _answer(reading: Reading, budget: _Budget) -> Iterator[Node]:
    response = reading.response
    if response is None:
        if not reading.body:
            yield el("p", {"class": "note"}, "No byte of a body arrived.")
            return
        yield el("p", {"class": "note"}, "There is no response: the body is not a chat completion. It begins:")
        yield bytes_shown(reading.body, _BODY)
        return
    for choice in response.choices[:_CHOICES]:
        yield el("h3", {"class": "choice"}, f"choice {choice.index}")
        yield from _choice(choice, budget)
    if budget.dropped:
        yield el("p", {"class": "note"}, f"and {budget.dropped:,} texts and calls more")
        budget.dropped = 0
    if not response.choices:
        yield el("p", {"class": "note"}, "The response has no choices.")
    text = json.dumps(json.loads(dumps(response)), indent=2, ensure_ascii=False)
    share = len(fitting(text, _JSON))
    more = (
        [el("p", {"class": "sub"}, f"… {counted(len(text) - share, 'character', ',')} more")]
        if share < len(text)
        else ()
    )
    yield el("details", {}, el("summary", {}, "As JSON"), el("pre", {"tabindex": 0}, text[:share]), *more)


def _choice(choice: ChatChoice, budget: _Budget) -> Iterator[Node]:
    message = choice.message
    for kind, text in (("reasoning", message.reasoning), ("text", message.content), ("refusal", message.refusal)):
        if text:
            yield budget.part(kind, [kind], text)
    audio = message.audio
    if audio is not None:
        words = f"{counted(len(audio.data or ''), 'character', ',')} of Base64. {audio.transcript or ''}"
        yield budget.part("audio", ["audio"], words)
    calls = [(call.id, *_called(call)) for call in message.tool_calls or ()]
    calls += [("", one.name, one.arguments)] if (one := message.function_call) is not None else []
    for id_, name, arguments in calls:
        tag = ["call ", el("code", {}, clipped(name or "?", 80)), f" {clipped(id_ or '', 60)}"]
        yield budget.part("arguments", tag, arguments or "")
    yield el("p", {"class": "sub"}, f"finish reason: {clipped(str(choice.finish_reason or 'none'), 100)}")


def _called(call: object) -> tuple[str, str]:
    custom = getattr(call, "custom", None)
    if custom is not None:
        return custom.name, custom.input
    function = getattr(call, "function", None)
    return getattr(function, "name", "") or "", getattr(function, "arguments", "") or ""


def request_section(readings: Sequence[Reading]) -> Html | None:
    """Return what was asked, where that is known."""
    parts: list[Node] = []
    for number, reading in enumerate(readings):
        if reading.trace.request is None:
            continue
        text = json.dumps(reading.trace.request, indent=2, ensure_ascii=False)
        words = f"Request {'AB'[number]}" if len(readings) > 1 else "Request"
        parts.append(el("details", {}, el("summary", {}, words), el("pre", {"tabindex": 0}, fitting(text, _JSON // 2))))
    if not parts:
        return None
    heading = el("h2", {"id": "asked-h"}, "Request")
    return el("section", {"id": "asked", "aria-labelledby": "asked-h"}, heading, *parts)
