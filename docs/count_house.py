"""Count the house: `python docs/count_house.py [SRC ...]`.

In: folders that hold the package `streamkit`, by default this checkout's src; those of other checkouts may be named beside
it, so that before and after are in one table. Out: that table, as Markdown. Nothing is imported from what is counted.

- A box is what the first part of a module's name names: a package, or a module at the top by itself. The face,
  `streamkit/__init__.py`, imports from everywhere by its nature and is not a box.
- An arrow is one pair: this module imports that one, at least once, wherever in the file. Imports for type checkers alone
  do not count. What `from .package import name` takes from a package's `__init__.py` is an arrow to the package.
- A level is a step on the longest way down through the boxes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from helpers.imports import modules_of, own_imports  # noqa: E402

Arrows = set[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", nargs="*", type=Path, default=[ROOT / "src"], help="folders that hold streamkit/")
    folders = parser.parse_args().src
    for folder in folders:
        if not (folder / "streamkit" / "__init__.py").is_file():
            parser.error(f"{folder} holds no package streamkit: name the src folder of a checkout")
    columns = [count(folder / "streamkit") for folder in folders]
    print("| | " + " | ".join(map(str, folders)) + " |")
    print("|---|" + "---:|" * len(folders))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{column[name]:,}" for column in columns) + " |")


def count(package: Path) -> dict[str, int]:
    """Return the figures of one package by their names."""
    modules = modules_of(package)
    lines = [len(path.read_text("utf-8").splitlines()) for path in modules.values()]
    arrows = arrows_of(modules)
    boxes = {(box(source), box(target)) for source, target in arrows if box(source) != box(target)}
    return {
        "modules": len(modules),
        "packages": sum(path.name == "__init__.py" for path in modules.values()),
        "modules straight in streamkit/": sum(path.parent == package for path in modules.values()),
        "public paths": sum(is_public(module) for module in modules),
        "boxes": len({box(module) for module in modules if module}),
        "arrows between modules": len(arrows),
        "arrows between boxes": len(boxes),
        "pairs of boxes that import each other": sum((b, a) in boxes for a, b in boxes if a < b),
        "levels of boxes": levels(boxes),
        "lines": sum(lines),
        "lines of the median module": round(statistics.median(lines)),
        "lines of the longest module": max(lines),
    }


def arrows_of(modules: Mapping[str, Path]) -> Arrows:
    """Return every pair of modules of which the first imports the second at run time; without the face."""
    found = [one for module in modules if module for one in own_imports(module, modules) if not one.typing_only]
    return {(one.source, one.target) for one in found if one.target in modules and one.target != one.source}


def box(module: str) -> str:
    return module.partition(".")[0]


def is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


def levels(boxes: Arrows) -> int:
    """Return how many boxes are on the longest way down; a way that reaches a box again ends there."""
    below: dict[str, set[str]] = {}
    for source, target in boxes:
        below.setdefault(source, set()).add(target)
    depths: dict[str, int] = {}

    def depth(name: str, path: frozenset[str]) -> int:
        if name not in depths:
            onward = below.get(name, set()) - path
            depths[name] = 1 + max((depth(one, path | {name}) for one in onward), default=0)
        return depths[name]

    return max((depth(name, frozenset()) for name in below), default=1)


if __name__ == "__main__":
    main()
