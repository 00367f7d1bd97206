"""When what of a stream arrived, for the price of one look at the clock a block: a `Timing` with the figures that need no
events. What it does not see (the last output, `[DONE]`) stays None.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from ..accumulator import Accumulator
from ..types import CompletionUsage
from .timing import Timing

__all__ = ("Times",)


class Times:
    """Note the instants of one request, for its `Ended`: `head()`, then for each block `now()` when it has arrived and
    `seen(now, accumulator)` when it was looked at; `timing(usage)` at the end. `clock` returns seconds.
    """

    __slots__ = ("_chunks", "_count", "_first_byte", "_first_output", "_head", "_sent", "now")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        """The clock: seconds."""
        self._sent = clock()
        self._head: float | None = None
        self._first_byte: float | None = None
        self._first_output: float | None = None
        self._chunks = array("d")
        self._count = 0

    def head(self) -> None:
        """Mark the head of the response, which has arrived."""
        self._head = self.now()

    def seen(self, now: float, accumulator: Accumulator) -> None:
        """Mark a block that arrived at `now`, after `accumulator` has looked at it and all before it."""
        count = accumulator.progress[1]
        if count == self._count + 1 and self._first_output is not None:  # nearly every block, and kept short for that
            self._chunks.append(now)
        else:
            self._chunks.extend([now] * (count - self._count))
            if self._first_byte is None:
                self._first_byte = now
            if self._first_output is None and accumulator.emitted:
                self._first_output = now
        self._count = count

    def timing(self, usage: CompletionUsage | None) -> Timing:
        """Return what is known now that the request is over."""
        details = None if usage is None else usage.completion_tokens_details
        return Timing(
            sent=self._sent,
            head=self._head,
            first_byte=self._first_byte,
            first_chunk=self._chunks[0] if self._chunks else None,
            first_output=self._first_output,
            last_chunk=self._chunks[-1] if self._chunks else None,
            closed=self.now(),
            input_tokens=None if usage is None else usage.prompt_tokens or None,
            output_tokens=None if usage is None else usage.completion_tokens or None,
            reasoning_tokens=None if details is None else details.reasoning_tokens,
            chunk_times=tuple(self._chunks),
        )
