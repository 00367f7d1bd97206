"""Errors in the stream: certain ones at once, those that may be pings at the end; always before what is odd beside them."""

from __future__ import annotations

import pytest

from helpers.tier import some
from helpers.wire import chunk, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, RemoteError, StreamError
from streamkit.events import ErrorSeen, KeepAlive

TEXT = delta('{"role":"assistant","content":"Hel"}')
MORE = delta('{"content":"lo"}')
FINISH = delta("{}", "stop")
USAGE = chunk(more='"usage":{"total_tokens":1}')
WEAK = ['{"message":"boom"}', '{"message":"boom","request_id":"r"}', '{"code":5,"msg":"boom"}', '{"status":"error","message":"boom"}']  # fmt: skip


@pytest.mark.parametrize(
    "error",
    [
        '{"detail":"boom"}',
        '{"detail":[{"msg":"boom"}]}',
        '{"error_code":1,"error_msg":"boom"}',
        '{"choices":[],"error_message":"boom"}',
        '{"errorMessage":"boom"}',
        '{"exception":"boom"}',
        '{"err":"boom"}',
        '{"success":false,"message":"boom"}',
        '{"type":"error","message":"boom"}',
        '{"data":{"error":"boom"}}',
        '{"response":{"error":{"message":"boom"}}}',
        chunk(more='"x_groq":{"error":"boom"}'),
        delta('{"error":"boom"}'),
    ],
)
@pytest.mark.parametrize("before", [(), (TEXT,), (TEXT, FINISH)], ids=["first", "after-text", "after-the-finish"])
def test_a_certain_error_fails_the_stream_whatever_follows(error: str, before: tuple[str, ...]) -> None:
    reading = read(*before, error, MORE, FINISH)
    assert (("failed", "remote_error"), "boom") == (reading.ending, reading.outcome.error.message)
    seen = reading.of(ErrorSeen)
    assert [len(before) + 1] == [event.error.event for event in seen]


@pytest.mark.parametrize("weak", WEAK)
@pytest.mark.parametrize("before", [(), (TEXT,), (TEXT, MORE, MORE)], ids=["first", "after-text", "in-the-fast-lane"])
@pytest.mark.parametrize("after", [(), (USAGE,), (delta('{"role":"assistant","content":""}'),)])
@pytest.mark.parametrize("done", [True, False])
def test_what_may_be_an_error_is_one_if_no_output_follows_it(
    weak: str, before: tuple[str, ...], after: tuple[str, ...], done: bool
) -> None:
    reading = read(*before, weak, *after, done=done)
    assert (("failed", "remote_error"), "boom") == (reading.ending, reading.outcome.error.message)
    assert len(before) + 1 == reading.outcome.error.event
    assert {"perhaps_error", "error_event"} <= set(reading.codes)
    assert ["ErrorSeen", "End"] == reading.kinds[-2:]


@pytest.mark.parametrize("weak", WEAK)
@pytest.mark.parametrize(
    "after",
    [
        (MORE,),
        (FINISH,),
        (delta('{"content":""}'), MORE, MORE, MORE),
        (delta('{"reasoning":"hm"}'),),
        (delta('{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{}"}}]}'),),
    ],
    ids=["text", "finish", "nothing-then-text", "reasoning", "call"],
)
def test_it_was_not_an_error_where_the_sender_continues(weak: str, after: tuple[str, ...]) -> None:
    reading = read(TEXT, MORE, weak, *after)
    assert "complete" == reading.outcome.name
    assert [1] == [one.count for one in reading.anomalies if one.code == "perhaps_error"]


@pytest.mark.parametrize("weak", WEAK)
def test_after_a_finish_reason_it_is_none(weak: str) -> None:
    reading = read(TEXT, FINISH, weak)
    assert (("complete", "done"), ["not_a_chunk"]) == (reading.ending, reading.codes)


@pytest.mark.parametrize(
    "ping",
    [
        '{"message":"keep-alive"}',
        '{"status":"processing","msg":"step 2 of 3"}',
        '{"code":0,"message":"Success"}',
        '{"code":"200","msg":"still here"}',
        '{"status":"ok","message":"alive"}',
        '{"type":"ping","message":"x"}',
    ],
)
@pytest.mark.parametrize("before, ending", [((), ("failed", "empty")), ((TEXT,), ("complete", "done_without_finish"))])
def test_an_honest_ping_stays_one(ping: str, before: tuple[str, ...], ending: tuple[str, str]) -> None:
    reading = read(*before, ping)
    assert ending == reading.ending
    assert [1] == [one.count for one in reading.anomalies if one.code == "not_a_chunk"]
    assert 1 == len(reading.of(KeepAlive))


@pytest.mark.parametrize("name", [b"ping", b"keepalive"])
def test_an_event_named_ping_is_not_an_error(name: bytes) -> None:
    reading = read(TEXT, b"event: " + name + b'\ndata: {"message":"boom"}\n\n')
    assert ("complete", "done_without_finish") == reading.ending


@pytest.mark.parametrize("error", ["{}", '{"message":"","code":0}', '{"code":200,"message":"Success"}', '""', "null"])
def test_an_error_that_is_empty_is_none(error: str) -> None:
    reading = read(delta('{"content":"a"}', more=f'"error":{error}'), delta("{}", "stop", more=f'"error":{error}'))
    assert (("complete", "done"), "a") == (reading.ending, reading.message["content"])


def test_a_code_of_zero_beside_usage_is_a_chunk() -> None:
    reading = read(TEXT, FINISH, '{"code":0,"message":"Success","usage":{"total_tokens":15}}')
    assert (("complete", "done"), 15) == (reading.ending, reading.response["usage"]["total_tokens"])


def test_usage_beside_what_may_be_an_error_is_not_lost() -> None:
    reading = read(TEXT, '{"code":7,"message":"boom","usage":{"total_tokens":15}}')
    assert (("failed", "remote_error"), 15) == (reading.ending, reading.response["usage"]["total_tokens"])


def test_of_two_that_may_be_errors_the_first_counts() -> None:
    reading = read(TEXT, '{"message":"first"}', '{"message":"second"}')
    assert ("first", 2) == (reading.outcome.error.message, reading.outcome.error.event)


def test_leaving_while_another_waits_cancels() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(TEXT, '{"message":"boom"}'))
    assert "cancelled" == accumulator.cancel().name


UNFRAMED = {
    "bare": b'{"error":{"message":"boom"}}',
    "over-lines": b'{\n  "error": {\n    "message": "boom"\n  }\n}',
    "with-a-blank-line": b'{\n  "error": {\n    "message": "boom"\n  }\n}\n\n',
    "space-data": b' data: {"error":{"message":"boom"}}\n\n',
    "may-be-one": b'{"code":"workflow_error","message":"boom"}',
    "in-a-list": b'data: [{"error":{"message":"boom"}}]\n\n',
    "unterminated": b'data: {"error":{"message":"boom"}}',
    "unterminated-words": b"event: error\ndata: boom",
    "named-without-data": b'event: error\n{"message":"boom"}\n\n',
    "named-without-data-at-the-end": b'event: error\n{"message":"boom"}',
    "in-a-torn-event": b'data: {"id":"c1","cho\n{"error":{"message":"boom"}}\n\n',
    "after-a-chunk": f'data: {TEXT}{{"error":{{"message":"boom"}}}}\n\n'.encode(),
}


@pytest.mark.parametrize("wire", UNFRAMED.values(), ids=list(UNFRAMED))
@pytest.mark.parametrize("before", [sse(TEXT), b": ping\n\n"], ids=["after-text", "after-keep-alives"])
def test_under_strict_the_senders_error_is_raised_and_not_its_form(wire: bytes, before: bytes) -> None:
    stream = before + wire
    assert (("failed", "remote_error"), "boom") == (
        (reading := read(stream, done=False)).ending, reading.outcome.error.message,
    )  # fmt: skip
    for blocks in ([stream], each_byte(stream)):
        accumulator = Accumulator(strict=True)
        with pytest.raises(RemoteError, match="boom") as caught:
            feed_all(accumulator, blocks)
        outcome = accumulator.close()
        assert (caught.value, "remote_error") == (outcome.error, outcome.reason)


def feed_all(accumulator: Accumulator, blocks: list[bytes]) -> None:
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()


@pytest.mark.parametrize("weak", WEAK)
def test_both_lanes_and_every_cut_mean_the_same(weak: str) -> None:
    wire = sse(TEXT, MORE, MORE, weak, delta('{"content":""}'), USAGE, MORE, weak, MORE, MORE, weak)
    whole = read_blocks([wire])
    assert ("failed", "remote_error") == whole.ending
    for at in some(range(1, len(wire))):
        assert whole == read_blocks([wire[:at], wire[at:]])
    assert whole == read_blocks([wire], fast=False)


def test_chunks_decoded_elsewhere_may_say_so_in_a_delta() -> None:
    accumulator = Accumulator()
    accumulator.add({"choices": [{"index": 0, "delta": {"error": "boom"}}]})
    error = accumulator.close().error
    assert isinstance(error, StreamError)
    assert "boom" == error.message
