"""The event decoder is bounded and linear: the limit is met at the same event whatever the cut."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.measure import best
from helpers.sse_reading import Event, cut, each_byte, fails_at, places, read, streams, with_empty_blocks
from helpers.tier import some
from streamkit.errors import LimitError, MisuseError
from streamkit.sse import BOM, IGNORED_LINE_COST, Comment, EventDecoder


@given(streams, places, st.integers(1, 60))
@example(BOM[:1], [], 1)
def test_a_limit_is_met_at_the_same_event_whatever_the_cut(stream: bytes, places: list[int], maximum: int) -> None:
    whole = read([stream], maximum)
    assert fails_at(stream, maximum) == whole.failed_at
    assert whole == read(each_byte(stream), maximum)
    assert whole == read(with_empty_blocks(cut(stream, places)), maximum)
    without = read([stream])
    if whole.failed_at is None:
        assert without == whole
    else:
        assert without.items[: len(whole.items)] == whole.items


@pytest.mark.parametrize("maximum", [0, -1, True, 1.5, None, "1"])
def test_a_limit_is_a_positive_number(maximum: object) -> None:
    with pytest.raises(MisuseError, match=re.escape(repr(maximum))):
        EventDecoder(max_event_bytes=maximum)  # type: ignore[arg-type]


def test_an_event_of_just_the_limit_passes_and_one_byte_more_does_not() -> None:
    for stream, size in [
        (b"data: 12345\n\n", 11),
        (b"data:1\r\ndata:2\r\n\r\n", 12),
        (b"x\n", 1 + IGNORED_LINE_COST),
        (b"data:1\nx\n\n", 7 + IGNORED_LINE_COST),
        (b": 45678", 7),
    ]:
        assert read([stream], size).failed_at is None
        assert 1 == read([stream], size - 1).failed_at
        assert 1 == read(each_byte(stream), size - 1).failed_at


def test_events_before_the_limit_are_handed_over_and_the_next_call_raises_from_then_on() -> None:
    decoder = EventDecoder(max_event_bytes=10)
    assert [Event(b"a"), Event(b"b")] == decoder.feed(b"data: a\n\ndata: b\n\ndata: 12345\n\ndata: c\n\n")
    assert 0 == decoder.held
    for block in (b"", b"data: d\n\n", b"\n"):
        with pytest.raises(LimitError) as caught:
            decoder.feed(block)
        assert ("max_event_bytes", 10, 3) == (caught.value.limit, caught.value.maximum, caught.value.event)
    assert decoder.close() is None


def test_close_raises_what_feed_still_owed_once() -> None:
    decoder = EventDecoder(max_event_bytes=10)
    assert [Event(b"a")] == decoder.feed(b"data: a\n\ndata: 12345")
    with pytest.raises(LimitError):
        decoder.close()
    assert decoder.close() is None


def test_with_nothing_to_hand_over_the_limit_is_raised_at_once() -> None:
    for feed in ("feed", "feed_all"):
        with pytest.raises(LimitError, match="more than 10 bytes"):
            getattr(EventDecoder(max_event_bytes=10), feed)(b"data: 12345")
    decoder = EventDecoder(max_event_bytes=10)
    with pytest.raises(LimitError):
        decoder.feed(b"data: 12345")
    assert decoder.close() is None
    with pytest.raises(LimitError):  # a comment is nothing to feed()
        EventDecoder(max_event_bytes=10).feed(b": c\n\ndata: 12345")
    decoder = EventDecoder(max_event_bytes=10)
    assert [Comment("c")] == decoder.feed_all(b": c\n\ndata: 12345")


def test_finished_events_and_comments_do_not_count() -> None:
    assert read([b"data: 1234\n\n: 56789012\n" * 50], 10) == read([b"data: 1234\n\n: 56789012\n" * 50])
    assert read([b"data: 1\n" + b": 1\n" * 1000 + b"\n"], 10).items[-1] == Event(b"1")


def test_the_default_limit_takes_an_image_and_refuses_what_never_ends() -> None:
    decoder = EventDecoder()
    decoder.feed(b"data: " + b"x" * (16 * 1024 * 1024 - 6))
    with pytest.raises(LimitError):
        decoder.feed(b"x")


# --- cost


def one_dripped_event(n: int) -> list[bytes]:
    return [b"data: ", *[b"x" * 64] * n, b"\n\n"]


def many_dripped_lines(n: int) -> list[bytes]:
    return [b"data: " + b"x" * 60, *[b"x\ndata: xxxxxxxxxxxxx"] * n, b"\n\n"]


def many_lines_in_one_block(n: int) -> list[bytes]:
    return [b"data: x\n" * n + b"\n"]


def many_events_in_one_block(n: int) -> list[bytes]:
    return [b"data: x\n\n" * n]


def blank_lines_after_an_open_event(n: int) -> list[bytes]:
    return [b"event: x\nda", b"ta: x" + b"\n" * n]


def carriage_returns(n: int) -> list[bytes]:
    return [b"\r", b"\n"] * n


def a_block_far_over_the_limit(n: int) -> list[bytes]:
    return [(b"data: " + b"x" * 500 + b"\n\n") * n]


@pytest.mark.parametrize(
    "shape, n",
    some(
        [
            (one_dripped_event, 20_000),
            (many_dripped_lines, 10_000),
            (many_lines_in_one_block, 20_000),
            (many_events_in_one_block, 30_000),
            (blank_lines_after_an_open_event, 50_000),
            (carriage_returns, 10_000),
            (a_block_far_over_the_limit, 3_000),
        ]
    ),
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_four_times_the_stream_costs_less_than_eight_times(shape: Callable[[int], list[bytes]], n: int) -> None:
    def decode(blocks: list[bytes]) -> None:
        decoder = EventDecoder(max_event_bytes=1000 if shape is a_block_far_over_the_limit else 1 << 24)
        for block in blocks:
            decoder.feed(block)

    once, four_times = best(decode, shape(n // 2), shape(2 * n), enough=6)
    assert four_times < 8 * once
