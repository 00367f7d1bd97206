"""What is known of a request for a stream when it is over."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from helpers.wire import delta, read, sse
from streamkit import Accumulator, AsyncChatStream, ChatStream, Cleaner, Ended, MisuseError, async_tee, tee
from streamkit.testing import FakeClock, stream_bytes

WIRE = stream_bytes("Hel", "lo", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
ASKED = {"model": "m", "stream": True}


def check(ended: Ended) -> None:
    assert ended.response is not None
    assert ended.usage is not None
    assert ("complete", "Hello", 5) == (
        ended.outcome.name,
        ended.response.choices[0].message.content,
        ended.usage.total_tokens,
    )
    assert ASKED == ended.request


def test_it_is_made_of_whatever_read_the_stream() -> None:
    accumulator = Accumulator()
    accumulator.absorb(WIRE)
    accumulator.close()
    with ChatStream([WIRE]) as stream:
        stream.until_done()
    with tee([WIRE]) as watched:
        list(watched)
    cleaner = Cleaner()
    cleaner.feed(WIRE)
    cleaner.close()
    for one in (accumulator, stream, watched, cleaner):
        check(Ended.of(one, request=ASKED))


def test_it_is_made_of_the_async_siblings_as_well() -> None:
    async def main() -> None:
        async with AsyncChatStream([WIRE]) as stream:
            await stream.until_done()
        check(Ended.of(stream, request=ASKED))
        async with async_tee([WIRE]) as watched:
            async for _ in watched:
                pass
        check(Ended.of(watched, request=ASKED))

    anyio.run(main)


def test_it_has_the_timing_of_a_stream_and_the_anomalies_of_its_sender() -> None:
    clock = FakeClock(5.0)
    dirty = sse('{"choices":[{"delta":{"content":"a"}}]}')
    with ChatStream(clock.timed([dirty, b"data: [DONE]\n\n"], 2), clock=clock, sent=4.0) as stream:
        stream.until_done()
    ended = Ended.of(stream, url="http://h/v1")
    assert (4.0, 3.0, "http://h/v1", {}) == (ended.timing.sent, ended.timing.ttft, ended.url, ended.request)
    assert stream.anomalies == ended.anomalies != ()


def test_a_stream_that_was_left_has_what_had_arrived() -> None:
    with tee([sse(delta('{"content":"Hel"}')), WIRE]) as watched:
        next(watched)
    ended = Ended.of(watched)
    assert ended.response is not None
    assert ("cancelled", "Hel", None) == (
        ended.outcome.name,
        ended.response.choices[0].message.content,
        ended.timing.sent,
    )


def test_a_stream_that_runs_is_refused() -> None:
    for one in (Accumulator(), ChatStream([WIRE]), None, 5):
        with pytest.raises(MisuseError, match=r"Ended.of\(\) takes a stream that has ended, .* close\(\) it first"):
            Ended.of(one)


def test_nothing_that_users_wrote_is_in_its_repr() -> None:
    ended = Ended({"messages": ["secret"]}, read(delta('{"content":"secret"}', "stop")).outcome)
    assert "secret" not in repr(ended)


def test_its_row_has_the_facts_that_a_bill_needs_and_no_text() -> None:
    clock = FakeClock(5.0)
    with tee(clock.timed([WIRE], 2), clock=clock, sent=4.0) as watched:
        list(watched)
    asked = {"model": "asked", "stream": True, "messages": [{"role": "user", "content": "secret"}]}
    assert {
        "url": "http://h/v1",
        "status": None,
        "stream": True,
        "asked": "asked",
        "model": "a-model",
        "outcome": "complete",
        "reason": "done",
        "kind": None,
        "retryable": None,
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "ttft": 3.0,
        "duration": 3.0,
        "lost": 0,
    } == Ended.of(watched, request=asked, url="http://h/v1").row()


@pytest.mark.parametrize(
    "request_, expected",
    [
        (None, (None, None)),
        ({}, (None, None)),
        ({"model": 5, "stream": 1}, (None, None)),
        ({"model": "m"}, ("m", False)),
    ],
)
def test_the_row_of_a_request_that_was_refused_has_the_model_that_was_asked_for(
    request_: Any, expected: tuple[Any, Any]
) -> None:
    accumulator = Accumulator()
    accumulator.absorb(b'{"error":{"message":"secret","code":"rate_limit_exceeded"}}')
    accumulator.close()
    row = Ended.of(accumulator, request=request_).row()
    assert (*expected, "failed", "rate_limit", True, 0) == tuple(
        row[name] for name in ("asked", "stream", "outcome", "kind", "retryable", "lost")
    )
    assert row["model"] is None
    assert "secret" not in str(row)


def test_what_was_lost_of_a_stream_is_counted_in_its_row() -> None:
    accumulator = Accumulator()
    accumulator.absorb(b"data: {not JSON\n\n" * 3 + WIRE)
    accumulator.close()
    assert 3 == Ended.of(accumulator).row()["lost"]


FULL = b'{"object":"chat.completion","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}'


@pytest.mark.parametrize(
    "asked, expected",
    [({"stream": False}, []), ({"model": "m"}, []), (ASKED, ["full_body"]), ({}, ["full_body"]), (None, ["full_body"])],
)
def test_a_full_response_is_no_deviation_where_no_stream_was_asked_for(asked: Any, expected: list[str]) -> None:
    accumulator = Accumulator()
    accumulator.absorb(FULL)
    accumulator.close()
    codes = [one.code for one in Ended.of(accumulator, request=asked).anomalies]
    assert expected == [code for code in codes if code == "full_body"]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_request_that_got_no_response_has_a_row_too(library: str) -> None:
    client = pytest.importorskip(library)
    raised = client.ConnectError("All connection attempts failed")
    ended = Ended.without_response(raised, request=ASKED, url="http://h/v1")
    row = ended.row()
    assert ("m", True, "failed", "source_error", "network", True) == tuple(
        row[name] for name in ("asked", "stream", "outcome", "reason", "kind", "retryable")
    )
    assert ended.outcome.error is not None
    assert raised is ended.outcome.error.__cause__
    assert "http://h/v1" == row["url"]


def test_what_an_sdk_raised_for_a_refusal_is_what_the_sender_said() -> None:
    class RateLimitError(Exception):  # as openai has it, without its import
        message, body, status_code = "slow down", {"message": "slow down"}, 429

    assert "rate_limit" == Ended.without_response(RateLimitError()).row()["kind"]


@pytest.mark.parametrize("error", [None, 5, "reset", ValueError])
def test_a_request_without_a_response_has_an_exception(error: Any) -> None:
    with pytest.raises(MisuseError, match=r"takes the exception of a client, not"):
        Ended.without_response(error)
