"""What went through an accumulator, in numbers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ("Statistics",)


@attrs.frozen
class Statistics:
    """What went through an accumulator."""

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
    """Fields the format does not know: path (`choices[].delta.reasoning`) -> how often."""
    models: tuple[str, ...] = ()
    """Every model that a chunk named, in order of first sight: several where a router writes its own name first. At most
    as many as anomalies are kept."""
