"""The histogram of gaps: bins that end at round numbers, and their table."""

from __future__ import annotations

import pytest

from helpers.pages import text_of
from helpers.wire import DONE, delta, sse
from streamkit._view.charts import _bin, _name, gaps_section
from streamkit._view.reading import Reading, read
from streamkit.trace import Block, Trace


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (0.00001, "10 µs to 15 µs"),
        (0.0049999, "3 ms to 5 ms"),
        (0.005, "5 ms to 7 ms"),
        (0.0099, "7 ms to 10 ms"),
        (0.01, "10 ms to 15 ms"),
        (1.0, "1 s to 1.5 s"),
        (1e9, "700,000 s to 1,000,000 s"),
    ],
)
def test_a_gap_is_in_the_bin_that_begins_at_or_before_it(gap: float, words: str) -> None:
    assert words == _name(_bin(gap))


def reading(*times: float) -> Reading:
    blocks = [Block(at, sse(delta('{"content":"x"}'))) for at in times]
    return read(Trace(observed="transport", blocks=(*blocks, Block(times[-1], sse(delta("{}", "stop")) + DONE))))


def table(*readings: Reading) -> list[tuple[str, ...]]:
    rows = [tuple(text_of(cell) for cell in row) for row in gaps(*readings).iter("tr")]
    return [row for row in rows[1:] if set(row[1:]) != {"0"}]


def gaps(*readings: Reading):  # type: ignore[no-untyped-def]
    from xml.etree import ElementTree

    return ElementTree.fromstring(gaps_section(readings))


def test_every_gap_is_in_the_table_and_outputs_of_one_block_have_none() -> None:
    assert [("same block", "1"), ("10 ms to 15 ms", "2"), ("1 s to 1.5 s", "1")] == table(
        reading(1, 1, 1.011, 1.022, 2.03)
    )


def test_two_traces_share_their_bins() -> None:
    found = table(reading(1, 1.011), reading(1, 1.011, 1.1))
    assert [("10 ms to 15 ms", "1", "1"), ("70 ms to 100 ms", "0", "1")] == found
    drawing = gaps(reading(1, 1.011), reading(1, 1.011, 1.1))
    assert ["bar t0", "bar t1", "bar t1"] == [one.get("class") for one in drawing.iter("rect")]


def test_without_two_outputs_it_says_why_there_is_no_histogram() -> None:
    assert "There are not two outputs with a time" in text_of(gaps(reading(1)))
