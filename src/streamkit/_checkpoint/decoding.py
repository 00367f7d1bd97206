"""What the state of the bytes is: the decoder, the sniffer and the reader that owns them, and half a document.

The fast lane is not in it: it learns again. What it had read is counted before a checkpoint is written, and its text is
where it appended it, in the fields.
"""

from __future__ import annotations

from array import array
from typing import Any

from .._decode.documents import DocumentReader
from .._decode.sniff import Sniffer
from .._fast.block_reader import BlockReader
from ..sse import EventDecoder
from .records import DERIVED, OPTION, OWNER, Record, Slot, within
from .shapes import BYTES, FLAG, TEXT, WHOLE, Each, Maybe, Row, Way, whole_up_to

__all__ = ("DECODER", "DOCUMENTS", "READER", "SNIFFER")


def _set_bytes(attribute: str) -> Any:
    return lambda owner, value, way: setattr(owner, attribute, bytearray(value))


def _check_decoder(decoder: EventDecoder, way: Way) -> str | None:
    maximum = way.context.limits.max_event_bytes
    if decoder.held > maximum:
        return f"an event of at most {maximum:,} bytes, the limit"
    if len(decoder._ignored) != len(decoder._ignored_at):
        return "as many places of ignored lines as lines"
    if decoder.comments > way.context.limits.max_comments:
        return f"at most {way.context.limits.max_comments:,} comments, the limit"
    decoder._plain = not (decoder._bom is not None or decoder._after_cr or decoder._failed or decoder._closed)
    decoder._between = not (decoder._size + len(decoder._tail))
    return None


DECODER = Record(
    EventDecoder,
    Slot("retry", Maybe(WHOLE), None),
    Slot("last_event_id", TEXT, ""),
    Slot("unread", Each(BYTES, tuple), ()),
    Slot("unread_event", TEXT, "message"),
    Slot("events", WHOLE, 0),
    Slot("comments", WHOLE, 0),
    Slot("_flooded", FLAG, False),
    Slot("_closed", FLAG, False),
    Slot("_failed", FLAG, False),
    Slot("_owed", FLAG, False),
    Slot("_bom", Maybe(BYTES), b""),
    Slot("_after_cr", FLAG, False),
    Slot("_tail", BYTES, bytearray(), put=_set_bytes("_tail")),
    Slot("_size", WHOLE, 0),
    Slot("_id", TEXT, ""),
    Slot("_type", TEXT, ""),
    Slot("_data", Each(BYTES), []),
    Slot("_ignored", Each(BYTES), []),
    Slot("_ignored_at", Each(whole_up_to(2**32 - 1), lambda places: array("I", places)), array("I")),
    beside={
        "_maximum": OPTION,
        "_most": OPTION,
        "_most_comments": OPTION,
        "_plain": DERIVED,
        "_between": DERIVED,
    },
    check=_check_decoder,
)

SNIFFER = Record(
    Sniffer,
    Slot("decided", FLAG, False),
    Slot("body", FLAG, False),
    Slot("_held", BYTES, bytearray(), put=_set_bytes("_held")),
    Slot("_looked", WHOLE, 0),
    Slot("_packed", FLAG, False),
    beside={"_maximum": OPTION},
)


class _SnifferOrNone:
    """The sniffer while it is open, or null."""

    def write(self, value: Any, way: Way) -> Any:
        return None if value is None else SNIFFER.write(value, way)

    def read(self, found: Any, way: Way) -> Any:
        return None if found is None else SNIFFER.fill(Sniffer(way.context.limits.max_event_bytes), found, way)


_LEARNS = "the fast lane, which learns again"

READER = Record(
    BlockReader,
    within("_decoder", DECODER),
    Slot("sniffer", _SnifferOrNone()),
    Slot("_head", BYTES, b""),
    Slot("_tail", BYTES, b""),
    Slot("_size", WHOLE, 0),
    Slot("_blocks", WHOLE, 0),
    beside={
        "_assembler": OWNER,
        "_reducer": OWNER,
        "_event_limit": OPTION,
        "_response_limit": OPTION,
        "_value_limit": OPTION,
        "_looks": _LEARNS,
        "_early": _LEARNS,
        "lane": _LEARNS,
        "_asleep": _LEARNS,
        "_slept_at": _LEARNS,
        "_wake_at": _LEARNS,
    },
)

DOCUMENTS = Record(
    DocumentReader,
    Slot("_torn", Maybe(Row(BYTES, WHOLE)), None),
    beside={"_anomalies": OWNER, "_maximum": OPTION, "_light": OPTION},
)
