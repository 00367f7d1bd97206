"""Checks of a request beyond its types: ranges, counts, names, and fields that require each other.

In: a request. Out: one `Problem` for each mismatch, in the order of the request's fields; what strict reading refuses
is first. Nothing is raised and nothing changed. Cost: linear; the request is written and read once.

Source of each rule: the comments of the seed if they have it, else the API's documentation ("API").
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from streamkit.errors import Problem

from ._enums import ChatCompletionModalities
from ._messages import (
    ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestFunctionMessage,
    ChatCompletionRequestMessage,
)
from ._mismatch import Mismatch, shown
from ._options import ResponseFormatSchema
from ._parts import ChatCompletionRequestMessageContentPartRefusal
from ._structuring import shape_of
from ._tools import ChatCompletionFunctionCallOption, ChatCompletionNamedToolChoice
from ._unstructuring import written

if TYPE_CHECKING:
    from ._request import CreateChatCompletionRequest

__all__ = ("mismatches",)

RANGES = {
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_logprobs": (0, 20),
    "n": (1, 128),
}
"""Numbers, both ends included."""

MOST_STOPS = 4
MOST_TOOLS = 128
MOST_METADATA = 16  # API; keys of up to 64 characters, values of up to 512
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NAMED = "1 to 64 characters of a-z, A-Z, 0-9, _ and -"


def mismatches(request: "CreateChatCompletionRequest") -> tuple[Problem, ...]:
    """Return every mismatch of `request`, with its path; empty if there is none."""
    try:
        shape_of(type(request)).read(written(request))
        refused: tuple[Problem, ...] = ()
    except Mismatch as mismatch:
        refused = mismatch.problems()
    except (AttributeError, RecursionError, TypeError, ValueError) as error:  # an `extra` that is not a mapping
        refused = (Problem("$", "a value that can be written as JSON", str(error)),)
    told = {problem.path for problem in refused}
    return refused + tuple(problem for problem in _beyond_types(request) if problem.path not in told)


def _beyond_types(request: "CreateChatCompletionRequest") -> Iterator[Problem]:
    if not request.messages:
        yield Problem("$.messages", "at least one message", "none")
    for at, message in enumerate(request.messages):
        yield from _of_message(message, f"$.messages[{at}]")
    if request.model == "":
        yield Problem("$.model", "the name of a model", '""')
    yield from _of_metadata(request.metadata)
    yield from _of_numbers(request)
    if request.top_logprobs is not None and request.logprobs is not True:
        yield Problem("$.logprobs", "true, since top_logprobs is set", shown(request.logprobs))
    if request.audio is None and ChatCompletionModalities.AUDIO in (request.modalities or ()):
        yield Problem("$.audio", "audio options, since modalities include audio", "nothing")
    if isinstance(request.response_format, ResponseFormatSchema):
        yield from _of_name(request.response_format.json_schema.name, "$.response_format.json_schema.name")
    if isinstance(request.stop, list) and not 1 <= len(request.stop) <= MOST_STOPS:
        yield Problem("$.stop", f"1 to {MOST_STOPS} sequences", str(len(request.stop)))
    if request.stream_options is not None and request.stream is not True:
        yield Problem("$.stream", "true, since stream_options is set", shown(request.stream))
    yield from _of_tools(request)


def _of_message(message: ChatCompletionRequestMessage, path: str) -> Iterator[Problem]:
    said = message.content
    if isinstance(said, list) and not said:
        yield Problem(f"{path}.content", "at least one part", "none")  # API
    if isinstance(message, ChatCompletionRequestAssistantMessage):
        called = message.tool_calls is not None or message.function_call is not None
        if said is None and message.refusal is None and message.audio is None and not called:
            yield Problem(f"{path}.content", "content, since it calls no tool", "null")
        if message.tool_calls == []:
            yield Problem(f"{path}.tool_calls", "at least one call", "none")  # API
        if isinstance(said, list) and len(said) > 1:
            for at, part in enumerate(said):
                if isinstance(part, ChatCompletionRequestMessageContentPartRefusal):
                    yield Problem(
                        f"{path}.content[{at}]", "text, or a refusal and nothing else", "a refusal among others"
                    )
    elif isinstance(message, ChatCompletionRequestFunctionMessage):
        yield from _of_name(message.name, f"{path}.name")


def _of_metadata(metadata: Any) -> Iterator[Problem]:
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        yield Problem("$.metadata", "an object of strings", shown(metadata))
        return
    if len(metadata) > MOST_METADATA:
        yield Problem("$.metadata", f"at most {MOST_METADATA} pairs", str(len(metadata)))
    for key, value in metadata.items():
        path = f"$.metadata[{shown(key)}]"
        if isinstance(key, str) and len(key) > 64:
            yield Problem(path, "a key of at most 64 characters", str(len(key)))
        if not isinstance(value, str) or len(value) > 512:
            yield Problem(path, "a string of at most 512 characters", shown(value))


def _of_numbers(request: "CreateChatCompletionRequest") -> Iterator[Problem]:
    for name, (low, high) in RANGES.items():
        value = getattr(request, name)
        if isinstance(value, (int, float)) and not low <= value <= high:
            yield Problem(f"$.{name}", f"a number from {low} to {high}", shown(value))
    for token, bias in (request.logit_bias or {}).items():
        if isinstance(bias, bool) or not isinstance(bias, (int, float)) or not -100 <= bias <= 100:
            yield Problem(f"$.logit_bias[{shown(token)}]", "a number from -100 to 100", shown(bias))


def _of_tools(request: "CreateChatCompletionRequest") -> Iterator[Problem]:
    tools = [tool.function.name for tool in request.tools or ()]
    functions = [function.name for function in request.functions or ()]
    yield from _of_names(tools, "$.tools", ".function.name")
    if isinstance(request.tool_choice, ChatCompletionNamedToolChoice):
        yield from _of_choice(request.tool_choice.function.name, tools, "$.tool_choice.function.name", "tools")
    if isinstance(request.function_call, ChatCompletionFunctionCallOption):
        yield from _of_choice(request.function_call.name, functions, "$.function_call.name", "functions")
    yield from _of_names(functions, "$.functions", ".name")


def _of_names(names: list[str], path: str, rest: str) -> Iterator[Problem]:
    if len(names) > MOST_TOOLS:
        yield Problem(path, f"at most {MOST_TOOLS}", str(len(names)))
    for at, name in enumerate(names):
        yield from _of_name(name, f"{path}[{at}]{rest}")


def _of_name(name: Any, path: str) -> Iterator[Problem]:
    if isinstance(name, str) and not NAME.fullmatch(name):
        yield Problem(path, NAMED, shown(name))


def _of_choice(name: str, names: Iterable[str], path: str, what: str) -> Iterator[Problem]:
    if name not in names:
        yield Problem(path, f"the name of one of the {what}", shown(name))  # API
