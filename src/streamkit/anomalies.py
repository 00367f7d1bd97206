"""What a sender did that the OpenAI format does not say: one table of codes, and the bounded list of what was seen.

Severities: `note` (harmless, nothing was changed), `repaired` (the meaning is certain and was restored), `lost`
(something could not be used and is not in the response). An anomaly is described once for each code and path and
counted after that, so that a sender which is odd in every chunk costs no memory.
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


Grade = TypeVar("Grade", bound=str)


@attrs.frozen
class Sighting(Generic[Grade]):
    """What was seen in a stream: once in words, and how often. `Grade`: the severities that there are."""

    code: str
    """A word from the table of its kind: `CODES` for an anomaly."""
    severity: Grade
    """How bad it is."""
    message: str
    """One sentence: what the sender did."""
    action: str
    """One sentence: what was made of it."""
    path: str
    """JSON path inside the event (`$.choices[0].index`), or `$` for the event as a whole."""
    event: int
    """1-based number of the event in which it was first seen; 0 for what belongs to no event."""
    count: int
    """How often it was seen."""
    excerpt: str | None = None
    """The start of what stood there the first time."""


@attrs.frozen
class Anomaly(Sighting[Severity]):
    """One thing that a sender did and the format does not say."""


CODES: dict[str, tuple[Severity, str, str]] = {
    # code: (severity, what the sender did, what was made of it)
    # --- bytes and events
    "invalid_utf8": ("repaired", "Bytes of an event are not UTF-8.", "They were replaced by U+FFFD."),
    "unterminated_event": ("repaired", "The stream ends inside an event.", "Its data was whole JSON and was used."),
    "unterminated_done": ("note", "`[DONE]` has no blank line behind it.", "It counts all the same."),
    "torn_event": ("lost", "The stream ends inside an event.", "Its data was no whole JSON and was left out."),
    "not_json": ("lost", "The data of an event is not JSON.", "The event was left out."),
    "too_deep": ("lost", "The data of an event is nested too deeply.", "The event was left out."),
    "not_a_chunk": ("note", "An event holds JSON that is not a chunk.", "It was taken for a ping."),
    "perhaps_error": (
        "note",
        "An event may be an error, or a ping.",
        "It is an error if neither output nor a finish reason follows, and none stood before.",
    ),
    "null_event": ("note", "The data of an event is null.", "The event was left out."),
    "blank_event": ("note", "The data of an event is blank.", "The event was left out."),
    "unframed_json": (
        "repaired",
        "JSON stands on a line without `data:`, or with more around it.",
        "It was read as data.",
    ),
    "ignored_line": ("note", "A line is no field of the standard, and no JSON.", "It was ignored."),
    "several_documents": ("repaired", "One event holds several JSON documents.", "Each was read for itself."),
    "event_in_event": ("lost", "An event breaks off inside another.", "The broken one was dropped, the rest read."),
    "json_in_string": (
        "repaired",
        "The data of an event is JSON written as a JSON string.",
        "It was read as that JSON.",
    ),
    "unread_end": ("lost", "The stream ends with text that is not an event.", "It was left out."),
    "split_document": ("repaired", "One JSON document stands in two events.", "They were joined."),
    "chunk_list": ("repaired", "An event holds a list of chunks.", "Each was read for itself."),
    "after_done": (
        "note",
        "Something follows the end of the stream.",
        "Of it only unknown fields of a chunk were taken.",
    ),
    "done_suffix": ("note", "Something follows `[DONE]` in the same event.", "It was left out of the response."),
    "missing_done": ("note", "The stream has finish reasons but no `[DONE]`.", "It counts as complete."),
    "missing_finish": ("note", "`[DONE]` came before every choice had a finish reason.", "It counts as complete."),
    "full_body": ("repaired", "A full response came where a stream was asked for.", "It was read as the response."),
    "non_finite_number": (
        "repaired",
        "A number is NaN or infinite, which JSON cannot say, or has more digits than Python reads (4,300).",
        "It became a float.",
    ),
    "lone_surrogate": ("repaired", "Half a surrogate pair never met its other half.", "It became U+FFFD."),
    # --- the chunk
    "choices_missing": ("note", "A chunk has no `choices`, or null.", "It was read as an empty list."),
    "choices_object": ("repaired", "`choices` is an object, not a list.", "It was read as its only item."),
    "null_item": ("note", "A list holds null where an object belongs.", "It was left out."),
    "bad_choice": ("lost", "A choice is not an object.", "It was left out."),
    "index_missing": ("repaired", "A choice has no index.", "Its position was used."),
    "index_type": ("repaired", "An index is not a whole number.", "It was converted."),
    "delta_missing": ("note", "A choice has no delta, or null.", "It was read as an empty one."),
    "message_for_delta": ("repaired", "A choice has a message instead of a delta.", "It was read as a delta."),
    "message_repeated": ("note", "A full message follows the deltas.", "Only what was still missing was taken."),
    "message_differs": ("lost", "A full message differs from its deltas.", "The deltas stand."),
    "field_type": ("repaired", "A field has another type than the format says.", "It was converted."),
    "bad_field": ("lost", "A field has a type that cannot be converted.", "It was kept as an unknown field."),
    "created_missing": ("note", "A chunk has no `created`, or null.", "The time that another chunk gives stands."),
    "created_form": ("repaired", "`created` is not a whole number of seconds.", "It was converted."),
    "finish_empty": ("note", "A finish reason is empty, or the word `null`.", "It counts as none."),
    "finish_unknown": ("note", "A finish reason is not of the format.", "It was kept as it is."),
    "id_word": ("note", "An id is a word for no value: null, none, undefined.", "It counts as absent."),
    "number_unreadable": ("lost", "A count is no number, or too great for one.", "It was left out."),
    "number_changed": ("note", "An unknown number changes between chunks.", "The last one stands."),
    "object_repeated": ("note", "Another object stands where one stood before.", "Both were kept, as a list."),
    "list_repeated": ("note", "A list in a delta repeats what was sent before.", "Only what is new in it was taken."),
    "id_changed": ("note", "The id changes between chunks.", "The first one stands."),
    "created_changed": ("note", "The time of creation changes between chunks.", "The first one stands."),
    "model_changed": ("note", "The model changes between chunks.", "The first one stands."),
    "choice_restarted": ("note", "The role of a choice comes again behind its text.", "The choice goes on."),
    "finish_changed": ("note", "A choice got a second, different finish reason.", "The last one stands."),
    "role_unknown": ("note", "A role is not of the format.", "It was kept as it is."),
    "after_finish": ("note", "A choice went on after its finish reason.", "It was reopened."),
    "usage_moved": ("note", "Usage stands elsewhere than on the chunk.", "It was taken from there."),
    "usage_repeated": ("note", "Usage came more than once.", "The last one stands, none was added up."),
    "usage_per_choice": ("note", "Usage of the whole comes once for each choice.", "The last one stands."),
    "content_parts": ("repaired", "Content is a list of parts.", "Text and reasoning were taken from them."),
    "type_changed": ("repaired", "A field changes its type between chunks.", "All values were kept, as a list."),
    "audio_base64": ("repaired", "Audio data is not base64.", "The pieces were joined as text."),
    # --- tool calls
    "tool_calls_object": ("repaired", "`tool_calls` is an object, not a list.", "It was read as its only item."),
    "bad_tool_call": ("lost", "A tool call is not an object.", "It was left out."),
    "tool_index_missing": ("repaired", "A tool call has no index.", "It was placed by its id, its name or its turn."),
    "tool_index_reused": ("repaired", "Two tool calls share one index.", "They were told apart by id or name."),
    "tool_index_changed": ("note", "A fragment has the id of one call and the index of another.", "The id decides."),
    "tool_id_missing": ("repaired", "A tool call has no id.", "One was made up."),
    "tool_id_reused": ("repaired", "Two tool calls share one id.", "They were told apart by index or name."),
    "tool_id_changed": (
        "note",
        "The id of a tool call changes on the way.",
        "The one that its arguments began with stands.",
    ),
    "tool_id_nested": ("repaired", "The id of a tool call stands inside its function.", "It was taken from there."),
    "tool_name_missing": ("note", "A tool call ended without a name.", "It was kept as it is."),
    "tool_name_repeated": ("note", "The name of a tool call is repeated.", "It was taken once."),
    "arguments_object": ("repaired", "Arguments are JSON, not a string.", "They were written as a string."),
    "arguments_doubled": (
        "lost",
        "Arguments hold more than one JSON document: a piece repeats what came before it.",
        "They were kept as sent, and the call is not complete.",
    ),
    # --- errors
    "error_event": ("lost", "The sender reported an error inside the stream.", "The stream counts as failed."),
    # --- this list itself
    "more_anomalies": ("note", "More anomalies were seen than are kept.", "They were only counted."),
}
"""Every code with its severity, what the sender did, and what was made of it."""


MANY_NOTES = 64  # notes of one event that the trail keeps

_INDEX = re.compile(r"\[\d++\]")


class Anomalies:
    """Collects anomalies: described once for each code and path (whatever the index), counted after that.

    `strict`: raise a `FormatError` at the first one that is worse than a note.
    """

    def __init__(self, *, maximum: int, strict: bool = False) -> None:
        self.event = 0  # number of the event that is being read; set by the accumulator
        self.trail: list[tuple[str, str]] = []  # what was noted since the reader of this list emptied it
        self.strict = strict
        self.fresh: list[Anomaly] = []  # first sightings that no one has been told of yet
        self._deferred: list[FormatError] | None = None
        self._maximum = maximum
        self._seen: dict[tuple[str, str], Anomaly] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def note(self, code: str, path: str = "$", found: object = None) -> None:
        """Record that `code` was seen at `path`, where `found` stood."""
        key = (code, _INDEX.sub("[]", path))
        if len(self.trail) < MANY_NOTES:
            self.trail.append(key)
        elif len(self.trail) == MANY_NOTES:  # an event of a million odd items: its trail is no longer of use
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
        """Raise nothing for a while; the list holds what would have been raised."""
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
        """Every anomaly so far, in order of first sight, each with its count."""
        return tuple(attrs.evolve(seen, count=self._counts[key]) for key, seen in self._seen.items())


def ignore(code: str, path: str = "$", found: object = None) -> None:
    """Note nothing: the sink for a value that is read a second time, whose anomalies were noted the first time."""


show_fields(__name__)
