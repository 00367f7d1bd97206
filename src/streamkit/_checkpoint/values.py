"""Values that senders wrote, in a checkpoint: JSON as it is, and what JSON has no form for as `{"$": [form, value]}`.

    {"$": ["number", "inf"]}          a number that is not finite, which tolerant readers read from 1e400 or NaN
    {"$": ["FinishReason", "stop"]}   a word of a closed list of the format
    {"$": ["token", {...}]}           an entry of log probabilities
    {"$": ["object", {...}]}          an object whose only member is named "$"

Words and entries are in fields of the format alone: anywhere else a value is JSON, as senders write it.

Entries of log probabilities and usages are read like a sender's, so that nothing in them can be of a wrong type. Cost:
O(the value).
"""

from __future__ import annotations

from enum import Enum
from math import isfinite
from typing import Any

from .._decode.chunk_reader import read_usage
from .._decode.logprobs_reader import read_tokens
from .._decode.scanning import DEEPEST
from .._decode.tolerant_json import depth
from ..anomalies import ignore
from ..errors import shown
from ..types import ChatCompletionTokenLogprob, ChatCompletionToolType, FinishReason, Role, ServiceTierResponse
from ..types._unstructuring import written
from .shapes import Refused, Way, members

__all__ = ("ITEMS", "JSON", "TOKENS", "USAGE", "VALUE", "WORD")

_TAG = "$"
_WORDS: dict[str, type[Enum]] = {
    kind.__name__: kind for kind in (ChatCompletionToolType, FinishReason, Role, ServiceTierResponse)
}
_NUMBERS = ("inf", "-inf", "nan")
_PLAIN = frozenset({str, int, bool, type(None)})


def tagged(value: Any, *, json: bool = False) -> Any:
    """Return a value of the state as JSON; `json`: a word is written as a text, and an entry as an object."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if isfinite(value) else {_TAG: ["number", str(value)]}
    if kind is list:
        return [one if type(one) in _PLAIN else tagged(one, json=json) for one in value]
    if kind is dict:
        found = {name: one if type(one) in _PLAIN else tagged(one, json=json) for name, one in value.items()}
        return {_TAG: ["object", found]} if len(found) == 1 and _TAG in found else found
    if isinstance(value, Enum):
        return str(value.value) if json else {_TAG: [kind.__name__, str(value.value)]}
    if kind is ChatCompletionTokenLogprob and not json:
        return {_TAG: ["token", tagged(written(value))]}
    try:  # a subclass of a plain type, from a chunk that a caller decoded
        return tagged(written(value, shown), json=json)
    except (AttributeError, TypeError):  # an object of ours that does not match its class
        return shown(value)


def untagged(found: Any, *, json: bool = False) -> Any:
    """Return the value of this JSON; `json`: a value of which JSON is all, without words and entries."""
    kind = type(found)
    if kind is list:
        return [one if type(one) in _PLAIN else untagged(one, json=json) for one in found]
    if kind is not dict:
        return found
    if len(found) != 1 or _TAG not in found:
        return {name: one if type(one) in _PLAIN else untagged(one, json=json) for name, one in found.items()}
    tag = found[_TAG]
    if type(tag) is list and len(tag) == 2 and type(tag[0]) is str:
        form, inner = tag
        if form == "object" and type(inner) is dict:
            return {name: untagged(one, json=json) for name, one in inner.items()}
        if form == "number" and inner in _NUMBERS:
            return float(inner)
        if form == "token" and not json:
            return _tokens([inner])[0]
        if form in _WORDS and type(inner) is str and not json:
            try:
                return _WORDS[form](inner)
            except ValueError:  # a word of a later version
                return inner
    raise Refused('{"$": [form, value]} of a known form', found)


def _tokens(found: list[Any]) -> list[Any]:
    entries = [untagged(one, json=True) for one in found]
    if not all(type(one) is dict for one in entries):
        raise Refused("entries of log probabilities", found)
    return read_tokens(entries, "$", ignore)


class _Value:
    """Any value. `json`: whether JSON is all that it may be; None: as long as it is not in a field of the format."""

    __slots__ = ("_json",)

    def __init__(self, *, json: bool | None) -> None:
        self._json = json

    def write(self, value: Any, way: Way) -> Any:
        return value if type(value) in _PLAIN else tagged(value, json=self._is_json(way))

    def read(self, found: Any, way: Way) -> Any:
        if type(found) in _PLAIN:
            return found
        value = untagged(found, json=self._is_json(way))
        if depth(value) > DEEPEST:
            raise Refused(f"a value of at most {DEEPEST} levels", found)
        return value

    def _is_json(self, way: Way) -> bool:
        return not way.standing if self._json is None else self._json


VALUE = _Value(json=None)
WORD = _Value(json=False)
JSON = _Value(json=True)


class _Tokens:
    """A list of entries of log probabilities."""

    def write(self, value: Any, way: Way) -> list[Any]:
        # A compact entry has no number that is not finite: half of the cost.
        return [written(one) if type(one.kept_extra) is int else tagged(written(one)) for one in value]

    def read(self, found: Any, way: Way) -> list[Any]:
        if type(found) is not list:
            raise Refused("a list of entries of log probabilities", found)
        return _tokens(found)


TOKENS = _Tokens()


class _Items:
    """A list of any values, or in a field of the format of entries of log probabilities: `{"tokens": [...]}`."""

    def write(self, value: Any, way: Way) -> Any:
        if value and way.standing and all(type(one) is ChatCompletionTokenLogprob for one in value):
            return {"tokens": TOKENS.write(value, way)}
        return [VALUE.write(one, way) for one in value]

    def read(self, found: Any, way: Way) -> list[Any]:
        if type(found) is dict and list(found) == ["tokens"] and way.standing:
            return TOKENS.read(found["tokens"], way)
        if type(found) is not list:
            raise Refused("a list, or an object with tokens", found)
        return [VALUE.read(one, way) for one in found]


ITEMS = _Items()


class _Usage:
    """A report of usage."""

    def write(self, value: Any, way: Way) -> Any:
        return tagged(written(value))

    def read(self, found: Any, way: Way) -> Any:
        return read_usage(members(JSON.read(found, way)), "$", ignore)


USAGE = _Usage()
