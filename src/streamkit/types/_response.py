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
    """An audio answer."""

    id: str
    """The id of the audio; the assistant message of the next turn sends it instead of the audio."""
    expires_at: U32 = attrs.field(metadata={"tolerant": Any})
    """When the sender deletes it, in seconds since 1970; until then further turns may refer to it."""
    data: str
    """The audio, Base64, in the format that the request asked for."""
    transcript: str
    """The transcript."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionResponseMessage(Received):
    """A message that the model wrote."""

    content: str | None = None
    """The text."""
    refusal: str | None = None
    """The refusal, if the model refused to answer."""
    tool_calls: list[ChatCompletionMessageToolCallUnion] | None = None
    """The tools it calls, in the order of their first appearance."""
    role: Role | str = attrs.field(default=Role.ASSISTANT, metadata={"strict": Role})
    """The author: `assistant`; a plain string if the word is unknown."""
    function_call: FunctionCall | None = None
    """Deprecated: the legacy function that it calls."""
    audio: ChatCompletionResponseMessageAudio | None = None
    """The audio answer, if the request asked for one."""

    @property
    def reasoning(self) -> str | None:
        """The model's reasoning before the answer, if the sender sent it: `reasoning_content`, else `reasoning`, else
        `reasoning_text` (Copilot), else an object in one of those, or typed blocks (LiteLLM's `thinking_blocks`)."""
        found = [self.extra.get(name) for name in REASONING]
        texts = [text for text in found if isinstance(text, str)]
        if any(texts):
            return next(filter(None, texts))
        blocks = filter(None, (field_reasoning(name, value) for name, value in self.extra.items()))
        return next(blocks, "" if texts else None)

    @property
    def annotations(self) -> list[Any]:
        """Citations and the like, as the sender wrote them; empty if there are none."""
        found = self.extra.get("annotations")
        return list(found) if isinstance(found, list) else []

    def to_request(
        self, *, incomplete_calls: Literal["drop", "raise", "as_sent"] = "drop"
    ) -> "ChatCompletionRequestAssistantMessage":
        """Return this message as the assistant message of the next turn.

        Data that its sender needs again is kept unchanged: reasoning, its details and signatures, thought signatures of
        calls. Fields that only responses have, and empty ones, are left out, since some senders refuse them; content
        that arrived as parts is sent as parts; audio is replaced by its id. The result shares nothing with this message
        that could change.

        `incomplete_calls`: what to do with calls that were cut off (not `complete`, or whose arguments are not JSON):
        leave them out (`drop`), raise a `MisuseError` (`raise`), or send them unchanged (`as_sent`), which some servers
        answer with an error. If a call is left out, leave out the tool message that answers it, too. A message of which
        no text and no call is left (it was cancelled while the model thought) has empty content, since servers refuse
        one with neither content nor calls.
        """
        # Imported here, since reading a stream does not need the request types.
        from ._to_request import to_request

        return to_request(self, incomplete_calls)


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatChoice(Received):
    """One of the answers to a request."""

    index: U32
    """Its index: 0 up to the request's `n` - 1."""
    message: ChatCompletionResponseMessage
    """What the model wrote."""
    finish_reason: FinishReason | str | None = attrs.field(default=None, metadata={"strict": FinishReason | None})
    """Why it stopped; a plain string if the word is unknown, None if the sender sent none."""
    logprobs: ChatChoiceLogprobs | None = None
    """The log probability of each token, if the request asked for it."""

    @property
    def effective_finish_reason(self) -> FinishReason | str | None:
        """Why it stopped, in the format's words and consistent with the message. Not on the wire.

        Senders write `stop` after tool calls (Gemini, Ollama; OpenAI for a named function) and `tool_calls` without any
        (LM Studio), and words of other APIs (`end_turn`, `STOP`): a loop that runs tools should use this property. An
        unknown word is returned unchanged, and so is one that reports a failure (`network_error`), whatever calls there
        are; None if the sender sent none. `finish_reason` stays as the sender wrote it.
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
    """The id of the response."""
    choices: list[ChatChoice]
    """The answers, by index; more than one if the request's `n` is."""
    created: U32
    """When it was created, in seconds since 1970."""
    model: str
    """The name of the model that wrote it."""
    service_tier: ServiceTierResponse | str | None = attrs.field(
        default=None, metadata={"strict": ServiceTierResponse | None}
    )
    """The latency tier that it ran on; a plain string if the word is unknown."""
    system_fingerprint: str | None = None
    """Identifies the sender's configuration: if it changes, the same seed may give a different answer."""
    object: str | None = attrs.field(default=None, metadata=NULL)
    """`chat.completion`."""
    usage: CompletionUsage | None = attrs.field(default=None, metadata=NULL)
    """The tokens that the request used."""
