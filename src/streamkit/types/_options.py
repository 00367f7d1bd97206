"""Options of a request besides messages and tools: response format, audio, prediction, web search, streaming."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import attrs

from ._base import NULL, TAG, Wire
from ._enums import ChatCompletionAudioFormat, ChatCompletionAudioVoice, WebSearchContextSize, WebSearchUserLocationType
from ._parts import ChatCompletionRequestMessageContentPartText, content
from ._structuring import taken, word

__all__ = (
    "ChatCompletionAudio",
    "ChatCompletionStreamOptions",
    "PredictionContent",
    "PredictionContentContent",
    "ResponseFormat",
    "ResponseFormatJsonObject",
    "ResponseFormatJsonSchema",
    "ResponseFormatSchema",
    "ResponseFormatText",
    "Stop",
    "WebSearchLocation",
    "WebSearchOptions",
    "WebSearchUserLocation",
)

Stop: TypeAlias = str | list[str]
"""Where the model stops writing: one sequence, or 1 to 4."""


@attrs.frozen(weakref_slot=False, repr=False)
class ResponseFormatText(Wire):
    """The answer is text. The API's default."""

    type: Literal["text"] | None = attrs.field(default="text", kw_only=True, eq=False, metadata=TAG)
    """`text`."""


@attrs.frozen(weakref_slot=False, repr=False)
class ResponseFormatJsonObject(Wire):
    """The answer is some JSON object. A message must ask for JSON too: otherwise the model may write whitespace without
    end."""

    type: Literal["json_object"] | None = attrs.field(default="json_object", kw_only=True, eq=False, metadata=TAG)
    """`json_object`."""


@attrs.frozen(weakref_slot=False, repr=False)
class ResponseFormatJsonSchema(Wire):
    """A JSON Schema for the answer, and its name."""

    description: str | None = attrs.field(default=None, kw_only=True)
    """The purpose of the answer; the model uses it."""
    name: str
    """1 to 64 characters of a-z, A-Z, 0-9, underscore and dash."""
    schema: Any | None = None
    """The schema, as a JSON Schema object."""
    strict: bool | None = None
    """Whether the answer must follow the schema exactly; only part of JSON Schema is allowed then."""


def _json_schema(value: ResponseFormatJsonSchema | Mapping[str, Any]) -> ResponseFormatJsonSchema:
    return taken(value, ResponseFormatJsonSchema, "$.json_schema")


@attrs.frozen(weakref_slot=False, repr=False)
class ResponseFormatSchema(Wire):
    """The answer is JSON that follows a schema (the seed's variant `json_schema`)."""

    type: Literal["json_schema"] | None = attrs.field(default="json_schema", kw_only=True, eq=False, metadata=TAG)
    """`json_schema`."""
    json_schema: ResponseFormatJsonSchema = attrs.field(converter=_json_schema)
    """The schema and its name."""


ResponseFormat: TypeAlias = ResponseFormatText | ResponseFormatJsonObject | ResponseFormatSchema
"""The format of the answer, distinguished by its type."""


def _voice(value: ChatCompletionAudioVoice | str) -> ChatCompletionAudioVoice | str:
    return word(ChatCompletionAudioVoice, value)


def _audio_format(value: ChatCompletionAudioFormat | str) -> ChatCompletionAudioFormat | str:
    return word(ChatCompletionAudioFormat, value)


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionAudio(Wire):
    """Options for an audio answer."""

    voice: ChatCompletionAudioVoice | str = attrs.field(converter=_voice, metadata={"strict": ChatCompletionAudioVoice})
    """The voice."""
    format: ChatCompletionAudioFormat | str = attrs.field(
        converter=_audio_format, metadata={"strict": ChatCompletionAudioFormat}
    )
    """Its encoding; streams carry `pcm16` only."""


PredictionContentContent: TypeAlias = str | list[ChatCompletionRequestMessageContentPartText]
"""Text that the answer will mostly repeat, whole or in parts."""


def _predicted(
    value: str
    | ChatCompletionRequestMessageContentPartText
    | Mapping[str, Any]
    | Iterable[str | ChatCompletionRequestMessageContentPartText | Mapping[str, Any]],
) -> PredictionContentContent:
    said: PredictionContentContent = content(value, ChatCompletionRequestMessageContentPartText)
    return said


@attrs.frozen(weakref_slot=False, repr=False)
class PredictionContent(Wire):
    """Text that the answer will mostly repeat, such as a file rewritten with few changes: speeds up the answer."""

    type: Literal["content"] = attrs.field(default="content", kw_only=True)
    """`content`."""
    content: PredictionContentContent = attrs.field(converter=_predicted)
    """The text."""


def _search_size(value: WebSearchContextSize | str | None) -> WebSearchContextSize | str | None:
    return word(WebSearchContextSize, value)


def _location_type(value: WebSearchUserLocationType | str) -> WebSearchUserLocationType | str:
    return word(WebSearchUserLocationType, value)


@attrs.frozen(weakref_slot=False, repr=False)
class WebSearchLocation(Wire):
    """The user's approximate location."""

    country: str | None = attrs.field(default=None, metadata=NULL)
    """Two letters of ISO 3166-1, `US`."""
    region: str | None = attrs.field(default=None, metadata=NULL)
    """Free text, `California`."""
    city: str | None = attrs.field(default=None, metadata=NULL)
    """Free text, `San Francisco`."""
    timezone: str | None = attrs.field(default=None, metadata=NULL)
    """A name of the IANA time zone database, `America/Los_Angeles`."""


def _location(value: WebSearchLocation | Mapping[str, Any]) -> WebSearchLocation:
    return taken(value, WebSearchLocation, "$.approximate")


@attrs.frozen(weakref_slot=False, repr=False)
class WebSearchUserLocation(Wire):
    """The user's location, and its precision."""

    type: WebSearchUserLocationType | str = attrs.field(
        default=WebSearchUserLocationType.APPROXIMATE,
        kw_only=True,
        converter=_location_type,
        metadata={"strict": WebSearchUserLocationType},
    )
    """The precision: `approximate`."""
    approximate: WebSearchLocation = attrs.field(converter=_location)
    """Where."""


def _user_location(value: WebSearchUserLocation | Mapping[str, Any] | None) -> WebSearchUserLocation | None:
    return None if value is None else taken(value, WebSearchUserLocation, "$.user_location")


@attrs.frozen(weakref_slot=False, repr=False)
class WebSearchOptions(Wire):
    """Lets the model search the web for its answer."""

    search_context_size: WebSearchContextSize | str | None = attrs.field(
        default=None, converter=_search_size, metadata=NULL | {"strict": WebSearchContextSize | None}
    )
    """How much of the context window a search may fill; the API's default is `medium`."""
    user_location: WebSearchUserLocation | None = attrs.field(default=None, converter=_user_location, metadata=NULL)
    """The user's location."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionStreamOptions(Wire):
    """How to stream. Only together with `stream=True`."""

    include_usage: bool
    """Whether to send an extra chunk before the end, without choices, with the usage of the whole request."""
