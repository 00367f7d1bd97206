"""Tool calls of a model: complete ones, and the fragments in chunks.

Arguments are the model's own text: usually one JSON document, never guaranteed to be. Check them before use.
"""

from typing import Any, Literal, TypeAlias

import attrs

from ._base import LOCAL, NULL, U32, Received
from ._enums import ChatCompletionToolType

__all__ = (
    "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageToolCall",
    "ChatCompletionMessageToolCallChunk",
    "ChatCompletionMessageToolCallUnion",
    "CustomToolCall",
    "FunctionCall",
    "FunctionCallStream",
)


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class FunctionCall(Received):
    """A function and the arguments that the model calls it with."""

    name: str
    """The function's name, as the request's tools name it."""
    arguments: str
    """The arguments as the model wrote them, meant to be a JSON object."""

    def peek(self) -> Any:
        """Return what the arguments are as JSON, also those that were cut off, by the rules of `PartialJSON`; None where
        nothing can be said of them. Reads all of them: `Accumulator.peek` is for calls that grow."""
        from ..partial_json import PartialJSON  # most callers do not need it

        read = PartialJSON()
        read.absorb(self.arguments)
        return read.value


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionMessageToolCall(Received):
    """A function call that a model made."""

    id: str
    """The id of the call; the tool message with its result repeats it."""
    type: ChatCompletionToolType | str = attrs.field(
        default=ChatCompletionToolType.FUNCTION, kw_only=True, metadata={"strict": ChatCompletionToolType}
    )
    """The kind of tool, `function`; another word only from the tolerant reader."""
    function: FunctionCall
    """The function and its arguments."""
    complete: bool = attrs.field(default=True, kw_only=True, eq=False, metadata=LOCAL)
    """True if the arguments ended as the sender meant them: the choice finished and they are a JSON document. Never
    True for a call that was cut off. Not on the wire, not compared."""
    synthetic_id: bool = attrs.field(default=False, kw_only=True, eq=False, metadata=LOCAL)
    """True if the sender wrote no id and this one was generated. Not on the wire, not compared."""

    def peek(self) -> Any:
        """Return the arguments as a value, also those that were cut off: see `FunctionCall.peek`."""
        return self.function.peek()


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CustomToolCall(Received):
    """A custom tool and the free text that the model calls it with. Not in the seed; source: the API's
    documentation."""

    name: str
    """The tool's name, as the request's tools name it."""
    input: str
    """The input that the model wrote: any text, not JSON."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionMessageCustomToolCall(Received):
    """A call of a custom tool. Not in the seed, but senders write it: `{"id", "type": "custom", "custom": {…}}`."""

    id: str
    """The id of the call; the tool message with its result repeats it."""
    type: str = attrs.field(default="custom", kw_only=True, metadata={"strict": Literal["custom"]})
    """The kind of tool: `custom`."""
    custom: CustomToolCall
    """The tool and its input."""
    complete: bool = attrs.field(default=True, kw_only=True, eq=False, metadata=LOCAL)
    """True if the input ended as the sender meant it: the choice finished. Never True for a call that was cut off.
    Not on the wire, not compared."""
    synthetic_id: bool = attrs.field(default=False, kw_only=True, eq=False, metadata=LOCAL)
    """True if the sender wrote no id and this one was generated. Not on the wire, not compared."""

    def peek(self) -> Any:
        """Return the input, which is any text."""
        return self.custom.input


ChatCompletionMessageToolCallUnion: TypeAlias = ChatCompletionMessageToolCall | ChatCompletionMessageCustomToolCall
"""A call of either kind. A mapping with the type `custom` and an object under `custom` is the second, any other the
first."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class FunctionCallStream(Received):
    """The piece of a function call that one chunk carries."""

    name: str | None = attrs.field(default=None, metadata=NULL)
    """The function's name; most senders write it in the first fragment only."""
    arguments: str | None = attrs.field(default=None, metadata=NULL)
    """The next piece of the arguments."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionMessageToolCallChunk(Received):
    """A fragment: the piece of a tool call that one chunk carries."""

    index: U32 | None = attrs.field(metadata={"strict": U32})
    """Index of its call in the choice. None only if the sender omitted it; the strict codec requires it."""
    id: str | None = attrs.field(default=None, metadata=NULL)
    """The call's id; most senders write it in the first fragment only."""
    type: ChatCompletionToolType | str | None = attrs.field(
        default=None, metadata=NULL | {"strict": ChatCompletionToolType | None}
    )
    """The kind of tool; a plain string if the word is unknown."""
    function: FunctionCallStream | None = attrs.field(default=None, metadata=NULL)
    """The piece of the function call. A custom tool's piece is under `custom`, which is in `extra`."""
