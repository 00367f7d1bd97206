"""Target: the server-sent event decoder, beside the plainest reading of section 9.2 of the HTML standard.

Input: one byte for the limit (0: the default), three of the cut, then the bytes. Oracle: any cut gives the same events,
comments, ignored lines, retry and last event ID; `feed`, `feed_all` and `feed_raw` agree; nothing but LimitError is
raised, in the same place whatever the cut; without a limit the events are those of `by_the_standard`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import seeds as of
from readings import same, split
from streamkit import LimitError
from streamkit.sse import Comment, Discarded, EventDecoder, ServerSentEvent

SIZE = 2000
HEAD = 4
LIMITS = {0: 16 * 1024 * 1024, 1: 1, 2: 20, 3: 300}
LINE = re.compile(rb"\r\n|\n|\r")


def check(data: bytes) -> None:
    """Decode one stream in every way; raise an AssertionError where two ways differ."""
    limit, cut, raw = LIMITS[(data[0] if data else 0) % 4], int.from_bytes(data[1:HEAD], "big"), data[HEAD:]
    whole = decoded([raw], "feed_all", limit)
    same(whole, decoded(split(raw, cut or 1), "feed_all", limit), "feed_all in cuts: not as in one block")
    same(decoded([raw], "feed_raw", limit), decoded(split(raw, cut or 1), "feed_raw", limit), "feed_raw in cuts")
    events, *others = decoded(split(raw, cut or 2), "feed", limit)
    same(([one for one in whole[0] if isinstance(one, ServerSentEvent)], *whole[1:]), (events, *others), "feed")
    raw_events, *others = decoded([raw], "feed_raw", limit)
    plain = [one for one in raw_events if not isinstance(one, (Comment, Discarded))]
    same([one.data for one in events], [getattr(one, "data", one) for one in plain], "feed_raw gives other data")
    same(whole[1:], (*others,), "feed_raw counts otherwise")
    if limit == LIMITS[0]:
        same(by_the_standard(raw), [(one.event, one.data, one.id) for one in events], "not as the standard says")


def decoded(blocks: list[bytes], verb: str, limit: int) -> tuple[Any, ...]:
    """Return what comes out, and every number that the decoder keeps."""
    decoder = EventDecoder(max_event_bytes=limit)
    out: list[Any] = []
    failed = None
    try:
        for block in blocks:
            out += getattr(decoder, verb)(block)
            assert decoder.held <= limit + 3, f"{decoder.held} bytes held over a limit of {limit}"
        last = decoder.close()
        out += [] if last is None else [last]
    except LimitError as error:
        failed = (str(error), error.event)
        assert decoder.close() is None
    return out, failed, decoder.retry, decoder.last_event_id, decoder.events, decoder.comments


def by_the_standard(raw: bytes) -> list[tuple[str, bytes, str]]:
    """Return type, data and ID of each event, line by line; the last one may lack its blank line."""
    found: list[tuple[str, bytes, str]] = []
    data: list[bytes] = []
    kind = identity = ""
    for line in [*LINE.split(raw.removeprefix(b"\xef\xbb\xbf")), b""]:
        if not line:
            if data:
                found.append((kind or "message", b"\n".join(data), identity))
            data, kind = [], ""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            kind = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            identity = value.decode("utf-8", "replace")
    return found


def seeds() -> Iterator[bytes]:
    """Yield the same streams as for an accumulator, under each limit."""
    for number, raw in enumerate(of.streams(SIZE - HEAD)):
        yield bytes([(0, 0, 3, 0, 2, 1)[number % 6], 0, 0, number % 7]) + raw
