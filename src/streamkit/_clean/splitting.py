"""How text is cut when it is written as a stream: what a caller asks for, as a function to pieces.

In: a size in characters, a function of the caller's, or None. Out: a `Cut`, or None for "as it is"; `MisuseError` for
anything else, and where a function gives no pieces, or loses some of a text. Cost: linear in the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from .._arguments import whole
from ..errors import MisuseError, shown
from .response_writer import Cut

__all__ = ("TextCut", "cut_of")

TextCut: TypeAlias = int | Callable[[str], Iterable[str]] | None
"""How text is cut: pieces of so many characters; a function to the pieces, which add up to the text; or not at all."""


def cut_of(text: TextCut, logprobs: object) -> Cut | None:
    """What `text` asks for; `logprobs` is looked at too, as both are told where they were asked for."""
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
        raise MisuseError(f"text=… is a function to the pieces of a text, and gave {type(given).__name__}")
    pieces = list(given)
    for piece in pieces:
        if not isinstance(piece, str):
            raise MisuseError(f"text=… is a function to pieces that are str, and gave {type(piece).__name__}")
    if "".join(pieces) != whole:
        raise MisuseError("the pieces that text=… gives do not add up to the text", excerpt=whole[:120])
    return [piece for piece in pieces if piece]
