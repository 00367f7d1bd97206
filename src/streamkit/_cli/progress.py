"""How far a long command is: one line on standard error that replaces itself, and is gone at the end.

In: items, and how many there are. Out: the same items. Writes nothing where standard error is not a terminal, nor in the first
second: what is quick needs no progress.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ("with_progress",)

Item = TypeVar("Item")
_FIRST, _EACH = 1.0, 0.2  # seconds: until the line is shown, and between two of it


def with_progress(
    items: Iterable[Item], total: int, what: str, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Item]:
    """Yield `items` and show how many of `total` are done."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield from items
        return
    shown, due = False, clock() + _FIRST
    try:
        for done, item in enumerate(items):
            if (now := clock()) >= due:
                shown, due = True, now + _EACH
                print(f"\r\x1b[K{done:,}/{total:,} {what}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
