"""What to make of an event whose data is not one JSON document. Certain repairs only; the rest is left to the caller.

In: the data, and the lines of its event that the standard says to ignore. Out: the values in order, and the anomaly
codes of what was done. Relays put an error into an event that they had begun (`data: {…\\n{"error":…}`), senders forget
the blank line between two events, or the `data:` before the JSON, or tear an event with another.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .tolerant_json import decode

__all__ = ("DONE", "repair", "unframed")

_DECODER = json.JSONDecoder()
_NEARLY = re.compile(rb"[\s\0]*(?:\xef\xbb\xbf)?[\s\0]*(?:data\s*:?\s*)?(?=[\[{])", re.IGNORECASE)
_EMBEDDED = re.compile(rb"data: ?(?=\{|\[DONE\])")
DONE = b"[DONE]"


def repair(data: bytes, ignored: tuple[bytes, ...] = ()) -> tuple[list[Any], list[str]]:
    """The JSON values to be had from `data` and `ignored`, and the codes of what was repaired or lost.

    `[DONE]` comes out as the bytes `b"[DONE]"`, so that it is told from a JSON string. No values: nothing could be had.
    """
    values: list[Any] = []
    codes: list[str] = []
    for document in _documents(data, codes):
        values.append(document)
    torn = not values and bool(data.strip())  # `data: {"id":"c1","cho` LF `{"error":…}`: a relay that gives up
    for line in ignored:
        text = unframed(line)
        try:
            value, repairs = decode(text)
        except ValueError:
            codes.append("ignored_line")
            continue
        values.append(value)
        codes += ["unframed_json", *repairs]
    return values, ["event_in_event", *codes] if torn and values else codes


def unframed(line: bytes) -> bytes:
    """The JSON of a line that is no field by the standard, or nothing: without `data:`, or with something that is nearly it
    (` data:`, `Data:`, `data {`, a byte order mark before it)."""
    return _NEARLY.sub(b"", line).strip() if (match := _NEARLY.match(line)) and match.end() < len(line) else b""


def _documents(data: bytes, codes: list[str]) -> list[Any]:
    """The documents in `data`: one a line, one behind the other, or behind a `data:` inside."""
    data = data.strip()
    if not data:
        return []
    if data.startswith(DONE):
        if data != DONE:
            codes.append("done_suffix")
        return [DONE]
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) > 1:
        found = [_one(line) for line in lines]
        good = [value for value in found if value is not None]
        if good:
            codes.append("several_documents" if len(good) == len(found) else "event_in_event")
            return good
    cuts = [match for match in _EMBEDDED.finditer(data) if match.start() > 0]
    if cuts:
        starts = [0, *(match.end() for match in cuts)]
        ends = [*(match.start() for match in cuts), len(data)]
        found = [_one(data[start:end]) for start, end in zip(starts, ends, strict=True)]
        good = [value for value in found if value is not None]
        if good:
            codes.append("several_documents" if len(good) == len(found) else "event_in_event")
            return good
    return _in_a_row(data, codes)


def _one(text: bytes) -> Any:
    """The object or `[DONE]` in `text`, or None."""
    if text.strip() == DONE:
        return DONE
    try:
        value, _ = decode(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _in_a_row(data: bytes, codes: list[str]) -> list[Any]:
    """`{…}{…}`: documents with nothing between them."""
    text = data.decode("utf-8", "replace")
    values, at = [], 0
    while at < len(text) and text[at] == "{":
        try:
            _, end = _DECODER.raw_decode(text, at)
            value, repairs = decode(text[at:end].encode())  # with its limit on nesting, and its repairs
        except (ValueError, RecursionError):
            break
        values.append(value)
        codes += repairs
        at = end
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
    if not values:
        return []
    rest = text[at:]
    if rest.startswith("[DONE]"):
        values.append(DONE)
        rest = ""
    codes.append("several_documents" if not rest else "event_in_event")
    return values
