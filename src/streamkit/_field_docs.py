"""`help()` of an attrs class shows what each field means: an "Attributes:" section, built when it is first read.

    @attrs.frozen
    class Outcome:
        name: str
        \"""`complete`, `truncated` ...\"""

    show_fields(__name__)               # or a base class calls `explain` for each of its subclasses

Editors and documentation builders read the string after a field, but Python discards it. In: a module whose `__all__`
names attrs classes. Out: their `__doc__`, completed with those strings, so that no second copy can go stale. Cost: a
small object for each class at import; its source is parsed when `__doc__` is read for the first time. If no source is
available (a frozen program, `python -OO`), `__doc__` is the class's own docstring.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import attrs

__all__ = ("explain", "show_fields")


_WIDTH = 100  # columns: `help()` does not wrap its output


def show_fields(module: str, shared: Mapping[str, str] | None = None) -> None:
    """Complete the `__doc__` of every attrs class in the `__all__` of a module; call it at the end of the module.

    `shared`: descriptions of fields that mean the same in many classes, and are not described in each.
    """
    loaded = sys.modules[module]
    for name in loaded.__all__:
        cls = getattr(loaded, name)
        if isinstance(cls, type) and attrs.has(cls):
            explain(cls, shared)


def explain(cls: type[Any], shared: Mapping[str, str] | None = None) -> None:
    """Complete the `__doc__` of one class that is, or will be, an attrs class. Calling it twice is harmless."""
    own = vars(cls).get("__doc__")
    if not isinstance(
        own, _Doc
    ):  # attrs creates the class a second time for its slots, and copies the first one's attributes
        cls.__doc__ = _Doc(own, shared or {})  # type: ignore[assignment]


class _Doc:
    """The `__doc__` of a class: a descriptor, so that the work is done when `__doc__` is read."""

    __slots__ = ("_own", "_shared", "_text")

    def __init__(self, own: str | None, shared: Mapping[str, str]) -> None:
        self._own = own
        self._shared = shared
        self._text: str | None = None

    def __get__(self, _: object, cls: type[Any]) -> str | None:
        if self._text is None and self._own is not None:
            self._text = _completed(self._own, {**self._shared, **_sentences(cls)}, cls)
        return self._text


def _completed(own: str, sentences: Mapping[str, str], cls: type[Any]) -> str:
    from inspect import cleandoc
    from textwrap import fill

    told = [(field.name, sentences[field.name]) for field in attrs.fields(cls) if field.name in sentences]
    lines = [
        fill(f"{name}: {' '.join(sentence.split())}", _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
        for name, sentence in told
    ]
    return "\n".join([cleandoc(own), "", "Attributes:", *lines]) if lines else cleandoc(own)


def _sentences(cls: type[Any]) -> dict[str, str]:
    """Return the string after each field in the source of `cls` and of its base classes."""
    found: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        if attrs.has(one):
            found |= _of_module(one.__module__).get(one.__qualname__, {})
    return found


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """Return the field descriptions of a module: class, then field."""
    import ast
    import inspect

    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    return {node.name: dict(_after_fields(node.body)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _after_fields(body: list[Any]) -> Iterator[tuple[str, str]]:
    import ast
    from itertools import pairwise

    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(sentence))):
                yield name, sentence
