"""The state of one choice while its stream is running, and its value.

It has the states of the choice's fields and remembers which parts (content, a tool call ...) are open, as the grammar
of `events.py` needs. It folds nothing itself: the reducer does.
"""

from __future__ import annotations

import json
from typing import Any

from ..types import (
    ChatChoice,
    ChatChoiceLogprobs,
    ChatCompletionResponseMessage,
    ChatCompletionResponseMessageAudio,
    FunctionCall,
    Role,
)
from ..types._unstructuring import Make, objects, written
from .field_rules import FieldState, Text, Waiting
from .fields import Context, Fields, new_field
from .tool_calls import Call, CallTable

__all__ = ("LATER", "ChoiceState", "Part")

Part = str | Call
"""A part of a choice: its name, or the call itself."""

_DELTA = "choices[].delta"
_ROLE, _CONTENT = f"{_DELTA}.role", f"{_DELTA}.content"  # made once: each state keeps its path


class ChoiceState:
    """Everything known about one choice."""

    __slots__ = (
        "_calls",
        "_context",
        "audio",
        "bare",
        "content",
        "delta_extra",
        "done",
        "ended",
        "extra",
        "finish",
        "function_arguments",
        "function_extra",
        "function_name",
        "has_content",
        "has_function_call",
        "has_logprobs",
        "has_message",
        "index",
        "logprobs_content",
        "logprobs_extra",
        "logprobs_refusal",
        "open",
        "reasoning",
        "refusal",
        "reopened",
        "role",
        "settled",
        "thought",
        "waiting",
    )

    def __init__(self, context: Context, index: int) -> None:
        self._context = context
        self.index = index
        self.waiting: Waiting = {}  # texts that end in half of a surrogate pair
        self.role = new_field(context, _ROLE, "")
        self.content = new_field(context, _CONTENT, "", self.waiting)
        self.finish = new_field(context, "choices[].finish_reason", "")
        self.delta_extra = Fields(context, _DELTA, self.waiting)
        # Absent from most choices: None until needed.
        self._calls: CallTable | None = None
        self.refusal: Any = None
        self.function_name: Any = None
        self.function_arguments: Any = None
        self.function_extra: Any = None
        self.audio: Any = None
        self.thought: Any = None  # reasoning that is not text: the pieces as they arrived
        self.logprobs_content: Any = None
        self.logprobs_refusal: Any = None
        self.logprobs_extra: Any = None
        self.extra: Any = None
        # Which of the optional fields were present: "" is content, null is not.
        self.has_content = self.has_function_call = self.has_logprobs = self.has_message = False
        self.bare = False  # content arrived in a chunk without a role: a role after that means a restarted choice
        self.reasoning = ""  # the field in which this sender writes reasoning; it may be a list of blocks
        self.open: dict[Part, None] = {}  # parts started and not done, in order
        self.ended: dict[Part, None] = {}  # parts that are done: a further piece reopens them
        self.reopened = False  # whether it continued after it was done
        self.settled = False  # after being reopened: a finish reason has followed the latest output
        self.done = False  # whether the choice was reported as done

    @property
    def calls(self) -> CallTable:
        """The tool calls."""
        if self._calls is None:
            self._calls = CallTable(self._context, self.index, self.waiting)
        return self._calls

    @property
    def call_count(self) -> int:
        """How many tool calls there are."""
        return 0 if self._calls is None else len(self._calls.calls)

    def need(self, name: str) -> Any:
        """Return the state or fields of this name; create them if absent."""
        found = getattr(self, name)
        if found is None:
            path, empty = LATER[name]
            found = (
                Fields(self._context, path, self.waiting)
                if empty is None
                else new_field(self._context, path, empty, self.waiting)
            )
            setattr(self, name, found)
        return found

    def field_of(self, field: str) -> FieldState | None:
        """Return the state of a text in the delta: `content`, `refusal`, or an unknown field."""
        if field == "content":
            return self.content
        found: FieldState | None = self.refusal if field == "refusal" else self.delta_extra.state(field)
        return found

    def text_of(self, part: str) -> str:
        """Return all text of the part `content`, `refusal` or `reasoning`."""
        if part == "content":
            return self.content.value() or ""
        if part == "refusal":
            return _value(self.refusal) or ""
        if self.thought is not None:
            return self.thought.value() or ""
        found = self.delta_extra.get(self.reasoning) or ""
        if isinstance(found, list):  # a field that changed its type between chunks
            return "".join(piece for piece in found if isinstance(piece, str))
        return str(found)

    def length_of(self, part: str) -> int:
        """Return the length of `text_of(part)` in characters. Joins nothing if the part is text, as it nearly always
        is."""
        field = self.content if part == "content" else self.refusal
        return field.length if isinstance(field, Text) else len(self.text_of(part))

    def function_call(self, make: Make = objects) -> Any:
        """Return the legacy function call, or None."""
        if not self.has_function_call:
            return None
        return make[FunctionCall](
            name=_value(self.function_name) or "",
            arguments=_value(self.function_arguments) or "",
            extra=_value(self.function_extra) or {},
        )

    def audio_value(self, make: Make = objects) -> Any:
        """Return the audio, or None."""
        if not self.audio:
            return None
        found = self.audio.value()
        return make[ChatCompletionResponseMessageAudio](
            id=_words(found.pop("id", None)),
            expires_at=found.pop("expires_at", None) or 0,
            data=_words(found.pop("data", None)),
            transcript=_words(found.pop("transcript", None)),
            extra=found,
        )

    def logprobs(self, make: Make = objects) -> Any:
        """Return the log probabilities, or None."""
        if not self.has_logprobs:
            return None
        content, refusal = _value(self.logprobs_content), _value(self.logprobs_refusal)
        return make[ChatChoiceLogprobs](
            content=content if make is objects else written(content),
            refusal=refusal if make is objects else written(refusal),
            extra=_value(self.logprobs_extra) or {},
        )

    def value(self, make: Make = objects) -> Any:
        """Return the choice as the response lists it, a `ChatChoice` or its JSON value."""
        calls = None if self._calls is None else [call.value(make) for call in self._calls.calls]
        return make[ChatChoice](
            index=self.index,
            message=make[ChatCompletionResponseMessage](
                content=(self.content.value() or "") if self.has_content else None,
                refusal=None if self.refusal is None else self.refusal.value() or "",
                tool_calls=calls or None,
                role=self.role.value() or Role.ASSISTANT,
                function_call=self.function_call(make) if self.has_function_call else None,
                audio=self.audio_value(make) if self.audio else None,
                extra=self._message_extra(),
            ),
            finish_reason=self.finish.value() or None,
            logprobs=self.logprobs(make) if self.has_logprobs else None,
            extra={} if self.extra is None else self.extra.value(),
        )

    def _message_extra(self) -> dict[str, Any]:
        """Return the unknown fields of the message, and those of a function call without a name and arguments."""
        extra = self.delta_extra.value()
        if self.function_extra is not None and not self.has_function_call:
            extra.setdefault("function_call", self.function_extra.value())
        return extra


LATER: dict[str, tuple[str, Any]] = {
    "refusal": (f"{_DELTA}.refusal", ""),
    "function_name": (f"{_DELTA}.function_call.name", ""),
    "function_arguments": (f"{_DELTA}.function_call.arguments", ""),
    "function_extra": (f"{_DELTA}.function_call", None),
    "audio": (f"{_DELTA}.audio", None),
    "thought": (f"{_DELTA}.reasoning", ""),
    "logprobs_content": ("choices[].logprobs.content", []),
    "logprobs_refusal": ("choices[].logprobs.refusal", []),
    "logprobs_extra": ("choices[].logprobs", None),
    "extra": ("choices[]", None),
}
"""What `need` creates: its path, and the factory of a state, or None for fields."""


def _value(state: Any) -> Any:
    """Return the current value of a state, None if there is no state."""
    return None if state is None else state.value()


def _words(value: Any) -> str:
    """Return a field of the audio as the text that it should have been."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
