"""Parts of a message's content: text, image, audio, refusal.

Each part has its `type`, the word that distinguishes parts. In the unions below the word is required; a text part that
is read as the class itself, as in developer messages and predictions, may omit it, as in the seed.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import attrs

from ._base import NULL, TAG, Told, Wire
from ._enums import ImageDetail, InputAudioFormat
from ._structuring import taken, word

__all__ = (
    "ChatCompletionRequestAssistantMessageContentPart",
    "ChatCompletionRequestMessageContentPartAudio",
    "ChatCompletionRequestMessageContentPartImage",
    "ChatCompletionRequestMessageContentPartRefusal",
    "ChatCompletionRequestMessageContentPartText",
    "ChatCompletionRequestSystemMessageContentPart",
    "ChatCompletionRequestToolMessageContentPart",
    "ChatCompletionRequestUserMessageContentPart",
    "ImageUrl",
    "InputAudio",
    "content",
)


def _detail(value: ImageDetail | str | None) -> ImageDetail | str | None:
    return word(ImageDetail, value)


def _audio_format(value: InputAudioFormat | str) -> InputAudioFormat | str:
    return word(InputAudioFormat, value)


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestMessageContentPartText(Wire):
    """A piece of text."""

    type: Literal["text"] | None = attrs.field(default="text", kw_only=True, eq=False, metadata=TAG)
    """`text`. None only if the part was read from a mapping without it."""
    text: str
    """The text."""


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestMessageContentPartRefusal(Wire):
    """A refusal that the model wrote in an earlier turn."""

    type: Literal["refusal"] | None = attrs.field(default="refusal", kw_only=True, eq=False, metadata=TAG)
    """`refusal`. None only if the part was read from a mapping without it."""
    refusal: str
    """The refusal's text."""


@attrs.frozen(weakref_slot=False, repr=False)
class ImageUrl(Wire):
    """The address of an image, and the level of detail."""

    url: str
    """The `http(s):` address, or the image itself as a `data:` URL in Base64."""
    detail: ImageDetail | str | None = attrs.field(
        default=None, converter=_detail, metadata=NULL | {"strict": ImageDetail | None}
    )
    """The level of detail: `auto` (the API's default), `low` or `high`."""


def _image_url(value: ImageUrl | str | Mapping[str, Any]) -> ImageUrl:
    return ImageUrl(value) if isinstance(value, str) else taken(value, ImageUrl, "$.image_url")


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestMessageContentPartImage(Wire):
    """An image. A plain string is its address."""

    type: Literal["image_url"] | None = attrs.field(default="image_url", kw_only=True, eq=False, metadata=TAG)
    """`image_url`. None only if the part was read from a mapping without it."""
    image_url: ImageUrl = attrs.field(converter=_image_url)
    """The address of the image."""


@attrs.frozen(weakref_slot=False, repr=False)
class InputAudio(Wire):
    """Audio as input for the model."""

    data: str
    """The audio, Base64."""
    format: InputAudioFormat | str = attrs.field(
        default=InputAudioFormat.MP3, converter=_audio_format, metadata={"strict": InputAudioFormat}
    )
    """Its encoding: `wav` or `mp3`."""


def _input_audio(value: InputAudio | Mapping[str, Any]) -> InputAudio:
    return taken(value, InputAudio, "$.input_audio")


@attrs.frozen(weakref_slot=False, repr=False)
class ChatCompletionRequestMessageContentPartAudio(Wire):
    """A piece of audio."""

    type: Literal["input_audio"] | None = attrs.field(default="input_audio", kw_only=True, eq=False, metadata=TAG)
    """`input_audio`. None only if the part was read from a mapping without it."""
    input_audio: InputAudio = attrs.field(converter=_input_audio)
    """The audio."""


ChatCompletionRequestUserMessageContentPart: TypeAlias = (
    ChatCompletionRequestMessageContentPartText
    | ChatCompletionRequestMessageContentPartImage
    | ChatCompletionRequestMessageContentPartAudio
)
"""The parts of a user message."""

ChatCompletionRequestSystemMessageContentPart: TypeAlias = Annotated[
    ChatCompletionRequestMessageContentPartText, Told()
]
"""The parts of a system message: text."""

ChatCompletionRequestAssistantMessageContentPart: TypeAlias = (
    ChatCompletionRequestMessageContentPartText | ChatCompletionRequestMessageContentPartRefusal
)
"""The parts of an assistant message."""

ChatCompletionRequestToolMessageContentPart: TypeAlias = Annotated[ChatCompletionRequestMessageContentPartText, Told()]
"""The parts of a tool message: text."""


def content(value: Any, part: Any, path: str = "$.content") -> Any:
    """Return a constructor's `content` argument as text, or as a list of parts of the type `part`.

    A string is returned unchanged. A single part, or an iterable of parts, mappings and strings, is converted to a list
    of parts. Raises ValidationError, with paths from `path`, for a mapping that is not such a part.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (Wire, Mapping, bytes, bytearray, memoryview)) or not isinstance(value, Iterable):
        value = [value]
    return [
        ChatCompletionRequestMessageContentPartText(item)
        if isinstance(item, str)
        else taken(item, part, f"{path}[{at}]")
        for at, item in enumerate(value)
    ]
