"""What is known of a request for a stream when it is over."""

from __future__ import annotations

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
