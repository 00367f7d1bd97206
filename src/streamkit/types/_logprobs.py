"""How likely each token was.

A log probability is a natural logarithm, at most 0 for a real probability; senders write -9999.0 for "very unlikely".
"""

import attrs

from ._base import F32, NULL, U8, Received

__all__ = ("ChatChoiceLogprobs", "ChatCompletionTokenLogprob", "TopLogprobs")


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class TopLogprobs(Received):
    """One of the likeliest tokens at a position."""

    token: str
    """The token as text."""
    logprob: F32
    """Its log probability."""
    bytes: list[U8] | None = attrs.field(default=None, metadata=NULL)
    """Its UTF-8 bytes, each 0 to 255: a token can be part of a character. None where it has none."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatCompletionTokenLogprob(Received):
    """A token that the model wrote, and what else it could have written there."""

    token: str
    """The token as text."""
    logprob: F32
    """Its log probability, or -9999.0 outside the 20 likeliest."""
    bytes: list[U8] | None = attrs.field(default=None, metadata=NULL)
    """Its UTF-8 bytes, each 0 to 255. None where it has none."""
    top_logprobs: list[TopLogprobs] = attrs.field(factory=list)
    """The likeliest tokens at this position, as many as the request asked for (`top_logprobs`) or fewer."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class ChatChoiceLogprobs(Received):
    """The log probabilities of a choice, or of the piece of it that a chunk carries."""

    content: list[ChatCompletionTokenLogprob] | None = attrs.field(default=None, metadata=NULL)
    """Those of the text, token by token."""
    refusal: list[ChatCompletionTokenLogprob] | None = attrs.field(default=None, metadata=NULL)
    """Those of the refusal, token by token."""
