"""The event decoder: what section 9.2 of the HTML standard says, whatever the cut."""

from __future__ import annotations

import pickle
import sys

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.sse_reading import (
    Event,
    Reading,
    as_text,
    cut,
    each_byte,
    halves,
    places,
    read,
    reference,
    streams,
    with_empty_blocks,
)
from streamkit.errors import MisuseError
from streamkit.sse import BOM, IGNORED_LINE_COST, Comment, Discarded, EventDecoder, ServerSentEvent

# --- the standard, line by line

CASES: dict[str, tuple[Reading, bytes]] = {
    "a stream of nothing has no events": (Reading(), b""),
    "one data line and a blank line are an event": (Reading((Event(b"a"),)), b"data: a\n\n"),
    "the space after the colon may be missing": (Reading((Event(b"a"), Event(b"b"))), b"data:a\n\ndata:b\n\n"),
    "a sender may change its mind about the space": (
        Reading((Event(b"a"), Event(b"b"), Event(b" c"), Event(b"d"))),
        b"data:a\n\ndata: b\n\ndata:  c\n\ndata:d\n\n",
    ),
    "only one space is taken away, and no tab": (
        Reading((Event(b" a "), Event(b"\tb"))),
        b"data:  a \n\ndata:\tb\n\n",
    ),
    "only the first colon divides": (Reading((Event(b"a: b"),)), b"data: a: b\n\n"),
    "CRLF ends lines": (Reading((Event(b"a"), Event(b"b"))), b"data: a\r\n\r\ndata: b\r\n\r\n"),
    "CR ends lines": (Reading((Event(b"a"), Event(b"b"))), b"data: a\r\rdata: b\r\r"),
    "line ends may be mixed": (
        Reading((Event(b"a"), Event(b"b"), Event(b"c"), Event(b"d\ne"))),
        b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\rdata: e\n\n",
    ),
    "LF CR is two line ends": (Reading((Event(b"a"), Event(b"b"))), b"data: a\n\rdata: b\n\r"),
    "U+2028, U+2029, U+0085, VT and FF do not end lines": (
        Reading((Event("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg".encode()),)),
        b"data: a\xe2\x80\xa8b\xe2\x80\xa9c\xc2\x85d\x0be\x0cf\x1cg\n\n",
    ),
    "one byte order mark at the start is no part of the first line": (
        Reading((Event(b"a"),)),
        b"\xef\xbb\xbfdata: a\n\n",
    ),
    "a second byte order mark is": (
        Reading((Event(b"b"),)),
        b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n",
    ),
    "a byte order mark later is": (Reading((Event(b"a"),)), b"data: a\n\n\xef\xbb\xbfdata: b\n\n"),
    "half a byte order mark is": (
        Reading((Event(b"b", ignored=(b"\xef\xbbdata: a",)),)),
        b"\xef\xbbdata: a\ndata: b\n\n",
    ),
    "comments are no events": (
        Reading((Comment("OPENROUTER PROCESSING"), Comment(""), Comment(" :x"), Event(b"a"))),
        b": OPENROUTER PROCESSING\n\n:\n\n:  :x\n\ndata: a\n\n",
    ),
    "a comment within an event leaves it whole": (
        Reading((Comment("ping"), Event(b"a\nb"), Event(b"c"))),
        b"data: a\n:ping\ndata: b\n\ndata: c\n\n",
    ),
    "data lines are joined with LF": (
        Reading((Event(b'{\n  "a": 1\n}'),)),
        b'data: {\ndata:   "a": 1\ndata: }\n\n',
    ),
    "an empty data line is an event without data": (
        Reading((Event(b""), Event(b""), Event(b""))),
        b"data\n\ndata:\n\ndata: \n\n",
    ),
    "two empty data lines are an event of one LF": (
        Reading((Event(b"\n"), Event(b"\nx"))),
        b"data\ndata\n\ndata:\ndata:x\n\n",
    ),
    "no data line is no event": (
        Reading((Event(b"a", id="7"),), retry=3000, last_event_id="7"),
        b"retry: 3000\n\nid: 7\n\nevent: ping\n\nfoo: bar\n\n\n\n\ndata: a\n\n",
    ),
    "a type holds for its own event, dispatched or not": (
        Reading((Event(b"a", "error"), Event(b"b"), Event(b"c"))),
        b"event: error\ndata: a\n\ndata: b\n\nevent: lost\n\ndata: c\n\n",
    ),
    "the last type of an event counts, and an empty one is none": (
        Reading((Event(b"a", "y"), Event(b"b"))),
        b"event: x\ndata: a\nevent: y\n\nevent: x\nevent\ndata: b\n\n",
    ),
    "an id holds until the next one": (
        Reading((Event(b"a", id="1"), Event(b"b", id="1"), Event(b"c", id="2"), Event(b"d")), last_event_id=""),
        b"id: 1\ndata: a\n\ndata: b\n\ndata: c\nid: 2\n\nid\ndata: d\n\n",
    ),
    "an id with NUL is ignored": (
        Reading((Event(b"a", id="1"), Event(b"b", id="1", ignored=(b"id: 2\0",))), last_event_id="1"),
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n",
    ),
    "an id counts for reconnecting once its event has ended": (
        Reading((Event(b"a", id="1"),), Event(b"b", id="2"), last_event_id="1"),
        b"id: 1\ndata: a\n\nid: 2\ndata: b\n",
    ),
    "retry takes ASCII digits": (Reading(retry=10), b"retry: 0010\n"),
    "retry takes nothing else": (
        Reading((Event(b"a", ignored=(b"retry: -1", b"retry: 1.5", "retry: ١".encode(), b"retry", b"retry:  1")),)),
        "retry: -1\nretry: 1.5\nretry: ١\nretry\nretry:  1\ndata: a\n\n".encode(),
    ),
    "a name is the field only if it is exactly that": (
        Reading((Event(b"b", ignored=(b"Data: a", b"data : a", b" data: a", b"datax")),)),
        b"Data: a\ndata : a\n data: a\ndatax\ndata: b\n\n",
    ),
    "JSON on a line of its own is ignored, but handed on": (
        Reading((Event(b"", ignored=(b' {"id":1}',)), Event(b"x"))),
        b'data:\n {"id":1}\n\ndata: x\n\n',
    ),
    "ignored lines without data are gone with their blank line": (
        Reading((Event(b"x"),)),
        b'{"error": 1}\n\ndata: x\n\n',
    ),
    "names, ids and comments that are not UTF-8 get replacement characters, data stays as it is": (
        Reading((Comment("\ufffd!"), Event(b"\xff\xe2\x80", "\ufffdé", "\ufffd")), last_event_id="\ufffd"),
        b":\xff!\nevent: \xff\xc3\xa9\nid: \xe2\x80\ndata: \xff\xe2\x80\n\n",
    ),
    "a character cut in two is one character": (Reading((Event("日本🎉".encode()),)), "data: 日本🎉\n\n".encode()),
    "blank lines alone are nothing": (Reading((Event(b"a"),)), b"\n\r\r\n\n\ndata: a\n\n\n\n\n"),
    "an event without its blank line is the rest": (Reading((Event(b"a"),), Event(b"b")), b"data: a\n\ndata: b\n"),
    "a last line without its end is in the rest": (
        Reading((), Event(b"a\nb", "e", "1", (b"x",))),
        b"event: e\nid: 1\nx\ndata: a\ndata: b",
    ),
    "a last id without its end is too": (Reading((), Event(b"a", id="1")), b"data: a\nid: 1"),
    "a last retry without its end is not believed": (
        Reading((), Event(b"a"), retry=5),
        b"retry: 5\ndata: a\nretry: 30",
    ),
    "a rest without data is none": (Reading(retry=1), b"retry: 1\nevent: x\nid: 4\ndat"),
    "a comment without its end is none": (Reading((), Event(b"a")), b"data: a\n: pin"),
    "half a byte order mark alone is nothing": (Reading(), b"\xef\xbb"),
}


@pytest.mark.parametrize(("expected", "stream"), CASES.values(), ids=CASES)
def test_the_standard_is_followed_whatever_the_cut(expected: Reading, stream: bytes) -> None:
    assert expected == read([stream])
    assert expected == read(each_byte(stream))
    assert expected == read(with_empty_blocks(each_byte(stream)))
    assert expected == read(map(bytearray, each_byte(stream)))
    for blocks in halves(stream):
        assert expected == read(blocks)
    assert as_text(expected) == reference(stream)


@pytest.mark.parametrize("stream", CASES.values(), ids=CASES)
@given(places=st.lists(st.integers(0, 200)))
def test_random_cuts_change_nothing(stream: tuple[Reading, bytes], places: list[int]) -> None:
    assert stream[0] == read(cut(stream[1], places))


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_a_stream_with_other_line_ends_is_the_same_stream(end: bytes) -> None:
    for expected, stream in CASES.values():
        if b"\r" not in stream:
            assert expected == read([stream.replace(b"\n", end)])
            assert expected == read(each_byte(stream.replace(b"\n", end)))


@given(streams, places)
@example(BOM + BOM, [1])
def test_random_bytes_read_as_the_standard_says(stream: bytes, places: list[int]) -> None:
    whole = read([stream])
    assert reference(stream) == as_text(whole)
    assert whole == read(each_byte(stream))
    assert whole == read(cut(stream, places))


@given(streams, places)
def test_feed_gives_the_events_of_feed_all(stream: bytes, places: list[int]) -> None:
    decoder = EventDecoder()
    got = [event for block in cut(stream, places) for event in decoder.feed(block)]
    whole = read([stream])
    assert [item for item in whole.items if isinstance(item, Event)] == got
    assert sum(isinstance(item, Comment) for item in whole.items) == decoder.comments


@pytest.mark.parametrize(
    "stream",
    [
        b"data: a\n\ndata: b\n\nevent: x\ndata: c\n\n",
        b"data: a\n\nid: 1\n\ndata: b\n\n: c\n\ndata: d\n\n",
        b"x\n\ndata:a\n\ndata: b\n\ndata: c\ndata: d\n\n",
    ],
)
def test_what_is_plain_for_feed_raw_does_not_depend_on_the_block(stream: bytes) -> None:
    whole = EventDecoder().feed_raw(stream)
    assert b"b" in whole
    for blocks in [each_byte(stream), *halves(stream)]:
        decoder = EventDecoder()
        assert whole == [item for block in blocks for item in decoder.feed_raw(block)]


# --- when things come


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_returned_with_the_first_byte_that_ends_its_blank_line(end: bytes) -> None:
    decoder = EventDecoder()
    assert [] == decoder.feed(b"data: a" + end)
    assert [Event(b"a")] == decoder.feed(end[:1])
    assert [] == decoder.feed(end[1:])
    assert [Event(b"b")] == decoder.feed(b"data: b" + end + end[:1])


def test_comments_are_returned_in_their_place() -> None:
    decoder = EventDecoder()
    stream = b": 1\n\ndata: a\n: 2\n\n: 3\n\ndata: b\n\n"
    assert [Comment("1"), Comment("2"), Event(b"a"), Comment("3"), Event(b"b")] == decoder.feed_all(stream)
    assert 3 == decoder.comments
    assert 2 == decoder.events


def test_held_counts_what_waits() -> None:
    decoder = EventDecoder()
    for expected, block in [
        (2, BOM[:2]),
        (0, BOM[2:]),
        (3, b"dat"),
        (7, b"a: a"),
        (7, b"\n"),
        (8, b":"),
        (12, b" hey"),
        (7, b"\n"),
        (9 + IGNORED_LINE_COST, b"zz\n"),
        (0, b"\ndata: b\n\n"),
        (4, b"id:3\n"),
        (0, b"\n"),
        (6, b"data: "),
    ]:
        decoder.feed(block)
        assert expected == decoder.held
    decoder.close()
    assert 0 == decoder.held


def test_an_empty_block_does_nothing_even_between_cr_and_lf() -> None:
    decoder = EventDecoder()
    assert [] == decoder.feed(b"")
    assert [] == decoder.feed(BOM + b"data: a\r")
    assert [] == decoder.feed(b"")
    assert [] == decoder.feed(b"\n")
    assert [Event(b"a")] == decoder.feed(b"\n")


def test_a_retry_that_fits_no_clock_is_ignored() -> None:
    decoder = EventDecoder()
    decoder.feed(b"retry: " + b"0" * 5000 + b"12\n")
    assert 12 == decoder.retry
    assert [Event(b"a", ignored=(b"retry: " + b"9" * 5000,))] == decoder.feed(
        b"retry: " + b"9" * 5000 + b"\ndata: a\n\n"
    )
    assert 12 == decoder.retry


# --- values


@pytest.mark.parametrize("stream", [b"data: a\n\n", b"event: message\ndata: a\n\n"], ids=["fast lane", "line by line"])
def test_an_event_is_a_frozen_value(stream: bytes) -> None:
    [event] = EventDecoder().feed(stream)
    assert type(event) is ServerSentEvent
    assert ServerSentEvent(b"a", "message", "", ()) == event
    assert hash(ServerSentEvent(b"a")) == hash(event)
    assert repr(ServerSentEvent(b"a")) == repr(event)
    assert event == pickle.loads(pickle.dumps(event))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.data = b"b"  # type: ignore[misc]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, type("Sub", (bytes,), {})])
def test_any_bytes_will_do_as_a_block(kind: type) -> None:
    decoder = EventDecoder()
    for part in (b"data: a\n", b"\ndata: b", b"\n\n"):
        last = decoder.feed(kind(part))
    assert [Event(b"b")] == last
    assert type(last[0].data) is bytes


def test_a_block_may_be_changed_once_it_is_fed() -> None:
    decoder = EventDecoder()
    block = bytearray(b"data: a\n\ndata: b")
    events = decoder.feed(block)
    block[:] = b"x" * len(block)
    assert [Event(b"a"), Event(b"b")] == events + decoder.feed(b"\n\n")


@pytest.mark.parametrize("tail", [b"", b"data: cut", b"x\n", b": c"])
def test_nothing_refers_to_a_block_that_was_read(tail: bytes) -> None:
    decoder = EventDecoder(max_event_bytes=100)
    block = bytes(b"data: a\n\n" + tail)
    before = sys.getrefcount(block)
    events = decoder.feed(block)
    assert [Event(b"a")] == events
    assert before == sys.getrefcount(block)


@pytest.mark.parametrize(("kind", "named"), [(b"", "message"), (b"event: error\n", "error")])
def test_lines_without_data_keep_the_type_of_their_event(kind: bytes, named: str) -> None:
    decoder = EventDecoder()
    assert [Discarded((b"{}",), named)] == decoder.feed_raw(kind + b"{}\n\n")
    assert [] == decoder.feed_raw(kind + b"{}")
    assert decoder.close() is None
    assert ((b"{}",), named) == (decoder.unread, decoder.unread_event)


# --- misuse


@pytest.mark.parametrize(("name", "block"), [("str", "data: a\n\n"), ("None", None), ("list", [1]), ("int", 3)])
def test_anything_but_bytes_is_misuse_that_says_so(name: str, block: object) -> None:
    decoder = EventDecoder()
    for _ in range(2):  # before the first block, and once blocks are taken as they are
        with pytest.raises(MisuseError, match=rf"bytes, bytearray or memoryview, not {name}"):
            decoder.feed(block)  # type: ignore[arg-type]
        assert [Event(b"a")] == decoder.feed(b"data: a\n\n")


def test_a_released_memoryview_is_misuse() -> None:
    view = memoryview(b"data: a\n\n")
    view.release()
    with pytest.raises(MisuseError, match="released"):
        EventDecoder().feed(view)


@pytest.mark.parametrize("stream", [b"", b"data: a\n\n", b"data: a", b"data: a\r", BOM[:1]])
def test_after_close_feeding_is_misuse_and_closing_is_nothing(stream: bytes) -> None:
    decoder = EventDecoder()
    decoder.feed(stream)
    decoder.close()
    assert decoder.close() is None
    for block in (b"data: b\n\n", b""):
        with pytest.raises(MisuseError, match=r"after close\(\)"):
            decoder.feed(block)
    assert decoder.close() is None


def test_another_connection_repeats_the_event_that_was_open() -> None:
    decoder = EventDecoder()
    decoder.feed(b"id: 1\ndata: a\n\n:alive\n\nid: 2\ndata: half of")
    decoder.reconnect()
    assert "1" == decoder.last_event_id
    assert [ServerSentEvent(b"b", id="2")] == decoder.feed(b"\xef\xbb\xbfid: 2\r\ndata: b\r\n\r\n")
    assert (2, 1) == (decoder.events, decoder.comments)
    decoder.close()
    decoder.reconnect()
    with pytest.raises(MisuseError, match="after close"):
        decoder.feed(b"data: c\n\n")
