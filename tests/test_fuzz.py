"""`feed` raises nothing but `StreamError`, whatever arrives; and after it the stream still has an outcome and a
response.

Random bytes, recorded streams damaged as bytes and as JSON, recorded streams broken off at every byte. What was found
once is at the end, as small as it could be made.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamkit
from helpers.corpus import SHARED, TRACES, Recorded, chunks_of, each, pieces
from helpers.strategies import byte_soup, cut, examples, json_values, mutated, streams, tampered
from helpers.tier import some
from streamkit import Accumulator, FormatError, Limits, MisuseError, Outcome, RemoteError, SenderError, StreamError
from streamkit.outcome import REASONS

small = st.sampled_from([one.body for one in (*TRACES, *SHARED) if len(one.body) < 6_000])
damaged = small.flatmap(mutated) | small.flatmap(tampered) | small.flatmap(tampered).flatmap(mutated)
anything = st.binary(max_size=80) | byte_soup | damaged | streams().flatmap(lambda stream: mutated(stream.wire))
tight = Limits(max_event_bytes=300, max_response_bytes=900, max_choices=1, max_tool_calls=1, max_nesting=2)


def survive(blocks: list[bytes], **options: Any) -> Accumulator:
    """Feed `blocks` and close. Nothing is raised; what can be asked afterwards can be answered."""
    accumulator = Accumulator(**options)
    for block in blocks:
        if accumulator.feed(block):
            answers(accumulator)
    ends(accumulator, accumulator.close())
    return accumulator


def answers(accumulator: Accumulator) -> None:
    response = accumulator.snapshot()
    if response is not None:
        assert accumulator.statistics().chunks > 0
        assert json.loads(streamkit.dumps(response)) == json.loads(streamkit.dumps(accumulator.snapshot()))
        for choice in response.choices:
            streamkit.dumps(choice.message.to_request())
        repr(response).encode()
    for anomaly in accumulator.anomalies:
        assert anomaly.count > 0
        str(anomaly).encode()


def ends(accumulator: Accumulator, outcome: Outcome) -> None:
    assert isinstance(outcome, Outcome)
    assert REASONS[outcome.reason][0] == outcome.name
    assert (outcome.error is None) == outcome.ok
    if outcome.error is not None:
        assert isinstance(outcome.error, SenderError)
        str(outcome.error).encode()
    assert outcome is accumulator.close()
    answers(accumulator)


@examples(200)
@given(st.binary(max_size=200) | byte_soup)
def test_any_bytes_are_read_without_an_exception(raw: bytes) -> None:
    survive([raw])


@examples(300)
@given(small.flatmap(mutated))
def test_recorded_streams_with_damaged_bytes_are_read_without_an_exception(raw: bytes) -> None:
    survive([raw])


@examples(400)
@given(small.flatmap(tampered))
def test_recorded_streams_with_any_value_in_any_place_are_read_without_an_exception(raw: bytes) -> None:
    survive([raw])


@examples(150)
@given(anything, st.data())
def test_a_snapshot_can_be_taken_after_every_block(raw: bytes, data: st.DataObject) -> None:
    survive(data.draw(cut(raw)), limits=data.draw(st.sampled_from([Limits(), tight])))


@examples(200)
@given(anything, st.data())
def test_strict_raises_what_the_sender_did_wrong_or_reported_and_nothing_else(raw: bytes, data: st.DataObject) -> None:
    accumulator = Accumulator(strict=True)
    raised: list[FormatError | RemoteError] = []
    for block in data.draw(cut(raw)):
        try:
            accumulator.feed(block)
        except (FormatError, RemoteError) as error:
            raised.append(error)
    try:
        accumulator.close()
    except (FormatError, RemoteError) as error:
        raised.append(error)
    outcome = accumulator.close()
    ends(accumulator, outcome)
    assert len(raised) <= 1
    if raised and outcome.reason == "anomaly":
        assert raised[0] is outcome.error
        assert raised[0].code in streamkit.CODES
    assert raised or {"note"} >= {anomaly.severity for anomaly in accumulator.anomalies}


@examples(200)
@given(small.flatmap(tampered))
def test_add_takes_any_mapping_and_raises_nothing_but_stream_errors(raw: bytes) -> None:
    accumulator = Accumulator()
    for chunk in chunks_of(raw):
        accumulator.add(chunk)
    ends(accumulator, accumulator.close())


@examples(200)
@given(st.lists(json_values, max_size=4))
def test_add_refuses_what_is_not_a_mapping_as_misuse(values: list[Any]) -> None:
    accumulator = Accumulator()
    for value in values:
        if isinstance(value, dict):
            accumulator.add(value)
        else:
            with pytest.raises(MisuseError):
                accumulator.add(value)
    ends(accumulator, accumulator.close())


ENDING = re.compile(rb'\[DONE\]|"finish_reason": ?"\w')


def smallest_of_each_sender() -> list[Recorded]:
    found: dict[str, Recorded] = {}
    for recorded in sorted((*TRACES, *SHARED), key=lambda one: len(one.body)):
        if 300 < len(recorded.body) < 3_000:
            found.setdefault(recorded.name.split("/")[0], recorded)
    return list(found.values())


@each(smallest_of_each_sender())
def test_a_stream_broken_off_at_any_byte_keeps_what_arrived_and_invents_no_ending(recorded: Recorded) -> None:
    raw = recorded.body
    whole = survive([raw]).snapshot()
    texts = {choice.index: choice.message.content or "" for choice in whole.choices} if whole is not None else {}
    for end in some(range(len(raw))):
        accumulator = Accumulator()
        accumulator.absorb(raw[:end])
        outcome = accumulator.close()
        assert not outcome.ok or ENDING.search(raw[:end])
        partial = accumulator.snapshot()
        for choice in partial.choices if partial is not None else ():
            assert texts[choice.index].startswith(choice.message.content or "")
        if outcome.error is not None:
            assert partial == outcome.error.partial


# --- what was found once


def chunk(choices: str, more: str = "") -> bytes:
    return b'data: {"id":"c","created":1,"choices":%b%b}\n\n' % (choices.encode(), more.encode())


FOUND = {
    "choices are a number": chunk("-1"),
    "choices are true": chunk("true"),
    "a log probability that no float holds": chunk(
        '[{"index":0,"delta":{},"logprobs":{"content":[{"token":"t","logprob":1%s}]}}]' % ("0" * 400)
    ),
}


@pytest.mark.parametrize("raw", FOUND.values(), ids=FOUND)
def test_what_once_raised(raw: bytes) -> None:
    survive([raw])
    survive(pieces(raw, 1))
    survive([raw], fast=False)


def test_strict_still_has_an_outcome_where_ending_itself_meets_an_anomaly() -> None:
    # Half a pair waits for its other half; the error that breaks the stream off makes it a lone one.
    accumulator = Accumulator(strict=True)
    accumulator.feed(chunk(r'[{"index":0,"delta":{"content":"\ud83d"}}]'))
    with pytest.raises(StreamError):
        accumulator.feed(b"data: <html>\n\n")
    assert "anomaly" == accumulator.close().reason
