"""The kinds of fields in a checkpoint: a record for each class of `_fold/field_rules.py`, and for those of `_fold/fields.py`
that hold other fields. `fields.py` reads and writes them.
"""

from __future__ import annotations

import base64
from typing import Any

from .._fold.field_rules import (
    Base64,
    Dropped,
    Each,
    Extend,
    First,
    Last,
    LastDocument,
    Ledger,
    Mixed,
    SameOrAdd,
    Text,
    all_repeated,
    nothing,
)
from .._fold.fields import Block, Fields, Keyed, Several
from .records import Record, Slot
from .shapes import FLAG, TEXT, WHOLE, Mapped, Maybe, Plain, Refused, Way, members
from .values import ITEMS, VALUE

__all__ = ("BLOCK", "HOLDERS", "KEYED", "NAMES", "RECORDS")

# --- text

_FROM_PATH = "made with the field, from its path"
_OF_CHOICE = "that of the choice"
_HALF = Plain(
    "nothing, or the first half of a surrogate pair",
    lambda found: type(found) is str and (not found or (len(found) == 1 and "\ud800" <= found <= "\udbff")),
)


def _put_text(state: Text, text: str, way: Way) -> None:
    if text:
        state._joined, state._length = [text], len(text)


def _silence(state: Any, silent: bool, way: Way) -> None:
    if silent:
        state._lone = nothing


_SILENT = Slot("silent", FLAG, False, lambda state, way: state._lone is nothing, _silence)
_WAITS = Slot("waits", WHOLE, None, lambda state, way: way.place(state), lambda state, at, way: way.claim(state, at))

_TEXT = Record(
    Text,
    Slot("text", TEXT, "", lambda state, way: state.value(), _put_text),
    Slot("held", _HALF, ""),
    _SILENT,
    _WAITS,
    beside={
        "_joined": "in `text`",
        "_length": "that of `text`",
        "pieces": "in `text`",
        "_lone": _FROM_PATH,
        "_waiting": _OF_CHOICE,
    },
)


class _TextWithin:
    """The text inside another state; read by the state, since it is created from it."""

    def write(self, value: Any, way: Way) -> Any:
        return _TEXT.write(value, way)

    def read(self, found: Any, way: Way) -> Any:
        return members(found)


def _put_joined(state: SameOrAdd, found: Any, way: Way) -> None:
    state._text = _TEXT.fill(Text(state._lone, state._waiting), found, way)


def _put_document(state: LastDocument, found: Any, way: Way) -> None:
    _TEXT.fill(state._text, found, way)


_MEMBER = 5  # bytes of `"":"",` around a text


def _check_times(state: SameOrAdd, way: Way) -> str | None:
    """Check that a text was not the same a trillion times, which becomes a trillion texts once another arrives: no more
    than could have arrived as bytes."""
    if state._text is None:
        way.spent += state._times * (len(state._first or "") + _MEMBER)
    most = way.context.limits.max_response_bytes
    if way.spent > most or (state._first is None and state._times):
        return f"a text repeated as often as events of {most:,} bytes, the limit, allow"
    return None


# --- the other kinds


class _Decoded:
    """The bytes of joined base64."""

    def write(self, value: Any, way: Way) -> Any:
        return base64.b64encode(b"".join(value)).decode("ascii")

    def read(self, found: Any, way: Way) -> Any:
        try:
            return [base64.b64decode(found, validate=True)]
        except (TypeError, ValueError):
            raise Refused("base64", found) from None


RECORDS: dict[str, Record] = {
    "first": Record(First, Slot("_value", VALUE, None)),
    "last": Record(Last, Slot("_value", VALUE, None), Slot("varies", FLAG, False), Slot("weight", WHOLE, 0)),
    "each": Record(Each, Slot("_items", ITEMS, [])),
    "mixed": Record(Mixed, Slot("_items", ITEMS)),
    "ledger": Record(Ledger, Slot("_value", Mapped(VALUE), {})),
    "dropped": Record(Dropped),
    "text": _TEXT,
    "same_or_add": Record(
        SameOrAdd,
        Slot("_first", TEXT, None),
        Slot("_times", WHOLE, 0),
        _SILENT,
        Slot("_text", _TextWithin(), None, put=_put_joined),
        _WAITS,
        beside={"_lone": _FROM_PATH, "_waiting": _OF_CHOICE},
        check=_check_times,
    ),
    "last_document": Record(
        LastDocument,
        Slot("_text", _TextWithin(), put=_put_document),
        Slot("_settled", FLAG, False),
        Slot("plain", FLAG, False),
        _WAITS,
        beside={"_waiting": _OF_CHOICE},
    ),
    "extend": Record(
        Extend,
        Slot("_items", ITEMS, []),
        Slot("grows", FLAG, False, lambda state, way: state._repeats is all_repeated, lambda state, grows, way: None),
        beside={"_lone": _FROM_PATH, "_repeated": _FROM_PATH, "_repeats": "`grows` and the path say which"},
    ),
    "base64": Record(
        Base64,
        Slot("_bytes", Maybe(_Decoded()), []),
        Slot("_carry", TEXT, ""),
        Slot(
            "_pieces",
            TEXT,
            "",
            lambda state, way: "".join(state._pieces),
            lambda state, text, way: setattr(state, "_pieces", [text]),
        ),
        beside={"_broken": _FROM_PATH},
    ),
}
"""The kinds that hold no other field, by name. Those that do are below."""

NAMES: dict[type[Any], str] = {record.kind: name for name, record in RECORDS.items()} | {
    Fields: "fields",
    Keyed: "keyed",
    Several: "several",
}

BLOCK = Record(
    Block,
    Slot("turn", WHOLE),
    Slot("sealed", FLAG, False),
    Slot(
        "compared",
        FLAG,
        False,
        lambda block, way: block.whole is not None,
        lambda block, compared, way: setattr(block, "whole", block.fields.value() if compared else None),
    ),
    beside={"fields": "beside it in the entry", "whole": "`compared` says whether it is known"},
)
KEYED = Record(
    Keyed,
    Slot("_turn", WHOLE, 0),
    beside={
        "_context": "that of the accumulator",
        "_entries": "written one by one",
        "_known": "the rules say it",
        "_last": "written as numbers of entries",
        "_path": _FROM_PATH,
        "_waiting": _OF_CHOICE,
    },
)
_MADE = {"_context": "that of the accumulator", "_path": _FROM_PATH, "_waiting": _OF_CHOICE}
HOLDERS = (
    KEYED,
    BLOCK,
    Record(Fields, beside={**_MADE, "_prefix": _FROM_PATH, "_states": "written one by one"}),
    Record(Several, beside={**_MADE, "_entries": "written one by one"}),
)
"""The records of the classes that hold fields, which `write_field` and `read_field` write with as few frames as
possible."""
