"""What a call that a response lists can say of its arguments."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.wire import calls, sse
from streamkit import Accumulator
from streamkit.types import ChatCompletionMessageToolCall, FunctionCall


@pytest.mark.parametrize(
    ("shown", "arguments"),
    [
        ({"a": [1]}, '{"a": [1]}'),
        ({"a": ["x"]}, '{"a": ["x'),
        ({}, '{"a": 1'),
        (None, ""),
        (None, "no"),
        ([1], "[1] x"),
    ],
)
def test_the_arguments_of_a_call_are_read_as_far_as_they_are_json(shown: Any, arguments: str) -> None:
    call = ChatCompletionMessageToolCall("c", FunctionCall("f", arguments))
    assert shown == call.peek() == call.function.peek()


def test_a_call_in_a_snapshot_can_be_peeked_at_and_a_custom_one_shows_its_text() -> None:
    accumulator = Accumulator()
    cut = '{"index":0,"id":"c","function":{"name":"f","arguments":"{\\"a\\": \\"x"}}'
    custom = '{"index":1,"id":"d","type":"custom","custom":{"name":"g","input":"text"}}'
    accumulator.feed(sse(*calls(cut, custom)[:-1]))
    response = accumulator.snapshot()
    assert response is not None
    assert [{"a": "x"}, "text"] == [call.peek() for call in response.choices[0].message.tool_calls or []]
