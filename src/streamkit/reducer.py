"""Folds chunks into the state of each choice, and reads the response out of that state at any moment.

In: clean chunks (what `dialect` makes of a sender's). Out: events, where the caller wants them (`out` is a list, not
None), and `snapshot()`. What becomes of a field that comes again is said by `rules.py`, which call a fragment belongs
to by `toolcalls.py`. Cost: O(1) a chunk in what came before; a snapshot costs one join of the text and one object for
each field, tool call and logprob entry.
"""

from __future__ import annotations

from typing import Any

from . import events as ev
from .cells import Cell, Context, Fields, Text, new_cell
from .choice import ChoiceState, Part
from .codec import unstructure
from .dialect import read_delta, read_usage
from .errors import LimitError
from .jsontext import scrub
from .toolcalls import Call
from .types import (
    ChatChoiceLogprobs,
    ChatChoiceStream,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionStreamResponseDelta,
    CompletionUsage,
    CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse,
    FunctionCallStream,
)

__all__ = ("Reducer",)

Out = list[ev.Event] | None

REASONING = frozenset({"reasoning_content", "reasoning", "reasoning_text"})
_TEXT_EVENTS: dict[str, tuple[Any, Any, Any]] = {
    "content": (ev.ContentStarted, ev.ContentDelta, ev.ContentDone),
    "refusal": (ev.RefusalStarted, ev.RefusalDelta, ev.RefusalDone),
    "reasoning": (ev.ReasoningStarted, ev.ReasoningDelta, ev.ReasoningDone),
}
_STARTED: dict[str, Any] = {
    **{part: kinds[0] for part, kinds in _TEXT_EVENTS.items()},
    "audio": ev.AudioStarted,
    "annotations": ev.AnnotationsStarted,
    "logprobs": ev.LogprobsStarted,
}
_CUT_OFF = frozenset({"length", "content_filter"})


class Reducer:
    """The state of one response."""

    def __init__(self, context: Context) -> None:
        self.chunks = 0
        self.emitted = False  # whether any output has been folded that a caller may have shown
        self.sequence = 0  # number of the next event
        self.last: CreateChatCompletionStreamResponse | None = None  # the chunk folded last
        self._context = context
        self.choices: dict[int, ChoiceState] = {}
        self._envelope: tuple[Any, ...] = ()
        self._id = new_cell(context, "id", "")
        self._created = new_cell(context, "created", 0)
        self._model = new_cell(context, "model", "")
        self._tier = new_cell(context, "service_tier", "")
        self._fingerprint = new_cell(context, "system_fingerprint", "")
        self._usage = new_cell(context, "usage", {})
        self._usages = 0
        self._extra = Fields(context)

    # --- in

    def fold(self, chunk: CreateChatCompletionStreamResponse, out: Out) -> None:
        """Take the next chunk; append to `out` what it means."""
        self.chunks += 1
        self.last = chunk
        envelope = (chunk.id, chunk.created, chunk.model, chunk.service_tier, chunk.system_fingerprint)
        if envelope != self._envelope:
            self._envelope = envelope
            for cell, value in zip(
                (self._id, self._created, self._model, self._tier, self._fingerprint), envelope, strict=True
            ):
                if value is not None:
                    cell.add(value)
        for choice in chunk.choices:
            self._choice(choice, out)
        if chunk.usage is not None:
            self._take_usage(chunk.usage, out)
        if chunk.extra:
            self._extra.count(chunk.extra)
            self._extra.add(chunk.extra)

    def _choice(self, choice: ChatChoiceStream, out: Out) -> None:
        state = self.choices.get(choice.index)
        if state is None:
            state = self._open_choice(choice.index, out)
        delta = choice.delta
        if delta.role:
            state.role.add(delta.role)
        if delta.extra:
            self._delta_extra(state, delta.extra, out)
        if delta.content is not None:
            state.has.add("content")
            if delta.content:
                self._text(state, "content", state.content, delta.content, out)
        if delta.refusal is not None:
            state.has.add("refusal")
            if delta.refusal:
                self._text(state, "refusal", state.refusal, delta.refusal, out)
        if delta.function_call is not None:
            self._function_call(state, delta.function_call, out)
        if delta.tool_calls:
            for fragment in delta.tool_calls:
                self._tool_call(state, fragment, out)
        if choice.logprobs is not None:
            self._logprobs(state, choice.logprobs, out)
        if choice.extra:
            self._choice_extra(state, choice, out)
        if choice.finish_reason is not None:
            self._finish(state, choice.finish_reason, out)

    def _open_choice(self, index: int, out: Out) -> ChoiceState:
        maximum = self._context.limits.max_choices
        if len(self.choices) >= maximum:
            raise LimitError(f"more than {maximum} choices", limit="max_choices", maximum=maximum)
        state = self.choices[index] = ChoiceState(self._context, index)
        self.emit(out, ev.ChoiceStarted, index, False)
        return state

    # --- parts

    def emit(self, out: Out, kind: Any, *facts: Any) -> None:
        """Append `kind(sequence, *facts)` to `out`, if the caller wants events."""
        if out is not None:
            out.append(kind(self.sequence, *facts))
            self.sequence += 1

    def _start(self, state: ChoiceState, part: Part, out: Out) -> None:
        """Open `part`, which is not open, and with it the choice, if that was done."""
        self.emitted = True
        if state.done:
            self._context.note("after_finish", f"$.choices[{state.index}]")
            state.done = False
            self.emit(out, ev.ChoiceStarted, state.index, True)
        reopened = part in state.ended
        state.open[part] = None
        if isinstance(part, Call):
            part.complete = False
            self.emit(out, ev.ToolCallStarted, state.index, part.position, part.id, part.name, reopened)
        elif part == "function_call":
            self.emit(out, ev.FunctionCallStarted, state.index, state.function_name.value() or "", reopened)
        else:
            self.emit(out, _STARTED[part], state.index, reopened)

    def _text(self, state: ChoiceState, part: str, cell: Cell, text: str, out: Out) -> None:
        shown = cell.add(text)
        if part not in state.open:
            self._start(state, part, out)
        if shown and out is not None:
            out.append(_TEXT_EVENTS[part][1](self.sequence, state.index, shown))
            self.sequence += 1

    def _function_call(self, state: ChoiceState, function: FunctionCallStream, out: Out) -> None:
        state.has.add("function_call")
        if function.name:
            state.function_name.add(function.name)
        if function.extra:
            state.function_extra.count(function.extra)
            state.function_extra.add(function.extra)
        if "function_call" not in state.open and (function.name or function.arguments):
            if function.arguments or "function_call" not in state.ended:  # a name repeated at the end is no piece
                self._start(state, "function_call", out)
        if function.arguments:
            shown = state.function_arguments.add(function.arguments)
            if shown:
                self.emit(out, ev.FunctionCallDelta, state.index, state.function_name.value() or "", shown)

    def _tool_call(self, state: ChoiceState, fragment: ChatCompletionMessageToolCallChunk, out: Out) -> None:
        call, shown = state.calls.add(fragment)
        if call not in state.open and (shown or (call.name and call not in state.ended)):
            self._start(state, call, out)
        if shown:
            self.emit(out, ev.ToolCallDelta, state.index, call.position, call.id, call.name, shown)

    def _logprobs(self, state: ChoiceState, logprobs: ChatChoiceLogprobs, out: Out) -> None:
        state.has.add("logprobs")
        for name, cell, items in (
            ("logprobs.content", state.logprobs_content, logprobs.content),
            ("logprobs.refusal", state.logprobs_refusal, logprobs.refusal),
        ):
            if items is not None:
                state.has.add(name)
                cell.add(items)
        if logprobs.extra:
            state.logprobs_extra.count(logprobs.extra)
            state.logprobs_extra.add(logprobs.extra)
        if logprobs.content or logprobs.refusal:
            if "logprobs" not in state.open:
                self._start(state, "logprobs", out)
            self.emit(out, ev.LogprobsDelta, state.index, list(logprobs.content or ()), list(logprobs.refusal or ()))

    def _delta_extra(self, state: ChoiceState, extra: dict[str, Any], out: Out) -> None:
        state.delta_extra.count(extra)
        reasoning = None
        for name, value in extra.items():
            if name == "audio" and isinstance(value, dict):
                self._audio(state, value, out)
                continue
            shown = state.delta_extra.put(name, value)
            if not value:
                continue
            if name in REASONING and isinstance(value, str):
                # Some senders write the same piece in two fields: the first field that was ever seen counts.
                state.reasoning = state.reasoning or name
                if reasoning is None or name == state.reasoning:
                    reasoning = shown if isinstance(shown, str) else ""
            elif name == "annotations" and isinstance(value, list):
                if "annotations" not in state.open:
                    self._start(state, "annotations", out)
                self.emit(out, ev.AnnotationsDelta, state.index, list(value))
        if reasoning:
            if "reasoning" not in state.open:
                self._start(state, "reasoning", out)
            self.emit(out, ev.ReasoningDelta, state.index, reasoning)

    def _audio(self, state: ChoiceState, audio: dict[str, Any], out: Out) -> None:
        data, transcript = b"", ""
        for name, value in audio.items():
            shown = state.audio.put(name, value)
            if name == "data" and isinstance(shown, bytes):
                data = shown
            elif name == "transcript" and isinstance(shown, str):
                transcript = shown
        if data or transcript:
            if "audio" not in state.open:
                self._start(state, "audio", out)
            self.emit(out, ev.AudioDelta, state.index, data, transcript)

    def _choice_extra(self, state: ChoiceState, choice: ChatChoiceStream, out: Out) -> None:
        state.extra.count(choice.extra)
        for name, value in choice.extra.items():
            if name == "message" and isinstance(value, dict):
                self._message(state, value, choice, out)
            else:
                state.extra.put(name, value)

    def _message(self, state: ChoiceState, message: dict[str, Any], choice: ChatChoiceStream, out: Out) -> None:
        """A message where a delta should be, or beside one.

        In the chunk that finishes the choice it may be the whole message over again (MiniMax, Perplexity): then it
        gives what the deltas lacked, and nothing twice. Before that, and without a delta, it is a delta by another name;
        beside a delta it repeats what was said so far (Perplexity) and is passed over.
        """
        delta = choice.delta
        beside = bool(delta.content or delta.tool_calls or delta.extra)
        if choice.finish_reason is None:
            if not beside and not (delta.content == "" and delta.role):
                self._choice(
                    ChatChoiceStream(
                        choice.index, read_delta(message, f"$.choices[{choice.index}]", self._context.note)
                    ),
                    out,
                )
            return
        whole = read_delta(message, f"$.choices[{choice.index}]", self._context.note)
        content, refusal = whole.content, whole.refusal
        if content:
            content = self._missing(state, "content", content)
        if refusal:
            refusal = self._missing(state, "refusal", refusal)
        missing = ChatCompletionStreamResponseDelta(
            content,
            None if "function_call" in state.has else whole.function_call,
            None if state.calls.calls else whole.tool_calls,
            whole.role,
            refusal,
            extra={name: value for name, value in whole.extra.items() if state.delta_extra.get(name) is None},
        )
        self._choice(ChatChoiceStream(choice.index, missing), out)

    def _missing(self, state: ChoiceState, part: str, whole: str) -> str | None:
        """What the full text `whole` has beyond the text so far; all of it where it is a further piece."""
        so_far = state.text_of(part)
        path = f"$.choices[{state.index}].message.{part}"
        if whole.startswith(so_far):
            if so_far:
                self._context.note("message_repeated", path)
            return whole[len(so_far) :] or None
        if len(whole) < len(so_far):
            return whole
        self._context.note("message_differs", path, whole)
        return None

    def _finish(self, state: ChoiceState, reason: str, out: Out) -> None:
        before = state.finish.value()
        state.finish.add(reason)
        if before and before != reason:
            self._context.note("finish_changed", f"$.choices[{state.index}].finish_reason", reason)
        if before != reason:
            self.emit(out, ev.Finish, state.index, reason)
        if not state.done:
            self._end_choice(state, out)

    def _end_choice(self, state: ChoiceState, out: Out) -> None:
        """The choice is really over: every open part is done."""
        self._flush(state, out)
        reason = state.finish.value() or None
        for part in list(state.open):
            if isinstance(part, Call):
                part.close(cut_off=reason in _CUT_OFF and part is state.calls.calls[-1])
                if not part.name:
                    self._context.note("tool_name_missing", f"$.choices[{state.index}].delta.tool_calls[]")
                self.emit(
                    out, ev.ToolCallDone, state.index, part.position, part.id, part.name,
                    None if out is None else part.value(),
                )  # fmt: skip
            elif out is None:
                pass
            elif part in _TEXT_EVENTS:
                self.emit(out, _TEXT_EVENTS[part][2], state.index, state.text_of(part))
            elif part == "function_call":
                self.emit(out, ev.FunctionCallDone, state.index, state.function_call())
            elif part == "audio":
                self.emit(out, ev.AudioDone, state.index, state.audio_value())
            elif part == "annotations":
                self.emit(out, ev.AnnotationsDone, state.index, state.delta_extra.get("annotations"))
            else:
                self.emit(out, ev.LogprobsDone, state.index, state.logprobs())
            state.ended.add(part)
        state.open.clear()
        state.done = True
        self.emit(out, ev.ChoiceDone, state.index, reason)

    def _flush(self, state: ChoiceState, out: Out) -> None:
        """Halves of a surrogate pair that no other half can reach any more."""
        lost = state.delta_extra.flush()
        if lost and "reasoning" in state.open and state.text_of("reasoning").endswith("\ufffd"):
            self.emit(out, ev.ReasoningDelta, state.index, "\ufffd")
        for part, cell in (("content", state.content), ("refusal", state.refusal)):
            if isinstance(cell, Text) and (text := cell.flush()):
                lost += text
                self.emit(out, _TEXT_EVENTS[part][1], state.index, text)
        if isinstance(state.function_arguments, Text) and (text := state.function_arguments.flush()):
            lost += text
            self.emit(out, ev.FunctionCallDelta, state.index, state.function_name.value() or "", text)
        for call in state.calls.calls:
            if isinstance(call.arguments, Text) and (text := call.arguments.flush()):
                lost += text
                self.emit(out, ev.ToolCallDelta, state.index, call.position, call.id, call.name, text)
        lost += state.audio.flush()
        if lost:
            self._context.note("lone_surrogate", f"$.choices[{state.index}].delta")

    def _take_usage(self, usage: CompletionUsage, out: Out) -> None:
        self._usages += 1
        if self._usages == 2:
            self._context.note("usage_repeated", "$.usage")
        self._usage.add(unstructure(usage))
        current = self._read_usage()
        if current is not None:
            self.emit(out, ev.UsageSeen, current)

    def _read_usage(self) -> CompletionUsage | None:
        facts = self._usage.value()
        return read_usage(facts, "$.usage", _ignore) if facts else None

    # --- the end

    @property
    def finished(self) -> bool:
        """Whether at least one choice was opened, and each has its finish reason."""
        return bool(self.choices) and all(state.finish.value() for state in self.choices.values())

    def end(self, completed: bool, out: Out) -> None:
        """Nothing more will come. `completed`: the stream says so itself, so that what is open is really over."""
        for index in sorted(self.choices):
            state = self.choices[index]
            if completed and not state.done:
                self._end_choice(state, out)
            else:
                self._flush(state, out)

    # --- out

    def explain(self, choice: int, call: int) -> tuple[tuple[str, int], ...]:
        """Why each fragment of a tool call came to it: (rule, how many in a row)."""
        return tuple(self.choices[choice].calls.calls[call].reasons)

    def snapshot(self) -> CreateChatCompletionResponse | None:
        """The response so far; None before the first chunk. Shares nothing with the state."""
        if not self.chunks:
            return None
        return CreateChatCompletionResponse(
            id=self._id.value() or "",
            choices=[self.choices[index].value() for index in sorted(self.choices)],
            created=self._created.value() or 0,
            model=self._model.value() or "",
            service_tier=self._tier.value(),
            system_fingerprint=self._fingerprint.value(),
            object="chat.completion",
            usage=self._read_usage(),
            extra=scrub(self._extra.value()),
        )


def _ignore(code: str, path: str = "$", found: object = None) -> None:
    """For facts that were reported when they came."""
