"""Events in, the response so far and the outcome out: what an accumulator does after the bytes were split into events.

It joins the layers by calling: `documents` reads the data of an event, `remote_errors` separates errors from chunks,
`dialect` cleans chunks, `reducer` folds them. It adds how the stream ends, and why. It sees no bytes except those of
events, and does not know about the fast lane.

Rule 1  An error from the sender is the outcome, whatever follows it, and under strict it is the error raised.
Rule 2  An object that may be an error (`{"message":"boom"}`) waits for the end: it was one if no output and no finish
        reason follows or preceded it. Only the first one waits.
Rule 3  After `[DONE]` nothing changes except `extra`: a gateway writes the cost of the request there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import events as ev
from .._decode.chunk_reader import is_chunk, read_chunk
from .._decode.documents import DONE, DocumentReader
from .._decode.other_formats import is_legacy, other_format
from .._decode.remote_errors import find_error, find_weak_error, is_bare, may_report
from .._decode.repair import is_unframed, unframed, unframed_lines
from .._decode.scanning import begin_of
from .._decode.sniff import refusal
from .._decode.tolerant_json import scrub
from ..anomalies import Anomalies, ignore
from ..dialect import DEFAULT_DIALECT, Dialect, Interpreter
from ..errors import FormatError, LimitError, RemoteError, SenderError, StreamError, TruncatedError, counted, excerpt
from ..limits import Limits
from ..outcome import REASONS, Outcome
from ..rules import Rule
from ..sse import ServerSentEvent, event_of
from ..types import ChatChoiceStream, CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from .fields import Context
from .leftovers import Leftovers, breaks_off, name_of
from .output import says
from .reducer import Reducer

__all__ = ("Assembler",)

Out = list[ev.Event] | None


class Assembler:
    """The state of one response while its stream is running."""

    def __init__(self, strict: bool, limits: Limits, rules: Mapping[str, Rule], dialect: Dialect) -> None:
        self._response_limit, self._value_limit = limits.max_response_bytes, limits.max_event_values
        self.anomalies = Anomalies(maximum=limits.max_anomalies, strict=strict)
        self.context = Context(rules, limits, self.anomalies.note, dialect)
        self.reducer = Reducer(self.context)
        self._interpreter = Interpreter(dialect) if dialect is not DEFAULT_DIALECT and dialect else None
        self._documents = DocumentReader(self.anomalies, limits.max_event_values)
        self.events = 0
        self.data_bytes = 0
        self._pings = 0  # events that are JSON but not a chunk
        self._format: str | None = None  # the API of the first of them that is recognised
        self._weak: RemoteError | None = None  # the first object that is an error if no output follows
        self._left = Leftovers()
        self._ended = False  # `[DONE]` arrived
        self.error: StreamError | None = None  # the first error that the stream failed with
        self._reason = ""  # the reason that goes with it
        self.instead: SenderError | None = None  # the error of a stream without a chunk whose source failed
        self.outcome: Outcome | None = None
        self.tap: Callable[[CreateChatCompletionStreamResponse], object] | None = None
        # The hooks of a caller's converter for a chunk (one result for the tap, one for the fold), and for a response.
        self.refine_chunk: Callable[[Any], tuple[Any, Any]] | None = None
        self.refine_response: Callable[[Any], Any] | None = None
        self.caller_error: tuple[str, Exception] | None = None  # the function that raised, and its exception

    @property
    def open(self) -> bool:
        """True if there is neither an outcome nor an error yet."""
        return self.outcome is None and self.error is None

    @property
    def unaffected(self) -> bool:
        """True if an event that folded nothing changed nothing else: no end, no half of a document, no possible
        error."""
        return self.outcome is None and not self._documents.waiting and self._weak is None

    # --- events

    def plain(self, data: bytes, out: Out) -> None:
        """Read an event that is nothing but `data`: like `event`, with half of the calls for what nearly all are."""
        if self.outcome is not None or (value := self._documents.plain(data)) is None:
            return self.event(event_of(data), out)
        self.begin(data)
        if value is DONE:
            self._done(out)
        elif may_report(value):
            self._document(value, "message", out)
        else:
            self._fold(read_chunk(value, self.anomalies.note), out)
        if self.anomalies.fresh and self.outcome is None:
            self._report(out)
        return None

    def begin(self, data: bytes) -> None:
        """Count the next event, which the reference path is about to read."""
        anomalies, context = self.anomalies, self.context
        self.events = anomalies.event = context.event = self.events + 1
        anomalies.trail.clear()
        if self._weak is not None:  # each event has to be checked here: the fast lane would not see what it takes
            anomalies.trail.append(("perhaps_error", "$"))
        if self.outcome is not None:
            return
        context.size = size = len(data)
        self.data_bytes = size = self.data_bytes + size
        if size > self._response_limit:
            text = f"more than {counted(self._response_limit, 'byte')} of events in one response"
            raise LimitError(text, limit="max_response_bytes", maximum=self._response_limit, event=self.events)

    def event(self, event: ServerSentEvent, out: Out, repaired: str | None = None) -> None:
        self.begin(event.data)
        if self.outcome is not None:
            return self._late(event)
        for document in (
            self._read(event, repaired, out) if self.anomalies.strict else self._documents_of(event, repaired)
        ):
            if self.outcome is not None:
                self._late(event, document)
            elif document == DONE:
                self._done(out)
            else:
                self._document(document, event.event, out)
        if self.anomalies.fresh and self.outcome is None:  # nothing is reported after the ending event
            self._report(out)
        return None

    def _documents_of(self, event: ServerSentEvent, repaired: str | None) -> list[Any]:
        if repaired is not None:
            self.anomalies.note(repaired, "$", event.data)
        return self._documents.read(event)

    def _read(self, event: ServerSentEvent, repaired: str | None, out: Out) -> list[Any]:
        """Read an event under strict; in one that needs repair, an error from the sender is raised first."""
        with self.anomalies.deferred() as refused:
            documents = self._documents_of(event, repaired)
        if refused:
            for at, document in enumerate(documents):
                if document == DONE:
                    break
                if (error := self._reported(document, event.event)) is not None:
                    for before in documents[:at]:
                        self._document(before, event.event, out)
                    self._remote_error(error, out)
            raise refused[0]
        return documents

    def _reported(self, document: Any, kind: str) -> RemoteError | None:
        """Return the error in a document, after which nothing else is read."""
        if isinstance(document, list):
            return next((found for item in document if (found := self._reported(item, kind)) is not None), None)
        if not isinstance(document, dict):
            return find_error({"error": str(document)}, kind) if kind == "error" else None
        return find_error(document, kind) or self._weak_error(document, kind)

    def _late(self, event: ServerSentEvent, document: Any = None) -> None:
        """Apply rule 3. Usage is excluded: the usage reported with the end is kept."""
        self.anomalies.note("after_done", "$", event.data)
        if not self._ended or not self.reducer.chunks or self.data_bytes + len(event.data) > self._response_limit:
            return
        self.data_bytes += len(event.data)
        value = self._documents.late(event.data) if document is None else document
        if isinstance(value, dict) and is_chunk(value) and not value.get("choices"):
            if find_error(value, event.event) is None and find_weak_error(value, event.event) is None:
                self.reducer.fold_late(read_chunk(value, ignore).extra)

    def discarded(self, lines: tuple[bytes, ...], kind: str, out: Out) -> None:
        """Read lines that are not an event by the standard: `error: {…}` (GPUStack), or JSON without `data:`. `kind`:
        the type of their event."""
        left = []
        for line in unframed_lines(lines):
            if not self._unframed(line, kind, out):
                left.append(line)
                self.anomalies.event = self.events + 1
                if self.outcome is not None:
                    self.anomalies.note("after_done", "$", line)
                    continue
                self.anomalies.note("ignored_line", "$", line)
                self._report(out)  # at once: what follows may take the fast lane, which reports no anomalies
        if left:
            self._left.add(left, self.events, before_chunks=not self.reducer.chunks)

    def _unframed(self, line: bytes, kind: str, out: Out) -> bool:
        """Read a line that is not a field of the standard as an event, if possible; return whether it was."""
        name, _, rest = line.partition(b":")
        text = rest.strip() if name == b"error" else unframed(line)
        if text:
            kind = "error" if name == b"error" else kind
            self.event(ServerSentEvent(text, kind), out, "unframed_json" if text.startswith(b"{") else None)
        return bool(text)

    def _unread(self, lines: tuple[bytes, ...], kind: str, out: Out) -> bytes:
        """Read lines without data at the end of the bytes; return those that cannot be read: the text of a proxy, a web
        page, half of a document."""
        left = []
        for line in unframed_lines(lines):
            if not (is_unframed((line,)) and self._unframed(line, kind, out)):
                left.append(line)
        return b"\n".join(left).strip()

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
            # What the strict codec keeps in `extra` may still be an error.
            choices = [{"delta": choice.delta.extra, **choice.extra} for choice in value.choices]
            error = find_error({**value.extra, "choices": choices})
            if error is not None:
                self._remote_error(error, out)
            self._fold(value, out)
        if self.anomalies.fresh:
            self._report(out)

    # --- the response so far

    def refined(self, response: CreateChatCompletionResponse | None) -> CreateChatCompletionResponse | None:
        """Return a response after the caller's hooks; raises what they raise."""
        return response if self.refine_response is None or response is None else self.refine_response(response)

    def partial(self) -> CreateChatCompletionResponse | None:
        """Return the response so far, for an error: without the caller's hooks if one of them raises."""
        response: CreateChatCompletionResponse | None = self.reducer.snapshot()
        try:
            return self.refined(response)
        except Exception:
            return response

    # --- documents to chunks

    def _document(self, value: Any, kind: str, out: Out) -> None:
        if type(value) is dict:
            if (kind == "error" or may_report(value)) and not (kind == "message" and is_bare(value)):
                error = find_error(value, kind)
                if error is not None:
                    self._remote_error(error, out)
                    plain = kind != "error" and "choices" in value and "error" not in value
                    if not plain and not value.get("choices"):
                        return None
                elif not (self._doubt(value, kind) or is_chunk(value)):
                    self.anomalies.note("not_a_chunk", "$", value)
                if not is_chunk(value):
                    self._pings += 1
                    self._format = self._format or other_format(value)
                    return self.keep_alive(str(value.get("type", kind)), out)
            self._fold(read_chunk(value, self.anomalies.note), out)
        elif value is None:
            self.anomalies.note("null_event")
        elif isinstance(value, list):
            if self.anomalies.strict and (error := self._reported(value, kind)) is not None:
                self._remote_error(error, out)
            self.anomalies.note("chunk_list")
            for item in value:
                self._document(item, kind, out)
        elif kind == "error":
            self._remote_error(find_error({"error": str(value)}, kind), out)
        else:
            self.anomalies.note("not_json", "$", str(value))
        return None

    def _fold(self, chunk: CreateChatCompletionStreamResponse, out: Out) -> None:
        typed = chunk
        if self.refine_chunk is not None:
            try:
                typed, chunk = self.refine_chunk(chunk)
            except Exception as error:  # anything from the caller's hook: the chunk is folded as it was read
                self.refine_chunk, self.caller_error = None, ("a hook of the converter", error)
        if self.tap is not None:
            try:
                self.tap(typed)
            except Exception as error:  # as above
                self.tap, self.caller_error = None, ("the function given to tap()", error)
        if self._weak is not None and any(map(_goes_on, chunk.choices)):
            self._weak = None
        if self._interpreter is not None:
            chunk = self._interpreter.read(chunk)
        self.reducer.fold(chunk, out)

    def _report(self, out: Out) -> None:
        """Report anomalies that were seen for the first time."""
        for anomaly in self.anomalies.fresh:
            self.reducer.emit(out, ev.AnomalySeen, anomaly)
        self.anomalies.fresh.clear()

    # --- errors

    def _weak_error(self, value: dict[str, Any], kind: str) -> RemoteError | None:
        """Return the error that `value` is, by rule 2, if no output follows it."""
        error = find_weak_error(value, kind)
        if error is None or any(state.finish.value() for state in self.reducer.choices.values()):
            return None
        error.event = self.events
        return error

    def _doubt(self, value: dict[str, Any], kind: str) -> bool:
        """Keep `value` for the end if it may be an error; return whether it may."""
        weak = self._weak_error(value, kind)
        if weak is not None:
            self.anomalies.note("perhaps_error", "$", value)
            self._weak = self._weak or weak
        return weak is not None

    def _decide(self, out: Out) -> None:
        """Decide by rule 2: no output followed."""
        error, self._weak = self._weak, None
        if error is not None:
            self._remote_error(error, out)

    def _remote_error(self, error: RemoteError | None, out: Out) -> None:
        assert error is not None
        error.event = error.event or self.events
        strict, self.anomalies.strict = self.anomalies.strict, False
        self.anomalies.event = error.event
        self.anomalies.note("error_event", error.path or "$", error.message)
        self.anomalies.event = self.events
        if self.error is None:  # only the first takes a snapshot: a stream may consist of errors only
            self.error, self._reason = error, "remote_error"
            error.partial, error.emitted = self.partial(), self.reducer.emitted
        self.reducer.emit(out, ev.ErrorSeen, error)
        if strict:  # the sender's own error says more than the anomaly
            raise error

    # --- the end

    def fail(self, error: StreamError, reason: str, out: Out) -> None:
        """Fail the stream: nothing after this is read."""
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
        if not isinstance(error, RemoteError) or error is self.instead:  # the sender's was reported when it arrived
            self.reducer.emit(out, ev.ErrorSeen, error)
        self.end("no_finish", out)

    def _done(self, out: Out) -> None:
        """Handle `[DONE]`."""
        self._decide(out)
        self._ended = True
        if self._interpreter is not None and not self.reducer.said:  # it may hold back the beginning of a tag
            self._release(out)
        if not self.reducer.chunks and self.error is None and self._left.before_chunks:
            self._refuse(self._left.before_chunks, out)
        elif not self.reducer.chunks:
            self.end("empty", out)
        elif self.reducer.finished:
            self.end("done", out)
        elif not self.reducer.said and self.error is None:
            self.end("empty", out)
        else:
            if self.error is None:
                self.anomalies.note("missing_finish")
            self.end("done_without_finish", out)

    def close(
        self,
        last: ServerSentEvent | None,
        unread: tuple[bytes, ...],
        kind: str,
        out: Out,
        *,
        head: bytes,
        alive: bool,
        any_bytes: bool,
    ) -> None:
        """End the bytes. `last`: an event without its blank line; `unread`, `kind`: the lines and the type of one
        without data. `head`: the first bytes, if there was no event in them; `alive`: whether there was any sign of an
        event stream; `any_bytes`: whether there were any bytes."""
        self.anomalies.event = self.context.event = self.events
        torn, left = False, self._unread(unread, kind, out)
        if last is not None:
            torn, left = self._unterminated(last, out)
        if self.outcome is None:
            self._decide(out)
            torn = torn or breaks_off(left)
            self._leave(left, torn)
        elif left:
            self.anomalies.note("after_done", "$", left)
        if self.outcome is not None:
            return
        self._documents.give_up()
        if not self.reducer.chunks and self.error is None:
            if torn and left.startswith(b"{", begin_of(left)):
                self.end("mid_event", out)
            elif any_bytes and not (alive or self._pings):
                self._refuse(head or self._left.before_chunks, out)
            elif self._left.before_chunks:
                self._refuse(self._left.before_chunks, out)
            else:
                self.end("empty", out)
        elif self.reducer.settled:
            if any_bytes and self.error is None:
                self.anomalies.note("missing_done")
            self.end("finish_without_done", out)
        else:
            self.end("mid_event" if torn else "no_finish", out)

    def _leave(self, text: bytes, torn: bool) -> None:
        """Report text at the very end that could not be read: `text`, or what was left out just before. If there is
        nothing else in the stream, it is its error."""
        name = name_of(text, torn=torn) if text else ""
        if name == "unread_end":
            self._left.add((text,), self.events, before_chunks=not self.reducer.chunks)
        if not text or name == "unread_end":
            text = self._left.at_end(self.events)
            some = bool(self.reducer.chunks) or self.error is not None
            name = "unread_end" if text and some and name_of(text, torn=False) == "unread_end" else ""
        if name:
            self.anomalies.event = self.events + 1
            self.anomalies.note(name, "$", text)
            self.anomalies.event = self.events

    def _broken(self) -> SenderError | None:
        """Return the error of a stream whose source failed before a chunk, or an error from the sender, had arrived."""
        return self.instead if self.error is None and not self.reducer.chunks else None

    def _refuse(self, data: bytes, out: Out) -> None:
        found, instead = refusal(data, self._value_limit), self._broken()
        # A page or a text may be only the beginning; only an HTTP status shows that it was meant as a refusal.
        if instead is None or (isinstance(instead, RemoteError) and isinstance(found, RemoteError)):
            return self._instead_of_stream(found, "not_a_stream", out)
        return self.end("not_a_stream", out)

    def _instead_of_stream(self, error: StreamError, reason: str, out: Out) -> None:
        """End a body that is not a stream with `error`."""
        self.error, self._reason = error, reason
        self.reducer.emit(out, ev.ErrorSeen, error)
        self.end(reason, out)
        if self.anomalies.strict and isinstance(error, RemoteError):  # like an error in an event
            raise error

    def _unterminated(self, event: ServerSentEvent, out: Out) -> tuple[bool, bytes]:
        """Use the last event, which lacks its blank line, as far as its data is whole; return whether it was cut off,
        and which part of it was left out."""
        if self.outcome is not None:
            self.event(event, out)
            return False, b""
        self.anomalies.event = self.events + 1
        whole, some = self._documents.is_whole(event)
        left = b"\n".join(one for one in unframed_lines(event.ignored) if not is_unframed((one,))).strip()
        if whole or some:
            done = event.data.strip() == DONE
            self.event(event, out, None if not whole else "unterminated_done" if done else "unterminated_event")
            return not whole, left
        data = event.data.strip()
        return bool(data), data or left or b"data"

    def body(self, found: dict[str, Any] | RemoteError | None, data: bytes, out: Out) -> None:
        """Take one whole body, `data`, instead of an event stream: a response, an error, or unreadable."""
        if isinstance(found, dict) and is_legacy(found) and not self.context.dialect.choice_text:
            found = None
        self.events = self.anomalies.event = self.context.event = 1 if found is not None else 0
        if isinstance(found, RemoteError):
            return self._instead_of_stream(found, "error_body", out)
        if found is not None:
            self.anomalies.note("full_body")
            self._document(found, "message", out)
            return self.end("full_body", out)
        return self._refuse(data, out)

    def _release(self, out: Out) -> None:
        """Fold what the dialect held back: the stream has ended."""
        for choice in self._interpreter.end() if self._interpreter is not None else ():
            self.reducer.fold_choice(choice, out)

    def end(self, reason: str, out: Out) -> None:
        """Decide the outcome. An earlier error decides it, whatever `reason` is, and then a finish reason that reports
        a failure of the sender: only here, since the last reason of a choice counts."""
        self.anomalies.event = self.context.event = self.events
        error, instead = self.error, None if self.instead is None else self._broken()
        if error is not None:
            reason = self._reason
        elif instead is not None:
            reason = _reason_of(instead)
        elif reason not in ("empty", "cancelled", "not_a_stream") and (failure := self.reducer.failure) is not None:
            reason, instead = "finish_error", _failed(*failure, self.events or None)
        name, sentence = REASONS[reason]
        if self._interpreter is not None:
            self._release(out)
        self.reducer.end(name == "complete", out)
        if self.anomalies.fresh:
            self._report(out)
        if error is None and name == "truncated":
            error = TruncatedError(sentence, event=self.events or None)
        elif error is None and name == "failed":
            if reason == "empty" and self._format is not None:
                sentence = (
                    f"{sentence}: its events are those of {self._format}; send the request to /v1/chat/completions"
                )
            error = FormatError(sentence, event=self.events or None) if instead is None else instead
            self.reducer.emit(out, ev.ErrorSeen, error)
        if error is not None:
            error.partial = self.partial()
            error.emitted = self.reducer.emitted
        self.outcome = _WITHOUT_ERROR[reason] if error is None else Outcome(name, reason, error)
        if out is not None:
            self.reducer.emit(out, ev.End, self.outcome)


_WITHOUT_ERROR = {reason: Outcome(name, reason) for reason, (name, _) in REASONS.items()}
"""An outcome is a value: nearly all streams end with one of these."""


def _failed(choice: int, reason: str, event: int | None) -> RemoteError:
    """Return the error of a stream whose finish reason reports that the sender failed."""
    text = f"the sender ended choice {choice} with the finish reason {excerpt(reason)!r}"
    return RemoteError(text, type=reason, event=event, path=f"$.choices[{choice}].finish_reason")


def _reason_of(instead: SenderError) -> str:
    return "remote_error" if isinstance(instead, RemoteError) else "source_error"


def _goes_on(choice: ChatChoiceStream) -> bool:
    """Return True if there is output in a choice, or a finish reason."""
    return choice.finish_reason is not None or says(choice.delta) or any(map(choice.extra.get, ("message", "text")))
