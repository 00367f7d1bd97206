"""Whether a stream can say a response: written, read back and compared, before anything of it goes out.

In: a response, which a caller may have built freely. Out: the same response as a stream says it (choices by index, an empty
list of calls as none), or a `MisuseError` with the path of the first difference. Cost: the response is written and read once.
"""

from __future__ import annotations

from typing import Any

import attrs
import jiter

from ..accumulator import Accumulator
from ..codec import dumps
from ..errors import MisuseError, ValidationError
from ..types import CreateChatCompletionResponse
from .chunk_dict import DONE_EVENT, UNLIMITED, event_of
from .response_writer import chunk_dicts

__all__ = ("LARGEST", "said")

LARGEST = 1024 * 1024  # characters in an event at most: readers' limits begin there (httpx2; ours is 16 MiB)


def said(response: CreateChatCompletionResponse) -> CreateChatCompletionResponse:
    """Return `response` as a stream says it; `MisuseError` where it would be read back as something else."""
    try:
        return _read_back(response)
    except (ValidationError, AttributeError, LookupError, TypeError, ValueError) as error:
        # `attrs.evolve(response, choices=5)`: a response that a caller changed can hold anything.
        raise MisuseError(f"no stream can say this response: {type(error).__name__}: {error}") from error


def _read_back(response: CreateChatCompletionResponse) -> CreateChatCompletionResponse:
    choices = [
        attrs.evolve(one, message=attrs.evolve(one.message, tool_calls=one.message.tool_calls or None))
        for one in sorted(response.choices, key=lambda one: one.index)
    ]
    meant = attrs.evolve(response, choices=choices, object="chat.completion")
    accumulator = Accumulator(limits=UNLIMITED)
    for chunk in chunk_dicts(meant, None, "whole", LARGEST):
        accumulator.absorb(event_of(chunk))
    accumulator.absorb(DONE_EVENT)
    outcome, found = accumulator.close(), accumulator.snapshot()
    if outcome.error is not None and outcome.reason != "finish_error":  # which is what the response says
        raise MisuseError(f"no stream can say this response: it would be read as failed, {outcome.error}")
    if found != meant:
        path = first_difference(jiter.from_json(dumps(meant)), jiter.from_json(dumps(found)))
        if path is not None:
            raise MisuseError("no stream can say this response: it would be read as another", path=path)
    return meant


def first_difference(one: Any, other: Any, path: str = "$") -> str | None:
    """Return the path at which two JSON values differ first; None where they are equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            if name not in one or name not in other:
                return f"{path}.{name}"
            if found := first_difference(one[name], other[name], f"{path}.{name}"):
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        each = enumerate(zip(one, other, strict=True))
        return next((found for at, pair in each if (found := first_difference(*pair, f"{path}[{at}]"))), None)
    return None if one == other else path
