"""The words of the format that come from a closed list.

Each is a `StrEnum`: `FinishReason.STOP == "stop"`, and a member prints and writes as its word. `__aliases__` lists
other words that a class reads; only the strict codec uses them. Source of every list: the seed.
"""

from enum import StrEnum
from types import MappingProxyType

__all__ = (
    "ChatCompletionAudioFormat",
    "ChatCompletionAudioVoice",
    "ChatCompletionFunctionCallMode",
    "ChatCompletionModalities",
    "ChatCompletionToolChoiceMode",
    "ChatCompletionToolType",
    "CompletionFinishReason",
    "FinishReason",
    "ImageDetail",
    "InputAudioFormat",
    "ReasoningEffort",
    "Role",
    "ServiceTier",
    "ServiceTierResponse",
    "WebSearchContextSize",
    "WebSearchUserLocationType",
)


class Role(StrEnum):
    """The author of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    FUNCTION = "function"
    """Deprecated together with legacy function calling; replaced by `TOOL`."""


class FinishReason(StrEnum):
    """Why the model stopped writing a choice."""

    STOP = "stop"
    """A natural end, or a stop sequence. The strict codec also reads the words `eos` and `""` as this one."""
    LENGTH = "length"
    """The token limit of the request, or of the model, was reached."""
    TOOL_CALLS = "tool_calls"
    """The model called tools."""
    CONTENT_FILTER = "content_filter"
    """Content was left out by a filter."""
    FUNCTION_CALL = "function_call"
    """Deprecated: the model called a legacy function."""

    __aliases__ = MappingProxyType({"eos": STOP, "": STOP})

    # In any case. DashScope's own API writes "null" until the end, and bridges pass it on; Ollama and SGLang wrote "".
    __nothing__ = frozenset({"", "null"})

    # Words of senders that use another API internally, in lower case (Gemini writes STOP): Anthropic, TGI, Mistral,
    # Zhipu.
    __meanings__ = MappingProxyType(
        {
            "eos": STOP,
            "eos_token": STOP,
            "end_turn": STOP,
            "stop_sequence": STOP,
            "max_tokens": LENGTH,
            "model_length": LENGTH,
            "tool_use": TOOL_CALLS,
            "safety": CONTENT_FILTER,
            "sensitive": CONTENT_FILTER,
        }
    )

    # The words with which a sender reports that it failed, in lower case, each with a source. The table is closed:
    # any other word implies nothing about success.
    __failures__ = MappingProxyType(
        {
            # OpenRouter and IBM watsonx, if the model server failed in the middle
            "error": "https://github.com/gethouston/houston/pull/1211",
            # Zhipu GLM, also through OpenCode Zen
            "network_error": "https://github.com/NousResearch/hermes-agent/pull/92161",
            # relays of DeepSeek's web chat
            "server_error": "https://github.com/FANATFANATA/DanyAPI",
            # bridges that could not parse the model's output; pi shows such words as `Provider finish_reason: …`
            "internal_error": "https://github.com/earendil-works/pi/issues/5793",
            # vLLM when the engine shuts down; MiniMax, Novita and GLM when they interrupt themselves
            "abort": "https://github.com/vllm-project/vllm/issues/57082",
            # the same word in RL servers over vLLM
            "aborted": "https://github.com/verl-project/verl/pull/4453",
            # IBM watsonx; a server that unloads its model
            "cancelled": "https://github.com/kekzl/imp/issues/1590",
            # Cohere
            "timeout": "https://docs.cohere.com/reference/chat",
            # DeepSeek, when its servers are too busy to continue
            "insufficient_system_resource": "https://api-docs.deepseek.com/api/create-chat-completion",
            # Gemini, when it cannot parse the call that it wrote itself
            "malformed_function_call": "https://github.com/NousResearch/hermes-agent/pull/83886",
        }
    )

    @classmethod
    def is_nothing(cls, word: str) -> bool:
        """Return True if `word` is not a reason: the empty string, or the word `null`."""
        return word.lower() in cls.__nothing__

    @classmethod
    def says_failed(cls, word: str | None) -> bool:
        """Return True if `word` reports that the sender failed (`network_error`, in any case)."""
        return word is not None and word.lower() in cls.__failures__

    @classmethod
    def meant_by(cls, word: str | None) -> "FinishReason | None":
        """Return the format's word for a sender's `word`, which may be from another API; None if unknown."""
        lower = (word or "").lower()
        return _FINISHES.get(cls.__meanings__.get(lower, lower))


_FINISHES = {reason.value: reason for reason in FinishReason}


class CompletionFinishReason(StrEnum):
    """Why a legacy text completion ended."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


class ChatCompletionToolType(StrEnum):
    """The kinds of tool that the seed knows. Custom tools have their own class and the plain word `custom`."""

    FUNCTION = "function"


class ChatCompletionToolChoiceMode(StrEnum):
    """Whether the model may or must call tools, if no tool is named."""

    NONE = "none"
    """The model calls none. The API's default without tools."""
    AUTO = "auto"
    """The model decides whether to call tools or write text. The API's default with tools."""
    REQUIRED = "required"
    """The model calls at least one."""


class ChatCompletionFunctionCallMode(StrEnum):
    """Deprecated: whether the model may call a legacy function, if none is named."""

    NONE = "none"
    AUTO = "auto"


class ServiceTier(StrEnum):
    """The latency tier that a request asks for."""

    AUTO = "auto"
    """The project's own setting. The API's default."""
    DEFAULT = "default"
    FLEX = "flex"
    SCALE = "scale"
    PRIORITY = "priority"


class ServiceTierResponse(StrEnum):
    """The latency tier on which a response was created."""

    SCALE = "scale"
    DEFAULT = "default"
    FLEX = "flex"
    PRIORITY = "priority"


class ReasoningEffort(StrEnum):
    """How much a reasoning model thinks before it writes: less is faster and takes fewer tokens."""

    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ChatCompletionModalities(StrEnum):
    """What a request wants to get back."""

    TEXT = "text"
    AUDIO = "audio"


class ChatCompletionAudioVoice(StrEnum):
    """The voice of an audio answer. `alloy`, `echo` and `shimmer` are the older, less expressive ones."""

    ALLOY = "alloy"
    ASH = "ash"
    BALLAD = "ballad"
    CORAL = "coral"
    ECHO = "echo"
    SAGE = "sage"
    SHIMMER = "shimmer"
    VERSE = "verse"


class ChatCompletionAudioFormat(StrEnum):
    """The encoding of an audio answer."""

    WAV = "wav"
    MP3 = "mp3"
    FLAC = "flac"
    OPUS = "opus"
    PCM16 = "pcm16"
    """16-bit samples without a header; the one that OpenAI streams."""


class InputAudioFormat(StrEnum):
    """The encoding of audio sent to the model."""

    WAV = "wav"
    MP3 = "mp3"


class ImageDetail(StrEnum):
    """How closely the model looks at an image: `low` costs a fixed, small number of tokens."""

    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


class WebSearchContextSize(StrEnum):
    """How much of the context window a web search may fill. The API's default is `medium`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class WebSearchUserLocationType(StrEnum):
    """How exact a user's location is."""

    APPROXIMATE = "approximate"
