"""Entries of a log as the server-sent events that browsers read, and their ids.

    retry: 1000                                          first of all: milliseconds before a browser connects again
    event: snapshot  data: {"id":…,"choices":…}          the whole response so far (null for none): replaces what you have
    event: chunk     data: {"choices":[{"delta":…}]}     a `chat.completion.chunk`: adds to it
    event: end       data: {"outcome":…,"reason":…}      the last event
    : ping                                               nothing, while the sender is silent

Each event has an `id:`, the name of the log and the number of the entry. The events have names, as a page has to do another
thing with each; none is named `error` or `open`, which `EventSource` fires itself. Just before the end there is always a
snapshot: what a reader holds then is the response that the same request returns without `stream`.

Rule 1  An id that is not one of ours, or of another log, is not read: its reader begins with all that there is.
Rule 2  A reader that had something, and whose log begins again, first gets a snapshot that says so (`null`).
"""

from __future__ import annotations

import json
from typing import Any

from streamkit import Outcome, SenderError

from ._store import Entry, Page, starts

__all__ = ("PING", "RETRY", "frames", "outcome_of", "parse_id", "said_of")

RETRY = b"retry: 1000\n\n"  # browsers wait for 3 to 5 seconds by default
PING = b": ping\n\n"
_LONGEST = 64  # characters of an id


def parse_id(text: str) -> tuple[str, int]:
    """Return the log and the number of an id; nothing, and 0, for what is not one."""
    log, dash, number = text.strip()[:_LONGEST].rpartition("-")
    if dash and log and number.isascii() and number.isdigit():
        return log, int(number)
    return "", 0


def frames(page: Page, had: bool) -> bytes:
    """Return the events of a page, for a reader that `had` something before it."""
    out = []
    if page.fresh and had and not (page.entries and starts(page.entries[0].kind)):
        out.append(_event(page.log, (page.entries[0].number if page.entries else 1) - 1, "snapshot", b"null"))
    for at, entry in enumerate(page.entries):
        if entry.kind == "base":
            if at or not page.fresh:
                continue
            out.append(_event(page.log, entry.number, "snapshot", entry.data))
        else:
            out.append(_event(page.log, entry.number, entry.kind, entry.data))
    return b"".join(out)


def _event(log: str, number: int, name: str, data: bytes) -> bytes:
    return b"event: %b\nid: %b-%d\ndata: %b\n\n" % (name.encode(), log.encode(), number, data)


def said_of(outcome: Outcome) -> bytes:
    """Return how a stream ended, as the data of the last event."""
    error = outcome.error
    facts: dict[str, Any] = {"outcome": outcome.name, "reason": outcome.reason, "error": None}
    if error is not None:
        facts["error"] = {"message": error.message, "kind": error.kind, "retryable": error.retryable}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


class _Said(SenderError):
    """An error of which only the words are known: it happened in another process."""

    def __init__(self, message: str, kind: Any, retryable: bool) -> None:
        super().__init__(message)
        self._facts = (kind, retryable)

    @property
    def kind(self) -> Any:
        return self._facts[0]

    @property
    def retryable(self) -> bool:
        return self._facts[1]


def outcome_of(entry: Entry) -> Outcome:
    """Return the outcome that the last entry of a log says."""
    said = json.loads(entry.data)
    error = said["error"]
    made = None if error is None else _Said(error["message"], error["kind"], error["retryable"])
    return Outcome(said["outcome"], said["reason"], made)
