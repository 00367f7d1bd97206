"""The axis: places, ticks, words."""

from __future__ import annotations

import pytest

from streamkit._view.axis import NARROWEST, WIDEST, Axis, seconds


@pytest.mark.parametrize(
    "value, words",
    [
        (None, "–"),
        (0, "0 s"),
        (0.0000123, "12.3 µs"),
        (0.0621, "62.1 ms"),
        (0.99949, "999 ms"),
        (0.9996, "1 s"),
        (5.254, "5.25 s"),
        (1234.5, "1,234 s"),
        (-0.25, "-250 ms"),
    ],
)
def test_a_time_has_its_unit(value: float | None, words: str) -> None:
    assert words == seconds(value)


@pytest.mark.parametrize("end", [0.00001, 0.0049, 0.35, 1.0, 5.25, 60.0, 9999.0])
def test_there_are_a_few_round_ticks_that_begin_at_0_and_do_not_pass_the_end(end: float) -> None:
    ticks = list(Axis(end, timed=True).ticks())
    assert 3 <= len(ticks) <= 9
    assert 0 == ticks[0]
    assert end * (1 + 1e-9) >= ticks[-1]


def test_events_have_whole_ticks() -> None:
    assert ["event 0", "event 1", "event 2"] == [
        Axis(2, timed=False).label(one) for one in Axis(2, timed=False).ticks()
    ]


def test_marks_in_one_column_are_one() -> None:
    axis = Axis(10.0, timed=True, columns=100)
    assert "M0 4V24M50 4V24M100 4V24" == axis.path([0, 0.001, 5, 5.01, 10], 4, 24)


def test_many_lanes_have_fewer_columns() -> None:
    assert WIDEST == Axis.over(1, [10_000] * 3, timed=True).columns
    assert NARROWEST == Axis.over(1, [10_000] * 1000, timed=True).columns
    assert WIDEST == Axis.over(1, [10] * 1000, timed=True).columns


def test_an_axis_of_nothing_is_one() -> None:
    assert 1.0 == Axis.over(0, [], timed=True).end
