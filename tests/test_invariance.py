"""Whatever the cut of the bytes into blocks, events, response, outcome, anomalies and counts are the same.

Whole, as recorded, byte by byte, at random; over every recorded stream, and over made-up and damaged ones. So are they
without events (`absorb`), and without the fast lane.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpus import SHARED, TRACES, Reading, Recorded, chunks_of, each, pieces, read, shared
from helpers.strategies import Stream, byte_soup, cut, examples, mutated, streams, tampered
from helpers.tier import some
from streamkit import Accumulator, Limits

BYTE_BY_BYTE = 40_000  # bytes: longer streams are cut every 61 instead, which still hits every phase of an event

small = st.sampled_from([one.body for one in TRACES if len(one.body) < 5_000])
tight = st.builds(
    Limits,
    max_event_bytes=st.sampled_from([40, 200, 400, 10**6]),
    max_response_bytes=st.sampled_from([100, 1000, 10**6]),
    max_choices=st.sampled_from([1, 100]),
    max_tool_calls=st.sampled_from([1, 100]),
    max_nesting=st.sampled_from([1, 3, 100]),
    max_anomalies=st.sampled_from([1, 3, 100]),
)
anything = byte_soup | streams().map(lambda stream: stream.wire) | small.flatmap(mutated) | small.flatmap(tampered)


def in_every_way(raw: bytes) -> Reading:
    """`raw` read whole, which is what every other way must give."""
    whole = read([raw])
    size = 1 if len(raw) <= BYTE_BY_BYTE else 61
    assert whole == read(pieces(raw, size))
    assert whole == read([raw], fast=False)
    assert whole.without_events() == read([raw], absorb=True)
    assert whole.without_events() == read(pieces(raw, 1000), absorb=True)
    return whole


@each(TRACES)
def test_a_trace_reads_the_same_whole_as_recorded_and_byte_by_byte(recorded: Recorded) -> None:
    assert in_every_way(recorded.body) == read(recorded.blocks)


@shared
@each(some(SHARED))
def test_a_shared_stream_reads_the_same_whole_and_byte_by_byte(recorded: Recorded) -> None:
    in_every_way(recorded.body)


@each(TRACES)
def test_a_trace_reads_the_same_under_any_cut(recorded: Recorded) -> None:
    any_cut_reads_the_same(recorded.body, 12)


@shared
@each(some(SHARED))
def test_a_shared_stream_reads_the_same_under_any_cut(recorded: Recorded) -> None:
    any_cut_reads_the_same(recorded.body, 6 if len(recorded.body) < 100_000 else 2)


@each((*TRACES, *SHARED))
def test_chunks_decoded_elsewhere_make_the_same_response(recorded: Recorded) -> None:
    fed, added = Accumulator(), Accumulator()
    fed.absorb(recorded.body)
    for chunk in chunks_of(recorded.body):
        added.add(chunk)
    fed.close()
    added.close()
    assert fed.snapshot() == added.snapshot()
    assert fed.emitted == added.emitted


def any_cut_reads_the_same(raw: bytes, count: int) -> None:
    whole = read([raw])

    @examples(count)
    @given(cut(raw))
    def holds(blocks: list[bytes]) -> None:
        assert whole == read(blocks)

    holds()


@examples(150)
@given(anything, st.data())
def test_any_bytes_read_the_same_under_any_cut(raw: bytes, data: st.DataObject) -> None:
    assert in_every_way(raw) == read(data.draw(cut(raw)))


@examples(100)
@given(anything, tight, st.data())
def test_a_limit_is_met_in_the_same_place_under_any_cut(raw: bytes, limits: Limits, data: st.DataObject) -> None:
    whole = read([raw], limits=limits)
    assert whole == read(data.draw(cut(raw)), limits=limits)
    assert whole == read([raw], limits=limits, fast=False)
    assert whole.without_events() == read(pieces(raw, 1), limits=limits, absorb=True)


@examples(100)
@given(anything, st.data())
def test_strict_raises_the_same_under_any_cut(raw: bytes, data: st.DataObject) -> None:
    # Events that came before the anomaly in its block go with the exception, so they alone depend on the cut.
    whole = read([raw], strict=True).without_events()
    assert len(whole.raised) <= 1
    assert whole == read(data.draw(cut(raw)), strict=True).without_events()
    assert whole == read([raw], strict=True, fast=False).without_events()


@examples(150)
@given(streams())
def test_a_stream_says_the_same_in_the_habits_of_every_sender(stream: Stream) -> None:
    reading = in_every_way(stream.wire)
    heard = {choice.index: choice for choice in reading.response.choices}
    assert list(stream.choices) == list(heard)
    assert stream.ending == reading.outcome[:2]
    for index, said in stream.choices.items():
        message = heard[index].message
        assert said.content == (message.content or "")
        assert said.reasoning == (message.reasoning or "")
        assert said.refusal == (message.refusal or "")
        assert said.finish == heard[index].finish_reason
        functions = [(call.custom if hasattr(call, "custom") else call.function) for call in message.tool_calls or []]
        texts = [one.input if hasattr(one, "input") else one.arguments for one in functions]
        assert said.calls == [(one.name, text) for one, text in zip(functions, texts, strict=True)]


def event(choices: bytes, more: bytes = b"") -> bytes:
    return b'data: {"id":"c","created":1,"choices":%b%b}\n\n' % (choices, more)


def padded(text: bytes, padding: bytes) -> bytes:
    return event(b'[{"index":0,"delta":{"content":"%b"}}]' % text, b',"p":"%b"' % padding)


DEEP = b'{"k":' * 140 + b"0" + b"}" * 140
ONCE_DIFFERENT = {
    "events after a limit in one block": event(b"[]", b',"k":' + DEEP) + b"data:\n\n: c\n\n",
    "an empty piece of a field that changed its type": event(b'[{"index":0,"delta":{"reasoning":{"a":1}}}]')
    + 3 * event(b'[{"index":0,"delta":{"content":"x","reasoning":""}}]'),
    "no UTF-8 in the padding": padded(b"n", b"x") + padded(b"o", b"\xf6"),
    "the padding is an open string": padded(b"n", b"x") + padded(b"o", b"").replace(b'""}', b'"}'),
    "the padding ends with a backslash": padded(b"n", b"x") + padded(b"o", b"\\"),
    "a field that changed its type and then stays the same": event(b"[]", b',"by":{"k":1}')
    + 3 * event(b'[{"index":0,"delta":{"content":"x"}}]', b',"by":"k"'),
    "a line that is no field between events of the fast lane": 2 * event(b'[{"index":0,"delta":{"content":"x"}}]')
    + b"datum\n\n"
    + 3 * event(b'[{"index":0,"delta":{"content":"x"}}]'),
    "the first role comes behind text, and again": event(b'[{"index":0,"delta":{"content":"a"}}]')
    + 2 * event(b'[{"index":0,"delta":{"role":"assistant","content":"b"}}]'),
    "the padding is two fields": padded(b"n", b"x") + padded(b"o", b'","model":"m","q":"'),
}


@pytest.mark.parametrize("raw", ONCE_DIFFERENT.values(), ids=ONCE_DIFFERENT)
def test_what_once_depended_on_the_cut_or_the_lane(raw: bytes) -> None:
    in_every_way(raw)


@pytest.mark.parametrize("raw", [b"<html>" + 60 * b"x", b" " * 70 + b"data: 1\n\n", b"[" + 70 * b" " + b"]"])
def test_a_body_over_the_limit_ends_once_whatever_the_cut(raw: bytes) -> None:
    whole = read([raw], limits=Limits(max_event_bytes=50))
    assert ("failed", "limit") == whole.outcome[:2]
    assert 2 == len(whole.events)
    assert whole == read(pieces(raw, 1), limits=Limits(max_event_bytes=50))
    assert whole == read(pieces(raw, 40), limits=Limits(max_event_bytes=50))
