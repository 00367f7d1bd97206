"""Mismatches found in reading a value: problems with their paths.

In: values that do not match. Out: `Mismatch`, which extends its paths as it passes up through lists and objects, and
short descriptions of values. Cost: nothing if everything matches.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

from streamkit.errors import Problem

__all__ = ("MAX_PROBLEMS", "MISSING", "Found", "Mismatch", "Missing", "shown", "wrong")

MAX_PROBLEMS = 100
"""The most problems reported for one value: enough to see what is wrong, few enough for a log."""

Found: TypeAlias = list[tuple[str, str, str]]
"""Problems as they pass up: path, what is expected, what was found."""


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "nothing"


MISSING: Final = Missing.MISSING
"""Placeholder for a field that an object does not have."""


class Mismatch(Exception):
    """A value does not match its type. `found`: every problem, with paths relative to the value."""

    def __init__(self, found: Found) -> None:
        self.found = found[:MAX_PROBLEMS]

    def under(self, step: str) -> Found:
        """Return the same problems with paths from one level up."""
        return [(step + path, expected, got) for path, expected, got in self.found]

    def problems(self, root: str = "$") -> tuple[Problem, ...]:
        """Return the problems for the caller, with paths from `root`."""
        return tuple(Problem(*problem) for problem in self.under(root))


def wrong(value: Any, expected: str) -> Mismatch:
    """Return the mismatch for one value that its type does not accept."""
    return Mismatch([("", expected, shown(value))])


def shown(value: Any) -> str:
    """Return a value in a few words, about 60 characters at most, for an error message."""
    match value:
        case None:
            return "null"
        case Missing():
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            text = value if len(value) <= 50 else value[:49] + "…"
            return f'"{text}"' if text.isprintable() else f'"{text.encode("unicode_escape").decode()}"'
        case int():
            return str(value) if -(2**200) < value < 2**200 else "an int of very many digits"
        case float():
            return repr(value)
        case list() | tuple():
            return f"a list of {len(value)}"
        case Mapping():
            return "an object"
    return type(value).__name__
