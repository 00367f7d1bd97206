"""For tests of what reads streams: chunks and streams to build, cuts, a clock, sources, and checks for sources.

    wire = stream_bytes("Hel", "lo", usage={...})
    for blocks in every_cut(wire): assert my_reader(blocks) == "Hello"
    check_source(lambda blocks: MySource(blocks))

Nothing here needs a test framework: checks raise AssertionError with a sentence. Nothing sleeps, and what is random is so
by a seed. Async fakes go through anyio, and so run on asyncio and trio alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from ..codec import dumps, structure
from ..types import CreateChatCompletionResponse
from ._fakes import FOREVER, AsyncFakeSource, FakeSource
from ._source_checks import check_async_source, check_source

__all__ = (
    "DONE",
    "FOREVER",
    "AsyncFakeSource",
    "FakeClock",
    "FakeSource",
    "check_async_source",
    "check_source",
    "chunk",
    "each_byte",
    "event",
    "every_cut",
    "fragment",
    "random_cuts",
    "response",
    "stream_bytes",
)

DONE = b"data: [DONE]\n\n"
"""The event that ends a stream."""


# --- builders


def chunk(
    content: str | None = None,
    *,
    finish: str | None = None,
    index: int = 0,
    delta: Mapping[str, Any] | None = None,
    usage: Mapping[str, int] | None = None,
    id: str = "chatcmpl-1",
    created: int = 1763720000,
    model: str = "a-model",
    **more: Any,
) -> dict[str, Any]:
    """A chunk as the JSON object that it is, with one choice; with usage and nothing else, none.

    `content` and `delta`: what its delta says. `more`: further fields of the chunk.
    """
    said = {**({} if content is None else {"content": content}), **(delta or {})}
    choices = [{"index": index, "delta": said, "finish_reason": finish}]
    if usage is not None and not said and finish is None:
        choices = []
    made = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": choices}
    return {**made, **({} if usage is None else {"usage": dict(usage)}), **more}


def fragment(
    arguments: str | None = None, *, index: int | None = 0, id: str | None = None, name: str | None = None, **more: Any
) -> dict[str, Any]:
    """The delta with one fragment of a tool call: a header where it has an id or a name, and a piece of arguments."""
    function = {"name": name, "arguments": arguments}
    call = {"index": index, "id": id, "type": "function" if id or name else None, "function": _said(function), **more}
    return {"tool_calls": [_said(call)]}


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def event(data: Any, *, type: str | None = None) -> bytes:
    """One server-sent event: of bytes or text as it is, of anything else its JSON."""
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, (bytes, bytearray)):
        data = dumps(data)
    head = b"" if type is None else b"event: " + type.encode() + b"\n"
    return head + b"".join(b"data: " + line + b"\n" for line in bytes(data).split(b"\n")) + b"\n"


def stream_bytes(
    *items: str | bytes | Mapping[str, Any],
    finish: str | None = "stop",
    usage: Mapping[str, int] | None = None,
    done: bool = True,
) -> bytes:
    """A whole stream. Each item is a piece of content (`str`), a chunk (any mapping), or bytes as they are.

    The role comes first, where the first item is content; a chunk with the finish reason, where none of the chunks has
    one; then the usage, and `[DONE]`. `finish=None` and `done=False` leave theirs out: a stream that broke off.
    """
    parts = [chunk("", delta={"role": "assistant"})] if items and isinstance(items[0], str) else []
    events = [event(part) for part in parts]
    for item in items:
        events.append(item if isinstance(item, bytes) else event(chunk(item) if isinstance(item, str) else item))
    if finish is not None and not any(_finishes(item) for item in items if isinstance(item, Mapping)):
        events.append(event(chunk(finish=finish)))
    if usage is not None:
        events.append(event(chunk(usage=usage)))
    return b"".join(events) + (DONE if done else b"")


def _finishes(item: Mapping[str, Any]) -> bool:
    choices = item.get("choices")
    return isinstance(choices, list) and any(isinstance(one, Mapping) and one.get("finish_reason") for one in choices)


def response(content: str = "Hello", *, finish: str = "stop", **more: Any) -> CreateChatCompletionResponse:
    """A response with one choice; `more` are fields of its message."""
    made = chunk()
    made |= {"object": "chat.completion"}
    message = {"role": "assistant", "content": content, **more}
    made["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    return structure(made, CreateChatCompletionResponse)


# --- cuts


def each_byte(wire: bytes) -> list[bytes]:
    """`wire` in blocks of one byte."""
    return [wire[at : at + 1] for at in range(len(wire))]


def every_cut(wire: bytes) -> Iterator[list[bytes]]:
    """`wire` whole, in two blocks at each place that there is, and byte by byte."""
    yield [wire]
    for at in range(1, len(wire)):
        yield [wire[:at], wire[at:]]
    if len(wire) > 2:
        yield each_byte(wire)


def random_cuts(wire: bytes, seed: int, count: int = 10) -> Iterator[list[bytes]]:
    """`wire` in blocks, cut at random in `count` ways; the same ways for the same seed."""
    chance = Random(seed)
    for _ in range(count):
        places = sorted(chance.sample(range(1, len(wire)), chance.randint(0, min(20, len(wire) - 1))) if wire else [])
        yield [wire[start:end] for start, end in zip([0, *places], [*places, len(wire)], strict=True)]


# --- a clock


class FakeClock:
    """A clock that stands still until it is told to go on. Call it for the time, as `time.monotonic`."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time, in seconds."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Let `seconds` go by; the time then."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back by {-seconds} s")
        self.now += seconds
        return self.now

    def timed(self, blocks: Iterable[bytes], seconds: float) -> Iterator[bytes]:
        """The blocks, each `seconds` after the one before."""
        for block in blocks:
            self.advance(seconds)
            yield block

    async def timed_async(self, blocks: Sequence[bytes], seconds: float) -> AsyncIterator[bytes]:
        """As `timed`, for `async for`."""
        for block in self.timed(blocks, seconds):
            yield block
