"""What the SDK parses of a completion: the text as a `response_format` class, the arguments as those of a tool.

In: the `response_format` and the tools of the request, and text. Out: what `chat.completions.parse()` would give for it; None
where there is nothing to parse it by. What is half there is parsed as far as it goes.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import jiter
import openai
import pydantic
from openai.types.chat import ParsedChatCompletion

__all__ = ("Parser", "is_cut")


class Parser:
    """Parses for one request. `response_format`, `tools`: as they were passed to the SDK; what is left out there is None."""

    def __init__(self, response_format: Any, tools: Any) -> None:
        self._format: Any = response_format if inspect.isclass(response_format) else None
        given = list(tools) if isinstance(tools, Iterable) else []
        functions = [tool["function"] for tool in given if isinstance(tool, Mapping) and tool.get("type") == "function"]
        self._functions: dict[str, Any] = {one.get("name"): one for one in functions}

    @property
    def parses(self) -> bool:
        """Whether anything is parsed: then a response that was cut off is an error as soon as it says so."""
        return self._format is not None or any(map(_is_strict, self._functions.values()))

    @cached_property
    def _adapter(self) -> Any:
        return pydantic.TypeAdapter(self._format)

    def content(self, text: str, refusal: str | None = None) -> Any:
        """Return a text that is whole as an instance of the class."""
        if self._format is None or not text or refusal:
            return None
        return self._adapter.validate_json(text)

    def so_far(self, text: str) -> Any:
        """Return a text that still grows as JSON."""
        if self._format is None or not text.strip():
            return None
        return jiter.from_json(text.encode(), partial_mode=True)

    def arguments(self, name: str, text: str) -> Any:
        """Return the arguments of a call that is over: as the tool's model, or as JSON where it is strict."""
        function = self._functions.get(name)
        model = getattr(function, "model", None)  # of openai.pydantic_function_tool
        if model is not None:
            return model.model_validate_json(text)
        return json.loads(text) if _is_strict(function) else None

    def arguments_so_far(self, name: str, text: str) -> Any:
        """Return arguments that still grow as JSON."""
        if not text or not _is_strict(self._functions.get(name)):
            return None
        return jiter.from_json(text.encode(), partial_mode=True)

    def final(self, completion: ParsedChatCompletion[Any]) -> ParsedChatCompletion[Any]:
        """Parse a completion in place. Raises the SDK's error for one that was cut off."""
        for choice in completion.choices:
            if (cut := is_cut(choice.finish_reason, completion)) is not None:
                raise cut
            message = choice.message
            message.parsed = self.content(message.content or "", message.refusal)
            for call in message.tool_calls or []:
                if call.type == "function":
                    call.function.parsed_arguments = self.arguments(call.function.name, call.function.arguments)
        return completion


def is_cut(finish_reason: str | None, completion: Any) -> Exception | None:
    """Return the SDK's error where a finish reason says that the completion was cut off."""
    if finish_reason == "length":
        return openai.LengthFinishReasonError(completion=completion)
    if finish_reason == "content_filter":
        return openai.ContentFilterFinishReasonError()
    return None


def _is_strict(function: Any) -> bool:
    return function is not None and (hasattr(function, "model") or bool(function.get("strict")))
