"""The options of a transport besides the transport beneath it, checked before the first request.

In: the arguments of a caller. Out: frozen `Options`, or a `MisuseError` that names what does not fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

import attrs

from streamkit import Clean, Cleaner, Deadlines, Dialect, Ended, Limits, MisuseError

__all__ = ("OnEnd", "Options", "checked")

OnEnd: TypeAlias = Callable[[Ended], object] | None | None
"""What is called with the `Ended` of each request for a stream; None for nothing."""


@attrs.frozen
class Options:
    """The options of a transport."""

    on_end: OnEnd
    clean: Clean
    dialect: Dialect
    limits: Limits
    deadlines: Deadlines
    clock: Callable[[], float] = time.monotonic

    def cleaner(self) -> Cleaner:
        """Return what writes one stream clean."""
        return Cleaner(clean=self.clean, limits=self.limits, dialect=self.dialect)


def checked(
    on_end: OnEnd, clean: Clean, dialect: Dialect | None, limits: Limits | None, deadlines: Deadlines | None
) -> Options:
    """Return the options, or raise the `MisuseError`."""
    given: object = on_end
    if given is not None and not callable(given):
        raise MisuseError(f"on_end= takes a function of one Ended, or None, not {type(given).__name__}")
    given = deadlines
    if given is not None and not isinstance(given, Deadlines):
        raise MisuseError(f"deadlines= takes Deadlines, or None, not {type(given).__name__}")
    options = Options(on_end, clean, dialect or Dialect(), limits or Limits(), deadlines or Deadlines())
    options.cleaner()  # which checks the rest
    return options
