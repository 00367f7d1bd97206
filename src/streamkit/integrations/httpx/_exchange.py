"""A stream that is read and written clean: what the sync and the async body have in common. No I/O.

In: the result of each read of the body, by one of five verbs: `take` (a block), `end` (no more), `broke` (an exception), `passed`
(a deadline), `leave` (the reader left). Out: the bytes to forward; after the last, what is `raised`; and one `Ended`.

Rule 1  What the sender reported as an error is forwarded as an error event, which every SDK raises in its own words.
Rule 2  A source that broke, a deadline, and what `Clean(…="raise")` asks for are raised as an exception of the client's
        library, with ours as its cause, so that the retries and the error classes of an SDK work. What the source raised is
        raised as the same class again. A stream that was complete by then is not broken.
"""

from __future__ import annotations

from streamkit import SourceError, StreamError
from streamkit.sources import end_stream

from ._asked import Asked
from ._raising import again, made

__all__ = ("Exchange",)


class Exchange(Asked):
    """A request whose answer is a stream."""

    def left(self) -> float | None:
        """Begin a read; return how many seconds it may take, None for any number."""
        nearest = None if self._watch is None else self._watch.left(self._options.clock())
        return None if nearest is None else max(nearest[1], 0.0)

    def take(self, block: bytes) -> bytes:
        """Take a block of the source; return the bytes to forward."""
        if self.over:
            return b""
        if self._watch is not None or self._options.on_end is not None:
            return self._take_timed(block)
        events = self._cleaner.feed(block)  # nothing else: this is what every chunk of most streams costs
        if self._accumulator.done:
            return b"".join(events) + self.end()
        return events[0] if len(events) == 1 else b"".join(events)

    def _take_timed(self, block: bytes) -> bytes:
        now = self._times.now()
        events = self._cleaner.feed(block)
        self._times.seen(now, self._accumulator)
        if self._accumulator.done:
            return b"".join(events) + self.end()
        if self._watch is not None:
            if (late := self._watch.late(now)) is not None:
                return b"".join(events) + self.passed(late)
            data = any(not event.startswith(b":") for event in events) or not events
            self._watch.came(now, data=data, output=self._accumulator.emitted)
        return b"".join(events)

    def end(self) -> bytes:
        """End the body: the source has no more, or the stream has ended; return the last bytes."""
        if self.over:
            return b""
        end_stream(self._accumulator, status=self._status)
        return self._finish()

    def broke(self, error: Exception) -> bytes:
        """Note that the source raised `error` while it was read; return the last bytes."""
        if self.over:
            return b""
        late = None if self._watch is None else self._watch.late(self._options.clock())
        if late is not None:  # the client's own timeout, or it broke while all was waiting
            return self.passed(late, error)
        outcome = end_stream(self._accumulator, error, status=self._status)
        if outcome.error is None:  # complete, or the sender had reported an error
            return self._finish()
        return self._finish(
            again(self.library, error, outcome.error, self._request), nothing_arrived=not self._accumulator.progress[1]
        )

    def passed(self, name: str | None = None, cause: Exception | None = None) -> bytes:
        """Fail the stream, since a deadline passed, the one of that name or the nearest; return the last bytes."""
        assert self._watch is not None
        nearest = self._watch.nearest(self._options.clock())
        name = name or (nearest[0] if nearest is not None else "total")
        error = self._watch.error(name)
        error.__cause__ = cause
        self._accumulator.fail(error, f"deadline_{name}")
        return self._finish(made(self.library, "ReadTimeout", error, self._request), nothing_arrived=True)

    def failed(self, error: StreamError) -> None:
        """Fail the stream: the body cannot be read, for the reason in `error`."""
        broken = SourceError(str(error))
        broken.__cause__ = error
        self._accumulator.fail(broken, "source_error")
        self._finish(made(self.library, "DecodingError", broken, self._request))

    def _finish(self, error: Exception | None = None, *, nothing_arrived: bool = False) -> bytes:
        """Write the last events. `nothing_arrived`: they would say only what is raised."""
        self.over = True
        events = self._cleaner.end()
        if error is None and (fault := self._cleaner.fault) is not None:
            error = made(self.library, "RemoteProtocolError", fault, self._request)
        self._error = error
        return b"" if nothing_arrived else b"".join(events)
