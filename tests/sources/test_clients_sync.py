"""Every sync client, file and pipe: recognised by its shape, live, whole, and closed when the caller leaves."""

from __future__ import annotations

import contextlib
import gzip
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.loopback import CLIENT, EVENTS, PATIENCE, TEXT, Loopback
from helpers.loopback_flow import Served, packed
from helpers.loopback_sync import (
    CLIENTS,
    LEAVE_LATE,
    OWNERS,
    QUESTION,
    RAISE_BY_STATUS,
    by_http_client,
    by_httpx,
    by_httpx2,
    by_niquests,
    by_openai,
    by_requests,
    by_urllib3,
    by_urllib_request,
    helper,
    name_of,
    openai_client,
)
from streamkit import Accumulator, MisuseError, StreamError, reassemble
from streamkit.sources import blocks
from streamkit.sources._clients import CLIENTS as CLIENT_MODULES
from streamkit.testing import check_source
from streamkit.trace import Block, Trace, write_trace


@pytest.fixture(params=CLIENTS, ids=name_of)
def client(request: pytest.FixtureRequest) -> Any:
    return request.param


# --- all that a source has to do


def test_every_client_does_what_a_source_has_to(client: Any) -> None:
    with contextlib.ExitStack() as stack:

        def source(given: Any) -> Any:
            server = stack.enter_context(Served(given))
            return stack.enter_context(client(server))

        check_source(source)


# --- live


@pytest.mark.parametrize(
    "framing, encoding", [("chunked", None), ("close", None), ("length", None), ("chunked", "gzip"), ("close", "gzip")]
)
def test_each_event_arrives_before_the_next_one_is_sent(client: Any, framing: str, encoding: str | None) -> None:
    with Loopback(framing, encoding=encoding) as server, client(server) as response:
        found = blocks(response)
        assert (200, "text/event-stream") == (found.status, found.content_type)
        got = []
        for block in found:
            assert type(block) is bytes
            got.append(block)
            server.saw(block)
        assert not found.chunks
        assert b"".join(EVENTS) == b"".join(got)
        if encoding is None:  # where packed bytes are cut is up to who unpacks them
            assert list(EVENTS) == got


def test_a_block_that_unpacks_to_nothing_is_not_the_end(client: Any) -> None:
    with Served(packed(b"".join(EVENTS)), encoding="gzip") as server, client(server) as response:
        assert b"".join(EVENTS) == b"".join(blocks(response))


class Unpacking:
    """As a response of urllib3-future, whose reads may give nothing before the end; the last of `script` is the end."""

    decode_content = True
    closed = False

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)
        self.wire = 0

    def read1(self, amt: int, decode_content: bool) -> bytes:
        if not self.script:
            return b""
        self.wire += 10
        return self.script.pop(0)

    read = read1

    def tell(self) -> int:
        return self.wire


def test_a_read_that_gave_nothing_is_the_end_only_where_no_byte_had_come() -> None:
    raw = Unpacking(b"", b"", b"data", b"", b": x", b"")
    assert [b"data", b": x"] == list(blocks(raw))
    assert [] == raw.script


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_what_holds_events_back_does_not_get_past_this_server(framing: str) -> None:
    # It never gives a sign, so the server's patience is always over: how short it is decides nothing.
    with Loopback(framing, patience=0.1) as server, by_httpx(server) as response:
        got = []
        with contextlib.suppress(Exception):  # the server cuts the stream
            for block in response.iter_bytes(8192):
                got.append(block)
                server.saw(block)
        assert b"".join(EVENTS) != b"".join(got)


def test_the_raw_response_of_requests_is_its_own_again() -> None:
    with Loopback(body=b"".join(EVENTS)) as server, by_requests(server) as response:
        raw = response.raw
        found = blocks(response)
        next(found)
        assert raw is response.raw


def test_a_response_is_reassembled(client: Any) -> None:
    with Loopback() as server, client(server) as response:
        for _ in EVENTS:
            server.saw(b"\n\n")  # all at once
        assert TEXT == reassemble(response).choices[0].message.content


# --- what goes wrong


@pytest.mark.parametrize("end", ["cut", "reset"])
def test_a_broken_connection_raises_what_the_client_raises_and_what_arrived_stays(client: Any, end: str) -> None:
    accumulator = Accumulator()
    with Loopback(end=end) as server, client(server) as response:
        found = blocks(response)

        def read() -> None:
            for block in found:
                accumulator.absorb(block)
                server.saw(block)

        with pytest.raises(Exception) as caught:
            read()
        found.close()
    assert type(caught.value).__module__.split(".")[0] in OWNERS.get(client, {"httpx", "httpx2"})
    assert not isinstance(caught.value, StreamError)
    snapshot = accumulator.snapshot()
    assert snapshot is not None
    assert "Grüß" == snapshot.choices[0].message.content


def test_leaving_early_closes_the_connection_and_drains_nothing(client: Any) -> None:
    with Loopback() as server:
        with client(server) as response:
            found = blocks(response)
            assert EVENTS[0] == next(found)
            found.close()
            # The socket of http.client is the connection's, which the response does not know.
            assert client in (by_http_client, *LEAVE_LATE) or server.left.wait(PATIENCE)
            found.close()
            assert [] == list(found)
        assert client in LEAVE_LATE or server.left.wait(PATIENCE)


ERROR = b'{"error":{"message":"no such model","code":404}}'


@pytest.mark.parametrize("client", [one for one in CLIENTS if one not in RAISE_BY_STATUS], ids=name_of)
def test_the_body_of_another_status_is_read_for_the_error_in_it(client: Any) -> None:
    with (
        Loopback("length", status="404 Not Found", content_type="application/json", body=ERROR) as server,
        client(server) as response,
    ):
        found = blocks(response)
        accumulator = Accumulator()
        for block in found:
            accumulator.absorb(block)
        assert (404, "application/json") == (found.status, found.content_type)
    outcome = accumulator.close()
    assert ("failed", "error_body") == (outcome.name, outcome.reason)
    assert "no such model" in str(outcome.error)


def test_what_an_openai_error_carries_is_a_source() -> None:
    openai = pytest.importorskip("openai")
    with Loopback("length", status="404 Not Found", body=ERROR) as server, openai_client(server) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(**QUESTION)
        found = blocks(caught.value)
        assert (404, [ERROR]) == (found.status, list(found))


def test_a_stream_under_another_content_type_is_read_by_its_content(client: Any) -> None:
    with Loopback(content_type="application/json", body=b"".join(EVENTS)) as server, client(server) as response:
        assert TEXT == reassemble(response).choices[0].message.content


# --- read already, closed, of the wrong kind


def read_by_httpx(server: Loopback, name: str) -> Any:
    library = pytest.importorskip(name)
    with library.Client(**CLIENT) as client:
        return client.get(server.url)


def read_by_requests(server: Loopback, name: str) -> Any:
    library = pytest.importorskip(name)
    with library.Session() as session:
        session.trust_env = False
        return session.get(server.url)


def read_by_urllib3(server: Loopback, name: str) -> Any:
    with pytest.importorskip(name).PoolManager() as manager:
        return manager.request("GET", server.url, retries=False)


@pytest.mark.parametrize(
    "get, name",
    [
        (read_by_httpx, "httpx"),
        (read_by_httpx, "httpx2"),
        (read_by_requests, "requests"),
        (read_by_requests, "niquests"),
        (read_by_urllib3, "urllib3"),
    ],
)
def test_a_response_that_was_read_whole_gives_its_body(get: Any, name: str) -> None:
    with Loopback("length", body=b"".join(EVENTS)) as server:
        response = get(server, name)
        assert [b"".join(EVENTS)] == list(blocks(response))
        assert TEXT == reassemble(response).choices[0].message.content


@pytest.mark.parametrize(
    "client, drain",
    [
        (by_httpx, lambda response: list(response.iter_bytes())),
        (by_httpx2, lambda response: list(response.iter_raw())),
        (by_requests, lambda response: list(response.iter_content(None))),
        (by_niquests, lambda response: list(response.iter_content())),
        (by_urllib3, lambda response: list(response.stream())),
        (by_http_client, lambda response: response.read()),
        (by_urllib_request, lambda response: response.read()),
    ],
    ids=name_of,
)
def test_a_response_that_was_already_read_is_misuse(client: Any, drain: Any) -> None:
    with Loopback(body=b"".join(EVENTS)) as server, client(server) as response:
        drain(response)
        with pytest.raises(MisuseError, match="already read"):
            blocks(response)


def test_a_response_that_is_closed_is_misuse(client: Any) -> None:
    with Loopback() as server:
        with client(server) as response:
            if client in LEAVE_LATE:  # or its own `close` would wait for the sender
                server.saw(b"".join(EVENTS))
            getattr(response, "http_response", response).close()
            with pytest.raises(MisuseError, match="closed"):
                blocks(response)
        assert client in LEAVE_LATE or server.left.wait(PATIENCE)


@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_an_empty_body_is_a_source_that_gives_nothing(client: Any, framing: str) -> None:
    with Loopback(framing, body=b"") as server, client(server) as response:
        assert b"" == b"".join(blocks(response))


def test_an_sdk_stream_that_was_begun_continues_with_its_chunks() -> None:
    with Loopback(body=b"".join(EVENTS)) as server, by_openai(server) as stream:
        accumulator = Accumulator()
        accumulator.add(next(stream))
        found = blocks(stream)
        for chunk in found:
            accumulator.add(chunk)
        assert found.chunks
        assert accumulator.close().ok
        snapshot = accumulator.snapshot()
        assert snapshot is not None
        assert TEXT == snapshot.choices[0].message.content


def test_the_helper_of_the_openai_sdk_gives_the_chunks_among_its_events() -> None:
    with Loopback(body=b"".join(EVENTS)) as server, openai_client(server) as client:
        asked = {name: value for name, value in QUESTION.items() if name != "stream"}
        with helper(client)(**asked) as stream:
            assert TEXT == reassemble(stream).choices[0].message.content
            assert TEXT == stream.get_final_completion().choices[0].message.content


# --- files, pipes, subprocesses

CHILD = """
import sys
for event in sys.argv[1:]:
    sys.stdout.buffer.write(event.encode())
    sys.stdout.buffer.flush()
    sys.stdin.buffer.readline()
"""


@pytest.mark.parametrize("buffered", [-1, 0], ids=["buffered", "unbuffered"])
def test_the_output_of_a_subprocess_arrives_as_it_is_written(buffered: int) -> None:
    command = [sys.executable, "-c", CHILD, *(event.decode() for event in EVENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=buffered) as process:
        assert process.stdin is not None
        got = []
        for block in blocks(process.stdout):
            got.append(block)
            process.stdin.write(b"\n")
            process.stdin.flush()
    assert list(EVENTS) == got


def test_closing_closes_the_file_that_was_passed() -> None:
    file = io.BytesIO(b"".join(EVENTS))
    found = blocks(file)
    next(found)
    found.close()
    assert file.closed


def test_a_pipe_that_does_not_wait_is_misuse() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    with os.fdopen(read_end, "rb", buffering=0) as reader, os.fdopen(write_end, "wb"):
        found = blocks(reader)
        with pytest.raises(MisuseError, match="non-blocking"):
            next(found)


def test_blocks_are_a_source_as_they_are() -> None:
    found = blocks([EVENTS[0]])
    assert found is blocks(found)


def test_what_wraps_a_stream_and_passes_all_else_through_sees_what_is_read() -> None:
    class Watcher:  # as tracing libraries wrap the streams of SDKs
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self.seen = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def __iter__(self) -> Iterator[Any]:
            for chunk in self._stream:
                self.seen += 1
                yield chunk

    with Loopback(body=b"".join(EVENTS)) as server, by_openai(server) as stream:
        watcher = Watcher(stream)
        assert TEXT == reassemble(watcher).choices[0].message.content
        assert len(EVENTS) - 1 == watcher.seen


def test_a_subprocess_is_misuse_and_its_output_is_named() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        with pytest.raises(MisuseError, match="pass its stdout"):
            blocks(process)
        assert [] == list(blocks(process.stdout))


# --- what is none


async def waiting() -> bytes:
    return b""


def test_a_coroutine_not_awaited_is_misuse() -> None:
    coroutine = waiting()
    with pytest.raises(MisuseError, match="await it"):
        blocks(coroutine)
    coroutine.close()


@pytest.mark.parametrize(
    "source, message",
    [
        (contextlib.nullcontext(), "enter it"),
        (lambda: EVENTS, "call it"),
        ({"choices": []}, r"\[chunk\]"),
        (io.StringIO("data: x"), "'rb'"),
        (object(), "not object$"),
    ],
    ids=["context-manager", "function", "chunk", "text", "object"],
)
def test_what_is_not_a_source_is_misuse_and_says_what_to_pass(source: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        blocks(source)


def test_an_async_response_is_misuse_and_says_so() -> None:
    httpx = pytest.importorskip("httpx")

    async def body() -> Any:
        yield EVENTS[0]

    for source in (body(), httpx.Response(200, content=body())):
        with pytest.raises(MisuseError, match="AsyncChatStream"):
            blocks(source)


def test_an_unsupported_encoding_is_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("brotli", "brotlicffi"):
        monkeypatch.setitem(sys.modules, name, None)
    with Loopback() as server, by_http_client(server) as response:
        response.headers["content-encoding"] = "br"
        with pytest.raises(MisuseError, match="identity"):
            blocks(response)


# --- the shape of a client module


@pytest.mark.parametrize("module", CLIENT_MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_every_client_module_has_the_same_two_functions_and_takes_nothing_that_is_not_its_own(module: Any) -> None:
    for side in (module.sync, module.asynchronous):
        assert ["source", "unpack"] == list(inspect.signature(side).parameters)
        assert side(object(), True) is None
        assert {"asynchronous", "sync"} <= set(module.__all__)


@pytest.mark.parametrize("named", ["x.trace.jsonl", "x.trace.jsonl.gz"])
def test_a_trace_gives_the_blocks_that_it_recorded_and_so_does_its_file(named: str, tmp_path: Path) -> None:
    trace = Trace(status=200, blocks=(Block(0.5, b"data: 1\n"), Block(1, b"\n")), end="eof")
    write_trace(trace, tmp_path / named)
    assert [b"data: 1\n", b"\n"] == [*blocks(trace)] == [*blocks(tmp_path / named)]
    assert 200 == blocks(trace).status


def test_a_trace_of_an_encoded_body_is_unpacked() -> None:
    raw = gzip.compress(b"data: 1\n\n")
    trace = Trace(headers=(("Content-Encoding", "gzip"),), blocks=(Block(0, raw[:7]), Block(0, raw[7:])))
    assert b"data: 1\n\n" == b"".join(blocks(trace))
