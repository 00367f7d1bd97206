"""Generated JSON texts, as senders write them and as they do not: every escape, blanks, keys that are written twice."""

from __future__ import annotations

import random

__all__ = ("json_text", "spoiled")

_CHARACTERS = ["a", "b", " ", "é", "\u2028", "漢", "😀", "{", "]", ":", ",", "0", "/", "\x7f", "\ue000"]
_ESCAPES = ['\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u00E9", "\\ud83d\\ude00", "\\u2028"]
_NUMBERS = ["0", "-0", "7", "-12", "1234567890", "0.5", "-0.25", "3.0", "1e3", "1E+2", "25e-1", "-1.5e2", "9" * 25]
_BLANKS = [" ", "\n", "\t", "\r\n", "  "]


def json_text(draw: random.Random, depth: int = 4) -> str:
    """Return the text of a random document, with blanks around it."""
    return _blank(draw) + _value(draw, depth) + _blank(draw)


def spoiled(draw: random.Random, text: str) -> str:
    """Return `text` with one to three characters taken away, added or replaced."""
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(text) + 1)
        new = draw.choice(["", *'{}[]",:\\u-.e0t \x01'])
        text = text[:at] + new + text[at + draw.randint(0, 1) :]
    return text


def _value(draw: random.Random, depth: int) -> str:
    kind = draw.randrange(6 if depth else 4)
    if kind == 0:
        return draw.choice(_NUMBERS)
    if kind == 1:
        return draw.choice(["true", "false", "null"])
    if kind in (2, 3):
        return _string(draw)
    size = draw.choice([0, 1, 1, 2, 3, 4])
    if kind == 4:
        return "[" + ",".join(_padded(draw, _value(draw, depth - 1)) for _ in range(size)) + "]"
    keys = [draw.choice(['"a"', '"b"', '"a b"', _string(draw)]) for _ in range(size)]
    return "{" + ",".join(_padded(draw, key) + ":" + _padded(draw, _value(draw, depth - 1)) for key in keys) + "}"


def _string(draw: random.Random) -> str:
    pieces = (draw.choice(_ESCAPES if draw.random() < 0.25 else _CHARACTERS) for _ in range(draw.randrange(7)))
    return '"' + "".join(pieces) + '"'


def _padded(draw: random.Random, text: str) -> str:
    return _blank(draw) + text + _blank(draw)


def _blank(draw: random.Random) -> str:
    return draw.choice(_BLANKS) if draw.random() < 0.2 else ""
