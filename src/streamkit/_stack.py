"""Room on the caller's stack: enough for the call, or a `MisuseError` before anything has changed.

Python ends a call that goes too deep with RecursionError, at any line. In the middle of folding a chunk that leaves
half of it applied. So code that is about to change state checks `has_room` first; code that only reads is `guarded`.

Known weakness: data nested as deep as a reader allows (200 levels) takes two frames a level. If the interpreter's limit
leaves less than that, half of it is required (`sys.setrecursionlimit(200)` is not a reason to refuse plain text), and
such data may still go too deep: the accumulator then fails, and says why.
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

_ROOM = 450  # frames: 200 levels of lists or objects at two each, and 30 for everything else
_LEAST = 60
_TEXT = "the caller's stack is too deep: call from fewer nested frames, or raise sys.setrecursionlimit()"


class NoRoom(MisuseError):
    """The error for a stack that is too deep. It is created without a frame, since none may be left."""

    # The attributes that StreamError.__init__ sets; no __init__ written in Python may run here.
    message = _TEXT
    event = path = excerpt = partial = None
    emitted = False
    __init__ = Exception.__init__


LAST = NoRoom(_TEXT)
"""For the very last frame, in which CPython 3.11 cannot even create an exception."""


def has_room() -> bool:
    """Return True if the stack has room for whatever a block or a chunk may need. 0.3 us; about 20 us on a deep
    stack."""
    limit = sys.getrecursionlimit()
    try:
        sys._getframe(limit // 4)
    except ValueError:
        return True  # not that deep: frames are counted, and calls through C count one or two extra
    try:
        _reach(max(_LEAST, min(_ROOM, limit // 2)))
    except RecursionError:
        return False
    return True


class Room:
    """`has_room` for one function that is called repeatedly, usually from the same depth: then 0.1 us.

    It remembers the depth of the last call, and checks whether the stack ends there: no exception, which costs most.
    Several objects and threads may share one.
    """

    __slots__ = ("_depth",)

    def __init__(self) -> None:
        self._depth = 0

    def left(self) -> bool:
        """Return True if the stack has room for whatever a block may need."""
        depth = self._depth  # once: another thread may change it
        try:
            if sys._getframe(depth).f_back is None:
                return depth < sys.getrecursionlimit() // 4 or has_room()
        except ValueError:
            pass  # less deep than the last time
        depth, frame = 0, sys._getframe()
        while (below := frame.f_back) is not None:
            depth, frame = depth + 1, below
        self._depth = depth
        return has_room()


def require_room() -> None:
    """Raise `NoRoom` if the stack has no room."""
    if not has_room():
        raise NoRoom(_TEXT)


def _reach(frames: int) -> None:
    if frames:
        _reach(frames - 1)


def guarded(function: Callable[P, T]) -> Callable[P, T]:
    """Make `function`, which changes no state if interrupted, raise `NoRoom` instead of RecursionError."""

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
