"""Read the values in the slots of events, without parsing the constant bytes around them.

In: the data of events, and their expected template. Out: text, log probabilities and numbers, or None if an event does
not match; then nothing was folded. Cost: one comparison and one JSON array for all events together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jiter

from .._decode.logprobs_reader import read_exact, read_tokens
from .._fold.field_rules import MANY_PIECES
from .._fold.weight import may_weigh, token_weight
from ..types import ChatCompletionTokenLogprob
from .template import LONGEST, Template

__all__ = (
    "Columns",
    "Found",
    "Report",
    "Tokens",
    "add_values",
    "form_of",
    "read_columns",
    "read_framed",
    "read_one",
    "read_values",
    "reports_that_last",
)

Tokens = list[ChatCompletionTokenLogprob]
Report = dict[str, Any]
Found = tuple[Sequence[str], Sequence[Tokens | None] | None, Sequence[int], Sequence[Report] | None]
"""The text of each event, its log probabilities if the template has them, the numbers of the last event, and the usage
of each event if the template has it."""

Columns = tuple[list[str], Sequence[Tokens | None] | None, list[list[int]], Sequence[Report] | None]
"""The same, but of each slot of a number those of all events."""

_DIGITS = b"0123456789"
_FEW_DIGITS = 9  # of a count
_WHOLE = re.compile(rb"(?<![.0-9])[0-9]+")  # of a number, what is before its point
_EXPONENT = re.compile(rb"[0-9.][eE]")
_from_json = jiter.from_json


def read_values(template: Template, parts: list[bytes]) -> Found | None:
    """Return the values in the slots of events with these data, or None if one of them does not match."""
    if len(parts) == 1 and not template.simple:
        return read_one(template, parts[0])
    prefix, suffix = template.prefix, template.suffix
    begin, end = len(prefix), -len(suffix)
    rests = [part[begin:end] for part in parts]
    # One comparison for all. For a part shorter than both, the compared bytes would be longer than the part.
    if b"\n".join(parts) != prefix + (suffix + b"\n" + prefix).join(rests) + suffix:
        return None
    found = read_columns(template, rests, parts)
    return found and (found[0], found[1], [column[-1] for column in found[2]], found[3])


def read_columns(template: Template, rests: Sequence[bytes], parts: list[bytes], more: int = 0) -> Columns | None:
    """Return the values in the slots of many events, slot by slot, or None if one of them does not match: `rests` are
    their bytes from the first slot to the end of the last, `parts` their whole data, each with `more` bytes around it.
    Only what follows the first slot is asked of the template."""
    said: Sequence[bytes] | None = None
    arrays: Sequence[bytes] | None = None
    numbers: list[list[int]] = []
    usages: list[Report] | None = None
    try:
        for kind, behind in template.steps:
            column = rests
            if behind:
                cut = [rest.partition(behind) for rest in rests]
                column, found, rests = zip(*cut, strict=True)
                if b"" in found:
                    return None
            if kind == "padding":
                padding = b"".join(column)
                if padding and not padding.isalnum():  # no line end, no escape, no byte that is not ASCII
                    return None
            elif kind == "tokens":
                arrays = column
            elif kind == "usage":
                usages = [_read_usage(value, template.form) for value in column]
            elif kind == "number":
                if not b"0".join(column).isdigit() or b"" in column:
                    return None
                numbers.append(_from_json(b"[" + b",".join(column) + b"]"))
            elif said is None:
                said = column
            elif column != said:
                return None
        assert said is not None
        texts: list[str] = _from_json(b'["' + b'",\n"'.join(said) + b'"]')
        if len(texts) != len(parts):
            return None
        tokens = None
        if arrays is not None:
            if max(map(len, parts)) - more > LONGEST:  # an event that large is weighed before it is decoded
                return None
            tokens = [_read_tokens(array, len(part) - more) for array, part in zip(arrays, parts, strict=True)]
        return texts, tokens, numbers, usages
    except ValueError:
        return None


def read_one(template: Template, data: bytes) -> Found | None:
    """Return the values in the slots of one event, or None if it does not match."""
    if not template.frames(data):
        return None
    return read_framed(template, data[len(template.prefix) : -len(template.suffix)], len(data))


def read_framed(template: Template, rest: bytes, size: int) -> Found | None:
    """Do what `read_one` does, for an event of `size` bytes that begins and ends like the template: `rest` is between."""
    if size > LONGEST:  # an event that large is weighed before it is decoded
        return None
    said = tokens = usages = None
    numbers = []
    try:
        for kind, behind in template.steps:
            value = rest
            if behind:
                value, found, rest = rest.partition(behind)
                if not found:
                    return None
            if kind == "tokens":
                tokens = _read_tokens(value, size)
            elif kind == "usage":
                usages = (_read_usage(value, template.form),)
            elif kind == "number":
                if not value.isdigit():
                    return None
                numbers.append(_from_json(value))
            elif kind == "padding":
                if value and not value.isalnum():
                    return None
            elif said is None:
                said = value
            elif value != said:
                return None
        assert said is not None
        return (_from_json(b'"%b"' % said),), (tokens,), numbers, usages
    except ValueError:
        return None


def _read_tokens(array: bytes, size: int) -> Tokens:
    """Return the entries of a JSON array in an event of `size` bytes; ValueError if the reference path would note an
    anomaly, or count a weight."""
    tokens = read_exact(array)
    if tokens is None or may_weigh(len(tokens), array.count(b"{") - len(tokens), size):
        return _read_any(array, size)
    return tokens


def form_of(template: Template, data: bytes) -> bytes | None:
    """Return the form of the usage report in the event that `template` was learned from: what is left of it without its
    digits. Reports of one form have the same names, since none of those has a digit in it (`only_text`)."""
    rest = data[len(template.prefix) : -len(template.suffix)]
    for kind, behind in template.steps:
        value, _, rest = rest.partition(behind) if behind else (rest, b"", b"")
        if kind == "usage" and not _EXPONENT.search(value):  # with other digits it may be infinite
            return value.translate(None, _DIGITS)
    return None


def _read_usage(usage: bytes, form: bytes | None) -> Report:
    """Return a report of this form; ValueError if it is of another, or has a count so large that the reference path might
    note an anomaly."""
    if form is None or usage.translate(None, _DIGITS) != form:
        raise ValueError("another form")
    if len(usage) - len(form) > _FEW_DIGITS and len(max(_WHOLE.findall(usage), key=len)) > _FEW_DIGITS:
        raise ValueError("a large count")
    report: Report = _from_json(b"{%b}" % usage)
    return report


def reports_that_last(usages: Sequence[Report | None]) -> list[tuple[int, Report]]:
    """Return the reports of which something is left once those after them are folded, each with its place.

    These are the last, and each that has other names than the next, or a number where the next has zero, which erases
    nothing, or the reverse. The source of a count is its last number; one that is zero in all of them was reported
    when the template was learned.
    """
    found: list[tuple[int, Report]] = []
    counted: Report | None = None
    for at in range(len(usages) - 1, -1, -1):
        usage, before = usages[at], counted
        if usage is not None and (counted := _counted(usage)) != before:
            found.append((at, usage))
    return found[::-1]


def _counted(usage: Report) -> Report:
    """Return for each name whether its count is a number above zero."""
    return {name: bool(count) if type(count) is not dict else _counted(count) for name, count in usage.items()}


def _read_any(array: bytes, size: int) -> Tokens:
    """Do what `_read_tokens` does, by decoding all of it."""
    if b"\n" in array or b"\r" in array:
        raise ValueError("a line end between values ends the line of the event, too")
    items = _from_json(array, allow_inf_nan=False)
    if type(items) is not list or not {dict}.issuperset(map(type, items)):
        raise ValueError("not a list of objects")
    tokens = read_tokens(items, "", _refuse)
    if token_weight(tokens, size):
        raise ValueError("entries with weight are counted on the reference path")
    return tokens


def _refuse(code: str, *_: object) -> None:
    raise ValueError(code)


def add_values(
    template: Template, texts: Sequence[str], tokens: Sequence[Tokens | None] | None, numbers: Sequence[int]
) -> None:
    """Add the values to their states."""
    # The step that takes the most frames is first: if it succeeds, so does the rest.
    if numbers:
        for counter, number in zip(template.counters, numbers, strict=True):
            counter.add(number)
    if tokens:
        some = tokens[0] if len(tokens) == 1 else [token for each in tokens for token in each or ()]
        if some:
            template.state.need("logprobs_content").add(some)
    text = texts[0] if len(texts) == 1 else "".join(texts)
    if text:
        for state in template.states:
            if len(state.pieces) >= MANY_PIECES:
                state.compact()
        for state in template.states:
            state.pieces.append(text)
