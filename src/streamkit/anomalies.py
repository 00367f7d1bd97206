"""Anomalies: one table of the ways in which senders deviate from the OpenAI format, and the bounded list of those seen.

Severities: `note` (harmless, nothing was changed), `repaired` (the meaning is certain and was restored), `lost`
(something could not be used and is not in the response). An anomaly is described once for each code and path and
counted after that, so that a sender that is odd in every chunk costs no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

import attrs

from ._field_docs import show_fields
from .errors import FormatError, excerpt

__all__ = ("CODES", "Anomalies", "Anomaly", "Severity")

Severity = Literal["note", "repaired", "lost"]
"""How bad an anomaly is: harmless, restored with certainty, or not in the response."""


Grade = TypeVar("Grade", bound=str)


@attrs.frozen
class Sighting(Generic[Grade]):
    """Something seen in a stream: described once, with a count. `Grade`: its possible severities."""

    code: str
    """Its key in the table of its kind: `CODES` for an anomaly."""
    severity: Grade
    """How severe it is: `note`, `repaired` or `lost` for an anomaly."""
    message: str
    """One sentence: what the sender did."""
    action: str
    """One sentence: what was done about it."""
    path: str
    """JSON path inside the event (`$.choices[0].index`), or `$` for the event as a whole."""
    event: int
    """1-based number of the event in which it was first seen; 0 if it belongs to no event."""
    count: int
    """How often it was seen."""
    excerpt: str | None = None
    """The start of what was found there the first time, at most 120 characters; None if nothing is worth quoting."""


@attrs.frozen
class Anomaly(Sighting[Severity]):
    """One way in which a sender deviated from the OpenAI format."""


CODES: dict[str, tuple[Severity, str, str]] = {
    # code: (severity, what the sender did, what was done about it)
    # --- bytes and events
    "invalid_utf8": ("repaired", "Bytes of an event are not UTF-8.", "They were replaced by U+FFFD."),
    "unterminated_event": ("repaired", "The stream ends inside an event.", "Its data was whole JSON and was used."),
    "unterminated_done": ("note", "`[DONE]` is not followed by a blank line.", "It counts anyway."),
    "torn_event": ("lost", "The stream ends inside an event.", "Its data was incomplete JSON and was left out."),
    "not_json": ("lost", "The data of an event is not JSON.", "The event was left out."),
    "too_deep": ("lost", "The data of an event is nested too deeply.", "The event was left out."),
    "not_a_chunk": ("note", "An event holds JSON that is not a chunk.", "It was treated as a ping."),
    "perhaps_error": (
        "note",
        "An event may be an error, or a ping.",
        "It is an error if neither output nor a finish reason follows, and none arrived before.",
    ),
    "null_event": ("note", "The data of an event is null.", "The event was left out."),
    "blank_event": ("note", "The data of an event is blank.", "The event was left out."),
    "unframed_json": (
        "repaired",
        "JSON is on a line without `data:`, or with other text around it.",
        "It was read as data.",
    ),
    "ignored_line": ("note", "A line is neither a field of the standard nor JSON.", "It was ignored."),
    "several_documents": ("repaired", "One event holds several JSON documents.", "Each was read separately."),
    "event_in_event": (
        "lost",
        "An event breaks off, and another begins inside it.",
        "The broken one was dropped, the other was read.",
    ),
    "json_in_string": (
        "repaired",
        "The data of an event is JSON written as a JSON string.",
        "It was read as that JSON.",
    ),
    "unread_end": ("lost", "The stream ends with text that is not an event.", "It was left out."),
    "split_document": ("repaired", "One JSON document is split over two events.", "They were joined."),
    "chunk_list": ("repaired", "An event holds a list of chunks.", "Each was read separately."),
    "after_done": (
        "note",
        "More data arrived after the end of the stream.",
        "Only unknown fields of chunks were taken from it.",
    ),
    "done_suffix": ("note", "Something follows `[DONE]` in the same event.", "It was left out of the response."),
    "missing_done": ("note", "The stream has finish reasons but no `[DONE]`.", "It counts as complete."),
    "missing_finish": ("note", "`[DONE]` arrived before every choice had a finish reason.", "It counts as complete."),
    "full_body": ("repaired", "A full response arrived instead of a stream.", "It was read as the response."),
    "non_finite_number": (
        "repaired",
        "A number is NaN or infinite, which JSON cannot express, or has more digits than Python reads (4,300).",
        "It was read as a float.",
    ),
    "lone_surrogate": ("repaired", "Half of a surrogate pair has no other half.", "It was replaced by U+FFFD."),
    # --- the chunk
    "choices_missing": ("note", "A chunk has no `choices`, or they are null.", "They were read as an empty list."),
    "choices_object": ("repaired", "`choices` is an object, not a list.", "It was read as its only item."),
    "null_item": ("note", "A list holds null where an object belongs.", "It was left out."),
    "bad_choice": ("lost", "A choice is not an object.", "It was left out."),
    "index_missing": ("repaired", "A choice has no index.", "Its position was used."),
    "index_type": ("repaired", "An index is not a whole number.", "It was converted."),
    "delta_missing": ("note", "A choice has no delta, or it is null.", "It was read as an empty one."),
    "message_for_delta": ("repaired", "A choice has a message instead of a delta.", "It was read as a delta."),
    "message_repeated": ("note", "A full message follows the deltas.", "Only what was still missing was taken."),
    "message_differs": ("lost", "A full message differs from its deltas.", "The deltas were kept."),
    "field_type": ("repaired", "A field does not have the type that the format defines.", "It was converted."),
    "bad_field": ("lost", "A field has a type that cannot be converted.", "It was kept as an unknown field."),
    "created_missing": ("note", "A chunk has no `created`, or it is null.", "The time in another chunk is used."),
    "created_form": ("repaired", "`created` is not a whole number of seconds.", "It was converted."),
    "finish_empty": ("note", "A finish reason is empty, or the word `null`.", "It counts as none."),
    "finish_unknown": ("note", "A finish reason is not defined by the format.", "It was kept as it is."),
    "id_word": ("note", "An id is a word for no value: null, none, undefined.", "It counts as absent."),
    "number_unreadable": ("lost", "A count is not a number, or is too large.", "It was left out."),
    "number_changed": ("note", "An unknown number changes between chunks.", "The last one was kept."),
    "object_repeated": ("note", "A field holds a different object than before.", "Both were kept, as a list."),
    "list_repeated": ("note", "A list in a delta repeats what was sent before.", "Only the new items were taken."),
    "id_changed": ("note", "The id changes between chunks.", "The first one was kept."),
    "created_changed": ("note", "The time of creation changes between chunks.", "The first one was kept."),
    "model_changed": ("note", "The model changes between chunks.", "The first one was kept."),
    "choice_restarted": ("note", "The role of a choice is repeated after its text.", "The choice was continued."),
    "finish_changed": ("note", "A choice got a second, different finish reason.", "The last one was kept."),
    "role_unknown": ("note", "A role is not defined by the format.", "It was kept as it is."),
    "after_finish": ("note", "A choice continued after its finish reason.", "It was reopened."),
    "usage_moved": ("note", "Usage is not on the chunk but elsewhere.", "It was taken from there."),
    "usage_repeated": ("note", "Usage was reported more than once.", "The last report was kept; nothing was added up."),
    "usage_per_choice": (
        "note",
        "The usage of the whole response is repeated in each choice.",
        "The last one was kept.",
    ),
    "content_parts": ("repaired", "Content is a list of parts.", "Text and reasoning were taken from them."),
    "type_changed": ("repaired", "The type of a field changes between chunks.", "All values were kept, as a list."),
    "audio_base64": ("repaired", "Audio data is not base64.", "The pieces were joined as text."),
    # --- tool calls
    "tool_calls_object": ("repaired", "`tool_calls` is an object, not a list.", "It was read as its only item."),
    "bad_tool_call": ("lost", "A tool call is not an object.", "It was left out."),
    "tool_index_missing": (
        "repaired",
        "A tool call has no index.",
        "It was placed by its id, its name or its position.",
    ),
    "tool_index_reused": ("repaired", "Two tool calls share one index.", "They were distinguished by id or name."),
    "tool_index_changed": ("note", "A fragment has the id of one call and the index of another.", "The id was used."),
    "tool_id_missing": ("repaired", "A tool call has no id.", "One was made up."),
    "tool_id_reused": ("repaired", "Two tool calls share one id.", "They were distinguished by index or name."),
    "tool_id_changed": (
        "note",
        "The id of a tool call changes between chunks.",
        "The id in effect when its arguments began was kept.",
    ),
    "tool_id_nested": ("repaired", "The id of a tool call is inside its function.", "It was taken from there."),
    "tool_name_missing": ("note", "A tool call ended without a name.", "It was kept as it is."),
    "tool_name_repeated": ("note", "The name of a tool call is repeated.", "It was taken once."),
    "arguments_object": ("repaired", "Arguments are JSON, not a string.", "They were written as a string."),
    "arguments_doubled": (
        "lost",
        "Arguments are more than one JSON document: a piece repeats what was sent before it.",
        "They were kept as sent, and the call is not complete.",
    ),
    # --- errors
    "error_event": ("lost", "The sender reported an error inside the stream.", "The stream has failed."),
    # --- this list itself
    "more_anomalies": ("note", "More anomalies were seen than are kept.", "They were only counted."),
}
"""Every code with its severity, what the sender did, and what was done about it."""


MANY_NOTES = 64  # the most notes that the trail keeps of one event

_INDEX = re.compile(r"\[\d++\]")


def key_of(code: str, path: str) -> tuple[str, str]:
    """Return what an anomaly is counted by: its code, and its path without indices."""
    return code, _INDEX.sub("[]", path) if "[" in path else path


class Anomalies:
    """Collects anomalies: each code and path (ignoring indices) is described once, and counted after that.

    `strict`: raise a `FormatError` at the first one that is worse than a note.
    """

    def __init__(self, *, maximum: int, strict: bool = False) -> None:
        self.event = 0
        """Number of the event that is being read; the accumulator sets it."""
        self.trail: list[tuple[str, str]] = []  # noted since the reader of this list emptied it
        self.strict = strict
        self.fresh: list[Anomaly] = []  # first sightings not yet reported as events
        self._deferred: list[FormatError] | None = None
        self._maximum = maximum
        self._seen: dict[tuple[str, str], Anomaly] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def note(self, code: str, path: str = "$", found: object = None) -> None:
        """Record that `code` was seen at `path`, where `found` is the value."""
        key = key_of(code, path)
        if len(self.trail) < MANY_NOTES:
            self.trail.append(key)
        elif len(self.trail) == MANY_NOTES:  # an event of a million odd items: its trail is useless
            self.trail.append(("more_anomalies", ""))
        if key in self._counts:
            self._counts[key] += 1
            return
        if len(self._counts) >= self._maximum and code != "more_anomalies":
            return self.note("more_anomalies")
        severity, message, action = CODES[code]
        shown = None if found is None else excerpt(found)
        anomaly = Anomaly(code, severity, message, action, path, self.event, 1, shown)
        self._seen[key] = anomaly
        self._counts[key] = 1
        self.fresh.append(anomaly)
        if self.strict and severity != "note":
            error = FormatError(message, code=code, event=self.event, path=path, excerpt=shown)
            if self._deferred is None:
                raise error
            self._deferred.append(error)

    @contextmanager
    def deferred(self) -> Iterator[list[FormatError]]:
        """Collect errors in the returned list instead of raising them, while the context is open."""
        found: list[FormatError] = []
        self._deferred = found
        try:
            yield found
        finally:
            self._deferred = None

    def repeat(self, keys: tuple[tuple[str, str], ...], times: int) -> None:
        """Count again what was noted before, by its entries in the trail."""
        for key in keys:
            self._counts[key] += times

    def all(self) -> tuple[Anomaly, ...]:
        """Return every anomaly so far, in order of first sighting, each with its count."""
        return tuple(attrs.evolve(seen, count=self._counts[key]) for key, seen in self._seen.items())


def ignore(code: str, path: str = "$", found: object = None) -> None:
    """Note nothing: the sink for a value that is read a second time, whose anomalies were noted the first time."""


show_fields(__name__)
