"""Tool calls are written one after the other, each with a header that nothing changes any more."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit._clean.call_writer import CallWriter
from streamkit._fold.pieces import Fragment
from streamkit.types import ChatCompletionMessageToolCallChunk


def fragment(call: int, id: str = "", name: str = "", kind: str = "", **extra: Any) -> Fragment:
    sent = ChatCompletionMessageToolCallChunk(index=call, extra=extra)
    return Fragment(0, call, id or f"call_{call}", not id, name, kind, kind == "custom", sent)


def said(entries: Any) -> list[Any]:
    """Each entry as (index, id, name) of a header, or (index, piece of arguments)."""
    found: list[Any] = []
    for one in entries:
        inner = one.get("function") or one["custom"]
        rest = inner.get("arguments", inner.get("input"))
        found.append((one["index"], one["id"], inner["name"]) if "id" in one else (one["index"], rest))
    return found


def test_a_header_waits_for_an_id_a_name_and_the_first_arguments() -> None:
    writer = CallWriter(None)
    assert [] == said(writer.take(fragment(0, name="f")))
    assert [] == said(writer.add(0, "{"))
    assert [(0, "a", "f"), (0, "{")] == said(writer.take(fragment(0, "a", "f")))
    assert [(0, "}")] == said(writer.add(0, "}"))
    assert [] == said(writer.end())


def test_what_never_came_is_made_up_at_the_end() -> None:
    writer = CallWriter(None)
    assert [] == [*writer.take(fragment(0)), *writer.add(0, "{"), *writer.take(fragment(1, "b", "g"))]
    assert [(0, "call_0", ""), (0, "{"), (1, "b", "g")] == said(writer.end())
    assert [] == said(writer.end())


@pytest.mark.parametrize(
    ("arguments", "over"),
    [
        ('{"a":1}', True),
        ('{"a":"}"', False),
        ('{"a":"\\"}"}', True),
        ('{"a":"\\\\"}', True),
        ('[{"a":[]}]', True),
        ('{"a":{}', False),
        ("", False),
        ("1", False),
    ],
)
def test_a_call_is_over_with_its_json_document(arguments: str, over: bool) -> None:
    for pieces in ([arguments], list(arguments)):
        writer = CallWriter(None)
        list(writer.take(fragment(0, "a", "f")))
        for piece in pieces:
            list(writer.add(0, piece))
        list(writer.take(fragment(1, "b", "g")))
        assert ([(1, "b", "g"), (1, "{")] if over else []) == said(writer.add(1, "{"))


def test_what_comes_for_a_call_that_was_over_is_said_at_the_end() -> None:
    writer = CallWriter(None)
    first = [*writer.take(fragment(0, "a", "f")), *writer.add(0, "{}"), *writer.take(fragment(1, "b", "g"))]
    assert [(0, "a", "f"), (0, "{}")] == said(first)
    assert [(1, "b", "g"), (1, "{}")] == said(writer.add(1, "{}"))
    assert [] == said(writer.add(0, "{}"))
    assert [(0, "{}")] == said(writer.end())


def test_a_custom_tool_is_over_at_the_end_only() -> None:
    writer = CallWriter(None)
    first = [*writer.take(fragment(0, "a", "f", "custom")), *writer.add(0, "{}")]
    assert [(0, "a", "f"), (0, "{}")] == said(first)
    assert [] == [*writer.take(fragment(1, "b", "g")), *writer.add(1, "{}")]
    assert [(1, "b", "g"), (1, "{}")] == said(writer.end())


def test_unknown_fields_stand_in_the_header_or_beside_an_empty_piece() -> None:
    writer = CallWriter(None)
    list(writer.take(fragment(0, "a", "f", sign="s", custom=1)))
    (head, _) = writer.add(0, "{")
    assert ("s", "function") == (head["sign"], head["type"])
    assert "custom" not in head
    assert [{"index": 0, "function": {"arguments": ""}, "more": 1}] == list(writer.take(fragment(0, more=1)))


def test_a_piece_is_written_at_once_only_where_nothing_waits() -> None:
    writer = CallWriter(None)
    list(writer.take(fragment(0, "a", "f")))
    assert not writer.writes(0, "{")
    list(writer.add(0, "{"))
    assert writer.writes(0, "}")
    list(writer.take(fragment(1, "b", "g")))
    assert not writer.writes(0, " ")
    assert not writer.writes(1, "{")


def test_text_is_cut_as_asked() -> None:
    writer = CallWriter(list)
    list(writer.take(fragment(0, "a", "f")))
    assert [(0, "a", "f"), (0, "{"), (0, "}")] == said(writer.add(0, "{}"))
