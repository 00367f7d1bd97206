"""What the state of an accumulator is: one table, a `Record` for each class that has any.

It is in the order in which bytes travel: decoder, sniffer and reader, then what its events are folded into. The
document is the tree of these records; `docs/durable-streams.md` describes it for users. A name or a shape that changes
is a new `VERSION` (`document.py`).
"""

from __future__ import annotations

from typing import Any

from .._fold.assembler import Assembler
from .._fold.fields import Context
from .._fold.leftovers import Leftovers
from .._fold.reducer import Reducer
from .._fold.usage import UsageLedger
from ..anomalies import CODES, Anomalies, Anomaly, key_of
from ..dialect import Interpreter, ThinkTags
from ..outcome import REASONS
from .choices import CALL, CALLS, CHOICE, CHOICES, SO_FAR
from .decoding import DECODER, DOCUMENTS, READER, SNIFFER
from .endings import ERROR, OUTCOME, REASON
from .fields import Standing, object_slot
from .records import CODE, DERIVED, OPTION, OWNER, PASSING, New, Record, Slot, Within, within
from .shapes import (
    BYTES,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Each,
    Mapped,
    Maybe,
    Refused,
    Row,
    Shape,
    Way,
    at,
    known,
)
from .values import JSON, TOKENS, USAGE, WORD

__all__ = ("ASSEMBLER", "READER", "TABLE")


# --- anomalies


class _Seen:
    """Each anomaly, in order: `[code, path, event, excerpt, count, reported]`. What it means is in `CODES`."""

    _shape = Each(Row(known(lambda: CODES, "the code of an anomaly"), TEXT, WHOLE, Maybe(TEXT), COUNT, FLAG))

    def write(self, anomalies: Any, way: Way) -> Any:
        fresh = set(map(id, anomalies.fresh))
        return [
            [seen.code, seen.path, seen.event, seen.excerpt, anomalies._counts[key], id(seen) not in fresh]
            for key, seen in anomalies._seen.items()
        ]

    def read(self, found: Any, way: Way) -> Any:
        return self._shape.read(found, way)


def _put_seen(anomalies: Anomalies, rows: list[Any], way: Way) -> None:
    most = way.context.limits.max_anomalies + 1
    if len(rows) > most:
        raise Refused(f"at most {most} anomalies, the limit", rows)
    for number, (code, path, event, found, count, reported) in enumerate(rows):
        if not code:
            with at(number):
                raise Refused("the code of an anomaly", code)
        severity, message, action = CODES[code]
        anomaly = Anomaly(code, severity, message, action, path, event, 1, found)
        key = key_of(code, path)
        anomalies._seen[key], anomalies._counts[key] = anomaly, count
        if not reported:
            anomalies.fresh.append(anomaly)


_ANOMALIES = Record(
    Anomalies,
    Slot("event", WHOLE, 0),
    Slot("strict", FLAG, False),
    Slot("_seen", _Seen(), [], lambda anomalies, way: anomalies if anomalies._seen else [], _put_seen),
    beside={
        "_counts": "in `seen`",
        "fresh": "in `seen`",
        "trail": PASSING,
        "_deferred": PASSING,
        "_maximum": OPTION,
    },
)

# --- what is folded


_CONTEXT = Record(
    Context,
    Slot("event", WHOLE, 0),
    Slot("size", WHOLE, 0),
    Slot("kept", WHOLE, 0),
    Slot("mixed", FLAG, False),
    Slot("unknown", Mapped(WHOLE), {}),
    beside={"rules": OPTION, "limits": OPTION, "dialect": OPTION, "note": OWNER, "id": "that of the reducer"},
)


_TAGS = Record(
    ThinkTags,
    Slot("_held", TEXT, ""),
    Slot("_blank", Each(TEXT), []),
    Slot("_tag", known(lambda: ("<think>", "</think>"), "a tag"), "<think>"),
    Slot("_thinking", FLAG, False),
)


class _Rows:
    """A mapping whose keys are numbers, or a number and a name: rows of key and value."""

    def __init__(self, value: Shape, *, named: bool) -> None:
        self._named = named
        self._shape = Each(Row(*((NUMBER, TEXT, value) if named else (NUMBER, value))))

    def write(self, value: Any, way: Way) -> Any:
        rows = [(*key, one) if self._named else (key, one) for key, one in value.items()]
        return self._shape.write(rows, way)

    def read(self, found: Any, way: Way) -> Any:
        rows = self._shape.read(found, way)
        return {tuple(row[:-1]) if self._named else row[0]: row[-1] for row in rows}


_INTERPRETER = Record(
    Interpreter,
    Slot("_so_far", _Rows(New(SO_FAR), named=True), {}),
    Slot("_tokens", _Rows(TOKENS, named=True), {}),
    Slot("_tags", _Rows(New(_TAGS), named=False), {}),
    beside={"_habits": OPTION},
)

_LEFTOVERS = Record(
    Leftovers,
    Slot("before_chunks", BYTES, b""),
    Slot("_last", Row(WHOLE, BYTES), (0, b"")),
)

_USAGE = Record(
    UsageLedger,
    Slot("source", Mapped(Row(TEXT, WHOLE)), {}),
    Slot("_counts", Standing("usage", {}, (dict,))),
    Slot("_lists", Mapped(WHOLE), {}),
    Slot("_reports", WHOLE, 0),
    Slot("_only", Maybe(USAGE), None),
    Slot("unreported", FLAG, False),
    Slot("_total", Maybe(Row(JSON, FLAG)), None),
    beside={"_context": OWNER, "_as_written": DERIVED},
)

# --- the response

_METADATA = Row(TEXT, NUMBER, TEXT, WORD, Maybe(TEXT))


def _check_reducer(reducer: Reducer, way: Way) -> str | None:
    way.context.id = reducer._id
    reducer._finished = sum(bool(state.finish.value()) for state in reducer.choices.values())
    tier = reducer.metadata[3] if reducer.metadata else None
    return None if tier is None or isinstance(tier, str) else "a service tier that is a text"


_REDUCER = Record(
    Reducer,
    Slot("chunks", WHOLE, 0),
    Slot("emitted", FLAG, False),
    Slot("said", FLAG, False),
    Slot("sequence", WHOLE, 0),
    Slot("choices", CHOICES, {}),
    Slot("_metadata", _METADATA, ()),
    Slot("_id", Standing("id", "")),
    Slot("_created", Standing("created", 0, (int,))),
    Slot("_model", Standing("model", "")),
    Slot("_tier", Standing("service_tier", "")),
    Slot("_fingerprint", Standing("system_fingerprint", "")),
    within("usage", _USAGE),
    Slot("models", Each(TEXT, dict.fromkeys), {}),
    object_slot("_extra", ""),
    beside={
        "_context": OWNER,
        "_finished": DERIVED,
        "last": PASSING,
        "whole": "of writers of clean chunks, which have no checkpoint",
    },
    check=_check_reducer,
)


def _check_assembler(assembler: Assembler, way: Way) -> str | None:
    limits = way.context.limits
    if assembler.error is not None and REASONS.get(assembler._reason, ("",))[0] != "failed":
        return "a reason that says why the stream failed, beside its error"
    if assembler.outcome is not None:  # what met a limit was counted before the stream failed
        return None
    if assembler.data_bytes > limits.max_response_bytes:
        return f"events of at most {limits.max_response_bytes:,} bytes, the limit"
    if way.context.kept > limits.max_extra_values:
        return f"unknown fields of at most {limits.max_extra_values:,} values, the limit"
    return None


def _put_interpreter(assembler: Assembler, found: Any, way: Way) -> None:
    if assembler._interpreter is None:
        raise Refused("no state of a dialect, since there is none", found)
    _INTERPRETER.fill(assembler._interpreter, found, way)


ASSEMBLER = Record(
    Assembler,
    within("context", _CONTEXT),
    within("anomalies", _ANOMALIES),
    within("reducer", _REDUCER),
    Slot("_interpreter", Within(_INTERPRETER), None, put=_put_interpreter),
    within("_documents", DOCUMENTS),
    Slot("events", WHOLE, 0),
    Slot("data_bytes", WHOLE, 0),
    Slot("_pings", WHOLE, 0),
    Slot("_format", Maybe(TEXT), None),
    Slot("_weak", Maybe(ERROR), None),
    within("_left", _LEFTOVERS),
    Slot("_ended", FLAG, False),
    Slot("error", Maybe(ERROR), None),
    Slot("_reason", REASON, ""),
    Slot("instead", Maybe(ERROR), None),
    OUTCOME,
    beside={
        "_response_limit": OPTION,
        "_value_limit": OPTION,
        "tap": CODE,
        "refine_chunk": CODE,
        "refine_response": CODE,
        "caller_error": PASSING,
    },
    check=_check_assembler,
)

TABLE: tuple[Record, ...] = (
    DECODER, SNIFFER, READER, DOCUMENTS, _ANOMALIES, _CONTEXT, SO_FAR, _TAGS, _INTERPRETER, _LEFTOVERS, _USAGE, CALL, CALLS,
    CHOICE, _REDUCER, ASSEMBLER,
)  # fmt: skip
"""Every record, except those of `fields` and `endings`."""
