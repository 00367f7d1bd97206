"""Two answers with the same keys and types are the same, whatever they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.wire import DONE, delta, sse
from streamkit._recording.shapes import changes
from streamkit.trace import Block, Trace


def answered(*blocks: bytes, status: int = 200, media: str = "text/event-stream") -> Trace:
    return Trace(
        status=status,
        headers=(("Content-Type", f"{media}; charset=utf-8"),),
        blocks=tuple(Block(0, one) for one in blocks),
    )


def said(*deltas: str, finish: str = "stop") -> Trace:
    return answered(*(sse(delta(one)) for one in deltas), sse(delta("{}", finish)), DONE)


def as_json(value: Any) -> Trace:
    return answered(json.dumps(value).encode(), media="application/json")


CALL = '{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}'
TEXT = said('{"role":"assistant","content":"a"}')


def test_other_words_and_another_length_are_no_change() -> None:
    assert [] == changes(TEXT, said('{"role":"assistant","content":"b"}', '{"content":"c"}', finish="length"))
    assert [] == changes(as_json({"data": [{"id": "a"}]}), as_json({"data": [{"id": "b"}, {"id": "c"}]}))
    assert [] == changes(as_json({"data": []}), as_json({"data": [{"id": "b"}]}))
    assert [] == changes(as_json({"n": None}), as_json({"n": 1}))


@pytest.mark.parametrize(
    "live, change",
    [
        (answered(b"{}", status=500), "status: was 200, is 500"),
        (answered(b"{}", media="application/json"), "media type: was text/event-stream, is application/json"),
        (said(CALL), "$.choices[*].message.tool_calls: is new, a list"),
        (said('{"role":"assistant","content":"a","mood":{}}'), "$.choices[*].message.mood: is new, an object"),
    ],
)
def test_what_changed_is_said_with_its_path(live: Trace, change: str) -> None:
    assert change in changes(TEXT, live)


def test_what_is_gone_or_has_another_type_is_said() -> None:
    assert ["$.a: is gone, was number"] == changes(as_json({"a": 1}), as_json({}))
    assert ["$.a: was number, is text"] == changes(as_json({"a": 1}), as_json({"a": "1"}))
    assert ["$[*].a: is gone, was text"] == changes(as_json([{"a": "x"}, {"b": 1}]), as_json([{"b": 1}]))


def test_an_anomaly_that_is_new_is_a_change() -> None:
    twice = answered(*[block.data for block in TEXT.blocks], DONE)
    codes = [change for change in changes(TEXT, twice) if change.startswith("anomaly")]
    assert codes == [change.replace("is gone", "is new") for change in changes(twice, TEXT)]
    assert codes or [] == changes(TEXT, twice)


def test_events_of_other_formats_are_compared_together() -> None:
    one = answered(b'data: {"type":"a","x":1}\n\n', b'data: {"type":"b","y":""}\n\n')
    assert [] == changes(one, answered(b'data: {"type":"b","y":"longer","x":2}\n\n'))
    assert ["$[*].z: is new, true or false"] == changes(one, answered(one.body, b'data: {"z":true}\n\n'))


def test_what_is_no_json_has_no_shape() -> None:
    assert [] == changes(answered(b"\xff\xfe", media="audio/mpeg"), answered(b"\xff", media="audio/mpeg"))
