"""Ids and events of a shared stream as bytes."""

from __future__ import annotations

from typing import Any

import pytest

gateway = pytest.importorskip("streamkit.gateway", exc_type=ImportError)
wire = pytest.importorskip("streamkit.gateway._wire", exc_type=ImportError)

Entry, Page = gateway.Entry, gateway.Page


@pytest.mark.parametrize(
    ("text", "log", "number"),
    [
        ("0a1b-7", "0a1b", 7),
        (" 0a1b-0\n", "0a1b", 0),
        ("a-b-12", "a-b", 12),
        ("", "", 0),
        ("7", "", 0),
        ("-7", "", 0),
        ("0a1b-", "", 0),
        ("0a1b--7", "0a1b-", 7),
        ("0a1b-+7", "", 0),
        ("0a1b-٧", "", 0),
        ("0a1b-" + "9" * 100, "0a1b", int("9" * 59)),
        ("x" * 10_000, "", 0),
    ],
)
def test_an_id_is_the_name_of_a_log_and_a_number_or_it_is_none(text: str, log: str, number: int) -> None:
    assert (log, number) == wire.parse_id(text)


def page(*entries: tuple[str, bytes], fresh: bool = False, first: int = 1) -> Any:
    made = tuple(Entry(kind, data, b"secret", number) for number, (kind, data) in enumerate(entries, first))
    return Page("0a1b", first + len(made) - 1, made, fresh, 1.0, False)


def test_entries_are_events_with_names_and_ids() -> None:
    assert (
        b'event: chunk\nid: 0a1b-1\ndata: {"a":1}\n\n'
        b"event: snapshot\nid: 0a1b-2\ndata: null\n\n"
        b"event: end\nid: 0a1b-3\ndata: {}\n\n"
    ) == wire.frames(page(("chunk", b'{"a":1}'), ("snapshot", b"null"), ("end", b"{}")), True)


def test_a_base_is_for_those_who_begin_with_it() -> None:
    entries = ("base", b"{}"), ("chunk", b"1"), ("base", b"{}"), ("chunk", b"2")
    events = wire.frames(page(*entries, fresh=True, first=5), False).decode().split("\n")
    assert ["snapshot", "chunk", "chunk"] == [line[7:] for line in events if line.startswith("event: ")]
    assert ["0a1b-5", "0a1b-6", "0a1b-8"] == [line[4:] for line in events if line.startswith("id: ")]
    events = wire.frames(page(*entries, first=5), True).decode().split("\n")
    assert ["0a1b-6", "0a1b-8"] == [line[4:] for line in events if line.startswith("id: ")]


@pytest.mark.parametrize(("had", "names"), [(True, ["snapshot", "chunk"]), (False, ["chunk"])])
def test_what_a_reader_had_of_another_log_is_taken_back(had: bool, names: list[str]) -> None:
    events = wire.frames(page(("chunk", b"1"), fresh=True), had).decode().split("\n")
    assert names == [line[7:] for line in events if line.startswith("event: ")]
    assert "data: null" in events or not had


def test_no_checkpoint_leaves_the_store() -> None:
    everything = wire.frames(
        page(("base", b"{}"), ("chunk", b"1"), ("snapshot", b"2"), ("end", b"3"), fresh=True), True
    )
    assert b"secret" not in everything
