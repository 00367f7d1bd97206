"""Structured output while it arrives: the JSON in the content of a choice, as a growing value or element by element.

In: the pieces of the content, from its beginning. Out: `partial`, a cursor over the value so far; `items`, one over the elements
at a JSON path, each as soon as it is whole, as plain values or objects of a class. What cursors yield is in a `Box`, as an
element may be null. Cost: that of the text; for `partial` also the length of the arrays and objects that are not whole.

Rule 1  The content is read from its first character, also where that had passed another reader.
Rule 2  An element that is not of its class raises a `ValidationError` with its path and number; the next call continues with
        the next element.
Rule 3  Where the content stops being JSON, or ends before its JSON does, a `FormatError` is raised, after all that arrived
        before that. A stream that breaks off raises its own error, like everywhere. A choice without content yields nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from .._arguments import check_bool
from .._partial.document import AFTER
from .._partial.paths import ROOT, child
from ..codec import structure
from ..errors import FormatError, MisuseError, Problem, StreamError, ValidationError, shown
from ..partial_json import PartialJSON, PathEvent, Pattern, StringDelta, ValueDone, ValueStarted
from .stream_core import Box, Cursor, StreamCore, check_choice

__all__ = ("items", "partial")


def partial(core: StreamCore, choice: int, skip_around: bool) -> Cursor[Box]:
    """Return a cursor over the value of a choice's content so far, each time that it has changed."""
    content = _Content(core, choice, skip_around)

    def take(events: list[PathEvent]) -> None:
        if any(map(_shows, events)):
            content.ready.append(content.json.snapshot())

    return content.cursor(take, Box)


def _shows(event: PathEvent) -> bool:
    """Return True if the value differs after this event: that of a string, array or object was shown before it was whole."""
    if type(event) is ValueDone:
        return not isinstance(event.value, (str, list, dict))
    return type(event) is ValueStarted or type(event) is StringDelta


def items(core: StreamCore, path: str, into: Any, choice: int, skip_around: bool) -> Cursor[Box]:
    """Return a cursor over the elements of a choice's content at `path`, as objects of `into`."""
    pattern, make = Pattern(path), _maker(into)
    content = _Content(core, choice, skip_around)
    number = 0

    def take(events: list[PathEvent]) -> None:
        nonlocal number
        for event in events:
            if type(event) is ValueDone and pattern.fits(event.path):
                number += 1
                content.ready.append((event, number))

    def made(waiting: tuple[ValueDone, int]) -> Box:
        event, number = waiting
        try:
            return Box(make(event.value))
        except ValidationError as error:
            raise _placed(error, str(event.path), number, content.emitted) from None

    return content.cursor(take, made)


class _Content:
    """The JSON in the content of a choice, and what is ready of it."""

    def __init__(self, core: StreamCore, choice: int, skip_around: bool) -> None:
        check_choice(choice)
        check_bool("skip_around=", skip_around)
        self._core = core
        self._choice = choice
        self._texts: deque[str] | None = None  # from the first call on
        self._skips = skip_around
        self.json = PartialJSON(skip_around=skip_around)
        self.ready: deque[Any] = deque()  # an error of the content last
        self._arrived = False  # whether there is any content
        self._over = False

    def cursor(self, take: Callable[[list[PathEvent]], None], made: Callable[[Any], Box]) -> Cursor[Box]:
        """Return a cursor over what `take` adds to `ready`; `made` makes a piece of it when its turn has arrived, so that
        one that raises takes no other with it."""

        def next_piece() -> Box | None:
            if self._texts is None:
                self._texts = self._core.content(self._choice)
            self._core.pass_events()
            while not self.ready and self._texts:
                self._arrived = True
                take(self.json.feed(self._texts.popleft()))
                self._check("stops being JSON")
            if not self.ready and not self._over and self._core.over and self._well():
                take(self.json.close())  # a document that is a number ends only there
            if not self.ready:
                return None
            piece = self.ready.popleft()
            if isinstance(piece, StreamError):
                raise piece
            return made(piece)

        return Cursor(self._core, next_piece, self._choice, kept=True, last=self._end)

    @property
    def emitted(self) -> bool:
        return self._core.accumulator.emitted

    def _well(self) -> bool:
        outcome = self._core.accumulator.outcome
        return outcome is not None and outcome.ok

    def _end(self) -> Exception | None:
        """Return the error for content that ended before its JSON did."""
        self.json.close()
        if self._arrived:
            self._check("is not whole JSON")
        error = self.ready.popleft() if self.ready else None
        return error if isinstance(error, StreamError) else None

    def _check(self, what: str) -> None:
        """Note once that the content is not JSON."""
        found = self.json.error
        if found is None or self._over:
            return
        self._over = True
        accumulator = self._core.accumulator
        response = accumulator.snapshot()
        reason = next(
            (str(one.finish_reason) for one in (response.choices if response else ()) if one.index == self._choice), ""
        )
        around = not self._skips and (not found.offset or found.reason == AFTER)
        cut = f"; its finish reason is {reason}" if not found.found and reason not in ("", "None", "stop") else ""
        error = FormatError(
            f"the content of choice {self._choice} {what}: {found.reason} after {found.offset:,} characters{cut}"
            + ("; skip_around=True skips text before and after the JSON" if around else ""),
            path=str(found.path),
            excerpt=found.found or None,
        )
        error.partial, error.emitted = response, accumulator.emitted
        self.ready.append(error)


def _maker(into: Any) -> Callable[[Any], Any]:
    """Return a function that makes an object of `into` from a plain value, and raises `ValidationError`."""
    if into is None:
        return _same
    validate = getattr(into, "model_validate", None) if isinstance(into, type) else None
    if callable(validate):
        return lambda value: _validated(validate, value, into.__name__)
    try:
        structure(None, into)  # what has no hook is refused here, before anything is read
    except ValidationError:
        pass
    except MisuseError as error:
        message = "into= takes a type: an attrs class, a dataclass, a TypedDict, a pydantic model, or anything that cattrs can"
        _, unknown, rest = error.message.partition(": cattrs has no hook")  # for a class, or for one of its fields
        raise MisuseError(f"{message} structure, not {shown(into)}{unknown}{rest}") from None
    return lambda value: structure(value, into)


def _same(value: Any) -> Any:
    return value


def _validated(validate: Callable[[Any], Any], value: Any, name: str) -> Any:
    """Return the pydantic model of a value, whose errors are converted to ours: pydantic is not imported for that."""
    try:
        return validate(value)
    except ValueError as error:
        details = getattr(error, "errors", None)
        found = details() if callable(details) else [{"loc": (), "msg": str(error), "input": value}]
        raise ValidationError(tuple(_problem(one, name) for one in found), type_name=name) from error


def _problem(one: Mapping[str, Any], name: str) -> Problem:
    """Return ours for one of pydantic's errors."""
    path, said = str(reduce(child, one["loc"], ROOT)), one["msg"]
    if one.get("type") == "missing":
        return Problem(path, "a value", "nothing")
    expected = said.removeprefix("Input should be ")
    return Problem(path, expected if expected != said else f"what {name} accepts ({said})", shown(one["input"]))


def _placed(error: ValidationError, path: str, number: int, emitted: bool) -> ValidationError:
    """Return the error with the paths of the whole document. It has no `partial`, since the stream continues: one for each
    of many elements that do not match would cost the square of their number."""
    problems = tuple(Problem(path + one.path.removeprefix("$"), one.expected, one.got) for one in error.problems)
    placed = ValidationError(problems, type_name=error.type_name, item=number)
    placed.emitted = emitted
    return placed
