"""What a value kept outside the typed fields costs, so that a stream of tiny values stays bounded in memory.

The unit is about 32 bytes of memory in addition to four times the bytes of the value's JSON, including the snapshot's
copy, as measured under CPython 3.11. The length of text has no weight: it takes at most four times its bytes.
`Limits.max_extra_values` bounds the sum. Cost: O(values), without recursion; a list of plain values takes one C call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..types import ChatCompletionTokenLogprob, TopLogprobs
from ..types._logprobs import BYTES_SLOTS, EXTRA_SLOT

__all__ = ("CALL", "CHOICE", "COUNT", "ENTRY", "FIELD", "MEMBER", "TOKEN_BYTES", "may_weigh", "token_weight", "weight")

CONTAINER = 8  # an object or a list
MEMBER = 7  # each member of an object, besides its value
STRING = 2
NUMBER = 1  # or a boolean, or null
FIELD = 30  # a name not seen at its place before: its state, and its entries in the tables
ENTRY = 30  # an entry of a list of typed blocks, besides its fields
COUNT = 12  # a count of the usage
CALL = 45  # a tool call
CHOICE = 60
TOKEN_BYTES = 290  # of a kept entry of log probabilities, including its list of alternatives
TOP_BYTES = 176  # of a likely alternative in it
LIST_BYTES = 80  # of a list of bytes that had to be kept, besides its items

_extra_of = EXTRA_SLOT.__get__

_PLAIN = frozenset({int, float, bool, type(None), str})


def weight(value: Any) -> int:
    """Return the weight of a JSON value in units."""
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind is dict:
            total += CONTAINER + MEMBER * len(one)
            waiting += one.values()
        elif kind is list:
            total += CONTAINER
            if _PLAIN.issuperset(map(type, one)):
                total += STRING * len(one) if str in map(type, one) else NUMBER * len(one)
            else:
                waiting += one
        else:
            total += STRING if kind is str else NUMBER
    return total


def token_weight(tokens: Iterable[ChatCompletionTokenLogprob], size: int) -> int:
    """Return the weight in units of entries of log probabilities that arrived in an event of `size` bytes.

    An entry as senders write it, with its token, number and bytes, weighs nothing: 128,000 tokens with twenty
    alternatives each are an honest stream. A `{}` weighs twelve. For entries decoded elsewhere (`size` is 0) only
    fields outside the typed ones count, as for any other object.
    """
    taken = beside = 0
    for token in tokens:
        tops = token.top_logprobs
        taken += TOKEN_BYTES + TOP_BYTES * len(tops)
        lists = _extra_of(token)
        if type(lists) is int:
            if lists:
                taken += LIST_BYTES * lists
        else:
            entries: list[ChatCompletionTokenLogprob | TopLogprobs] = [token, *tops]
            for entry in entries:
                units, lists = _beside(entry)
                beside += units
                taken += LIST_BYTES * lists
    return beside + (taken - 4 * size) // 24 if taken > 4 * size > 0 else beside


def may_weigh(tokens: int, tops: int, size: int) -> bool:
    """Return whether `tokens` entries of log probabilities, with `tops` alternatives in all and each exactly in the format,
    may have a weight: `token_weight` knows once they are decoded."""
    return (TOKEN_BYTES + LIST_BYTES) * tokens + (TOP_BYTES + LIST_BYTES) * tops > 4 * size


def _beside(entry: ChatCompletionTokenLogprob | TopLogprobs) -> tuple[int, int]:
    """Return the weight of the parts of an entry that are not compact, unknown fields and lists of anything except
    small numbers; and how many lists of small numbers it keeps."""
    extra = _extra_of(entry)
    units = weight(extra) if extra and type(extra) is dict else 0
    numbers = BYTES_SLOTS[type(entry)].__get__(entry)
    if type(numbers) is not list:
        return units, 0
    try:
        bytes(numbers)
    except (TypeError, ValueError):
        return units + weight(numbers), 0
    return units, 1
