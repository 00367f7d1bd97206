"""Code that reads living streams and passes them on, as users write it: every line must pass strict type checkers."""

from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict, assert_type

import attrs

import streamkit
from streamkit import (
    Accumulator,
    AsyncBroadcast,
    AsyncChatStream,
    AsyncSubscription,
    AsyncTee,
    AsyncWritten,
    Broadcast,
    ChatStream,
    Cleaner,
    Deadlines,
    Dialect,
    Limits,
    Outcome,
    PartialJSON,
    ResumePoint,
    Snapshot,
    StreamError,
    Subscription,
    Tee,
    Timing,
    Written,
    resume_point,
)
from streamkit.anomalies import Anomaly
from streamkit.errors import ErrorKind
from streamkit.events import ContentDelta, End, Event, ToolCallDelta, ToolCallDone
from streamkit.partial_json import NotJSON, PathEvent, StringDelta, ValueDone, ValueStarted
from streamkit.types import CreateChatCompletionResponse, CreateChatCompletionStreamResponse


def show(blocks: Iterable[bytes]) -> str:
    with ChatStream(blocks, deadlines=Deadlines(idle=30), limits=Limits(max_choices=1)) as stream:
        assert_type(stream, ChatStream)
        shown = ""
        for piece in stream.text():
            assert_type(piece, str)
            shown += piece
        assert_type(stream.response, CreateChatCompletionResponse)
        assert_type(stream.snapshot(), CreateChatCompletionResponse | None)
        assert_type(stream.outcome, Outcome | None)
        assert_type(stream.anomalies, tuple[Anomaly, ...])
        assert_type(stream.status, int | None)
    return shown


def survive(blocks: list[bytes], later: AsyncIterator[bytes]) -> tuple[str, ...]:
    accumulator = Accumulator()
    accumulator.feed(blocks[0])
    assert_type(accumulator.checkpoint(), bytes)
    assert_type(Accumulator.restore(accumulator.checkpoint(), limits=Limits(), whole_events=True), Accumulator)
    stream = ChatStream(blocks)
    saved = stream.checkpoint()
    assert_type(saved, bytes)
    point = resume_point(saved)
    assert_type(point, ResumePoint)
    assert_type(point.headers, dict[str, str])
    ChatStream(blocks, resume_from=saved, begins="offset")
    AsyncChatStream(later, resume_from=saved, begins="event")
    ChatStream(blocks, resume_from=saved, begins="end")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return point.last_event_id, str(point.offset)


def words(blocks: Iterable[bytes]) -> Iterator[str]:
    for event in ChatStream(blocks):
        assert_type(event, Event)
        match event:
            case ContentDelta(choice=0, text=text):
                assert_type(text, str)
                yield text
            case ToolCallDone(tool_call=call) if call.complete:
                yield call.id
            case End(outcome=outcome):
                yield outcome.name
            case _:
                pass


def narrower(stream: ChatStream) -> None:
    for chunk in stream.chunks():
        assert_type(chunk, CreateChatCompletionStreamResponse)
    for call in stream.tool_calls():
        assert_type(call.complete, bool)
    assert_type(stream.until_done(), Outcome)


def figures(timing: Timing) -> float:
    assert_type(timing.ttft, float | None)
    return timing.ttft or 0.0


async def show_later(response: AsyncIterator[bytes]) -> CreateChatCompletionResponse | None:
    async with AsyncChatStream(response, dialect=Dialect(think_tags=True)) as stream:
        assert_type(stream, AsyncChatStream)
        async for event in stream:
            assert_type(event, Event)
        async for piece in stream.text():
            assert_type(piece, str)
        assert_type(await stream.until_done(), Outcome)
        assert_type(figures(stream.timing), float)
        return stream.snapshot()


def forward(upstream: Iterable[bytes]) -> bytes:
    with streamkit.tee(upstream, Accumulator(strict=True)) as blocks:
        assert_type(blocks, Tee)
        sent = b""
        for block in blocks:
            assert_type(block, bytes)
            sent += block
    assert_type(blocks.outcome, Outcome | None)
    assert_type(blocks.error, Exception | None)
    assert_type(blocks.response, CreateChatCompletionResponse | None)
    return sent


async def forward_later(upstream: AsyncIterator[bytes]) -> int | None:
    async with streamkit.async_tee(upstream) as blocks:
        assert_type(blocks, AsyncTee)
        async for block in blocks:
            assert_type(block, bytes)
    usage = blocks.response.usage if blocks.response else None
    return usage.total_tokens if usage else None


def clean(upstream: Iterable[bytes]) -> Iterator[bytes]:
    cleaner = Cleaner(text=20, dialect=Dialect(cumulative_text=True))
    for block in upstream:
        assert_type(cleaner.feed(block), list[bytes])
        yield from cleaner.feed(block)
    yield from cleaner.close()
    assert_type(cleaner.response, CreateChatCompletionResponse | None)


def written(response: CreateChatCompletionResponse, cached: dict[str, Any], path: Path) -> Iterator[bytes]:
    yield from streamkit.to_events(response, text=20)
    yield from streamkit.to_events(cached, text=lambda text: text.split(" "), logprobs="whole")
    events = streamkit.to_events(path, done=False, deadlines=Deadlines(idle=5))
    assert_type(events, Written[bytes])
    assert_type(events.outcome, Outcome | None)
    for event in events:
        assert_type(event, bytes)
        yield event
    events.close()
    for chunk in streamkit.to_chunks(response):
        assert_type(chunk, CreateChatCompletionStreamResponse)


async def written_later(upstream: AsyncIterator[bytes]) -> None:
    async with streamkit.async_to_events(upstream, text=None) as events:
        assert_type(events, AsyncWritten[bytes])
        async for event in events:
            assert_type(event, bytes)
    async for chunk in streamkit.async_to_chunks(upstream):
        assert_type(chunk, CreateChatCompletionStreamResponse)


def chunks_are_a_stream(response: CreateChatCompletionResponse) -> streamkit.types.ChatCompletionResponseStream:
    return streamkit.to_chunks(response)


def chunks_are_a_stream_later(
    response: CreateChatCompletionResponse,
) -> streamkit.types.AsyncChatCompletionResponseStream:
    return streamkit.async_to_chunks(response)


def listen(one: Subscription) -> str:
    text = ""
    for item in one:
        assert_type(item, Event | Snapshot)
        if isinstance(item, Snapshot):
            assert_type(item.response, CreateChatCompletionResponse | None)
        elif isinstance(item, ContentDelta):
            text += item.text
    assert_type(one.dropped, int)
    return text


def broadcast(upstream: Iterable[bytes]) -> Outcome:
    with Broadcast(upstream, buffer=100) as one:
        listen(one.subscribe(slow="coalesce"))
        return one.run()


async def broadcast_later(upstream: AsyncIterator[bytes]) -> None:
    async with AsyncBroadcast(upstream) as one:
        subscription = one.subscribe("drop", buffer=1)
        assert_type(subscription, AsyncSubscription)
        async for item in subscription:
            assert_type(item, Event | Snapshot)
        assert_type(await one.run(), Outcome)


def what_had_come(blocks: Iterable[bytes]) -> CreateChatCompletionResponse | None:
    try:
        return streamkit.reassemble(blocks)
    except StreamError as error:
        assert_type(error.partial, CreateChatCompletionResponse | None)
        assert_type(error.kind, ErrorKind)
        assert_type(error.retryable, bool)
        return error.partial


def mistakes(blocks: Iterable[bytes], upstream: AsyncIterator[bytes]) -> None:
    streamkit.tee(blocks, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Broadcast(blocks).subscribe("never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamkit.to_events(blocks, text="a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    streamkit.to_events(blocks, logprobs="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Cleaner("x")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    ChatStream(blocks, deadlines=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ChatStream(blocks, timeout=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Cleaner().feed("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@attrs.frozen
class City:
    name: str


class CityFields(TypedDict):
    name: str


def structured(stream: ChatStream) -> None:
    for city in stream.items("$.cities[*]", into=City):
        assert_type(city, City)
    for fields in stream.items("$.cities[*]", into=CityFields, choice=1, skip_around=True):
        assert_type(fields, CityFields)
    for plain in stream.items("$.cities[*]"):
        assert_type(plain, Any)
    for value in stream.partial(skip_around=True):
        assert_type(value, Any)
    assert_type(stream.peek(choice=0, call=1), Any)


async def structured_async(stream: AsyncChatStream) -> None:
    async for city in stream.items("$.cities[*]", into=City):
        assert_type(city, City)
    async for value in stream.partial(1):
        assert_type(value, Any)


def growing(pieces: Iterable[str]) -> list[str]:
    changes = PartialJSON(skip_around=True)
    texts: list[str] = []
    for piece in pieces:
        for event in changes.feed(piece):
            assert_type(event, PathEvent)
            match event:
                case StringDelta(path=path, text=text) if path == "$.city":
                    assert_type(text, str)
                    texts.append(text)
                case ValueStarted(kind=kind):
                    assert_type(kind, Literal["object", "array", "string"])
                case ValueDone(path=path):
                    assert_type(path.parts, tuple[str | int, ...])
                case _:
                    pass
    assert_type(changes.error, NotJSON | None)
    return texts


def path_events(block: bytes) -> Iterator[PathEvent]:
    for event in Accumulator(path_events=True).feed(block):
        if isinstance(event, ToolCallDelta):
            yield from event.path_events
