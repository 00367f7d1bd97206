"""What is left of the text completions that came before chat: prompts, choices and their log probabilities."""

from typing import Any, TypeAlias

import attrs

from ._base import F32, U32, Wire
from ._enums import CompletionFinishReason

__all__ = ("Choice", "Logprobs", "Prompt")

Prompt: TypeAlias = str | list[str] | list[U32] | list[list[U32]]
"""What to complete: a text, several, one as tokens, or several as tokens. A token is 0 to 4,294,967,295.
An empty list is a list of texts."""


@attrs.frozen(weakref_slot=False, repr=False)
class Logprobs(Wire):
    """How likely each token of a text completion was, in four lists of which one place is one token."""

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
    """Which one of the answers."""
    logprobs: Logprobs | None = None
    """How likely each token was."""
    finish_reason: CompletionFinishReason | str | None = attrs.field(
        default=None, metadata={"strict": CompletionFinishReason | None}
    )
    """Why it ended."""
