"""What to_events and to_chunks return: an iterator that knows how the stream ended, and keeps to deadlines."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from helpers.wire import DONE, delta, sse
from streamkit import (
    Accumulator,
    DeadlineError,
    Deadlines,
    MisuseError,
    Written,
    async_to_chunks,
    async_to_events,
    reassemble,
    to_chunks,
    to_events,
)
from streamkit.sources import AsyncBlocks
from streamkit.testing import FOREVER, AsyncFakeSource, FakeClock, FakeSource, response

A, B = sse(delta('{"role":"assistant","content":"Hel"}')), sse(delta('{"content":"lo"}'))
WHOLE = [A, B, sse(delta(finish="stop")), DONE]
PING = b": ping\n\n"
both = pytest.mark.parametrize("write", [to_events, to_chunks], ids=lambda one: one.__name__)
both_async = pytest.mark.parametrize("write", [async_to_events, async_to_chunks], ids=lambda one: one.__name__)


@both
def test_what_is_written_says_how_the_stream_ended(write: Any) -> None:
    with write(FakeSource(WHOLE, status=200)) as written:
        assert isinstance(written, Written)
        next(written)
        assert None is written.outcome
        assert "Hel" == written.response.choices[0].message.content
        list(written)
    assert (True, 200, None) == (written.outcome.ok, written.status, written.source_error)
    assert reassemble(b"".join(WHOLE)) == written.response
    assert () == written.anomalies


@both_async
def test_what_is_written_of_an_async_stream_says_it_too(write: Any) -> None:
    async def main() -> None:
        async with write(AsyncFakeSource(WHOLE)) as written:
            async for _ in written:
                pass
        assert written.outcome is not None
        assert written.outcome.ok
        assert reassemble(b"".join(WHOLE)) == written.response
        assert () == written.anomalies

    anyio.run(main)


def test_of_a_response_what_was_given_is_known() -> None:
    given = response("Hello")
    written = to_events(given)
    assert (given, None, ()) == (written.response, written.outcome, written.anomalies)
    assert given.choices == reassemble(b"".join(written)).choices
    accumulator = Accumulator()
    accumulator.absorb(b"".join([*WHOLE[:-1], b"data: nonsense\n\n", DONE]))
    outcome = accumulator.close()
    for written in (to_events(accumulator), async_to_events(accumulator)):
        assert (outcome, accumulator.anomalies) == (written.outcome, written.anomalies)
        assert accumulator.snapshot() == written.response


@both
def test_leaving_early_ends_the_stream_as_cancelled(write: Any) -> None:
    source = FakeSource(WHOLE)
    with write(source) as written:
        next(written)
    assert ("cancelled", 1, []) == (written.outcome.name, source.closed, list(written))


@both
def test_a_passed_deadline_is_raised_after_what_had_arrived_gives(write: Any) -> None:
    clock, came = FakeClock(), []
    source = FakeSource([A, 1, PING, 1, PING, 1, B], clock=clock)
    written = write(source, deadlines=Deadlines(idle=1.5), clock=clock)
    with pytest.raises(DeadlineError) as raised:
        came.extend(written)
    assert ("idle", "deadline_idle", 1) == (raised.value.deadline, written.outcome.reason, source.closed)
    assert "Hel" == raised.value.partial.choices[0].message.content
    if write is to_events:
        assert b'"error"' in came[-1]
    assert None is next(written, None)


@both
def test_half_an_event_is_no_keep_alive(write: Any) -> None:
    clock = FakeClock()
    script = [A, 1, B[:9], 1, B[9:-1], 1, B[-1:], 1, *WHOLE[2:]]
    written = write(FakeSource(script, clock=clock), deadlines=Deadlines(idle=1.5), clock=clock)
    list(written)
    assert written.outcome.ok


def test_the_total_counts_from_the_sending_of_the_request() -> None:
    clock = FakeClock()
    written = to_events(FakeSource(WHOLE), deadlines=Deadlines(total=5), clock=clock, sent=clock() - 6)
    with pytest.raises(DeadlineError):
        list(written)


@both_async
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_silent_read_is_broken_off_by_its_deadline(write: Any, backend: str) -> None:
    async def main() -> None:
        written = write(AsyncFakeSource([A, FOREVER]), deadlines=Deadlines(idle=0.01))
        with pytest.raises(DeadlineError):
            async for _ in written:
                pass
        assert "deadline_idle" == written.outcome.reason

    pytest.importorskip(backend)
    anyio.run(main, backend=backend)


@both
@pytest.mark.parametrize("source", [response("Hello"), WHOLE], ids=["response", "stream"])
def test_to_iterate_again_is_misuse(write: Any, source: Any) -> None:
    written = write(source)
    list(written)
    assert None is next(written, None)
    with pytest.raises(MisuseError, match="iterate over it once"):
        list(written)


def test_closing_when_all_was_given_drains_what_follows_the_end() -> None:
    async def main() -> None:
        source = AsyncFakeSource([b"".join(WHOLE), PING])
        blocks = AsyncBlocks(source, close=source.aclose, drainable=True)
        async with async_to_events(blocks) as written:
            while DONE != await anext(written):
                pass
        assert (2, 1, "end") == (source.taken, source.closed, blocks.ended)

    anyio.run(main)


@both
@pytest.mark.parametrize("wrong", [{"deadlines": 5}, {"sent": "now"}, {"clock": 5}])
def test_wrong_arguments_are_misuse_before_anything_is_read(write: Any, wrong: Any) -> None:
    source = FakeSource(WHOLE)
    with pytest.raises(MisuseError):
        write(source, **wrong)
    assert 0 == source.reads
