"""A live stream read by both siblings at once: `both` reads a script with `ChatStream` and with `AsyncChatStream`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from helpers.wire import DONE, calls, delta, sse
from streamkit import AsyncChatStream, ChatStream, events
from streamkit.testing import AsyncFakeSource, FakeClock, FakeSource

A, B = sse(delta('{"content":"Hel"}')), sse(delta('{"content":"lo"}'))
FINISH = sse(delta(finish="stop"))
WHOLE = [A, B, FINISH + DONE]
TOOLS = sse(
    *calls(
        '{"index":0,"id":"c0","function":{"name":"f","arguments":"{\\"a\\""}}',
        '{"index":0,"function":{"arguments":":1}"}}',
        '{"index":1,"id":"c1","function":{"name":"g","arguments":"{"}}',
    )
)
ERROR = sse('{"error":{"message":"boom","code":500}}')


@attrs.frozen
class Seen:
    """What one reading gave, and what was raised after it."""

    pieces: list[Any]
    raised: BaseException | None = attrs.field(eq=False)
    stream: Any = attrs.field(eq=False)
    source: Any = attrs.field(eq=False)

    @property
    def kinds(self) -> list[str]:
        return [type(piece).__name__ for piece in self.pieces]

    @property
    def ending(self) -> tuple[str, str]:
        return self.stream.outcome.name, self.stream.outcome.reason


async def both(script: list[Any], ways: Callable[[Any], Any] = lambda stream: stream, **options: Any) -> Seen:
    """Read a script in one of the ways of iterating; both siblings must give the same."""
    source, stream_source = FakeSource(script), AsyncFakeSource(script)
    sync = ChatStream(source, clock=FakeClock(100.0), **options)
    pieces: list[Any] = []
    raised = None
    with sync:
        try:
            for piece in ways(sync):
                pieces.append(piece)
        except Exception as error:
            raised = error
    seen = Seen(pieces, raised, sync, source)
    other = AsyncChatStream(stream_source, clock=FakeClock(100.0), **options)
    others: list[Any] = []
    other_raised = None
    async with other:
        try:
            async for piece in ways(other):
                others.append(piece)
        except Exception as error:
            other_raised = error
    assert comparable(pieces) == comparable(others)
    assert str(raised) == str(other_raised)
    assert sync.outcome == other.outcome
    assert sync.snapshot() == other.snapshot()
    assert sync.timing == other.timing
    assert sync.anomalies == other.anomalies
    assert (source.closed, source.reads) == (stream_source.closed, stream_source.reads)
    return seen


def comparable(pieces: list[Any]) -> list[Any]:
    return [str(piece.error) if isinstance(piece, events.ErrorSeen) else piece for piece in pieces]
