"""Target: `PartialJSON`.

Input: a byte of options, three bytes of the cut, then text (UTF-8; what is not becomes halves of surrogate pairs). Oracle: nothing
is raised; whatever the cut, the same value, error and events; without options it is complete exactly if `json.loads` reads the
text, and then of the same value; a snapshot equals the value; what was shown of a string stays its beginning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import seeds as of
from readings import same
from streamkit.partial_json import PartialJSON, PathEvent, StringDelta

SIZE = 1500
HEAD = 4
OPTIONS = ("skip_around", "unfinished_numbers", "allow_nan")


def check(data: bytes) -> None:
    """Read one text, whole and cut."""
    chosen = data[0] if data else 0
    options = {name: bool(chosen >> bit & 1) for bit, name in enumerate(OPTIONS)}
    size = int.from_bytes(data[1:HEAD], "big") % 17 + 1
    text = data[HEAD:].decode("utf-8", "surrogateescape")
    whole = read(text, len(text) or 1, options)
    for cut in {1, size}:
        same(whole, read(text, cut, options), f"in pieces of {cut} characters: something else")
    if not any(options.values()):
        _like_json(text)


def read(text: str, size: int, options: dict[str, bool]) -> Any:
    growing = PartialJSON(**options)
    events: list[PathEvent] = []
    for at in range(0, len(text), size):
        events += growing.feed(text[at : at + size])
        if at % 64 == 0:
            same(repr(growing.value), repr(growing.snapshot()), "a snapshot is not the value")
    events += growing.close()
    assert growing.complete == (growing.error is None)
    if growing.error is not None:
        assert 0 <= growing.error.offset <= len(text)
        assert text[growing.error.offset :].startswith(growing.error.found)
    repr(growing.value).encode()  # valid text
    return repr(growing.value), str(growing.error), growing.started, repr(joined(events))


def joined(events: list[PathEvent]) -> list[PathEvent]:
    """The events, with consecutive pieces of a string as one."""
    row: list[PathEvent] = []
    for event in events:
        if isinstance(event, StringDelta) and row and isinstance(last := row[-1], StringDelta):
            row[-1] = StringDelta(event.path, last.text + event.text)
        else:
            row.append(event)
    return row


def _like_json(text: str) -> None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    growing = PartialJSON(max_depth=10**6)
    growing.absorb(text)
    growing.close()
    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return
    assert growing.complete, growing.error
    written = json.dumps(value, ensure_ascii=False)
    if not any("\ud800" <= character <= "\udfff" for character in written):
        same(written, json.dumps(growing.value, ensure_ascii=False), "another value than json has")


def seeds() -> Iterator[bytes]:
    """Yield the short JSON documents of the recordings, with one set of options after the other."""
    for number, raw in enumerate(one for one in of.documents() if len(one) <= 300):
        yield bytes([number % 8, 0, 0, number % 17]) + raw
