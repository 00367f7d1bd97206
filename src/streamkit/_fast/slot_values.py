"""Read the values in the slots of events, without parsing the constant bytes around them.

In: the data of events, and their expected template. Out: text, log probabilities and numbers, or None if an event does
not match; then nothing was folded. Cost: one comparison and one JSON array for all events together.
"""

from __future__ import annotations

from collections.abc import Sequence

import jiter

from .._decode.logprobs_reader import read_tokens
from .._fold.field_rules import MANY_PIECES
from .._fold.weight import token_weight
from ..types import ChatCompletionTokenLogprob
from .template import LONGEST, Template

__all__ = ("Found", "Tokens", "add_values", "read_one", "read_texts", "read_values")

Tokens = list[ChatCompletionTokenLogprob]
Found = tuple[Sequence[str], Sequence[Tokens | None] | None, Sequence[int]]
"""The text of each event, its log probabilities if the template has them, and the numbers of the last event."""

_from_json = jiter.from_json


def read_values(template: Template, parts: list[bytes]) -> Found | None:
    """Return the values in the slots of events with these data, or None if one of them does not match."""
    if template.simple:
        said = read_texts((template.prefix, template.between, template.suffix), parts)
        return None if said is None else (said, None, ())
    texts: list[str] = []
    tokens: list[Tokens | None] = []
    numbers: Sequence[int] = ()
    for part in parts:
        found = read_one(template, part)
        if found is None:
            return None
        (text,), (some,), numbers = found
        texts.append(text)
        tokens.append(some)
    return texts, tokens, numbers


def read_texts(around: tuple[bytes, bytes, bytes], parts: list[bytes]) -> list[str] | None:
    """Return the texts, like `read_values`, if nothing or just padding follows the text; `around`: the bytes before the
    text, between text and padding, and at the end."""
    prefix, between, suffix = around
    begin, end = len(prefix), -len(suffix)
    texts = [part[begin:end] for part in parts]
    # One comparison for all. For a part shorter than both, the compared bytes would be longer than the part.
    if b"\n".join(parts) != prefix + (suffix + b"\n" + prefix).join(texts) + suffix:
        return None
    if between:
        cut = [text.partition(between) for text in texts]
        if b"" in [found for _, found, _ in cut]:
            return None
        texts = [text for text, _, _ in cut]
        padding = b"".join([behind for _, _, behind in cut])
        if padding and not padding.isalnum():  # no line end, no escape, no byte that is not ASCII
            return None
    try:
        said: list[str] = _from_json(b'["' + b'",\n"'.join(texts) + b'"]')
    except ValueError:
        return None
    return said if len(said) == len(parts) else None


def read_one(template: Template, data: bytes) -> tuple[tuple[str], tuple[Tokens | None], Sequence[int]] | None:
    """Return the values in the slots of one event, or None if it does not match."""
    if not template.frames(data) or len(data) > LONGEST:  # an event that large is weighed before it is decoded
        return None
    rest = data[len(template.prefix) : -len(template.suffix)]
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
                tokens = _read_tokens(value, len(data))
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
    anomaly."""
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
    for counter, number in zip(template.counters, numbers, strict=True):
        counter.add(number)
    if tokens and (some := [token for each in tokens for token in each or ()]):
        template.state.need("logprobs_content").add(some)
    text = "".join(texts)
    if text:
        for state in template.states:
            if len(state.pieces) >= MANY_PIECES:
                state.compact()
        for state in template.states:
            state.pieces.append(text)
