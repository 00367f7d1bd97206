"""Everything that can be seen of one event stream, every way to cut it, and the standard's own words to compare with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

import attrs
from hypothesis import strategies as st

from streamkit.errors import LimitError
from streamkit.sse import BOM, IGNORED_LINE_COST, Comment, EventDecoder, ServerSentEvent

Event = ServerSentEvent


@attrs.frozen
class Reading:
    """Everything that can be seen of one stream."""

    items: tuple[Event | Comment, ...] = ()
    rest: Event | None = None
    retry: int | None = None
    last_event_id: str = ""
    failed_at: int | None = None
    """Number of the event that was over the limit."""


def read(blocks: Iterable[bytes | bytearray], maximum: int = 1 << 20) -> Reading:
    decoder = EventDecoder(max_event_bytes=maximum)
    items: list[Event | Comment] = []
    rest = failed_at = None
    try:
        for block in blocks:
            items += decoder.feed_all(block)
        rest = decoder.close()
    except LimitError as error:
        failed_at = error.event
    assert decoder.events == sum(isinstance(item, Event) for item in items)
    assert decoder.comments == sum(isinstance(item, Comment) for item in items)
    assert decoder.held == 0
    return Reading(tuple(items), rest, decoder.retry, decoder.last_event_id, failed_at)


def each_byte(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def with_empty_blocks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        yield from (b"", block)


def halves(stream: bytes) -> Iterator[list[bytes]]:
    for i in range(1, len(stream)):
        yield [stream[:i], stream[i:]]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


def reference(stream: bytes) -> Reading:
    """The standard's own words over the whole text at once: slow, obvious, and nothing shared with the decoder."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, unfinished = re.split("\r\n|\n|\r", text)
    items: list[Event | Comment] = []
    data = event_type = last_id_buffer = last_id = ""
    retry = None
    ignored: list[str] = []

    def process(line: str) -> None:
        nonlocal data, event_type, last_id_buffer, retry
        field, value = line.split(":", 1) if ":" in line else (line, "")
        if value[:1] == " ":
            value = value[1:]
        if field == "data":
            data += value + "\n"
        elif field == "event":
            event_type = value
        elif field == "id" and "\0" not in value:
            last_id_buffer = value
        elif field == "retry" and re.fullmatch("[0-9]+", value):
            retry = int(value)
        else:
            ignored.append(line)

    def event() -> Event:
        return Event(data[:-1].encode(), event_type or "message", last_id_buffer, tuple(x.encode() for x in ignored))

    for line in lines:
        if line.startswith(":"):
            items.append(Comment(line[2:] if line[1:2] == " " else line[1:]))
        elif line:
            process(line)
        else:
            last_id = last_id_buffer
            if data:
                items.append(event())
            data = event_type = ""
            ignored.clear()
    so_far = retry
    if unfinished and not unfinished.startswith(":"):
        process(unfinished)
    return Reading(tuple(items), event() if data else None, so_far, last_id)


def fails_at(stream: bytes, maximum: int) -> int | None:
    """Rule 3 of sse.py: the first event whose lines, finished comments aside, are longer than the limit."""
    lines = re.split(b"\r\n|\n|\r", stream.removeprefix(BOM))
    size, data, number = 0, False, 1
    for line in lines:
        if size + len(line) > maximum:
            return number
        name = line.split(b":")[0]
        if not line:
            number += data
            size, data = 0, False
        elif line[0:1] != b":":
            size += len(line)
            value = line[len(name) + 1 :].removeprefix(b" ")
            data = data or name == b"data"
            good = {
                b"data": True,
                b"event": True,
                b"id": b"\0" not in value,
                b"retry": re.fullmatch(b"[0-9]+", value) is not None,
            }
            size += 0 if good.get(name) else IGNORED_LINE_COST
            if size > maximum:
                return number
    return None


def as_text(reading: Reading) -> Reading:
    """Data and ignored lines with replacement characters for what is not UTF-8, to compare with the reference."""

    def event(e: Event) -> Event:
        return attrs.evolve(
            e,
            data=e.data.decode("utf-8", "replace").encode(),
            ignored=tuple(line.decode("utf-8", "replace").encode() for line in e.ignored),
        )

    items = tuple(event(item) if isinstance(item, Event) else item for item in reading.items)
    return attrs.evolve(reading, items=items, rest=event(reading.rest) if reading.rest else None)


PIECES = [
    *(b"data:", b"data: ", b"data", b"id:", b"id: ", b"retry:", b"retry: ", b"event:", b"event: ", b":", b": ", b" "),
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"\n\ndata: ", b"\n\ndata:", b"\0", BOM, BOM[:1], BOM[1:]),
    *(b"a", b"7", b"42", b"x:y", b"{}", "é日🎉".encode(), "\u2028".encode(), "\u0085".encode(), b"\xff", b"\xe2\x80"),
]
soup = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
events = st.lists(
    st.sampled_from([b"data: a\n\n", b"data: bb\n\n", b"data:c\n\n", b": ping\n\n", b"id: 1\n\n", b"data: d\r\n\r\n"]),
    max_size=8,
).map(b"".join)
streams = soup | st.tuples(st.sampled_from([b"", BOM]), events, soup, events).map(b"".join)
places = st.lists(st.integers(0, 400), max_size=12)
