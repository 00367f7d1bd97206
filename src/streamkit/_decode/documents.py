"""The JSON documents in an event: nearly always one; `[DONE]`; or whatever can be salvaged if it is neither.

In: events, one after the other. Out: their documents, `[DONE]` as the bytes `b"[DONE]"`, to distinguish it from a JSON
string. Repairs and losses are noted. State: data that is not JSON but begins like an object is kept until the next
event, since a relay may have put a blank line into a document. Cost: one parse an event, two if it is torn.
"""

from __future__ import annotations

from typing import Any

import jiter

from ..anomalies import Anomalies
from ..errors import LimitError
from ..sse import ServerSentEvent
from .repair import DONE, repair
from .scanning import HEAVIEST, check_weight, is_deep
from .tolerant_json import decode

__all__ = ("DONE", "DocumentReader")


class DocumentReader:
    """read(event) -> documents, then give_up() if nothing more can follow. `maximum`: the most values of one event."""

    __slots__ = ("_anomalies", "_light", "_maximum", "_torn")

    def __init__(self, anomalies: Anomalies, maximum: int) -> None:
        self._anomalies = anomalies
        self._maximum = maximum
        self._light = maximum // HEAVIEST  # so few bytes cannot be too many values: no call for those
        self._torn: tuple[bytes, int] | None = (
            None  # the data of an event that may continue in the next, and its number
        )

    @property
    def waiting(self) -> bool:
        """True if part of a document waits for the rest."""
        return self._torn is not None

    def plain(self, data: bytes) -> Any:
        """Return what `read` returns for an event that is nothing but `data`, if it is one object or `[DONE]`, as nearly
        all are; None if `read` has to decide. Notes nothing."""
        if self._torn is not None or len(data) > self._light:
            return None
        if data == DONE:
            return DONE
        try:
            value = jiter.from_json(data, allow_inf_nan=False)
        except ValueError:
            return None
        return value if type(value) is dict else None

    def read(self, event: ServerSentEvent) -> list[Any]:
        """Return the documents in `event`, in order; none if it cannot be read (yet)."""
        data, note = event.data, self._anomalies.note
        if data == DONE:
            self.give_up()
            return self._amid(event, DONE) if event.ignored else [DONE]
        if len(data) > self._light:
            try:
                check_weight(data, self._maximum, self._anomalies.event)
            except LimitError:
                if is_deep(data):
                    return self._too_deep(event)
                raise
        try:
            value, repairs = decode(data)
        except ValueError as refusal:
            return self._not_json(event, str(refusal))
        for code in repairs:
            note(code, "$", data)
        if type(value) is str and (inner := _within(value)) is not None:
            note("json_in_string", "$", data)
            value = inner
        if self._torn is not None:
            self.give_up()
        return self._amid(event, value) if event.ignored else [value]

    def _amid(self, event: ServerSentEvent, value: Any) -> list[Any]:
        """Return the documents of an event whose data is one: lines without `data:` may be others, before and after
        it."""
        before = event.ignored_at.count(0)
        return [
            *self._salvage(b"", event.ignored[:before]),
            value,
            *self._salvage(b"", event.ignored[before:]),
        ]

    def _not_json(self, event: ServerSentEvent, refusal: str) -> list[Any]:
        data, note = event.data, self._anomalies.note
        if "deep" in refusal or "recursion" in refusal:
            return self._too_deep(event)
        if self._torn is not None:
            torn = self._torn[0]
            check_weight(torn + data, self._maximum, self._anomalies.event)
            for joined in (torn + data, torn + b"\n\n" + data):
                try:
                    value, _ = decode(joined)
                except ValueError:
                    continue
                self._torn = None
                note("split_document", "$", joined)
                return [value]
            self.give_up()
        found = self._salvage(data, event.ignored, event.ignored_at)
        if found:
            return found
        if not data.strip():
            note("blank_event")
        elif event.event == "error":
            return [data.decode("utf-8", "replace")]  # an error in words: the event's type says what it is
        elif data.lstrip()[:1] == b"{":
            self._torn = (data, self._anomalies.event)
        else:
            note("not_json", "$", data)
        return []

    def _too_deep(self, event: ServerSentEvent) -> list[Any]:
        self.give_up()
        self._anomalies.note("too_deep", "$", event.data)
        return self._salvage(b"", event.ignored)

    def _salvage(self, data: bytes, ignored: tuple[bytes, ...], places: tuple[int, ...] = ()) -> list[Any]:
        if ignored and len(data) + sum(map(len, ignored)) > self._light:
            check_weight(b"\n".join((data, *ignored)), self._maximum, self._anomalies.event)
        values, codes = repair(data, ignored, places)
        for code in codes:
            self._anomalies.note(code, "$", data or ignored[0])
        return values

    def give_up(self) -> None:
        """Note that a document begun in an earlier event did not continue."""
        if self._torn is not None:
            data, number = self._torn
            self._torn = None
            current, self._anomalies.event = self._anomalies.event, number
            try:
                self._anomalies.note("not_json", "$", data)
            finally:
                self._anomalies.event = current

    def late(self, data: bytes) -> Any:
        """Return `data` as a document, or None; for data after the end of the stream; notes nothing."""
        try:
            check_weight(data, self._maximum)
            return decode(data)[0]
        except (ValueError, LimitError):
            return None

    def is_whole(self, event: ServerSentEvent) -> tuple[bool, bool]:
        """Return, for an unterminated event, whether all of its data can be read (JSON, `[DONE]`, several of them, an
        error message), and whether some of it can, if the rest was cut off."""
        data = event.data.strip()
        check_weight(data, self._maximum, self._anomalies.event)
        if data == DONE or (event.event == "error" and data[:1] not in (b"", b"{", b"[")):
            return True, True
        for text in (data, self._torn[0] + event.data) if self._torn is not None else (data,):
            try:
                value, _ = decode(text)
            except ValueError:
                continue
            if isinstance(value, (dict, list)) or (isinstance(value, str) and _within(value) is not None):
                return True, True
        values, codes = repair(data, event.ignored, event.ignored_at)
        return bool(values) and "event_in_event" not in codes, bool(values)


def _within(text: str) -> Any:
    """Return the document inside a JSON string, if a sender wrote JSON as a string: an object or `[DONE]`; else
    None."""
    data = text.strip().encode("utf-8", "surrogatepass")
    if data == DONE:
        return DONE
    if not (data.startswith(b"{") and data.endswith(b"}")):
        return None
    try:
        return decode(data)[0]
    except ValueError:
        return None
