"""A stream read with a checkpoint in the middle, and everything that can be seen of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from streamkit import Accumulator, FormatError, RemoteError
from streamkit.events import End, ErrorSeen, Event

from .corpus import facts_of

__all__ = ("interrupted", "seen")


class Reader:
    """Feeds an accumulator, and keeps what it returns and raises."""

    def __init__(self, **options: Any) -> None:
        self.accumulator = Accumulator(**options)
        self._events: list[Event] = []
        self._raised: list[Any] = []
        self._blocks = 0

    def feed(self, block: bytes) -> None:
        self._blocks += bool(block)
        try:
            self._events += self.accumulator.feed(block)
        except (FormatError, RemoteError) as error:
            self._raised.append(facts_of(error))
            self._events += self.accumulator.outcome.events if self.accumulator.outcome else ()

    def restart(self, **options: Any) -> None:
        """Go on with what a checkpoint of the accumulator restores."""
        self.accumulator = Accumulator.restore(self.accumulator.checkpoint(), **options)

    def close(self) -> tuple[Any, ...]:
        """End the stream; return all that can be seen of it, except the number of blocks."""
        accumulator = self.accumulator
        open_before = not accumulator.done
        try:
            outcome = accumulator.close()
        except (FormatError, RemoteError) as error:
            self._raised.append(facts_of(error))
            outcome = accumulator.close()
        if open_before:
            self._events += outcome.events
        numbers = accumulator.statistics()
        assert numbers.blocks == self._blocks
        response = accumulator.snapshot()
        calls = [
            accumulator.explain(choice.index, call)
            for choice in (response.choices if response else ())
            for call in range(len(choice.message.tool_calls or ()))
        ]
        return (
            [_comparable(event) for event in self._events],
            repr(response),
            (outcome.name, outcome.reason, facts_of(outcome.error)),
            accumulator.anomalies,
            (numbers.bytes, numbers.events, numbers.comments, numbers.chunks, numbers.unknown_fields, numbers.models),
            (accumulator.usage_source, accumulator.emitted, accumulator.progress),
            calls,
            self._raised,
        )


def seen(blocks: Iterable[bytes], **options: Any) -> tuple[Any, ...]:
    """Return all that can be seen of a stream that is read without an interruption."""
    reader = Reader(**options)
    for block in blocks:
        reader.feed(block)
    return reader.close()


def interrupted(stream: bytes, at: Iterable[int], *, again: dict[str, Any] | None = None, **options: Any) -> Any:
    """Return the same of a stream whose accumulator is replaced by a restored one at each of these bytes; `again`: the
    options that are passed to `restore`."""
    reader = Reader(**options)
    start = 0
    for place in at:
        reader.feed(stream[start:place])
        reader.restart(**(again or {}))
        start = place
    reader.feed(stream[start:])
    return reader.close()


def _comparable(event: Event) -> Any:
    if isinstance(event, ErrorSeen):  # its `partial` is set again at the end, which an earlier process does not see
        facts = {name: fact for name, fact in vars(event.error).items() if name != "partial"}
        return "ErrorSeen", event.sequence, type(event.error), repr(facts)
    if isinstance(event, End):
        return "End", event.sequence, event.outcome, facts_of(event.outcome.error)
    return repr(event)
