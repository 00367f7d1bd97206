"""Changes that keep a stream nearly a stream: libFuzzer's own seldom get past the JSON.

In: bytes, the largest size, a random number generator. Out: other bytes. Events are doubled, dropped, put in another
order, taken apart over lines; a value or a field of a chunk is replaced, removed, added; a run is made longer; a token
is put in. The first bytes of an input are its options (see the targets) and are left to libFuzzer.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from seeds import TOKENS

HEAD = 4
NAMES = (
    "id object created model choices index delta message content refusal role tool_calls function function_call custom "
    "input name arguments type reasoning reasoning_content reasoning_details annotations audio data transcript logprobs "
    "token logprob bytes top_logprobs finish_reason usage prompt_tokens prompt_tokens_details x_groq error code status "
    "obfuscation service_tier images citations k"
).split()
VALUES: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 7.5, 10**30, float("nan"), "", "x", "stop", "length", "error", "0", "\ud83d", "\ude00"),
    *([], {}, [{}], [None], ["x"], {"k": "a"}, {"k": [1]}, [[[["x"]]]], {"message": "m", "code": 500}),
)

Change = Callable[[bytes, Random], bytes]


def mutated(data: bytes, size: int, by_chance: Random) -> bytes:
    """Return `data` with one to three changes, at most `size` bytes of it."""
    head, raw = data[:HEAD], data[HEAD:]
    for _ in range(by_chance.choice((1, 1, 2, 3))):
        raw = by_chance.choice(CHANGES)(raw, by_chance)
    return (head + raw)[:size]


def _place(raw: bytes, by_chance: Random) -> int:
    return by_chance.randint(0, len(raw))


def _token(raw: bytes, by_chance: Random) -> bytes:
    at = _place(raw, by_chance)
    return raw[:at] + by_chance.choice(TOKENS) + raw[at:]


def _run(raw: bytes, by_chance: Random) -> bytes:
    """A few bytes, many times."""
    at = _place(raw, by_chance)
    piece = raw[at : at + by_chance.choice((1, 1, 2, 5, 30))] or b" "
    return raw[:at] + piece * by_chance.choice((2, 8, 40, 200)) + raw[at:]


def _moved(raw: bytes, by_chance: Random) -> bytes:
    start = _place(raw, by_chance)
    end = min(len(raw), start + by_chance.choice((1, 4, 30, 200)))
    piece, rest = raw[start:end], raw[:start] + raw[end:]
    at = _place(rest, by_chance)
    return rest[:at] + by_chance.choice((b"", piece)) + rest[at:]


def _events(raw: bytes, by_chance: Random) -> bytes:
    """Events doubled, dropped, swapped, joined, or cut short."""
    events = raw.split(b"\n\n")
    one, other = by_chance.randrange(len(events)), by_chance.randrange(len(events))
    kind = by_chance.randrange(6)
    if kind == 0:
        events.insert(other, events[one])
    elif kind == 1:
        events[one : one + 1] = []
    elif kind == 2:
        events[one], events[other] = events[other], events[one]
    elif kind == 3:
        events[one : one + 2] = [by_chance.choice((b"\n", b"", b"\r\n", b" ")).join(events[one : one + 2])]
    elif kind == 4:
        events[one] = events[one][: _place(events[one], by_chance)]
    else:
        events[one] = events[one].removeprefix(b"data:").lstrip(b" ")
    return b"\n\n".join(events)


def _tampered(raw: bytes, by_chance: Random) -> bytes:
    """A value in the JSON of one event replaced, removed, or added."""
    events = raw.split(b"\n\n")
    at = by_chance.randrange(len(events))
    before, brace, written = events[at].partition(b"{")
    try:
        value = json.loads(brace + written)
    except (ValueError, RecursionError):
        return _token(raw, by_chance)
    for _ in range(by_chance.choice((1, 1, 3))):
        *way, last = by_chance.choice(_paths(value)) or (None,)
        home = value
        for step in way:
            home = home[step]
        new = copy.deepcopy(by_chance.choice(VALUES))
        if last is None or by_chance.random() < 0.3:
            inner = home if last is None else home[last]
            if isinstance(inner, dict):
                inner[by_chance.choice(NAMES)] = new
            elif isinstance(inner, list):
                inner.insert(by_chance.randint(0, len(inner)), copy.deepcopy(by_chance.choice((new, *inner))))
        elif by_chance.random() < 0.2:
            del home[last]
        else:
            home[last] = new
    ascii = by_chance.random() < 0.7
    separators = (",", ":") if by_chance.random() < 0.8 else None
    try:
        text = json.dumps(value, ensure_ascii=ascii, separators=separators)
    except RecursionError:
        return _token(raw, by_chance)
    events[at] = before + text.encode("utf-8", "surrogatepass")
    return b"\n\n".join(events)


def _paths(value: Any) -> list[tuple[Any, ...]]:
    """The way to each value inside; not by recursion, as an input may be nested as deep as JSON is read."""
    found: list[tuple[Any, ...]] = []
    left: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    while left and len(found) < 1000:
        at, one = left.pop()
        found.append(at)
        inner = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        left += (((*at, key), item) for key, item in inner)
    return found


CHANGES: tuple[Change, ...] = (_token, _run, _moved, _events, _events, _tampered, _tampered, _tampered)
