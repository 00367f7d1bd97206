"""How a stream ends: cut off, no stream at all, an error inside it, an anomaly under `strict`, a failure from
outside."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from helpers.one_stream import FINISH, RESPONSE, STREAM, TEXT
from helpers.wire import DONE, chunk, delta, each_byte, read, read_blocks, sse
from streamkit import Accumulator, FormatError, Limits, RemoteError
from streamkit.errors import DeadlineError, StreamError
from streamkit.events import End, ErrorSeen


@pytest.mark.parametrize("size", [1, 5, 200])
def test_a_failure_is_the_same_however_it_is_cut(size: int) -> None:
    wire = sse(TEXT, delta(index=1), "null", TEXT, "keepalive") + b": ping\n\n" + DONE
    blocks = [wire[at : at + size] for at in range(0, len(wire), size)]
    whole = read_blocks([wire], limits=Limits(max_choices=1))
    assert ("failed", "limit") == whole.ending
    assert whole == read_blocks(blocks, limits=Limits(max_choices=1))


def test_what_arrives_after_done_is_left_out_and_noted() -> None:
    reading = read(sse(*STREAM) + DONE + sse(TEXT, chunk(more='"usage":{"total_tokens":99}')) + DONE, done=False)
    assert RESPONSE == reading.response
    assert [("after_done", 3)] == [(one.code, one.count) for one in reading.anomalies]


def test_feeding_continues_after_done_so_that_a_connection_can_be_drained() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(*STREAM) + DONE)
    assert [] == accumulator.feed(b"\n" + sse(TEXT))
    assert accumulator.close().ok


def test_a_last_event_without_its_blank_line_is_used_if_it_is_whole() -> None:
    reading = read(sse(TEXT) + b"data: " + delta('{"content":"b"}', "stop").encode(), done=False)
    assert "ab" == reading.message["content"]
    assert ["unterminated_event", "missing_done"] == reading.codes


def test_a_last_event_that_is_cut_off_is_left_out() -> None:
    reading = read(sse(TEXT) + sse(delta('{"content":"b"}', "stop"))[:-30], done=False)
    assert "a" == reading.message["content"]
    assert ["torn_event"] == reading.codes
    assert ("truncated", "mid_event") == reading.ending


@pytest.mark.parametrize("cut", range(1, len(sse(FINISH))))
def test_wherever_a_stream_breaks_off_what_arrived_before_stays(cut: int) -> None:
    reading = read_blocks([sse(TEXT) + sse(FINISH)[:cut]])
    assert "a" == reading.message["content"]
    assert reading.outcome.name in ("truncated", "complete")
    whole = cut >= len(sse(FINISH)) - 2
    assert whole == reading.outcome.ok


# --- bodies that are not a stream


def test_a_full_response_in_place_of_a_stream_is_the_response() -> None:
    body = (
        '{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
        '"content":"hi","odd":1,"tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},'
        '"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"odd":2}'
    )
    reading = read(body.encode(), done=False)
    assert ("hi", 1, [("x", "f", "{}")]) == (reading.message["content"], reading.message["odd"], reading.calls)
    assert (3, 2) == (reading.response["usage"]["total_tokens"], reading.response["odd"])
    assert ["full_body"] == [code for code in reading.codes if not code.startswith("tool_")]


def test_an_error_body_has_the_senders_message() -> None:
    reading = read(b'{"error":{"message":"no such key","type":"auth","code":"invalid_key"}}', done=False)
    error = reading.outcome.error
    assert ("no such key", "auth", "invalid_key") == (error.message, error.type, error.code)
    assert None is reading.response
    assert [error] == [event.error for event in reading.of(ErrorSeen)]


@pytest.mark.parametrize("body", [b"<html>502</html>", b" \n<html>502</html>", b"{nonsense", b"[1]"])
def test_a_body_that_is_not_a_stream_fails_with_its_beginning(body: bytes) -> None:
    reading = read(body, done=False)
    error = reading.outcome.error
    assert ("failed", "not_a_stream") == reading.ending
    assert error.excerpt is not None
    assert error.excerpt.strip() in body.decode()


def test_nothing_is_reported_of_a_body_before_it_has_ended() -> None:
    accumulator = Accumulator()
    assert [] == accumulator.feed(b'{"error":{"message":"boom"}}')
    assert not accumulator.done
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in accumulator.close().events]


# --- errors inside the stream


def test_an_error_in_a_chunk_with_content_keeps_the_content() -> None:
    reading = read(
        TEXT,
        '{"id":"c1","choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"error"}],"error":{"code":502,"message":"bad"}}',
    )
    assert ("failed", "remote_error") == reading.ending
    assert ("ab", 502) == (reading.message["content"], reading.outcome.error.code)


def test_the_response_so_far_is_on_the_error_as_soon_as_it_is_seen() -> None:
    accumulator = Accumulator()
    told = accumulator.feed(sse(TEXT, '{"error":"boom"}'))
    (seen,) = [event for event in told if isinstance(event, ErrorSeen)]
    assert "a" == seen.error.partial.choices[0].message.content
    assert seen.error.emitted


# --- strict


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
def test_strict_raises_at_the_first_anomaly_that_is_worse_than_a_note(cut: bool) -> None:
    wire = sse(TEXT, "null", "keepalive", FINISH) + DONE
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError) as caught:
        list(map(accumulator.feed, each_byte(wire) if cut else [wire]))
    assert ("not_json", 3) == (caught.value.code, caught.value.event)
    assert "a" == caught.value.partial.choices[0].message.content
    assert caught.value.emitted
    assert ("failed", "anomaly") == (accumulator.outcome.name, accumulator.outcome.reason)
    assert ["null_event", "not_json"] == [one.code for one in accumulator.anomalies][:2]


def test_after_strict_has_raised_the_stream_is_over_and_raises_no_more() -> None:
    accumulator = Accumulator(strict=True)
    with pytest.raises(FormatError):
        accumulator.feed(sse(TEXT, "keepalive"))
    assert [] == accumulator.feed(sse(delta('{"content":5}'), "keepalive"))
    assert "anomaly" == accumulator.close().reason
    assert "a" == accumulator.snapshot().choices[0].message.content


def test_strict_raises_at_the_end_too() -> None:
    accumulator = Accumulator(strict=True)
    accumulator.feed(sse(delta('{"content":"a\\ud83d"}')))
    with pytest.raises(FormatError) as caught:
        accumulator.close()
    assert "lone_surrogate" == caught.value.code
    assert "anomaly" == accumulator.close().reason
    assert isinstance(accumulator.close().events[-1], End)


@pytest.mark.parametrize(
    "wire, reason",
    [
        (sse(delta('{"content":"a\\ud83d"}'), "keepalive"), "anomaly"),
        (sse(delta('{"content":"a\\ud83d"}'), delta(index=1)), "limit"),
        (sse(delta('{"content":"a\\ud83d"}'), '{"error":"boom"}') + DONE, "remote_error"),
    ],
    ids=["anomaly", "limit", "error"],
)
def test_half_a_pair_that_waits_while_a_strict_stream_fails_does_no_harm(wire: bytes, reason: str) -> None:
    accumulator = Accumulator(strict=True, limits=Limits(max_choices=1))
    with nullcontext() if reason == "limit" else pytest.raises((FormatError, RemoteError)):
        accumulator.feed(wire)
    assert ("failed", reason) == (accumulator.close().name, accumulator.close().reason)
    assert "a\ufffd" == accumulator.snapshot().choices[0].message.content


@pytest.mark.parametrize("way", ["feed", "absorb"])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize(
    "body, reason, message",
    [
        (b'{"error":{"message":"boom","code":"c"}}', "error_body", "boom"),
        (b'[{"error":{"message":"boom"}}]', "error_body", "boom"),
        (b'{"detail":"boom"}', "error_body", "boom"),
        (b'{"error":{"message":"boom"}}\n', "error_body", "boom"),
        (b"<title>boom</title>", "not_a_stream", "boom"),
        (b"upstream timed out", "not_a_stream", "upstream timed out"),
    ],
)
def test_strict_raises_what_the_sender_reports_instead_of_a_stream_as_it_does_for_an_event(
    body: bytes, reason: str, message: str, cut: bool, way: str
) -> None:
    accumulator = Accumulator(strict=True)
    for block in each_byte(body) if cut else [body]:
        getattr(accumulator, way)(block)
    with pytest.raises(RemoteError) as caught:
        accumulator.close()
    assert message == caught.value.message
    outcome = accumulator.close()
    assert ("failed", reason) == (outcome.name, outcome.reason)
    assert outcome.error is caught.value
    assert [ErrorSeen, End] == [type(event) for event in outcome.events][-2:]


@pytest.mark.parametrize("body", [b"", b"[1]", b"\x1f\x8b\x08", sse(TEXT)])
def test_under_strict_what_the_sender_does_not_say_is_the_outcomes_error_alone(body: bytes) -> None:
    accumulator = Accumulator(strict=True)
    accumulator.feed(body)
    assert not accumulator.close().ok


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte-by-byte"])
@pytest.mark.parametrize("blank", ["", "\n"])
def test_an_error_before_the_end_without_data_is_the_senders(blank: str, cut: bool) -> None:
    wire = f'{{"error":{{"message":"boom"}}}}\n{blank}data: [DONE]\n\n'.encode()
    reading = read_blocks(each_byte(wire) if cut else [wire])
    assert ("failed", "remote_error") == reading.ending


def test_a_clean_stream_is_fine_under_strict() -> None:
    assert RESPONSE == read(*STREAM, strict=True).response


# --- a failure from outside


def test_something_outside_of_the_bytes_may_fail_the_stream() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta('{"content":"a"}')))
    error = DeadlineError("too late", deadline="total", seconds=5)
    outcome = accumulator.fail(error, "deadline_total")
    assert ("failed", "deadline_total", error) == (outcome.name, outcome.reason, outcome.error)
    assert ["ErrorSeen", "End"] == [type(event).__name__ for event in outcome.events]
    assert accumulator.snapshot() == error.partial
    assert error.emitted
    assert outcome is accumulator.close()


def test_a_stream_that_has_ended_cannot_be_failed_any_more() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse(delta(finish="stop")) + DONE)
    assert "complete" == accumulator.fail(StreamError("late"), "deadline_total").name


def test_the_first_error_of_a_stream_decides_it_and_not_the_one_from_outside() -> None:
    accumulator = Accumulator()
    accumulator.feed(sse('{"error":{"message":"boom"}}'))
    outcome = accumulator.fail(StreamError("late"), "deadline_total")
    assert ("remote_error", "boom") == (outcome.reason, outcome.error.message)
