"""Blocks in, events out, and the response so far at any moment. No I/O.

    acc = Accumulator()
    for block in blocks:
        for event in acc.feed(block): ...
    outcome = acc.close()
    response = acc.snapshot()

It holds options, lifecycle and what is known; `_fast/block_reader.py` reads the blocks, `assembler` makes a response of their
events and says how they ended.
Whatever the cut of the bytes, events, response, outcome and anomalies are the same. Cost: O(1) a chunk in what came
before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

import attrs

from . import events as ev
from ._arguments import check_bool, check_kind, whole
from ._decode.sdk_objects import as_mapping, is_sound
from ._fast.block_reader import BlockReader
from ._field_docs import show_fields
from ._fold.assembler import Assembler
from ._fold.reducer import Reducer
from ._stack import LAST, NoRoom, Room, guarded, require_room
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
    shown,
)
from .limits import DEFAULT_LIMITS, Limits
from .outcome import REASONS, Outcome
from .rules import RULES, Rule, check_rules
from .sse import CR, LF
from .types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from .types._encoding import encoded
from .types._unstructuring import written, written_object

if TYPE_CHECKING:
    import cattrs

__all__ = ("Accumulator", "Options", "Statistics")

Out = list[ev.Event] | None

_TWO_THREADS = (
    "a block or chunk was given to this Accumulator while it reads another one: it takes one thread at a time, and nothing"
    " from a function given to tap(); put a lock around it, or give each stream an Accumulator"
)


class Options(TypedDict, total=False):
    """The keyword arguments of an `Accumulator`, for whoever passes them on."""

    strict: bool
    limits: Limits
    rules: Mapping[str, Rule]
    dialect: Dialect
    fast: bool
    converter: cattrs.Converter | None


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
    reports an error, as an event or as the whole body); the events of that block are then in `outcome.events`.
    `limits`: how large the stream may grow. `rules`: how a field that comes in many chunks is folded;
    `{**RULES, path: Rule.LAST}` changes one.
    `dialect`: what the sender is known to do that its bytes alone cannot prove, see `Dialect`.
    `fast`: whether events that differ only in their text may take the fast lane (`_fast/lane.py`), which changes the cost
    and nothing else; with rules or a dialect of your own they never do.
    `converter`: a copy of `codec.tolerant_converter` with hooks of yours, which may for one make an unknown field an object
    of a class of yours (`codec.register_extra`). Hooks for the classes of a response are called with each that is read here
    and cost no chunk anything; those for the classes of a chunk are called with each chunk, before it is folded, and keep
    events out of the fast lane. Should one raise, the call that brought the chunk raises a `MisuseError` from that.

    One thread at a time: two that feed, or one that feeds while another takes a snapshot or closes, need a lock of yours,
    or the response is corrupt. Two that feed at once are reported, as a rule, by a `MisuseError`; do not count on it, since
    the fast lane does not look. Threads that take turns are fine.

    `feed`, `absorb`, `add` and `close` raise `StreamError` and its children only: `MisuseError` at once, others only
    under `strict`. What a sender does wrong is an event, an anomaly and the outcome.
    """

    def __init__(
        self,
        *,
        strict: bool = False,
        limits: Limits = DEFAULT_LIMITS,
        rules: Mapping[str, Rule] = RULES,
        dialect: Dialect = DEFAULT_DIALECT,
        fast: bool = True,
        converter: cattrs.Converter | None = None,
    ) -> None:
        check_bool("strict=", strict)
        check_bool("fast=", fast)
        check_options(limits, rules, dialect)
        self._assembler = assembler = Assembler(strict, limits, rules, dialect)
        if converter is not None:
            from .codec import refiners  # most callers need no cattrs

            assembler.refine_chunk, assembler.refine_response = refiners(converter)
            fast = fast and assembler.refine_chunk is None
        self._reducer = assembler.reducer
        self._reader = BlockReader(
            assembler, limits, fast=fast and rules is RULES and (dialect is DEFAULT_DIALECT or not dialect)
        )
        self._closed = False
        self._busy = False  # a block is being read
        self._overran = False  # whether the stack ended in the middle of an event
        self._room = Room()

    def __repr__(self) -> str:
        return describe(self, self)

    # --- in

    def feed(self, block: bytes | bytearray | memoryview) -> list[ev.Event]:
        """Take the next bytes; return what they mean. `feed(b"")` does nothing; it is not the end."""
        out: list[ev.Event] = []
        lane = self._reader.lane
        try:
            if lane is None or not lane.take(block, out):
                self._take(block, out)
            return out
        except RecursionError:
            error = LAST
            try:
                error = NoRoom(NoRoom.message)
            except RecursionError:
                error.__traceback__ = None
        raise error

    def absorb(self, block: bytes | bytearray | memoryview) -> None:
        """As `feed`, for those who want no events: the fastest way in."""
        lane = self._reader.lane
        try:
            if lane is None or not lane.take(block, None):
                self._take(block, None)
            return
        except RecursionError:
            error = LAST
            try:
                error = NoRoom(NoRoom.message)
            except RecursionError:
                error.__traceback__ = None
        raise error

    @guarded
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
        out: list[ev.Event] = []
        self._enter(out)
        self._check_open("add")
        value = chunk if isinstance(chunk, dict) else self._as_chunk(chunk)
        if self._assembler.outcome is not None:
            self._reader.no_bytes()
            self._assembler.anomalies.note("after_done")
            return out
        if self._reader.amid:
            raise self._misuse(
                "add() after half an event was fed: feed the rest of it first, or add to a new Accumulator"
            )
        self._reader.no_bytes()
        self._guard(self._assembler.add, value, out)
        if self._assembler.caller_error is not None:
            self._raise_from_caller(*self._assembler.caller_error)
        return out

    @guarded
    def close(self) -> Outcome:
        """Nothing more will come: how the stream ended. Closing again returns the same outcome.

        The events that closing gives, the ending one last, are in `outcome.events`.
        """
        if self._closed:
            assert self._assembler.outcome is not None
            return self._assembler.outcome
        out: list[ev.Event] = []
        self._enter(out)
        try:
            self._guard(self._reader.close, out)
        finally:  # also where strict=True raises: the outcome says so, and closing again returns it
            # None where KeyboardInterrupt came in the middle: then the next one closes.
            if self._assembler.outcome is not None:
                self._closed = True
                self._ended_with(out)
        assert self._assembler.outcome is not None
        if self._assembler.caller_error is not None:  # in an event that ended with the bytes
            self._raise_from_caller(*self._assembler.caller_error)
        return self._assembler.outcome

    @guarded
    def cancel(self) -> Outcome:
        """The caller leaves: as `close`, but a stream that has not ended yet counts as cancelled, not truncated."""
        if not self._closed and self._assembler.open:
            return self._stop(self._assembler.end, "cancelled")
        return self.close()

    @guarded
    def fail(self, error: StreamError, reason: str) -> Outcome:
        """Something outside of the bytes ends the stream (a deadline, say): as `close`, but failed with `error`.

        `reason`: a word of `REASONS` that stands for a failure. A stream that has ended already keeps its outcome; the
        first error of a stream stays the one that decides it.
        """
        if not isinstance(error, StreamError):
            raise self._misuse(f"fail() takes the StreamError that ends the stream, not {shown(error)}")
        if not isinstance(reason, str) or REASONS.get(reason, ("",))[0] != "failed":
            raise self._misuse(f"fail() takes a reason out of REASONS that stands for a failure, not {shown(reason)}")
        if self._closed or self._assembler.outcome is not None:
            return self.close()
        return self._stop(self._assembler.fail, error, reason)

    @guarded
    def break_off(self, error: SenderError) -> Outcome:
        """The source broke: as `close`, but where neither a chunk nor an error of the sender's had arrived, failed with
        `error`, a `SourceError` or a `RemoteError`. Its `excerpt` is what had arrived."""
        if not isinstance(error, (SourceError, RemoteError)):
            raise self._misuse(f"break_off() takes a SourceError or a RemoteError, not {type(error).__name__}")
        if not self._closed and self._assembler.open and not self._reducer.chunks:
            arrived = self._reader.head
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
        out: list[ev.Event] = []
        self._enter(out)
        self._reader.stop()
        step(*arguments, out)
        self._closed = True
        return self._ended_with(out)

    def _ended_with(self, out: Out) -> Outcome:
        """The outcome, with the events that nobody else returns."""
        outcome = self._assembler.outcome
        assert outcome is not None
        if out and not outcome.events:
            self._assembler.outcome = outcome = Outcome(outcome.name, outcome.reason, outcome.error, tuple(out))
        return outcome

    def tap(self, take: Callable[[CreateChatCompletionStreamResponse], object]) -> None:
        """From here on, hand every chunk to `take` as it is folded: typed, as the sender wrote it.

        Chunks have to be made for that, so no event takes the fast lane any more. Should `take` raise, the block is read to
        its end all the same, then the call that brought it raises a `MisuseError` from that; `take` is called no more.
        """
        if not callable(take):
            raise self._misuse(f"tap() takes a function of one chunk, not {shown(take)}")
        self._reader.retire()
        self._assembler.tap = take

    # --- out

    @guarded
    def snapshot(self) -> CreateChatCompletionResponse | None:
        """The response so far, a value of its own; None before the first chunk. Costs one join of the text.

        All of it is frozen: `attrs.evolve` makes a changed copy. Entries of log probabilities are shared between snapshots.
        """
        response: CreateChatCompletionResponse | None = self._reducer.snapshot()
        if self._assembler.refine_response is None:
            return response
        try:
            return self._assembler.refined(response)
        except RecursionError:
            raise
        except Exception as error:
            raise self._misuse(f"a hook of the converter raised {type(error).__name__}: {error}") from error

    @guarded
    def dumps(self) -> bytes | None:
        """Return the response so far as `streamkit.dumps(self.snapshot())` writes it, in half the time; None before the
        first chunk."""
        if self._assembler.refine_response is not None:  # which takes and gives objects
            response = self.snapshot()
            return None if response is None else encoded(written(response))
        value = self._reducer.snapshot(written_object)
        return None if value is None else encoded(value)

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What the sender did that the format does not say, in order of first sight."""
        return self._reader.known.anomalies.all()

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
        return self._reader.counts

    def statistics(self) -> Statistics:
        """What went through, in numbers."""
        known = self._reader.known
        return Statistics(
            bytes=self._reader.size,
            blocks=self._reader.blocks,
            events=known.events,
            comments=self._reader.comments,
            chunks=known.reducer.chunks,
            unknown_fields=dict(known.context.unknown),
            models=tuple(known.reducer.models),
        )

    def explain(self, choice: int, call: int) -> tuple[tuple[str, int], ...]:
        """Why each fragment of tool call number `call` of a choice came to it: (rule, how many in a row)."""
        try:
            if whole(choice, 0) and whole(call, 0):
                return self._reader.known.reducer.explain(choice, call)
        except LookupError:
            pass
        text = f"explain() takes the index of a choice and of a call in it, not {shown(choice)} and {shown(call)}"
        raise self._misuse(text)

    # --- room on the stack

    def _enter(self, out: Out) -> None:
        """Something is going to change that may take many frames: `NoRoom` where the stack has not so many."""
        require_room()
        if self._overran:
            self._overrun(out)

    def _overrun(self, out: Out) -> None:
        """An event took more frames than there were, and may be folded in half: the stream is failed."""
        self._overran = False
        maximum = self._assembler.context.limits.max_nesting
        error = LimitError("deeper than the caller's stack had room for", limit="max_nesting", maximum=maximum)
        self._assembler.fail(error, "limit", out)

    # --- blocks to events

    def _take(self, block: Any, out: Out) -> None:
        """Read a block that the fast lane has not taken. Report where two threads do so at once: the fast lane itself has
        no time for that, but of two threads that feed, both soon come here, before anything is lost."""
        if self._busy:
            raise MisuseError(_TWO_THREADS)
        if type(block) is not bytes:
            block = self._as_bytes(block)
        reader = self._reader
        # What ends no line is only kept: that takes few frames.
        if (LF in block or CR in block or reader.sniffer is not None) and not self._room.left():
            raise NoRoom(NoRoom.message)
        try:
            self._busy = True
            if self._closed or self._overran:
                self._check_open("feed")
                self._overrun(out)
            if (raised := reader.read(block, out)) is not None:
                self._ended_with(out)  # as raising returns nothing
                raise raised
            if self._assembler.caller_error is not None:
                self._raise_from_caller(*self._assembler.caller_error)
        except RecursionError:  # here no more can be done than to remember it
            self._overran = True
            reader.abandon()
            raise
        finally:
            self._busy = False

    def _guard(self, step: Any, *arguments: Any) -> None:
        """Run `step(*arguments)`, whose last argument is `out`; a limit or a strict anomaly fails the stream."""
        try:
            step(*arguments)
        except LimitError as error:
            self._assembler.fail(error, "limit", arguments[-1])
        except (FormatError, RemoteError) as error:
            self._assembler.fail(error, "anomaly", arguments[-1])
            raise
        except RecursionError:
            self._overran = True
            raise

    def _raise_from_caller(self, function: str, error: Exception) -> None:
        self._assembler.caller_error = None
        raise self._misuse(f"{function} raised {type(error).__name__}: {error}") from error

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

    def _as_chunk(self, chunk: Any) -> CreateChatCompletionStreamResponse | dict[str, Any]:
        """A chunk as it can be folded. One of ours with values of other kinds is read like one of a sender."""
        if type(chunk) is not CreateChatCompletionStreamResponse:
            return as_mapping(chunk)
        if is_sound(chunk):
            return chunk
        try:
            return cast("dict[str, Any]", written(chunk))
        except (AttributeError, RecursionError, TypeError) as error:
            raise self._misuse(
                f"add() takes a chunk that can be written as JSON, and this one cannot: {error}"
            ) from None

    def _misuse(self, message: str) -> MisuseError:
        return MisuseError(message, partial=self._assembler.partial(), emitted=self.emitted)


def hand_over_pieces(accumulator: Accumulator) -> Reducer:
    """Let `feed`, `add` and `close` give all pieces of the stream among its events, see `_fold/pieces.py`: for writers.
    Return the state of its choices."""
    accumulator._reducer.whole = True
    return accumulator._reducer


def check_options(limits: object, rules: Any, dialect: object) -> None:
    """Raise `MisuseError` where one of an accumulator's options is not of its kind."""
    if limits is not DEFAULT_LIMITS:
        check_kind("limits=", limits, Limits)
    if dialect is not DEFAULT_DIALECT:
        check_kind("dialect=", dialect, Dialect)
    if rules is not RULES:
        check_kind("rules=", rules, Mapping)
        check_rules(rules)


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
    reader = getattr(accumulator, "_reader", None)
    if accumulator is None or reader is None:
        return f"<{type(owner).__name__} not ready>"
    (events, chunks), outcome = reader.counts, accumulator.outcome
    state = "running" if outcome is None else f"{outcome.name} ({outcome.reason})"
    facts = {"events": events, "chunks": chunks, **facts}
    return f"<{type(owner).__name__} {state} {' '.join(f'{name}={value}' for name, value in facts.items())}>"


show_fields(__name__)
