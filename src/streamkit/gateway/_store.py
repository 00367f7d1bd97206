"""What a store of shared streams keeps, and what it can do: the protocol that `MemoryStore` and `RedisStore` follow.

A log is one stream as its readers see it: a row of entries, numbered from 1. One writer appends, under a lease; any number of
readers in any process read after a number that they have. Cost: what is kept of a log is bounded by its bases (rule 3).

Rule 1  Numbers have no gaps and never begin again. A log that was dropped and made again under the same key has another
        `log` name, so that a number of the old one is never taken for one of the new.
Rule 2  Only the holder of the newest lease appends. A writer that was paused, and whose lease another one has taken since, gets
        `LeaseLostError`; a lease that ran out and that nobody took is taken up again by its next append.
Rule 3  A `base` says in one entry what all before it say. Readers that have all before it skip it, others begin with it.
        When one is appended, everything before the previous base (or snapshot) is dropped.
Rule 4  An append is repeated without harm: a client that lost the reply may send it again, and it counts once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

import attrs

from streamkit import StreamError

__all__ = (
    "CannotResumeError",
    "Claim",
    "Entry",
    "EntryKind",
    "Lease",
    "LeaseLostError",
    "Page",
    "Store",
    "Wait",
    "starts",
)

EntryKind = Literal["chunk", "base", "snapshot", "end"]
"""`chunk`: adds to what a reader has. `snapshot`: replaces it. `base`: the same as what a reader has. `end`: the last one."""

Wait: TypeAlias = Callable[[float], Awaitable[None]]
"""Called with seconds: returns when the log may have changed, at the latest after that many."""


@attrs.frozen
class Entry:
    """One entry of a log."""

    kind: EntryKind
    """What it does to what a reader has."""
    data: bytes
    """JSON: a chunk, a response (`null` for none), or how the stream ended."""
    checkpoint: bytes = b""
    """Of a base: what another writer continues with; empty where there is none. Readers never get it."""
    number: int = 0
    """Its place in the log, from 1; 0 before it is appended."""


@attrs.frozen
class Lease:
    """The right to append to a log, for as long as it is renewed."""

    key: str
    """Of the log."""
    log: str
    """Name of the log, another one each time that the key is used anew."""
    token: int
    """Counts the leases of the log: the newest counts."""


@attrs.frozen
class Claim:
    """What a store answers to a writer that wants to append."""

    lease: Lease | None
    """None where another writer has it, or the log has ended."""
    last: int = 0
    """Number of the last entry, 0 for none."""
    entries: tuple[Entry, ...] = ()
    """From the newest base or snapshot on; empty while another writer has the lease."""
    busy: float = 0.0
    """Seconds for which another writer has the lease; 0 where none has."""

    @property
    def over(self) -> bool:
        """Return whether the log has ended."""
        return bool(self.entries) and self.entries[-1].kind == "end"


@attrs.frozen
class Page:
    """What a store answers to a reader."""

    log: str
    """Name of the log."""
    last: int
    """Number of the last entry that it has, 0 for none: there may be more of them than are in this page."""
    entries: tuple[Entry, ...]
    """Those that follow what the reader has, in order; from the newest base or snapshot on where `fresh`."""
    fresh: bool
    """Whether nothing that the reader may have counts: it begins with these entries."""
    lease: float
    """Seconds for which a writer has the lease; 0 where none has."""
    over: bool
    """Whether the log has ended: with number `last`."""


class LeaseLostError(StreamError):
    """Another writer has taken the lease, or the log is gone: what was to be appended was not."""


class CannotResumeError(StreamError):
    """The upstream cannot resume this stream any more. Raise it from the `open` of `SharedStreams.ensure`."""


class Store(Protocol):
    """Keeps logs. All methods may be called from any task of one event loop."""

    async def claim(self, key: str, seconds: float) -> Claim:
        """Take the lease on the log of `key` for that many seconds, if no other writer has it; make the log if there is none."""

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keep the lease for that many seconds from now. Raises `LeaseLostError`."""

    async def append(self, lease: Lease, after: int, entries: Sequence[Entry], seconds: float) -> int:
        """Append `entries` after the one numbered `after`, the last, and renew the lease; return the number of the new last
        one. An `end` returns the lease. Raises `LeaseLostError`."""

    async def release(self, lease: Lease) -> None:
        """Return the lease, so that another writer can take it at once; nothing where it was lost."""

    async def read(self, key: str, log: str, after: int) -> Page | None:
        """Return what follows number `after` of the log named `log` (empty for a reader that has nothing), at once; at most
        a few hundred entries. None where there is no log of that key."""

    def watch(self, key: str) -> AbstractAsyncContextManager[Wait]:
        """Return a context in which changes of the log are noticed; what it yields waits for the next."""

    async def aclose(self) -> None:
        """Close what the store has opened itself."""


def starts(kind: EntryKind) -> bool:
    """Return whether a reader that has nothing may begin with such an entry."""
    return kind in ("base", "snapshot")
