"""What a reader of a replay gets, and when: a trace on its way through pace, faults and cuts. Pure; every step is a new value.

In: a `Trace`. Out: a `Plan`, which the sources and transports play and a server can play. Times are seconds since the
request was sent, as in the trace until `schedule` makes them those of the replay.

Rule 1  `end` says what the reader meets after the last block: "eof", a clean end; "incomplete", the connection closed before
        HTTP's own end; "reset"; "timeout", the reader's own; "silence", nothing ever again.
Rule 2  A recording that stopped early (`end` "cancelled" or "unknown") ends cleanly where it stopped: what the sender would
        have said is not made up.
Rule 3  `head` None: the connection fails before the response began, and `end` says how. Of a trace whose head was not observed
        it arrives with the first block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from ..sources import each_unpacked
from ..trace import Block, Trace

__all__ = ("Plan", "placed", "plan_of", "split", "unpacked_trace")

_ENDS = ("eof", "incomplete", "reset", "timeout")


@attrs.frozen(kw_only=True)
class Plan:
    """One response as it will arrive."""

    status: int | None
    headers: tuple[tuple[str, str], ...]
    head: float | None
    """When the status and the headers arrive (rule 3)."""
    blocks: tuple[Block, ...]
    end: str
    """One of those of rule 1."""
    end_t: float
    """When it is met."""
    missing: int = 0
    """Bytes that HTTP's last chunk announced and that never arrive; 0 unless the connection breaks inside of one."""

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(block.data for block in self.blocks)


def plan_of(trace: Trace) -> Plan:
    """Return the plan that plays `trace` as it was recorded."""
    first = trace.blocks[0].t if trace.blocks else 0.0
    last = trace.blocks[-1].t if trace.blocks else 0.0
    head = first if trace.head_time is None else trace.head_time
    end = trace.end if trace.end in _ENDS else "eof"
    answered = trace.blocks or trace.headers or trace.status is not None or trace.head_time is not None
    return Plan(
        status=trace.status,
        headers=trace.headers,
        head=head if answered or end == "eof" else None,
        blocks=trace.blocks,
        end=end,
        end_t=max(last, head) if trace.end_time is None else trace.end_time,
    )


def unpacked_trace(trace: Trace) -> Trace:
    """Return `trace` with its content encoding undone: each block as what it unpacks to, at its time.

    Raises what an unpacker raises for a body in another encoding, and `MisuseError` for an encoding not known here.
    """
    if not trace.encoding:
        return trace
    current = [0]

    def given() -> Iterator[bytes]:
        for current[0], block in enumerate(trace.blocks):
            yield block.data

    found = [Block(trace.blocks[current[0]].t, data) for data in each_unpacked(given(), trace.encoding) if data]
    headers = tuple(pair for pair in trace.headers if pair[0].lower() not in ("content-encoding", "content-length"))
    return attrs.evolve(trace, blocks=tuple(found), headers=headers)


def split(blocks: Iterable[Block], offset: int) -> tuple[list[Block], list[Block]]:
    """Return the blocks before and after the byte `offset`; a block that spans it is cut, both parts at its time."""
    before: list[Block] = []
    after: list[Block] = []
    for start, block in placed(blocks):
        cut = min(max(offset - start, 0), len(block.data))
        before += [Block(block.t, block.data[:cut])] if cut else []
        after += [Block(block.t, block.data[cut:])] if cut < len(block.data) else []
    return before, after


def placed(blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
    """Yield each block with the offset at which it starts."""
    start = 0
    for block in blocks:
        yield start, block
        start += len(block.data)
