"""What the model may call, and how free it is to: tools, and the functions that came before them.

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
    """Its name."""
    description: str | None = None
    """What it does: the model decides by it when and how to call."""
    parameters: Any | None = None
    """What it takes, as a JSON Schema object. None: it takes nothing."""
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
    """Which one; a plain string is taken as its name."""


ChatCompletionToolChoiceOption: TypeAlias = ChatCompletionToolChoiceMode | ChatCompletionNamedToolChoice
"""How free the model is to call tools: a word, or one tool by its name."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionFunctions(Wire):
    """Deprecated: a function of the first kind that the model may call."""

    name: str
    """Its name."""
    description: str | None = None
    """What it does."""
    parameters: Any = attrs.field(default=None, metadata=NULL)
    """What it takes, as a JSON Schema object. Must be there, though it may be null."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionFunctionCallOption(Wire):
    """Deprecated: makes the model call one function of the first kind."""

    by_name_only: ClassVar[bool] = True
    """Not read from a JSON array, as the seed's other objects are."""
    name: str
    """Its name."""


ChatCompletionFunctionCall: TypeAlias = ChatCompletionFunctionCallMode | ChatCompletionFunctionCallOption
"""Deprecated: how free the model is to call functions of the first kind: a word, or one by its name."""
