"""Room on the caller's stack: enough for what is called, or a `MisuseError` before anything has changed.

Python ends a call that goes too deep with RecursionError, at any line. In the middle of folding a chunk that leaves half of it
behind. So code that is about to change state asks `has_room` first; code that only reads is `guarded`.

Known weakness: data nested as deep as a reader allows (200 levels) takes two frames a level. Where the interpreter's
limit leaves less than that, half of it is required (`sys.setrecursionlimit(200)` is no reason to refuse plain text), and
such data may still go too deep: the accumulator fails then, and says why.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from .errors import MisuseError

__all__ = ("LAST", "NoRoom", "Room", "guarded", "has_room", "require_room")

P = ParamSpec("P")
T = TypeVar("T")

_ROOM = 450  # frames: 200 levels of lists or objects at two each, and 30 for all else
_LEAST = 60
_TEXT = "the caller's stack is too deep: call from less deep, or raise sys.setrecursionlimit()"


class NoRoom(MisuseError):
    """The error for a stack that is too deep. It is made without a frame, as there may be none left."""

    # What __init__ of StreamError sets; no __init__ in Python may run.
    message = _TEXT
    event = path = excerpt = partial = None
    emitted = False
    __init__ = Exception.__init__


LAST = NoRoom(_TEXT)
"""For the last frame of all, in which CPython 3.11 cannot even make an exception."""


def has_room() -> bool:
    """Whether the stack has room for whatever a block or a chunk may need. 0.3 us; deep down, some 20 us."""
    limit = sys.getrecursionlimit()
    try:
        sys._getframe(limit // 4)
    except ValueError:
        return True  # not so deep: frames are counted, and calls through C count once or twice more
    try:
        _reach(max(_LEAST, min(_ROOM, limit // 2)))
    except RecursionError:
        return False
    return True


class Room:
    """`has_room` for one function that is called again and again, as a rule from the same depth: 0.1 us then.

    It remembers how deep the last call was, and looks whether the stack ends there: no exception, which costs most.
    """

    __slots__ = ("_depth",)

    def __init__(self) -> None:
        self._depth = 0

    def left(self) -> bool:
        """Whether the stack has room for whatever a block may need."""
        try:
            if sys._getframe(self._depth).f_back is None:
                return self._depth < sys.getrecursionlimit() // 4 or has_room()
        except ValueError:
            pass  # not so deep as the last time
        depth, frame = 0, sys._getframe()
        while (below := frame.f_back) is not None:
            depth, frame = depth + 1, below
        self._depth = depth
        return has_room()


def require_room() -> None:
    """Raise `NoRoom` where the stack has no room."""
    if not has_room():
        raise NoRoom(_TEXT)


def _reach(frames: int) -> None:
    if frames:
        _reach(frames - 1)


def guarded(function: Callable[P, T]) -> Callable[P, T]:
    """Let `function`, which leaves nothing behind where it is broken off, raise `NoRoom` for RecursionError."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        error: Any = LAST
        try:
            return function(*args, **kwargs)
        except RecursionError:
            try:
                error = NoRoom(_TEXT)
            except RecursionError:
                error.__traceback__ = None
        raise error

    return call
