"""Target: a checkpoint that somebody changed is refused, or is read and then nothing but bytes.

Input: one byte of options (0: the defaults), three that say where the checkpoint is taken and what is changed in it, then
the bytes of the stream. Oracle: `restore` raises nothing but `StreamError`, and what it returns, fed with the rest, raises
nothing but `StreamError`, reports all there is to ask, and has a checkpoint that can be restored again. That an unchanged
one continues as if nothing had happened is a way to read of the target `accumulator`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import seeds as of
from readings import look, options_of
from streamkit import Accumulator, StreamError

SIZE = 2000
HEAD = 4

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**63, 2**70, 1.5, 1e308, "", "x", "\ud83d", "same", [], {}, [[]], [0, 0], ["content"],
    {"$": ["number", "inf"]}, {"$": ["token", {}]}, {"$": ["token", {"$": ["token", {}]}]}, {"$": 1}, {"kind": "text"},
    {"kind": "fields", "fields": {}}, {"kind": "extend", "items": [1]}, {"kind": "mixed", "items": []}, {"kind": "each"},
    {"kind": "ledger", "value": {"a": {"$": ["number", "nan"]}}}, {"kind": "same_or_add", "first": "x", "times": 2**50},
    {"class": "RemoteError", "message": "x"}, {"base64": "AAAA"},
)  # fmt: skip
"""Values that a member may be replaced with."""


def check(data: bytes) -> None:
    """Change a checkpoint, restore it, and read on; raise an AssertionError where a promise is broken."""
    options, seed, raw = options_of(data[0] if data else 0), int.from_bytes(data[1:HEAD], "big"), data[HEAD:]
    chance = random.Random(seed)
    place = chance.randint(0, len(raw))
    accumulator = Accumulator(**options)
    try:
        accumulator.feed(raw[:place])
        if not seed % 9:
            accumulator.close()
    except StreamError:
        pass
    document = json.loads(accumulator.checkpoint())
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        change(document, chance)
    try:
        restored = Accumulator.restore(json.dumps(document))
    except StreamError as error:
        str(error).encode()
        return
    try:
        restored.feed(raw[place:])
    except StreamError:
        pass
    look(restored)
    Accumulator.restore(restored.checkpoint())
    try:
        restored.close()
    except StreamError:
        pass
    look(restored)


def change(document: dict[str, Any], chance: random.Random) -> None:
    """Replace, leave out or copy one member of the state, wherever it is."""
    places = list(_members(document["state"]))
    container, key = chance.choice(places)
    what = chance.random()
    if what < 0.55:
        container[key] = json.loads(json.dumps(chance.choice(ODD)))
    elif what < 0.7:
        del container[key]
    else:
        other, name = chance.choice(places)
        container[key] = json.loads(json.dumps(other[name]))


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container and key in a document."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            yield one, key
            if isinstance(one[key], (dict, list)):
                waiting.append(one[key])


def seeds() -> Iterator[bytes]:
    """Yield streams, each with another place and change."""
    for number, raw in enumerate(of.streams(SIZE - HEAD)):
        yield bytes([(0, 0, 1, 2, 0, 3, 12, 252)[number % 8], 0, number // 256 % 256, number % 256]) + raw
