"""The usage of one response: reports in, the current counts out. A ledger, never a sum.

Senders report usage once, at the end, or in every chunk, in pieces and in odd places. The last report is kept, a count
missing from it keeps its earlier value, and `source` records where each count was reported. Cost: O(counts) a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._decode.chunk_reader import read_usage
from ..anomalies import ignore
from ..types import CompletionTokensDetails, CompletionUsage, PromptTokensDetails
from ..types._base import wire_names
from ..types._unstructuring import Make, objects, written
from .field_rules import Ledger
from .fields import Context, new_field
from .weight import COUNT, weight

__all__ = ("UsageLedger",)

MANY_COUNTS = 256
"""With more counts than this, an event is fired only for a report with half of them. OpenAI reports nine."""


class UsageLedger:
    """Every report of one stream."""

    def __init__(self, context: Context) -> None:
        self.source: dict[str, tuple[str, int]] = {}  # count -> its place and event
        self._context = context
        self._counts = new_field(context, "usage", {})
        self._lists: dict[str, int] = {}  # path of each list in it -> its weight
        self._reports = 0
        self._only: CompletionUsage | None = None
        self._as_written = False  # whether the counts are what `written` returns for the usage, in that order
        self.unreported = False  # whether the last report still waits for one event at the end
        # The last report in a chunk without choices: its tokens, and whether all choices had finished.
        self._total: tuple[int | None, bool] | None = None

    @property
    def repeated(self) -> bool:
        """Whether there was more than one report: from then on nothing is noted of a further one with the same counts."""
        return self._reports > 1

    def take(self, usage: CompletionUsage, place: str) -> None:
        """Add a report found at `place` (`usage`, `x_groq.usage`, `choices[].usage`)."""
        self._reports = reports = self._reports + 1
        context, counts, source = self._context, self._counts, self.source
        if reports == 2:
            context.note("usage_repeated", "$.usage")
        report, beside = written(usage), _has_extra(usage)
        # With one report, as in most streams, the response has just that object, if nothing could change it there.
        self._only = usage if reports == 1 and report and not beside else None
        if beside:  # counts are numbers
            self._weigh_lists(report)
        taken = counts.begin(report) if self._only is not None and type(counts) is Ledger else counts.add(report) or ()
        before = len(source)
        source.update(dict.fromkeys(taken, (place, context.event)))
        if len(source) > before:
            context.keep(COUNT * (len(source) - before))
        self._as_written = reports == 1 and not (beside and _misnames(usage))
        # A sender may write a new count in every chunk: then an event with all of them would cost O(everything before).
        self.unreported = len(source) > MANY_COUNTS and len(source) > 2 * len(taken)

    def _weigh_lists(self, report: Mapping[str, Any], prefix: str = "") -> None:
        """Count the lists in a report, each of which replaces the one before: `{"k1":[{},{},…]}`, then `k2`, was
        unbounded."""
        for name, value in report.items():
            if type(value) not in _STRUCTURES:
                continue
            if isinstance(value, list):
                units = weight(value)
                self._context.keep(units - self._lists.get(prefix + name, 0))
                self._lists[prefix + name] = units
            else:
                self._weigh_lists(value, f"{prefix}{name}.")

    def take_total(self, usage: CompletionUsage, choices: int, finished: bool) -> None:
        """Compare a report without choices with the one before: such a report is made once, at the end, for all
        choices.

        llama.cpp writes such a chunk for each of several choices, with the tokens of that one, and before the others
        have finished. The last report is kept nevertheless: no sum is right, since each counts the prompt.
        """
        before, self._total = self._total, (usage.completion_tokens, finished)
        if before is not None and choices > 1 and (before[0] != usage.completion_tokens or not before[1]):
            self._context.note("usage_per_choice", "$.usage", usage.completion_tokens)

    def value(self, make: Make = objects) -> Any:
        """Return the usage so far, a `CompletionUsage` or its JSON value, to be written at once; None if none was
        reported."""
        if self._only is not None and make is objects:
            return self._only
        if self._as_written and make is not objects and type(self._counts) is Ledger:
            return self._counts.kept or None
        counts = self._counts.value()
        if not counts or (self._as_written and make is not objects):
            return counts or None
        return read_usage(counts, "$.usage", ignore)


_STRUCTURES = frozenset({list, dict})


def _has_extra(usage: CompletionUsage) -> bool:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return bool(usage.extra or (prompt and prompt.extra) or (completion and completion.extra))


_MISNAMED = wire_names(CompletionUsage) | wire_names(PromptTokensDetails) | wire_names(CompletionTokensDetails)


def _misnames(usage: CompletionUsage) -> bool:
    """Return whether an unknown field has the name of a field of the format, which could not be read."""
    parts = (usage, usage.prompt_tokens_details, usage.completion_tokens_details)
    return any(part is not None and not _MISNAMED.isdisjoint(part.extra) for part in parts)
