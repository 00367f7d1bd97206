"""Blocks in, events out, and the response so far at any moment. No I/O.

    acc = Accumulator()
    for block in blocks:
        for event in acc.feed(block): ...
    outcome = acc.close()
    response = acc.snapshot()

It joins the layers by calling: `sse` cuts blocks into events, `documents` reads their data, `remote` tells errors
from chunks, `dialect` makes clean chunks, `reducer` folds them. What it adds is the life of a stream: what kind
of body this is at all, where it ends, and how. Whatever the cut of the bytes, events, response, outcome and anomalies
are the same. Cost: O(1) a chunk in what came before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from . import events as ev
from .anomalies import Anomalies, Anomaly
from .cells import Context
from .dialect import is_chunk, read_chunk
from .documents import DONE, DocumentReader, is_whole
from .envelope import Lane
from .errors import FormatError, LimitError, MisuseError, RemoteError, SenderError, StreamError, TruncatedError
from .foreign import as_mapping
from .habits import DEFAULT_DIALECT, Dialect, Interpreter
from .jsontext import scrub
from .limits import DEFAULT_LIMITS, Limits
from .options import check_options
from .outcome import REASONS, Outcome
from .reducer import Reducer
from .remote import find_error, may_report
from .rules import RULES, Rule
from .salvage import unframed
from .sniff import Sniffer, begins_with_document, read_body, refusal
from .sse import Comment, Discarded, EventDecoder, ServerSentEvent
from .statistics import Statistics
from .types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse

__all__ = ("Accumulator", "Statistics")

Out = list[ev.Event] | None

_MANY = 65536  # bytes to read at once on the reference path, where the fast lane rests


class Accumulator:
    """Reassembles one stream.

    `strict`: raise a `FormatError` at the first anomaly that is worse than a note (a `RemoteError` where the sender
    reports an error); the events of that block are then in `outcome.events`. `limits`: how large the stream may
    grow. `rules`: what becomes of a field that comes in many chunks; `{**RULES, path: Rule.LAST}` changes one.
    `dialect`: what the sender is known to do that its bytes alone cannot prove, see `Dialect`.
    `fast`: whether events that differ only in their text may take the fast lane (`envelope.py`), which changes the cost
    and nothing else; with rules or a dialect of your own they never do.

    One thread at a time: two that feed, or one that feeds while another takes a snapshot, need a lock of yours.

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
        self._anomalies = Anomalies(maximum=limits.max_anomalies, strict=strict)
        self._context = Context(rules, limits, self._anomalies.note)
        self._reducer = Reducer(self._context)
        plain = fast and rules is RULES and not dialect
        self._lane = Lane(self._reducer, self._context.unknown, self._anomalies) if plain else None
        self._interpreter = Interpreter(dialect) if dialect else None
        self._decoder = EventDecoder(max_event_bytes=limits.max_event_bytes)
        self._documents = DocumentReader(self._anomalies)
        self._sniffer: Sniffer | None = Sniffer(limits.max_event_bytes)
        self._bytes = 0
        self._blocks = 0
        self._events = 0
        self._data_bytes = 0
        self._pings = 0  # events that are JSON and no chunk
        self._error: StreamError | None = None  # the first error that the stream failed with
        self._reason = ""  # the reason that goes with it
        self._outcome: Outcome | None = None
        self._closed = False
        self._tap: Callable[[CreateChatCompletionStreamResponse], object] | None = None

    # --- in

    def feed(self, block: bytes | bytearray | memoryview) -> list[ev.Event]:
        """Take the next bytes; return what they mean. `feed(b"")` does nothing; it is not the end."""
        out: list[ev.Event] = []
        self._take(block, out)
        return out

    def absorb(self, block: bytes | bytearray | memoryview) -> None:
        """As `feed`, for those who want no events: the fastest way in."""
        self._take(block, None)

    def add(self, chunk: CreateChatCompletionStreamResponse | Mapping[str, Any] | Any) -> list[ev.Event]:
        """Take a chunk that somebody else decoded: one of ours, a mapping, or an SDK's object that can dump itself."""
        self._check_open("add")
        value = chunk if isinstance(chunk, (CreateChatCompletionStreamResponse, dict)) else as_mapping(chunk)
        out: list[ev.Event] = []
        self._sniffer = None
        if self._outcome is not None:
            self._anomalies.note("after_done")
            return out
        self._guard(self._add, value, out)
        return out

    def close(self) -> Outcome:
        """Nothing more will come: how the stream ended. Closing again returns the same outcome.

        The events that closing gives, the ending one last, are in `outcome.events`.
        """
        if self._closed:
            assert self._outcome is not None
            return self._outcome
        out: list[ev.Event] = []
        try:
            self._guard(self._close, out)
        finally:  # also where strict=True raises: the outcome says so, and closing again returns it
            self._closed = True
            assert self._outcome is not None
            self._outcome = attrs.evolve(self._outcome, events=self._outcome.events or tuple(out))
        return self._outcome

    def cancel(self) -> Outcome:
        """The caller leaves: as `close`, but a stream that has not ended yet counts as cancelled, not truncated."""
        if not self._closed and self._outcome is None and self._error is None:
            return self._stop(self._end, "cancelled")
        return self.close()

    def fail(self, error: StreamError, reason: str) -> Outcome:
        """Something outside of the bytes ends the stream (a deadline, say): as `close`, but failed with `error`.

        `reason`: a word of `REASONS` that stands for a failure. A stream that has ended already keeps its outcome; the
        first error of a stream stays the one that decides it.
        """
        if REASONS.get(reason, ("",))[0] != "failed":
            raise self._misuse(f"fail() takes a reason out of REASONS that stands for a failure, not {reason!r}")
        if self._closed or self._outcome is not None:
            return self.close()
        return self._stop(self._fail, error, reason)

    def _stop(self, step: Callable[..., None], *arguments: Any) -> Outcome:
        out: list[ev.Event] = []
        step(*arguments, out)
        self._closed = True
        assert self._outcome is not None
        self._outcome = attrs.evolve(self._outcome, events=tuple(out))
        return self._outcome

    def tap(self, take: Callable[[CreateChatCompletionStreamResponse], object]) -> None:
        """From here on, hand every chunk to `take` as it is folded: typed, as the sender wrote it.

        Chunks have to be made for that, so no event takes the fast lane any more.
        """
        self._lane = None
        self._tap = take

    # --- out

    def snapshot(self) -> CreateChatCompletionResponse | None:
        """The response so far, a value of its own; None before the first chunk. Costs one join of the text.

        Entries of log probabilities are frozen and shared between snapshots: copy what you want to change.
        """
        return self._reducer.snapshot()

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """What the sender did that the format does not say, in order of first sight."""
        return self._anomalies.all()

    @property
    def usage_source(self) -> dict[str, tuple[str, int]]:
        """Where each figure of the usage came from: count (`prompt_tokens_details.cached_tokens`) -> (place, event).

        Places are `usage`, `x_groq.usage` (Groq) and `choices[].usage` (Moonshot); events are numbered from 1.
        """
        return dict(self._reducer.usage_source)

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended; None while it runs."""
        return self._outcome

    @property
    def done(self) -> bool:
        """Whether the stream has ended: `[DONE]` came, it failed for good, or `close` was called."""
        return self._outcome is not None

    @property
    def emitted(self) -> bool:
        """Whether any output had come: text, a tool call ... that a caller may have shown to somebody."""
        return self._reducer.emitted

    @property
    def progress(self) -> tuple[int, int]:
        """Server-sent events and chunks so far; `statistics` says more and costs more."""
        return self._events, self._reducer.chunks

    def statistics(self) -> Statistics:
        """What went through, in numbers."""
        return Statistics(
            bytes=self._bytes,
            blocks=self._blocks,
            events=self._events,
            comments=self._decoder.comments,
            chunks=self._reducer.chunks,
            unknown_fields=dict(self._context.unknown),
            models=tuple(self._reducer.models),
        )

    def explain(self, choice: int, call: int) -> tuple[tuple[str, int], ...]:
        """Why each fragment of tool call number `call` of a choice came to it: (rule, how many in a row)."""
        try:
            return self._reducer.explain(choice, call)
        except LookupError:
            text = f"explain() takes the index of a choice and of a call in it, not {choice} and {call}"
            raise self._misuse(text) from None

    # --- blocks to events

    def _take(self, block: Any, out: Out) -> None:
        if type(block) is not bytes:
            block = self._as_bytes(block)
        at, end = 0, len(block)
        total = self._bytes + end
        lane = self._lane
        if total > self._response_limit or end > self._event_limit:
            lane = None  # a limit may be met, and the reference path knows at which event
        if lane is not None and lane.current is not None and self._decoder.between_events:
            at, events = lane.run(block, 0, out)
            if events:
                self._events += events
                self._data_bytes += at - events * lane.overhead
                if at == end:
                    self._blocks += 1
                    self._bytes = total
                    return
        if self._closed:
            self._check_open("feed")
        if not block:
            return
        self._blocks += 1
        self._bytes = total
        if self._sniffer is not None:
            try:
                block = self._sniffer.feed(block)
            except LimitError as error:
                return self._fail(error, "limit", out)
            if not self._sniffer.decided or self._sniffer.body:
                return
            self._sniffer = None
        raised = self._read(block, out) if lane is None else self._read_with(lane, block, at, out)
        if raised is not None:
            assert self._outcome is not None
            self._outcome = attrs.evolve(self._outcome, events=tuple(out or ()))  # feed() cannot return them
            raise raised

    def _read_with(self, lane: Lane, block: bytes, at: int, out: Out) -> SenderError | None:
        """Read a block from the offset `at` on, in the fast lane as far as that goes, and else event by event."""
        end, raised = len(block), None
        while at < end:
            # One event, so that the next one may take the fast lane; many, where that is not to be hoped for.
            skip = at + _MANY if lane.resting else at
            stop = block.find(b"\n\n", skip) + 2
            if stop < 2 and (stop := block.find(b"\r\n\r\n", skip) + 4) < 4:
                stop = end
            raised = self._read(block if stop - at == end else block[at:stop], out) or raised
            at = stop
            if lane.current is not None and at < end and self._decoder.between_events:
                start = at
                at, events = lane.run(block, at, out)
                self._events += events
                self._data_bytes += at - start - events * lane.overhead
        return raised

    def _read(self, block: bytes, out: Out) -> SenderError | None:
        """Read a block on the reference path; return what strict=True has to raise when all of it is read."""
        raised = None
        try:
            items = self._decoder.feed_raw(block)
        except LimitError as error:
            error.event = self._events + 1
            self._fail(error, "limit", out)
            return None
        for item in items:
            try:
                if type(item) is bytes:
                    self._data(item, block, out)
                elif type(item) is Comment:
                    self._keep_alive(item.text, out)
                elif type(item) is Discarded:
                    self._discarded(item.lines, out)
                else:
                    self._event(item, out)  # type: ignore[arg-type]
            except LimitError as error:  # what follows in this block is looked at as if it came in the next one
                self._fail(error, "limit", out)
            except (FormatError, RemoteError) as error:
                self._fail(error, "anomaly", out)
                raised = error
        return raised

    def _guard(self, step: Any, *arguments: Any) -> None:
        """Run `step(*arguments)`, whose last argument is `out`; a limit or a strict anomaly fails the stream."""
        try:
            step(*arguments)
        except LimitError as error:
            self._fail(error, "limit", arguments[-1])
        except (FormatError, RemoteError) as error:
            self._fail(error, "anomaly", arguments[-1])
            raise

    def _data(self, data: bytes, raw: bytes, out: Out) -> None:
        """Read an event that is nothing but data; learn from it what the next ones may look like."""
        lane = self._lane
        if lane is None:
            return self._event(ServerSentEvent(data), out)
        room = self._response_limit - self._data_bytes
        if len(raw) < len(data) + lane.overhead and lane.current is not None and len(data) <= room:
            # An event that was cut in two by the network, which the lane has not seen as a whole.
            if lane.run(lane.framed(data), 0, out)[1]:
                self._events += 1
                self._data_bytes += len(data)
                return None
        trail, chunks = self._anomalies.trail, self._reducer.chunks
        self._event(ServerSentEvent(data), out)
        chunk = self._reducer.last
        if chunk is not None and self._reducer.chunks == chunks + 1:
            return lane.learn(raw, data, chunk, tuple(trail))
        return lane.miss()

    def _discarded(self, lines: tuple[bytes, ...], out: Out) -> None:
        """Lines that are no event by the standard: `error: {…}` (GPUStack), or JSON without `data:`."""
        for line in lines:
            name, _, rest = line.partition(b":")
            text = rest.strip() if name == b"error" else unframed(line)
            if text:
                kind = "error" if name == b"error" else "message"
                self._event(ServerSentEvent(text, kind), out, "unframed_json" if text.startswith(b"{") else None)
            elif self._outcome is None:
                self._anomalies.event = self._events + 1
                self._anomalies.note("ignored_line", "$", line)
                self._report(out)  # at once: what follows may take the fast lane, which tells of no anomaly

    def _keep_alive(self, text: str, out: Out) -> None:
        if self._outcome is None:
            self._reducer.emit(out, ev.KeepAlive, text)

    def _event(self, event: ServerSentEvent, out: Out, repaired: str | None = None) -> None:
        if self._lane is not None:
            self._lane.pause()
        self._events += 1
        self._anomalies.event = self._context.event = self._events
        self._anomalies.trail.clear()
        if self._outcome is not None:
            self._anomalies.note("after_done", "$", event.data)
            return
        if repaired is not None:
            self._anomalies.note(repaired, "$", event.data)
        data = event.data
        self._data_bytes += len(data)
        if self._data_bytes > self._response_limit:
            text = f"more than {self._response_limit} bytes of events in one response"
            raise LimitError(text, limit="max_response_bytes", maximum=self._response_limit, event=self._events)
        for document in self._documents.read(event):
            if self._outcome is not None:
                self._anomalies.note("after_done", "$", event.data)
            elif document == DONE:
                self._done(out)
            else:
                self._document(document, event.event, out)
        if self._anomalies.fresh and self._outcome is None:  # nothing is told behind the ending event
            self._report(out)

    # --- documents to chunks

    def _document(self, value: Any, kind: str, out: Out) -> None:
        if type(value) is dict:
            if kind == "error" or not ("choices" in value and "error" not in value):
                error = find_error(value, kind)
                if error is not None:
                    self._remote_error(error, out)
                elif not is_chunk(value):
                    self._anomalies.note("not_a_chunk", "$", value)
                    self._pings += 1
                    return self._keep_alive(str(value.get("type", kind)), out)
                if error is not None and not value.get("choices"):
                    return None
            elif may_report(value) and (error := find_error(value, kind)) is not None:
                self._remote_error(error, out)
            self._fold(read_chunk(value, self._anomalies.note), out)
        elif value is None:
            self._anomalies.note("null_event")
        elif isinstance(value, list):
            self._anomalies.note("chunk_list")
            for item in value:
                self._document(item, kind, out)
        elif kind == "error":
            self._remote_error(find_error({"error": str(value)}, kind), out)
        else:
            self._anomalies.note("not_json", "$", str(value))
        return None

    def _fold(self, chunk: CreateChatCompletionStreamResponse, out: Out) -> None:
        if self._tap is not None:
            self._tap(chunk)
        if self._interpreter is not None:
            chunk = self._interpreter.read(chunk)
        self._reducer.fold(chunk, out)

    def _add(self, value: CreateChatCompletionStreamResponse | dict[str, Any], out: Out) -> None:
        if self._lane is not None:
            self._lane.pause()
        self._events += 1
        self._anomalies.event = self._context.event = self._events
        self._anomalies.trail.clear()
        if isinstance(value, dict):
            try:
                lost: list[str] = []
                value = scrub(value, lost=lost)
            except RecursionError:
                self._anomalies.note("too_deep")
            else:
                if lost:
                    self._anomalies.note("lone_surrogate", "$", lost[0])
                self._document(value, "message", out)
        else:
            # What the strict codec keeps in `extra` may be an error all the same.
            error = find_error({**value.extra, "choices": [choice.extra for choice in value.choices]})
            if error is not None:
                self._remote_error(error, out)
            self._fold(value, out)
        if self._anomalies.fresh:
            self._report(out)

    def _report(self, out: Out) -> None:
        """Tell of anomalies that were seen for the first time."""
        for anomaly in self._anomalies.fresh:
            self._reducer.emit(out, ev.AnomalySeen, anomaly)
        self._anomalies.fresh.clear()

    # --- the end

    def _remote_error(self, error: RemoteError | None, out: Out) -> None:
        assert error is not None
        error.event = self._events
        strict, self._anomalies.strict = self._anomalies.strict, False
        self._anomalies.note("error_event", error.path or "$", error.message)
        if self._error is None:  # only the first takes a snapshot: a stream may be nothing but errors
            self._error, self._reason = error, "remote_error"
            error.partial, error.emitted = self.snapshot(), self.emitted
        self._reducer.emit(out, ev.ErrorSeen, error)
        if strict:  # the sender's own error says more than that there was one
            raise error

    def _fail(self, error: StreamError, reason: str, out: Out) -> None:
        """The stream is over: nothing that comes after this is looked at."""
        if error.event is None:
            error.event = self._events or None
        if self._outcome is not None:
            return
        self._anomalies.strict = False  # it raises at the first one
        if self._error is None:
            self._error, self._reason = error, reason
        self._report(out)
        if not isinstance(error, RemoteError):  # which was told when it came
            self._reducer.emit(out, ev.ErrorSeen, error)
        self._end("no_finish", out)

    def _done(self, out: Out) -> None:
        """`[DONE]` came."""
        if not self._reducer.chunks:
            self._end("empty", out)
        elif self._reducer.finished:
            self._end("done", out)
        else:
            if self._error is None:
                self._anomalies.note("missing_finish")
            self._end("done_without_finish", out)

    def _close(self, out: Out) -> None:
        torn = False
        if self._sniffer is not None:
            return self._close_body(self._sniffer, out)
        self._anomalies.event = self._context.event = self._events
        try:
            last = self._decoder.close()
        except LimitError as error:
            error.event = self._events + 1
            raise
        if last is not None and self._outcome is None:
            torn = not self._unterminated(last, out)
        if self._outcome is not None:
            return None
        self._documents.give_up()
        if not self._reducer.chunks and self._error is None:
            if torn and last is not None and last.data.lstrip().startswith(b"{"):
                return self._end("mid_event", out)
            alive = self._pings or self._decoder.comments or self._decoder.retry is not None
            self._end("not_a_stream" if self._bytes and not alive else "empty", out)
        elif self._reducer.settled:
            if self._bytes and self._error is None:
                self._anomalies.note("missing_done")
            self._end("finish_without_done", out)
        else:
            self._end("mid_event" if torn else "no_finish", out)
        return None

    def _unterminated(self, event: ServerSentEvent, out: Out) -> bool:
        """Use the last event, which has no blank line behind it, if its data is whole; whether it was."""
        self._anomalies.event = self._events + 1
        if not is_whole(event):
            self._anomalies.note("torn_event", "$", event.data)
            return not event.data.strip()
        done = event.data.strip() == DONE
        self._anomalies.note("unterminated_done" if done else "unterminated_event", "$", event.data)
        self._event(event, out)
        return True

    def _close_body(self, sniffer: Sniffer, out: Out) -> None:
        """The bytes were no event stream: an error, a full response, a web page, or nothing at all."""
        data = sniffer.held
        self._sniffer = None
        if self._outcome is not None:  # it was over the limit
            return None
        if not sniffer.body:
            return self._end("empty", out)
        found = read_body(data)
        if found is None and begins_with_document(data):
            if raised := self._read(data + b"\n\n", out):
                raise raised
            return self._close(out)
        self._events = self._anomalies.event = self._context.event = 1 if found is not None else 0
        if isinstance(found, RemoteError):
            self._error, self._reason = found, "error_body"
            self._reducer.emit(out, ev.ErrorSeen, found)
            return self._end("error_body", out)
        if found is not None:
            self._anomalies.note("full_body")
            self._document(found, "message", out)
            return self._end("full_body", out)
        self._error, self._reason = refusal(data), "not_a_stream"
        self._reducer.emit(out, ev.ErrorSeen, self._error)
        return self._end("not_a_stream", out)

    def _end(self, reason: str, out: Out) -> None:
        """Settle the outcome. An error that came before decides it, whatever the reason would be."""
        if self._lane is not None:
            self._lane.pause()
        self._anomalies.event = self._context.event = self._events
        error = self._error
        if error is not None:
            reason = self._reason
        name, sentence = REASONS[reason]
        if self._interpreter is not None:
            for choice in self._interpreter.end():
                self._reducer.fold_choice(choice, out)
        self._reducer.end(name == "complete", out)
        if self._anomalies.fresh:
            self._report(out)
        if error is None and name == "truncated":
            error = TruncatedError(sentence, event=self._events or None)
        elif error is None and name == "failed":
            error = FormatError(sentence, event=self._events or None)
            self._reducer.emit(out, ev.ErrorSeen, error)
        if error is not None:
            error.partial = self.snapshot()
            error.emitted = self.emitted
        self._outcome = Outcome(name, reason, error)
        self._reducer.emit(out, ev.End, self._outcome)

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
