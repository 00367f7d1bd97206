"""The recording proxy between a real client and a real upstream, on loopback."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from helpers.loopback import CLIENT, DONE, EVENTS, PATIENCE, TEXT, Loopback, until
from helpers.raw_http import RawUpstream, chunks_of, connect, nobody, request, until_closed
from streamkit import MisuseError, RecordingWarning, reassemble
from streamkit.trace import Trace, read_trace

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")
RecordingProxy: Any = pytest.importorskip("streamkit").RecordingProxy

PATH = "/v1/chat/completions"
KEY = "sk-proj-Abcdefgh12345678"


@contextmanager
def posted(url: str, **options: Any) -> Iterator[Any]:
    """A response of httpx2 that is still to be read."""
    with httpx2.Client(**CLIENT) as client, client.stream("POST", url + PATH, **options) as response:
        yield response


def passed(upstream: Loopback, blocks: Iterable[bytes], got: list[bytes]) -> None:
    """Read everything into `got`; the upstream sends each event when the one before has been read."""
    for block in blocks:
        got.append(block)
        upstream.saw(block)


def through(upstream: Loopback, into: Path) -> bytes:
    """The body of a response that goes through a proxy, unpacked."""
    got: list[bytes] = []
    with upstream, RecordingProxy(upstream.url, into) as proxy, posted(proxy.url) as response:
        passed(upstream, response.iter_bytes(), got)
    return b"".join(got)


def recorded(folder: Path) -> list[Trace]:
    return [read_trace(path) for path in sorted(folder.glob("*.jsonl"))]


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_each_block_is_passed_on_before_the_next_one_is_sent_and_recorded(framing: str, tmp_path: Path) -> None:
    with (
        Loopback(framing) as upstream,
        RecordingProxy(upstream.url, tmp_path) as proxy,
        posted(proxy.url, json={"n": 1}) as response,
    ):
        blocks = []
        for block in response.iter_raw():
            blocks.append(block)
            upstream.saw(block)
    (trace,) = recorded(tmp_path)
    assert list(EVENTS) == blocks == [block.data for block in trace.blocks]
    assert ("eof", "proxy", 200) == (trace.end, trace.observed, trace.status)
    assert ("POST", PATH, {"n": 1}) == (trace.method, trace.path, trace.request)
    assert TEXT == reassemble(trace.body).choices[0].message.content


def test_a_block_goes_on_as_one_chunk_of_http(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [b"data: {\xf0\x9f", b"\x98\x80}\r", b"\n\r\n"]
    answer = head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    with RawUpstream(answer) as upstream, RecordingProxy(upstream.url, tmp_path) as proxy, connect(proxy.url) as sock:
        sock.sendall(request(PATH, b"{}", "POST", "Connection: close"))
        _, chunks, left = chunks_of(until_closed(sock)[0])
    assert (parts, b"") == (chunks, left)
    assert parts == [block.data for block in recorded(tmp_path)[0].blocks]


def test_method_path_query_body_and_the_spelling_of_headers_go_through_and_hop_by_hop_does_not(tmp_path: Path) -> None:
    answer = (
        b"HTTP/1.1 418 No\r\nX-Odd-CASE: 1\r\nset-COOKIE: a=1\r\nset-COOKIE: b=2\r\nDate: then\r\nKeep-Alive: timeout=5\r\n"
        b"X-Gone: 1\r\nConnection: close, x-gone\r\nContent-Length: 2\r\n\r\nno"
    )
    asked = request(
        "/any/p%C3%A4th/v1?q=%2F&b",
        b"\x00\xff",
        "PATCH",
        "X-My-HEADER: v",
        "TE: trailers",
        "X-Hop: 1",
        "Connection: x-hop",
    )
    with RawUpstream(answer) as upstream, RecordingProxy(upstream.url, tmp_path) as proxy, connect(proxy.url) as sock:
        sock.sendall(asked)
        got = b""
        while not got.endswith(b"no"):
            got += sock.recv(65536)
    sent = upstream.request.partition(b"\r\n\r\n")
    lines = sent[0].split(b"\r\n")
    assert (b"PATCH /any/p%C3%A4th/v1?q=%2F&b HTTP/1.1", b"\x00\xff") == (lines[0], sent[2])
    assert b"X-My-HEADER: v" in lines
    assert b"Accept-Encoding: identity" in lines
    assert not [line for line in lines if line.lower().startswith((b"te:", b"x-hop", b"user-agent", b"accept:"))]
    lines = got.split(b"\r\n")
    assert b"HTTP/1.1 418 I'm a Teapot" == lines[0]
    assert [b"X-Odd-CASE: 1", b"set-COOKIE: a=1", b"set-COOKIE: b=2", b"Date: then", b"Content-Length: 2"] == lines[1:6]
    (trace,) = recorded(tmp_path)
    assert ("PATCH", "/any/p%C3%A4th/v1?q=%2F&b", b"\x00\xff") == (trace.method, trace.path, trace.request_body)
    assert (418, b"no", "eof") == (trace.status, trace.body, trace.end)


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/"])
def test_the_upstream_may_be_given_with_or_without_v1(base: str, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 204 No\r\n\r\n"
    with RawUpstream(answer) as upstream, RecordingProxy(f"{upstream.url}/api{base}", tmp_path) as proxy:
        assert f"{proxy.url}/v1" == proxy.environment["OPENAI_BASE_URL"] == proxy.environment["OPENAI_API_BASE"]
        assert proxy.url == proxy.environment["ANTHROPIC_BASE_URL"]
        assert 204 == httpx2.get(f"{proxy.url}/v1/models", **CLIENT).status_code
    assert upstream.request.startswith(b"GET /api/v1/models HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "method, head, body, expected",
    [
        ("POST", b"200 OK\r\nContent-Length: 2", b"no", ["unknown", "eof"]),
        ("POST", b"200 OK\r\nContent-Length: 0", b"", ["eof", "eof"]),
        ("HEAD", b"200 OK\r\nContent-Length: 2", b"", ["eof", "eof"]),
        ("POST", b"204 No", b"", ["eof", "eof"]),
        ("POST", b"200 OK\r\nTransfer-Encoding: chunked", b"2\r\nno\r\n0\r\n\r\n", ["unknown", "unknown", "eof"]),
        ("POST", b"200 OK\r\nConnection: close", b"no", ["unknown", "unknown", "eof"]),
        ("POST", b"200 OK\r\nContent-Length: x", b"no", ["incomplete", "incomplete"]),
    ],
)
@pytest.mark.anyio
async def test_the_trace_is_whole_before_the_bytes_are_sent_by_which_a_client_knows_that_the_answer_is(
    method: str, head: bytes, body: bytes, expected: list[str], tmp_path: Path
) -> None:
    from streamkit._recording.proxy_app import ProxyApp, upstream_url
    from streamkit._recording.recorder import Options
    from streamkit._recording.targets import Targets

    asked = [{"type": "http.request", "body": b"", "more_body": False}]
    seen: list[str] = []

    async def receive() -> dict[str, Any]:
        if not asked:
            await anyio.sleep_forever()
        return asked.pop()

    async def send(message: dict[str, Any]) -> None:
        seen.append(recorded(tmp_path)[0].end)

    with RawUpstream(b"HTTP/1.1 " + head + b"\r\n\r\n" + body) as upstream:
        app = ProxyApp(upstream_url(upstream.url), Targets(tmp_path), Options())
        scope = {"type": "http", "method": method, "path": PATH, "query_string": b"", "headers": []}
        await app(scope, receive, send)
        await app._close()
    assert expected == seen


def test_a_reader_that_leaves_is_seen_at_once_and_the_upstream_is_closed(tmp_path: Path) -> None:
    with Loopback() as upstream, RecordingProxy(upstream.url, tmp_path) as proxy:
        with posted(proxy.url) as response:
            next(response.iter_raw())
        # The upstream never gets the sign for its second event: it waits until its client leaves.
        assert upstream.left.wait(PATIENCE)
    (trace,) = recorded(tmp_path)
    assert ("cancelled", list(EVENTS[:1])) == (trace.end, [block.data for block in trace.blocks])


def test_a_reader_that_leaves_before_the_response_began_closes_the_upstream(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with RecordingProxy(url, tmp_path) as proxy:
            with connect(proxy.url) as sock:
                sock.sendall(request())
                upstream, _ = silent.accept()
                upstream.settimeout(PATIENCE)
                assert upstream.recv(65536).startswith(b"POST")
            with upstream:
                assert (b"", None) == until_closed(upstream)
    (trace,) = recorded(tmp_path)
    assert ("cancelled", None, ()) == (trace.end, trace.status, trace.blocks)


def test_a_reader_that_leaves_at_done_does_not_make_a_trace_cancelled(tmp_path: Path) -> None:
    with (
        Loopback() as upstream,
        RecordingProxy(upstream.url, tmp_path, grace=PATIENCE) as proxy,
        posted(proxy.url) as response,
    ):
        for block in response.iter_raw():
            if block == DONE:
                break
            upstream.saw(block)
    (trace,) = recorded(tmp_path)
    assert ("eof", list(EVENTS)) == (trace.end, [block.data for block in trace.blocks])


def test_times_are_those_of_the_sender_where_the_reader_is_slow(tmp_path: Path) -> None:
    with Loopback() as upstream, RecordingProxy(upstream.url, tmp_path) as proxy, posted(proxy.url) as response:
        for event in EVENTS[:-1]:
            upstream.saw(event)
        (path,) = tmp_path.iterdir()
        until(lambda: not read_trace(path).torn)  # the reader has read nothing yet, and the trace is whole
        assert list(EVENTS) == [block.data for block in read_trace(path).blocks]
        assert b"".join(EVENTS) == b"".join(response.iter_raw())


def test_asked_to_finish_it_reads_on_for_the_trace(tmp_path: Path) -> None:
    with Loopback() as upstream, RecordingProxy(upstream.url, tmp_path, finish=True) as proxy:
        with posted(proxy.url) as response:
            next(response.iter_raw())
        for event in EVENTS[:-1]:
            upstream.saw(event)
        upstream._thread.join(PATIENCE)  # it has sent everything, and was not left
        assert not upstream.left.is_set()
        until(lambda: not proxy._app._requests._scopes)
    (trace,) = recorded(tmp_path)
    assert ("eof", b"".join(EVENTS)) == (trace.end, trace.body)


@pytest.mark.parametrize("end, error", [("cut", "RemoteProtocolError"), ("reset", "ReadError")])
def test_an_upstream_that_breaks_off_breaks_the_client_off_in_the_same_way(
    end: str, error: str, tmp_path: Path
) -> None:
    with Loopback(end=end) as upstream, RecordingProxy(upstream.url, tmp_path) as proxy, posted(proxy.url) as response:
        blocks: list[bytes] = []
        with pytest.raises(getattr(httpx2, error)):
            passed(upstream, response.iter_raw(), blocks)
    (trace,) = recorded(tmp_path)
    assert list(EVENTS[:2]) == blocks == [block.data for block in trace.blocks]
    assert {"cut": "incomplete", "reset": "reset"}[end] == trace.end


def test_an_upstream_that_is_not_there_is_a_502_in_the_shape_of_the_api_and_an_exchange_without_a_head(
    tmp_path: Path,
) -> None:
    with nobody() as url, RecordingProxy(url, tmp_path) as proxy, httpx2.Client(**CLIENT) as client:
        answer = client.post(proxy.url + PATH)
        other = client.post(f"{proxy.url}/v1/messages")
    assert (502, "server_error") == (answer.status_code, answer.json()["error"]["type"])
    assert {"type": "error", "error": {"type": "api_error"}} == {
        **other.json(),
        "error": {"type": other.json()["error"]["type"]},
    }
    assert [(None, "reset")] * 2 == [(trace.status, trace.end) for trace in recorded(tmp_path)]


def test_secrets_are_not_written_and_reach_the_upstream(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    said = json.dumps({"error": f"wrong key {KEY}"}).encode()
    with RawUpstream(answer % (len(said), said)) as upstream, RecordingProxy(upstream.url, tmp_path) as proxy:
        got = httpx2.post(proxy.url + PATH, json={"a": KEY}, headers={"Authorization": f"Bearer {KEY}"}, **CLIENT)
    assert said == got.content
    assert f"Bearer {KEY}".encode() in upstream.request
    (path,) = tmp_path.iterdir()
    assert KEY.encode() not in path.read_bytes()
    assert 401 == read_trace(path).status


def test_a_body_that_is_encoded_all_the_same_goes_on_raw_and_is_not_written(tmp_path: Path) -> None:
    with pytest.warns(RecordingWarning, match="gzip"):
        assert b"".join(EVENTS) == through(Loopback(encoding="gzip"), tmp_path)
    assert () == recorded(tmp_path)[0].blocks


def test_a_recording_that_fails_does_not_break_the_stream(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("a folder cannot be made here")
    with pytest.warns(RecordingWarning):
        assert b"".join(EVENTS) == through(Loopback(), taken / "below")


@pytest.mark.parametrize(
    "asked, status",
    [
        (b"GET http://other.example/v1/models HTTP/1.1\r\nHost: other.example\r\n\r\n", b"400"),
        (b"GET /v1/../admin HTTP/1.1\r\nHost: h\r\n\r\n", b"400"),
        (b"GET /v1/%2e%2e/admin HTTP/1.1\r\nHost: h\r\n\r\n", b"400"),
        (b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n", b"413"),
        (b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n" + b"x" * 17 + b"\r\n", b"413"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_for_the_upstream_is_refused(asked: bytes, status: bytes, tmp_path: Path) -> None:
    with RecordingProxy("http://127.0.0.1:1", tmp_path / "none", max_body=16) as proxy, connect(proxy.url) as sock:
        sock.sendall(asked)
        assert status == sock.recv(65536).split()[1]
        assert 502 == httpx2.get(f"{proxy.url}/alive", **CLIENT).status_code


@pytest.mark.anyio
async def test_it_is_an_async_context_manager_on_any_event_loop(anyio_backend: str, tmp_path: Path) -> None:
    with RawUpstream(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as upstream:
        async with RecordingProxy(upstream.url, tmp_path) as proxy, httpx2.AsyncClient(**CLIENT) as client:
            assert "ok" == (await client.get(proxy.url)).text
    assert b"ok" == recorded(tmp_path)[0].body


def test_closing_it_ends_what_is_going_on_and_frees_the_port(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Loopback() as upstream:
        proxy = RecordingProxy(upstream.url, tmp_path).start()
        sock = connect(proxy.url)
        sock.sendall(request())
        assert sock.recv(65536)
        proxy.close()
        with sock:
            until_closed(sock)
        assert upstream.left.wait(PATIENCE)
    port = int(proxy.url.rpartition(":")[2])
    socket.create_server(("127.0.0.1", port)).close()
    assert "cancelled" == recorded(tmp_path)[0].end
    proxy.close()
    with pytest.raises(MisuseError, match="has been started before"):
        proxy.start()
    assert [] == caplog.messages


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("ftp://h", "x"), "http: or https: URL"),
        (("http://h?q=1", "x"), "without query"),
        ((3, "x"), "http: or https: URL"),
        (("http://h", "x", "h"), "HOST:PORT"),
        (("http://h", "x", "127.0.0.1:99999"), "HOST:PORT"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], words: str) -> None:
    upstream, into, *listen = arguments
    with pytest.raises(MisuseError, match=words):
        RecordingProxy(upstream, into, listen=listen[0] if listen else "127.0.0.1:0")
    assert not os.path.exists("x")
