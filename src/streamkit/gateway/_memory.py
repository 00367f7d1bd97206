"""Shared streams kept in this process: for one worker, and for tests. The default.

Cost: O(1) an entry appended; a read costs what it returns; a claim looks at every log for those that are old.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import attrs
from anyio.lowlevel import checkpoint

from streamkit import MisuseError

from ._store import Claim, Entry, Lease, LeaseLostError, Page, Wait, starts

__all__ = ("EXPIRY", "PAGE", "MemoryStore", "check_seconds")

EXPIRY = (
    3600.0  # seconds after its last change: a page that was closed in the evening is not waited for until the morning
)
PAGE = 256  # entries in one answer: a reader holds one of them at a time


def check_seconds(name: str, value: object) -> None:
    """Raise `MisuseError` for what is not a number of seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise MisuseError(f"{name}= takes seconds above 0, not {value!r}")


class _Log:
    """One log."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)
        self.token = 0
        self.entries: list[Entry] = []
        self.first = 1  # number of the first that is kept
        self.base = 0  # number of the newest base or snapshot
        self.until = 0.0  # when the lease runs out
        self.changed = 0.0

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1

    @property
    def over(self) -> bool:
        return bool(self.entries) and self.entries[-1].kind == "end"

    def since(self, number: int, most: int | None = None) -> tuple[Entry, ...]:
        at = max(number - self.first, 0)
        return tuple(self.entries[at : None if most is None else at + most])


class MemoryStore:
    """Keeps logs in this process. `expiry`: seconds for which a log is kept after its last change (an hour). `clock`: returns
    the time in seconds."""

    def __init__(self, *, expiry: float = EXPIRY, clock: Callable[[], float] = time.monotonic) -> None:
        check_seconds("expiry", expiry)
        if not callable(clock):
            raise MisuseError(f"clock= takes a function that returns seconds, not {clock!r}")
        self._expiry, self._clock = expiry, clock
        self._logs: dict[str, _Log] = {}
        self._bells: dict[str, set[anyio.Event]] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore logs={len(self._logs)}>"

    async def claim(self, key: str, seconds: float) -> Claim:
        """Take the lease on the log of `key`, see `Store.claim`."""
        now = self._clock()
        self._drop_old(now)
        log = self._logs.setdefault(key, _Log())
        if log.over:
            return Claim(None, log.last, log.since(log.base or 1))
        if log.until > now:
            return Claim(None, log.last, busy=log.until - now)
        log.token += 1
        log.until, log.changed = now + seconds, now
        return Claim(Lease(key, log.name, log.token), log.last, log.since(log.base or 1))

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keep the lease, see `Store.renew`."""
        log, now = self._held(lease), self._clock()
        log.until, log.changed = now + seconds, now

    async def append(self, lease: Lease, after: int, entries: Sequence[Entry], seconds: float) -> int:
        """Append entries, see `Store.append`."""
        log = self._held(lease)
        if log.last != after:
            raise LeaseLostError(f"the log ends with {log.last}, not with {after}")
        for entry in entries:
            log.entries.append(attrs.evolve(entry, number=log.last + 1))
            if starts(entry.kind):
                if log.base:
                    del log.entries[: log.base - log.first]
                    log.first = log.base
                log.base = log.last
        now = self._clock()
        log.until, log.changed = (0.0 if log.over else now + seconds), now
        self._ring(lease.key)
        last = log.last
        await checkpoint()  # a source that never waits would keep readers from their turn
        return last

    async def release(self, lease: Lease) -> None:
        """Give the lease back, see `Store.release`."""
        try:
            self._held(lease).until = 0.0
        except LeaseLostError:
            return
        self._ring(lease.key)

    async def read(self, key: str, log: str, after: int) -> Page | None:
        """Return what follows, see `Store.read`."""
        found = self._logs.get(key)
        if found is None:
            return None
        fresh = log != found.name or not found.first - 1 <= after <= found.last
        entries = found.since((found.base or 1) if fresh else after + 1, PAGE)
        return Page(found.name, found.last, entries, fresh, max(found.until - self._clock(), 0.0), found.over)

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[Wait]:
        """Notice changes, see `Store.watch`."""
        bells = self._bells.setdefault(key, set())
        bell = anyio.Event()
        bells.add(bell)

        async def wait(seconds: float) -> None:
            nonlocal bell
            with anyio.move_on_after(seconds):
                await bell.wait()
            bells.discard(bell)
            bell = anyio.Event()
            bells.add(bell)

        try:
            yield wait
        finally:
            bells.discard(bell)
            if not bells and self._bells.get(key) is bells:
                del self._bells[key]

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""

    def _held(self, lease: Lease) -> _Log:
        log = self._logs.get(lease.key)
        if log is None or (log.name, log.token) != (lease.log, lease.token) or log.over:
            raise LeaseLostError(f"another writer has the lease on {lease.key!r}, or the log is gone")
        return log

    def _ring(self, key: str) -> None:
        for bell in self._bells.get(key, ()):
            bell.set()

    def _drop_old(self, now: float) -> None:
        for key in [key for key, log in self._logs.items() if now - log.changed > self._expiry and log.until <= now]:
            del self._logs[key]
