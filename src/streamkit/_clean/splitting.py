"""How text is cut when it is written as a stream: what a caller asks for, as a function to pieces.

In: a size in characters, a function of the caller's, or None. Out: a `Cut`, or None for "as it is"; `MisuseError` for
anything else, and where a function returns no pieces, or loses some of a text. Cost: linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

from .._arguments import whole
from ..errors import MisuseError, shown
from ..types import ChatCompletionTokenLogprob

__all__ = ("Cut", "Spread", "TextCut", "cut_of", "pieces_of", "with_tokens")

TextCut: TypeAlias = int | Callable[[str], Iterable[str]] | None
"""How text is cut: pieces of a number of characters; a function to the pieces, which add up to the text; or not at all."""

Cut: TypeAlias = Callable[[str], list[str]]
"""A text to its pieces, none of them empty."""

Spread: TypeAlias = Literal["spread", "whole"]
"""Where log probabilities are written: each with the text of its token, or all in one chunk."""


def cut_of(text: TextCut, logprobs: object) -> Cut | None:
    """Return what `text` asks for; `logprobs` is checked too, so that both fail where they were passed."""
    if logprobs not in ("spread", "whole"):
        raise MisuseError(f'logprobs is "spread" or "whole", not {shown(logprobs)}')
    if text is None:
        return None
    if callable(text):
        return lambda whole: _asked(whole, text)
    if not whole(text, 1):
        raise MisuseError(f"text is a number of characters from 1, a function, or None, not {shown(text)}")
    return lambda whole: [whole[at : at + text] for at in range(0, len(whole), text)]


def _asked(whole: str, cut: Callable[[str], Iterable[str]]) -> list[str]:
    given: object = cut(whole)
    if not isinstance(given, Iterable):
        raise MisuseError(f"text=… takes a function to the pieces of a text, and it returned {type(given).__name__}")
    pieces = list(given)
    for piece in pieces:
        if not isinstance(piece, str):
            raise MisuseError(f"text=… takes a function to pieces that are str, and it returned {type(piece).__name__}")
    if "".join(pieces) != whole:
        raise MisuseError("the pieces that text=… returned do not add up to the text", excerpt=whole[:120])
    return [piece for piece in pieces if piece]


def pieces_of(text: str, cut: Cut | None) -> list[str]:
    """Return the pieces of a text: none of an empty one, the whole without a `cut`."""
    if not text:
        return []
    return [text] if cut is None else cut(text)


def with_tokens(
    text: str, tokens: list[ChatCompletionTokenLogprob], cut: Cut | None, logprobs: Spread
) -> Iterator[tuple[str, list[ChatCompletionTokenLogprob]]]:
    """Yield the pieces of a text, each with the log probabilities of its tokens."""
    if logprobs == "whole" or not tokens:
        pieces = pieces_of(text, cut)
        yield from ((piece, tokens if at == len(pieces) - 1 else []) for at, piece in enumerate(pieces))
        if tokens and not pieces:
            yield "", tokens
        return
    if cut is None:
        words = [one.token for one in tokens]
        # Tokens that hold part of a character are written as something else: then they do not add up to the text.
        pieces = words if "".join(words) == text else pieces_of(text, None)
    else:
        pieces = pieces_of(text, cut)
    at = end = reached = 0
    for number, piece in enumerate(pieces):
        start, reached = at, reached + len(piece)
        while at < len(tokens) and (end + len(tokens[at].token) <= reached):
            end += len(tokens[at].token)
            at += 1
            if cut is None and len(pieces) == len(tokens):
                break  # one piece, one token; empty ones too
        if number == len(pieces) - 1:
            at = len(tokens)
        yield piece, tokens[start:at]
    if not pieces:
        yield "", tokens
