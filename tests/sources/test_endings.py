"""How a source ended, whether `[DONE]` was among its bytes, and the outcome of a stream whose source ended so: what a
transport is built on."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from helpers.wire import DONE, delta, each_byte, sse
from streamkit import Accumulator, Cleaner, MisuseError, TruncatedError
from streamkit.outcome import REASONS
from streamkit.sources import GRACE, AsyncBlocks, Blocks, EndWatch, blocks, end_stream, said_end
from streamkit.testing import AsyncFakeSource, FakeSource

A = sse(delta('{"content":"Hel"}'))
RESET = ConnectionResetError("reset by peer")

ENDS = [
    b"data: [DONE]\n\n",
    b"data:[DONE]\r\n\r\n",
    b"data: [DONE] \r\r",
    b"[DONE]\n",
    b"\xef\xbb\xbfdata: [DONE]\n",
    A + DONE,
    A.replace(b"\n", b"\r\n") + b"data:\t[DONE]\r\n",
    b": " + b"-" * 200 + b"\n" + DONE,
    b"data:" + b" " * 32 + b"[DONE]" + b" " * 8 + b"\n",
]
NO_ENDS = [
    b"",
    A,
    b"data: [DONE]",
    sse(delta('{"content":"[DONE]"}')),
    b"data: [DONE] more\n\n",
    b"data:" + b" " * 300 + b"[DONE]\n",
    b"event: [DONE]\n\n",
    b"data: " + b"-" * 100 + b"[DONE]\n",
    b"data: x data: [DONE]\n",
    b'data: {"a":1}[DONE]\n',
]


def watched(pieces: list[bytes], encoding: str | None = None) -> bool:
    watch = EndWatch(encoding)
    seen = [watch.feed(piece) for piece in pieces]
    assert watch.seen == any(seen)
    return watch.seen


@pytest.mark.parametrize("body", ENDS)
def test_done_is_seen_however_it_is_cut(body: bytes) -> None:
    assert watched([body])
    assert watched(each_byte(body))
    for at in range(len(body)):
        assert watched([body[:at], body[at:]])


@pytest.mark.parametrize("body", NO_ENDS)
def test_what_only_looks_like_done_is_not_seen(body: bytes) -> None:
    assert not watched([body])
    assert not watched(each_byte(body))
    for at in range(len(body)):
        assert not watched([body[:at], body[at:]])


def test_done_is_seen_in_a_packed_body_as_soon_as_it_has_arrived() -> None:
    packed = gzip.compress(A + DONE)
    assert watched([packed], "gzip")
    assert watched(each_byte(packed), "gzip")
    assert not watched([gzip.compress(A)], "gzip")


@pytest.mark.parametrize("encoding", ["gzip", "br, dcb", "compress"])
def test_a_body_that_cannot_be_unpacked_has_no_end_to_be_seen(encoding: str) -> None:
    assert not watched([A, DONE], encoding)


def test_a_watch_holds_no_more_than_one_short_line() -> None:
    watch = EndWatch()
    for _ in range(100):
        watch.feed(b"data: " + b"-" * 1000)
    assert 64 >= len(watch._line)


def source(script: list[Any], **facts: Any) -> Blocks:
    fake = FakeSource(script, **facts)
    return Blocks(fake, close=fake.close)


def test_a_source_says_how_it_ended() -> None:
    found = source([A, DONE])
    assert None is found.ended
    assert [A, DONE] == list(found)
    found.close()
    assert ("end", None) == (found.ended, found.error)


def test_a_source_that_raised_says_what() -> None:
    found = source([A], fail=RESET)
    assert A == next(found)
    with pytest.raises(ConnectionResetError):
        next(found)
    found.close()
    assert ("error", RESET) == (found.ended, found.error)


def test_a_source_that_was_closed_before_its_end_says_so() -> None:
    found = source([A, DONE])
    next(found)
    found.close()
    assert [] == list(found)
    assert ("closed", None) == (found.ended, found.error)


def test_an_async_source_says_how_it_ended() -> None:
    async def ended(fail: Exception | None, read: int) -> tuple[Any, Any]:
        fake = AsyncFakeSource([A, DONE], fail=fail)
        found = AsyncBlocks(fake, close=fake.aclose)
        try:
            for _ in range(read):
                await found.__anext__()
        except (StopAsyncIteration, ConnectionResetError):
            pass
        await found.aclose()
        return found.ended, found.error

    assert ("end", None) == anyio.run(ended, None, 3)
    assert ("error", RESET) == anyio.run(ended, RESET, 3)
    assert ("closed", None) == anyio.run(ended, None, 2)


class Response:
    """What httpx's responses look like, over HTTP/1.1: read on after the end with a time for each read."""

    def __init__(self, script: list[bytes], packed: str | None = None) -> None:
        self.headers = {"content-encoding": packed} if packed else {}
        self.status_code = 200
        self.extensions = {"network_stream": self, "http_version": b"HTTP/1.1"}
        self.is_stream_consumed = self.is_closed = False
        self.stream: list[bytes] = script

    @property
    def content(self) -> bytes:
        raise RuntimeError("not read")

    def read(self, _size: int, _timeout: float) -> bytes:
        raise NotImplementedError

    def iter_raw(self) -> Iterator[bytes]:
        yield from self.stream

    aiter_raw = iter_raw

    def close(self) -> None:
        self.is_closed = True


def test_finishing_hands_out_what_followed_the_end_and_closes() -> None:
    response, kept = Response([A, DONE, b": bye\n\n"]), []
    found = blocks(response)
    assert [A, DONE] == [next(found), next(found)]
    found.finish(GRACE, kept.append)
    assert ([b": bye\n\n"], "end", True) == (kept, found.ended, response.is_closed)


def test_finishing_without_grace_only_closes() -> None:
    response, kept = Response([A, DONE, b": bye\n\n"]), []
    found = blocks(response)
    next(found)
    found.finish(0, kept.append)
    assert ([], "closed", True) == (kept, found.ended, response.is_closed)


def test_an_async_source_is_finished_alike() -> None:
    async def finish() -> None:
        fake, kept = AsyncFakeSource([A, DONE, b": bye\n\n"]), []
        found = AsyncBlocks(fake, close=fake.aclose, drainable=True)
        await found.__anext__()
        await found.__anext__()
        await found.finish(GRACE, kept.append)
        assert ([b": bye\n\n"], "end", 1) == (kept, found.ended, fake.closed)

    anyio.run(finish)


def test_blocks_are_unpacked_unless_the_caller_wants_them_as_they_were_sent() -> None:
    packed = gzip.compress(A + DONE)
    assert A + DONE == b"".join(blocks(Response([packed], "gzip")))
    assert [packed[:9], packed[9:]] == list(blocks(Response([packed[:9], packed[9:]], "gzip"), unpack=False))


def test_a_body_that_its_client_has_unpacked_cannot_be_given_as_it_was_sent() -> None:
    httpx = pytest.importorskip("httpx")
    read = httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(DONE))
    with pytest.raises(MisuseError, match="unpack=False asks for the bytes as sent, but the body"):
        blocks(read, unpack=False)
    assert [DONE] == list(blocks(read))


def test_a_word_that_is_not_a_bool_is_refused() -> None:
    with pytest.raises(MisuseError, match="unpack="):
        blocks(DONE, unpack="no")  # type: ignore[arg-type]


def test_the_outcome_is_that_of_the_bytes_where_the_source_has_no_more() -> None:
    reader = Accumulator()
    reader.absorb(A)
    assert ("truncated", None) == (end_stream(reader, status=200).name, getattr(reader.outcome, "ok", None) or None)
    assert not said_end(reader.outcome)


def test_the_outcome_of_a_source_that_broke_has_its_error_as_the_cause() -> None:
    cleaner = Cleaner()
    outcome = end_stream(cleaner.accumulator, RESET, status=502)
    assert outcome.error is not None
    assert ("failed", RESET, 502) == (outcome.name, outcome.error.__cause__, outcome.error.status)
    assert b'"error"' in b"".join(cleaner.close())


def test_a_refused_request_has_its_status_on_the_error() -> None:
    reader = Accumulator()
    reader.absorb(b"upstream timed out")
    outcome = end_stream(reader, status=504)
    assert outcome.error is not None
    assert 504 == outcome.error.status


def test_the_sender_ended_the_stream_where_done_arrived() -> None:
    reader = Accumulator()
    reader.absorb(A + DONE)
    assert said_end(reader.outcome)
    assert not said_end(None)


BROKE = [
    (
        ConnectionResetError(104, "Connection reset by peer"),
        "ConnectionResetError: [Errno 104] Connection reset by peer",
    ),
    (ConnectionResetError(), "ConnectionResetError"),  # httpx says no more of a reset than the class, either
]


@pytest.mark.parametrize("raised, named", BROKE)
@pytest.mark.parametrize("last, reason", [(b"", "no_finish"), (A[:20], "mid_event")])
def test_the_error_of_a_stream_that_broke_off_says_what_its_source_raised(
    raised: Exception, named: str, last: bytes, reason: str
) -> None:
    accumulator = Accumulator()
    accumulator.feed(A + last)
    error = end_stream(accumulator, raised).error
    assert isinstance(error, TruncatedError)
    expected = f"{REASONS[reason][1]}: the source raised {named}"
    assert (expected, (expected,), raised) == (error.message, error.args, error.__cause__)
    assert 1 == str(error).count("ConnectionResetError")


def test_a_sender_that_closes_too_early_is_not_said_to_have_raised_anything() -> None:
    accumulator = Accumulator()
    accumulator.feed(A)
    error = end_stream(accumulator).error
    assert error is not None
    assert REASONS["no_finish"][1] == error.message
