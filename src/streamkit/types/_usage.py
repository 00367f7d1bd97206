"""Token usage of a request.

All counts are whole tokens, 0 to 4,294,967,295. Further fields of senders (cost, cache hits) are in `extra`.
"""

import attrs

from ._base import U32, Received

__all__ = ("CompletionTokensDetails", "CompletionUsage", "PromptTokensDetails")

_REQUIRED = {"strict": U32}


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class PromptTokensDetails(Received):
    """The prompt tokens by kind."""

    audio_tokens: U32 | None = None
    """Tokens of audio in the prompt."""
    cached_tokens: U32 | None = None
    """Tokens read from the sender's cache."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CompletionTokensDetails(Received):
    """The completion tokens by kind."""

    accepted_prediction_tokens: U32 | None = None
    """Tokens of the request's prediction that the answer used."""
    audio_tokens: U32 | None = None
    """Tokens of audio that the model wrote."""
    reasoning_tokens: U32 | None = None
    """Tokens of reasoning. They count as completion tokens."""
    rejected_prediction_tokens: U32 | None = None
    """Tokens of the prediction that the answer did not use. They are billed as completion tokens, too."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CompletionUsage(Received):
    """Token counts of a request, over all its choices. A count that the sender never reported is None, even if the
    format requires it: strict reading refuses a usage without it."""

    prompt_tokens: U32 | None = attrs.field(metadata=_REQUIRED)
    """Tokens of everything sent."""
    completion_tokens: U32 | None = attrs.field(metadata=_REQUIRED)
    """Tokens of everything written, including reasoning."""
    total_tokens: U32 | None = attrs.field(metadata=_REQUIRED)
    """The sum of the two, as the sender reported it."""
    prompt_tokens_details: PromptTokensDetails | None = None
    """The prompt tokens by kind."""
    completion_tokens_details: CompletionTokensDetails | None = None
    """The completion tokens by kind."""
