"""Folds chunks into the state of each choice, and builds the response from that state at any moment.

In: clean chunks (after `dialect`). Out: events, if the caller wants them (`out` is a list, not None), and `snapshot()`.
`rules.py` decides how repeated fields are combined, `_fold/tool_calls.py` which call a fragment belongs to. Cost: O(1)
a chunk in what arrived before; a snapshot costs one join of the text and one object for each field, tool call and
logprob entry.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from .. import events as ev
from .._decode.chunk_reader import moved_usages, read_delta, read_usage
from .._decode.doubled_json import last_document
from .._decode.tolerant_json import scrub
from .._decode.values import is_empty
from ..errors import LimitError, counted
from ..rules import REASONING
from ..types import (
    ChatChoiceLogprobs,
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    CompletionUsage,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FinishReason,
    FunctionCallStream,
)
from ..types._base import wire_names
from ..types._reasoning import field_reasoning
from ..types._unstructuring import Make, objects
from .choice import ChoiceState, Part
from .field_rules import Base64, FieldState, LastDocument, Text
from .fields import Context, Fields, field_makers, new_fields
from .full_message import missing_from_deltas
from .output import is_beside, says
from .pieces import Field, Fragment, Function, Head, LogprobsPiece, Over, put_told
from .tool_calls import Call
from .usage import UsageLedger
from .weight import CHOICE, token_weight

__all__ = ("Reducer",)

_OF_DELTA = wire_names(ChatCompletionStreamResponseDelta)

Out = list[ev.Event] | None

_CHANGED = ("id", "created", "model")  # the fields about the whole response that every chunk should repeat
_STARTED: dict[str, Any] = {
    **{part: kinds[0] for part, kinds in ev.TEXT_PARTS.items()},
    "audio": ev.AudioStarted,
    "annotations": ev.AnnotationsStarted,
    "logprobs": ev.LogprobsStarted,
}
_CUT_OFF = frozenset({FinishReason.LENGTH, FinishReason.CONTENT_FILTER})  # in the middle of a call
_ENVELOPE = field_makers({"id": "", "created": 0, "model": "", "service_tier": "", "system_fingerprint": ""})


class Reducer:
    """The state of one response."""

    def __init__(self, context: Context) -> None:
        self.chunks = 0
        self.emitted = False  # whether any output has been folded that a caller may have shown
        self.said = False  # whether there was any output: text, a call, an unknown field of a delta that is not empty
        self.sequence = 0  # number of the next event
        self.whole = False  # whether `out` also gets the pieces of a chunk that are not events, see `pieces`
        self.last: CreateChatCompletionStreamResponse | None = None  # the chunk folded last
        self._context = context
        self.choices: dict[int, ChoiceState] = {}
        self._finished = 0  # choices that have a finish reason
        self._metadata: tuple[Any, ...] = ()
        fields = new_fields(context, _ENVELOPE)
        self._id, self._created, self._model, self._tier, self._fingerprint = fields
        context.id = self._id
        self.usage = UsageLedger(context)
        self.models: dict[str, None] = {}  # every name that was sent, in order
        self._extra = Fields(context)

    @property
    def metadata(self) -> tuple[Any, ...]:
        """What the chunks so far said of the response as a whole: id, created, model, service tier and fingerprint."""
        return self._metadata

    @property
    def mixed(self) -> bool:
        """True if a field changed its type between chunks."""
        return self._context.mixed

    # --- in

    def fold(self, chunk: CreateChatCompletionStreamResponse, out: Out) -> None:
        """Fold the next chunk; append its events to `out`."""
        self.chunks += 1
        self.last = chunk
        metadata = (chunk.id, chunk.created, chunk.model, chunk.service_tier, chunk.system_fingerprint)
        choices, extra = chunk.choices, chunk.extra
        if metadata != self._metadata:
            self._take_metadata(metadata)
            if self.whole:
                self._tell(out, Head, metadata)
        for choice in choices:
            self.fold_choice(choice, out)
        if chunk.usage is not None:
            self._take_usage(chunk.usage, "usage", out)
            if not choices:
                self.usage.take_total(chunk.usage, len(self.choices), self.finished)
        elif "x_groq" in extra or (choices and (choices[0].extra or len(choices) > 1)):
            for place, usage in moved_usages(chunk, self._context.note):
                self._context.note("usage_moved", f"$.{place}")
                self._take_usage(usage, place, out)
        if extra:
            self._extra.count(extra)
            if not self.whole or out is None:
                self._extra.add(extra)
            else:
                for name, value in extra.items():
                    put_told(self._extra, name, value, -1, "chunk", out)
        if self.whole:
            self._tell(out, Over, (choices[0].index if choices else -1,))

    def fold_usage(self, report: dict[str, Any], event: int, out: Out) -> None:
        """Fold the usage in a chunk whose other fields are folded, that of this event."""
        self._context.event = event
        self._take_usage(read_usage(report, "$.usage", self._context.note), "usage", out)

    def fold_late(self, extra: dict[str, Any]) -> None:
        """Fold unknown fields that arrive after the end of the stream."""
        self._extra.count(extra)
        self._extra.add(extra)

    def unknown(self, name: str) -> FieldState | None:
        """Return the state of an unknown field of the chunk, or None."""
        return self._extra.state(name)

    def _take_metadata(self, metadata: tuple[Any, ...]) -> None:
        """Fold the fields about the whole response if they differ from the last chunk's."""
        before, self._metadata = self._metadata, metadata
        model = metadata[2]
        if model and len(self.models) < self._context.limits.max_anomalies:
            self.models[model] = None
        if before:
            fields = (self._id, self._created, self._model)
            for name, field, value, last in zip(_CHANGED, fields, metadata, before, strict=False):
                if value and value != last and (field.value() or value) != value:
                    self._context.note(f"{name}_changed", f"$.{name}", value)
        id, created, model, tier, fingerprint = metadata
        if id is not None:
            self._id.add(id)
        if created is not None:
            self._created.add(created)
        if model is not None:
            self._model.add(model)
        if tier is not None:
            self._tier.add(tier)
        if fingerprint is not None:
            self._fingerprint.add(fingerprint)

    def fold_choice(self, choice: ChatChoiceStream, out: Out) -> None:
        """Fold one choice of a chunk."""
        state = self.choices.get(choice.index)
        if state is None:
            state = self._open_choice(choice.index, out)
        delta = choice.delta
        if state.settled:  # it continues again, unless this is empty
            state.settled = not says(delta)
        if delta.role:
            if state.bare and choice.finish_reason is None and state.role.value():
                self._context.note("choice_restarted", f"$.choices[{choice.index}].delta.role", delta.role)
            state.role.add(delta.role)
            if self.whole:
                self._tell(out, Field, (choice.index, "delta", "role", delta.role))
        if delta.extra:
            self._delta_extra(state, delta.extra, out)
        if delta.content is not None:
            if not state.has_content:
                state.has_content = True
                if self.whole:
                    self._tell(out, Field, (choice.index, "delta", "content", ""))
            if delta.content:
                state.bare = not delta.role or state.bare
                self._text(state, "content", state.content, delta.content, out)
        if delta.refusal is not None:
            if state.refusal is None:
                self._tell(out, Field, (choice.index, "delta", "refusal", ""))
            field = state.need("refusal")
            if delta.refusal:
                self._text(state, "refusal", field, delta.refusal, out)
        if delta.function_call is not None:
            self._function_call(state, delta.function_call, out)
        if delta.tool_calls:
            for fragment in delta.tool_calls:
                self._tool_call(state, fragment, out)
        if choice.logprobs is not None:
            self._logprobs(state, choice.logprobs, out)
        if choice.extra:
            self._choice_extra(state, choice, out)
        reason = choice.finish_reason
        if reason is not None and (type(reason) is FinishReason or not FinishReason.is_nothing(reason)):
            self._finish(state, reason, out)

    def _open_choice(self, index: int, out: Out) -> ChoiceState:
        maximum = self._context.limits.max_choices
        if len(self.choices) >= maximum:
            raise LimitError(f"more than {counted(maximum, 'choice')}", limit="max_choices", maximum=maximum)
        self._context.keep(CHOICE)
        state = self.choices[index] = ChoiceState(self._context, index)
        if out is not None:
            self.emit(out, ev.ChoiceStarted, index, False)
        return state

    # --- parts

    def emit(self, out: Out, kind: Any, *facts: Any) -> None:
        """Append `kind(sequence, *facts)` to `out`, if the caller wants events."""
        if out is not None:
            out.append(kind(self.sequence, *facts))
            self.sequence += 1

    def _tell(self, out: Out, kind: Any, facts: tuple[Any, ...]) -> None:
        """Append a piece that is not an event to `out`, if the caller wants all pieces."""
        if self.whole and out is not None:
            out.append(kind(*facts))

    def _start(self, state: ChoiceState, part: Part, out: Out) -> None:
        """Open `part`, which is not open, and with it the choice, if that was done."""
        self.emitted = self.said = True
        if state.done:
            self._context.note("after_finish", f"$.choices[{state.index}]")
            state.done, state.reopened = False, True
            self.emit(out, ev.ChoiceStarted, state.index, True)
        reopened = part in state.ended
        state.open[part] = None
        if isinstance(part, Call):
            part.complete = False
        if out is None:
            return
        if isinstance(part, Call):
            self.emit(out, ev.ToolCallStarted, state.index, part.position, part.id, part.name, reopened)
        elif part == "function_call":
            self.emit(out, ev.FunctionCallStarted, state.index, state.need("function_name").value() or "", reopened)
        else:
            self.emit(out, _STARTED[part], state.index, reopened)

    def _text(self, state: ChoiceState, part: str, field: FieldState, text: str, out: Out) -> None:
        shown = field.add(text)
        if part not in state.open:
            self._start(state, part, out)
        if shown and out is not None:
            out.append(ev.TEXT_PARTS[part][1](self.sequence, state.index, shown))
            self.sequence += 1

    def _function_call(self, state: ChoiceState, function: FunctionCallStream, out: Out) -> None:
        done = "function_call" in state.ended and "function_call" not in state.open
        renamed = False
        if function.name or function.arguments:  # `{}`, or both empty, is not a call
            state.has_function_call = True
        if function.name:
            name = state.need("function_name")
            before = name.value() if done else None
            name.add(function.name)
            renamed = done and before != name.value()
        if function.extra:
            fields = state.need("function_extra")
            fields.count(function.extra)
            fields.add(function.extra)
            self.said = self.said or not is_empty(function.extra)
        self._tell(out, Function, (state.index, function.name or "", function.extra))
        if "function_call" not in state.open and (function.name or function.arguments):
            if function.arguments or renamed or not done:  # a repeated name is not a piece
                self._start(state, "function_call", out)
        if function.arguments:
            shown = state.need("function_arguments").add(function.arguments)
            if shown:
                self.emit(out, ev.FunctionCallDelta, state.index, state.need("function_name").value() or "", shown)

    def _tool_call(self, state: ChoiceState, fragment: ChatCompletionMessageToolCallChunk, out: Out) -> None:
        call, shown = state.calls.add(fragment)
        if call is None:  # an empty fragment
            return
        self.said = True
        if self.whole:
            said_of_it = (call.id, call.synthetic_id, call.name, call.type, call.custom, fragment)
            self._tell(out, Fragment, (state.index, call.position, *said_of_it))
        if call not in state.open:
            # A piece that is only half of a surrogate pair is a piece, although it shows nothing yet.
            # A piece with the name or id of a call that was done changes what its Done reported.
            said = call.identity() != call.told if call in state.ended else call.name
            if shown or said or getattr(call.arguments, "held", ""):
                self._start(state, call, out)
        if shown:
            self.emit(out, ev.ToolCallDelta, state.index, call.position, call.id, call.name, shown)

    def _logprobs(self, state: ChoiceState, logprobs: ChatChoiceLogprobs, out: Out) -> None:
        for part in (logprobs.content, logprobs.refusal):
            if part and (units := token_weight(part, self._context.size)):
                self._context.keep(units)
        state.has_logprobs = True
        self._tell(out, LogprobsPiece, (state.index, logprobs))
        if logprobs.content is not None:
            state.need("logprobs_content").add(logprobs.content)
        if logprobs.refusal is not None:
            state.need("logprobs_refusal").add(logprobs.refusal)
        if logprobs.extra:
            fields = state.need("logprobs_extra")
            fields.count(logprobs.extra)
            fields.add(logprobs.extra)
        if logprobs.content or logprobs.refusal:
            if "logprobs" not in state.open:
                self._start(state, "logprobs", out)
            self.emit(out, ev.LogprobsDelta, state.index, list(logprobs.content or ()), list(logprobs.refusal or ()))

    def _delta_extra(self, state: ChoiceState, extra: dict[str, Any], out: Out) -> None:
        fields = state.delta_extra
        fields.count(extra)
        reasoning: list[str] = []
        thoughts: dict[str, str] = {}  # the reasoning in each object and list of blocks
        try:
            for name, value in extra.items():
                if name == "audio" and value is not None:
                    if is_empty(value):
                        continue
                    if isinstance(value, dict):
                        self.said = True
                        self._audio(state, value, out)
                        continue
                if not self.whole or out is None:
                    shown = fields.put(name, value)
                else:
                    shown = put_told(fields, name, value, state.index, "delta", out)
                if not value:
                    continue
                # A field of the format with a value of another type (`tool_calls: 5`) is kept, and is not output.
                self.said = self.said or (shown is not None and name not in _OF_DELTA and not is_empty(value))
                if name in REASONING and isinstance(value, str):
                    # Some senders write the same piece in two fields: the field seen first counts.
                    state.reasoning = state.reasoning or name
                    if name == state.reasoning:
                        shown = shown if state.thought is None else state.thought.add(value)
                        reasoning.append(shown if isinstance(shown, str) else "")
                elif name == "annotations" and isinstance(value, list):
                    if shown and "annotations" not in state.open:
                        self._start(state, "annotations", out)
                    if shown:
                        self.emit(out, ev.AnnotationsDelta, state.index, None if out is None else deepcopy(shown))
                elif state.reasoning in REASONING and name != state.reasoning:
                    continue
                elif isinstance(value, (dict, list)) and (found := field_reasoning(name, value)):
                    thoughts[name] = found
        finally:  # a later field may exceed a limit: what is in the response must have been reported
            if thoughts:
                # If a field has the same text, it counts: LiteLLM writes `reasoning_content` and `thinking_blocks`.
                state.reasoning = state.reasoning or next(iter(thoughts))
                if piece := thoughts.get(state.reasoning):
                    if state.thought is None and ("reasoning" in state.open or "reasoning" in state.ended):
                        before = state.text_of("reasoning")  # text, before the sender wrote objects
                        state.need("thought").add(before)
                    reasoning.append(state.need("thought").add(piece))
            if reasoning and "reasoning" not in state.open:
                self._start(state, "reasoning", out)
            if reasoning and reasoning[0]:
                self.emit(out, ev.ReasoningDelta, state.index, reasoning[0])

    def _audio(self, state: ChoiceState, audio: dict[str, Any], out: Out) -> None:
        data, transcript = b"", ""
        fields = state.need("audio")
        try:
            for name, value in audio.items():
                if not self.whole or out is None:
                    shown = fields.put(name, value)
                else:
                    shown = put_told(fields, name, value, state.index, "audio", out)
                if name == "data" and isinstance(shown, bytes):
                    data = shown
                elif name == "transcript" and isinstance(shown, str):
                    transcript = shown
        finally:  # as above
            if (data or transcript or audio.get("data") or audio.get("transcript")) and "audio" not in state.open:
                self._start(state, "audio", out)
            if data or transcript:
                self.emit(out, ev.AudioDelta, state.index, data, transcript)

    def _choice_extra(self, state: ChoiceState, choice: ChatChoiceStream, out: Out) -> None:
        fields = state.need("extra")
        fields.count(choice.extra)
        for name, value in choice.extra.items():
            if name == "message" and isinstance(value, dict):
                self._message(state, value, choice, out)
            elif not self.whole or out is None:
                fields.put(name, value)
            else:
                put_told(fields, name, value, choice.index, "choice", out)

    def _message(self, state: ChoiceState, message: dict[str, Any], choice: ChatChoiceStream, out: Out) -> None:
        """Fold a message in the place of a delta, or next to one.

        In the chunk that finishes the choice it may be the whole message again (MiniMax, Perplexity): then it adds what
        the deltas lacked, and nothing twice. Before that, and without a delta, it is a delta under another name; next
        to a delta it repeats the text so far (Perplexity) and is ignored.
        """
        delta = choice.delta
        if choice.finish_reason is None:
            if not is_beside(delta):
                state.has_message = True
                self.fold_choice(
                    ChatChoiceStream(
                        choice.index, read_delta(message, f"$.choices[{choice.index}]", self._context.note)
                    ),
                    out,
                )
            return
        whole = read_delta(message, f"$.choices[{choice.index}]", self._context.note)
        missing = missing_from_deltas(self._context, state, whole)
        self.fold_choice(ChatChoiceStream(choice.index, missing), out)

    def _finish(self, state: ChoiceState, reason: str, out: Out) -> None:
        before = state.finish.value()
        state.finish.add(reason)
        if before != reason:
            if not before:
                self._finished += bool(state.finish.value())
            else:
                self._context.note("finish_changed", f"$.choices[{state.index}].finish_reason", reason)
                if state.done:  # so that the last ChoiceDone has the final reason
                    state.done = False
                    self.emit(out, ev.ChoiceStarted, state.index, True)
            if out is not None:
                self.emit(out, ev.Finish, state.index, reason)
        if state.reopened:
            # A sender that continues after a finish reason, perhaps with one in every chunk: only the end of the stream
            # shows that this is over, and each Done carries all text.
            state.settled = True
        elif not state.done:
            self._end_choice(state, out)

    def _end_choice(self, state: ChoiceState, out: Out) -> None:
        """End the choice: every open part is done."""
        if state.waiting or state.audio is not None:
            self._flush(state, out)
        reason = state.finish.value() or None
        for part in list(state.open):
            if part == "function_call" and last_document(text := state.need("function_arguments").value()) is not None:
                path = f"$.choices[{state.index}].delta.function_call.arguments"
                self._context.note("arguments_doubled", path, text)
            if isinstance(part, Call):
                cut_off = part is state.calls.calls[-1] and (
                    FinishReason.meant_by(reason) in _CUT_OFF or FinishReason.says_failed(reason)
                )
                part.close(finished=reason is not None, cut_off=cut_off)
                if not part.name:
                    self._context.note("tool_name_missing", f"$.choices[{state.index}].delta.tool_calls[]")
                if part.doubled:
                    path = f"$.choices[{state.index}].delta.tool_calls[].function.arguments"
                    self._context.note("arguments_doubled", path, part.arguments.value())
                if part.synthetic_id:
                    self._context.note("tool_id_missing", f"$.choices[{state.index}].delta.tool_calls[]")
                self.emit(
                    out, ev.ToolCallDone, state.index, part.position, part.id, part.name,
                    None if out is None else part.value(),
                )  # fmt: skip
            elif out is None:
                continue
            elif part in ev.TEXT_PARTS:
                self.emit(out, ev.TEXT_PARTS[part][2], state.index, state.text_of(part))
            elif part == "function_call":
                self.emit(out, ev.FunctionCallDone, state.index, state.function_call())
            elif part == "audio":
                self.emit(out, ev.AudioDone, state.index, state.audio_value())
            elif part == "annotations":
                self.emit(out, ev.AnnotationsDone, state.index, state.delta_extra.get("annotations"))
            else:
                self.emit(out, ev.LogprobsDone, state.index, state.logprobs())
        state.ended |= state.open
        state.open.clear()
        state.done = True
        if out is not None:
            self.emit(out, ev.ChoiceDone, state.index, reason)

    def _flush(self, state: ChoiceState, out: Out) -> None:
        """End halves of a surrogate pair that can no longer be completed, and base64 that will get no more padding.

        Only what waits is visited: a choice may end repeatedly, and may have any number of fields.
        """
        audio = state.audio.state("data") if state.audio is not None else None
        data, transcript = audio.flush() if isinstance(audio, Base64) else b"", ""
        if state.waiting:
            calls, waiting = state.calls.waiting(), dict(state.waiting)
            state.waiting.clear()
            reasoning = state.thought if state.thought is not None else state.delta_extra.state(state.reasoning)
            texts: dict[str, str] = {}  # by field: halves flushed as an event
            for part, field in (("content", state.content), ("refusal", state.refusal), ("reasoning", reasoning)):
                # A limit may have been exceeded between a piece and its part.
                if isinstance(field, Text) and id(field) in waiting and (text := field.flush()) and part in state.open:
                    self.emit(out, ev.TEXT_PARTS[part][1], state.index, text)
                    texts[state.reasoning if part == "reasoning" else part] = text
            field = state.function_arguments
            if isinstance(field, (Text, LastDocument)) and id(field) in waiting and (text := field.flush()):
                self.emit(out, ev.FunctionCallDelta, state.index, state.need("function_name").value() or "", text)
            for call in calls:
                if (
                    isinstance(call.arguments, (Text, LastDocument))
                    and (text := call.arguments.flush())
                    and call in state.open
                ):
                    self.emit(out, ev.ToolCallDelta, state.index, call.position, call.id, call.name, text)
            field = state.audio.state("transcript") if state.audio is not None else None
            if isinstance(field, Text) and id(field) in waiting:
                transcript = field.flush()
            for name in state.delta_extra.names if self.whole else ():
                field = state.delta_extra.state(name)
                if isinstance(field, Text) and id(field) in waiting and (text := texts.get(name) or field.flush()):
                    self._tell(out, Field, (state.index, "delta", name, text))
            for field in waiting.values():
                field.flush()
        if (data or transcript) and "audio" in state.open:
            self.emit(out, ev.AudioDelta, state.index, data, transcript)

    def _take_usage(self, usage: CompletionUsage, place: str, out: Out) -> None:
        self.usage.take(usage, place)
        if out is not None and not self.usage.unreported and (current := self.usage.value()) is not None:
            self.emit(out, ev.UsageSeen, current)

    # --- the end

    @property
    def finished(self) -> bool:
        """True if at least one choice was opened, and each has its finish reason."""
        return bool(self.choices) and self._finished == len(self.choices)

    @property
    def failure(self) -> tuple[int, str] | None:
        """The first choice whose finish reason reports that the sender failed, and that reason; None if there is
        none."""
        for index in sorted(self.choices):
            reason = self.choices[index].finish.value()
            if type(reason) is not FinishReason and FinishReason.says_failed(reason):  # the format's own report success
                return index, reason
        return None

    @property
    def settled(self) -> bool:
        """`finished`, and no choice had output after its finish reason (without `[DONE]`, such a stream may not be
        over)."""
        return self.finished and all(state.done or state.settled for state in self.choices.values())

    def end(self, completed: bool, out: Out) -> None:
        """End the stream. `completed`: the sender ended it, so that open parts are done."""
        if self.usage.unreported and out is not None and (usage := self.usage.value()) is not None:
            self.emit(out, ev.UsageSeen, usage)
        for index in sorted(self.choices):
            state = self.choices[index]
            if completed and not state.done:
                self._end_choice(state, out)
            elif state.waiting or state.audio is not None:
                self._flush(state, out)

    # --- out

    def explain(self, choice: int, call: int) -> tuple[tuple[str, int], ...]:
        """Return why each fragment of a tool call was assigned to it: (rule, number in a row)."""
        if call < 0:
            raise LookupError(call)
        return tuple(self.choices[choice].calls.calls[call].reasons)

    def snapshot(self, make: Make = objects) -> Any:
        """Return the response so far, as built by `make`; None before the first chunk. An object shares nothing with the
        state; a JSON value may, and is written at once."""
        if not self.chunks:
            return None
        choices = []
        for index in sorted(self.choices):
            choices.append(self.choices[index].value(make))
        return make[CreateChatCompletionResponse](
            id=self._id.value() or "",
            choices=choices,
            created=self._created.value() or 0,
            model=self._model.value() or "",
            service_tier=self._tier.value(),
            system_fingerprint=self._fingerprint.value(),
            object="chat.completion",
            usage=self.usage.value(make),
            extra=scrub(self._extra.value()) if self._extra else {},
        )
