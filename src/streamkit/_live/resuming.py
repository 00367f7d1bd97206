"""Resume a stream from a checkpoint: where its source has to begin, and what is skipped of one that begins earlier.

    point = resume_point(checkpoint)                     # offset, last_event_id, headers
    ChatStream(source, resume_from=checkpoint)           # `source` begins with the first byte: a file, a trace, a retry
    ChatStream(source, resume_from=checkpoint, begins="offset")   # ... with the byte at `point.offset`
    ChatStream(source, resume_from=checkpoint, begins="event")    # ... with the event after `point.last_event_id`

A checkpoint counts the bytes of the body, unpacked, as they were fed. A source of chunks has none: there, chunks are
counted. Cost: that of restoring; skipping reads the bytes and throws them away.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import attrs

from .._field_docs import show_fields
from ..accumulator import Accumulator, Options
from ..errors import MisuseError, RemoteError, counted, shown
from ..events import Event, ToolCallDone

__all__ = ("Begins", "ResumePoint", "Resumed", "resume_point")

Begins = Literal["start", "offset", "event"]
"""Where a source begins that a stream resumes from: with its first byte, with the byte at the offset, or with the event
after the last event id."""


@attrs.frozen
class ResumePoint:
    """Where a source has to begin for a stream to continue."""

    offset: int
    """Bytes of the body, unpacked, that were read; 0 for a source of chunks."""
    events: int
    """Server-sent events that were read to their end, or chunks."""
    last_event_id: str
    """The `id` of the last of them, or of one before it; empty if the sender writes none."""
    done: bool
    """True if the stream has ended, so that nothing has to be read any more."""

    @property
    def headers(self) -> dict[str, str]:
        """The header of the request that asks a sender for the events after that one; none without an id."""
        return {"Last-Event-ID": self.last_event_id} if self.last_event_id else {}


def resume_point(checkpoint: bytes | bytearray | memoryview | str) -> ResumePoint:
    """Return where the source of a stream with this checkpoint, of a `ChatStream` or an `Accumulator`, has to begin.

    Raises the errors of `Accumulator.restore`, except those about options.
    """
    from .._checkpoint.document import read_point  # most streams need none

    return ResumePoint(*read_point(checkpoint))


_PASSED_AGAIN = frozenset({"limits", "fast", "converter"})


class Resumed:
    """The parts of a stream that resumes: its accumulator, the events that wait, the calls so far, and how much to skip."""

    def __init__(self, checkpoint: Any, begins: object, options: Options) -> None:
        if begins not in get_args(Begins):
            raise MisuseError(f"begins= takes 'start', 'offset' or 'event', not {shown(begins)}")
        if others := sorted(options.keys() - _PASSED_AGAIN):
            names = ", ".join(f"{name}=" for name in others)
            raise MisuseError(f"resume_from= has the options of its stream: leave out {names}")
        from .._checkpoint.document import read

        kept: dict[str, Any] = {**options}
        self.accumulator, waiting = read(Accumulator, checkpoint, whole_events=begins == "event", **kept)
        self.events: list[Event] = waiting.get("events", [])
        self.calls = [call for call in waiting.get("calls", []) if isinstance(call, ToolCallDone)]
        numbers = self.accumulator.statistics()
        self.of_chunks = not numbers.bytes and numbers.events > 0
        self._what = "chunk" if self.of_chunks else "byte"
        self.total = self.left = 0 if begins != "start" else numbers.events if self.of_chunks else numbers.bytes

    def rest(self, item: Any, *, is_chunk: bool) -> Any:
        """Return what is left of an item of the source: None for a chunk that was read before."""
        if is_chunk != self.of_chunks:
            raise MisuseError(
                f"resume_from= is the checkpoint of a stream whose first {counted(self.total, self._what)} were read:"
                f" pass a source of {self._what}s, or begins='offset' for one that begins after them"
            )
        if is_chunk:
            self.left -= 1
            return None
        skipped = min(self.left, len(item))
        self.left -= skipped
        return item[skipped:]

    def refused(self, status: int) -> RemoteError:
        """Return the error for a response with this status, 400 or more, in place of the rest of the stream."""
        state = self.accumulator
        error = RemoteError("the sender refused the rest of the stream; the checkpoint can be used again")
        error.status, error.partial, error.emitted = status, state.snapshot(), state.emitted
        return error

    def ended_early(self) -> MisuseError:
        """Return the error for a source that ended before anything new."""
        return MisuseError(
            f"resume_from= skips the first {counted(self.total, self._what)}, which were read before, and this source ended"
            f" {self.left:,} before that: pass the source from its beginning, or begins='offset' for one that begins after"
            " them"
        )


show_fields(__name__)
