"""What waits for one subscriber of a broadcast: a bounded row of events, and what happens when it is full.

In: events in the order of their sequence. Out: the same, or fewer that say as much. It waits for nobody and locks
nothing: `put` says whether there was room, and the reader of the source decides what to do about that.

Rule 1  `wait`: every event, and the source waits for this subscriber.
Rule 2  `drop`: when the row is full, what was not read is dropped, and a `Snapshot` of that moment, which has all of
        it, takes its place when the subscriber reads on. Nothing is kept for it until then.
Rule 3  `coalesce`: a text delta joins the one of the same part that still waits, keeping its sequence number. What
        cannot be joined may fill the row too; then rule 2.
Rule 4  The ending event is never refused and never dropped.

Cost: O(1) an event; text that waits is in lists, joined when it is read. A snapshot costs one join of the response.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from .._arguments import whole
from .._field_docs import show_fields
from ..errors import MisuseError, shown
from ..events import TEXT_DELTAS, End, Event
from ..types import CreateChatCompletionResponse

__all__ = ("Item", "Mailbox", "Slow", "Snapshot", "after", "check_buffer", "describe_box")

Slow: TypeAlias = Literal["wait", "drop", "coalesce"]
"""What happens when a subscriber is slow: the source waits, a snapshot replaces what waits, or text deltas are joined."""


@attrs.frozen(weakref_slot=False)
class Snapshot:
    """Fired first for a subscriber that joins late, and for one that was too slow in place of the events that it missed."""

    sequence: int
    """Number of the next event: every one before it is in the response. The ending event follows in any case."""
    response: CreateChatCompletionResponse | None
    """The response so far; None before the first chunk."""


Item: TypeAlias = Event | Snapshot
"""What a subscriber gets."""


class _Joined:
    """Text deltas of one part, waiting as one."""

    __slots__ = ("field", "first", "path_events", "texts")

    def __init__(self, first: Any, field: str) -> None:
        self.first = first
        self.field = field
        self.texts = [getattr(first, field)]
        self.path_events: list[Any] = []  # of those that follow

    def add(self, event: Any) -> None:
        self.texts.append(getattr(event, self.field))
        self.path_events += getattr(event, "path_events", ())

    def event(self) -> Any:
        if len(self.texts) == 1:
            return self.first
        joined: dict[str, Any] = {self.field: "".join(self.texts)}
        if self.path_events:
            joined["path_events"] = (*self.first.path_events, *self.path_events)
        return attrs.evolve(self.first, **joined)


def check_buffer(room: object) -> None:
    """Raise `MisuseError` for what is not a number of events."""
    if not whole(room, 1):
        raise MisuseError(f"buffer= takes a number of events from 1, not {shown(room)}")


class Mailbox:
    """put(event) until it is full, take() until it is empty, which it is for good once `ended`."""

    __slots__ = ("_joining", "_row", "_snapshot", "behind", "closed", "dropped", "ended", "room", "since", "slow")

    def __init__(self, slow: Slow, room: int, snapshot: Callable[[], Snapshot]) -> None:
        if slow not in ("wait", "drop", "coalesce"):
            raise MisuseError(f'slow= takes "wait", "drop" or "coalesce", not {shown(slow)}')
        check_buffer(room)
        self.slow = slow
        self.room = room
        self.since = 0  # number of the first event that this subscriber does not have from a snapshot
        self.behind = False  # whether a snapshot takes the place of what waits
        self.dropped = 0  # events that were not delivered, but are in a snapshot
        self.ended = False  # whether the ending event has been taken
        self.closed = False  # whether the subscriber has left: nothing is kept then
        self._row: deque[Any] = deque()
        self._joining: dict[tuple[Any, ...], _Joined] = {}
        self._snapshot = snapshot

    def __len__(self) -> int:
        return len(self._row)

    @property
    def over(self) -> bool:
        """Whether nothing more can be taken."""
        return self.closed or self.ended

    @property
    def ready(self) -> bool:
        """Whether there is something to take."""
        return bool(self._row) or self.behind

    def close(self) -> None:
        """Note that the subscriber has left."""
        self.closed, self.behind = True, False
        self._row.clear()
        self._joining.clear()

    def join(self) -> None:
        """Begin with a snapshot of this moment, if anything has arrived."""
        first = self._snapshot()
        self.since = first.sequence
        if first.response is not None:
            self._row.append(first)

    def put(self, event: Event, anyway: bool = False) -> bool:
        """Keep an event; False where there is no room and the source has to wait. Then try again, or keep it anyway."""
        if self.closed:
            return True
        if isinstance(event, End):
            self._row.append(event)
            return True
        if event.sequence < self.since:
            return True
        if self.behind:
            self.dropped += 1
            return True
        field = TEXT_DELTAS.get(type(event)) if self.slow == "coalesce" else None
        if field is not None and self._join(event):
            return True
        if len(self._row) >= self.room and not anyway:
            if self.slow == "wait":
                return False
            self.dropped += 1 + sum(len(one.texts) if isinstance(one, _Joined) else 1 for one in self._row)
            self._row.clear()
            self._joining.clear()
            self.behind = True
            return True
        if self.slow != "coalesce":
            self._row.append(event)
        elif field is None:
            self._part_over(event)
            self._row.append(event)
        else:
            self._joining[_part(event)] = joined = _Joined(event, field)
            self._row.append(joined)
        return True

    def _join(self, event: Any) -> bool:
        waiting = self._joining.get(_part(event))
        if waiting is None:
            return False
        waiting.add(event)
        return True

    def _part_over(self, event: Any) -> None:
        """Stop joining: after any other event of a choice, a delta does not join those before, as a part may be done."""
        choice = getattr(event, "choice", None)
        if choice is not None:
            for part in [one for one in self._joining if one[1] == choice]:
                del self._joining[part]

    def take(self) -> Item:
        """Return the next item; only where `ready`."""
        if self.behind:
            self.behind = False
            now = self._snapshot()
            self.since = now.sequence
            return now
        item = self._row.popleft()
        if isinstance(item, _Joined):
            self._joining = {part: one for part, one in self._joining.items() if one is not item}
            item = item.event()
        self.ended = isinstance(item, End)
        return item  # type: ignore[no-any-return]


def _part(event: Any) -> tuple[Any, ...]:
    return type(event), event.choice, getattr(event, "call", None)


def after(events: Sequence[Event]) -> int:
    """Return the number of the event that follows a snapshot taken after `events`: the ending one's, if that is the last."""
    return events[-1].sequence + (not isinstance(events[-1], End))


def describe_box(owner: object, box: Mailbox) -> str:
    """Return the `repr` of a subscriber: its state, and how much waits for it. Takes no lock and changes nothing."""
    state = "ended" if box.ended else "closed" if box.closed else "running"
    return f"<{type(owner).__name__} {state} waiting={len(box)} dropped={box.dropped} slow={box.slow!r}>"


show_fields(__name__)
