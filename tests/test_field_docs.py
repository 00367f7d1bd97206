"""`help()` says what each field means, from the string after it in the source."""

from __future__ import annotations

import importlib
import inspect
import pydoc
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

import streamkit
from streamkit._field_docs import explain, show_fields

MODULES = "streamkit " + " ".join(
    f"streamkit.{name}"
    for name in "accumulator anomalies dialect errors events limits outcome partial_json rules sources sse testing trace types".split()
)


def public_classes() -> Iterator[type[Any]]:
    seen: set[type[Any]] = set()
    for module in map(importlib.import_module, MODULES.split()):
        for value in (getattr(module, name) for name in module.__all__):
            if inspect.isclass(value) and attrs.has(value) and value not in seen:
                seen.add(value)
                yield value


CLASSES = sorted(public_classes(), key=lambda cls: cls.__name__)


def attributes(cls: type[Any]) -> dict[str, str]:
    """The "Attributes:" section of a docstring: name, then sentence."""
    _, _, section = (inspect.getdoc(cls) or "").partition("\n\nAttributes:\n")
    joined = section.replace("\n        ", " ")
    return dict(line.strip().split(": ", 1) for line in joined.splitlines())


def test_there_are_classes_to_look_at() -> None:
    assert len(CLASSES) > 80
    names = {cls.__name__ for cls in CLASSES}
    assert {"Anomaly", "Deadlines", "Limits", "Outcome", "Report", "Statistics", "Timing"} < names


@pytest.mark.parametrize("cls", CLASSES)
def test_every_field_is_explained_in_the_order_of_the_arguments(cls: type[Any]) -> None:
    assert [field.name for field in attrs.fields(cls)] == list(attributes(cls))
    assert [] == [name for name, sentence in attributes(cls).items() if not sentence.strip()]


def test_help_shows_the_docstring_and_the_fields() -> None:
    shown = pydoc.render_doc(streamkit.Outcome, renderer=pydoc.plaintext)
    assert "How a stream ended." in shown
    assert "name: `complete`, `truncated`, `failed` or `cancelled`." in shown
    assert inspect.getdoc(streamkit.Outcome) == streamkit.Outcome("complete", "done").__doc__


def test_an_inherited_field_is_explained_too() -> None:
    assert (
        "Fields of the JSON object that its type does not define"
        in attributes(streamkit.types.CompletionUsage)["extra"]
    )
    assert "JSON path inside the event" in attributes(streamkit.Anomaly)["path"]


def test_a_field_that_means_the_same_in_many_events_is_explained_in_each() -> None:
    assert "Index of the choice." == attributes(streamkit.events.ContentDelta)["choice"]
    assert "Index of the choice." == attributes(streamkit.events.ToolCallDone)["choice"]


def test_no_line_of_a_section_is_longer_than_help_can_show() -> None:
    lines = (streamkit.types.ChatChoiceStream.__doc__ or "").splitlines()
    assert [] == [line for line in lines if len(line) > 100]


def test_a_class_whose_source_cannot_be_read_keeps_its_own_docstring() -> None:
    code = 'import attrs\n@attrs.frozen\nclass Made:\n    """Made at run time."""\n    x: int\n    """A number."""\n'
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec(code, namespace)
    explain(namespace["Made"])
    explain(namespace["Made"])
    assert "Made at run time." == namespace["Made"].__doc__
    nameless = type("Nameless", (), {})
    explain(nameless)
    assert nameless.__doc__ is None


def test_a_module_may_be_explained_twice() -> None:
    before = streamkit.Outcome.__doc__
    show_fields("streamkit.outcome")
    assert before == streamkit.Outcome.__doc__


def test_importing_streamkit_parses_no_source() -> None:
    module = "import streamkit, streamkit._field_docs as f; print(f._of_module.cache_info().misses)"
    run = subprocess.run([sys.executable, "-c", module], capture_output=True, text=True, timeout=60)
    assert ("0\n", "") == (run.stdout, run.stderr)


@pytest.mark.parametrize("cls", [streamkit.Accumulator, streamkit.Cleaner, streamkit.ChatStream, streamkit.Broadcast])
def test_the_help_of_what_reads_a_stream_prints_no_tables(cls: type[Any]) -> None:
    shown = pydoc.render_doc(cls, renderer=pydoc.plaintext)
    assert "obfuscation" not in shown
    assert max(map(len, shown.splitlines())) < 600


def test_the_rules_are_short_to_look_at_and_still_a_table() -> None:
    assert f"<RULES: {len(streamkit.RULES)} fields>" == repr(streamkit.RULES)
    changed = {**streamkit.RULES, "x": streamkit.Rule.LAST}
    assert len(streamkit.RULES) + 1 == len(changed)
    assert "'x'" in repr(changed)
