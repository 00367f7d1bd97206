"""The figures of the timing table: what `streamkit stat` and the page of a stream show."""

from __future__ import annotations

import pytest

from streamkit import timing_of
from streamkit._live.figures import FIGURES, figures_of, percentile
from streamkit.testing import DONE
from streamkit.trace import Block, Trace


def said(text: str) -> bytes:
    return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4)], ids=str)
def test_a_percentile_is_a_value_that_occurs(share: float, value: float) -> None:
    assert value == percentile([3, 1, 4, 2], share)
    assert percentile([], share) is None


def test_each_figure_has_a_unit_and_words_and_a_trace_has_all_of_them() -> None:
    trace = Trace(observed="transport", blocks=(Block(0.5, said("a")), Block(0.75, said("b")), Block(2.0, DONE)))
    found = figures_of(trace, timing_of(trace))
    assert list(FIGURES) == list(found)
    assert (0.5, 0.75, 0.25, 2.0, 1.25) == tuple(
        found[name] for name in ("ttft", "latency", "icl_max", "last_byte", "longest_gap")
    )
    assert {"s", "/s"} == {unit for unit, _ in FIGURES.values()}


def test_a_trace_without_times_has_no_figure() -> None:
    trace = Trace(observed="none", blocks=(Block(0.0, said("a") + DONE),))
    assert {None} == set(figures_of(trace, timing_of(trace)).values())
