"""The docs site: every public name is in its reference, every page is on it, and what pages say in tables is what the code has.

`make docs` builds it and checks links, anchors and attributes; these tests need no Sphinx.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import streamkit
from streamkit.outcome import REASONS
from test_exports import PUBLIC, load

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = "\n".join(path.read_text("utf-8") for path in sorted((DOCS / "reference").glob("*.md")))


def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the reference


def test_every_public_name_is_in_the_reference() -> None:
    listed = set(entries())
    values = [getattr(load(module), name) for module, name in listed]
    missing: list[str] = []
    for module in PUBLIC:
        try:
            loaded = load(module)
        except pytest.skip.Exception:  # an integration whose framework is not installed
            continue
        for name in loaded.__all__:
            value = getattr(loaded, name)
            if not inspect.ismodule(value) and not any(value is one for one in values):
                missing.append(f"{module}.{name}")
    assert [] == missing, "add it to a page of docs/reference/"


def entries() -> Iterator[tuple[str, str]]:
    """Each name that a page of docs/reference/ documents: its module (without `streamkit.`) and itself."""
    for module, body in re.findall(r"^```\{api\} streamkit\.?([\w.]*)\n(.*?)^```", REFERENCE, re.DOTALL | re.MULTILINE):
        try:
            names = body.split() or load(module).__all__
        except pytest.skip.Exception:  # an integration whose framework is not installed
            continue
        yield from ((module, name) for name in names)


def test_no_name_is_in_the_reference_twice_by_the_same_path() -> None:
    listed = list(entries())
    assert len(set(listed)) == len(listed)


def test_every_page_is_in_the_table_of_contents_once() -> None:
    tables = re.findall(r"```\{toctree\}\n(.*?)```", text_of("index.md"), re.DOTALL)
    lines = [line for table in tables for line in table.splitlines() if line and not line.startswith(":")]
    listed = sorted(re.sub(r".*<(.*)>", r"\1", line) for line in lines)
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    frameworks = {page for page in pages if page.startswith("frameworks/")} - {"frameworks/README"}
    assert sorted(pages - frameworks - {"index"}) == listed


# --- pages that a script writes


@pytest.mark.parametrize("name", ["make_command_line", "make_drawings"])
def test_a_page_that_is_written_by_a_script_is_up_to_date(name: str) -> None:
    made = script(name)
    path, text = (made.PAGE, made.page()) if hasattr(made, "PAGE") else (made.FILE, made.drawing())
    assert text == path.read_text("utf-8"), f"write it anew: python docs/{name}.py"


# --- tables


def test_the_page_of_outcomes_has_every_reason() -> None:
    rows = "".join(f"| `{reason}` | {name} | {means} |\n" for reason, (name, means) in REASONS.items())
    assert rows in text_of("outcomes.md")


def test_the_page_of_merging_has_every_rule() -> None:
    assert [rule.name for rule in streamkit.Rule] == re.findall(
        r"^\| `([A-Z_0-9]+)` \|", text_of("merging.md"), re.MULTILINE
    )


def test_the_page_of_timing_has_every_figure() -> None:
    figures = [name for name, value in vars(streamkit.Timing).items() if isinstance(value, property) and name[0] != "_"]
    assert figures == re.findall(r"^\| `(\w+)` \|", text_of("timing.md"), re.MULTILINE)


def test_the_page_of_events_has_the_grammar_that_the_module_has() -> None:
    (grammar,) = re.findall(r"^stream := .*?^part   := .*?$", text_of("events.md"), re.DOTALL | re.MULTILINE)
    rules = [" ".join(line.split()) for line in grammar.replace("…", "").splitlines()[1:]]
    said = " ".join((streamkit.events.__doc__ or "").replace("Started(reopened=False)", "Started").split())
    assert [] == [rule for rule in rules if rule not in said]


def test_the_page_of_events_has_every_event() -> None:
    named = set(re.findall(r"\b[A-Z]\w+\b", text_of("events.md")))
    events = {name for name in streamkit.events.__all__ if name[0].isupper() and not name.isupper()}
    assert set() == events - named - {"TEXT_DELTAS", "TEXT_PARTS", "Event"}


def test_the_page_of_what_raises_has_the_tree_of_errors() -> None:
    tree = re.findall(r"^([│├└─ ]*)(\w+Error)\b", text_of("what-raises.md").partition("## One family")[2], re.MULTILINE)
    assert [(name, depth) for name, depth in family(streamkit.StreamError)] == [
        (name, len(branch) // 4) for branch, name in tree
    ]


def family(error: type[BaseException], depth: int = 0) -> Iterator[tuple[str, int]]:
    yield error.__name__, depth
    for child in error.__subclasses__():
        if child.__name__ in streamkit.errors.__all__:
            yield from family(child, depth + 1)
