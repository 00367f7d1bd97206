"""Write the drawing of the grammar of events, docs/_site/drawings/events.svg: `python docs/make_drawings.py`.

In: nothing; the three rules are here, like in `streamkit.events`. Out: the file. It takes its colours from the page that
shows it (variables of Furo), and where there is none (GitHub), from the reader's setting. A test holds that the file is what
this writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).resolve().parent / "_site" / "drawings" / "events.svg"

WIDTH, HEIGHT = 700, 545
LETTER = 8.4  # pixels of one letter of 14 px in a monospace font
STYLE = """
  svg.grammar { --ink: #1f2328; --soft: #59636e; --line: #0b6e63; --paper: #f6f8fa; font-size: 14px }
  @media (prefers-color-scheme: dark) { svg.grammar { --ink: #e6edf3; --soft: #9198a1; --line: #5fd0bf; --paper: #161b22 } }
  .grammar .box { fill: var(--color-background-secondary, var(--paper)); stroke: var(--color-brand-primary, var(--line)); stroke-width: 1.5 }
  .grammar .rail { fill: none; stroke: var(--color-foreground-muted, var(--soft)); stroke-width: 1.5 }
  .grammar .tip { fill: var(--color-foreground-muted, var(--soft)) }
  .grammar text { fill: var(--color-foreground-primary, var(--ink)); font-family: ui-monospace, Menlo, Consolas, monospace }
  .grammar .note { fill: var(--color-foreground-secondary, var(--soft)); font-family: system-ui, sans-serif; font-size: 13px }
  .grammar .rule { font-family: system-ui, sans-serif; font-weight: 600; font-size: 15px }
"""


def box(x: float, y: float, name: str, *, rounded: bool = True) -> tuple[list[str], float]:
    """Return a box whose rail is at `y`, and its width. An event is rounded, a rule is not."""
    width = len(name) * LETTER + 24
    shape = f'<rect class="box" x="{x:g}" y="{y - 15:g}" width="{width:g}" height="30" rx="{15 if rounded else 3}"/>'
    return [shape, f'<text x="{x + width / 2:g}" y="{y + 5:g}" text-anchor="middle">{name}</text>'], width


def rail(*points: str) -> str:
    """Return a line."""
    return f'<path class="rail" d="{" ".join(points)}"/>'


def tip(x: float, y: float, *, left: bool = False) -> str:
    """Return the head of an arrow that ends at this point."""
    back = 8 if left else -8
    return f'<path class="tip" d="M{x:g} {y:g} l{back} -4 v8 z"/>'


def loop(start: float, end: float, y: float, above: float) -> list[str]:
    """Return a way back from `end` to `start`: what is between may be repeated."""
    top = y - above
    ways = f"M{end:g} {y:g} q10 0 10 -10 V{top + 10:g} q0 -10 -10 -10 H{start:g} q-10 0 -10 10 V{y - 10:g} q0 10 10 10"
    return [rail(ways), tip((start + end) / 2 - 4, top, left=True)]


def bypass(start: float, end: float, y: float, below: float) -> list[str]:
    """Return a way around what is between: it may be missing."""
    low = y + below
    ways = (
        f"M{start:g} {y:g} q10 0 10 10 V{low - 10:g} q0 10 10 10 H{end - 20:g} q10 0 10 -10 V{y + 10:g} q0 -10 10 -10"
    )
    return [rail(ways), tip((start + end) / 2 + 4, low)]


def either(x: float, y: float, names: Iterable[tuple[str, bool]]) -> tuple[list[str], float]:
    """Return boxes of which one is taken, one below the other, and their width."""
    names = list(names)
    widest = max(len(name) for name, _ in names) * LETTER + 24
    parts: list[str] = []
    for number, (name, rounded) in enumerate(names):
        at = y + 40 * number
        drawn, width = box(x + 24 + (widest - width_of(name)) / 2, at, name, rounded=rounded)
        left = x + 24 + (widest - width) / 2
        if number:
            parts.append(rail(f"M{x:g} {y:g} q10 0 10 10 V{at - 10:g} q0 10 10 10 H{left:g}"))
            parts.append(rail(f"M{left + width:g} {at:g} H{x + widest + 28:g} q10 0 10 -10 V{y + 10:g} q0 -10 10 -10"))
        else:
            parts.append(rail(f"M{x:g} {y:g} H{x + widest + 48:g}"))
        parts += drawn
    return parts, widest + 48


def width_of(name: str) -> float:
    """Return the width of the box of a name."""
    return len(name) * LETTER + 24


def line_of(y: float, rule: str, note: str) -> list[str]:
    """Return the heading of a rule."""
    return [
        f'<text class="rule" x="0" y="{y:g}">{rule}</text>',
        f'<text class="note" x="{len(rule) * 9 + 14}" y="{y:g}">{note}</text>',
    ]


def drawing() -> str:
    """Return the whole file."""
    parts = line_of(18, "stream", "one ending event, always, and last")
    y = 88
    inside, width = either(40, y, [("choice", False), ("UsageSeen", True), ("AnomalySeen, ErrorSeen, KeepAlive", True)])
    parts += [rail(f"M10 {y} H40"), *inside, *loop(40, 40 + width, y, 36)]
    parts += [*bypass(14, 66 + width, y, 122), rail(f"M{40 + width} {y} H{110 + width}"), tip(110 + width, y)]
    parts += box(110 + width, y, "End")[0]

    parts += line_of(258, "choice", "any number, which may overlap")
    y = 318
    first, width = box(24, y, "ChoiceStarted")
    x = 24 + width
    parts += [rail(f"M4 {y} H24"), *first, rail(f"M{x} {y} H{x + 44}"), tip(x + 44, y)]
    inside, wide = either(x + 44, y, [("part", False), ("Finish", True)])
    parts += [*inside, *loop(x + 44, x + 44 + wide, y, 34), *bypass(x + 14, x + 74 + wide, y, 72)]
    x += 44 + wide
    parts += [rail(f"M{x} {y} H{x + 74}"), tip(x + 74, y)]
    last, width = box(x + 74, y, "ChoiceDone")
    parts += [*last, rail(f"M{x + 74 + width} {y} H{x + 110 + width}"), *bypass(x + 44, x + 110 + width, y, 30)]

    parts += line_of(
        434, "part", "content, reasoning, refusal, each tool call, logprobs …; it begins again with reopened=True"
    )
    return parts_of(parts)


def parts_of(parts: list[str]) -> str:
    """Return the file around what was drawn, with the rule of a part below."""
    y = 502
    x = 24.0
    start = x
    first, width = box(x, y, "…Started")
    parts += [rail(f"M4 {y} H{x}"), *first]
    x += width
    delta, width = box(x + 44, y, "…Delta")
    parts += [rail(f"M{x} {y} H{x + 44}"), tip(x + 44, y), *delta]
    parts += [*loop(x + 44, x + 44 + width, y, 26), *bypass(x + 10, x + 78 + width, y, 28)]
    x += 44 + width
    done, width = box(x + 74, y, "…Done")
    parts += [rail(f"M{x} {y} H{x + 74}"), tip(x + 74, y), *done]
    x += 74 + width
    parts += [rail(f"M{x} {y} H{x + 60}"), *bypass(x - width - 30, x + 40, y, 28), *loop(start, x + 14, y, 46)]
    lines = "\n".join(parts)
    label = (
        "Railroad diagram: a stream is any number of choices and single events, then End; the grammar is below as text"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="grammar" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{label}">\n<style>{STYLE}</style>\n{lines}\n</svg>\n'
    )


if __name__ == "__main__":
    FILE.write_text(drawing(), encoding="utf-8")
