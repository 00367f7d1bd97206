"""What a run adds up to: how its streams ended, and each anomaly with how many streams of which senders have it.

In: batches of responses. Out: counts, as plain JSON and back, so that workers and finished parts can hand them on. Costs about
3 us a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pyarrow.compute as pc

__all__ = ("Tally",)

Senders = dict[str, int]


@attrs.define
class Tally:
    """add(batch) for each, merge(tally) for each part."""

    rows: int = 0
    empty: int = 0
    """Rows without a body, those that could not be read among them."""
    unread: int = 0
    bytes: int = 0
    failed: int = 0
    """Streams that are not complete."""
    verdicts: dict[str, int] = attrs.field(factory=lambda: dict.fromkeys(("clean", "notes", "faulty"), 0))
    endings: dict[str, Senders] = attrs.field(factory=dict)
    """Reason of an outcome that is not complete -> sender -> streams."""
    codes: dict[str, Senders] = attrs.field(factory=dict)
    """Severity and code, with a blank between -> sender -> streams."""
    messages: list[str] = attrs.field(factory=list)
    """About what could not be read, the first few."""

    def add(self, batch: Any, senders: Sequence[str | None] | None = None) -> None:
        """Count the rows of a batch. `senders`: of each row."""
        names = ["" for _ in range(len(batch))] if senders is None else [name or "" for name in senders]
        self.rows += len(batch)
        self.bytes += pc.sum(batch.column("n_bytes")).as_py() or 0
        worst = [0] * len(batch)
        anomalies = batch.column("anomalies")
        found, seen = anomalies.flatten(), set()
        columns = (pc.list_parent_indices(anomalies), found.field("severity"), found.field("code"))
        for row, severity, code in zip(*(column.to_pylist() for column in columns), strict=True):
            worst[row] = max(worst[row], 1 if severity == "note" else 2)
            if (row, code) not in seen:
                seen.add((row, code))
                _count(self.codes, f"{severity} {code}", names[row])
        endings = zip(batch.column("outcome").to_pylist(), batch.column("reason").to_pylist(), strict=True)
        for row, (outcome, reason) in enumerate(endings):
            if outcome is None:
                self.empty += 1
                continue
            if outcome != "complete":
                self.failed += 1
                worst[row] = 2
                _count(self.endings, reason, names[row])
            self.verdicts[("clean", "notes", "faulty")[worst[row]]] += 1

    def note_unread(self, message: str) -> None:
        """Count a row that could not be read."""
        self.unread += 1
        if len(self.messages) < 20:
            self.messages.append(message)

    def merge(self, other: Tally) -> None:
        """Add what another one counted."""
        for name in ("rows", "empty", "unread", "bytes", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for verdict, count in other.verdicts.items():
            self.verdicts[verdict] += count
        for mine, others in ((self.endings, other.endings), (self.codes, other.codes)):
            for word, senders in others.items():
                for sender, count in senders.items():
                    _count(mine, word, sender, count)
        self.messages = (self.messages + other.messages)[:20]

    def as_json(self) -> dict[str, Any]:
        """Return the counts as plain values; `Tally(**values)` has them again."""
        return attrs.asdict(self)


def _count(table: dict[str, Senders], word: str, sender: str, count: int = 1) -> None:
    senders = table.setdefault(word, {})
    senders[sender] = senders.get(sender, 0) + count
