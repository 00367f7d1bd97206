"""How a stream ended: the four outcomes, and a table of the reasons for each.

An ending is never invented: a stream is complete if it says so (`[DONE]`, or a finish reason for every choice that was
opened), and only then. A finish reason that reports a failure of the sender (`network_error`; the table is
`FinishReason.__failures__`) makes the outcome failed, with everything that arrived; any other word changes nothing.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from ._field_docs import show_fields
from .errors import StreamError

__all__ = ("REASONS", "Outcome", "OutcomeName")

OutcomeName = Literal["complete", "truncated", "failed", "cancelled"]
"""The four ways in which a stream ends."""

REASONS: dict[str, tuple[OutcomeName, str]] = {
    "done": ("complete", "`[DONE]` arrived, and a finish reason for every choice"),
    "done_without_finish": ("complete", "`[DONE]` arrived, but a choice has no finish reason"),
    "finish_without_done": ("complete", "every choice has a finish reason; the stream ended without `[DONE]`"),
    "full_body": ("complete", "a full response arrived instead of a stream"),
    "no_finish": ("truncated", "the bytes ended with neither `[DONE]` nor a finish reason for every choice"),
    "mid_event": ("truncated", "the bytes ended inside an event, with neither `[DONE]` nor every finish reason"),
    "remote_error": ("failed", "the sender reported an error inside the stream"),
    "finish_error": ("failed", "a finish reason reports that the sender failed"),
    "error_body": ("failed", "the sender answered with an error object instead of a stream"),
    "not_a_stream": ("failed", "the bytes are not an event stream: HTML, other JSON, or text"),
    "empty": ("failed", "the stream had no chunk, or `[DONE]` arrived without any output or finish reason before it"),
    "source_error": ("failed", "the source failed before any chunk had arrived"),
    "limit": ("failed", "more arrived than a limit allows"),
    "anomaly": ("failed", "the stream deviates from the format, and strict=True was asked for"),
    "deadline_first_byte": ("failed", "no byte of the stream had arrived when the deadline passed"),
    "deadline_first_output": ("failed", "no output had arrived when the deadline passed"),
    "deadline_idle": ("failed", "the sender was silent for longer than the deadline allows"),
    "deadline_total": ("failed", "the stream had not ended when the deadline passed"),
    "cancelled": ("cancelled", "the caller closed the stream before it ended"),
}
"""Every reason, with its outcome and what it means."""


@attrs.frozen
class Outcome:
    """How a stream ended. Test `ok` or compare `name`; `error` is the exception to raise, if there is one."""

    name: OutcomeName
    """`complete`, `truncated`, `failed` or `cancelled`."""
    reason: str
    """The key in `streamkit.outcome.REASONS` that says why: `done`, `mid_event`, `limit`, ..."""
    error: StreamError | None = attrs.field(default=None, eq=False)
    """For a truncated or failed stream, its exception, with `.partial`: raise it or read it. Else None."""
    events: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)
    """The events that `close()` produced, `End` last; empty if `feed` had already returned `End`."""

    @property
    def ok(self) -> bool:
        """Return True if the response is complete."""
        return self.name == "complete"


show_fields(__name__)
