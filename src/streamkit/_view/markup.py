"""HTML and SVG as values: what a sender wrote can be text or the value of an attribute, and never markup.

In: names of elements, attributes, children. Out: `Html`. Costs a pass over the text.

Rule 1  A child that is not `Html` is text and is escaped; so is the value of an attribute. Nothing else makes `Html` of a
        string but `raw`, which is for the style and script of this package.
Rule 2  A model's text is hostile: what steers the direction of a line (U+202E reverses all that follows), controls, and
        halves of surrogates, which UTF-8 cannot hold, are shown and not sent.
Rule 3  The result is well-formed XML as well, but for the script: tests read it with the standard library.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

__all__ = ("Html", "Node", "clipped", "cost", "el", "fitting", "joined", "prose", "raw", "shown")

_SHOWN: dict[int, str] = {code: chr(0x2400 + code) for code in range(32) if code not in (9, 10)}
_SHOWN |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")
# Marks, embeddings, overrides and isolates of direction; ends of lines and paragraphs; noncharacters that XML refuses.
_STEERING = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF)
_SHOWN |= {code: f"\u27e8U+{code:04X}\u27e9" for code in _STEERING}
_HALVES = re.compile("[\ud800-\udfff]")
_VOID = frozenset(("meta", "br"))


class Html(str):
    """Markup."""

    __slots__ = ()


Node = str | None
"""A child: `Html`, text, or None for nothing."""


def raw(text: str) -> Html:
    """Return markup of this package as it is (rule 1)."""
    return Html(text)


def shown(text: str) -> str:
    """Return text in which nothing steers (rule 2)."""
    return _HALVES.sub("\ufffd", text.translate(_SHOWN))


def clipped(text: str, room: int) -> str:
    """Return the start of `text` as it is shown, at most `room` characters."""
    text = shown(text[: room + 1])
    return text if len(text) <= room else text[: room - 1] + "…"


def cost(text: str) -> int:
    """Return how many bytes of a page a text takes: U+202E takes 12, `<` takes 4."""
    return len(_escaped(text, quote=False).encode())


def fitting(text: str, room: int) -> str:
    """Return the start of `text` that takes at most `room` bytes of a page."""
    text = text[:room]
    while (size := cost(text)) > room:
        text = text[: min(len(text) * room // size, len(text) - 1)]
    return text


def el(name: str, attributes: Mapping[str, object] | None = None, *children: Node) -> Html:
    """Return an element. An attribute that is None or False is left out, True is written as its name."""
    pairs = "".join(
        f' {key}="{_escaped(key if value is True else str(value))}"'
        for key, value in (attributes or {}).items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{pairs}/>" if name in _VOID else f"<{name}{pairs}>{joined(children)}</{name}>")


def joined(children: Iterable[Node]) -> Html:
    """Return children one after the other."""
    return Html(
        "".join(one if isinstance(one, Html) else _escaped(one, quote=False) for one in children if one is not None)
    )


def _escaped(text: str, *, quote: bool = True) -> str:
    return html.escape(shown(text), quote=quote)


def prose(text: str) -> Html:
    """Return a sentence of this library in which what is between backticks is code."""
    return joined(el("code", {}, part) if at % 2 else part for at, part in enumerate(text.split("`")))
