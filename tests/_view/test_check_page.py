"""The report on many streams as a page: codes by sender, and down to the bytes."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from helpers.pages import by_id, classed, parsed, text_of
from helpers.wire import DONE, delta, sse
from streamkit import Report, check_stream
from streamkit._view import check_page
from streamkit._view.check_page import CheckPage
from streamkit.trace import Block, Trace

HI, STOP = delta('{"role":"assistant","content":"Hi"}'), delta("{}", "stop")
CLEAN = sse(HI, STOP) + DONE
ODD = sse(HI, STOP).replace(b'"index":0,', b"") + DONE
CUT = sse(HI)


def report(name: str, body: bytes, sender: str = "") -> Report:
    if not sender:
        return check_stream(body, name=name)
    return check_stream(Trace(sender=sender, observed="none", blocks=(Block(0.0, body),)), name=name)


def page_of(*reports: tuple[Report, bytes]) -> Any:
    page = CheckPage()
    for one in reports:
        page.add(*one)
    return parsed(page.page())


def table_of(root: Any) -> dict[str, list[str]]:
    rows = by_id(root, "matrix").iter("tr")
    return {text_of(row[0]): [text_of(cell) for cell in row[1:]] for row in rows}


def test_the_table_has_a_row_for_each_code_and_a_column_for_each_sender() -> None:
    streams = [
        ("a/1.sse", CLEAN, "vllm"),
        ("a/2.sse", ODD, "vllm"),
        ("a/3.sse", ODD, "azure"),
        ("a/4.sse", CUT, "vllm"),
    ]
    root = page_of(*((report(name, body, sender), body) for name, body, sender in streams))
    table = table_of(root)
    assert ["all", "vllm", "azure"] == table["code"]
    assert ["4", "3", "1"] == table["streams"]
    assert ["3", "2", "1"] == table["of them faulty"]
    assert ["2", "1", "1"] == table["◆ index_missing"]
    assert ["1", "1", "·"] == table["▲ truncated: no_finish"]
    assert "4" == text_of(classed(root, "tile")[0][1])


def test_a_number_leads_to_the_streams_and_to_the_bytes_of_the_first_occurrence() -> None:
    more = sse(HI) + ODD
    root = page_of((report("t/one.sse", more, "vllm"), more), (report("t/two.sse", ODD, "vllm"), ODD))
    row = next(row for row in by_id(root, "matrix").iter("tr") if text_of(row[0]).endswith("index_missing"))
    (link,) = row[2].iter("a")
    key = link.get("href", "")[1:]
    code = next(one for one in root.iter("details") if key.startswith(f"{one.get('id')}-"))
    assert "vllm: 2 streams" == text_of(by_id(code, key))
    assert "one.sse , event 2, 2 times two.sse , event 1, 2 times" in text_of(code)
    assert "one.sse: event 2, from byte" in text_of(code)
    assert text_of(code).endswith(sse(HI).replace(b'"index":0,', b"").decode().strip())


def test_a_stream_without_a_trace_is_of_the_folder_that_it_is_in() -> None:
    root = page_of((report("corpus/groq/x.sse", CLEAN), CLEAN), (report("corpus/xai/x.sse", CLEAN), CLEAN))
    assert "corpus/" == text_of(classed(root, "which")[0])
    page = CheckPage()
    page.add(report("corpus/groq/x.sse", ODD), ODD)
    page.add(report("x.sse", ODD), ODD)
    assert {"groq", "unknown", "all"} == set(table_of(parsed(page.page()))["code"])


def test_every_link_has_its_target_and_no_name_becomes_markup() -> None:
    hostile = "</details><script>alert(1)</script>\u202e"
    root = page_of(*((report(f"{hostile}/{n}.sse", body, hostile), body) for n, body in enumerate((ODD, CUT, CLEAN))))
    ids = {one.get("id") for one in root.iter()}
    assert set() == {one.get("href", "")[1:] for one in root.iter("a")} - ids
    assert [] == list(root.iter("script"))
    assert "⟨U+202E⟩" in text_of(root)


def test_a_page_without_a_stream_says_so() -> None:
    assert "No stream was read." in text_of(parsed(CheckPage().page()))


def test_thousands_of_streams_fit_and_what_is_left_out_is_counted() -> None:
    page, odd, clean = CheckPage(), report("x", ODD, "a"), report("x", CLEAN, "a")
    for n in range(3000):
        one, body = (odd, ODD) if n % 2 else (clean, CLEAN)
        assert one.trace is not None
        trace = attrs.evolve(one.trace, sender=f"sender-{n % 90}")
        page.add(attrs.evolve(one, name=f"folder/stream-{n:05}.trace.jsonl", trace=trace), body)
    data = page.page()
    assert 2_000_000 > len(data)
    root = parsed(data)
    heads = table_of(root)["code"]
    assert ("all", "other senders", 62) == (heads[0], heads[-1], len(heads))
    assert "and 1,000 more, none of them worse" in text_of(by_id(root, "streams"))
    for name in ("streams", "◆ index_missing"):
        figures = [int(cell.replace(",", "")) for cell in table_of(root)[name] if cell != "·"]
        assert figures[0] == sum(figures[1:])


def test_bytes_are_kept_for_as_many_cells_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_page, "EXCERPTS", 1)
    root = page_of((report("1", ODD, "a"), ODD), (report("2", ODD, "b"), ODD))
    assert 1 == len(list(root.iter("pre")))
