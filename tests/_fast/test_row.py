"""Events of several choices or calls are read together, whatever their order and the width of their index."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from helpers.wire import DONE, choice, chunk, delta, sse
from streamkit import Accumulator
from streamkit._fast import slot_values
from streamkit._fast.row import Row

CALL = '{"tool_calls":[{"index":%d,"id":"c%d","type":"function","function":{"name":"f","arguments":""}}]}'
ARGUMENTS = '{"tool_calls":[{"index":%d,"function":{"arguments":"%d "}}]}'


def of_choices(order: list[int]) -> bytes:
    return sse(*(delta(f'{{"content":"{at} "}}', index=index) for at, index in enumerate(order))) + DONE


def of_calls(order: list[int]) -> bytes:
    opened = [delta(CALL % (index, index)) for index in sorted(set(order))]
    return sse(*opened, *(delta(ARGUMENTS % (index, at)) for at, index in enumerate(order))) + DONE


def with_logprobs(order: list[int]) -> bytes:
    documents = []
    for at, index in enumerate(order):
        token = {"token": f"{at} ", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
        more = f'"logprobs":{{"content":[{json.dumps(token)}]}}'
        documents.append(chunk(choice(f'{{"content":"{at} "}}', index=index, more=more)))
    return sse(*documents) + DONE


def seen(stream: bytes, **options: Any) -> list[Any]:
    accumulator = Accumulator(**options)
    events = [*accumulator.feed(stream), *accumulator.close().events]
    return [
        events,
        accumulator.dumps(),
        accumulator.anomalies,
        accumulator.explain(0, 0) if b"tool" in stream else None,
    ]


ORDERS = {
    "eight by turns": [at % 8 for at in range(1200)],
    "twelve by turns": [at % 12 for at in range(1200)],  # 9 and 10: the text begins at another place
    "eight in any order": random.Random(1).choices(range(8), k=1200),
    "twelve in any order": random.Random(2).choices(range(12), k=1200),
    "one after the other": [at // 200 for at in range(1200)],
}


@pytest.mark.parametrize("shape", [of_choices, of_calls, with_logprobs])
@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_events_of_several_choices_or_calls_mean_the_same_read_together(
    monkeypatch: pytest.MonkeyPatch, shape: Any, order: list[int]
) -> None:
    stream = shape(order)
    expected = seen(stream, fast=False)
    read: list[int] = []
    once = Row.read
    monkeypatch.setattr(Row, "read", lambda row, parts, raw: read.append(len(parts)) or once(row, parts, raw))
    assert expected == seen(stream)
    assert len(read) < 90, "stretches, not events"
    if shape is not with_logprobs or len(set(order)) <= 8:  # further choices of these are learned one by one
        assert sum(read) > 350


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(('"index":3', '"index":03'), id="a leading zero"),
        pytest.param(('"index":3', '"index":33'), id="a choice that did not begin"),
        pytest.param(('"delta":{', '"delta": {'), id="a space before the text"),
        pytest.param(('"finish_reason":null', '"finish_reason":"stop"'), id="another end"),
        pytest.param(('"content":"', '"content":"\\ud83d'), id="half a character"),
        pytest.param(('"content":"', '"content":"\\"},\\"index\\":4,\\"'), id="a text like the bytes around it"),
        pytest.param(('"content":"', '"content":7,"x":"'), id="another type"),
        pytest.param(('"content":"', '"content":"\n'), id="a line end inside the text"),
    ],
)
def test_one_odd_event_among_choices_is_read_as_without_the_lane(odd: tuple[str, str]) -> None:
    documents = [delta(f'{{"content":"{at} "}}', index=at % 8) for at in range(200)]
    for at in (83, 147, 195):
        changed = [*documents[:at], documents[at].replace(*odd), *documents[at + 1 :]]
        assert changed[at] != documents[at]
        stream = sse(*changed) + DONE
        assert seen(stream, fast=False) == seen(stream)


@pytest.mark.parametrize("choices", [1, 8])
def test_the_events_before_one_that_does_not_fit_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch, choices: int
) -> None:
    documents = [delta(f'{{"content":"{at} "}}', index=at % choices) for at in range(400)]
    documents[301:301] = [chunk(choice("{}", index=301 % choices, more='"x":[1]'))]
    stream = sse(*documents) + DONE
    expected = seen(stream, fast=False)
    begun: list[bytes] = []
    once = Row.read
    monkeypatch.setattr(Row, "read", lambda row, parts, raw: begun.append(parts[0]) or once(row, parts, raw))
    assert expected == seen(stream)
    known = begun[3:]  # before that the row is made anew, as further choices are learned
    assert len(known) > 2
    assert len(known) == len(set(known)), "no event is the first of two attempts"


@pytest.mark.parametrize("choices", [1, 3])
def test_an_odd_event_at_any_place_of_a_stretch_leaves_those_before_it_together(choices: int) -> None:
    documents = [delta(f'{{"content":"{at} "}}', index=at % choices) for at in range(60)]
    odd = delta('{"content":"odd"}', index=1, finish='"length"')
    short = '{"id":"i"}'
    for place in range(20, 60, 3):
        for other in (odd, short):
            stream = sse(*documents[:place], other, *documents[place:]) + DONE
            assert seen(stream, fast=False) == seen(stream)


@pytest.mark.parametrize("shape", [of_choices, of_calls, with_logprobs])
def test_templates_by_turns_are_expected_to_go_on_by_turns(monkeypatch: pytest.MonkeyPatch, shape: Any) -> None:
    stream = shape([at % 7 for at in range(700)])
    expected = seen(stream, fast=False)
    found: list[int] = []
    once = Row._by_turns

    def counting(row: Row, turn: Any, parts: list[bytes], raw: bytes) -> Any:
        result = once(row, turn, parts, raw)
        found.append(len(parts) if result is not None else 0)
        return result

    monkeypatch.setattr(Row, "_by_turns", counting)
    assert expected == seen(stream)
    assert sum(found) > 300


@pytest.mark.parametrize("shape", [of_choices, of_calls, with_logprobs])
@pytest.mark.parametrize("choices", [2, 3, 8, 11])
def test_a_turn_that_is_left_out_or_taken_twice_changes_nothing(shape: Any, choices: int) -> None:
    order = [at % choices for at in range(500)]
    for place in (150, 151, 260, 377):
        for changed in ([*order[:place], *order[place + 1 :]], [*order[:place], order[place], *order[place:]]):
            stream = shape(changed)
            assert seen(stream, fast=False) == seen(stream)


FRAMES = [(b"data: ", b"\n"), (b"data:", b"\n"), (b"data: ", b"\r\n"), (b"data:", b"\r\n")]
ODD_LINES = {
    "a comment": b": ping\n\n",
    "a comment beside the data": b": ping\ndata: %b\n\n",
    "two comments, one blank line": b": ping\n: pong\n\n",
    "a blank line more": b"\n",
    "another kind of line end": b"data: %b\r\n\r\n",
    "a line end of each kind": b"data: %b\r\n\n",
    "two lines of data": b"data: \ndata: %b\n\n",
    "a name for the event": b"event: x\ndata: %b\n\n",
    "no space": b"data:%b\n\n",
    "the data of two events in one": b"data: %b\ndata: %b\n\n",
}


@pytest.mark.parametrize("frame", FRAMES, ids=repr)
@pytest.mark.parametrize("choices", [1, 8])
def test_odd_lines_among_events_are_read_as_without_the_lane(choices: int, frame: tuple[bytes, bytes]) -> None:
    lead, line_end = frame
    data = [delta(f'{{"content":"{at} "}}', index=at % choices).encode() for at in range(150)]
    lines = [lead + one + line_end * 2 for one in data]
    for odd in ODD_LINES.values():
        for place in (70, 103, 149):
            more = odd.replace(b"%b", data[place])
            stream = b"".join([*lines[:place], more, *lines[place:]]) + DONE
            assert seen(stream, fast=False) == seen(stream)


def test_log_probabilities_are_weighed_by_the_size_of_the_data_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = with_logprobs([at % 3 for at in range(60)])
    sizes: list[int] = []
    once = slot_values._read_tokens

    def noting(array: bytes, size: int) -> Any:
        sizes.append(size)
        return once(array, size)

    monkeypatch.setattr(slot_values, "_read_tokens", noting)
    seen(stream)
    assert len(sizes) > 40
    assert {len(event) - len(b"data: ") for event in stream.split(b"\n\n")}.issuperset(sizes)
