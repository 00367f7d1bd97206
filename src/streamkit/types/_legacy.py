"""The legacy text completions, before chat: prompts, choices and their log probabilities."""

from typing import Any, TypeAlias

import attrs

from ._base import F32, U32, Wire
from ._enums import CompletionFinishReason

__all__ = ("Choice", "Logprobs", "Prompt")

Prompt: TypeAlias = str | list[str] | list[U32] | list[list[U32]]
"""The prompt: a text, several texts, or one or several as tokens. A token is 0 to 4,294,967,295.
An empty list is a list of texts."""


@attrs.frozen(weakref_slot=False, repr=False)
class Logprobs(Wire):
    """How likely each token of a text completion was, in four parallel lists, one entry for each token."""

    tokens: list[str]
    """The tokens as text."""
    token_logprobs: list[F32 | None]
    """Their log probabilities; the first token of an echoed prompt has none."""
    top_logprobs: list[Any]
    """The likeliest tokens at each position, usually an object from token to log probability."""
    text_offset: list[U32]
    """Where each token starts in the text, in characters."""


@attrs.frozen(weakref_slot=False, repr=False)
class Choice(Wire):
    """One text that the model wrote."""

    text: str
    """The text."""
    index: U32
    """Index of the choice, from 0."""
    logprobs: Logprobs | None = None
    """The log probabilities of its tokens."""
    finish_reason: CompletionFinishReason | str | None = attrs.field(
        default=None, metadata={"strict": CompletionFinishReason | None}
    )
    """Why it ended."""
