"""What chunks are like: observations of the JSON, seen as the sender wrote it.

In: the JSON value of each event, and where to note what is seen: `note(code, event, path, found)`. Out: the typed chunks,
for `dialect.suggest`. It keeps a little for each choice and each tool call, and the chunks. Cost: O(fields) a chunk.

Nothing here repairs anything, and nothing may raise, whatever the JSON: a field of another type than expected is an
anomaly, noted elsewhere, and is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from .._decode.chunk_reader import is_chunk, read_chunk
from .._decode.remote_errors import find_error
from ..anomalies import ignore
from ..rules import REASONING
from ..types import ChatCompletionMessageToolCall, CreateChatCompletionResponse, CreateChatCompletionStreamResponse
from .markup import MARKUP, Leaks

__all__ = ("Chunks",)

_DELTA = frozenset({"content", "function_call", "tool_calls", "role", "refusal", "reasoning_details"})
_CUT = ("length", "content_filter")
_LONG = 16  # characters: "ha", "ha", "haha" is a laugh
_NO_NAMES = ("null", "None", "undefined")
_KEPT = ("system_fingerprint", "service_tier")
# The escape of a high surrogate that ends its string, or of a low one that begins it. An escaped backslash before it
# (`"\\\\ud83d"`, the text \ud83d) is not such an escape.
_HALF = re.compile(rb'(?<!\\)(?:\\\\)*+\\u[dD][89abAB][0-9a-fA-F]{2}"|"\\u[dD][c-fC-F][0-9a-fA-F]{2}')


@attrs.define
class _Call:
    named: bool = False
    arguments: bool = False
    id: str = ""


@attrs.define
class _Choice:
    role: bool = False
    finish: str = ""
    scalars: dict[str, Any] = attrs.field(factory=dict)
    leaks: dict[str, Leaks] = attrs.field(factory=dict)
    texts: dict[str, list[str]] = attrs.field(factory=dict)  # the pieces of each text so far
    lengths: dict[str, int] = attrs.field(factory=dict)
    calls: dict[int, _Call] = attrs.field(factory=dict)
    last_call: int | None = None


class Chunks:
    """see(value) for each event, then end(response)."""

    def __init__(self, note: Callable[..., None]) -> None:
        self._note = note
        self.typed: list[CreateChatCompletionStreamResponse] = []
        """Every chunk, read as the accumulator reads it."""
        self._choices: dict[int, _Choice] = {}
        self._kept: set[str] = set()  # fields that had a value
        self._usage: set[str] = set()  # fields that usage had
        self._event = 0

    def see(self, value: Any, event: int, *, kind: str = "message", data: bytes = b"") -> None:
        """Look at the JSON of one event; `kind`: the event's type; `data`: its bytes."""
        self._event = event
        if isinstance(value, list):
            for one in value:
                self.see(one, event, kind=kind)
        if not isinstance(value, dict):
            return
        error = find_error(value, kind)
        if error is not None:
            self._error(error.path or "$", value)
        if not is_chunk(value) or (error is not None and not value.get("choices")):
            return
        if b"\\u" in data and (half := _HALF.search(data)):
            self._say("surrogate_halves", "$", half[0])
        self._metadata(value)
        for index, path, choice in _choices(value):
            self._choice(index, path, choice)
        self.typed.append(read_chunk(value, ignore))

    def end(self, response: CreateChatCompletionResponse | None) -> None:
        """Note what is known only when the stream is complete. `response`: the full one."""
        self._event = 0
        for index, choice in self._choices.items():
            if not choice.role:
                self._say("role_missing", f"$.choices[{index}].delta.role")
        for whole in [] if response is None else response.choices:
            path = f"$.choices[{whole.index}]"
            calls = whole.message.tool_calls or []
            if calls and whole.finish_reason == "stop":
                self._say("finish_stop_with_calls", f"{path}.finish_reason")
            elif not calls and whole.message.function_call is None and whole.finish_reason == "tool_calls":
                self._say("finish_calls_without_calls", f"{path}.finish_reason")
            if calls and whole.message.content and whole.message.content.isspace():
                self._say("content_blank", f"{path}.delta.content", whole.message.content)
            if whole.finish_reason in _CUT:  # arguments that were cut off are not the fault of their writer
                if calls:
                    self._say("call_cut_off", f"{path}.delta.tool_calls[{len(calls) - 1}]", str(whole.finish_reason))
                continue
            for number, call in enumerate(calls):
                if isinstance(call, ChatCompletionMessageToolCall):
                    self._arguments(call.function.arguments, f"{path}.delta.tool_calls[{number}].function.arguments")

    def _say(self, code: str, path: str = "$", found: Any = None) -> None:
        self._note(code, self._event, path, found)

    def _error(self, path: str, value: dict[str, Any]) -> None:
        """Note an error of a shape that some readers do not know."""
        if path == "$.base_resp":
            self._say("error_base_resp", path, value["base_resp"])
        elif path.startswith("$.choices["):
            self._say("error_in_choice", path)
        elif path == "$":
            self._say(
                "error_fields" if "error_type" in value or "error_message" in value else "error_bare", path, value
            )
        elif path != "$.error":
            self._say("error_bare", path, value)

    # --- the chunk

    def _metadata(self, chunk: dict[str, Any]) -> None:
        if chunk.get("object") != "chat.completion.chunk":
            self._say("object_other" if chunk.get("object") else "object_missing", "$.object", chunk.get("object"))
        for name in ("id", "model"):
            if not chunk.get(name):
                self._say(f"{name}_missing", f"$.{name}")
        for name in _KEPT:
            if chunk.get(name):
                self._kept.add(name)
            elif name in self._kept:
                self._say("field_dropped", f"$.{name}")
        if not chunk.get("choices") and not self.typed and not chunk.get("usage"):
            self._say("first_chunk_empty", "$.choices")
        self._look_at_usage(chunk.get("usage"), bool(chunk.get("choices")))

    def _look_at_usage(self, usage: Any, choices: bool) -> None:
        if not isinstance(usage, dict):
            if self._usage:
                self._say("usage_dropped", "$.usage")
            return
        if not any(usage.values()):
            return self._say("usage_empty", "$.usage", usage)
        if choices:
            self._say("usage_with_choices", "$.usage")
        fields = set(_leaves(usage))
        if missing := sorted(self._usage - fields):
            self._say("usage_shrinks", f"$.usage.{missing[0]}")
        self._usage |= fields

    # --- the choice

    def _choice(self, index: int, path: str, choice: dict[str, Any]) -> None:
        state = self._choices.get(index)
        delta, message = choice.get("delta"), choice.get("message")
        delta = delta if isinstance(delta, dict) else {}
        if state is None:
            if index != len(self._choices):
                self._say("choices_out_of_order", f"{path}.index", index)
            state = self._choices[index] = _Choice()
            logprobs = choice.get("logprobs")
            if isinstance(logprobs, dict) and (logprobs.get("content") or logprobs.get("refusal")):
                self._say("logprobs_at_start", f"{path}.logprobs")
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            if finish == state.finish:
                self._say("finish_repeated", f"{path}.finish_reason", finish)
            state.finish = finish
            if delta.get("content") or delta.get("tool_calls"):
                self._say("finish_with_payload", f"{path}.finish_reason", finish)
        state.role = state.role or (isinstance(message, dict) and bool(message.get("role")))
        if not delta.get("content"):  # Together repeats the content there
            self._leaks(state, f"{path}.text", "text", choice.get("text"))
        for name in ("content", *REASONING):
            self._leaks(state, f"{path}.delta.{name}", name, delta.get(name))
            self._replay(state, f"{path}.delta.{name}", name, delta.get(name))
        self._delta(state, f"{path}.delta", delta)

    def _leaks(self, state: _Choice, path: str, name: str, text: Any) -> None:
        """Markup in the text of a choice, or in its reasoning."""
        if isinstance(text, str) and text:
            for markup, around in state.leaks.setdefault(name, Leaks()).see(text):
                if name not in REASONING or markup != "</think>":
                    self._say("markup_in_text", path, f"{markup} ({MARKUP[markup]}) in: {around}")

    def _replay(self, state: _Choice, path: str, name: str, text: Any) -> None:
        """Note a piece that is all of the text so far: joined only where the lengths agree, which costs no more than the piece."""
        if not isinstance(text, str) or not text:
            return
        pieces, length = state.texts.setdefault(name, []), state.lengths.get(name, 0)
        if len(pieces) > 1 and len(text) == length >= _LONG and "".join(pieces) == text:
            self._say("text_replayed", path, text)
        pieces.append(text)
        state.lengths[name] = length + len(text)

    def _delta(self, state: _Choice, path: str, delta: dict[str, Any]) -> None:
        if delta.get("role"):
            if state.role:
                self._say("role_repeated", f"{path}.role", delta["role"])
            state.role = True
        elif delta.get("role") == "":
            self._say("role_empty", f"{path}.role")
        reasoning = [name for name in REASONING if isinstance(delta.get(name), str) and delta[name]]
        if reasoning:
            self._say("reasoning_field", f"{path}.{reasoning[0]}", delta[reasoning[0]])
        if len(reasoning) > 1:
            self._say("reasoning_twice", f"{path}.{reasoning[1]}", delta[reasoning[1]])
        for name in REASONING:
            if delta.get(name) and not isinstance(delta[name], str):
                self._say("reasoning_object", f"{path}.{name}", delta[name])
        if delta.get("reasoning_details"):
            self._say("reasoning_details", f"{path}.reasoning_details", delta["reasoning_details"])
        if isinstance(delta.get("function_call"), dict):
            self._say("function_call", f"{path}.function_call", delta["function_call"])
        for name, item in delta.items():
            if name == "extra_content":
                self._say("extra_content", f"{path}.{name}")
            elif name not in _DELTA:
                self._unknown(state, f"{path}.{name}", name, item)
        calls = delta.get("tool_calls")
        if calls == []:
            self._say("tool_calls_empty", f"{path}.tool_calls")
        self._calls(state, f"{path}.tool_calls", [calls] if isinstance(calls, dict) else calls)

    def _unknown(self, state: _Choice, path: str, name: str, item: Any) -> None:
        if isinstance(item, (bool, int, float)):
            if name in state.scalars:
                self._say("scalar_repeated" if item == state.scalars[name] else "scalar_in_delta", path, item)
            state.scalars[name] = item
        elif isinstance(item, list) and any(isinstance(one, dict) and "index" not in one for one in item):
            self._say("list_without_index", path)

    # --- tool calls

    def _calls(self, state: _Choice, path: str, calls: Any) -> None:
        seen: set[int] = set()
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            if not isinstance(call, dict):
                continue
            here = f"{path}[{position}]"
            function = call.get("function")
            if "function" in call and function is None:
                self._say("tool_function_null", f"{here}.function")
            if "extra_content" in call:
                self._say("extra_content", f"{here}.extra_content")
            if call.get("type") == "custom":
                self._say("custom_tool", f"{here}.type")
            elif "type" in call and call["type"] is None:
                self._say("tool_type_null", f"{here}.type")
            index = call.get("index")
            if type(index) is int:  # without one only the reducer knows which call it is
                if index in seen:
                    self._say("tool_fragments_together", here)
                seen.add(index)
                self._fragment(state, here, index, call, function if isinstance(function, dict) else {})

    def _fragment(self, state: _Choice, path: str, index: int, call: dict[str, Any], function: dict[str, Any]) -> None:
        id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
        known = state.calls.get(index)
        if known is None or (id and known.id and id != known.id and name):  # a reused index is an anomaly
            if known is None and index != len(state.calls):
                self._say("tool_index_gap", f"{path}.index", index)
            known = state.calls[index] = _Call()
        else:
            if id and id == known.id:
                self._say("tool_id_repeated", f"{path}.id", id)
            if state.last_call != index:
                self._say("calls_interleaved", path)
        if id == "":
            self._say("tool_id_empty", f"{path}.id")
        self._name(known, f"{path}.function.name", name)
        known.id = known.id or (id if isinstance(id, str) else "")
        known.arguments = known.arguments or bool(arguments)
        state.last_call = index

    def _name(self, known: _Call, path: str, name: Any) -> None:
        if name == "" or (name in _NO_NAMES and known.named):
            self._say("tool_name_empty", path, name or None)
        elif name and not known.named and known.arguments:
            self._say("tool_name_late", path, name)
        known.named = known.named or bool(name)

    def _arguments(self, arguments: str, path: str) -> None:
        """Note what is odd in the arguments of a call that is whole."""
        if not arguments.strip():
            return self._say("arguments_empty", path)
        try:
            if isinstance(json.loads(arguments), dict):
                return None
        except (ValueError, RecursionError):
            pass
        return self._say("arguments_not_object", path, arguments)


def _choices(chunk: dict[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Each choice with its index, or its position where it says none, and its path."""
    choices = chunk.get("choices")
    choices = [choices] if isinstance(choices, dict) else choices
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if isinstance(choice, dict):
            index = choice.get("index")
            index = index if type(index) is int else position
            yield index, f"$.choices[{index}]", choice


def _leaves(usage: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of the figures in a usage object, those inside its details as `details.name`."""
    for name, item in usage.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{prefix}{name}.")
        elif item is not None:
            yield f"{prefix}{name}"
