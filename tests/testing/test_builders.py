"""Builders: streams that are streams, and a response that is what its stream gives."""

from __future__ import annotations

from typing import Any

import pytest

from streamkit import Accumulator, TruncatedError, check_stream, reassemble
from streamkit.testing import (
    DONE,
    chunk,
    event,
    fragment,
    response,
    stream_bytes,
)


def test_a_stream_of_text_is_a_whole_stream() -> None:
    wire = stream_bytes("Hel", "lo", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    made = reassemble(wire)
    assert "Hello" == made.choices[0].message.content
    assert "stop" == made.choices[0].finish_reason
    assert made.usage is not None
    assert 3 == made.usage.total_tokens
    accumulator = Accumulator(strict=True)
    accumulator.absorb(wire)
    assert "done" == accumulator.close().reason
    assert () == accumulator.anomalies
    assert check_stream(wire) is not None


def test_a_stream_of_fragments_is_a_call() -> None:
    wire = stream_bytes(
        chunk(delta=fragment("", id="a", name="f")),
        chunk(delta=fragment('{"k"')),
        chunk(delta=fragment(":1}")),
        chunk(finish="tool_calls"),
    )
    (call,) = reassemble(wire).choices[0].message.tool_calls or ()
    assert ("a", '{"k":1}', True) == (call.id, call.function.arguments, call.complete)  # type: ignore[union-attr]


def test_a_stream_may_break_off() -> None:
    with pytest.raises(TruncatedError):
        reassemble(stream_bytes("a", finish=None, done=False))
    assert stream_bytes("a").endswith(DONE)
    assert b"ab" == stream_bytes(b"a", b"b", finish=None, done=False)


def test_a_response_is_what_its_stream_gives() -> None:
    assert reassemble(stream_bytes("Hello")) == response("Hello")
    assert "hm" == response(reasoning="hm").choices[0].message.reasoning


@pytest.mark.parametrize(
    "wire, args",
    [
        (b"data: a\n\n", {"data": "a"}),
        (b'data: {"k":1}\n\n', {"data": {"k": 1}}),
        (b"data: a\ndata: b\n\n", {"data": b"a\nb"}),
        (b"event: error\ndata: a\n\n", {"data": "a", "type": "error"}),
    ],
)
def test_an_event_is_framed_as_the_standard_says(wire: bytes, args: dict[str, Any]) -> None:
    assert wire == event(**args)
