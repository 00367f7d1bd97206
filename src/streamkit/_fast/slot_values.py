"""Read the values in the slots of events, without parsing the constant bytes around them.

In: the data of events, and their expected template. Out: text, log probabilities and numbers, or None if an event does
not match; then nothing was folded. Cost: one comparison and one JSON array for all events together.
"""

from __future__ import annotations

from collections.abc import Sequence

import jiter

from .._decode.logprobs_reader import read_exact, read_tokens
from .._fold.field_rules import MANY_PIECES
from .._fold.weight import may_weigh, token_weight
from ..types import ChatCompletionTokenLogprob
from .template import LONGEST, Steps, Template

__all__ = ("Columns", "Found", "Tokens", "add_values", "read_columns", "read_framed", "read_one", "read_values")

Tokens = list[ChatCompletionTokenLogprob]
Found = tuple[Sequence[str], Sequence[Tokens | None] | None, Sequence[int]]
"""The text of each event, its log probabilities if the template has them, and the numbers of the last event."""

Columns = tuple[list[str], Sequence[Tokens | None] | None, list[list[int]]]
"""The text of each event, the log probabilities of each if the template has them, and of each slot of a number those of
all events."""

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
    found = read_columns(template.steps, rests, parts)
    return found and (found[0], found[1], [column[-1] for column in found[2]])


def read_columns(steps: Steps, rests: Sequence[bytes], parts: list[bytes]) -> Columns | None:
    """Return the values in the slots of many events, slot by slot, or None if one of them does not match: `rests` are
    their bytes from the first slot to the end of the last, `parts` their whole data."""
    said: Sequence[bytes] | None = None
    arrays: Sequence[bytes] | None = None
    numbers: list[list[int]] = []
    try:
        for kind, behind in steps:
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
            if max(map(len, parts)) > LONGEST:  # an event that large is weighed before it is decoded
                return None
            tokens = [_read_tokens(array, len(part)) for array, part in zip(arrays, parts, strict=True)]
        return texts, tokens, numbers
    except ValueError:
        return None


def read_one(template: Template, data: bytes) -> tuple[tuple[str], tuple[Tokens | None], Sequence[int]] | None:
    """Return the values in the slots of one event, or None if it does not match."""
    if not template.frames(data):
        return None
    return read_framed(template, data[len(template.prefix) : -len(template.suffix)], len(data))


def read_framed(
    template: Template, rest: bytes, size: int
) -> tuple[tuple[str], tuple[Tokens | None], Sequence[int]] | None:
    """Do what `read_one` does, for an event of `size` bytes that begins and ends like the template: `rest` is between."""
    if size > LONGEST:  # an event that large is weighed before it is decoded
        return None
    said = tokens = None
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
        return (_from_json(b'"%b"' % said),), (tokens,), numbers
    except ValueError:
        return None


def _read_tokens(array: bytes, size: int) -> Tokens:
    """Return the entries of a JSON array in an event of `size` bytes; ValueError if the reference path would note an
    anomaly, or count a weight."""
    tokens = read_exact(array)
    if tokens is None or may_weigh(len(tokens), array.count(b"{") - len(tokens), size):
        return _read_any(array, size)
    return tokens


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
