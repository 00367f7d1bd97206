"""The one writer of a log: reads a source, and appends what its readers are to see.

In: a claim on a log, and blocks of a source. Out: entries in the store: a chunk for each event as it arrives, a base now and then,
at the end the whole response and how the stream ended.

Rule 1  A base is appended when the chunks since the last one have as many bytes as it and as `keep`: so the log keeps at most a
        few times the response, and all bases together cost at most twice as much as the chunks.
Rule 2  A base of a stream that can be continued has a checkpoint. Another writer restores it, reads on at its byte, and makes
        the chunks that follow it again: those that the log has already are compared and not appended, so that each is there
        once. Where one differs, the upstream has answered anew: a snapshot replaces all that readers have. A writer that fails
        before it has made again what the log has leaves that as the response: 503 for the second request wipes no page.
Rule 3  The log is appended to before the next block is read: a store that is slow slows the upstream, and nothing piles up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from streamkit import (
    Accumulator,
    Dialect,
    Limits,
    MisuseError,
    Outcome,
    SourceError,
    ValidationError,
    dumps,
    loads,
    to_chunks,
)
from streamkit.events import Event
from streamkit.sources import AsyncBlocks
from streamkit.types import CreateChatCompletionResponse

from ._chunks import ChunksOf
from ._store import Claim, Entry, Lease, Store, starts
from ._wire import outcome_of, said_of

__all__ = ("LogWriter", "folded")


class LogWriter:
    """take(block) for each block that follows byte `offset`, then end(outcome)."""

    def __init__(
        self, store: Store, claim: Claim, *, lease: float, keep: int, resumes: bool, limits: Limits, dialect: Dialect
    ) -> None:
        assert claim.lease is not None
        self.lease: Lease = claim.lease
        self._store, self._seconds, self._keep, self._resumes = store, lease, keep, resumes
        self._last, self._doubt = claim.last, False
        self._options: dict[str, Any] = {"limits": limits, "dialect": dialect}
        self.accumulator = Accumulator(**self._options)
        base = claim.entries[0] if claim.entries and starts(claim.entries[0].kind) else None
        said = claim.entries[1:] if base is not None else claim.entries
        self._differs = False  # whether readers have what this writer does not make again
        if base is not None:
            try:
                self.accumulator = Accumulator.restore(base.checkpoint if resumes else b"", limits=limits)
            except ValidationError:  # there is none, or one that this release cannot read
                self._differs, said = True, ()
        self.offset: int = self.accumulator.statistics().bytes
        self._expected = deque(entry.data for entry in said)  # what the log has and this writer makes again
        self._log: Sequence[Entry] = claim.entries  # until that is made, or replaced
        self.response: CreateChatCompletionResponse | None = None  # of a stream that is over, as readers have it
        self._since = 0  # bytes of chunks since the base
        self._base = 0 if base is None else len(base.data) + len(base.checkpoint)
        self._chunks = ChunksOf(self.accumulator)

    def begin_again(self) -> None:
        """Take what follows for a stream from its beginning, which replaces what readers have."""
        self.accumulator = Accumulator(**self._options)
        self._chunks = ChunksOf(self.accumulator)
        self._expected.clear()
        self.offset, self._differs = 0, True

    def check(self, blocks: AsyncBlocks) -> None:
        """Raise an error for a source that does not continue at the byte `offset`."""
        if self.offset and (blocks.status or 0) >= 400:
            raise SourceError(f"the upstream did not continue at byte {self.offset}: HTTP {blocks.status}")

    async def take(self, item: Any, is_chunk: bool) -> None:
        """Read a block, or a chunk that an SDK decoded, and append what it says."""
        if is_chunk and self._resumes:
            raise MisuseError("open= returns a source of bytes, or pass resumes=False: chunks of an SDK have no offset")
        await self._put(self.accumulator.add(item) if is_chunk else self.accumulator.feed(item))

    async def _put(self, events: Sequence[Event]) -> None:
        made = self._new(events)
        if self._differs:
            if not self.accumulator.statistics().chunks:  # a comment, the half of an event, or an error's body
                return
            self._differs = False
            await self._append([self._entry("snapshot")])
        elif made:
            if self._since >= max(self._keep, self._base):
                made.append(self._entry("base"))
            await self._append(made)
        if not self._behind:
            self._log = ()

    async def end(self, outcome: Outcome) -> None:
        """Append the end: the chunks of its last events, the whole response, how it ended."""
        made = self._new(outcome.events)
        self.response = self.accumulator.snapshot()
        whole = self.accumulator.dumps()
        if not outcome.ok and self._behind:
            self.response = folded(self._log)[0]
            whole = None if self.response is None else dumps(self.response)
        await self._append([*made, Entry("snapshot", whole or b"null"), Entry("end", said_of(outcome))])

    @property
    def _behind(self) -> bool:
        """Whether the log has what this writer has neither made again nor replaced."""
        return bool(self._expected) or self._differs

    async def renew(self) -> None:
        """Keep the lease."""
        await self._store.renew(self.lease, self._seconds)

    def _new(self, events: Sequence[Event]) -> list[Entry]:
        made = deque(self._chunks.take(events))
        self._since += sum(map(len, made))
        while made and self._expected and not self._differs:
            self._differs = made.popleft() != self._expected.popleft()
        if self._differs:
            self._expected.clear()
            made.clear()
        return [Entry("chunk", data) for data in made]

    def _entry(self, kind: Any) -> Entry:
        checkpoint = self.accumulator.checkpoint() if self._resumes else b""
        entry = Entry(kind, self.accumulator.dumps() or b"null", checkpoint)
        self._base, self._since = len(entry.data) + len(checkpoint), 0
        return entry

    async def _append(self, entries: list[Entry]) -> None:
        if self._doubt:  # cancelled between a change and its reply: it is there, or it is not
            page = await self._store.read(self.lease.key, self.lease.log, self._last)
            self._last = self._last if page is None else page.last
        self._doubt = True
        self._last = await self._store.append(self.lease, self._last, entries, self._seconds)
        self._doubt = False


def folded(entries: Sequence[Entry]) -> tuple[CreateChatCompletionResponse | None, Outcome | None]:
    """Return the response that these entries make, from a base or the first one on, and how it ended if it has."""
    accumulator, outcome = Accumulator(), None
    response: CreateChatCompletionResponse | None = None
    chunks = 0
    for entry in entries:
        if entry.kind == "end":
            outcome = outcome_of(entry)
        elif starts(entry.kind):
            accumulator, chunks = Accumulator(), 0
            response = None if entry.data == b"null" else _response(entry.data)
        else:
            if not chunks and response is not None:
                for chunk in to_chunks(response):
                    accumulator.add(chunk)
            chunks += 1
            accumulator.add(loads(entry.data, dict))
    return (accumulator.snapshot() if chunks else response), outcome


def _response(data: bytes) -> CreateChatCompletionResponse:
    return loads(data, CreateChatCompletionResponse, tolerant=True)
