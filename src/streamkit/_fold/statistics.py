"""What an accumulator counts."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from .._field_docs import show_fields

__all__ = ("Statistics",)


@attrs.frozen
class Statistics:
    """Counts of what an accumulator has read."""

    bytes: int
    """Bytes fed, framing included."""
    blocks: int
    """Blocks fed that were not empty."""
    events: int
    """Server-sent events, `[DONE]` included."""
    comments: int
    """Comments: keep-alives."""
    chunks: int
    """Chunks folded into the response."""
    unknown_fields: Mapping[str, int]
    """Fields that the format does not define: path (`choices[].delta.reasoning`) -> number of times."""
    models: tuple[str, ...] = ()
    """Every model that a chunk named, in order of first appearance: several if a router writes its own name first. At
    most as many as the limit on anomalies."""


show_fields(__name__)
