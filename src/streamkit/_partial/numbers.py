"""The grammar of a number in JSON, one character at a time, for numbers that are cut.

Steps of RFC 8259, section 6: `-`, then `0` or digits without a leading 0, then a fraction, then an exponent. A table from state
and character to the next state; `WHOLE` are the states in which the text so far is a number itself.
"""

from __future__ import annotations

import re

__all__ = ("DIGITS", "FRACTION", "INTEGER", "STEPS", "WHOLE", "number")

DIGITS = 4300
"""The longest integer that is read: CPython's own limit, since reading one costs the square of its digits."""

INTEGER = r"-?+(?:0|[1-9][0-9]*+)"
FRACTION = r"(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_NUMBER = re.compile(INTEGER + FRACTION)


def _any(characters: str, state: str) -> dict[str, str]:
    return dict.fromkeys(characters, state)


_DIGITS = "0123456789"
_AFTER_WHOLE = {".": "point", **_any("eE", "e")}
STEPS: dict[str, dict[str, str]] = {
    "start": {"-": "minus", "0": "zero", **_any("123456789", "whole")},
    "minus": {"0": "zero", **_any("123456789", "whole")},
    "zero": _AFTER_WHOLE,
    "whole": {**_AFTER_WHOLE, **_any(_DIGITS, "whole")},
    "point": _any(_DIGITS, "fraction"),
    "fraction": {**_any(_DIGITS, "fraction"), **_any("eE", "e")},
    "e": {**_any("+-", "sign"), **_any(_DIGITS, "exponent")},
    "sign": _any(_DIGITS, "exponent"),
    "exponent": _any(_DIGITS, "exponent"),
}
WHOLE = frozenset({"zero", "whole", "fraction", "exponent"})


def number(text: str) -> int | float | None:
    """Return the number that `text` is, or begins with; None for none, and for an integer of more digits than `DIGITS`."""
    found = _NUMBER.match(text)
    if found is None:
        return None
    text = found[0]
    if "." in text or "e" in text or "E" in text:
        return float(text)
    if len(text) - text.startswith("-") > DIGITS:
        return None
    try:
        return int(text)
    except ValueError:  # a lower limit, by sys.set_int_max_str_digits()
        return None
