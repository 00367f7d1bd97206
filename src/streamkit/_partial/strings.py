"""Strings that are cut anywhere: inside an escape, between the halves of a surrogate pair.

In: the text from inside a string on. Out: the characters that it stands for, where they end, and whether the string does. What
cannot be read yet is kept: an escape without its rest (`held`, at most 5 characters, which are read again before the next
piece), and the first half of a surrogate pair (`half`). A half alone becomes U+FFFD. Cost: that of the piece.
"""

from __future__ import annotations

import json.decoder
import re
from typing import Any

__all__ = ("Strings",)

# Possessive: neither backtracks.
_TEXT = re.compile(r'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3}+)?+\Z")
_HALF = re.compile(r"[\ud800-\udfff]")

_decoder: Any = json.decoder  # whose `scanstring` reads all escapes of a text in C; type checkers do not know it
_scanstring = _decoder.scanstring


class Strings:
    """Reads one string after the other."""

    __slots__ = ("half", "held")

    def __init__(self) -> None:
        self.held = ""
        self.half = ""

    def read(self, text: str, at: int) -> tuple[str, int, bool]:
        """Return the characters from `at` on, where they end, and whether the string ended there with its quote.

        Where neither the string nor the text ended there, the string is not JSON.
        """
        found = _TEXT.match(text, at)
        assert found is not None
        end = found.end()
        piece = text[at:end]
        if "\\" in piece:
            piece = _scanstring(piece + '"', 0)[0]
        closed = False
        if end < len(text):
            if text[end] == '"':
                closed = True
                end += 1
            elif _CUT_ESCAPE.match(text, end):
                self.held, end = text[end:], len(text)
        if self.half or not piece.isascii():
            piece = self.half + piece
            self.half = ""
            if _HALF.search(piece) is not None:
                if not closed and "\ud800" <= piece[-1] <= "\udbff":
                    piece, self.half = piece[:-1], piece[-1]
                # Joins two halves, and replaces one that is alone.
                piece = piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return piece, end, closed
