"""The tools that the model may call, the choice among them, and the legacy functions.

A function's name is 1 to 64 characters of a-z, A-Z, 0-9, underscore and dash; its parameters are a JSON Schema object.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import attrs

from ._base import NULL, Wire
from ._enums import ChatCompletionFunctionCallMode, ChatCompletionToolChoiceMode, ChatCompletionToolType
from ._structuring import taken, word

__all__ = (
    "ChatCompletionFunctionCall",
    "ChatCompletionFunctionCallOption",
    "ChatCompletionFunctions",
    "ChatCompletionNamedToolChoice",
    "ChatCompletionTool",
    "ChatCompletionToolChoiceOption",
    "FunctionName",
    "FunctionObject",
)


def _tool_type(value: ChatCompletionToolType | str) -> ChatCompletionToolType | str:
    return word(ChatCompletionToolType, value)


@attrs.frozen(weakref_slot=False, repr=False)
class FunctionObject(Wire):
    """A function that the model may call."""

    name: str
    """The function's name."""
    description: str | None = None
    """What the function does: from it the model decides when and how to call."""
    parameters: Any | None = None
    """Its parameters, as a JSON Schema object. None: it has none."""
    strict: bool | None = None
    """Whether the arguments must follow the schema exactly; only part of JSON Schema is allowed then."""


def _function(value: FunctionObject | Mapping[str, Any]) -> FunctionObject:
    return taken(value, FunctionObject, "$.function")


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionTool(Wire):
    """A tool that the model may call."""

    type: ChatCompletionToolType | str = attrs.field(
        default=ChatCompletionToolType.FUNCTION,
        kw_only=True,
        converter=_tool_type,
        metadata={"strict": ChatCompletionToolType},
    )
    """The kind of tool: `function`."""
    function: FunctionObject = attrs.field(converter=_function)
    """The function."""


@attrs.frozen(weakref_slot=False, repr=False)
class FunctionName(Wire):
    """A function, by its name alone."""

    name: str
    """Its name."""


def _function_name(value: FunctionName | str | Mapping[str, Any]) -> FunctionName:
    return FunctionName(value) if isinstance(value, str) else taken(value, FunctionName, "$.function")


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionNamedToolChoice(Wire):
    """Makes the model call one tool: `ChatCompletionNamedToolChoice("get_weather")`."""

    type: ChatCompletionToolType | str = attrs.field(
        default=ChatCompletionToolType.FUNCTION,
        kw_only=True,
        converter=_tool_type,
        metadata={"strict": ChatCompletionToolType},
    )
    """The kind of tool: `function`."""
    function: FunctionName = attrs.field(converter=_function_name)
    """The function to call; a plain string is its name."""


ChatCompletionToolChoiceOption: TypeAlias = ChatCompletionToolChoiceMode | ChatCompletionNamedToolChoice
"""Whether the model may or must call tools: a word, or one tool by its name."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionFunctions(Wire):
    """Deprecated: a legacy function that the model may call."""

    name: str
    """Its name."""
    description: str | None = None
    """What it does."""
    parameters: Any = attrs.field(default=None, metadata=NULL)
    """Its parameters, as a JSON Schema object. Required, though it may be null."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionFunctionCallOption(Wire):
    """Deprecated: makes the model call one legacy function."""

    by_name_only: ClassVar[bool] = True
    """Not read from a JSON array, unlike the seed's other objects."""
    name: str
    """Its name."""


ChatCompletionFunctionCall: TypeAlias = ChatCompletionFunctionCallMode | ChatCompletionFunctionCallOption
"""Deprecated: whether the model may call legacy functions: a word, or one by its name."""
