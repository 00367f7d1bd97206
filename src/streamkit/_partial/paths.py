"""JSON paths: of one value (`Path`), and of many (`Pattern`).

In: keys of objects, indices of arrays, one for each level. Out: `$.items[3].city`. A parser makes one for each
value that it meets: a path links to the path of what contains it, costs the same at any depth, and renders its text only on
request.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import MisuseError, shown

__all__ = ("ROOT", "Path", "Pattern", "child")

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+\Z")
_STEP = re.compile(r'\.(\*|[A-Za-z_][A-Za-z0-9_]*+)|\[(?:(\*)|([0-9]++)|("(?:[^"\\]|\\.)*+"))\]')


class Path:
    """Where a value is in a document. `str(path)` is `$.items[3].city`, `path.parts` is `("items", 3, "city")`.

    Equal to another path of the same parts, and to the text of it: `event.path == "$.items[3].city"`.
    """

    __slots__ = ("_key", "_parent")

    _key: str | int | None
    _parent: Path | None

    @property
    def parts(self) -> tuple[str | int, ...]:
        """The keys and indices from the outside in; empty for the document itself. Costs the depth."""
        parts: list[Any] = []
        path = self
        while path._parent is not None:
            parts.append(path._key)
            path = path._parent
        return tuple(reversed(parts))

    @property
    def parent(self) -> Path | None:
        """The path of the object or array that the value is in; None for the document itself."""
        return self._parent

    @property
    def key(self) -> str | int | None:
        """The key or index in it; None for the document itself."""
        return self._key

    def __str__(self) -> str:
        return "$" + "".join(map(_written, self.parts))

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str(self) == other
        if not isinstance(other, Path):
            return NotImplemented
        one: Path | None = self
        two: Path | None = other
        while one is not None and two is not None and one is not two:
            if one._key != two._key:
                return False
            one, two = one._parent, two._parent
        return one is two

    def __hash__(self) -> int:
        return hash(str(self))


def child(parent: Path | None, key: str | int | None) -> Path:
    """Return the path of what has this key or index in `parent`."""
    path = Path()
    path._parent = parent
    path._key = key
    return path


ROOT = child(None, None)
"""The path of the document itself: `$`."""


def _written(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN.match(key) else f"[{json.dumps(key, ensure_ascii=False)}]"


class Pattern:
    """The paths that a text such as `$.items[*].city` is for: `[*]` is any index, `.*` any key."""

    __slots__ = ("_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        """The pattern as it was passed."""
        self._steps = tuple(_steps(text))

    def fits(self, path: Path) -> bool:
        """Return True if `path` is one of them. Looks at no more levels than the pattern has."""
        one = path
        for step in self._steps:  # from the inside out: nearly every path differs in its last key
            above = one._parent
            if above is None or (one._key != step if type(step) is not type else type(one._key) is not step):
                return False
            one = above
        return one._parent is None


def _steps(text: object) -> list[str | int | type]:
    """Return the steps from the inside out: a key, an index, or the type of any of them."""
    steps: list[str | int | type] = []
    if isinstance(text, str) and text[:1] == "$":
        at = 1
        while (found := _STEP.match(text, at)) is not None:
            name, star, index, quoted = found.groups()
            if name is not None:
                steps.append(str if name == "*" else name)
            elif star or index:
                steps.append(int if star else int(index))
            else:
                try:
                    steps.append(json.loads(quoted))
                except ValueError:
                    break
            at = found.end()
        if at == len(text):
            return steps[::-1]
    raise MisuseError(f'path= takes a JSON path such as "$.items[*]" or "$[*].name", not {shown(text)}')
