"""What is wrong with a value, as reading finds it: problems with the paths at which they are.

In: values that do not fit. Out: `Mismatch`, which grows its paths as it rises through lists and objects, and the words in
which a value is shown. Cost: nothing where all is well.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

from streamkit.errors import Problem

__all__ = ("MAX_PROBLEMS", "MISSING", "Found", "Mismatch", "Missing", "shown", "wrong")

MAX_PROBLEMS = 100
"""Problems told of one value: enough to see what is wrong, few enough for a log."""

Found: TypeAlias = list[tuple[str, str, str]]
"""Problems on their way up: path, what is expected, what stood there."""


class Missing(Enum):
    """The kind of `MISSING`."""

    MISSING = "nothing"


MISSING: Final = Missing.MISSING
"""Stands where an object has no value."""


class Mismatch(Exception):
    """A value does not fit its type. `found`: every problem, with paths from the value on."""

    def __init__(self, found: Found) -> None:
        self.found = found[:MAX_PROBLEMS]

    def under(self, step: str) -> Found:
        """The same problems as seen from one level up."""
        return [(step + path, expected, got) for path, expected, got in self.found]

    def problems(self, root: str = "$") -> tuple[Problem, ...]:
        """The problems as the caller gets them, with paths from `root` on."""
        return tuple(Problem(*problem) for problem in self.under(root))


def wrong(value: Any, expected: str) -> Mismatch:
    """The mismatch of one value that is not what its type takes."""
    return Mismatch([("", expected, shown(value))])


def shown(value: Any) -> str:
    """A value in a few words, about 60 characters at most, for an error message."""
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
