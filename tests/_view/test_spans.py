"""Which bytes are which event: as the decoder counts them."""

from __future__ import annotations

import pytest

from streamkit._view.spans import Quotes, event_spans


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_follow_one_another_with_what_is_before_them(end: bytes) -> None:
    first, second = b"data: a" + end * 2, b": ping" + end * 2 + b"data: b" + end + b"data: c" + end * 2
    body = first + second
    assert [(0, len(first)), (len(first), len(body))] == event_spans(body)
    assert (len(first), second) == Quotes(body).of(2)


def test_a_last_event_that_is_cut_off_is_one_and_a_comment_at_the_end_is_not() -> None:
    assert [(0, 9), (9, 15)] == event_spans(b"data: a\n\ndata: ")
    assert [(0, 16)] == event_spans(b"data: a\n\n: bye\n\n")


def test_a_body_that_is_not_a_stream_is_one() -> None:
    assert [(0, 9)] == event_spans(b'{"a": 12}')
    assert [] == event_spans(b"")
    assert (0, b"") == Quotes(b"").of(1)


def test_there_is_no_event_0_and_the_last_is_returned_for_those_above() -> None:
    assert (0, b"") == Quotes(b"data: a\n\n").of(0)
    assert (9, b"data: b\n\n") == Quotes(b"data: a\n\ndata: b\n\n").of(7)
