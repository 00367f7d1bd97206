"""A stream read with a checkpoint in the middle, and everything that can be seen of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from readings import facts_of
from streamkit import Accumulator, FormatError, RemoteError
from streamkit.events import End, ErrorSeen, Event

__all__ = ("ODD", "Seen", "at_each", "comparable", "interrupted", "members_of", "seen")


@attrs.frozen(eq=False)
class Seen:
    """All that can be seen of one stream, except into how many blocks it was cut."""

    events: list[Any]
    response: Any
    outcome: tuple[Any, ...]
    anomalies: tuple[Any, ...]
    numbers: tuple[Any, ...]
    usage_source: dict[str, Any]
    explained: list[Any]
    raised: list[Any]

    def __eq__(self, other: object) -> bool:
        # A NaN is not equal to itself, but it is written like itself.
        mine, others = attrs.astuple(self, recurse=False), attrs.astuple(other, recurse=False)  # type: ignore[arg-type]
        return mine == others or repr(mine) == repr(others)

    __hash__ = None  # type: ignore[assignment]


class Reader:
    """Feeds an accumulator, and keeps what it returns and raises."""

    def __init__(self, **options: Any) -> None:
        self.accumulator = Accumulator(**options)
        self._events: list[Any] = []
        self._raised: list[Any] = []
        self._blocks = 0

    def feed(self, block: bytes) -> None:
        self._blocks += bool(block)
        try:
            self._events += map(comparable, self.accumulator.feed(block))
        except (FormatError, RemoteError) as error:
            self._raised.append(facts_of(error))
            self._events += map(comparable, self.accumulator.outcome.events if self.accumulator.outcome else ())

    def restart(self, **options: Any) -> None:
        """Continue with what a checkpoint restores."""
        self.accumulator = Accumulator.restore(self.accumulator.checkpoint(), **options)

    def restarted(self) -> Reader:
        """Return another reader that continues with what a checkpoint of this one restores."""
        reader = Reader()
        reader.accumulator = Accumulator.restore(self.accumulator.checkpoint())
        reader._events, reader._raised, reader._blocks = self._events.copy(), self._raised.copy(), self._blocks
        return reader

    def close(self) -> Seen:
        """End the stream; return all that can be seen of it."""
        accumulator = self.accumulator
        open_before = not accumulator.done
        try:
            outcome = accumulator.close()
        except (FormatError, RemoteError) as error:
            self._raised.append(facts_of(error))
            outcome = accumulator.close()
        if open_before:
            self._events += map(comparable, outcome.events)
        numbers = accumulator.statistics()
        assert numbers.blocks == self._blocks
        response = accumulator.snapshot()
        calls = [
            accumulator.explain(choice.index, call)
            for choice in (response.choices if response else ())
            for call in range(len(choice.message.tool_calls or ()))
        ]
        return Seen(
            self._events,
            (response, _local(response)),
            (outcome.name, outcome.reason, facts_of(outcome.error)),
            accumulator.anomalies,
            (*attrs.astuple(attrs.evolve(numbers, blocks=0)), accumulator.emitted, accumulator.progress),
            accumulator.usage_source,
            calls,
            self._raised,
        )


def _local(response: Any) -> Any:
    """What is not compared of a response: whether its calls are complete, and have made-up ids."""
    return [
        (call.complete, call.synthetic_id)
        for choice in (response.choices if response else ())
        for call in choice.message.tool_calls or ()
    ]


def seen(blocks: Iterable[bytes], **options: Any) -> Seen:
    """Return all that can be seen of a stream that is read without an interruption."""
    reader = Reader(**options)
    for block in blocks:
        reader.feed(block)
    return reader.close()


def interrupted(stream: bytes, at: Iterable[int], *, again: dict[str, Any] | None = None, **options: Any) -> Seen:
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


def at_each(stream: bytes, places: Iterable[int], **options: Any) -> Iterator[tuple[int, Seen]]:
    """Yield, for each of these bytes in order, the same of a stream that is interrupted there. All checkpoints are of one
    accumulator."""
    reader = Reader(**options)
    start = 0
    for place in places:
        reader.feed(stream[start:place])
        restarted = reader.restarted()
        restarted.feed(stream[place:])
        yield place, restarted.close()
        start = place


def comparable(event: Event) -> Any:
    """Return an event in a form that can be compared, since errors are equal only to themselves."""
    if isinstance(event, ErrorSeen):  # two of its facts are set again at the end, which an earlier process does not see
        facts = {name: fact for name, fact in vars(event.error).items() if name not in ("partial", "emitted")}
        return "ErrorSeen", event.sequence, type(event.error), repr(facts)
    if isinstance(event, End):
        return "End", event.sequence, event.outcome, facts_of(event.outcome.error)
    return event


ODD: tuple[Any, ...] = (
    None, True, -1, 1.5, 2**70, "", "\ud83d", [], {}, [[]], {"$": ["number", "inf"]}, {"$": ["token", {}]}, {"$": 1},
    {"kind": "text"}, {"kind": "fields", "fields": {}}, {"kind": "extend", "items": [1]}, {"kind": "mixed", "items": []},
    ["content"], [0, 0], {"class": "RemoteError", "message": "x"},
)  # fmt: skip
"""Values that somebody may write in the place of any member of a checkpoint."""


def members_of(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document: its container and its key."""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        found += [(one, key) for key in keys]
        waiting += [one[key] for key in keys if isinstance(one[key], (dict, list))]
    return found
