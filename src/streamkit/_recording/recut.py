"""The same bytes in other blocks: cut where networks and proxies cut, and where readers break.

In: blocks with their times, a way to cut, a seed. Out: blocks that add up to the same bytes. Cost: linear.

Rule 1  A piece arrives when its last byte arrived.
Rule 2  "characters" and "crlf" add cuts to the recorded ones, all others replace them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from random import Random
from typing import Literal, TypeAlias

from .._arguments import whole
from ..errors import MisuseError, shown
from ..trace import Block
from .events_in_body import paragraphs

__all__ = ("RECUTS", "Recut", "recut_blocks")

Recut: TypeAlias = int | Literal["bytes", "events", "characters", "crlf", "random", "one"]

RECUTS = {
    "bytes": "one block a byte",
    "events": "one block an event",
    "characters": "more cuts: inside each character of more than one byte, after each of its bytes",
    "crlf": "more cuts: between CR and LF",
    "random": "at random places, by the seed",
    "one": "the whole body in one block",
}
"""Each way to cut by its name; a whole number cuts blocks of that many bytes."""

_INSIDE = re.compile(rb"(?=[\x80-\xbf])")  # before each byte that continues a character
_CRLF = re.compile(rb"(?<=\r)(?=\n)")
_AVERAGE = 32  # bytes of a random block: a few blocks an event


def recut_blocks(blocks: Sequence[Block], how: Recut | None, seed: int) -> tuple[Block, ...]:
    """Return `blocks` cut again. Raises `MisuseError` where `how` is none of the ways."""
    if how is None:
        return tuple(blocks)
    if not (whole(how, 1) or (isinstance(how, str) and how in RECUTS)):
        raise MisuseError(
            f"recut takes {', '.join(map(repr, RECUTS))}, or a number of bytes from 1 on, not {shown(how)}"
        )
    body = b"".join(block.data for block in blocks)
    ends: Iterable[int] = _recorded(blocks)
    if how == "characters":
        ends = sorted({*ends, *_found(_INSIDE, body)})
    elif how == "crlf":
        ends = sorted({*ends, *_found(_CRLF, body)})
    else:
        ends = _new_ends(body, how, seed)
    return tuple(_pieces(blocks, body, ends))


def _recorded(blocks: Iterable[Block]) -> Iterator[int]:
    end = 0
    for block in blocks:
        end += len(block.data)
        yield end


def _found(pattern: re.Pattern[bytes], body: bytes) -> Iterator[int]:
    return (found.start() for found in pattern.finditer(body) if found.start())


def _new_ends(body: bytes, how: Recut, seed: int) -> Iterable[int]:
    size = len(body)
    if how == "one":
        return [size]
    if how == "events":
        return [end for _, end in paragraphs(body)]
    if how == "random":
        chance = Random(f"recut {seed}")
        return sorted({*(chance.randint(1, size) for _ in range(size // _AVERAGE)), size}) if size else []
    step = 1 if how == "bytes" else int(how)
    return chain(range(step, size, step), [size])


def _pieces(blocks: Iterable[Block], body: bytes, ends: Iterable[int]) -> Iterator[Block]:
    rest = iter(blocks)
    block, arrived = Block(0.0, b""), 0
    for start, end in pairwise(chain([0], ends)):
        while arrived < end:
            block = next(rest)
            arrived += len(block.data)
        if start < end:
            yield Block(block.t, body[start:end])
