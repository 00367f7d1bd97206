"""The request: every option of a chat-completions endpoint.

Building is lenient, so that words and values newer than this library can be sent; `check()` names what the
documentation does not allow. Every field except `messages` and `model` may be omitted, and is then not written.
Ranges and defaults: the seed, where it has them, else the API's documentation.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeAlias

import attrs

from streamkit.errors import Problem, ValidationError

from ._base import F32, I64, U8, U32, Wire
from ._enums import (
    ChatCompletionFunctionCallMode,
    ChatCompletionModalities,
    ChatCompletionToolChoiceMode,
    ReasoningEffort,
    ServiceTier,
)
from ._messages import ChatCompletionRequestMessage, ChatCompletionRequestUserMessage
from ._mismatch import shown
from ._options import (
    ChatCompletionAudio,
    ChatCompletionStreamOptions,
    PredictionContent,
    ResponseFormat,
    ResponseFormatJsonObject,
    ResponseFormatJsonSchema,
    ResponseFormatSchema,
    ResponseFormatText,
    Stop,
    WebSearchOptions,
)
from ._request_checks import mismatches
from ._response import ChatCompletionResponseMessage
from ._structuring import each, taken, word
from ._tools import (
    ChatCompletionFunctionCall,
    ChatCompletionFunctionCallOption,
    ChatCompletionFunctions,
    ChatCompletionNamedToolChoice,
    ChatCompletionTool,
    ChatCompletionToolChoiceOption,
    FunctionObject,
)

__all__ = ("CreateChatCompletionRequest",)

_Object: TypeAlias = Mapping[str, Any]
_MessageLike: TypeAlias = ChatCompletionRequestMessage | ChatCompletionResponseMessage | _Object | str


def _messages(value: _MessageLike | Iterable[_MessageLike]) -> list[ChatCompletionRequestMessage]:
    if isinstance(value, (str, Mapping, Wire)):
        value = [value]
    return [_message(item, f"$.messages[{at}]") for at, item in enumerate(each(value, "$.messages"))]


def _message(item: _MessageLike, path: str) -> ChatCompletionRequestMessage:
    if isinstance(item, str):
        return ChatCompletionRequestUserMessage(item)
    if isinstance(item, ChatCompletionResponseMessage):
        return item.to_request()
    message: ChatCompletionRequestMessage = taken(item, ChatCompletionRequestMessage, path)
    return message


def _effort(value: ReasoningEffort | str | None) -> ReasoningEffort | str | None:
    return word(ReasoningEffort, value)


def _tier(value: ServiceTier | str | None) -> ServiceTier | str | None:
    return word(ServiceTier, value)


def _bias(value: Mapping[str, Any] | Mapping[int, Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValidationError((Problem("$.logit_bias", "an object", shown(value)),))
    return {str(token): bias for token, bias in value.items()}


def _modalities(
    value: Iterable[ChatCompletionModalities | str] | None,
) -> list[ChatCompletionModalities | str] | None:
    if value is None:
        return None
    return [
        word(ChatCompletionModalities, item)
        for item in ([value] if isinstance(value, str) else each(value, "$.modalities"))
    ]


def _prediction(value: PredictionContent | str | _Object | None) -> PredictionContent | None:
    if isinstance(value, str):
        return PredictionContent(value)
    return None if value is None else taken(value, PredictionContent, "$.prediction")


def _audio(value: ChatCompletionAudio | _Object | None) -> ChatCompletionAudio | None:
    return None if value is None else taken(value, ChatCompletionAudio, "$.audio")


def _format(value: ResponseFormat | ResponseFormatJsonSchema | str | _Object | None) -> ResponseFormat | None:
    match value:
        case None:
            return None
        case "text":
            return ResponseFormatText()
        case "json_object":
            return ResponseFormatJsonObject()
        case ResponseFormatJsonSchema():
            return ResponseFormatSchema(value)
    made: ResponseFormat = taken(value, ResponseFormat, "$.response_format")
    return made


def _stop(value: str | Iterable[str] | None) -> Stop | None:
    return value if value is None or isinstance(value, str) else list(each(value, "$.stop"))


def _stream_options(value: ChatCompletionStreamOptions | _Object | None) -> ChatCompletionStreamOptions | None:
    return None if value is None else taken(value, ChatCompletionStreamOptions, "$.stream_options")


def _tools(
    value: Iterable[ChatCompletionTool | FunctionObject | _Object] | None,
) -> list[ChatCompletionTool] | None:
    if value is None:
        return None
    return [
        ChatCompletionTool(tool)
        if isinstance(tool, FunctionObject)
        else taken(tool, ChatCompletionTool, f"$.tools[{at}]")
        for at, tool in enumerate(each(value, "$.tools"))
    ]


def _choice(
    value: ChatCompletionToolChoiceOption | str | _Object | None,
) -> ChatCompletionToolChoiceOption | str | None:
    if value is None or isinstance(value, str):
        return word(ChatCompletionToolChoiceMode, value)
    chosen: ChatCompletionNamedToolChoice = taken(value, ChatCompletionNamedToolChoice, "$.tool_choice")
    return chosen


def _web_search(value: WebSearchOptions | _Object | None) -> WebSearchOptions | None:
    return None if value is None else taken(value, WebSearchOptions, "$.web_search_options")


def _function_call(value: ChatCompletionFunctionCall | str | _Object | None) -> ChatCompletionFunctionCall | str | None:
    if value is None or isinstance(value, str):
        return word(ChatCompletionFunctionCallMode, value)
    chosen: ChatCompletionFunctionCallOption = taken(value, ChatCompletionFunctionCallOption, "$.function_call")
    return chosen


def _functions(
    value: Iterable[ChatCompletionFunctions | _Object] | None,
) -> list[ChatCompletionFunctions] | None:
    if value is None:
        return None
    path = "$.functions"
    return [taken(item, ChatCompletionFunctions, f"{path}[{at}]") for at, item in enumerate(each(value, path))]


@attrs.frozen(weakref_slot=False, repr=False)
class CreateChatCompletionRequest(Wire):
    """A request for a chat completion: `CreateChatCompletionRequest(["Hello"], "gpt-4o", temperature=0.2)`."""

    messages: list[ChatCompletionRequestMessage] = attrs.field(converter=_messages)
    """The conversation so far, at least one message. A plain string is a user message; a response's message is the
    assistant's (`to_request()`); mappings are converted."""
    model: str
    """The name of the model."""
    store: bool | None = None
    """Whether the sender keeps the answer for distillation and evaluations. The API's default is no."""
    reasoning_effort: ReasoningEffort | str | None = attrs.field(
        default=None, converter=_effort, metadata={"strict": ReasoningEffort | None}
    )
    """How much a reasoning model thinks before it answers."""
    metadata: Any | None = None
    """Up to 16 pairs for finding the answer later: keys of up to 64 characters, values that are strings of up to
    512."""
    frequency_penalty: F32 | None = None
    """-2 to 2, default 0. Above 0, a token is less likely the more often it has occurred."""
    logit_bias: dict[str, Any] | None = attrs.field(default=None, converter=_bias)
    """Token id -> -100 (never) to 100 (always); small numbers only make it less or more likely."""
    logprobs: bool | None = None
    """Whether to return the log probability of each token."""
    top_logprobs: U8 | None = None
    """0 to 20: the number of likeliest tokens to return at each position. Needs `logprobs=True`."""
    max_tokens: U32 | None = None
    """Deprecated: the most tokens to write. Replaced by `max_completion_tokens`."""
    max_completion_tokens: U32 | None = None
    """The most tokens to write, thinking included."""
    n: U8 | None = None
    """1 to 128, default 1: the number of answers to write. All of them are billed."""
    modalities: list[ChatCompletionModalities | str] | None = attrs.field(
        default=None, converter=_modalities, metadata={"strict": list[ChatCompletionModalities] | None}
    )
    """The output types; the default is text alone. Audio requires `audio`."""
    prediction: PredictionContent | None = attrs.field(default=None, converter=_prediction)
    """Text that the answer will mostly repeat; a plain string is its text."""
    audio: ChatCompletionAudio | None = attrs.field(default=None, converter=_audio)
    """Options for an audio answer."""
    presence_penalty: F32 | None = None
    """-2 to 2, default 0. Above 0, a token that has occurred at all is less likely."""
    response_format: ResponseFormat | None = attrs.field(default=None, converter=_format)
    """The format of the answer. Accepts the words `text` and `json_object` and a `ResponseFormatJsonSchema`, too."""
    seed: I64 | None = None
    """Asks for the same answer to the same request, as far as the sender can. A signed number of 64 bits."""
    service_tier: ServiceTier | str | None = attrs.field(
        default=None, converter=_tier, metadata={"strict": ServiceTier | None}
    )
    """The latency tier to use; the default is `auto`."""
    stop: Stop | None = attrs.field(default=None, converter=_stop)
    """Sequences at which to stop: one, or 1 to 4. The answer does not contain it."""
    stream: bool | None = None
    """Whether to send the answer as a stream of chunks. The default is no."""
    stream_options: ChatCompletionStreamOptions | None = attrs.field(default=None, converter=_stream_options)
    """Options for streaming. Only with `stream=True`."""
    temperature: F32 | None = None
    """0 to 2, default 1: the higher, the more random. Change this or `top_p`, not both."""
    top_p: F32 | None = None
    """0 to 1, default 1: only the likeliest tokens that make up this share of probability are considered."""
    tools: list[ChatCompletionTool] | None = attrs.field(default=None, converter=_tools)
    """The tools that the model may call, at most 128. A `FunctionObject` is converted to a tool."""
    tool_choice: ChatCompletionToolChoiceOption | str | None = attrs.field(
        default=None, converter=_choice, metadata={"strict": ChatCompletionToolChoiceOption | None}
    )
    """Whether the model may or must call tools: `none`, `auto`, `required`, or a `ChatCompletionNamedToolChoice`."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may call several tools. The API's default is yes."""
    user: str | None = None
    """An id of the end user, for detecting abuse."""
    web_search_options: WebSearchOptions | None = attrs.field(default=None, converter=_web_search)
    """Lets the model search the web."""
    function_call: ChatCompletionFunctionCall | str | None = attrs.field(
        default=None, converter=_function_call, metadata={"strict": ChatCompletionFunctionCall | None}
    )
    """Deprecated: whether the model may call legacy functions. Replaced by `tool_choice`."""
    functions: list[ChatCompletionFunctions] | None = attrs.field(default=None, converter=_functions)
    """Deprecated: legacy functions, at most 128. Replaced by `tools`."""
    prompt_cache_key: str | None = None
    """Requests with the same key share the sender's cache."""

    def check(self) -> Self:
        """Return this request if it meets everything that the documentation asks; otherwise raise ValidationError,
        whose `problems` has every mismatch with its path: values that the strict types refuse, and numbers, counts and
        names out of range."""
        problems = mismatches(self)
        if problems:
            raise ValidationError(problems, type_name=type(self).__name__)
        return self
