"""The text of a field, of which a reader may want only what is new."""

from __future__ import annotations

import pytest

from streamkit._fold.field_rules import Ledger, Text


@pytest.mark.parametrize("step", [1, 3, 31, 32, 40])
def test_the_text_since_any_place_is_the_end_of_the_text(step: int) -> None:
    text, so_far, mark = Text(), "", (-1, 0)
    for number in range(120):
        start = len(so_far)
        for _ in range(number % step):
            text.add(f"{number},")
            so_far += f"{number},"
        new, mark = text.news(mark, start)
        assert so_far[start:] == new
        for place in (0, 1, start, len(so_far), len(so_far) + 1):
            assert so_far[place:] == text.since(place)
        if number % 7 == 0:
            assert so_far == text.value()


def test_a_half_that_waits_is_not_yet_part_of_the_text() -> None:
    text = Text()
    text.add("a\ud83d")
    assert ("a", "") == (text.since(0), text.since(1))
    text.add("\ude00")
    assert "😀" == text.since(1)


def test_a_first_report_of_numbers_is_kept_as_if_it_had_been_merged() -> None:
    report = {"prompt_tokens": 3, "total_tokens": 0, "details": {"cached": 0, "audio": 2}, "none": {}, "null": None}
    merged, begun = Ledger(), Ledger()
    assert merged.add(report) == begun.begin({**report, "details": {"cached": 0, "audio": 2}})
    assert report == merged.value() == begun.value()
    for ledger in (merged, begun):
        ledger.add({"total_tokens": 5, "details": {"cached": 1}})
    assert merged.value() == begun.value()
    assert {"cached": 0, "audio": 2} == report["details"]
