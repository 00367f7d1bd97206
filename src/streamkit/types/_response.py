"""The full response: what the same request would have returned without streaming.

Fields that are None are left out on writing, except `object` and `usage`, which are written as null.
"""

from typing import TYPE_CHECKING, Any, Literal

import attrs

from ._base import NULL, U32, Received
from ._enums import FinishReason, Role, ServiceTierResponse
from ._logprobs import ChatChoiceLogprobs
from ._reasoning import REASONING, field_reasoning
from ._tool_calls import ChatCompletionMessageToolCallUnion, FunctionCall
from ._usage import CompletionUsage

if TYPE_CHECKING:
    from ._messages import ChatCompletionRequestAssistantMessage

__all__ = (
    "ChatChoice",
    "ChatCompletionResponseMessage",
    "ChatCompletionResponseMessageAudio",
    "CreateChatCompletionResponse",
)


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionResponseMessageAudio(Received):
    """An answer as audio."""

    id: str
    """Names the audio; the next turn's assistant message repeats it instead of the audio."""
    expires_at: U32 = attrs.field(metadata={"tolerant": Any})
    """Until when the sender keeps it for further turns, in seconds since 1970."""
    data: str
    """The audio, Base64, in the format that the request asked for."""
    transcript: str
    """What is said in it."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionResponseMessage(Received):
    """A message that the model wrote."""

    content: str | None = None
    """The text."""
    refusal: str | None = None
    """The refusal, where the model would not answer."""
    tool_calls: list[ChatCompletionMessageToolCallUnion] | None = None
    """The tools it calls, in the order of their first appearance."""
    role: Role | str = attrs.field(default=Role.ASSISTANT, metadata={"strict": Role})
    """Who speaks: `assistant`; a plain string where the word is not known."""
    function_call: FunctionCall | None = None
    """Deprecated: the function of the first kind that it calls."""
    audio: ChatCompletionResponseMessageAudio | None = None
    """The answer as audio, where the request asked for it."""

    @property
    def reasoning(self) -> str | None:
        """What the model thought before it answered, where the sender tells: `reasoning_content`, else `reasoning`, else
        `reasoning_text` (Copilot), else what stands in an object there, or in typed blocks (LiteLLM's `thinking_blocks`)."""
        found = [self.extra.get(name) for name in REASONING]
        texts = [text for text in found if isinstance(text, str)]
        if any(texts):
            return next(filter(None, texts))
        blocks = filter(None, (field_reasoning(name, value) for name, value in self.extra.items()))
        return next(blocks, "" if texts else None)

    @property
    def annotations(self) -> list[Any]:
        """Citations and the like, as the sender wrote them; empty where there are none."""
        found = self.extra.get("annotations")
        return list(found) if isinstance(found, list) else []

    def to_request(
        self, *, incomplete_calls: Literal["drop", "raise", "as_sent"] = "drop"
    ) -> "ChatCompletionRequestAssistantMessage":
        """This message as the assistant's message of the next turn.

        What its sender wants to see again is kept as it was written: reasoning, its details and signatures, thought
        signatures of calls. Fields that only a response has, and those that say nothing, are left out, since some senders
        refuse them; content that came as parts is parts again; audio becomes its id. Nothing is shared with this message
        that could change.

        `incomplete_calls`: calls that were cut off (not `complete`, or whose arguments are not JSON) are left out
        (`drop`), a `MisuseError` (`raise`) or sent as they are (`as_sent`), which some servers answer with an error. A tool
        message that answers a call that was left out has to be left out too.
        """
        # Here, since reading a stream alone does not need the request's side.
        from ._to_request import to_request

        return to_request(self, incomplete_calls)


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatChoice(Received):
    """One of the answers to a request."""

    index: U32
    """Which one: 0 up to the request's `n` - 1."""
    message: ChatCompletionResponseMessage
    """What the model wrote."""
    finish_reason: FinishReason | str | None = attrs.field(default=None, metadata={"strict": FinishReason | None})
    """Why it stopped; a plain string where the word is not known, None where it was not said."""
    logprobs: ChatChoiceLogprobs | None = None
    """How likely each token was, where the request asked for it."""

    @property
    def effective_finish_reason(self) -> FinishReason | str | None:
        """Why it stopped, in the words of the format and true to what is there. Not on the wire.

        Senders write `stop` behind tool calls (Gemini, Ollama; OpenAI for a named function) and `tool_calls` where there
        are none (LM Studio), and words of other APIs (`end_turn`, `STOP`): a loop that runs tools goes by this one. What
        cannot be told is the sender's own word, and so is one that says that it failed (`network_error`), whatever calls
        there are; None where it gave none. `finish_reason` stays as the sender wrote it.
        """
        reason = FinishReason.meant_by(self.finish_reason)
        if reason not in (FinishReason.STOP, FinishReason.TOOL_CALLS):
            return reason or self.finish_reason
        if self.message.tool_calls:
            return FinishReason.TOOL_CALLS
        return FinishReason.STOP if self.message.function_call is None else FinishReason.FUNCTION_CALL


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CreateChatCompletionResponse(Received):
    """A whole response, with every choice."""

    id: str
    """Names the response."""
    choices: list[ChatChoice]
    """The answers, by index; more than one where the request's `n` is."""
    created: U32
    """When it was begun, in seconds since 1970."""
    model: str
    """The model that wrote it."""
    service_tier: ServiceTierResponse | str | None = attrs.field(
        default=None, metadata={"strict": ServiceTierResponse | None}
    )
    """The latency tier it was made on; a plain string where the word is not known."""
    system_fingerprint: str | None = None
    """Names the sender's configuration: where it changes, the same seed can give another answer."""
    object: str | None = attrs.field(default=None, metadata=NULL)
    """`chat.completion`."""
    usage: CompletionUsage | None = attrs.field(default=None, metadata=NULL)
    """What the request cost."""
