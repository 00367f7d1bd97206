"""Places in a JSON value by path, and a value without them: what a comparison of requests leaves out. Pure.

In: a path as text. Out: a `JSONPath` that says whether it names a place. Costs a comparison a step of the path.

    $.user                    the field of the whole; the `$.` may be left out
    $.messages[0].content     by position, from 0
    $.messages[*].name        any position; `.*` is any field
    $..id                     at any depth
    $['x-id']                 a name that is more than letters, digits, `_` and `-`
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import MisuseError, shown

__all__ = ("JSONPath", "parse", "without")

_STEP = re.compile(
    r"""\.\.(?P<deep>[\w-]+|\*)|\.?(?P<name>[\w-]+|\*)|\[(?P<index>\d+|\*)\]|\[(?P<q>['"])(?P<quoted>.*?)(?P=q)\]"""
)
_DEEP = object()

JSONPath = tuple[Any, ...]
"""The steps: a name, a position, "*" for any, and a marker before a step that may be at any depth."""


def parse(text: object) -> JSONPath:
    """Return the steps of a path. Raises `MisuseError` for what is none."""
    if isinstance(text, str) and text:
        steps: list[Any] = []
        at = 1 if text[0] == "$" else 0
        while at < len(text):
            found = _STEP.match(text, at)
            if found is None or (found["name"] and text[at] != "." and at):
                break
            at = found.end()
            if found["deep"]:
                steps += [_DEEP, found["deep"]]
            elif found["index"]:
                steps.append("*" if found["index"] == "*" else int(found["index"]))
            else:
                steps.append(found["name"] or found["quoted"])
        else:
            if steps:
                return tuple(steps)
    raise MisuseError(f'ignore= takes JSON paths ("$.user", "$.messages[*].name", "$..id"), not {shown(text)}')


def without(value: Any, paths: Sequence[JSONPath]) -> Any:
    """Return a value without the places that `paths` name; items of lists become null, so that the others keep theirs."""
    if not paths or not isinstance(value, (dict, list)):
        return value
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            left, rest = _step(name, paths)
            if left:
                kept[name] = without(inner, rest)
        return kept
    items = []
    for index, inner in enumerate(value):
        left, rest = _step(index, paths)
        items.append(without(inner, rest) if left else None)
    return items


def _step(key: str | int, paths: Sequence[JSONPath]) -> tuple[bool, list[JSONPath]]:
    """Return whether the place `key` stays, and what of the paths leads on below it."""
    rest: list[JSONPath] = []
    for path in paths:
        if path[0] is _DEEP:
            rest.append(path)
            path = path[1:]
        if path[0] == "*" or (path[0] == key and type(path[0]) is type(key)):
            if len(path) == 1:
                return False, rest
            rest.append(path[1:])
    return True, rest
