"""Repair an event whose data is not one JSON document. Certain repairs only; the rest is left to the caller.

In: the data, and the lines of its event that the standard says to ignore. Out: the values in order, and the anomaly
codes of the repairs. Relays put an error into an event that they had begun (`data: {…\\n{"error":…}`), senders forget
the blank line between two events, or the `data:` before the JSON, or tear an event with another.

Rule 1  The bytes of a document are never changed or searched: `{"a":"data: {}"}` is one.
Rule 2  A document begins at the beginning of a line, at the end of another one, or, after a torn one, at a `data: ` in
        it.
Rule 3  Linear: the missing end of a document is searched for in all the rest a few times only, then in its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, repeat
from typing import Any

from .scanning import begin_of, end_of
from .tolerant_json import decode

__all__ = ("DONE", "is_unframed", "repair", "unframed", "unframed_lines")

DONE = b"[DONE]"

_Found = tuple[Any, tuple[str, ...]]
"""A value, and the codes of its repairs."""

# Where to continue after something that is not a document: at the next line, or at a `data: ` in this one. Inside a
# string neither of these follows it: a quote would end the string, and more text would be on the line of this `[DONE]`.
_NEXT = re.compile(rb"\n|data: ?(?=\{\s*+\"|\[DONE\]\s*+(?:\Z|\n|data:))")
_FRAMED = re.compile(rb"[\s\0]*+(?:\xef\xbb\xbf)?+[\s\0]*+data\s*+: ?", re.IGNORECASE)
_QUOTES = b" \t\r\n\0\"'`,;"  # ignored after a document: `data: {…}"`
_PATIENCE, _LEAST = 4, 65536  # the most unsuccessful searches: times all the data, and at least so much in bytes


def repair(data: bytes, ignored: Sequence[bytes] = (), places: Sequence[int] = ()) -> tuple[list[Any], list[str]]:
    """Return the JSON values found in `data` and `ignored`, and the codes of repairs and losses.

    `[DONE]` is returned as the bytes `b"[DONE]"`, to distinguish it from a JSON string. No values: nothing was
    readable.
    `places`: for each ignored line, the number of lines of `data` before it; by default all of them.
    """
    if not ignored:
        return _documents(data)
    rows = data.split(b"\n") if data else []
    lines: list[bytes] = []
    bare: list[bool] = []  # whether its `data:` is missing
    read = 0
    for place, line in zip(places or repeat(len(rows)), ignored, strict=False):
        place = min(place, len(rows))  # empty data may be one empty line, too
        bare += [False] * (place - read) + [True]
        lines += [*rows[read:place], line]
        read = max(read, place)
    bare += [False] * (len(rows) - read)
    lines += rows[read:]
    values: list[Any] = []
    codes: list[str] = []
    torn, waiting, number = False, list[bytes](), 0

    def read_waiting() -> None:
        nonlocal torn
        found = _value(text := b"\n".join(waiting))
        some, more = ([found[0]], list(found[1])) if found else _documents(text)
        torn = torn or (not some and any(map(bytes.strip, waiting)))
        waiting.clear()
        values.extend(some)
        codes.extend(more)

    for count, text in _joined(lines):
        missing = sum(bare[number : number + count])
        number += count
        if not missing:
            waiting.append(text)
            continue
        text = unframed(text)
        found = _value(text) if text else None
        some, more = ([found[0]], found[1]) if found else _documents(text)
        if some:
            if waiting:  # alternating lines are read in order
                read_waiting()
            values += some
            codes += ["unframed_json", *more]
        else:
            codes += ["ignored_line"] * missing
    if waiting:
        read_waiting()
    return values, ["event_in_event", *codes] if torn and values else codes


def unframed(line: bytes) -> bytes:
    """Return the JSON of a line that is not a field of the standard, or nothing: without `data:`, or with something
    close to it (` data:`, `Data:`, `data {`, a byte order mark before it), or with other bytes before it (`xdata:
    {`)."""
    at = begin_of(line)
    if line[at : at + 1] in (b"{", b"["):
        return line[at:].rstrip()
    _, found, rest = line.partition(b"data:")
    text = rest.strip()
    return text if found and is_document(text) else b""


def unframed_lines(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Return `lines`, with lines that form one document joined, since JSON may be written over many lines."""
    return [text for _, text in _joined(lines)]


def is_unframed(lines: Sequence[bytes]) -> bool:
    """Return True if one of `lines`, which have no `data:`, is a whole document, or an error (`error: …`): half of one
    (`error: {"me`) means that the stream was cut off there, not that its sender failed."""
    return any(_is_error(line) or is_document(unframed(line)) for line in unframed_lines(lines))


def _is_error(line: bytes) -> bool:
    text = line.removeprefix(b"error:").strip()
    return line.startswith(b"error:") and (text[:1] not in (b"{", b"[") or is_document(text))


def is_document(text: bytes) -> bool:
    """Return True if `text` begins with a complete object or array."""
    return text[:1] in (b"{", b"[") and end_of(text, 0, len(text)) > 0


def _joined(lines: Sequence[bytes]) -> Sequence[tuple[int, bytes]]:
    """Return `lines`, with lines that form one document joined, each with its number of lines."""
    if len(lines) < 2 or not any(line[begin_of(line) :][:1] in (b"{", b"[") for line in lines):
        return [(1, line) for line in lines]
    found = _as_written(lines)
    if len(found) == len(lines) and any(_FRAMED.match(line) for line in lines):
        bare = _as_written([_bare(line) for line in lines])
        if len(bare) < len(lines):
            return bare
    return found


def _as_written(lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
    text = b"\n".join(lines)
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    found: list[tuple[int, bytes]] = []
    number, patience = 0, _PATIENCE * len(text) + _LEAST
    while number < len(lines):
        last, at = number, starts[number] + begin_of(lines[number])
        while patience > 0 and at < starts[last + 1] - 1 and text[at] in b"{[":
            end = end_of(text, at, len(text))
            if end < 0 or (end >= starts[last + 1] and _value(text[at:end]) is None):
                patience -= (end if end > 0 else len(text)) - at
                break
            while starts[last + 1] <= end:
                last += 1
            at = begin_of(text, end)  # the next document may begin on the line on which this one ends
        found.append((last + 1 - number, text[starts[number] : starts[last + 1] - 1]))
        number = last + 1
    return found


def _bare(line: bytes) -> bytes:
    """Return the rest of a line that begins with ` data: `, or else the line."""
    found = _FRAMED.match(line)
    return line[found.end() :] if found else line


def _documents(data: bytes) -> tuple[list[Any], list[str]]:
    """Return the documents in `data`: one a line, consecutive, or after a `data:` inside."""
    values: list[Any] = []
    repairs: list[str] = []
    lost, at, size, said = False, 0, len(data), len(data.rstrip(_QUOTES))
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
        if values and at >= said:
            break
        lost = lost or values[-1:] != [DONE]  # text after the end that is not a document is not a loss
        following = following or _NEXT.search(data, at + 1)
        if following is None:
            break
        at = following.end()
    if not values:
        return [], []
    if lost:
        return values, [*repairs, "event_in_event"]
    return values, [*repairs, "several_documents" if len(values) > 1 else "unframed_json"]


def _value(text: bytes) -> _Found | None:
    try:
        return decode(text)
    except ValueError:
        return None
