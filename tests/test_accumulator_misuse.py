"""Misuse raises at once and says so; nothing that a sender writes raises."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.one_stream import FINISH, STREAM, TEXT
from helpers.wire import DONE, delta, read, sse
from streamkit import Accumulator, MisuseError, dumps
from streamkit.errors import StreamError


@pytest.mark.parametrize("block", ["data: {}\n\n", 7, None, ["data"], [1, 2]])
@pytest.mark.parametrize("verb", ["feed", "absorb"])
def test_what_is_not_bytes_is_misuse(verb: str, block: Any) -> None:
    accumulator = Accumulator()
    with pytest.raises(MisuseError, match="takes a block as bytes"):
        getattr(accumulator, verb)(block)
    accumulator.feed(sse(FINISH) + DONE)
    assert accumulator.close().ok


def test_a_view_that_was_released_is_misuse() -> None:
    view = memoryview(b"data")
    view.release()
    with pytest.raises(MisuseError):
        Accumulator().feed(view)


@pytest.mark.parametrize("verb, block", [("feed", b"x"), ("feed", b""), ("absorb", b"x"), ("add", {"choices": []})])
@pytest.mark.parametrize("end", ["close", "cancel"])
def test_after_the_end_nothing_can_be_fed(end: str, verb: str, block: Any) -> None:
    accumulator = Accumulator()
    getattr(accumulator, end)()
    with pytest.raises(MisuseError, match="after close"):
        getattr(accumulator, verb)(block)


@pytest.mark.parametrize("index, call", [(1, 0), (0, 1)])
def test_a_call_that_is_not_there_cannot_be_explained(index: int, call: int) -> None:
    accumulator = read(*STREAM).accumulator
    assert 2 == len(accumulator.explain(0, 0))
    with pytest.raises(MisuseError):
        accumulator.explain(index, call)


@pytest.mark.parametrize("reason", ["done", "no_finish", "cancelled", "no such reason"])
def test_a_stream_fails_only_for_a_reason_that_means_failure(reason: str) -> None:
    with pytest.raises(MisuseError, match="a reason from REASONS"):
        Accumulator().fail(StreamError("late"), reason)


# --- what feed may raise


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        '{"choices":[]}',
        '{"choices":[{}]}',
        '{"choices":[[]]}',
        '{"choices":{"0":{}}}',
        '{"choices":"none"}',
        '{"choices":[{"index":-1,"delta":[]}]}',
        '{"choices":[{"index":1e300,"delta":"a"}]}',
        '{"choices":[{"index":[],"delta":{"content":{"a":1}}}]}',
        '{"choices":[{"delta":{"role":[],"content":true,"refusal":{},"tool_calls":[[],7,"a",{"function":[]}]}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"index":{},"id":[],"type":{},"function":{"name":[],"arguments":[]}}]}}]}',
        '{"choices":[{"delta":{"tool_calls":[{"custom":[]},{"custom":{"name":7,"input":{"a":1}}},{"type":7}]}}]}',
        '{"choices":[{"delta":{"function_call":[],"audio":[],"annotations":{},"reasoning":[],"reasoning_details":{}}}]}',
        '{"choices":[{"delta":{"audio":{"id":[],"data":7,"transcript":{},"expires_at":"soon"}}}]}',
        '{"choices":[{"delta":{"reasoning_details":[{"type":[],"index":{},"text":7},[],7]}}]}',
        '{"choices":[{"delta":{"content":[7,[],{"type":"text"},{"type":"thinking","thinking":7}]}}]}',
        '{"choices":[{"logprobs":[]},{"logprobs":{"content":{},"refusal":[7]}}]}',
        '{"choices":[{"logprobs":{"content":[{"token":7,"logprob":"a","bytes":"b","top_logprobs":{}}]}}]}',
        '{"choices":[{"logprobs":{"content":[{"logprob":9e999,"top_logprobs":[{"token":null}]}]}}]}',
        '{"choices":[{"finish_reason":{}},{"finish_reason":[]},{"finish_reason":0},{"finish_reason":true}]}',
        '{"choices":[{"message":[]},{"message":{"content":[],"tool_calls":{}},"finish_reason":"stop"}]}',
        '{"choices":[],"usage":[]}',
        '{"choices":[],"usage":{"prompt_tokens":"many","total_tokens":9e999,"prompt_tokens_details":7}}',
        '{"choices":[],"x_groq":{"usage":7},"created":"0001-01-01T00:00:00+23:59","id":{},"model":[],"object":7}',
        '{"choices":[],"created":"9999-12-31T23:59:59-23:59"}',
        '{"choices":[],"created":-9e999}',
        '{"choices":[],"created":"\\u00b2"}',
        '{"choices":[],"service_tier":[],"system_fingerprint":{}}',
        '{"error":[]}',
        '{"error":{"message":{"message":[]},"code":{},"type":[],"param":{}}}',
        '{"error_type":{},"choices":null}',
        '{"base_resp":{"status_code":"x","status_msg":[]}}',
        '{"message":{},"code":[]}',
        "[[[{}]]]",
        '{"":{"":""}}',
    ],
)
def test_no_json_can_make_it_raise_and_the_response_can_always_be_written(document: str) -> None:
    reading = read(TEXT, document, delta('{"content":"b"}'), document, FINISH)
    (first,) = [one for one in reading.response["choices"] if one["index"] == 0]
    assert first["message"]["content"].startswith("a")
    assert dumps(reading.accumulator.snapshot())


@pytest.mark.parametrize(
    "block", [b"\x00", b"\xff\xfe\x00", b"data: \xff\n\n", b"data: {\n\n" * 3, b"data: [DONE\n\n", b"\r" * 9]
)
def test_no_bytes_can_make_it_raise(block: bytes) -> None:
    assert "failed" == read(block, done=False).outcome.name


def test_a_tap_that_raises_loses_nothing_and_is_reported_as_misuse() -> None:
    def take(chunk: object) -> None:
        seen.append(chunk)
        raise ZeroDivisionError("mine")

    seen: list[object] = []
    accumulator = Accumulator()
    accumulator.tap(take)
    with pytest.raises(MisuseError, match="ZeroDivisionError: mine") as caught:
        accumulator.feed(sse(delta('{"content":"a"}'), delta('{"content":"b"}')))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 1 == len(seen)
    accumulator.feed(sse(delta('{"content":"c"}', finish="stop")))
    assert accumulator.close().ok
    response = accumulator.snapshot()
    assert response is not None
    assert "abc" == response.choices[0].message.content


def test_a_tap_is_a_function() -> None:
    with pytest.raises(MisuseError, match="5"):
        Accumulator().tap(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("choice", "call"), [(0, -1), (0, 1), (1, 0), ("0", 0), (0, "0")])
def test_only_a_call_that_is_there_is_explained(choice: Any, call: Any) -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}')))
    with pytest.raises(MisuseError, match=f"not {choice!r} and {call!r}"):
        accumulator.explain(choice, call)
