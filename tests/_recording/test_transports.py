"""A client with a recording transport does what it did, and the trace has every byte, every boundary and the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.in_process import Answering
from helpers.loopback import EVENTS, PATIENCE, Loopback
from helpers.loopback_async import run
from helpers.raw_http import nobody
from helpers.tier import some
from helpers.wire import DONE
from streamkit import AsyncRecordingTransport, MisuseError, RecordingTransport, RecordingWarning
from streamkit.trace import Block, Trace, read_trace

TRACES = [*sorted((Path(__file__).parents[2] / "traces").glob("*/*.trace.jsonl"))]
QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
HTTP: Any = {"timeout": PATIENCE}

# --- clients: each sends one request through a transport, reads the answer to its end, and gives the blocks that it saw


def by_library(name: str, transport: Any, url: str = "http://sender.test/v1") -> list[bytes]:
    library = pytest.importorskip(name)
    with (
        library.Client(transport=transport, **HTTP) as client,
        client.stream("POST", f"{url}/chat/completions", json=QUESTION) as response,
    ):
        return [*response.iter_raw()]


def by_library_async(name: str, transport: Any, url: str = "http://sender.test/v1") -> list[bytes]:
    library = pytest.importorskip(name)

    async def main() -> list[bytes]:
        async with (
            library.AsyncClient(transport=transport, **HTTP) as client,
            client.stream("POST", f"{url}/chat/completions", json=QUESTION) as response,
        ):
            return [block async for block in response.aiter_raw()]

    return asyncio.run(main())


def by_openai(transport: Any, url: str = "http://sender.test/v1") -> None:
    openai = pytest.importorskip("openai")
    http = openai.DefaultHttpxClient(transport=transport, **HTTP)
    with (
        openai.OpenAI(api_key="none", base_url=url, max_retries=0, http_client=http) as client,
        contextlib.suppress(openai.APIError),
        client.chat.completions.create(**QUESTION) as stream,
    ):
        assert None not in [*stream]  # one stream has no chunk at all


def by_openai_async(transport: Any, url: str = "http://sender.test/v1") -> None:
    openai = pytest.importorskip("openai")

    async def main() -> None:
        http = openai.DefaultAsyncHttpxClient(transport=transport, **HTTP)
        async with openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http) as client:
            with contextlib.suppress(openai.APIError):
                async with await client.chat.completions.create(**QUESTION) as stream:
                    assert None not in [chunk async for chunk in stream]

    asyncio.run(main())


CLIENTS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "httpx": (RecordingTransport, lambda *args: by_library("httpx", *args)),
    "httpx2": (RecordingTransport, lambda *args: by_library("httpx2", *args)),
    "httpx-async": (AsyncRecordingTransport, lambda *args: by_library_async("httpx", *args)),
    "httpx2-async": (AsyncRecordingTransport, lambda *args: by_library_async("httpx2", *args)),
    "openai": (RecordingTransport, by_openai),
    "openai-async": (AsyncRecordingTransport, by_openai_async),
}
each_client = pytest.mark.parametrize("client", CLIENTS)


# --- every recorded stream, recorded again


@each_client
@pytest.mark.parametrize("path", some(TRACES), ids=lambda path: f"{path.parent.name}/{path.name.partition('.')[0]}")
def test_a_recorded_stream_is_recorded_again_as_it_was(client: str, path: Path, tmp_path: Path) -> None:
    transport, read = CLIENTS[client]
    trace = read_trace(path)
    seen = read(transport(Answering(trace), tmp_path / "again.trace.jsonl", grace=0))
    again = read_trace(tmp_path / "again.trace.jsonl")
    blocks = [block.data for block in trace.blocks if block.data]
    if seen is not None:
        assert blocks == seen
        assert "eof" == again.end
    elif "openai" in client and trace.status == 200:
        # The SDK stops at [DONE] or at an error of the sender's, and the rest of the body was not asked for.
        assert blocks[: len(again.blocks)] == [block.data for block in again.blocks]
        blocks = blocks[: len(again.blocks)]
        assert again.end in ("eof", "unknown") or b'"error"' in again.blocks[-1].data
    assert blocks == [block.data for block in again.blocks]
    assert (trace.status, "POST", "/v1/chat/completions") == (again.status, again.method, again.path)
    kept = [name for name, _ in trace.headers if "api-base" not in name]
    assert kept == [name for name, _ in again.headers]
    assert QUESTION == again.request
    assert ("transport", "recorded") == (again.observed, again.provenance)
    times = [again.head_time, *(block.t for block in again.blocks), again.end_time]
    assert all(one is not None for one in times)
    assert sorted(times) == times  # type: ignore[type-var]


# --- live


@pytest.mark.parametrize("client", ["httpx", "httpx2"])
@pytest.mark.parametrize("framing", ["chunked", "close", "length"])
def test_the_first_block_is_out_before_the_second_is_in(client: str, framing: str, tmp_path: Path) -> None:
    library = pytest.importorskip(client)
    path = tmp_path / "x.trace.jsonl"
    with (
        Loopback(framing) as server,
        library.Client(transport=RecordingTransport(into=path), **HTTP) as http,
        http.stream("GET", server.url) as response,
    ):
        for number, block in enumerate(response.iter_raw(), 1):
            assert number == len(read_trace(path).blocks)  # it is in the file, too
            server.saw(block)
    trace = read_trace(path)
    assert ([*EVENTS], "eof") == ([block.data for block in trace.blocks], trace.end)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("client", ["httpx", "httpx2"])
def test_async_the_first_block_is_out_before_the_second_is_in(client: str, backend: str, tmp_path: Path) -> None:
    library = pytest.importorskip(client)
    path = tmp_path / "x.trace.jsonl"

    async def main() -> None:
        with Loopback() as server:
            async with (
                library.AsyncClient(transport=AsyncRecordingTransport(into=path), **HTTP) as http,
                http.stream("GET", server.url) as response,
            ):
                async for block in response.aiter_raw():
                    server.saw(block)

    run(main, backend)
    trace = read_trace(path)
    assert ([*EVENTS], "eof") == ([block.data for block in trace.blocks], trace.end)


# --- the end


def test_the_end_is_seen_although_the_sdk_closes_at_done(tmp_path: Path) -> None:
    openai = pytest.importorskip("openai")
    path = tmp_path / "x.trace.jsonl"
    http = openai.DefaultHttpxClient(transport=RecordingTransport(into=path, grace=PATIENCE), **HTTP)
    with (
        Loopback() as server,
        openai.OpenAI(api_key="none", base_url=server.url, max_retries=0, http_client=http) as client,
    ):
        stream = client.chat.completions.create(**QUESTION)
        server.saw(b"".join(EVENTS))  # from now on what it sends does not wait
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "Grüße" == text
    assert ("eof", b"".join(EVENTS)) == ((trace := read_trace(path)).end, trace.body)


def stream_of(*blocks: bytes) -> Trace:
    return Trace(status=200, blocks=tuple(Block(0, block) for block in blocks))


@pytest.mark.parametrize("left_after", range(len(EVENTS)))
@pytest.mark.parametrize("client", ["httpx", "httpx-async"])
def test_a_reader_that_leaves_is_recorded_as_that_and_the_sender_is_left(
    client: str, left_after: int, tmp_path: Path
) -> None:
    httpx = pytest.importorskip("httpx")
    path = tmp_path / "x.trace.jsonl"
    sender = Answering(stream_of(*EVENTS))

    def leave() -> None:
        with (
            httpx.Client(transport=RecordingTransport(sender, path)) as http,
            http.stream("GET", "http://s.test") as got,
        ):
            blocks = got.iter_raw()
            for _ in range(left_after):
                next(blocks)

    async def leave_async() -> None:
        async with (
            httpx.AsyncClient(transport=AsyncRecordingTransport(sender, path)) as http,
            http.stream("GET", "http://s.test") as got,
        ):
            blocks = got.aiter_raw()
            for _ in range(left_after):
                await anext(blocks)
            await blocks.aclose()

    leave() if client == "httpx" else asyncio.run(leave_async())
    trace = read_trace(path)
    assert ("cancelled", [*EVENTS[:left_after]]) == (trace.end, [block.data for block in trace.blocks])
    assert (left_after, 1) == (sender.given, min(sender.closed, 1))


def test_the_connection_of_a_reader_that_leaves_is_closed(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    with Loopback() as server, httpx.Client(transport=RecordingTransport(into=tmp_path / "x.jsonl"), **HTTP) as http:
        with http.stream("GET", server.url) as response:
            next(response.iter_raw())
        assert server.left.wait(PATIENCE)  # while the client is still open
    assert "cancelled" == read_trace(tmp_path / "x.jsonl").end


@pytest.mark.parametrize(("end", "word"), [("cut", "incomplete"), ("reset", "reset")])
def test_a_stream_that_breaks_is_recorded_as_that_and_raises_what_it_raised(
    end: str, word: str, tmp_path: Path
) -> None:
    httpx = pytest.importorskip("httpx")
    path = tmp_path / "x.jsonl"
    with Loopback(end=end) as server, httpx.Client(transport=RecordingTransport(into=path), **HTTP) as http:

        def read() -> None:
            with http.stream("GET", server.url) as response:
                for block in response.iter_raw():
                    server.saw(block)

        with pytest.raises(httpx.TransportError) as caught:
            read()
    trace = read_trace(path)
    assert (word, b"".join(EVENTS[:2])) == (trace.end, trace.body)
    assert type(caught.value).__name__ in trace.error


def test_a_sender_that_cannot_be_reached_is_an_exchange_without_a_head(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    with (
        nobody() as url,
        httpx.Client(transport=RecordingTransport(into=tmp_path), **HTTP) as http,
        pytest.raises(httpx.ConnectError),
    ):
        http.get(f"{url}/v1")
    (path,) = tmp_path.iterdir()
    trace = read_trace(path)
    assert (None, (), "reset") == (trace.status, trace.blocks, trace.end)
    assert "ConnectError" in trace.error


# --- what is sent


def test_the_sender_is_asked_not_to_encode_and_gets_the_request_as_it_was(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    sender = Answering(stream_of(b"x"))
    with httpx.Client(transport=RecordingTransport(sender, tmp_path / "x.jsonl")) as http:
        http.post("http://s.test/a?b=%20c", content=b"\xff", headers={"X-My": "1", "Accept": "text/event-stream"})
    (request,) = sender.requests
    assert ("identity", "1") == (request.headers["accept-encoding"], request.headers["x-my"])
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("POST", "/a?b=%20c", b"\xff") == (trace.method, trace.path, trace.request_body)
    assert (("Accept", "text/event-stream"),) == trace.request_headers


@pytest.mark.parametrize("allow", [False, True])
def test_a_body_that_is_encoded_all_the_same_is_kept_only_on_request(allow: bool, tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    with Loopback(encoding="gzip") as server:
        transport = RecordingTransport(into=tmp_path / "x.jsonl", allow_encoded=allow)
        expected = contextlib.nullcontext() if allow else pytest.warns(RecordingWarning, match="encoded it \\(gzip\\)")
        with expected, httpx.Client(transport=transport, **HTTP) as http, http.stream("GET", server.url) as response:
            text = b""
            for block in response.iter_bytes():
                text += block
                server.saw(block)
    assert b"".join(EVENTS) == text
    trace = read_trace(tmp_path / "x.jsonl")
    assert ("gzip", allow) == (trace.encoding, trace.body.startswith(b"\x1f\x8b"))
    assert ("eof" if allow else "unknown") == trace.end


# --- where it is written


def test_each_exchange_has_its_file_in_the_order_of_sending(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    with httpx.Client(transport=RecordingTransport(Answering(stream_of(b"x")), tmp_path / "session")) as http:
        for word in ("b", "a", "b"):
            http.post("http://s.test/v1", json={"word": word})
    names = sorted(path.name for path in (tmp_path / "session").iterdir())
    assert ["001", "002", "003"] == [name[:3] for name in names]
    assert names[0][4:] == names[2][4:] != names[1][4:]  # the digest is that of the request


def test_beside_one_file_later_exchanges_are_numbered(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    with httpx.Client(transport=RecordingTransport(Answering(stream_of(b"x")), tmp_path / "x.trace.jsonl.gz")) as http:
        for _ in range(2):
            http.get("http://s.test/v1")
    assert ["x-2.trace.jsonl.gz", "x.trace.jsonl.gz"] == sorted(path.name for path in tmp_path.iterdir())
    assert "eof" == read_trace(tmp_path / "x-2.trace.jsonl.gz").end


def test_a_recording_that_fails_never_breaks_the_stream(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    (tmp_path / "file").write_bytes(b"")
    transport = RecordingTransport(Answering(stream_of(*EVENTS)), tmp_path / "file" / "x.jsonl")  # below a file
    with httpx.Client(transport=transport) as http, pytest.warns(RecordingWarning, match="not recorded: "):
        assert b"".join(EVENTS) == http.get("http://s.test").content


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk, as Linux has it")
def test_a_full_disk_never_breaks_the_stream() -> None:
    httpx = pytest.importorskip("httpx")
    with (
        open("/dev/full", "wb", buffering=0) as full,
        httpx.Client(transport=RecordingTransport(Answering(stream_of(*EVENTS)), full)) as http,
        pytest.warns(RecordingWarning, match="No space left"),
    ):
        assert b"".join(EVENTS) == http.get("http://s.test").content


def test_where_warnings_are_errors_it_does_not_break_either(caplog: pytest.LogCaptureFixture) -> None:
    httpx = pytest.importorskip("httpx")

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    into: Any = Full()
    with (
        httpx.Client(transport=RecordingTransport(Answering(stream_of(*EVENTS)), into)) as http,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        assert b"".join(EVENTS) == http.get("http://s.test").content
    assert "No space left" in caplog.text


def test_above_max_bytes_recording_stops_and_the_stream_goes_on(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    transport = RecordingTransport(Answering(stream_of(b"a\n", b"b\n", b"c\n")), tmp_path / "x.jsonl", max_bytes=4)
    with httpx.Client(transport=transport) as http, pytest.warns(RecordingWarning, match="max_bytes=4"):
        assert b"a\nb\nc\n" == http.get("http://s.test").content
    assert (b"a\nb\n", "unknown") == ((trace := read_trace(tmp_path / "x.jsonl")).body, trace.end)


# --- the environment


class Proxy(threading.Thread):
    """Answers every connection like a proxy for http, and notes the first line of each request."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.lines: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection:
                    read_request(connection, self.lines)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")


def read_request(connection: socket.socket, lines: list[bytes]) -> None:
    with connection.makefile("rb") as file:
        lines.append(file.readline())
        length = 0
        while line := file.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        file.read(length)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    proxy = Proxy()
    proxy.start()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    yield proxy
    proxy.listener.shutdown(socket.SHUT_RDWR)
    proxy.listener.close()
    proxy.join(PATIENCE)


@pytest.mark.parametrize("client", ["httpx", "httpx2", "httpx-async", "httpx2-async"])
def test_the_proxies_of_the_environment_are_used_as_by_a_client_without_a_transport(
    client: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    transport, read = CLIENTS[client]
    assert [b"hi"] == read(transport(into=tmp_path / "x.jsonl"), "http://sender.invalid/v1")
    assert [b"POST http://sender.invalid/v1/chat/completions HTTP/1.1\r\n"] == proxy.lines
    assert ("/v1/chat/completions", b"hi") == ((trace := read_trace(tmp_path / "x.jsonl")).path, trace.body)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Loopback(body=DONE) as server:
        assert [DONE] == read(transport(into=tmp_path / "y.jsonl"), server.url)
    assert 1 == len(proxy.lines)


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
def test_the_certificates_of_the_environment_are_used(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = pytest.importorskip(name)
    asked: list[str] = []

    def seen(self: object, cafile: str | None = None, *_: Any, **__: Any) -> None:
        asked.append(cafile or "")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", seen)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours.pem"))
    (tmp_path / "ours.pem").write_bytes(b"")
    with (
        nobody() as url,
        library.Client(transport=RecordingTransport(into=tmp_path / "x.jsonl"), verify=False, **HTTP) as http,
        pytest.raises(library.ConnectError),
    ):
        http.get(url.replace("http:", "https:"))
    assert str(tmp_path / "ours.pem") in asked


def test_without_the_private_way_to_a_clients_transports_it_sends_all_the_same(tmp_path: Path) -> None:
    httpx = pytest.importorskip("httpx")
    transport = RecordingTransport(into=tmp_path / "x.jsonl")
    transport._onward._clients["httpx"] = inner = Plain()
    with Loopback(body=DONE) as server, httpx.Client(transport=transport, **HTTP) as http:
        assert DONE == http.get(server.url).content
    assert 1 == inner.sent
    assert "eof" == read_trace(tmp_path / "x.jsonl").end


class Plain:
    """A client of which only what is public is known."""

    def __init__(self) -> None:
        self.sent = 0
        self.http = sys.modules["httpx"].HTTPTransport()

    def send(self, request: Any, *, stream: bool, auth: None) -> Any:
        self.sent += 1
        return self.http.handle_request(request)

    def close(self) -> None:
        self.http.close()


# --- misuse


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "into="),
        ({"into": 7}, "into="),
        ({"into": "x", "scrub": "no"}, "scrub="),
        ({"into": "x", "max_bytes": -1}, "max_bytes="),
        ({"into": "x", "keep_headers": "x-a"}, "keep_headers="),
        ({"into": "x", "allow_encoded": 1}, "allow_encoded="),
        ({"into": "x", "grace": -1}, "grace="),
    ],
)
def test_wrong_arguments_say_what_is_taken(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(MisuseError, match=text):
        RecordingTransport(**arguments)


def test_a_request_of_another_library_is_misuse() -> None:
    with pytest.raises(MisuseError, match="httpx"):
        RecordingTransport(into="x").handle_request("GET /")
