"""What a request cost in tokens.

All counts are whole tokens, 0 to 4,294,967,295. Senders add fields of their own (cost, cache hits); they are in `extra`.
"""

import attrs

from ._base import U32, Received

__all__ = ("CompletionTokensDetails", "CompletionUsage", "PromptTokensDetails")

_REQUIRED = {"strict": U32}


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class PromptTokensDetails(Received):
    """What the prompt's tokens were."""

    audio_tokens: U32 | None = None
    """Tokens of audio in the prompt."""
    cached_tokens: U32 | None = None
    """Tokens that the sender had in its cache."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CompletionTokensDetails(Received):
    """What the completion's tokens were."""

    accepted_prediction_tokens: U32 | None = None
    """Tokens of the request's prediction that the answer used."""
    audio_tokens: U32 | None = None
    """Tokens of audio that the model wrote."""
    reasoning_tokens: U32 | None = None
    """Tokens that the model thought with. They count as completion tokens."""
    rejected_prediction_tokens: U32 | None = None
    """Tokens of the prediction that the answer did not use. They are billed as completion tokens all the same."""


@attrs.frozen(weakref_slot=False, repr=False, eq=False)
class CompletionUsage(Received):
    """What a request cost, over all its choices. A count that its sender never reported is None, where the format has it
    always: so strict reading refuses what goes without."""

    prompt_tokens: U32 | None = attrs.field(metadata=_REQUIRED)
    """Tokens of everything that was sent."""
    completion_tokens: U32 | None = attrs.field(metadata=_REQUIRED)
    """Tokens of everything that was written, thinking included."""
    total_tokens: U32 | None = attrs.field(metadata=_REQUIRED)
    """The two together, as the sender counts them."""
    prompt_tokens_details: PromptTokensDetails | None = None
    """What the prompt's tokens were."""
    completion_tokens_details: CompletionTokensDetails | None = None
    """What the completion's tokens were."""
