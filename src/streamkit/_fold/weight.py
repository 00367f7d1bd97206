"""What a value costs that is kept outside the typed fields, so that a stream of tiny values stays bounded in memory.

The unit is about 32 bytes of memory beyond four times the bytes of the value's JSON, the snapshot's copy included, as
measured under CPython 3.11. Text weighs nothing by its length: it takes at most four times its bytes.
`Limits.max_extra_values` bounds the sum. Cost: O(values), without recursion; a list of plain values takes one C call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..types import ChatCompletionTokenLogprob

__all__ = ("CALL", "CHOICE", "COUNT", "ENTRY", "FIELD", "MEMBER", "TOKEN_BYTES", "token_weight", "weight")

CONTAINER = 8  # an object or a list
MEMBER = 7  # each member of an object, besides its value
STRING = 2
NUMBER = 1  # or a boolean, or null
FIELD = 30  # a name that was never seen at its place before: its state, and its entries in the tables
ENTRY = 30  # an entry of a list of typed blocks, besides its fields
COUNT = 12  # a count of the usage
CALL = 45  # a tool call
CHOICE = 60
TOKEN_BYTES = 250  # of an entry of log probabilities, or of a likely alternative in it

_PLAIN = frozenset({int, float, bool, type(None), str})


def weight(value: Any) -> int:
    """How many units a JSON value takes."""
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
    """How many units entries of log probabilities take, which arrived in an event of `size` bytes.

    An entry as senders write it, with its token, number and bytes, weighs nothing: 128,000 tokens with twenty
    alternatives each are an honest stream. A `{}` weighs ten.
    """
    entries, beside = 0, []
    for token in tokens:
        tops = token.top_logprobs
        entries += 1 + len(tops)
        if token.extra:
            beside.append(token.extra)
        for top in tops:
            if top.extra:
                beside.append(top.extra)
    if not beside and TOKEN_BYTES * entries <= 4 * size:
        return 0
    return max(0, (TOKEN_BYTES * entries - 4 * size) // 24) + sum(map(weight, beside))
