"""An accumulator that a caller hands over for a whole stream: there, of the right kind, and not used before.

In: what a caller passed as `accumulator`, None for a new one. Out: the accumulator; `MisuseError` for one that could not
tell what went through: it has taken something already, or is closed.
"""

from __future__ import annotations

from .accumulator import Accumulator
from .errors import MisuseError

__all__ = ("fresh",)


def fresh(accumulator: object) -> Accumulator:
    """`accumulator` if it can take a whole stream, a new one for None."""
    if accumulator is None:
        return Accumulator()
    if not isinstance(accumulator, Accumulator):
        raise MisuseError(f"accumulator is an Accumulator, or None for a new one, not {type(accumulator).__name__}")
    used = accumulator.statistics()
    if accumulator.done or used.bytes or used.events:
        state = "closed" if accumulator.done else "used"
        raise MisuseError(f"this Accumulator was {state} already: it reads one stream; pass a new one, or none")
    return accumulator
