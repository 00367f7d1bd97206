"""Blocks in, events out, and the response so far at any moment. No I/O.

    acc = Accumulator()
    for block in blocks:
        for event in acc.feed(block): ...
    outcome = acc.close()
    response = acc.snapshot()

It joins the layers by calling: `sniff` tells what kind of body this is at all, `sse` cuts its blocks into events,
`assembler` makes a response of them and says how they ended, `lane` does both at once for events that are all alike.
Whatever the cut of the bytes, events, response, outcome and anomalies are the same. Cost: O(1) a chunk in what came
before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import attrs

from . import events as ev
from ._decode.sdk_objects import as_mapping
from ._decode.sniff import Sniffer, begins_with_document, read_body
from ._fast.lane import LEAST_VALUES, Lane
from ._fast.learning import BETWEEN
from ._field_docs import show_fields
from ._fold.assembler import Assembler
from .anomalies import Anomaly
from .dialect import DEFAULT_DIALECT, Dialect
from .errors import (
    FormatError,
    LimitError,
    MisuseError,
    RemoteError,
    SenderError,
    SourceError,
    StreamError,
    excerpt,
)
from .limits import DEFAULT_LIMITS, Limits
from .outcome import REASONS, Outcome
from .rules import RULES, Rule
from .sse import Comment, Discarded, EventDecoder, event_of
from .types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

__all__ = ("Accumulator", "Options", "Statistics")

Out = list[ev.Event] | None

_MANY = 65536  # bytes to read at once on the reference path, where the fast lane rests
_HEAD = 4096  # bytes of a body that is no stream, to be quoted in its error
_LEAST_EVENT = 100  # bytes: what an event with a chunk in it hardly ever falls below
_TWO_THREADS = (
    "a block or chunk was given to this Accumulator while it reads another one: it takes one thread at a time, and nothing"
    " from a function given to tap(); put a lock around it, or give each stream an Accumulator"
)
_BLANK_LINE = re.compile(rb"\n\r?\n")
_TAIL = 4096  # bytes of an event that is not yet whole, to be kept for the fast lane: they are copied with each block


class Options(TypedDict, total=False):
    """The keyword arguments of an `Accumulator`, for whoever passes them on."""

    strict: bool
    limits: Limits
    rules: Mapping[str, Rule]
    dialect: Dialect
    fast: bool


@attrs.frozen
class Statistics:
    """What went through an accumulator."""

    bytes: int
    """Bytes fed, framing included."""
    blocks: int
    """Blocks fed that were not empty."""
    events: int
    """Server-sent events, `[DONE]` included."""
    comments: int
    """Comments: keep-alives."""
    chunks: int
    """Chunks folded into the response."""
    unknown_fields: Mapping[str, int]
    """Fields the format does not know: path (`choices[].delta.reasoning`) -> how often."""
    models: tuple[str, ...] = ()
    """Every model that a chunk named, in order of first sight: several where a router writes its own name first. At most
    as many as anomalies are kept."""


class Accumulator:
    """Reassembles one stream.

    `strict`: raise a `FormatError` at the first anomaly that is worse than a note (a `RemoteError` where the sender
    reports an error); the events of that block are then in `outcome.events`. `limits`: how large the stream may
    grow. `rules`: what becomes of a field that comes in many chunks; `{**RULES, path: Rule.LAST}` changes one.
    `dialect`: what the sender is known to do that its bytes alone cannot prove, see `Dialect`.
    `fast`: whether events that differ only in their text may take the fast lane (`_fast/lane.py`), which changes the cost
    and nothing else; with rules or a dialect of your own they never do.

    One thread at a time: two that feed, or one that feeds while another takes a snapshot or closes, need a lock of yours,
    or the response is corrupt. Two that feed at once are reported, as a rule, by a `MisuseError`; do not count on it, since
    the fast lane does not look. Threads that take turns are fine.

    `feed`, `absorb` and `add` raise `StreamError` and its children only: `MisuseError` at once, others only under
    `strict`. What a sender does wrong is an event, an anomaly and the outcome.
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        rules: Mapping[str, Rule] = RULES,
        dialect: Dialect = DEFAULT_DIALECT,
        fast: bool = True,
    ) -> None:
        check_options(limits, rules, dialect)
        self._response_limit, self._event_limit = limits.max_response_bytes, limits.max_event_bytes
        self._value_limit = limits.max_event_values
        self._assembler = assembler = Assembler(strict, limits, rules, dialect)
        self._reducer = assembler.reducer
        plain = fast and rules is RULES and not dialect and limits.max_event_values >= LEAST_VALUES
        self._lane = Lane(self._reducer, assembler.context.unknown, assembler.anomalies) if plain else None
        self._asleep: Lane | None = None  # the lane while it rests
        self._slept_at = self._wake_at = 0  # events
        self._decoder = EventDecoder(max_event_bytes=limits.max_event_bytes, max_comments=limits.max_comments)
        self._sniffer: Sniffer | None = Sniffer(limits.max_event_bytes)
        self._head = b""  # how the bytes began, until there is a chunk in them: perhaps a text that says what is wrong
        self._tail = b""  # the beginning of an event that may take the fast lane
        self._bytes = 0
        self._blocks = 0
        self._closed = False
        self._busy = False  # a block is being read

    def __repr__(self) -> str:
        return describe(self, self)

    # --- in

    def feed(self, block: bytes | bytearray | memoryview) -> list[ev.Event]:
        """Take the next bytes; return what they mean. `feed(b"")` does nothing; it is not the end."""
        out: list[ev.Event] = []
        lane = self._lane
        if lane is None or not lane.take(block, out):
            self._take(block, out)
        return out

    def absorb(self, block: bytes | bytearray | memoryview) -> None:
        """As `feed`, for those who want no events: the fastest way in."""
        lane = self._lane
        if lane is None or not lane.take(block, None):
            self._take(block, None)

    def add(self, chunk: CreateChatCompletionStreamResponse | Mapping[str, Any] | Any) -> list[ev.Event]:
        """Take a chunk that somebody else decoded: one of ours, a mapping, or an SDK's object that can dump itself."""
        if self._busy:
            raise MisuseError(_TWO_THREADS)
        try:
            self._busy = True
            return self._add_alone(chunk)
        finally:
            self._busy = False

    def _add_alone(self, chunk: Any) -> list[ev.Event]:
        self._settle()
        self._check_open("add")
        value = chunk if isinstance(chunk, (CreateChatCompletionStreamResponse, dict)) else as_mapping(chunk)
        out: list[ev.Event] = []
        self._sniffer = None
        self._pause()
        if self._assembler.outcome is not None:
            self._assembler.anomalies.note("after_done")
            return out
        self._guard(self._assembler.add, value, out)
        self._check_tap()
        return out

    def close(self) -> Outcome:
        """Nothing more will come: how the stream ended. Closing again returns the same outcome.

        The events that closing gives, the ending one last, are in `outcome.events`.
        """
        if self._closed:
            assert self._assembler.outcome is not None
            return self._assembler.outcome
        self._settle()
        self._pause()
        out: list[ev.Event] = []
        try:
            self._guard(self._close, out)
        finally:  # also where strict=True raises: the outcome says so, and closing again returns it
            # None where KeyboardInterrupt came in the middle: then the next one closes.
            if self._assembler.outcome is not None:
                self._closed = True
                self._ended_with(out)
        assert self._assembler.outcome is not None
        return self._assembler.outcome

    def cancel(self) -> Outcome:
        """The caller leaves: as `close`, but a stream that has not ended yet counts as cancelled, not truncated."""
        if not self._closed and self._assembler.open:
            return self._stop(self._assembler.end, "cancelled")
        return self.close()

    def fail(self, error: StreamError, reason: str) -> Outcome:
        """Something outside of the bytes ends the stream (a deadline, say): as `close`, but failed with `error`.

        `reason`: a word of `REASONS` that stands for a failure. A stream that has ended already keeps its outcome; the
        first error of a stream stays the one that decides it.
        """
        if REASONS.get(reason, ("",))[0] != "failed":
            raise self._misuse(f"fail() takes a reason out of REASONS that stands for a failure, not {reason!r}")
        if self._closed or self._assembler.outcome is not None:
            return self.close()
        return self._stop(self._assembler.fail, error, reason)

    def break_off(self, error: SenderError) -> Outcome:
        """The source broke: as `close`, but where neither a chunk nor an error of the sender's had arrived, failed with
        `error`, a `SourceError` or a `RemoteError`. Its `excerpt` is what had arrived."""
        if not isinstance(error, (SourceError, RemoteError)):
            raise self._misuse(f"break_off() takes a SourceError or a RemoteError, not {type(error).__name__}")
        if not self._closed and self._assembler.open and not self._reducer.chunks:
            arrived = self._head if self._sniffer is None else self._sniffer.held
            error.excerpt = excerpt(arrived) if arrived else error.excerpt
            self._assembler.instead = error
        try:
            return self.close()
        except FormatError:  # strict=True, at half an event: the source broke in it, the sender did nothing wrong
            outcome = self._assembler.outcome
            if outcome is None or outcome.error is not error:
                raise
            return outcome

    def _stop(self, step: Callable[..., None], *arguments: Any) -> Outcome:
        self._settle()
        self._pause()
        out: list[ev.Event] = []
        step(*arguments, out)
        self._closed = True
        return self._ended_with(out)

    def _ended_with(self, out: Out) -> Outcome:
        """The outcome, with the events that nobody else returns."""
        outcome = self._assembler.outcome
        assert outcome is not None
        self._assembler.outcome = outcome = attrs.evolve(outcome, events=outcome.events or tuple(out or ()))
        return outcome

    def tap(self, take: Callable[[CreateChatCompletionStreamResponse], object]) -> None:
        """From here on, hand every chunk to `take` as it is folded: typed, as the sender wrote it.

        Chunks have to be made for that, so no event takes the fast lane any more. Should `take` raise, the block is read to
        its end all the same, then the call that brought it raises a `MisuseError` from that; `take` is called no more.
        """
        if not callable(take):
            raise self._misuse(f"tap() takes a function of one chunk, not {take!r}")
        self._settle()
        self._lane = self._asleep = None
        self._assembler.tap = take

    # --- out

    def snapshot(self) -> CreateChatCompletionResponse | None:
        """The response so far, a value of its own; None before the first chunk. Costs one join of the text.

        All of it is frozen: `attrs.evolve` makes a changed copy. Entries of log probabilities are shared between snapshots.
        """
        return self._reducer.snapshot()

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What the sender did that the format does not say, in order of first sight."""
        self._settle()
        return self._assembler.anomalies.all()

    @property
    def usage_source(self) -> dict[str, tuple[str, int]]:
        """Where each figure of the usage came from: count (`prompt_tokens_details.cached_tokens`) -> (place, event).

        Places are `usage`, `x_groq.usage` (Groq) and `choices[].usage` (Moonshot); events are numbered from 1.
        """
        return dict(self._reducer.usage.source)

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        return self._assembler.outcome

    @property
    def done(self) -> bool:
        """Whether the stream has ended: `[DONE]` came, it failed for good, or `close` was called."""
        return self._assembler.outcome is not None

    @property
    def emitted(self) -> bool:
        """Whether any output had come: text, a tool call ... that a caller may have shown to somebody."""
        return self._reducer.emitted

    @property
    def progress(self) -> tuple[int, int]:
        """Server-sent events and chunks so far; `statistics` says more and costs more."""
        self._settle()
        return self._assembler.events, self._reducer.chunks

    def statistics(self) -> Statistics:
        """What went through, in numbers."""
        self._settle()
        return Statistics(
            bytes=self._bytes,
            blocks=self._blocks,
            events=self._assembler.events,
            comments=self._decoder.comments,
            chunks=self._reducer.chunks,
            unknown_fields=dict(self._assembler.context.unknown),
            models=tuple(self._reducer.models),
        )

    def explain(self, choice: int, call: int) -> tuple[tuple[str, int], ...]:
        """Why each fragment of tool call number `call` of a choice came to it: (rule, how many in a row)."""
        self._settle()
        try:
            return self._reducer.explain(choice, call)
        except (LookupError, TypeError):
            text = f"explain() takes the index of a choice and of a call in it, not {choice!r} and {call!r}"
            raise self._misuse(text) from None

    # --- blocks to events

    def _settle(self) -> None:
        """Count what the fast lane took, one event a block."""
        if self._lane is not None:
            events, size = self._lane.settle()
            self._blocks += events
            self._assembler.events += events
            self._bytes += size
            self._assembler.data_bytes += size - events * self._lane.overhead

    def _pause(self) -> None:
        """Something is going to happen that the fast lane does not see."""
        if self._lane is not None:
            self._lane.pause()

    def _take(self, block: Any, out: Out) -> None:
        """Read a block that the fast lane has not taken. Report where two threads do so at once: the fast lane itself has
        no time for that, but of two threads that feed, both soon come here, before anything is lost."""
        if self._busy:
            raise MisuseError(_TWO_THREADS)
        try:
            self._busy = True
            self._take_alone(block, out)
        finally:
            self._busy = False

    def _take_alone(self, block: Any, out: Out) -> None:
        lane = self._lane
        if lane is not None:
            self._settle()
        if type(block) is not bytes:
            block = self._as_bytes(block)
        self._check_open("feed")
        if lane is None and self._asleep is not None:
            lane = self._asleep if self._assembler.events + len(block) // _LEAST_EVENT >= self._wake_at else None
        if not block:
            return None
        self._blocks += 1
        self._bytes += len(block)
        if self._sniffer is not None:
            try:
                block = self._sniffer.feed(block)
            except LimitError as error:
                return self._assembler.fail(error, "limit", out)
            if not self._sniffer.decided or self._sniffer.body:
                return None
            self._sniffer = None
        beginning = not self._reducer.chunks
        if beginning and len(self._head) < _HEAD:
            self._head += block[: _HEAD - len(self._head)]
        held, self._tail = self._tail, b""
        if held:
            block = held + block
        if lane is not None:
            lane.disarm()
            if self._bytes > self._response_limit or len(block) > self._event_limit:
                lane = None  # a limit may be met, and the reference path knows at which event
            elif held and len(block) < _TAIL and _begins_data(block, 0, len(block)):
                self._tail = block  # of blocks smaller than an event, most end none
                return None
        raised = self._read(block, out) if lane is None else self._read_with(lane, block, out)
        if beginning and self._reducer.chunks:
            self._head = b""
        if raised is not None:
            self._ended_with(out)  # as raising returns nothing
            raise raised
        self._check_tap()
        lane = self._lane
        if lane is not None and lane.current is not None and not self._tail and self._decoder.between_events:
            lane.arm(min(self._response_limit - self._bytes, self._event_limit))
        return None

    def _read_with(self, lane: Lane, block: bytes, out: Out) -> SenderError | None:
        """Read a block in the fast lane as far as that goes, and else event by event."""
        at, end, raised = 0, len(block), None
        while at < end:
            asleep = 0
            if self._lane is None:
                asleep = self._wake_at - self._assembler.events
                if asleep <= 0:
                    self._wake(lane)
            ready = lane.current is not None and self._decoder.between_events
            if ready:
                start = at
                at, events = lane.run(block, at, out)
                if events:
                    self._assembler.events += events
                    self._assembler.data_bytes += at - start - events * lane.overhead
                    if at == end:
                        break
            # One event, so that the next one may take the fast lane; as many as the lane sleeps for; and
            # all up to the next line of data, where none begins here: comments, blank lines.
            if asleep <= 0 and not block.startswith(b"data", at):
                stop = _next_data(block, at)
                if ready and stop < end:
                    lane.budget.spend(BETWEEN)
                    self._rest(lane)
            else:
                blank = _BLANK_LINE.search(block, at + min(max(asleep, 0) * _LEAST_EVENT, _MANY))
                stop = end if blank is None else blank.end()
            if stop == end and ready and end - at < _TAIL and _begins_data(block, at, end):
                self._tail = block[at:]
                break
            raised = self._read(block if stop - at == end else block[at:stop], out) or raised
            at = stop
        return raised

    def _read(self, block: bytes, out: Out) -> SenderError | None:
        """Read a block on the reference path; return what strict=True has to raise when all of it is read."""
        raised = None
        try:
            items = self._decoder.feed_raw(block)
        except LimitError as error:
            error.event = self._assembler.events + 1
            self._assembler.fail(error, "limit", out)
            return None
        for item in items:
            try:
                if type(item) is bytes:
                    self._data(item, block, out)
                elif type(item) is Comment:
                    self._assembler.keep_alive(item.text, out)
                elif type(item) is Discarded:
                    self._pause()
                    self._assembler.discarded(item.lines, item.event, out)
                else:
                    self._pause()
                    self._assembler.event(item, out)  # type: ignore[arg-type]
                    if self._lane is not None:
                        self._lane.miss()
                        self._rest(self._lane)
            except LimitError as error:  # what follows in this block is looked at as if it came in the next one
                self._pause()
                self._assembler.fail(error, "limit", out)
            except (FormatError, RemoteError) as error:
                self._pause()
                self._assembler.fail(error, "anomaly", out)
                raised = error
        return raised

    def _guard(self, step: Any, *arguments: Any) -> None:
        """Run `step(*arguments)`, whose last argument is `out`; a limit or a strict anomaly fails the stream."""
        try:
            step(*arguments)
        except LimitError as error:
            self._assembler.fail(error, "limit", arguments[-1])
        except (FormatError, RemoteError) as error:
            self._assembler.fail(error, "anomaly", arguments[-1])
            raise

    def _data(self, data: bytes, raw: bytes, out: Out) -> None:
        """Read an event that is nothing but data; learn from it what the next ones may look like."""
        lane = self._lane
        if lane is None:
            return self._assembler.event(event_of(data), out)
        trail, chunks = self._assembler.anomalies.trail, self._reducer.chunks
        self._assembler.event(event_of(data), out)
        chunk = self._reducer.last
        if self._reducer.chunks == chunks and self._assembler.unaffected:
            lane.miss()  # a ping, say: nothing was folded, so that every template holds
        elif chunk is not None and self._reducer.chunks == chunks + 1:
            lane.pause()
            lane.learn(raw, data, chunk, tuple(trail))
        else:
            lane.pause()
            lane.miss()
        self._rest(lane)

    def _rest(self, lane: Lane) -> None:
        """Put the lane to sleep where its budget is empty: for a number of events nobody asks it."""
        events = lane.budget.rests
        if events:
            lane.pause()
            self._lane, self._asleep = None, lane
            self._slept_at, self._wake_at = self._assembler.events, self._assembler.events + events

    def _wake(self, lane: Lane) -> None:
        lane.budget.rest(self._assembler.events - self._slept_at)
        self._lane, self._asleep = lane, None

    # --- the end

    def _close(self, out: Out) -> None:
        if self._sniffer is not None and (text := self._sniffer.give_up()):
            self._sniffer, self._head = None, text
            self._decoder.feed_raw(text)  # no line ends in it
        if self._sniffer is not None:
            return self._close_body(self._sniffer, out)
        try:
            if self._tail:
                self._decoder.feed_raw(self._tail)
            last = self._decoder.close()
        except LimitError as error:
            error.event = self._assembler.events + 1
            raise
        alive = bool(self._decoder.comments) or self._decoder.retry is not None
        return self._assembler.close(
            last, self._decoder.unread, self._decoder.unread_event, out,
            head=b"" if self._assembler.events else self._head, alive=alive, any_bytes=self._bytes > 0,
        )  # fmt: skip

    def _close_body(self, sniffer: Sniffer, out: Out) -> None:
        """The bytes were no event stream: an error, a full response, a web page, or nothing at all."""
        data = sniffer.held
        self._sniffer = None
        if self._assembler.outcome is not None:  # it was over the limit
            return None
        if not sniffer.body:
            return self._assembler.end("empty", out)
        found = read_body(data, self._value_limit)
        if found is None and begins_with_document(data, self._value_limit):
            if raised := self._read(data + b"\n\n", out):
                raise raised
            return self._close(out)
        return self._assembler.body(found, data, out)

    def _check_tap(self) -> None:
        error, self._assembler.tap_error = self._assembler.tap_error, None
        if error is not None:
            raise self._misuse(f"the function given to tap() raised {type(error).__name__}: {error}") from error

    def _check_open(self, verb: str) -> None:
        if self._closed:
            raise self._misuse(f"{verb}() after close(): an Accumulator reads one stream; make a new one for the next")

    def _as_bytes(self, block: Any) -> bytes:
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise self._misuse(f"feed() takes a block as bytes, bytearray or memoryview, not {type(block).__name__}")
        try:
            return bytes(block)
        except ValueError as error:  # a memoryview that was released
            raise self._misuse(f"feed() takes a block that can be read: {error}") from None

    def _misuse(self, message: str) -> MisuseError:
        return MisuseError(message, partial=self.snapshot(), emitted=self.emitted)


def _next_data(block: bytes, at: int) -> int:
    """Where the next event begins whose first line is data; the end of the block where none does."""
    if block.find(b"data", at) >= 0:  # else a block of blank lines would be searched twice, and slowly
        for blank in (b"\n\n", b"\n\r\n"):
            found = block.find(blank + b"data", at)
            if found >= 0:
                return found + len(blank)
    return len(block)


def _begins_data(block: bytes, at: int, end: int) -> bool:
    """Whether what stands at the end of a block is the beginning of one line of data, and nothing before or behind it."""
    line_ends = block.find(b"\n", at, end - 1) >= 0 or block.find(b"\r", at, end - 1) >= 0
    return not line_ends and b"data:".startswith(block[at : at + 5])


def check_options(limits: object, rules: object, dialect: object) -> None:
    """Raise `MisuseError` where one of an accumulator's options is not of its kind."""
    for name, value, kind in (("limits", limits, Limits), ("rules", rules, Mapping), ("dialect", dialect, Dialect)):
        if not isinstance(value, kind):
            raise MisuseError(f"{name}= takes a {kind.__name__}, not {type(value).__name__}")
    if rules is RULES:
        return
    assert isinstance(rules, Mapping)
    for path, rule in rules.items():
        if not isinstance(rule, Rule):
            raise MisuseError(f"rules= takes a mapping of paths to Rule values, and {path!r} has {rule!r}")


def require_unused(accumulator: object) -> Accumulator:
    """`accumulator` if it can take a whole stream, a new one for None."""
    if accumulator is None:
        return Accumulator()
    if not isinstance(accumulator, Accumulator):
        raise MisuseError(f"accumulator is an Accumulator, or None for a new one, not {type(accumulator).__name__}")
    used = accumulator.statistics()
    if accumulator.done or used.bytes or used.events:
        state = "closed" if accumulator.done else "used"
        raise MisuseError(f"this Accumulator was {state} already: it reads one stream; pass a new one, or none")
    return accumulator


def describe(owner: object, accumulator: Accumulator | None, **facts: object) -> str:
    """Return the `repr` of what reads a stream with `accumulator`: its state, its counts, further `facts`.

    It changes nothing, not even what the fast lane has still to settle: a logger or a debugger may ask in the middle of
    `feed`, and in another thread. `None`, or an accumulator whose `__init__` raised, is not ready.
    """
    assembler = getattr(accumulator, "_assembler", None)
    if accumulator is None or assembler is None:
        return f"<{type(owner).__name__} not ready>"
    lane = getattr(accumulator, "_lane", None)
    unsettled = 0 if lane is None else lane.unsettled
    outcome = assembler.outcome
    state = "running" if outcome is None else f"{outcome.name} ({outcome.reason})"
    facts = {"events": assembler.events + unsettled, "chunks": assembler.reducer.chunks + unsettled, **facts}
    return f"<{type(owner).__name__} {state} {' '.join(f'{name}={value}' for name, value in facts.items())}>"


show_fields(__name__)
