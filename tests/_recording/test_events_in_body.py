"""Where events stand in a body: every byte in its place, whatever the line ends."""

from __future__ import annotations

import pytest

from helpers.corpus import TRACES, Recorded, each
from streamkit._recording.events_in_body import events_in, paragraphs, value_of_data
from streamkit.sse import EventDecoder, ServerSentEvent


def cut(body: bytes, spans: list[tuple[int, int]]) -> list[bytes]:
    return [body[start:end] for start, end in spans]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_an_event_ends_after_an_empty_line_whatever_the_line_ends(end: bytes) -> None:
    first, second = b"event: x" + end + b"data: 1" + end + end, b"data: 2" + end + end
    assert [first, second] == cut(first + second, events_in(first + second))


def test_comments_are_paragraphs_but_no_events() -> None:
    body = b": ping\n\ndata: 1\n\n: ping\n\ndata: [DONE]\n\n"
    assert [b": ping\n\n", b"data: 1\n\n", b": ping\n\n", b"data: [DONE]\n\n"] == cut(body, paragraphs(body))
    assert [b"data: 1\n\n", b"data: [DONE]\n\n"] == cut(body, events_in(body))


def test_what_follows_the_last_empty_line_is_a_paragraph_too() -> None:
    assert [b"data: 1\n\n", b"data: 2"] == cut(b"data: 1\n\ndata: 2", events_in(b"data: 1\n\ndata: 2"))
    assert [] == paragraphs(b"")


def test_a_field_whose_name_begins_with_data_is_no_data() -> None:
    assert [] == events_in(b"database: 1\n\n")
    assert [(0, 6)] == events_in(b"data\n\nx"[:6])


def test_the_value_of_data_is_found_without_its_space() -> None:
    assert (8, 13) == value_of_data(b": x\ndata:hello\n\n"[1:])
    assert (6, 9) == value_of_data(b'data: {"\xc3\n\n')
    assert None is value_of_data(b": ping\n\n")


@each(TRACES)
def test_paragraphs_add_up_to_the_body_and_events_are_those_of_the_decoder(recorded: Recorded) -> None:
    body = recorded.body
    assert body == b"".join(cut(body, paragraphs(body)))
    decoder = EventDecoder()
    events = [one for one in decoder.feed(body) if isinstance(one, ServerSentEvent)]
    last = decoder.close()
    assert len(events_in(body)) == len(events) + isinstance(last, ServerSentEvent)
