"""How a clean stream is written: the keyword arguments of `to_events`, `to_chunks`, their async siblings and `Cleaner`.

In: nothing. Out: two `TypedDict`s, for functions that pass all of them on. `Cleaner`, `to_events` and `to_chunks` name each
argument in their own signature, so that `help()` shows it with its default; a test holds them to these.
"""

from __future__ import annotations

from typing import TypedDict

from ..dialect import Dialect
from ..limits import Limits
from .clean import Clean
from .splitting import Spread, TextCut

__all__ = ("EventOptions", "WriteOptions")


class WriteOptions(TypedDict, total=False):
    """The keyword arguments of whatever writes clean chunks."""

    text: TextCut
    """How content, reasoning, refusal, transcript and arguments are cut. None: a stream as it came, a response whole."""
    logprobs: Spread
    """Where text is cut: each `"spread"` to the piece that has its token, or the `"whole"` list with the last piece."""
    clean: Clean
    """What a strict reader needs beyond what OpenAI writes: where it broke off, refusals, reasoning, choices, calls, order."""
    limits: Limits
    """How large a stream may grow while it is read, as for an `Accumulator`."""
    dialect: Dialect
    """What the sender is known to do, as for an `Accumulator`."""


class EventOptions(WriteOptions, total=False):
    """The keyword arguments of whatever writes clean events."""

    done: bool
    """Whether `[DONE]` ends a complete stream."""
