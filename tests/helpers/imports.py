"""The imports of a source tree, read without carrying any out: which module of ours imports which, where, and when.

    modules = modules_of(Path("src/streamkit"))
    for module in modules:
        own_imports(module, modules)

A module is called by its name below `streamkit`; the package itself is ''.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple


class Import(NamedTuple):
    """One import of a module of ours: who imports what, where, and when it is carried out."""

    source: str
    target: str
    line: int
    typing_only: bool
    deferred: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def modules_of(src: Path) -> dict[str, Path]:
    """Return every module under `src`, the folder of the package, with its file."""
    found = {}
    for path in sorted(src.rglob("*.py")):
        parts = path.relative_to(src).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def import_statements(
    tree: ast.AST, typing_only: bool = False, deferred: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """Each import statement below `tree`, with whether it is for type checkers only and whether a call carries it out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, typing_only, deferred
        elif isinstance(node, ast.If) and is_type_checking(node.test):
            for child in node.body:
                yield from import_statements(ast.Module([child], []), True, deferred)
            for child in node.orelse:
                yield from import_statements(ast.Module([child], []), typing_only, deferred)
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from import_statements(node, typing_only, deferred or inside)


def absolute_names(module: str, node: ast.Import | ast.ImportFrom, modules: Mapping[str, Path]) -> list[str]:
    """What a statement imports, as full names; for `from x import y` both `x` and `x.y`, as y may be a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = module.split(".") if module else []
        if modules[module].name != "__init__.py":
            package = package[:-1]
        package = package[: len(package) - (node.level - 1)]
        base = ".".join(["streamkit", *package, *([base] if base else [])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]


def own_imports(module: str, modules: Mapping[str, Path]) -> list[Import]:
    """The imports of `module` that mean a module of ours; `from .a import b` is one of `a.b` where that is a module."""
    found = []
    tree = ast.parse(modules[module].read_text("utf-8"))
    for node, typing_only, deferred in import_statements(tree):
        names = absolute_names(module, node, modules)
        ours = [name.removeprefix("streamkit").removeprefix(".") for name in names if name.split(".")[0] == "streamkit"]
        targets = [name for name in ours if name in modules]
        if len(targets) > 1 and isinstance(node, ast.ImportFrom) and len(targets) == len(ours):
            targets = targets[1:]  # every name imported is itself a module: their package is only the way there
        if ours and not targets:
            targets = ours[:1]  # no such module: level_of says None, and the test says so
        found += [Import(module, target, node.lineno, typing_only, deferred) for target in targets]
    return found
