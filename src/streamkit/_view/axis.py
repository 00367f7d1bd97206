"""Where things are on the axis that all lanes share.

In: positions, seconds or numbers of events. Out: places in a drawing, and the labels of the axis.

Rule 1  Marks are drawn in columns: `columns` of them over the whole axis, several marks in one column being one. So a page
        stays small whatever the number of blocks. A column is finer than a pixel until the page is zoomed.
Rule 2  What must not be stretched by a zoom (text, hatching) is placed by a percentage, which the script of the page
        changes; marks are paths in a drawing that is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import attrs

__all__ = ("Axis", "seconds")

WIDEST = 4000
NARROWEST = 250
_BYTES = 300_000  # that all marks of a page may take
_MARK = 11  # bytes of one


@attrs.frozen
class Axis:
    """The axis of a page."""

    end: float
    """The last position; the first is 0."""
    timed: bool
    """Whether positions are seconds; else they are numbers of events."""
    columns: int = WIDEST

    @classmethod
    def over(cls, end: float, marks: Iterable[int], *, timed: bool) -> Axis:
        """Return an axis up to `end` with as many columns as `marks`, the marks of each lane, leave room for."""
        counts, columns = list(marks), WIDEST
        while columns > NARROWEST and _MARK * sum(min(count, columns) for count in counts) > _BYTES:
            columns //= 2
        return cls(end if end > 0 else 1.0, timed, columns)

    def column(self, position: float) -> int:
        """Return the column of a position."""
        return min(round(position / self.end * self.columns), self.columns)

    def percent(self, position: float) -> str:
        """Return a position as a percentage of the axis."""
        return f"{self.share(position) * 100:.3f}".rstrip("0").rstrip(".") + "%"

    def share(self, position: float) -> float:
        """Return a position as a share of the axis, with as many digits as a zoom can show."""
        return round(min(max(position / self.end, 0.0), 1.0), 6)

    def path(self, positions: Iterable[float], top: int, bottom: int) -> str:
        """Return the path of an upright mark at each position."""
        found = dict.fromkeys(map(self.column, positions))
        return "".join(f"M{column} {top}V{bottom}" for column in found)

    def ticks(self) -> Iterator[float]:
        """Yield about six round positions."""
        step = 10 ** math.floor(math.log10(self.end / 6))
        step *= next((factor for factor in (1, 2, 5) if self.end / (step * factor) <= 7), 10)
        if not self.timed:
            step = max(step, 1.0)
        yield from (number * step for number in range(math.floor(self.end / step + 1e-9) + 1))

    def label(self, position: float) -> str:
        """Return a position in words."""
        return seconds(position) if self.timed else f"event {position:,.0f}"

    def tick(self, position: float) -> str:
        """Return a position as it is written on the axis, beside which is said what it counts."""
        return seconds(position) if self.timed else f"{position:,.0f}"


def seconds(value: float | None) -> str:
    """Return a time with its unit, to about three digits; "–" where there is none."""
    if value is None:
        return "–"
    size = abs(value)
    if size == 0:
        return "0 s"
    if size < 0.000_999_5:
        return f"{value * 1_000_000:.3g} µs"
    if size < 0.9995:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if size < 100 else f"{value:,.0f} s"
