"""Closing a stream at an unlucky moment: interrupted at any bytecode, cancelled at any await, or by another thread while
the sender is silent. Whatever it is, the source is closed, at the latest by the next closing.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from helpers.interrupting import interrupted_at
from helpers.loopback import EVENTS, Loopback, until
from helpers.loopback_async import Opener, by_aiohttp, by_httpx, by_httpx2, by_openai, named, run
from helpers.loopback_sync import CLIENTS, LEAVE_LATE, QUESTION, helper, name_of, openai_client
from helpers.stepping import cancelled_at
from helpers.wire import DONE, delta, each_byte, sse
from streamkit import AsyncBroadcast, AsyncChatStream, Broadcast, ChatStream, to_events
from streamkit._clean.to_events_async import async_to_events
from streamkit._live.tee import async_tee, tee
from streamkit.sources import Blocks, blocks
from streamkit.testing import AsyncFakeSource, FakeSource

SCRIPT = [sse(delta('{"content":"Hel"}')), sse(delta('{"content":"lo"}', "stop")), DONE]
PATIENCE = 60  # seconds


# --- interrupted at any bytecode


def begun(reader: Any) -> Any:
    next(reader)
    return reader


def left_by_error(stream: ChatStream) -> Callable[[], None]:
    return lambda: stream.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


INTERRUPTED: dict[str, Callable[[Any], tuple[Any, Callable[[], object]]]] = {
    "ChatStream.close": lambda source: ((stream := begun(ChatStream(source))), stream.close),
    "ChatStream.close before reading": lambda source: ((stream := ChatStream(source)), stream.close),
    "ChatStream.__exit__": lambda source: ((stream := begun(ChatStream(source))), left_by_error(stream)),
    "Pieces.close": lambda source: ((stream := ChatStream(source)), begun(stream.text()).close),
    "tee.close": lambda source: ((watched := begun(tee(source))), watched.close),
    "Written.close": lambda source: ((written := begun(to_events(source))), written.close),
    "Blocks.finish": lambda source: ((found := begun(blocks(source))), found.finish),
    "Broadcast.close": lambda source: ((broadcast := Broadcast(source)), broadcast.close),
    "Blocks.close": lambda source: ((found := begun(blocks(source))), found.close),
    "ChatStream reads the end": lambda source: ((stream := ended(ChatStream(source))), lambda: next(stream, None)),
    "Broadcast ends": lambda source: ((broadcast := Broadcast(source)), broadcast._end),
}


def ended(stream: ChatStream) -> ChatStream:
    """A stream of which all but the last event was given."""
    while stream.outcome is None:
        next(stream)
    return stream


def buffered_file(script: list[bytes]) -> io.BufferedReader:
    """A source of which it is known that its `close` waits for a read that is under way."""
    return io.BufferedReader(io.BytesIO(b"".join(script)))  # type: ignore[arg-type]


@pytest.mark.parametrize("source_of", [FakeSource, buffered_file])
@pytest.mark.parametrize("make", INTERRUPTED.values(), ids=list(INTERRUPTED))
def test_at_whatever_bytecode_closing_is_interrupted_the_next_one_closes(make: Any, source_of: Any) -> None:
    place, reached = 0, True
    while reached:
        source = source_of(SCRIPT)
        reader, close = make(source)
        reached = interrupted_at(place, close)
        reader.close()
        assert source.closed, f"bytecode {place}"
        if not isinstance(reader, Blocks):
            assert reader.outcome is not None
        place += 1 if place < 300 else 7  # many are those of an accumulator that reads the last block
    assert place > 20, "there are bytecodes to be interrupted at"


def test_a_run_that_is_interrupted_at_any_bytecode_leaves_nothing_that_close_does_not_close() -> None:
    place, reached = 0, True
    while reached:
        source = FakeSource([DONE])
        broadcast = Broadcast(source)
        reached = interrupted_at(place, broadcast.run)
        broadcast.close()
        assert source.closed, f"bytecode {place}"
        assert broadcast.outcome is not None
        place += 1 if place < 200 else 13  # the accumulator's own are many, and all alike
    assert place > 200


def test_what_was_closed_is_not_closed_again_whatever_that_raised() -> None:
    for error in (None, OSError("while closing")):
        source = FakeSource(SCRIPT, close_error=error)
        for reader in (ChatStream(source), tee(source), Broadcast(source)):
            source.closed = 0
            for _ in range(3):
                with contextlib.suppress(OSError):
                    reader.close()
            assert 1 == source.closed


# --- cancelled at any await


class Careful(AsyncFakeSource):
    """A source that takes its time to close."""

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        await super().aclose()


@pytest.mark.parametrize("maker", [AsyncChatStream, async_tee, AsyncBroadcast, async_to_events])
def test_at_whatever_await_a_task_is_cancelled_that_closes_the_next_closing_closes(maker: Any) -> None:
    async def main() -> int:
        place, reached = 0, True
        while reached:
            source = Careful(SCRIPT)
            reader = maker(source)
            met = await cancelled_at(place, reader.aclose, native=True)
            assert met.raised == met.reached
            await reader.aclose()
            assert 1 == source.closed
            await reader.aclose()
            assert 1 == source.closed
            place, reached = place + 1, met.reached
        return place

    assert anyio.run(main) > 2


def test_at_whatever_await_the_task_of_a_broadcast_is_cancelled_the_next_closing_closes() -> None:
    async def main() -> None:
        place, reached = 0, True
        while reached:
            source = Careful(SCRIPT)
            broadcast = AsyncBroadcast(source)
            met = await cancelled_at(place, broadcast.run, native=True)
            await broadcast.aclose()
            assert 1 == source.closed
            assert broadcast.outcome is not None
            place, reached = place + 1, met.reached

    anyio.run(main)


ASYNC_CLIENTS = [(by_httpx, "asyncio"), (by_httpx2, "asyncio"), (by_aiohttp, "asyncio"), (by_openai, "asyncio")]


@named(ASYNC_CLIENTS)
def test_a_real_client_that_is_closed_by_a_task_that_is_cancelled_leaves_its_connection(
    client: Opener, backend: str
) -> None:
    async def main() -> None:
        place, reached = 0, True
        while reached:
            with Loopback(patience=6 * PATIENCE) as server:
                async with client(server) as response:
                    stream = AsyncChatStream(response)
                    while not stream.statistics().chunks:
                        await anext(stream)
                    met = await cancelled_at(place, stream.aclose, native=True)
                    await stream.aclose()
                    assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)
                    assert None is stream.source_error
            place, reached = place + 1, met.reached

    run(main, backend)


# --- by another thread, while the sender is silent


class Reading(threading.Thread):
    """Reads to the end; `waits` returns once it waits for a block after so many pieces."""

    def __init__(self, reader: Any, step: Callable[[Any], Any] = list) -> None:
        super().__init__(daemon=True)
        self.reader = reader
        self.raised: BaseException | None = None
        self._step = step

    def run(self) -> None:
        try:
            self._step(self.reader)
        except BaseException as error:
            self.raised = error

    def ended(self) -> bool:
        self.join(PATIENCE)
        return not self.is_alive()


def closed_in_time(close: Callable[[], object]) -> bool:
    """Close in a thread; whether that returned."""
    thread = Reading(None, lambda _: close())
    thread.start()
    return thread.ended() and thread.raised is None


READERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "ChatStream": (ChatStream, list),
    "ChatStream.text": (ChatStream, lambda stream: list(stream.text())),
    "ChatStream.until_done": (ChatStream, lambda stream: stream.until_done()),
    "tee": (tee, list),
    "to_events": (to_events, list),
    "Broadcast": (Broadcast, lambda broadcast: broadcast.run()),
}
each_reader = pytest.mark.parametrize("make, step", READERS.values(), ids=list(READERS))


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
@pytest.mark.parametrize("client", CLIENTS, ids=name_of)
@each_reader
def test_another_thread_closes_a_stream_whose_sender_is_silent(make: Any, step: Any, client: Any, framing: str) -> None:
    with Loopback(framing, patience=6 * PATIENCE) as server, client(server) as response:
        reader = make(response)
        reading = Reading(reader, step)
        reading.start()
        until(lambda: reader.accumulator.progress[1] if make is Broadcast else reader._blocks._reader)
        assert closed_in_time(reader.close), "it does not wait for the sender"
        assert reading.ended(), "the read that waited has returned"
        assert None is reading.raised
        assert "cancelled" == reader.outcome.name
        assert client in LEAVE_LATE or server.left.wait(PATIENCE), "the sender sees that nobody reads"
        if make is not Broadcast:
            assert None is (reader.error if make is tee else reader.source_error)


def test_another_thread_closes_the_stream_helper_of_an_sdk_whose_sender_is_silent() -> None:
    asked = {name: value for name, value in QUESTION.items() if name != "stream"}
    with (
        Loopback(patience=6 * PATIENCE) as server,
        openai_client(server) as client,
        helper(client)(**asked) as response,
    ):
        stream = ChatStream(response)
        reading = Reading(stream)
        reading.start()
        until(lambda: stream.statistics().chunks and stream._blocks._reader)
        assert closed_in_time(stream.close)
        assert reading.ended()
        assert (None, None) == (reading.raised, stream.source_error)
        assert server.left.wait(PATIENCE)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread are POSIX")
@pytest.mark.parametrize("client", CLIENTS, ids=name_of)
def test_a_signal_handler_closes_a_stream_whose_sender_is_silent(client: Any) -> None:
    with Loopback(patience=6 * PATIENCE) as server, client(server) as response:
        stream = ChatStream(response)
        reads = threading.get_ident()

        handled = threading.Event()

        def interrupt() -> None:
            until(lambda: stream.statistics().chunks and stream._blocks._reader)
            # Again: Python notices one that arrives between its last look for signals and the wait only after the wait.
            for _ in range(600):
                signal.pthread_kill(reads, signal.SIGUSR1)
                if handled.wait(0.1):
                    return

        def handle(*_: object) -> None:
            if not handled.is_set():
                handled.set()
                stream.close()

        before = signal.signal(signal.SIGUSR1, handle)
        try:
            thread = threading.Thread(target=interrupt)
            thread.start()
            for _ in stream:
                pass
            thread.join(PATIENCE)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert stream.outcome is not None
        assert "cancelled" == stream.outcome.name
        assert client in LEAVE_LATE or server.left.wait(PATIENCE)


@pytest.mark.parametrize("buffering", [-1, 0], ids=["buffered", "raw"])
def test_another_thread_closes_a_pipe_that_is_silent_without_waiting_for_it(buffering: int) -> None:
    reading_end, writing_end = os.pipe()
    with open(reading_end, "rb", buffering=buffering) as file:
        stream = ChatStream(file)
        reading = Reading(stream)
        reading.start()
        until(lambda: stream._blocks._reader)
        assert closed_in_time(stream.close)
        assert reading.is_alive(), "a pipe has no socket: the read returns with the next bytes, or the end"
        os.close(writing_end)
        assert reading.ended()
        assert file.closed, "and whoever read it has closed it"
    assert ("cancelled", None) == (stream.outcome and stream.outcome.name, stream.source_error)


def test_another_thread_closes_a_socket_that_is_silent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as file:
        stream = ChatStream(file)
        reading = Reading(stream)
        reading.start()
        theirs.sendall(EVENTS[0])
        until(lambda: stream.statistics().chunks and stream._blocks._reader)
        assert closed_in_time(stream.close)
        assert reading.ended()
        assert b"" == theirs.recv(1)
        assert file.closed
    assert ("cancelled", None) == (stream.outcome and stream.outcome.name, stream.source_error)


def test_another_thread_closes_the_output_of_a_program_that_is_silent() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        stream = ChatStream(program.stdout)
        reading = Reading(stream)
        reading.start()
        until(lambda: stream._blocks._reader)
        assert closed_in_time(stream.close)
        assert program.stdin is not None
        program.stdin.close()
        assert reading.ended()
        assert program.stdout is not None
        assert program.stdout.closed


class Queue:
    """A source of the caller's own, whose `close` ends a read that waits."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.waits = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.waits.set()
        assert self.closing.wait(PATIENCE)
        raise ValueError("closed")

    def close(self) -> None:
        self.closing.set()


@each_reader
def test_a_source_whose_own_close_ends_its_read_is_closed_at_once(make: Any, step: Any) -> None:
    source = Queue()
    reader = make(source)
    reading = Reading(reader, step)
    reading.start()
    assert source.waits.wait(PATIENCE)
    assert closed_in_time(reader.close)
    assert reading.ended()
    assert None is reading.raised
    assert "cancelled" == reader.outcome.name


@each_reader
def test_a_generator_that_another_thread_runs_is_closed_when_it_gives_its_next_block(make: Any, step: Any) -> None:
    waits, goes_on, closed = threading.Event(), threading.Event(), threading.Event()

    def generator() -> Iterator[bytes]:
        try:
            yield SCRIPT[0]
            waits.set()
            assert goes_on.wait(PATIENCE)
            yield SCRIPT[1]
        finally:
            closed.set()

    reader = make(generator())
    reading = Reading(reader, step)
    reading.start()
    assert waits.wait(PATIENCE)
    assert closed_in_time(reader.close)
    assert not closed.is_set()
    goes_on.set()
    assert reading.ended()
    assert closed.is_set()
    assert None is reading.raised
    assert "cancelled" == reader.outcome.name
    if make is ChatStream:
        assert None is reader.source_error


@each_reader
def test_closed_by_another_thread_at_any_moment_a_stream_is_cancelled_and_nothing_else(make: Any, step: Any) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(150):
            reader = make(FakeSource(each_byte(b"".join(EVENTS))))
            reading = Reading(reader, step)
            reading.start()
            for _ in range(number * 3):
                pass
            reader.close()
            assert reading.ended()
            # What was closed before it was asked for anything says so; that is the only thing that it says.
            said = str(reading.raised or "before it ended")
            assert "before it ended" in said or "run() was called a second time" in said
            assert reader.outcome is not None
            assert reader.outcome.name in ("cancelled", "complete")
            assert None is getattr(reader, "error", None)
            assert None is getattr(reader, "source_error", None)
    finally:
        sys.setswitchinterval(before)
