"""Every type of the OpenAI chat format under its wire name, as frozen attrs classes: requests, responses, chunks.

Constructors accept what is at hand (a plain string for content, a word for an enum, a mapping for an object);
`attrs.evolve` makes changed copies. `streamkit.loads`, `dumps`, `structure` and `unstructure` convert from and to JSON.
Fields that the format does not define are kept in `extra` and written back. Unions are type aliases.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._chunk import (
    AsyncChatCompletionResponseStream,
    ChatChoiceStream,
    ChatCompletionResponseStream,
    ChatCompletionStreamResponseDelta,
    CreateChatCompletionStreamResponse,
)
from ._enums import (
    ChatCompletionAudioFormat,
    ChatCompletionAudioVoice,
    ChatCompletionFunctionCallMode,
    ChatCompletionModalities,
    ChatCompletionToolChoiceMode,
    ChatCompletionToolType,
    CompletionFinishReason,
    FinishReason,
    ImageDetail,
    InputAudioFormat,
    ReasoningEffort,
    Role,
    ServiceTier,
    ServiceTierResponse,
    WebSearchContextSize,
    WebSearchUserLocationType,
)
from ._logprobs import ChatChoiceLogprobs, ChatCompletionTokenLogprob, TopLogprobs
from ._response import (
    ChatChoice,
    ChatCompletionResponseMessage,
    ChatCompletionResponseMessageAudio,
    CreateChatCompletionResponse,
)
from ._tool_calls import (
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageToolCall,
    ChatCompletionMessageToolCallChunk,
    ChatCompletionMessageToolCallUnion,
    CustomToolCall,
    FunctionCall,
    FunctionCallStream,
)
from ._usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

if TYPE_CHECKING:
    from ._legacy import Choice, Logprobs, Prompt
    from ._messages import (
        ChatCompletionRequestAssistantMessage,
        ChatCompletionRequestAssistantMessageAudio,
        ChatCompletionRequestAssistantMessageContent,
        ChatCompletionRequestDeveloperMessage,
        ChatCompletionRequestDeveloperMessageContent,
        ChatCompletionRequestFunctionMessage,
        ChatCompletionRequestMessage,
        ChatCompletionRequestSystemMessage,
        ChatCompletionRequestSystemMessageContent,
        ChatCompletionRequestToolMessage,
        ChatCompletionRequestToolMessageContent,
        ChatCompletionRequestUserMessage,
        ChatCompletionRequestUserMessageContent,
    )
    from ._options import (
        ChatCompletionAudio,
        ChatCompletionStreamOptions,
        PredictionContent,
        PredictionContentContent,
        ResponseFormat,
        ResponseFormatJsonObject,
        ResponseFormatJsonSchema,
        ResponseFormatSchema,
        ResponseFormatText,
        Stop,
        WebSearchLocation,
        WebSearchOptions,
        WebSearchUserLocation,
    )
    from ._parts import (
        ChatCompletionRequestAssistantMessageContentPart,
        ChatCompletionRequestMessageContentPartAudio,
        ChatCompletionRequestMessageContentPartImage,
        ChatCompletionRequestMessageContentPartRefusal,
        ChatCompletionRequestMessageContentPartText,
        ChatCompletionRequestSystemMessageContentPart,
        ChatCompletionRequestToolMessageContentPart,
        ChatCompletionRequestUserMessageContentPart,
        ImageUrl,
        InputAudio,
    )
    from ._request import CreateChatCompletionRequest
    from ._tools import (
        ChatCompletionFunctionCall,
        ChatCompletionFunctionCallOption,
        ChatCompletionFunctions,
        ChatCompletionNamedToolChoice,
        ChatCompletionTool,
        ChatCompletionToolChoiceOption,
        FunctionName,
        FunctionObject,
    )

__all__ = (
    "AsyncChatCompletionResponseStream",
    "ChatChoice",
    "ChatChoiceLogprobs",
    "ChatChoiceStream",
    "ChatCompletionAudio",
    "ChatCompletionAudioFormat",
    "ChatCompletionAudioVoice",
    "ChatCompletionFunctionCall",
    "ChatCompletionFunctionCallMode",
    "ChatCompletionFunctionCallOption",
    "ChatCompletionFunctions",
    "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageToolCall",
    "ChatCompletionMessageToolCallChunk",
    "ChatCompletionMessageToolCallUnion",
    "ChatCompletionModalities",
    "ChatCompletionNamedToolChoice",
    "ChatCompletionRequestAssistantMessage",
    "ChatCompletionRequestAssistantMessageAudio",
    "ChatCompletionRequestAssistantMessageContent",
    "ChatCompletionRequestAssistantMessageContentPart",
    "ChatCompletionRequestDeveloperMessage",
    "ChatCompletionRequestDeveloperMessageContent",
    "ChatCompletionRequestFunctionMessage",
    "ChatCompletionRequestMessage",
    "ChatCompletionRequestMessageContentPartAudio",
    "ChatCompletionRequestMessageContentPartImage",
    "ChatCompletionRequestMessageContentPartRefusal",
    "ChatCompletionRequestMessageContentPartText",
    "ChatCompletionRequestSystemMessage",
    "ChatCompletionRequestSystemMessageContent",
    "ChatCompletionRequestSystemMessageContentPart",
    "ChatCompletionRequestToolMessage",
    "ChatCompletionRequestToolMessageContent",
    "ChatCompletionRequestToolMessageContentPart",
    "ChatCompletionRequestUserMessage",
    "ChatCompletionRequestUserMessageContent",
    "ChatCompletionRequestUserMessageContentPart",
    "ChatCompletionResponseMessage",
    "ChatCompletionResponseMessageAudio",
    "ChatCompletionResponseStream",
    "ChatCompletionStreamOptions",
    "ChatCompletionStreamResponseDelta",
    "ChatCompletionTokenLogprob",
    "ChatCompletionTool",
    "ChatCompletionToolChoiceMode",
    "ChatCompletionToolChoiceOption",
    "ChatCompletionToolType",
    "Choice",
    "CompletionFinishReason",
    "CompletionTokensDetails",
    "CompletionUsage",
    "CreateChatCompletionRequest",
    "CreateChatCompletionResponse",
    "CreateChatCompletionStreamResponse",
    "CustomToolCall",
    "FinishReason",
    "FunctionCall",
    "FunctionCallStream",
    "FunctionName",
    "FunctionObject",
    "ImageDetail",
    "ImageUrl",
    "InputAudio",
    "InputAudioFormat",
    "Logprobs",
    "PredictionContent",
    "PredictionContentContent",
    "Prompt",
    "PromptTokensDetails",
    "ReasoningEffort",
    "ResponseFormat",
    "ResponseFormatJsonObject",
    "ResponseFormatJsonSchema",
    "ResponseFormatSchema",
    "ResponseFormatText",
    "Role",
    "ServiceTier",
    "ServiceTierResponse",
    "Stop",
    "TopLogprobs",
    "WebSearchContextSize",
    "WebSearchLocation",
    "WebSearchOptions",
    "WebSearchUserLocation",
    "WebSearchUserLocationType",
)

# The request types are imported on first use: code that only reads streams need not wait for them.
_LATER = ("_messages", "_parts", "_request", "_options", "_tools", "_legacy")


if not TYPE_CHECKING:  # a type checker that saw it would accept any name

    def __getattr__(name: str) -> Any:
        if name in __all__:
            for room in _LATER:
                found = vars(import_module(f".{room}", __name__)).get(name)
                if found is not None:
                    globals()[name] = found
                    return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
