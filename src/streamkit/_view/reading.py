"""What a page shows of a trace: its lanes, waits, stalls, counts and figures, as frozen values.

In: a `Trace`. Out: a `Reading`. Cost: a few readings of the stream, and a value for each piece of output.

Rule 1  A position is the time of a block in seconds since the request was sent. Where no times are known, or all are 0,
        the body is cut into its events and a position is the number of an event; `why` says so.
Rule 2  Everything in one block arrived at one time; what only the end of the stream shows arrived with the last block.
Rule 3  A stall is a wait between two blocks, or before the end, of `STALL_SECONDS` and of `STALL_TIMES` the median wait;
        where there are too few waits for a median, of `STALL_ALONE`. The wait for the first byte is not one.
Rule 4  A chunk is not a token. Tokens are counted where usage arrives while the stream runs, or where log probabilities
        name as many as usage does; everywhere else chunks are.
Rule 5  A body that was recorded encoded is unpacked first; where that is not possible it is read as it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from itertools import pairwise

import attrs

from .. import events as ev
from .._check.report import Report, check_stream
from .._live.timing import Timing, timing_of
from ..accumulator import Accumulator
from ..errors import MisuseError
from ..sources._unpack import each_unpacked
from ..trace import Block, Trace
from ..types import CreateChatCompletionResponse
from .markup import clipped
from .spans import event_spans

__all__ = ("Finish", "Lane", "Piece", "Reading", "Stall", "has_times", "read")

STALL_SECONDS = 0.25
STALL_TIMES = 10
STALL_ALONE = 1.0
QUOTED = 60
_NAME = 200  # characters

KINDS = {
    ev.ContentDelta: "text",
    ev.ReasoningDelta: "reasoning",
    ev.RefusalDelta: "refusal",
    ev.AudioDelta: "audio",
    ev.ToolCallDelta: "arguments",
    ev.FunctionCallDelta: "arguments",
}
"""The events that are a piece of output, each with what a page calls it."""


@attrs.frozen
class Piece:
    """A piece of output."""

    block: int
    """Number of its block, from 0."""
    kind: str
    """A value of `KINDS`."""
    text: str
    """What arrived."""


@attrs.frozen
class Lane:
    """A choice, or one of its calls."""

    choice: int
    call: int | None
    """Position of the call in its choice; None for the choice itself, -1 for a legacy `function_call`."""
    name: str
    """The function that is called; empty for a choice."""
    pieces: tuple[Piece, ...]

    @property
    def title(self) -> str:
        """What the lane is called."""
        if self.call is None:
            return f"choice {self.choice}"
        number = "function call" if self.call < 0 else f"call {self.call}"
        return f"choice {self.choice} {number}"

    @property
    def spans(self) -> tuple[tuple[str, int, int], ...]:
        """Pieces of one kind in a row: kind, first and last block."""
        found: list[list[object]] = []
        for piece in self.pieces:
            if found and found[-1][0] == piece.kind:
                found[-1][2] = piece.block
            else:
                found.append([piece.kind, piece.block, piece.block])
        return tuple(tuple(one) for one in found)  # type: ignore[misc]


@attrs.frozen
class Stall:
    """A wait that is much longer than the others (rule 3)."""

    start: float
    end: float


@attrs.frozen
class Finish:
    """A finish reason."""

    choice: int
    block: int
    reason: str


@attrs.frozen(kw_only=True)
class Reading:
    """Everything that is shown of a trace."""

    name: str
    trace: Trace
    """As it was recorded."""
    timed: bool
    """Whether positions are seconds; else they are numbers of events."""
    why: str
    """Why there are no times, or what else hinders; empty where nothing does."""
    positions: tuple[float, ...]
    """Of each block (rule 1)."""
    sizes: tuple[int, ...]
    """Bytes of each block, as they are read."""
    events: tuple[int, ...]
    """How many events had ended after each block."""
    counts: tuple[int, ...]
    """How many of `unit` had arrived after each block (rule 4)."""
    unit: str
    """`tokens` or `chunks`."""
    lanes: tuple[Lane, ...]
    finishes: tuple[Finish, ...]
    stalls: tuple[Stall, ...]
    report: Report
    timing: Timing
    response: CreateChatCompletionResponse | None
    body: bytes
    """The body as it is read."""

    @property
    def end(self) -> float:
        """The last position that anything has."""
        times = [self.positions[-1]] if self.positions else [0.0]
        if self.timed:
            times += [time for time in (self.trace.head_time, self.trace.end_time) if time is not None]
        return max(times)

    @property
    def quoted(self) -> tuple[int, ...]:
        """The events whose bytes a page shows: those where a finding was first seen, at most `QUOTED` of them."""
        return tuple(sorted({one.event for one in self.report.findings if one.event > 0})[:QUOTED])

    def block_of(self, event: int) -> int | None:
        """Return the number of the block that ended an event; None where no block did, or there is no such event."""
        if event < 1 or not self.events:
            return None
        found = next((at for at, count in enumerate(self.events) if count >= event), None)
        return len(self.events) - 1 if found is None else found


def has_times(trace: Trace) -> bool:
    """Return whether a trace can be drawn over time (rule 1)."""
    return trace.timed and any(block.t for block in trace.blocks)


def read(trace: Trace, name: str = "", *, by_time: bool | None = None) -> Reading:
    """Read a trace. `by_time`: whether positions are times; by default where there are some."""
    timed = has_times(trace) if by_time is None else by_time
    plain, hindered = _unpacked(trace)
    why = [hindered] if hindered else []
    body = plain.body
    if timed:
        blocks = [(block.t, block.data) for block in plain.blocks]
    else:
        why += [_without_times(trace, other=has_times(trace))]
        blocks = [(float(number), body[start:end]) for number, (start, end) in enumerate(event_spans(body), 1)]
    told = _Told()
    accumulator = Accumulator()
    for number, (_, data) in enumerate(blocks):
        told.see(number, accumulator.feed(data), accumulator.progress)
    outcome = accumulator.close()
    if blocks:
        told.see(len(blocks) - 1, outcome.events, accumulator.progress)
    report = check_stream(plain, name=name)
    timing = timing_of(plain) if report.timing is None else report.timing
    counts, unit = told.counted(timing.output_tokens, len(blocks))
    return Reading(
        name=clipped(name or " ".join(filter(None, (trace.sender, trace.case))) or trace.path or "exchange", _NAME),
        trace=trace,
        timed=timed,
        why=" ".join(why),
        positions=tuple(position for position, _ in blocks),
        sizes=tuple(len(data) for _, data in blocks),
        events=tuple(told.events),
        counts=counts,
        unit=unit,
        lanes=told.lanes(),
        finishes=tuple(told.finishes),
        stalls=tuple(_stalls(plain)) if timed else (),
        report=report,
        timing=timing,
        response=accumulator.snapshot(),
        body=body,
    )


class _Told:
    """Collects what the events of a stream report, block by block."""

    def __init__(self) -> None:
        self.events: list[int] = []
        self.finishes: list[Finish] = []
        self._chunks: list[int] = []
        self._tokens: list[int] = []  # that log probabilities have named
        self._usage: list[int] = []
        self._named = 0
        self._reported = 0
        self._reports = 0
        self._lanes: dict[tuple[int, int | None], tuple[list[str], list[Piece]]] = {}

    def see(self, block: int, events: list[ev.Event] | tuple[ev.Event, ...], progress: tuple[int, int]) -> None:
        for event in events:
            kind = type(event)
            if (word := KINDS.get(kind)) is not None:
                text = getattr(event, ev.TEXT_DELTAS.get(kind, "transcript"))
                self._lane(event)[1].append(Piece(block, word, text))
            elif kind in (ev.ChoiceStarted, ev.ToolCallStarted, ev.FunctionCallStarted):
                self._lane(event)
            elif isinstance(event, ev.Finish):
                self.finishes.append(Finish(event.choice, block, str(event.finish_reason)))
            elif isinstance(event, ev.LogprobsDelta):
                self._named += len(event.content) + len(event.refusal)
            elif isinstance(event, ev.UsageSeen):
                count = event.usage.completion_tokens or 0
                self._reports += count > self._reported
                self._reported = max(self._reported, count)
        row = (progress[0], progress[1], self._named, self._reported)
        for column, value in zip((self.events, self._chunks, self._tokens, self._usage), row, strict=True):
            column[block:] = [value]

    def _lane(self, event: object) -> tuple[list[str], list[Piece]]:
        legacy = isinstance(event, (ev.FunctionCallStarted, ev.FunctionCallDelta))
        key = (event.choice, -1 if legacy else getattr(event, "call", None))  # type: ignore[attr-defined]
        lane = self._lanes.setdefault(key, ([], []))
        if name := getattr(event, "name", ""):
            lane[0][:] = [name]  # the last one: before its first argument it may grow
        return lane

    def lanes(self) -> tuple[Lane, ...]:
        # A choice before its calls, whichever arrived first.
        keys = sorted(self._lanes, key=lambda key: (key[0], key[1] is not None, key[1] or 0))
        found = (Lane(*key, "".join(self._lanes[key][0]), tuple(self._lanes[key][1])) for key in keys)
        calls = {key[0] for key in keys if key[1] is not None}
        return tuple(lane for lane in found if lane.pieces or lane.call is not None or lane.choice not in calls)

    def counted(self, output_tokens: int | None, blocks: int) -> tuple[tuple[int, ...], str]:
        """Return the running count, and of what (rule 4)."""
        if self._reports > 2 and self._reported == output_tokens:
            return tuple(self._usage), "tokens"
        if self._named and self._named == output_tokens:
            return tuple(self._tokens), "tokens"
        return tuple(self._chunks), "chunks"


def _stalls(trace: Trace) -> Iterator[Stall]:
    times = [block.t for block in trace.blocks]
    if times and trace.end_time is not None:
        times.append(trace.end_time)
    waits = [after - before for before, after in pairwise(times)]
    least = max(STALL_SECONDS, STALL_TIMES * statistics.median(waits)) if len(waits) > 4 else STALL_ALONE
    return (Stall(before, after) for before, after in pairwise(times) if after - before >= least)


def _without_times(trace: Trace, *, other: bool) -> str:
    if not trace.blocks:
        return "The body is empty: there is nothing to draw."
    if other:
        return "The other trace has no times, so both are drawn by the number of the event and not over time."
    if not trace.timed:
        return (
            'The trace has no times (its header says `"observed": "none"`, or it is a body without a recording). It '
            "is drawn by the number of the event, not over time."
        )
    return "All blocks arrived 0 s after the request. The trace is drawn by the number of the event, not over time."


def _unpacked(trace: Trace) -> tuple[Trace, str]:
    """Return the trace with its blocks unpacked, each at its time, and what hindered that (rule 5)."""
    if not trace.encoding:
        return trace, ""
    at = 0.0

    def pulled() -> Iterator[bytes]:
        nonlocal at
        for block in trace.blocks:
            at = block.t
            yield block.data

    headers = tuple(pair for pair in trace.headers if pair[0].lower() != "content-encoding")
    found: list[Block] = []
    try:
        for data in each_unpacked(pulled(), trace.encoding):
            found.append(Block(at, data))
        why = ""
    except (MisuseError, ValueError, EOFError) as error:
        why = f"The body is encoded ({trace.encoding}) and cannot be unpacked: {error}."
        if not found:
            return attrs.evolve(trace, headers=headers), why
    return attrs.evolve(trace, headers=headers, blocks=tuple(found)), why
