"""The architecture: imports point down, the core does no I/O, a file holds one idea."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from helpers.imports import Import, absolute_names, import_statements, modules_of, own_imports

SRC = Path(__file__).resolve().parent.parent / "src" / "streamkit"

# The one table of levels: module names below `streamkit`, as fnmatch patterns; the first that fits counts.
# A new module gets its name here, in the lowest level that it can stand on.
LEVELS: dict[int, str] = {
    0: "errors _error_kinds _arguments _stack _field_docs",
    1: "sse types types.* limits anomalies rules outcome events trace _trace_* partial_json _partial _partial.*",
    2: "codec dialect _decode _decode.*",
    3: "_fold _fold.* _fast _fast.* _checkpoint _checkpoint.* accumulator",
    4: "sources sources.* _version forwarding",
    5: "ended _live _live.* _clean _clean.* _check _check.* _recording _recording.* _view _view.*",
    6: "testing testing.* pytest_plugin pytest_plugin.* integrations integrations.* gateway gateway.* corpus corpus.*",
    7: "_cli _cli.* __main__",
}
FACE = 7  # `streamkit` itself gathers names from anywhere; only the top level and CALLERS may use it, like any caller

# Packages that import public paths only, as a user would: what those promise is in the face.
CALLERS = ("integrations", "gateway", "corpus", "pytest_plugin")

CORE = (0, 1, 2, 3)

# Within a level, a package may import these neighbours and no others: (importer, imported).
NEIGHBOURS = frozenset(
    {
        ("_arguments", "errors"),
        ("_stack", "errors"),
        ("errors", "_error_kinds"),
        ("errors", "_field_docs"),
        ("codec", "_decode"),
        ("dialect", "_decode"),
        ("events", "anomalies"),
        ("events", "outcome"),
        ("events", "types"),
        ("partial_json", "_partial"),
        ("types", "partial_json"),
        ("rules", "types"),
        ("dialect", "_decode"),
        ("_fast", "_fold"),
        ("_checkpoint", "_fast"),
        ("_checkpoint", "_fold"),
        ("accumulator", "_checkpoint"),
        ("accumulator", "_fast"),
        ("accumulator", "_fold"),
        ("ended", "_live"),
        ("_clean", "_live"),
        ("_check", "_live"),
        ("trace", "_trace_values"),
        ("trace", "_trace_lines"),
        ("trace", "_trace_files"),
        ("_trace_lines", "_trace_values"),
        ("_recording", "_live"),
        ("_recording", "_view"),
        ("_view", "_check"),
        ("_view", "_live"),
        ("pytest_plugin", "testing"),
        ("__main__", "_cli"),
    }
)

# Nothing in the core may wait for anything, speak to anything, or know a client.
FORBIDDEN_IN_CORE = frozenset(
    "anyio asyncio trio sniffio selectors socket socketserver ssl http urllib.request subprocess multiprocessing "
    "httpx httpx2 httpcore httpcore2 h11 h2 requests aiohttp urllib3 niquests websockets openai "
    "rich click typer pytest hypothesis".split()
)


MODULES = modules_of(SRC)


def level_of(module: str) -> int | None:
    if module == "":
        return FACE
    for level, patterns in LEVELS.items():
        if any(fnmatchcase(module, pattern) for pattern in patterns.split()):
            return level
    return None


def test_every_form_of_import_is_seen() -> None:
    source = """
import streamkit.errors
from streamkit import sse
if TYPE_CHECKING:
    from .accumulator import Accumulator
else:
    from . import rules
def later():
    from .limits import Limits
"""
    statements = import_statements(ast.parse(source))
    seen = [(*absolute_names("sse", node, MODULES), typing, call) for node, typing, call in statements]
    assert [
        ("streamkit.errors", False, False),
        ("streamkit", "streamkit.sse", False, False),
        ("streamkit.accumulator", "streamkit.accumulator.Accumulator", True, False),
        ("streamkit", "streamkit.rules", False, False),
        ("streamkit.limits", "streamkit.limits.Limits", False, True),
    ] == seen


@cache
def all_imports() -> list[Import]:
    return [found for module in MODULES for found in own_imports(module, MODULES)]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_is_on_a_level(module: str) -> None:
    assert level_of(module) is not None, (
        f"streamkit.{module} is on no level: add it to LEVELS in tests/test_layers.py, in the lowest level it can stand on"
    )


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_or_sideways(module: str) -> None:
    level = level_of(module)
    assert level is not None
    # A type checker may look up: such an import is never carried out, so it can neither cost nor tie anything.
    carried_out = [found for found in all_imports() if found.source == module and not found.typing_only]
    unknown = [str(found) for found in carried_out if level_of(found.target) is None]
    assert [] == unknown, "imports of modules that do not exist or are on no level"
    up = [
        f"{found} (level {level_of(found.target)} from {level})"
        for found in carried_out
        if (level_of(found.target) or 0) > level
        if found.target or package_of(module) not in CALLERS
    ]
    assert [] == up


def package_of(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_packages_of_one_level_import_each_other_in_one_direction_only(module: str) -> None:
    sideways = [
        str(found)
        for found in all_imports()
        if found.source == module and not found.typing_only
        if level_of(found.target) == level_of(module)
        if package_of(found.target) != package_of(module)
        if (package_of(module), package_of(found.target)) not in NEIGHBOURS
    ]
    assert [] == sideways, "a package of the same level: move what is shared down, or add the pair to NEIGHBOURS"


def is_public(target: str) -> bool:
    return not any(part.startswith("_") and part != "__version__" for part in target.split("."))


def private_imports(module: str, tree: ast.AST) -> list[str]:
    """The imports in the source of `module` that a user of streamkit could not write, modules and names alike."""
    return [
        f"{module}:{node.lineno} imports {name}"
        for node, _, _ in import_statements(tree)
        for name in absolute_names(module, node, MODULES)
        if name.split(".")[0] == "streamkit"
        if not is_public(name.removeprefix("streamkit").removeprefix("."))
        # An integration may be a package, and the gateway is one: its own files are no secret to it.
        if not name.startswith(f"streamkit.{own_package(module)}.")
    ]


def own_package(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "integrations" else parts[0]


def test_integrations_import_public_paths_only() -> None:
    outside = [m for m in MODULES if package_of(m) in CALLERS]
    assert [] == [found for m in outside for found in private_imports(m, ast.parse(MODULES[m].read_text("utf-8")))]


@pytest.mark.parametrize(
    "line",
    [
        "from streamkit._live.tee import Tee",
        "import streamkit._fold.reducer",
        "from streamkit.accumulator import _MANY",
        "from .._clean.cleaner import Cleaner",
    ],
)
def test_an_integration_that_reaches_inside_is_found(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "integrations.some_sdk"
    monkeypatch.setitem(MODULES, module, SRC / "integrations" / "some_sdk.py")
    assert [] != private_imports(module, ast.parse(line))
    assert [] == private_imports(module, ast.parse("from streamkit import Cleaner\nfrom ..sources import blocks"))


def test_modules_import_each_other_in_no_circle() -> None:
    edges: dict[str, set[str]] = {module: set() for module in MODULES}
    for found in all_imports():
        if not found.typing_only and not found.deferred and found.target in MODULES:
            edges[found.source].add(found.target)
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, "a circle of imports: " + " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for target in sorted(edges[module]):
                walk(target, (*path, module))
            done.add(module)

    for module in MODULES:
        walk(module, ())


@pytest.mark.parametrize("module", [module for module in MODULES if level_of(module) in CORE])
def test_the_core_names_no_io_and_no_client(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    named = [
        f"{module}:{node.lineno} imports {name}"
        for node, typing_only, _ in import_statements(tree)
        if not typing_only
        for name in absolute_names(module, node, MODULES)
        if name in FORBIDDEN_IN_CORE or name.split(".")[0] in FORBIDDEN_IN_CORE
    ]
    assert [] == named


def loaded_by(*names: str) -> set[str]:
    """What `sys.modules` of a fresh interpreter gains by importing `names`."""
    program = (
        "import importlib, json, sys; before = set(sys.modules)\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-I", "-c", program, *names], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


def test_importing_the_core_loads_no_io_and_no_client() -> None:
    core = [f"streamkit.{module}" for module in MODULES if level_of(module) in CORE]
    loaded = loaded_by(*core)
    assert set(core) <= loaded
    assert set() == loaded & FORBIDDEN_IN_CORE


def test_importing_streamkit_loads_no_client_and_no_command_line_library() -> None:
    loaded = loaded_by("streamkit")
    assert set() == loaded & FORBIDDEN_IN_CORE
    unwanted = ("streamkit._cli.", "streamkit.integrations.")
    assert set() == {name for name in loaded if f"{name}.".startswith(unwanted)}


@pytest.mark.parametrize("module", MODULES)
def test_a_file_holds_one_idea(module: str) -> None:
    lines = len(MODULES[module].read_text("utf-8").splitlines())
    assert lines <= 600, f"{MODULES[module].name} has {lines} lines: if a file wants to be longer, it holds two ideas"
    if module.startswith("integrations."):
        assert lines <= 150, f"an integration has at most 150 lines, {module} has {lines}"
