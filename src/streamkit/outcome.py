"""How a stream ended: the four outcomes, and a table of the reasons for each.

Never an invented ending: a stream is complete when it says so (`[DONE]`, or a finish reason for every choice that was
opened), and in no other case. Of finish reasons those that say that the sender failed (`network_error`; the table is
`FinishReason.__failures__`) make it a failed one, with all that arrived; any other word changes nothing.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from ._field_docs import show_fields
from .errors import StreamError

__all__ = ("REASONS", "Outcome", "OutcomeName")

OutcomeName = Literal["complete", "truncated", "failed", "cancelled"]

REASONS: dict[str, tuple[OutcomeName, str]] = {
    "done": ("complete", "`[DONE]` came, and a finish reason for every choice"),
    "done_without_finish": ("complete", "`[DONE]` came, but a choice has no finish reason"),
    "finish_without_done": ("complete", "every choice has a finish reason; the stream ended without `[DONE]`"),
    "full_body": ("complete", "a full response came where a stream was asked for"),
    "no_finish": ("truncated", "the bytes ended with neither `[DONE]` nor a finish reason for every choice"),
    "mid_event": ("truncated", "the bytes ended inside an event, with neither `[DONE]` nor every finish reason"),
    "remote_error": ("failed", "the sender reported an error inside the stream"),
    "finish_error": ("failed", "a finish reason says that the sender failed"),
    "error_body": ("failed", "the sender answered with an error object instead of a stream"),
    "not_a_stream": ("failed", "the bytes are no event stream: HTML, other JSON, or text"),
    "empty": ("failed", "the stream had no chunk at all, or `[DONE]` came after neither output nor a finish reason"),
    "source_error": ("failed", "the source broke before any chunk had come"),
    "limit": ("failed", "more came than a limit allows"),
    "anomaly": ("failed", "the stream deviates from the format, and strict=True was asked for"),
    "deadline_first_byte": ("failed", "no byte of the stream had come when the deadline passed"),
    "deadline_first_output": ("failed", "no output had come when the deadline passed"),
    "deadline_idle": ("failed", "the sender was silent for longer than the deadline allows"),
    "deadline_total": ("failed", "the stream had not ended when the deadline passed"),
    "cancelled": ("cancelled", "the caller left first"),
}
"""Every reason with the outcome it belongs to and what it means."""


@attrs.frozen
class Outcome:
    """How a stream ended."""

    name: OutcomeName
    """`complete`, `truncated`, `failed` or `cancelled`."""
    reason: str
    """A word from `REASONS`: which case of it."""
    error: StreamError | None = attrs.field(default=None, eq=False)
    """For a truncated or failed stream the exception that says so, with `.partial`; raise it or read it."""
    events: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)
    """The events that closing gave, the ending one last; empty where the ending event came out of `feed` before."""

    @property
    def ok(self) -> bool:
        """Whether the response is complete."""
        return self.name == "complete"


show_fields(__name__)
