"""How long a stream may keep its reader waiting. Pure: it reads no clock, times are handed in.

`Deadlines` is what the caller asks for; a `Watch` holds it against one stream. All times are seconds of one clock.

Rule 1  `first_byte`, `first_output` and `total` run from the sending of the request where the caller says when that
        was, else from the making of the stream, whatever the reader does in between.
Rule 2  `idle` counts only time spent waiting for the source: a caller that takes a minute over an event has not been kept waiting.
Rule 3  Data resets `idle`; keep-alives (comments, pings) do not, unless `keep_alives_count`. Some gateways send a
        comment each second for as long as the model that they wait for is stuck.
Rule 4  A deadline that was met is done with. Of several, the one that passes first counts.
"""

from __future__ import annotations

import attrs

from .._arguments import bool_field, number, seconds
from .._field_docs import show_fields
from ..errors import DeadlineError, MisuseError, shown

__all__ = ("Deadlines", "Watch")


def _positive(_: object, attribute: attrs.Attribute[float | None], value: object) -> None:
    if value is not None and not (seconds(value) and value):
        raise MisuseError(f"Deadlines({attribute.name}=...) takes seconds, finite and more than 0, not {shown(value)}")


@attrs.frozen(kw_only=True)
class Deadlines:
    """Over any of these the source is closed and the stream fails with a `DeadlineError`; what had arrived stays.

    Seconds, None for none. None is set by default, and a stream without deadlines waits for ever for a sender that stalls,
    unless its client has a timeout: httpx has one of 5 seconds for each read, requests, urllib3, urllib and aiohttp have
    none for a silence in mid-stream, or one of minutes.

    A sender that is silent, or sends nothing but keep-alives, passes `idle`. A slow loris, which sends a byte now and
    then, never does, as each byte is data, and passes no client's timeout either: `first_output` sees it until the first
    output, `total` sees it at any time.

    Async, a read is broken off when a deadline passes. Sync, a blocking read cannot be: the deadlines are checked before
    and after each one, so a silent sender is noticed when it speaks again. Give the client a read timeout too, or let
    another thread call `close()`.
    """

    first_byte: float | None = attrs.field(default=None, validator=_positive)
    """Seconds until any byte arrives, a keep-alive's too."""
    first_output: float | None = attrs.field(default=None, validator=_positive)
    """Seconds until any output arrives: text, reasoning, a refusal, a tool call, audio."""
    idle: float | None = attrs.field(default=None, validator=_positive)
    """Seconds of waiting without data, at any point of the stream."""
    total: float | None = attrs.field(default=None, validator=_positive)
    """Seconds until the stream has ended."""
    keep_alives_count: bool = attrs.field(default=False, validator=bool_field)
    """Whether keep-alives reset `idle`, too."""

    def watch(self, start: float) -> Watch | None:
        """Return what holds these against a stream that began at `start`, in seconds of the caller's clock; None where
        no deadline is set. For what reads a source by itself; a `ChatStream` does this."""
        if not number(start):
            raise MisuseError(f"start takes a time by the caller's clock, in seconds, not {shown(start)}")
        return None if self == Deadlines(keep_alives_count=self.keep_alives_count) else Watch(self, start)


_SENTENCES = {
    "first_byte": "nothing arrived within {} s",
    "first_output": "no output arrived within {} s",
    "idle": "no data arrived for {} s",
    "total": "the stream had not ended after {} s",
}


class Watch:
    """Holds `Deadlines` against one stream that began at `start`.

    Around each read: `left(now)` before, `late(now)` after, then `came(...)` with what the read returned.
    """

    __slots__ = ("_began", "_byte", "_deadlines", "_output", "_start", "_waited")

    def __init__(self, deadlines: Deadlines, start: float) -> None:
        self._deadlines = deadlines
        self._start = start
        self._began = start  # the read that is under way, or the last one
        self._waited = 0.0  # for the source since the last data, all reads before this one together
        self._byte = self._output = False  # whether the first one has arrived

    def left(self, now: float) -> tuple[str, float] | None:
        """Begin a read; return the deadline that passes first, and in how many seconds (0 or less: it has). None for none."""
        self._began = now
        return self.nearest(now)

    def nearest(self, now: float) -> tuple[str, float] | None:
        """Return the same as `left`, while a read is under way."""
        return min(self._all(now), key=lambda one: one[1], default=None)

    def late(self, now: float) -> str | None:
        """End the read that began with `left`; return the deadline that has passed by `now`, None for none."""
        nearest = self.nearest(now)
        return nearest[0] if nearest is not None and nearest[1] <= 0 else None

    def came(self, now: float, *, data: bool, output: bool) -> None:
        """Note that the read returned something. `data`: more than keep-alives; `output`: any output has arrived so far."""
        self._byte = True
        self._output = self._output or output
        resets = data or self._deadlines.keep_alives_count
        self._waited = 0.0 if resets else self._waited + now - self._began
        self._began = now

    def error(self, name: str) -> DeadlineError:
        """Return the error that says that the deadline `name` has passed."""
        seconds = getattr(self._deadlines, name)
        return DeadlineError(_SENTENCES[name].format(f"{seconds:g}"), deadline=name, seconds=seconds)

    def _all(self, now: float) -> list[tuple[str, float]]:
        """Return each deadline that is not met yet, with the seconds that are left of it."""
        wanted, gone = self._deadlines, now - self._start
        found = []
        if wanted.first_byte is not None and not self._byte:
            found.append(("first_byte", wanted.first_byte - gone))
        if wanted.first_output is not None and not self._output:
            found.append(("first_output", wanted.first_output - gone))
        if wanted.idle is not None:
            found.append(("idle", wanted.idle - self._waited - (now - self._began)))
        if wanted.total is not None:
            found.append(("total", wanted.total - gone))
        return found


show_fields(__name__)
