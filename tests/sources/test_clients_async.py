"""Every async client and stream, on asyncio and trio: recognised by its shape, live, whole, and closed on leaving."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from helpers.loopback import CLIENT, EVENTS, PATIENCE, TEXT, Loopback
from helpers.loopback_async import (
    HTTP,
    OWNERS,
    QUESTION,
    READS_AHEAD,
    STREAMS,
    WITHOUT_HEAD,
    Opener,
    by_aiohttp,
    by_aiohttp_content,
    by_asyncio,
    by_httpx,
    by_httpx2,
    by_niquests,
    by_niquests_raw,
    by_openai,
    named,
    openai_client,
    run,
)
from helpers.loopback_flow import Served, packed
from helpers.loopback_sync import helper
from streamkit import Accumulator, MisuseError, StreamError
from streamkit.sources import async_blocks, blocks
from streamkit.testing import check_async_source
from streamkit.trace import Block, Trace

# --- all that a source has to do


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")  # of httpx on trio, see below
@named([*HTTP, *STREAMS])
def test_every_client_does_what_a_source_has_to(client: Opener, backend: str) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:

            async def source(given: Any) -> Any:
                server = stack.enter_context(Served(given, "close" if (client, backend) in STREAMS else "chunked"))
                return await stack.enter_async_context(client(server))

            await check_async_source(source)

    run(main, backend)


@named(HTTP)
def test_a_block_that_unpacks_to_nothing_is_not_the_end(client: Opener, backend: str) -> None:
    async def main() -> None:
        with Served(packed(b"".join(EVENTS)), encoding="gzip") as server:
            async with client(server) as response:
                assert b"".join(EVENTS) == b"".join([block async for block in async_blocks(response)])

    run(main, backend)


# --- live


@pytest.mark.parametrize(
    "framing, encoding", [("chunked", None), ("close", None), ("length", None), ("chunked", "gzip"), ("close", "gzip")]
)
@named(HTTP)
def test_each_event_arrives_before_the_next_one_is_sent(
    client: Opener, backend: str, framing: str, encoding: str | None
) -> None:
    async def main() -> None:
        with Loopback(framing, encoding=encoding) as server:
            async with client(server) as response:
                found = async_blocks(response)
                got = []
                async for block in found:
                    assert type(block) is bytes
                    got.append(block)
                    server.saw(block)
                assert not found.chunks
                assert b"".join(EVENTS) == b"".join(got)
                if encoding is None:  # where packed bytes are cut is up to who unpacks them
                    assert list(EVENTS) == got
                if client not in WITHOUT_HEAD:
                    assert found.status == 200
                if client not in (*WITHOUT_HEAD, by_niquests_raw):
                    assert found.content_type == "text/event-stream"

    run(main, backend)


@named(STREAMS)
def test_a_stream_of_bytes_gives_what_each_receive_gave(client: Opener, backend: str) -> None:
    async def main() -> None:
        with Loopback("close") as server:
            async with client(server) as stream:
                got = []
                async for block in async_blocks(stream):
                    got.append(block)
                    server.saw(block)
                assert list(EVENTS) == got

    run(main, backend)


# --- what goes wrong


@pytest.mark.parametrize("end", ["cut", "reset"])
@named(HTTP)
def test_a_broken_connection_raises_what_the_client_raises_and_what_arrived_stays(
    client: Opener, backend: str, end: str
) -> None:
    accumulator = Accumulator()

    async def main() -> None:
        with Loopback(end=end) as server:
            async with client(server) as response:
                found = async_blocks(response)

                async def read() -> None:
                    async for block in found:
                        accumulator.absorb(block)
                        server.saw(block)

                with pytest.raises(Exception) as caught:
                    await read()
                await found.aclose()
        assert type(caught.value).__module__.split(".")[0] in OWNERS.get(client, {"httpx", "httpx2"})
        assert not isinstance(caught.value, StreamError)

    run(main, backend)
    snapshot = accumulator.snapshot()
    assert snapshot is not None
    assert "Grüß" == snapshot.choices[0].message.content


# Without a close of their own the first two, and niquests waits on when another task closes its response.
CLOSE_WAKES_NOBODY = (by_asyncio, by_aiohttp_content, by_niquests, by_niquests_raw)


# On trio httpx and httpx2 leave generators open if reading stops early, for any reason.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@named([*HTTP, *STREAMS])
def test_leaving_early_closes_the_connection_and_drains_nothing(client: Opener, backend: str) -> None:
    async def main() -> None:
        with Loopback("close") as server:
            async with client(server) as response:
                found = async_blocks(response)
                assert EVENTS[0] == await found.__anext__()
                await found.aclose()
                await found.aclose()
                assert [] == [block async for block in found]
            assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)

    run(main, backend)


@named(HTTP)
def test_a_reader_that_is_cancelled_while_it_waits_leaves_a_source_that_can_be_closed(
    client: Opener, backend: str
) -> None:
    async def main() -> None:
        with Loopback() as server:
            async with client(server) as response:
                found = async_blocks(response)
                got = []

                async def read(scope: anyio.CancelScope) -> None:
                    with scope:
                        async for block in found:
                            got.append(block)
                            arrived.set()

                scope, arrived = anyio.CancelScope(), anyio.Event()
                async with anyio.create_task_group() as group:
                    group.start_soon(read, scope)
                    await arrived.wait()
                    await anyio.wait_all_tasks_blocked()  # it waits for the second event, which does not come
                    scope.cancel()
                assert scope.cancelled_caught
                assert [EVENTS[0]] == got
                await found.aclose()
            assert await anyio.to_thread.run_sync(server.left.wait, PATIENCE)

    run(main, backend)


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@named([case for case in [*HTTP, *STREAMS] if case[0] not in CLOSE_WAKES_NOBODY])
def test_another_task_may_close_what_one_waits_for(client: Opener, backend: str) -> None:
    async def main() -> None:
        with Loopback("close") as server:
            async with client(server) as response:
                found = async_blocks(response)
                got = []

                async def read() -> None:
                    async for block in found:
                        got.append(block)
                        arrived.set()

                arrived = anyio.Event()
                async with anyio.create_task_group() as group:
                    group.start_soon(read)
                    await arrived.wait()
                    await anyio.wait_all_tasks_blocked()  # it waits for the second event, which does not come
                    with anyio.fail_after(PATIENCE):
                        await found.aclose()
                assert [EVENTS[0]] == got

    run(main, backend)


ERROR = b'{"error":{"message":"no such model","code":404}}'


@named([case for case in HTTP if "openai" not in case[0].__name__])
def test_the_body_of_another_status_is_read_for_the_error_in_it(client: Opener, backend: str) -> None:
    async def main() -> None:
        with Loopback("length", status="404 Not Found", content_type="application/json", body=ERROR) as server:
            async with client(server) as response:
                found = async_blocks(response)
                accumulator = Accumulator()
                async for block in found:
                    accumulator.absorb(block)
        assert found.status == (None if client in WITHOUT_HEAD else 404)
        outcome = accumulator.close()
        assert ("failed", "error_body") == (outcome.name, outcome.reason)

    run(main, backend)


# --- read already, closed, of the wrong kind


@pytest.mark.parametrize("name", ["httpx", "httpx2", "aiohttp", "niquests"])
def test_a_response_that_was_read_whole_gives_its_body(name: str) -> None:
    library = pytest.importorskip(name)

    async def main() -> None:
        with Loopback("length", body=b"".join(EVENTS)) as server:
            if name.startswith("httpx"):
                async with library.AsyncClient(**CLIENT) as client:
                    response = await client.get(server.url)
            elif name == "aiohttp":
                async with library.ClientSession() as client, client.get(server.url) as response:
                    await response.read()
            else:
                async with library.AsyncSession() as client:
                    client.trust_env = False
                    response = await client.get(server.url)
            assert [b"".join(EVENTS)] == [block async for block in async_blocks(response)]

    anyio.run(main)


@pytest.mark.parametrize(
    "client, iterator",
    [
        (by_httpx, "aiter_bytes"),
        (by_httpx2, "aiter_raw"),
        (by_aiohttp_content, "iter_any"),
        (by_niquests, "iter_content"),
    ],
    ids=["httpx", "httpx2", "aiohttp", "niquests"],
)
def test_a_response_that_was_already_read_is_misuse(client: Opener, iterator: str) -> None:
    async def main() -> None:
        with Loopback(body=b"".join(EVENTS)) as server:
            async with by_aiohttp(server) if client is by_aiohttp_content else client(server) as response:
                pieces = getattr(response.content if client is by_aiohttp_content else response, iterator)()
                async for _ in pieces if hasattr(pieces, "__aiter__") else await pieces:
                    pass
                with pytest.raises(MisuseError, match="already read"):
                    await async_blocks(response).__anext__()

    anyio.run(main)


@named([case for case in HTTP if "aiohttp" not in case[0].__name__ and case[0] not in READS_AHEAD])
def test_a_response_that_is_closed_is_misuse(client: Opener, backend: str) -> None:
    async def main() -> None:
        with Loopback() as server:
            async with client(server) as response:
                inner = getattr(response, "http_response", response)
                await getattr(inner, "aclose", inner.close)()
                with pytest.raises(MisuseError, match="closed"):
                    async_blocks(response)

    run(main, backend)


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
@named(HTTP)
def test_an_empty_body_is_a_source_that_gives_nothing(client: Opener, backend: str, framing: str) -> None:
    async def main() -> None:
        with Loopback(framing, body=b"") as server:
            async with client(server) as response:
                assert [] == [block async for block in async_blocks(response) if block]

    run(main, backend)


def test_an_sdk_stream_that_was_begun_continues_with_its_chunks() -> None:
    async def main() -> None:
        with Loopback(body=b"".join(EVENTS)) as server:
            async with by_openai(server) as stream:
                accumulator = Accumulator()
                accumulator.add(await stream.__anext__())
                found = async_blocks(stream)
                async for chunk in found:
                    accumulator.add(chunk)
        assert found.chunks
        assert accumulator.close().ok

    anyio.run(main)


def test_the_helper_of_the_openai_sdk_gives_the_chunks_among_its_events() -> None:
    async def main() -> None:
        asked = {name: value for name, value in QUESTION.items() if name != "stream"}
        with Loopback(body=b"".join(EVENTS)) as server:
            async with openai_client(server) as client, helper(client)(**asked) as stream:
                accumulator = Accumulator()
                async for chunk in async_blocks(stream):
                    accumulator.add(chunk)
        assert accumulator.close().ok

    anyio.run(main)


# --- sources that are not clients

CHILD = """
import sys
for event in sys.argv[1:]:
    sys.stdout.buffer.write(event.encode())
    sys.stdout.buffer.flush()
    sys.stdin.buffer.readline()
"""
COMMAND = [sys.executable, "-c", CHILD, *(event.decode() for event in EVENTS)]


def test_the_output_of_a_subprocess_of_asyncio_arrives_as_it_is_written() -> None:
    async def main() -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe)
        assert process.stdin is not None
        got = []
        async for block in async_blocks(process.stdout):
            got.append(block)
            process.stdin.write(b"\n")
        await process.wait()
        assert list(EVENTS) == got

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_output_of_a_subprocess_of_anyio_arrives_as_it_is_written(backend: str) -> None:
    async def main() -> None:
        async with await anyio.open_process(COMMAND, stderr=None) as process:
            assert process.stdin is not None
            got = []
            async for block in async_blocks(process.stdout):
                got.append(block)
                await process.stdin.send(b"\n")
            assert list(EVENTS) == got

    run(main, backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_pipe_wrapped_by_anyio_is_read_as_far_as_it_has_come(backend: str) -> None:
    async def main() -> None:
        with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
            assert process.stdin is not None
            assert process.stdout is not None
            got = []
            async for block in async_blocks(anyio.wrap_file(process.stdout)):
                got.append(block)
                process.stdin.write(b"\n")
                process.stdin.flush()
        assert list(EVENTS) == got

    run(main, backend)


def test_the_body_of_an_asgi_response_arrives_as_it_is_created() -> None:
    responses = pytest.importorskip("starlette.responses")
    made = []

    async def body() -> AsyncIterator[bytes]:
        for event in EVENTS:
            made.append(event)
            yield event

    async def main() -> None:
        for source in (responses.StreamingResponse(body(), media_type="text/event-stream"), body()):
            made.clear()
            got = []
            async for block in async_blocks(source):
                got.append(block)
                assert made == got
            assert list(EVENTS) == got

    anyio.run(main)


def test_the_stream_of_an_asgi_request_is_a_source() -> None:
    requests = pytest.importorskip("starlette.requests")
    messages = [{"type": "http.request", "body": event, "more_body": event != EVENTS[-1]} for event in EVENTS]

    async def receive() -> Any:
        return messages.pop(0)

    async def main() -> None:
        request = requests.Request({"type": "http", "headers": []}, receive)
        assert list(EVENTS) == [block async for block in async_blocks(request.stream()) if block]

    anyio.run(main)


CHUNK = {"id": "c1", "choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    "source, chunks",
    [
        (EVENTS, False),
        (list(EVENTS), False),
        (b"".join(EVENTS), False),
        (bytearray(b"".join(EVENTS)), False),
        (io.BytesIO(b"".join(EVENTS)), False),
        ([CHUNK], True),
    ],
    ids=["tuple", "list", "bytes", "bytearray", "bytes-io", "chunks"],
)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_is_all_there_cannot_block_and_is_a_source(source: Any, chunks: bool, backend: str) -> None:
    async def main() -> None:
        accumulator = Accumulator()
        found = async_blocks(source)
        async for item in found:
            _ = accumulator.add(item) if found.chunks else accumulator.absorb(item)
        assert chunks == found.chunks
        await found.aclose()
        snapshot = accumulator.snapshot()
        assert snapshot is not None
        assert TEXT == snapshot.choices[0].message.content

    if isinstance(source, io.BytesIO):
        source = io.BytesIO(b"".join(EVENTS))
    run(main, backend)


def test_async_blocks_are_a_source_as_they_are() -> None:
    found = async_blocks([EVENTS[0]])
    assert found is async_blocks(found)


def test_an_async_iterable_that_has_no_generator_is_closed_too() -> None:
    closed = []

    class Source:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> bytes:
            return EVENTS[0]

        async def aclose(self) -> None:
            closed.append(True)

    async def main() -> None:
        found = async_blocks(Source())
        assert EVENTS[0] == await found.__anext__()
        await found.aclose()
        await found.aclose()

    anyio.run(main)
    assert [True] == closed


# --- what is none


def test_a_sync_response_is_misuse_and_says_so() -> None:
    httpx = pytest.importorskip("httpx")
    for source in (
        httpx.Response(200, content=iter(EVENTS)),
        iter(EVENTS),
        (event for event in EVENTS),
        blocks(EVENTS),
    ):
        with pytest.raises(MisuseError, match="ChatStream"):
            async_blocks(source)


@pytest.mark.parametrize("awaited", [True, False], ids=["coroutine", "request"])
def test_what_was_not_awaited_is_misuse(awaited: bool) -> None:
    class Request:  # as aiohttp's session.get() gives it: to await or to enter
        def __await__(self) -> Any:
            yield

        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *_: object) -> None: ...

    async def get() -> bytes:
        return b""

    source: Any = get() if awaited else Request()
    with pytest.raises(MisuseError, match="await it" if awaited else "async with"):
        async_blocks(source)
    if awaited:
        source.close()


async def texts() -> AsyncIterator[str]:
    yield "data: {}\n\n"


@pytest.mark.parametrize(
    "source, message",
    [
        (CHUNK, r"\[chunk\]"),
        ("stream.sse", "read_bytes"),
        (io.StringIO("data: x"), "'rb'"),
        (object(), "not object$"),
        (contextlib.nullcontext(), "enter it"),
        (texts, "call it"),
    ],
    ids=["chunk", "path", "text", "object", "context-manager", "function"],
)
def test_what_is_not_a_source_is_misuse_and_says_what_to_pass(source: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        async_blocks(source)


@pytest.mark.parametrize(
    "source", [texts(), ["data: {}"], [7], [None]], ids=["texts", "list-of-text", "numbers", "nothing"]
)
def test_items_that_are_not_blocks_are_misuse(source: Any) -> None:
    async def main() -> None:
        with pytest.raises(MisuseError, match="block 0 of the source is"):
            await async_blocks(source).__anext__()

    anyio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_trace_gives_the_blocks_that_it_recorded(backend: str) -> None:
    async def main() -> None:
        trace = Trace(blocks=(Block(0.5, b"data: 1\n"), Block(1, b"\n")))
        assert [b"data: 1\n", b"\n"] == [block async for block in async_blocks(trace)]

    run(main, backend)
