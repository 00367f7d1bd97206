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
    """Note the instants of one request, for its `Ended`: `head()`, then for each block `arrived()`, and
    `seen(accumulator)` when it was looked at; `timing(usage)` at the end. `clock` gives seconds.
    """

    __slots__ = ("_chunks", "_clock", "_first_byte", "_first_output", "_head", "_last", "_sent")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sent = clock()
        self._head: float | None = None
        self._first_byte: float | None = None
        self._first_output: float | None = None
        self._last = self._sent
        self._chunks = array("d")

    def head(self) -> None:
        """The head of the response has arrived."""
        self._head = self._clock()

    def arrived(self) -> None:
        """A block has arrived."""
        self._last = self._clock()
        if self._first_byte is None:
            self._first_byte = self._last

    def seen(self, accumulator: Accumulator) -> None:
        """`accumulator` has looked at every block that has arrived so far."""
        chunks = accumulator.progress[1] - len(self._chunks)
        if chunks:
            self._chunks.extend([self._last] * chunks)
            if self._first_output is None and accumulator.emitted:
                self._first_output = self._last

    def timing(self, usage: CompletionUsage | None) -> Timing:
        """What is known now that the request is over."""
        details = None if usage is None else usage.completion_tokens_details
        return Timing(
            sent=self._sent,
            head=self._head,
            first_byte=self._first_byte,
            first_chunk=self._chunks[0] if self._chunks else None,
            first_output=self._first_output,
            last_chunk=self._chunks[-1] if self._chunks else None,
            closed=self._clock(),
            input_tokens=None if usage is None else usage.prompt_tokens or None,
            output_tokens=None if usage is None else usage.completion_tokens or None,
            reasoning_tokens=None if details is None else details.reasoning_tokens,
            chunk_times=tuple(self._chunks),
        )
