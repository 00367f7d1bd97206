"""What to make of an event whose data is not one JSON document. Certain repairs only; the rest is left to the caller.

In: the data, and the lines of its event that the standard says to ignore. Out: the values in order, and the anomaly
codes of what was done. Relays put an error into an event that they had begun (`data: {…\\n{"error":…}`), senders forget
the blank line between two events, or the `data:` before the JSON, or tear an event with another.

Rule 1  Nothing from the first to the last byte of a document is touched or looked into: `{"a":"data: {}"}` is one.
Rule 2  A document begins where a line begins, where another one ends, or, after one that is torn, at a `data: ` in it.
Rule 3  Linear: the end of a document that has none is looked for in all the rest a few times only, then in its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, chain, repeat
from typing import Any

from .scanning import begin_of, end_of
from .tolerant_json import decode

__all__ = ("DONE", "is_unframed", "repair", "unframed", "unframed_lines")

DONE = b"[DONE]"

_Found = tuple[Any, tuple[str, ...]]
"""A value, and the codes of what had to be repaired in it."""

# Where to go on after something that is no document: at the next line, or at a `data: ` in this one. Inside of a string
# neither of these follows it: a quote would end the string, and more words would stand on the line of this `[DONE]`.
_NEXT = re.compile(rb"\n|data: ?(?=\{\s*+\"|\[DONE\]\s*+(?:\Z|\n|data:))")
_FRAMED = re.compile(rb"[\s\0]*+(?:\xef\xbb\xbf)?+[\s\0]*+data\s*+: ?", re.IGNORECASE)
_PATIENCE, _LEAST = 4, 65536  # how many times all the data, and how many bytes at least, are looked through in vain


def repair(data: bytes, ignored: Sequence[bytes] = (), places: Sequence[int] = ()) -> tuple[list[Any], list[str]]:
    """Return the JSON values to be had from `data` and `ignored`, and the codes of what was repaired or lost.

    `[DONE]` is returned as the bytes `b"[DONE]"`, so that it is told from a JSON string. No values: nothing could be had.
    `places`: how many lines of `data` stand before each ignored one; without it all of them do.
    """
    if not ignored:
        return _documents(data)
    rows = data.split(b"\n") if data else []
    places = places or [len(rows)] * len(ignored)
    whole = _across(rows, ignored, places)
    if whole is not None:
        return [whole[0]], ["unframed_json", *whole[1]]
    values: list[Any] = []
    codes: list[str] = []
    torn, read = False, 0
    lines = zip(places, ignored, strict=True) if rows else zip(repeat(0), unframed_lines(ignored), strict=False)
    for place, line in chain(lines, [(len(rows), None)]):
        found = None if line is None else _value(unframed(line))
        if read < place and (line is None or found is not None):  # what was written by turns is read by turns
            some, more = _documents(b"\n".join(rows[read:place]))
            torn = torn or (not some and any(row.strip() for row in rows[read:place]))
            values += some
            codes += more
            read = place
        if found is not None:
            values.append(found[0])
            codes += ["unframed_json", *found[1]]
        elif line is not None:
            codes.append("ignored_line")
    return values, ["event_in_event", *codes] if torn and values else codes


def unframed(line: bytes) -> bytes:
    """Return the JSON of a line that is no field by the standard, or nothing: without `data:`, or with something that is
    nearly it (` data:`, `Data:`, `data {`, a byte order mark before it)."""
    at = begin_of(line)
    return line[at:].rstrip() if line[at : at + 1] in (b"{", b"[") else b""


def unframed_lines(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Return `lines`, those joined that are one document together: JSON is also written over many lines."""
    if len(lines) < 2 or not any(line[begin_of(line) :][:1] in (b"{", b"[") for line in lines):
        return lines
    joined = _joined(lines)
    if len(joined) == len(lines) and any(_FRAMED.match(line) for line in lines):
        return _joined([_bare(line) for line in lines], lines)
    return joined


def is_unframed(lines: Sequence[bytes]) -> bool:
    """Whether one of `lines`, which have no `data:`, is a document that is whole, or an error (`error: …`)."""
    found = unframed_lines(lines)
    return any(line.startswith(b"error:") or is_document(unframed(line)) for line in found)


def is_document(text: bytes) -> bool:
    """Whether `text` begins with an object or array that ends."""
    return text[:1] in (b"{", b"[") and end_of(text, 0, len(text)) > 0


def _joined(rows: Sequence[bytes], otherwise: Sequence[bytes] | None = None) -> Sequence[bytes]:
    """Join the rows that are one document together. `otherwise`: what to return where none are."""
    text = b"\n".join(rows)
    starts = list(accumulate((len(row) + 1 for row in rows), initial=0))
    found: list[bytes] = []
    number, patience = 0, _PATIENCE * len(text) + _LEAST
    while number < len(rows):
        row, last = rows[number], number
        at = begin_of(row)
        if row[at : at + 1] in (b"{", b"[") and patience > 0 and end_of(row, at, len(row)) < 0:
            end = end_of(text, starts[number] + at, len(text))
            if end < 0 or _value(text[starts[number] + at : end]) is None:
                patience -= (end if end > 0 else len(text)) - starts[number]
            else:
                while starts[last + 1] <= end:
                    last += 1
        found.append(text[starts[number] : starts[last + 1] - 1])
        number = last + 1
    return otherwise if otherwise is not None and len(found) == len(rows) else found


def _across(rows: list[bytes], ignored: Sequence[bytes], places: Sequence[int]) -> _Found | None:
    """Return the document that is written over all of these lines, of which some lack their `data:`."""
    if not rows or not rows[0].lstrip().startswith((b"{", b"[")) or places[0] == 0:
        return None
    lines: list[bytes] = []
    read = 0
    for place, line in zip(places, ignored, strict=True):
        lines += rows[read:place]
        lines.append(line)
        read = place
    lines += rows[read:]
    return _value(b"\n".join(lines)) or _value(b"\n".join(map(_bare, lines)))


def _documents(data: bytes) -> tuple[list[Any], list[str]]:
    """Return the documents in `data`: one a line, one right after the other, or after a `data:` inside."""
    values: list[Any] = []
    repairs: list[str] = []
    lost, at, size = False, 0, len(data)
    patience = _PATIENCE * size + _LEAST
    while (at := begin_of(data, at)) < size:
        if data.startswith(DONE, at):
            values.append(DONE)
            at += len(DONE)
            if len(values) == 1:
                return values, ["done_suffix"] if data[at:].strip() else []
            continue
        following = None
        if data.startswith(b"{", at):
            stop = size
            if patience <= 0:
                following = _NEXT.search(data, at + 1)
                stop = following.start() if following else size
            end = end_of(data, at, stop)
            found = _value(data[at:end]) if end > 0 else None
            if found is not None:
                values.append(found[0])
                repairs += found[1]
                at = end
                continue
            patience -= (end if end > 0 else stop) - at
        lost = lost or values[-1:] != [DONE]  # what is no document after the end is not missed
        following = following or _NEXT.search(data, at + 1)
        if following is None:
            break
        at = following.end()
    if not values:
        return [], []
    if lost:
        return values, [*repairs, "event_in_event"]
    return values, [*repairs, "several_documents" if len(values) > 1 else "unframed_json"]


def _bare(line: bytes) -> bytes:
    """Return what stands after ` data: ` on a line that begins so, or else the line."""
    found = _FRAMED.match(line)
    return line[found.end() :] if found else line


def _value(text: bytes) -> _Found | None:
    try:
        return decode(text)
    except ValueError:
        return None
