"""How live streams end: what the sender did, a connection that breaks, and the response at the end."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.streams import ERROR, FINISH, WHOLE, A, B, both
from helpers.wire import DONE
from streamkit import (
    AsyncChatStream,
    ChatStream,
    FormatError,
    MisuseError,
    RemoteError,
    SourceError,
    TruncatedError,
)
from streamkit.testing import AsyncFakeSource, FakeSource

pytestmark = pytest.mark.anyio


# --- how it ends


async def test_nothing_is_read_behind_the_end() -> None:
    source = FakeSource([*WHOLE, A])
    assert "complete" == ChatStream(source).until_done().name
    assert (3, 1) == (source.reads, source.closed)


@pytest.mark.parametrize(
    "script, ending, error",
    [
        ([A], ("truncated", "no_finish"), TruncatedError),
        ([A, ERROR, DONE], ("failed", "remote_error"), RemoteError),
        ([], ("failed", "empty"), FormatError),
        ([b'{"error":{"message":"boom"}}'], ("failed", "error_body"), RemoteError),
    ],
    ids=["truncated", "remote-error", "empty", "error-body"],
)
async def test_what_the_sender_did_is_told_by_the_last_event_and_raised_where_that_is_not_shown(
    script: list[Any], ending: tuple[str, str], error: type[Exception]
) -> None:
    seen = await both(script)
    assert (None, ending, "End") == (seen.raised, seen.ending, seen.kinds[-1])
    for way in (lambda s: s.text(), lambda s: s.chunks(), lambda s: s.tool_calls()):
        narrow = await both(script, way)
        assert error is type(narrow.raised)
        assert narrow.stream.snapshot() == narrow.raised.partial
    assert 1 == seen.source.closed


async def test_a_broken_connection_is_a_truncated_stream_with_its_cause() -> None:
    broken = ConnectionResetError("reset")
    for way in (lambda s: s, lambda s: s.text(), lambda s: s.chunks()):
        seen = await both([A, broken], way)
        assert ("truncated", "no_finish") == seen.ending
        assert isinstance(seen.raised, TruncatedError)
        assert broken is seen.raised.__cause__
        assert broken is seen.stream.source_error
        assert "Hel" == seen.raised.partial.choices[0].message.content
        assert 1 == seen.source.closed


async def test_the_end_comes_before_the_exception() -> None:
    seen = await both([A, ConnectionResetError("reset")])
    assert "End" == seen.kinds[-1]
    assert isinstance(seen.raised, TruncatedError)


async def test_an_exception_is_raised_once() -> None:
    stream = ChatStream(FakeSource([A, OSError("gone")]))
    text = stream.text()
    assert "Hel" == next(text)
    with pytest.raises(TruncatedError):
        next(text)
    assert ([], []) == (list(text), list(stream))


KEEP_ALIVES = [b": ping\n\n", b'data: {"type":"ping"}\n\n', b"retry: 1\n: ping\n\n"]


@pytest.mark.parametrize("before", [[], [b""], *([one] for one in KEEP_ALIVES)])
async def test_a_connection_that_breaks_before_the_first_chunk_is_told_from_an_empty_body(before: list[Any]) -> None:
    for way in (lambda s: s, lambda s: s.text(), lambda s: s.tool_calls()):
        seen = await both([*before, ConnectionResetError("reset by peer")], way)
        assert ("failed", "source_error") == seen.ending
        assert type(seen.raised) is SourceError
        assert "the source failed before any chunk had arrived: ConnectionResetError: reset by peer" in str(seen.raised)
        assert isinstance(seen.raised.__cause__, ConnectionResetError)
        assert seen.raised.__cause__ is seen.stream.source_error
        assert (None, False) == (seen.raised.partial, seen.raised.emitted)
    assert ("failed", "empty") == (await both(before)).ending


@pytest.mark.parametrize(
    "before, ending",
    [
        (A, ("truncated", "no_finish")),
        (A + B[:30], ("truncated", "mid_event")),
        (b'{"error":{"message":"boom"}}', ("failed", "error_body")),
        (
            b'{"id":"c","choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}',
            ("complete", "full_body"),
        ),
        (ERROR, ("failed", "remote_error")),
    ],
    ids=["chunk", "half-a-chunk", "error-body", "full-body", "error"],
)
async def test_a_connection_that_breaks_behind_something_is_told_by_what_came(
    before: bytes, ending: tuple[str, str]
) -> None:
    seen = await both([before, ConnectionResetError("reset")])
    assert ending == seen.ending
    if ending[0] != "complete":
        assert isinstance(seen.raised.__cause__, ConnectionResetError)


async def test_a_connection_that_breaks_behind_the_finish_leaves_a_complete_response() -> None:
    seen = await both([A, B, FINISH, ConnectionResetError("reset")])
    assert (None, ("complete", "finish_without_done")) == (seen.raised, seen.ending)
    assert isinstance(seen.stream.source_error, ConnectionResetError)


async def test_an_exception_of_closing_does_not_spoil_the_response() -> None:
    source, other = (
        FakeSource(WHOLE, close_error=OSError("close")),
        AsyncFakeSource(WHOLE, close_error=OSError("close")),
    )
    sync, stream = ChatStream(source), AsyncChatStream(other)
    assert sync.until_done() == await stream.until_done()
    assert sync.response == stream.response
    assert "close" == str(sync.source_error) == str(stream.source_error)


async def test_what_a_client_raises_in_the_senders_words_is_the_senders_error() -> None:
    class APIError(Exception):
        message, body, code = "overloaded", {"message": "overloaded"}, 529

    seen = await both([A, APIError()])
    assert ("failed", "remote_error") == seen.ending
    assert isinstance(seen.raised, RemoteError)
    assert ("overloaded", 529, {"message": "overloaded"}) == (seen.raised.message, seen.raised.code, seen.raised.body)
    assert isinstance(seen.raised.__cause__, APIError)


async def test_an_error_of_a_response_says_its_status() -> None:
    stream = ChatStream(FakeSource([b"upstream connect error"], status=503))
    assert 503 == stream.status
    assert ["The response had the HTTP status 503."] == stream.until_done().error.__notes__
    assert AsyncChatStream(AsyncFakeSource(WHOLE)).status is None


# --- the response


async def test_the_response_drives_a_sync_stream_to_its_end() -> None:
    stream = ChatStream(FakeSource(WHOLE))
    assert "Hello" == stream.response.choices[0].message.content
    assert stream.response == stream.snapshot()
    assert None is next(stream, None), "the events on the way were thrown away"


async def test_the_response_of_an_async_stream_wants_it_to_be_over() -> None:
    stream = AsyncChatStream(AsyncFakeSource(WHOLE))
    assert "Hel" == await anext(stream.text())
    with pytest.raises(MisuseError, match=r"await stream.until_done\(\)") as raised:
        stream.response
    assert "Hel" == raised.value.partial.choices[0].message.content
    assert "complete" == (await stream.until_done()).name
    assert "Hello" == stream.response.choices[0].message.content


async def test_the_response_of_a_stream_that_is_not_complete_raises_its_error() -> None:
    stream = ChatStream(FakeSource([A]))
    with pytest.raises(TruncatedError):
        stream.response
    assert "Hel" == stream.snapshot().choices[0].message.content


async def test_until_done_raises_nothing_that_the_outcome_tells() -> None:
    script = [A, ConnectionResetError("reset")]
    sync, stream = ChatStream(FakeSource(script)), AsyncChatStream(AsyncFakeSource(script))
    assert "truncated" == sync.until_done().name == (await stream.until_done()).name
    assert sync.until_done() == await stream.until_done()


async def test_the_outcome_is_none_while_it_runs() -> None:
    stream = ChatStream(FakeSource(WHOLE))
    assert (None, None) == (stream.outcome, stream.snapshot())
    next(stream)
    assert stream.outcome is None
    assert 1 == stream.statistics().chunks
