"""The timing table: figures of one recorded stream, each by the definition that it follows.

In: a `Trace` and its `Timing`. Out: a number for each name of `FIGURES`. Cost: sorts the gaps.

Rule 1  A figure that cannot be known is None: a trace without times has none.
Rule 2  A percentile is a value that occurs (nearest rank).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ..trace import Trace
from .timing import Timing

__all__ = ("FIGURES", "figures_of", "percentile")

FIGURES: dict[str, tuple[str, str]] = {
    "time_to_first_byte": ("s", "first block of the body - sent"),
    "time_to_first_chunk": ("s", "first chunk - sent (OpenTelemetry; vLLM bench's TTFT)"),
    "ttft": ("s", "first output, reasoning counts - sent (AIPerf, GuideLLM)"),
    "ttfo": ("s", "first output that is not reasoning - sent (AIPerf)"),
    "ttst": ("s", "second output - first output (AIPerf)"),
    "latency": ("s", "last output - sent (AIPerf)"),
    "icl_p50": ("s", "between two outputs, median (AIPerf; vLLM bench's ITL)"),
    "icl_p99": ("s", "between two outputs, 99th percentile"),
    "icl_max": ("s", "between two outputs, the longest"),
    "itl": ("s", "(last - first output) / (output tokens - 1) (AIPerf, GuideLLM)"),
    "tpot": ("s", "(last - first chunk) / (output tokens - 1) (vLLM bench)"),
    "tpot_guidellm": ("s", "(last output - sent) / output tokens (GuideLLM)"),
    "tokens_per_second": ("/s", "1 / itl (AIPerf: per user)"),
    "input_tokens_per_second": ("/s", "input tokens / ttft (AIPerf: prefill per user)"),
    "last_byte": ("s", "last block - sent"),
    "longest_gap": ("s", "the longest silence between two blocks"),
}
"""Every figure of the timing table: its unit, and whose definition it is (`Timing` says more)."""


def figures_of(trace: Trace, timing: Timing) -> dict[str, float | None]:
    """Return the figures of a trace by the names of `FIGURES`."""
    gaps = timing.icl
    times = [block.t for block in trace.blocks] if trace.timed else []
    waits = [after - before for before, after in pairwise(times)]
    own = {
        "icl_p50": percentile(gaps, 0.5),
        "icl_p99": percentile(gaps, 0.99),
        "icl_max": max(gaps, default=None),
        "last_byte": times[-1] if times else None,
        "longest_gap": max(waits, default=None),
    }
    return {name: _short(own[name] if name in own else getattr(timing, name)) for name in FIGURES}


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 9)  # below a nanosecond no clock says anything


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile by nearest rank (rule 2)."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1] if values else None
