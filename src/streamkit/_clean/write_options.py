"""How a clean stream is written: the keyword arguments of `to_events`, `to_chunks`, their async siblings and `Cleaner`.

In: nothing. Out: two `TypedDict`s, for functions that pass all of them on. `Cleaner`, `to_events` and `to_chunks` name each
argument in their own signature, so that `help()` shows it with its default; a test holds them to these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypedDict

from ..dialect import Dialect
from ..errors import MisuseError, StreamError, shown
from ..limits import Limits
from .clean import Clean
from .splitting import Spread, TextCut

__all__ = ("EventOptions", "Raises", "WriteOptions", "check_raises", "to_raise")

Raises: TypeAlias = Callable[[StreamError], Exception] | None
"""What is raised in place of the error that a stream ended with: a function to an exception, or None for that error."""


def check_raises(raises: object) -> None:
    """Refuse what is not a function."""
    if raises is not None and not callable(raises):
        raise MisuseError(f"raises= takes a function from a StreamError to an exception, or None, not {shown(raises)}")


def to_raise(error: Exception, ended_with: StreamError | None, raises: Raises) -> Exception:
    """Return what is raised for `error`, with which a source broke or a stream ended; `ended_with`: that in our words."""
    own = error if isinstance(error, StreamError) else ended_with
    if raises is None or own is None:
        return error
    made: object = raises(own)
    if not isinstance(made, Exception):
        raise MisuseError(f"raises= takes a function to an exception, and it returned {shown(made)}") from own
    if made is not own:
        made.__cause__ = own
    return made


class WriteOptions(TypedDict, total=False):
    """The keyword arguments of whatever writes clean chunks."""

    text: TextCut
    """How content, reasoning, refusal, transcript and arguments are cut. None: a stream as it arrives, a response whole."""
    logprobs: Spread
    """Where text is cut: each `"spread"` to the piece that has its token, or the `"whole"` list with the last piece."""
    clean: Clean
    """What a strict reader needs beyond what OpenAI writes: where it broke off, refusals, reasoning, choices, calls, order."""
    raises: Raises
    """What is raised in place of the error that the stream ended with, which becomes its cause; None for that error, or for
    what the source raised."""
    limits: Limits
    """How large a stream may grow while it is read, as for an `Accumulator`."""
    dialect: Dialect
    """What the sender is known to do, as for an `Accumulator`."""


class EventOptions(WriteOptions, total=False):
    """The keyword arguments of whatever writes clean events."""

    done: bool
    """Whether `[DONE]` ends a complete stream."""
