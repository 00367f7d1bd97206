"""Events in, the response so far and the outcome out: what an accumulator does once the bytes are cut into events.

It joins the layers by calling: `documents` reads the data of an event, `remote` tells errors from chunks, `dialect`
makes clean chunks, `reducer` folds them. What it adds is how the stream ends, and why. It knows no bytes but those of
events, and nothing of the fast lane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import events as ev
from .._decode.chunk_reader import is_chunk, read_chunk
from .._decode.documents import DONE, DocumentReader
from .._decode.remote_errors import find_error, may_report
from .._decode.repair import unframed, unframed_lines
from .._decode.sniff import refusal
from .._decode.tolerant_json import scrub
from ..anomalies import Anomalies
from ..dialect import Dialect, Interpreter
from ..errors import FormatError, LimitError, RemoteError, SenderError, StreamError, TruncatedError, excerpt
from ..limits import Limits
from ..outcome import REASONS, Outcome
from ..rules import Rule
from ..sse import ServerSentEvent
from ..types import CreateChatCompletionStreamResponse
from .fields import Context
from .reducer import Reducer

__all__ = ("Assembler",)

Out = list[ev.Event] | None


class Assembler:
    """One response, while its stream runs."""

    def __init__(self, strict: bool, limits: Limits, rules: Mapping[str, Rule], dialect: Dialect) -> None:
        self._response_limit, self._value_limit = limits.max_response_bytes, limits.max_event_values
        self.anomalies = Anomalies(maximum=limits.max_anomalies, strict=strict)
        self.context = Context(rules, limits, self.anomalies.note, dialect)
        self.reducer = Reducer(self.context)
        self._interpreter = Interpreter(dialect) if dialect else None
        self._documents = DocumentReader(self.anomalies, limits.max_event_values)
        self.events = 0
        self.data_bytes = 0
        self._pings = 0  # events that are JSON and no chunk
        self.error: StreamError | None = None  # the first error that the stream failed with
        self._reason = ""  # the reason that goes with it
        self.instead: SenderError | None = None  # what a stream without a chunk fails with: its source broke
        self.outcome: Outcome | None = None
        self.tap_error: Exception | None = None  # what it raised
        self.tap: Callable[[CreateChatCompletionStreamResponse], object] | None = None

    @property
    def open(self) -> bool:
        """Whether neither an outcome nor an error has come yet."""
        return self.outcome is None and self.error is None

    @property
    def unaffected(self) -> bool:
        """Whether an event that folded nothing left everything as it was: no end, no half of a document."""
        return self.outcome is None and not self._documents.waiting

    # --- events

    def event(self, event: ServerSentEvent, out: Out, repaired: str | None = None) -> None:
        self.events += 1
        self.anomalies.event = self.context.event = self.events
        self.anomalies.trail.clear()
        if self.outcome is not None:
            self.anomalies.note("after_done", "$", event.data)
            return
        if repaired is not None:
            self.anomalies.note(repaired, "$", event.data)
        data = event.data
        self.context.size = len(data)
        self.data_bytes += len(data)
        if self.data_bytes > self._response_limit:
            text = f"more than {self._response_limit} bytes of events in one response"
            raise LimitError(text, limit="max_response_bytes", maximum=self._response_limit, event=self.events)
        for document in self._documents.read(event):
            if self.outcome is not None:
                self.anomalies.note("after_done", "$", event.data)
            elif document == DONE:
                self._done(out)
            else:
                self._document(document, event.event, out)
        if self.anomalies.fresh and self.outcome is None:  # nothing is told behind the ending event
            self._report(out)

    def discarded(self, lines: tuple[bytes, ...], out: Out) -> None:
        """Lines that are no event by the standard: `error: {…}` (GPUStack), or JSON without `data:`."""
        for line in unframed_lines(lines):
            name, _, rest = line.partition(b":")
            text = rest.strip() if name == b"error" else unframed(line)
            if text:
                kind = "error" if name == b"error" else "message"
                self.event(ServerSentEvent(text, kind), out, "unframed_json" if text.startswith(b"{") else None)
            elif self.outcome is None:
                self.anomalies.event = self.events + 1
                self.anomalies.note("ignored_line", "$", line)
                self._report(out)  # at once: what follows may take the fast lane, which tells of no anomaly

    def keep_alive(self, text: str, out: Out) -> None:
        if self.outcome is None:
            self.reducer.emit(out, ev.KeepAlive, text)

    def add(self, value: CreateChatCompletionStreamResponse | dict[str, Any], out: Out) -> None:
        self.events += 1
        self.anomalies.event = self.context.event = self.events
        self.anomalies.trail.clear()
        self.context.size = 0
        if isinstance(value, dict):
            try:
                lost: list[str] = []
                value = scrub(value, lost=lost)
            except RecursionError:
                self.anomalies.note("too_deep")
            else:
                if lost:
                    self.anomalies.note("lone_surrogate", "$", lost[0])
                self._document(value, "message", out)
        else:
            # What the strict codec keeps in `extra` may be an error all the same.
            error = find_error({**value.extra, "choices": [choice.extra for choice in value.choices]})
            if error is not None:
                self._remote_error(error, out)
            self._fold(value, out)
        if self.anomalies.fresh:
            self._report(out)

    # --- documents to chunks

    def _document(self, value: Any, kind: str, out: Out) -> None:
        if type(value) is dict:
            if kind == "error" or not ("choices" in value and "error" not in value):
                error = find_error(value, kind)
                if error is not None:
                    self._remote_error(error, out)
                elif not is_chunk(value):
                    self.anomalies.note("not_a_chunk", "$", value)
                    self._pings += 1
                    return self.keep_alive(str(value.get("type", kind)), out)
                if error is not None and not value.get("choices"):
                    return None
            elif may_report(value) and (error := find_error(value, kind)) is not None:
                self._remote_error(error, out)
            self._fold(read_chunk(value, self.anomalies.note), out)
        elif value is None:
            self.anomalies.note("null_event")
        elif isinstance(value, list):
            self.anomalies.note("chunk_list")
            for item in value:
                self._document(item, kind, out)
        elif kind == "error":
            self._remote_error(find_error({"error": str(value)}, kind), out)
        else:
            self.anomalies.note("not_json", "$", str(value))
        return None

    def _fold(self, chunk: CreateChatCompletionStreamResponse, out: Out) -> None:
        if self.tap is not None:
            try:
                self.tap(chunk)
            except Exception as error:  # whatever the caller's function raises: the chunk is folded all the same
                self.tap, self.tap_error = None, error
        if self._interpreter is not None:
            chunk = self._interpreter.read(chunk)
        self.reducer.fold(chunk, out)

    def _report(self, out: Out) -> None:
        """Tell of anomalies that were seen for the first time."""
        for anomaly in self.anomalies.fresh:
            self.reducer.emit(out, ev.AnomalySeen, anomaly)
        self.anomalies.fresh.clear()

    # --- the end

    def _remote_error(self, error: RemoteError | None, out: Out) -> None:
        assert error is not None
        error.event = self.events
        strict, self.anomalies.strict = self.anomalies.strict, False
        self.anomalies.note("error_event", error.path or "$", error.message)
        if self.error is None:  # only the first takes a snapshot: a stream may be nothing but errors
            self.error, self._reason = error, "remote_error"
            error.partial, error.emitted = self.reducer.snapshot(), self.reducer.emitted
        self.reducer.emit(out, ev.ErrorSeen, error)
        if strict:  # the sender's own error says more than that there was one
            raise error

    def fail(self, error: StreamError, reason: str, out: Out) -> None:
        """The stream is over: nothing that comes after this is looked at."""
        if error.event is None:
            error.event = self.events or None
        if self.outcome is not None:
            return
        self.anomalies.strict = False  # it raises at the first one
        if reason == "anomaly" and self.error is None and (instead := self._broken()) is not None:
            error, reason = instead, _reason_of(instead)
        if self.error is None:
            self.error, self._reason = error, reason
        self._report(out)
        if not isinstance(error, RemoteError) or error is self.instead:  # the sender's was told when it came
            self.reducer.emit(out, ev.ErrorSeen, error)
        self.end("no_finish", out)

    def _done(self, out: Out) -> None:
        """`[DONE]` came."""
        if not self.reducer.chunks:
            self.end("empty", out)
        elif self.reducer.finished:
            self.end("done", out)
        else:
            if self.error is None:
                self.anomalies.note("missing_finish")
            self.end("done_without_finish", out)

    def close(self, last: ServerSentEvent | None, out: Out, *, head: bytes, alive: bool, any_bytes: bool) -> None:
        """The bytes are over. `last`: an event without its blank line. `head`: how they began, where no event was in them;
        `alive`: whether there was a sign of an event stream; `any_bytes`: whether there were bytes at all."""
        self.anomalies.event = self.context.event = self.events
        torn = False
        if last is not None and self.outcome is None:
            torn = not self._unterminated(last, out)
        if self.outcome is not None:
            return
        self._documents.give_up()
        if not self.reducer.chunks and self.error is None:
            if torn and last is not None and last.data.lstrip().startswith(b"{"):
                self.end("mid_event", out)
            elif not any_bytes or alive or self._pings:
                self.end("empty", out)
            else:
                self._refuse(head, out)
        elif self.reducer.settled:
            if any_bytes and self.error is None:
                self.anomalies.note("missing_done")
            self.end("finish_without_done", out)
        else:
            self.end("mid_event" if torn else "no_finish", out)

    def _broken(self) -> SenderError | None:
        """What the stream fails with where its source broke before any chunk, or an error of the sender's, had arrived."""
        return self.instead if self.error is None and not self.reducer.chunks else None

    def _refuse(self, data: bytes, out: Out) -> None:
        found, instead = refusal(data, self._value_limit), self._broken()
        # Of a page or a text the beginning may be all there is; only an HTTP status says that it was meant as a refusal.
        if instead is None or (isinstance(instead, RemoteError) and isinstance(found, RemoteError)):
            self.error, self._reason = found, "not_a_stream"
            self.reducer.emit(out, ev.ErrorSeen, found)
        self.end("not_a_stream", out)

    def _unterminated(self, event: ServerSentEvent, out: Out) -> bool:
        """Use the last event, which has no blank line behind it, if its data is whole; whether it was."""
        self.anomalies.event = self.events + 1
        if not self._documents.is_whole(event):
            self.anomalies.note("torn_event", "$", event.data)
            return not event.data.strip()
        done = event.data.strip() == DONE
        self.anomalies.note("unterminated_done" if done else "unterminated_event", "$", event.data)
        self.event(event, out)
        return True

    def body(self, found: dict[str, Any] | RemoteError | None, data: bytes, out: Out) -> None:
        """There was no event stream but one whole body, `data`: a response, an error, or nothing that can be read."""
        self.events = self.anomalies.event = self.context.event = 1 if found is not None else 0
        if isinstance(found, RemoteError):
            self.error, self._reason = found, "error_body"
            self.reducer.emit(out, ev.ErrorSeen, found)
            return self.end("error_body", out)
        if found is not None:
            self.anomalies.note("full_body")
            self._document(found, "message", out)
            return self.end("full_body", out)
        return self._refuse(data, out)

    def end(self, reason: str, out: Out) -> None:
        """Settle the outcome. An error that came before decides it, whatever the reason would be, and then a finish reason
        that says that the sender failed: only here, as the last reason of a choice stands."""
        self.anomalies.event = self.context.event = self.events
        error, instead = self.error, self._broken()
        if error is not None:
            reason = self._reason
        elif instead is not None:
            reason = _reason_of(instead)
        elif reason not in ("empty", "cancelled", "not_a_stream") and (failure := self.reducer.failure) is not None:
            reason, instead = "finish_error", _failed(*failure, self.events or None)
        name, sentence = REASONS[reason]
        if self._interpreter is not None:
            for choice in self._interpreter.end():
                self.reducer.fold_choice(choice, out)
        self.reducer.end(name == "complete", out)
        if self.anomalies.fresh:
            self._report(out)
        if error is None and name == "truncated":
            error = TruncatedError(sentence, event=self.events or None)
        elif error is None and name == "failed":
            error = FormatError(sentence, event=self.events or None) if instead is None else instead
            self.reducer.emit(out, ev.ErrorSeen, error)
        if error is not None:
            error.partial = self.reducer.snapshot()
            error.emitted = self.reducer.emitted
        self.outcome = Outcome(name, reason, error)
        self.reducer.emit(out, ev.End, self.outcome)


def _failed(choice: int, reason: str, event: int | None) -> RemoteError:
    """What a stream fails with whose sender says in a finish reason that it failed."""
    text = f"the sender ended choice {choice} with the finish reason {excerpt(reason)!r}"
    return RemoteError(text, type=reason, event=event, path=f"$.choices[{choice}].finish_reason")


def _reason_of(instead: SenderError) -> str:
    return "remote_error" if isinstance(instead, RemoteError) else "source_error"
