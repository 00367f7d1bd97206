"""Calls that a model made: whole ones, and the fragments that chunks carry.

Arguments are the model's own text: usually one JSON document, never promised to be. Check them before use.
"""

from typing import Literal, TypeAlias

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


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionMessageToolCall(Received):
    """A function call that a model made."""

    id: str
    """Names this call; the tool message that answers it repeats it."""
    type: ChatCompletionToolType | str = attrs.field(
        default=ChatCompletionToolType.FUNCTION, kw_only=True, metadata={"strict": ChatCompletionToolType}
    )
    """The kind of tool, `function`; another word only as the tolerant reader found it."""
    function: FunctionCall
    """What is called."""
    complete: bool = attrs.field(default=True, kw_only=True, eq=False, metadata=LOCAL)
    """Whether the arguments ended as the sender meant them: the choice finished and they are a JSON document. Never
    True for a call that was cut off. Not on the wire, not compared."""
    synthetic_id: bool = attrs.field(default=False, kw_only=True, eq=False, metadata=LOCAL)
    """Whether the sender wrote no id and this one was made up. Not on the wire, not compared."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CustomToolCall(Received):
    """A custom tool and the free text that the model calls it with. Not in the seed; source: the API's documentation."""

    name: str
    """The tool's name, as the request's tools name it."""
    input: str
    """What the model wrote for it: any text, not JSON."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionMessageCustomToolCall(Received):
    """A call of a custom tool. Not in the seed, but senders write it: `{"id", "type": "custom", "custom": {…}}`."""

    id: str
    """Names this call; the tool message that answers it repeats it."""
    type: str = attrs.field(default="custom", kw_only=True, metadata={"strict": Literal["custom"]})
    """The word that tells it from a function call: `custom`."""
    custom: CustomToolCall
    """What is called."""
    complete: bool = attrs.field(default=True, kw_only=True, eq=False, metadata=LOCAL)
    """Whether the input ended as the sender meant it: the choice finished. Never True for a call that was cut off.
    Not on the wire, not compared."""
    synthetic_id: bool = attrs.field(default=False, kw_only=True, eq=False, metadata=LOCAL)
    """Whether the sender wrote no id and this one was made up. Not on the wire, not compared."""


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
    """Which call of its choice it belongs to. None only where the sender left it out; the strict codec wants it."""
    id: str | None = attrs.field(default=None, metadata=NULL)
    """The call's id; most senders write it in the first fragment only."""
    type: ChatCompletionToolType | str | None = attrs.field(
        default=None, metadata=NULL | {"strict": ChatCompletionToolType | None}
    )
    """The kind of tool; a plain string where the word is not known."""
    function: FunctionCallStream | None = attrs.field(default=None, metadata=NULL)
    """The piece of the function call. Custom tools write theirs under `custom`, which is in `extra`."""
