"""The accumulator: blocks in, events out, and the response so far at any moment. No I/O.

    acc = Accumulator()
    for block in blocks:
        for event in acc.feed(block): ...
    outcome = acc.close()
    response = acc.snapshot()

It manages options, lifecycle and statistics; `_fast/block_reader.py` reads the blocks, `assembler` builds a response
from their events and decides how they ended. However the bytes are cut, events, response, outcome and anomalies are the
same. Cost: a chunk costs O(1) in what arrived before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from . import events as ev
from ._arguments import check_bool, whole
from ._decode.sdk_objects import as_mapping, is_sound
from ._fast.block_reader import BlockReader
from ._fold.assembler import Assembler
from ._fold.options import Options, check_options
from ._fold.reducer import Reducer
from ._fold.statistics import Statistics
from ._stack import LAST, NoRoom, Room, guarded
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
from .rules import RULES, Rule
from .sse import CR, LF
from .types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from .types._encoding import encoded
from .types._unstructuring import json_values, written

if TYPE_CHECKING:
    import cattrs

    from ._fold.growing import GrowingArguments

__all__ = ("Accumulator", "Options", "Statistics")

Out = list[ev.Event] | None

_ROOM, _ROOM_TO_END = Room(), Room()  # one each: a call is mostly made from the depth of the last one like it

_TWO_THREADS = (
    "a block or chunk was passed to this Accumulator while it was reading another one: it takes one thread at a time, and"
    " no calls from a function given to tap(); put a lock around it, or use one Accumulator for each stream"
)


class Accumulator:
    """Reassembles one stream: call `feed` for each block, then `close`; `snapshot` returns the response so far.

    `strict`: raise a `FormatError` at the first anomaly that is worse than a note (a `RemoteError` if the sender
    reports an error, as an event or as the whole body); the events of that block are then in `outcome.events`.
    `limits`: how large the stream may grow. `rules`: how the values of a field that appears in several chunks are
    combined; `{**RULES, path: Rule.LAST}` changes one.
    `dialect`: sender habits that the bytes alone cannot prove, see `Dialect`.
    `fast`: whether events that differ only in their text may take the fast lane (`_fast/lane.py`), which changes the
    cost and nothing else; with custom rules or a dialect they never do.
    `converter`: a copy of `codec.tolerant_converter` with your hooks, for example to turn an unknown field into an
    object of your class (`codec.register_extra`). Hooks for the classes of a response are called for each response that
    is read here, and cost nothing for each chunk; hooks for the classes of a chunk are called with each chunk, before
    it is folded, and keep events out of the fast lane. If one raises, the call that passed the chunk raises a
    `MisuseError` from it.
    `path_events`: read the arguments of calls while they arrive, and say what each piece of them means in the
    `path_events` of `ToolCallDelta` and `FunctionCallDelta`, see `PartialJSON`. `peek` needs no option.

    Use one thread at a time: if two threads feed, or one feeds while another takes a snapshot or closes, put a lock
    around it, or the response is corrupt. Two that feed at once usually get a `MisuseError`; do not rely on it, since
    the fast lane does not check. Threads that take turns are fine.

    `feed`, `absorb`, `add` and `close` raise only `StreamError` and its subclasses: `MisuseError` at once, others only
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
        path_events: bool = False,
    ) -> None:
        if strict is not False:
            check_bool("strict=", strict)
        if fast is not True:
            check_bool("fast=", fast)
        if path_events is not False:
            check_bool("path_events=", path_events)
        check_options(limits, rules, dialect)
        self._assembler = assembler = Assembler(strict, limits, rules, dialect)
        self._converted = converter is not None
        if converter is not None:
            from .codec import refiners  # most callers do not need cattrs

            assembler.refine_chunk, assembler.refine_response = refiners(converter)
            fast = fast and assembler.refine_chunk is None
        self._reducer = assembler.reducer
        self._reader = BlockReader(
            assembler, limits, fast=fast and rules is RULES and (dialect is DEFAULT_DIALECT or not dialect)
        )
        self._closed = False
        self._busy = False  # a block is being read
        self._overran = False  # the stack ran out in the middle of an event
        self._growing: GrowingArguments | None = None  # the arguments that are read while they arrive
        self._follow: Callable[[list[ev.Event]], None] | None = None  # sets their path events
        if path_events:
            self._follow = self._grown().follow

    def __repr__(self) -> str:
        return describe(self, self)

    # --- in

    def feed(self, block: bytes | bytearray | memoryview) -> list[ev.Event]:
        """Feed the next bytes; return their events. `feed(b"")` does nothing; it does not end the stream."""
        out: list[ev.Event] = []
        lane = self._reader.lane
        try:
            if lane is None or not lane.take(block, out):
                self._take(block, out)
            if self._follow is not None:
                self._follow(out)
            return out
        except RecursionError:
            error = LAST
            try:
                error = NoRoom(NoRoom.message)
            except RecursionError:
                error.__traceback__ = None
        raise error

    def absorb(self, block: bytes | bytearray | memoryview) -> None:
        """Feed the next bytes without creating events: the fastest way in."""
        lane = self._reader.lane
        try:
            if lane is None or not lane.take(block, None):
                self._take(block, None)
            if self._growing is not None:
                self._growing.missed = True
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
        """Feed a decoded chunk; return its events. Accepts our type, a mapping, or an SDK's object with a dump
        method."""
        if self._busy:
            raise MisuseError(_TWO_THREADS)
        try:
            self._busy = True
            out = self._add_alone(chunk)
            if self._follow is not None:
                self._follow(out)
            return out
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
                "add() in the middle of an event: feed the rest of that event first, or use a new Accumulator"
            )
        self._reader.no_bytes()
        self._guard(self._assembler.add, value, out)
        if self._assembler.caller_error is not None:
            self._raise_from_caller(*self._assembler.caller_error)
        return out

    @guarded
    def close(self) -> Outcome:
        """End the stream; return how it ended. Closing again returns the same outcome.

        The events that closing produces, `End` last, are in `outcome.events`.
        """
        if self._closed:
            assert self._assembler.outcome is not None
            return self._assembler.outcome
        if self._reader.over:
            outcome = self._assembler.outcome
            assert outcome is not None
            self._closed = True
            return outcome
        out: list[ev.Event] = []
        self._enter(out)
        try:
            self._guard(self._reader.close, out)
        finally:  # also if strict=True raises: the outcome has the error, and closing again returns it
            # None if KeyboardInterrupt interrupted it: then the next call closes.
            if self._assembler.outcome is not None:
                self._closed = True
                self._ended_with(out)
        assert self._assembler.outcome is not None
        if self._assembler.caller_error is not None:  # in an event that ended at the end of the bytes
            self._raise_from_caller(*self._assembler.caller_error)
        return self._assembler.outcome

    @guarded
    def cancel(self) -> Outcome:
        """End the stream early: like `close`, but a stream that has not ended yet is cancelled, not truncated."""
        if not self._closed and self._assembler.open:
            return self._stop(self._assembler.end, "cancelled")
        return self.close()

    @guarded
    def fail(self, error: StreamError, reason: str) -> Outcome:
        """End the stream for a reason outside its bytes (a deadline, for example): like `close`, but failed with
        `error`.

        `reason`: a key of `REASONS` whose outcome is `failed`. A stream that has already ended keeps its outcome; the
        first error of a stream decides it.
        """
        if not isinstance(error, StreamError):
            raise self._misuse(f"fail() takes the StreamError that ends the stream, not {shown(error)}")
        if not isinstance(reason, str) or REASONS.get(reason, ("",))[0] != "failed":
            raise self._misuse(f"fail() takes a reason from REASONS whose outcome is failed, not {shown(reason)}")
        if self._closed or self._assembler.outcome is not None:
            return self.close()
        return self._stop(self._assembler.fail, error, reason)

    @guarded
    def break_off(self, error: SenderError) -> Outcome:
        """End the stream because its source failed: like `close`, but if neither a chunk nor an error from the sender
        had arrived, failed with `error`, a `SourceError` or a `RemoteError`. Its `excerpt` is set to what had
        arrived."""
        if not isinstance(error, (SourceError, RemoteError)):
            raise self._misuse(f"break_off() takes a SourceError or a RemoteError, not {type(error).__name__}")
        if not self._closed and self._assembler.open and not self._reducer.chunks:
            arrived = self._reader.head
            error.excerpt = excerpt(arrived) if arrived else error.excerpt
            self._assembler.instead = error
        try:
            return self.close()
        except (
            FormatError
        ):  # strict=True, in the middle of an event: the source broke there, the sender did nothing wrong
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
        """Return the outcome, with the events that no other call returned."""
        outcome = self._assembler.outcome
        assert outcome is not None
        if out and not outcome.events:
            if self._follow is not None:
                self._follow(out)
            self._assembler.outcome = outcome = Outcome(outcome.name, outcome.reason, outcome.error, tuple(out))
        return outcome

    def tap(self, take: Callable[[CreateChatCompletionStreamResponse], object]) -> None:
        """Call `take` with every chunk from here on as it is folded: typed, as the sender wrote it.

        This needs chunk objects, so no event takes the fast lane any more. If `take` raises, the block is still read to
        its end, then the call that passed it raises a `MisuseError` from that error; `take` is not called again.
        """
        if not callable(take):
            raise self._misuse(f"tap() takes a function with one argument, the chunk, not {shown(take)}")
        self._reader.retire()
        self._assembler.tap = take

    # --- out

    @guarded
    def snapshot(self) -> CreateChatCompletionResponse | None:
        """Return the response so far; None before the first chunk. Costs one join of the text.

        It does not change later, and all of it is frozen: use `attrs.evolve` for a changed copy. Entries of log
        probabilities are shared between snapshots.
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
        """Return the response so far as JSON: `streamkit.dumps(self.snapshot())` in half the time; None before the
        first chunk."""
        if self._assembler.refine_response is not None:  # which needs objects
            response = self.snapshot()
            return None if response is None else encoded(written(response))
        value = self._reducer.snapshot(json_values)
        return None if value is None else encoded(value)

    def peek(self, choice: int = 0, call: int = 0) -> Any:
        """Return the arguments of tool call number `call` of a choice as far as they have arrived, a value that does not
        change; None before anything can be said of them.

        They are read as JSON by the rules of `PartialJSON`; the input of a custom tool is its text. Each call of this
        costs what arrived since the last, and the length of the arrays and objects that are not whole.
        """
        if type(choice) is not int or type(call) is not int or choice < 0 or call < 0:
            text = f"peek() takes the index of a choice and of a call in it, not {shown(choice)} and {shown(call)}"
            raise self._misuse(text)
        try:
            return (self._growing or self._grown()).peek(choice, call)
        except RecursionError:
            raise NoRoom(NoRoom.message) from None

    def _grown(self) -> GrowingArguments:
        if self._growing is None:
            from ._fold.growing import GrowingArguments  # most callers do not need it

            self._growing = GrowingArguments(self._reducer)
        return self._growing

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """The deviations of the sender from the format, in order of first sighting."""
        return self._reader.known.anomalies.all()

    @property
    def usage_source(self) -> dict[str, tuple[str, int]]:
        """The origin of each usage figure: count (`prompt_tokens_details.cached_tokens`) -> (place, event).

        Places are `usage`, `x_groq.usage` (Groq) and `choices[].usage` (Moonshot); events are numbered from 1.
        """
        return dict(self._reducer.usage.source)

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it is running."""
        return self._assembler.outcome

    @property
    def done(self) -> bool:
        """True if the stream has ended: `[DONE]` arrived, it failed for good, or `close` was called."""
        return self._assembler.outcome is not None

    @property
    def emitted(self) -> bool:
        """True if any output has arrived: text, a tool call ... that the caller may have shown to a user."""
        return self._reducer.emitted

    @property
    def progress(self) -> tuple[int, int]:
        """Number of server-sent events and of chunks so far; `statistics` has more and costs more."""
        return self._reader.counts

    def statistics(self) -> Statistics:
        """Counts of what has been read: bytes, blocks, events, chunks, unknown fields, models."""
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

    # --- from one process to another

    @guarded
    def checkpoint(self) -> bytes:
        """Return the whole state as JSON, for `restore` in another process, on another machine or in a later release.

        It may be called between any two blocks, also in the middle of an event, and changes nothing. It costs and takes
        as much as the state, not as the bytes that were fed: about the text so far. Not in it: a `converter` and the
        function given to `tap()`, which are code, the events of `outcome.events`, and the exception that an error was
        raised from. `docs/durable-streams.md` describes the document.
        """
        from ._checkpoint.document import write  # most streams need none

        return write(self)

    @classmethod
    @guarded
    def restore(
        cls,
        data: bytes | bytearray | memoryview | str,
        *,
        limits: Limits | None = None,
        fast: bool = True,
        converter: cattrs.Converter | None = None,
        whole_events: bool = False,
    ) -> Accumulator:
        """Return an accumulator in the state that `checkpoint` wrote: fed the rest of the bytes, it returns the same
        events, with the same numbers, and ends with the same response, outcome and anomalies as if nothing had
        happened.

        `strict`, `rules`, `dialect`, `path_events` and `limits` are in the checkpoint. `limits`: used instead of those;
        required if they are larger than the default ones, since a checkpoint may be anyone's. `fast`, `converter`: as for
        a new accumulator; the converter is required if there was one. `whole_events`: the sender repeats the event that
        was open, since it was asked for those after the last event id: what had arrived of it is forgotten. Raises
        `ValidationError`, whose problem has the path, for data that is not a checkpoint or of a version that this release
        does not read.
        """
        from ._checkpoint.document import read

        accumulator, waiting = read(cls, data, limits=limits, fast=fast, converter=converter, whole_events=whole_events)
        if waiting.get("events"):
            raise MisuseError(
                "this checkpoint is of a ChatStream, with events that its reader has not had: pass it to ChatStream or"
                " AsyncChatStream as resume_from="
            )
        return accumulator

    def explain(self, choice: int, call: int) -> tuple[tuple[str, int], ...]:
        """Return why each fragment was assigned to tool call number `call` of a choice: (rule, number in a row)."""
        try:
            # A sender that writes the index "-5" has a choice of that index.
            if type(choice) is int and whole(call, 0):
                return self._reader.known.reducer.explain(choice, call)
        except LookupError:
            pass
        text = f"explain() takes the index of a choice and of a call in it, not {shown(choice)} and {shown(call)}"
        raise self._misuse(text)

    # --- room on the stack

    def _enter(self, out: Out) -> None:
        """Raise `NoRoom` if the stack lacks the frames that the next change may take."""
        if not _ROOM_TO_END.left():
            raise NoRoom(NoRoom.message)
        if self._overran:
            self._overrun(out)

    def _overrun(self, out: Out) -> None:
        """Fail the stream: an event took more frames than there were, and may be only partly folded."""
        self._overran = False
        maximum = self._assembler.context.limits.max_nesting
        error = LimitError(
            "the data is nested deeper than the caller's stack allows", limit="max_nesting", maximum=maximum
        )
        self._assembler.fail(error, "limit", out)

    # --- blocks to events

    def _take(self, block: Any, out: Out) -> None:
        """Read a block that the fast lane has not taken. Report two threads that do so at once: the fast lane itself
        has no time to check, but two threads that feed both soon get here, before anything is lost."""
        if self._busy:
            raise MisuseError(_TWO_THREADS)
        if type(block) is not bytes:
            block = self._as_bytes(block)
        reader = self._reader
        # A block that does not end a line is only buffered: that takes few frames.
        if (LF in block or CR in block or reader.sniffer is not None) and not _ROOM.left():
            raise NoRoom(NoRoom.message)
        try:
            self._busy = True
            if self._closed or self._overran:
                self._check_open("feed")
                self._overrun(out)
            if (raised := reader.read(block, out)) is not None:
                self._ended_with(out)  # since a call that raises returns nothing
                raise raised
            if self._assembler.caller_error is not None:
                self._raise_from_caller(*self._assembler.caller_error)
        except RecursionError:  # nothing more can be done here than to record it
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
            raise self._misuse(
                f"{verb}() after close(): an Accumulator reads one stream; create a new one for the next"
            )

    def _as_bytes(self, block: Any) -> bytes:
        if not isinstance(block, (bytes, bytearray, memoryview)):
            raise self._misuse(f"feed() takes a block as bytes, bytearray or memoryview, not {type(block).__name__}")
        try:
            return bytes(block)
        except ValueError as error:  # a memoryview that was released
            raise self._misuse(f"feed() takes a block that can be read: {error}") from None

    def _as_chunk(self, chunk: Any) -> CreateChatCompletionStreamResponse | dict[str, Any]:
        """Return a chunk in a form that can be folded. One of our type with values of wrong types is read like a
        sender's."""
        if type(chunk) is not CreateChatCompletionStreamResponse:
            return as_mapping(chunk)
        if is_sound(chunk):
            return chunk
        try:
            return cast("dict[str, Any]", written(chunk))
        except (AttributeError, RecursionError, TypeError) as error:
            raise self._misuse(f"add() takes a chunk that can be written as JSON; this one cannot: {error}") from None

    def _misuse(self, message: str) -> MisuseError:
        return MisuseError(message, partial=self._assembler.partial(), emitted=self.emitted)


def hand_over_pieces(accumulator: Accumulator) -> Reducer:
    """Make `feed`, `add` and `close` return all pieces of the stream among its events (see `_fold/pieces.py`), for
    writers. Return the state of its choices."""
    accumulator._reducer.whole = True
    return accumulator._reducer


def require_unused(accumulator: object) -> Accumulator:
    """Return `accumulator` if it is unused, or a new one for None; raise `MisuseError` otherwise."""
    if accumulator is None:
        return Accumulator()
    if not isinstance(accumulator, Accumulator):
        raise MisuseError(
            f"accumulator= takes an unused Accumulator, or None for a new one, not {type(accumulator).__name__}"
        )
    used = accumulator.statistics()
    if accumulator.done or used.bytes or used.events:
        state = "closed" if accumulator.done else "used"
        raise MisuseError(f"this Accumulator was {state} already: it reads one stream; pass a new one, or leave it out")
    return accumulator


def describe(owner: object, accumulator: Accumulator | None, **facts: object) -> str:
    """Return the `repr` of a reader that uses `accumulator`: its state, its counts, further `facts`.

    It changes nothing, not even the pending counts of the fast lane: a logger or a debugger may call it in the middle
    of `feed`, and in another thread. An `accumulator` of None, or one whose `__init__` raised, is not ready.
    """
    reader = getattr(accumulator, "_reader", None)
    if accumulator is None or reader is None:
        return f"<{type(owner).__name__} not ready>"
    (events, chunks), outcome = reader.counts, accumulator.outcome
    state = "running" if outcome is None else f"{outcome.name} ({outcome.reason})"
    facts = {"events": events, "chunks": chunks, **facts}
    return f"<{type(owner).__name__} {state} {' '.join(f'{name}={value}' for name, value in facts.items())}>"
