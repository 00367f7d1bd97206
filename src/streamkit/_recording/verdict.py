"""What a server was asked, and what its clients did after something went wrong.

In: each request when it arrives, and how its answer ended. Out: `ServedRequest`s, and a `Verdict` for each answer that failed.
Costs a small value a request; the last `KEPT` are kept, and of their bodies `KEPT_BYTES`.

Rule 1  A failure is an answer with a fault in it, of a status from 400 on, or that did not end as HTTP says.
Rule 2  The retry of a request is the next one that is the same (`matching`) and arrived after its client could know of the
        failure: of a status from 400 on by its head, since few clients wait for the body of an error, else by its end.
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import attrs

from .._field_docs import show_fields

__all__ = ("KEPT", "KEPT_BYTES", "Served", "ServedRequest", "Verdict")

KEPT = 10_000
KEPT_BYTES = 64 * 1024 * 1024


@attrs.frozen(kw_only=True)
class ServedRequest:
    """A request to a `TraceServer`, and how it was answered so far."""

    number: int
    """From 1 on, in the order of arrival."""
    t: float
    """Seconds since the server was started."""
    method: str
    """Its method."""
    path: str
    """Its path with its query."""
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False, default=())
    """Its headers in the spelling received; credentials among them."""
    body: bytes = attrs.field(repr=False, default=b"")
    """Its body. Of requests long ago, or of many large ones, empty."""
    trace: str = ""
    """The name of the trace that answers it, empty where none does."""
    status: int | None = None
    """The status of the answer, None where the connection broke before."""
    fault: str = ""
    """What was made to go wrong, as a text; empty for nothing."""
    retry_after: float | None = None
    """The seconds that the answer asked to wait, None where it did not."""
    head_t: float | None = None
    """When the head of its answer was sent, None where it was not."""
    ended: str = "open"
    """"open": it is still being answered. "eof", "incomplete", "reset": how its answer ended, noted before its client can know.
    "left": the client left first, noted soon after."""
    end_t: float | None = None
    """When that was."""
    lag: float = 0.0
    """By how many seconds the latest of its blocks was late."""
    key: str = attrs.field(repr=False, default="")
    """Equal for requests that are the same."""

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def failed(self) -> bool:
        """Whether its answer was a failure (of a trace, not a refusal of the server)."""
        status = 200 if self.status is None else self.status
        return bool(self.trace) and (bool(self.fault) or status >= 400 or self.ended in ("incomplete", "reset"))

    @property
    def _known_t(self) -> float | None:
        """From when on its client could know how it went (rule 2)."""
        return self.head_t if self.head_t is not None and (self.status or 0) >= 400 else self.end_t


@attrs.frozen(kw_only=True)
class Verdict:
    """What a client did after an answer that failed."""

    request: ServedRequest
    """The request, and how its answer ended."""
    retry: ServedRequest | None
    """The same request again, None where it was not sent again."""

    @property
    def retried(self) -> bool:
        """Whether it was sent again."""
        return self.retry is not None

    @property
    def after(self) -> float | None:
        """Seconds from the failure (the head of a status from 400 on, else the end) to the retry, None where there was none."""
        known = self.request._known_t
        return None if self.retry is None or known is None else self.retry.t - known

    @property
    def too_early(self) -> bool:
        """Whether it was sent again before the time that the answer had asked to wait."""
        asked = self.request.retry_after
        return self.after is not None and asked is not None and self.after < asked

    def __str__(self) -> str:
        one = self.request
        what = one.fault or (f"status {one.status}" if one.status and one.status >= 400 else one.ended)
        said = f"request {one.number} ({one.trace}): {what}: "
        if self.retry is None or self.after is None:
            return said + "not sent again"
        wait = (
            ""
            if one.retry_after is None
            else f", {'before' if self.too_early else 'after'} the {one.retry_after:g} s asked"
        )
        return f"{said}sent again {self.after:.2f} s later{wait}"


class Served:
    """The requests of a server. One thread notes, any thread reads."""

    def __init__(self) -> None:
        self._all: deque[ServedRequest] = deque(maxlen=KEPT)
        self._count = 0
        self._bytes = 0

    def add(self, **known: Any) -> ServedRequest:
        """Note a request that has arrived."""
        self._count += 1
        if len(self._all) == KEPT:
            self._bytes -= len(self._all[0].body)
        one = ServedRequest(number=self._count, **known)
        self._all.append(one)
        self._bytes += len(one.body)
        at = 0
        while self._bytes > KEPT_BYTES and at < len(self._all):  # the oldest first
            old = self._all[at]
            self._bytes -= len(old.body)
            self._all[at] = attrs.evolve(old, body=b"")
            at += 1
        return one

    def note(self, one: ServedRequest, **known: Any) -> ServedRequest:
        """Note what has become known of a request; return it as it is now."""
        at = one.number - 1 - (self._count - len(self._all))
        if at < 0:
            return attrs.evolve(one, **known)
        changed = self._all[at] = attrs.evolve(self._all[at], **known)
        return changed

    def requests(self) -> tuple[ServedRequest, ...]:
        """Return all that are kept."""
        while True:
            try:
                return tuple(self._all)
            except RuntimeError:  # one arrived meanwhile, in the thread of the server
                continue

    def verdict(self) -> tuple[Verdict, ...]:
        """Return what followed on each failure."""
        same: dict[str, list[ServedRequest]] = {}
        found = []
        for one in reversed(self.requests()):
            later = same.setdefault(one.key, [])  # the latest first
            if one.failed:
                known = one._known_t
                after = [other for other in later if known is not None and other.t >= known]
                found.append(Verdict(request=one, retry=after[-1] if after else None))
            later.append(one)
        return tuple(reversed(found))


show_fields(__name__)
