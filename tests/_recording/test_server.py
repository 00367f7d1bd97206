"""The trace server and real clients, on loopback: what goes over the wire is what was recorded, or the fault that was asked for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

import streamkit
from helpers.command import TRACES
from helpers.loopback import CLIENT, PATIENCE, until
from helpers.raw_http import chunks_of, connect, request, until_closed
from helpers.tier import TIER, some
from streamkit import FAULTS, MisuseError, reassemble
from streamkit.trace import Block, Trace, read_trace, write_trace
from streamkit.types import CreateChatCompletionResponse

httpx2 = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")
TraceServer: Any = streamkit.TraceServer

PATH = "/v1/chat/completions"
PLAIN = read_trace(TRACES / "llama.cpp" / "plain.trace.jsonl")
NAMES = [str(path.relative_to(TRACES)).removesuffix(".trace.jsonl") for path in sorted(TRACES.glob("*/*.trace.jsonl"))]
OWN = ("date", "connection", "keep-alive", "transfer-encoding")
CHUNKED = (("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"))


def trace(*blocks: bytes, headers: Any = CHUNKED, **more: Any) -> Trace:
    """A trace of these blocks, all at once."""
    known = {"status": 200, "headers": headers, "blocks": tuple(Block(0.0, block) for block in blocks), "end": "eof"}
    return Trace(**{**known, **more})


def asks(name: str, *, stream: bool = True) -> bytes:
    return json.dumps({"model": name, "stream": stream, "messages": []}).encode()


def chat(url: str, body: Any, **headers: str) -> Any:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(f"{url}{PATH}", json=body, headers=headers, **CLIENT)


def last(server: Any) -> Any:
    """The last request, once its answer is over."""
    until(lambda: server.requests[-1].ended != "open")
    return server.requests[-1]


# --- what goes over the wire


def test_every_recorded_stream_arrives_with_its_bytes_boundaries_status_and_headers() -> None:
    with TraceServer(TRACES, speed=0) as server, httpx2.Client(base_url=server.url, **CLIENT) as client:
        assert set(NAMES) == set(server.traces)
        for name in some(NAMES):
            recorded, blocks, broken = read_trace(TRACES / f"{name}.trace.jsonl"), [], False
            with client.stream("POST", PATH, content=asks(name)) as response:
                try:
                    blocks += response.iter_raw()
                except httpx2.HTTPError:
                    broken = True
            assert recorded.body == b"".join(blocks), name
            assert {*accumulate(len(one.data) for one in recorded.blocks)} <= {*accumulate(map(len, blocks))}, name
            assert (recorded.status, recorded.end != "eof") == (response.status_code, broken), name
            sent = [
                (key.decode(), value.decode()) for key, value in response.headers.raw if key.decode().lower() not in OWN
            ]
            assert [pair for pair in recorded.headers if pair[0].lower() not in OWN] == sent, name


def test_a_block_is_one_chunk_of_http_wherever_it_was_cut() -> None:
    blocks = [b"data: {\xf0\x9f", b"\x98\x80}\r", b"\n\r\n", b"x" * 70_000]
    with TraceServer(trace(*blocks)) as server, connect(server.url) as sock:
        sock.sendall(request(PATH, b"", "POST", "Connection: close"))
        head, chunks, left = chunks_of(until_closed(sock)[0])
    assert (blocks, b"") == (chunks, left)
    assert b"transfer-encoding: chunked" in head.lower()


def test_names_keep_their_spelling_and_fields_their_order_and_repetition_and_the_date_is_ours() -> None:
    headers = (("X-Odd-CASE", "1"), ("Date", "then"), ("set-COOKIE", "a=1"), ("set-COOKIE", "b=2"), ("bad name", "x"))
    odd = trace(b"hi", headers=(*headers, ("CONTENT-length", "2")), status=418)
    with TraceServer(odd) as server, connect(server.url) as sock:
        sock.sendall(request(PATH, b"", "GET", "Connection: close"))
        lines = until_closed(sock)[0].split(b"\r\n")
    assert b"HTTP/1.1 418 I'm a Teapot" == lines[0]
    own = [line for line in lines if line.lower().startswith((b"date:", b"connection:"))]
    assert 2 == len(own)
    assert b"then" not in b"".join(own)
    assert [b"X-Odd-CASE: 1", b"set-COOKIE: a=1", b"set-COOKIE: b=2", b"CONTENT-length: 2", b"", b"hi"] == [
        line for line in lines[1:] if line not in own
    ]


def test_a_body_that_ended_with_the_connection_does_so_again() -> None:
    headers = (("Content-Type", "text/event-stream"), ("Connection", "close"))
    with TraceServer(trace(b"data: 1\n\n", b"data: 2\n\n", headers=headers)) as server, connect(server.url) as sock:
        sock.sendall(request())
        head, _, body = until_closed(sock)[0].partition(b"\r\n\r\n")
    assert b"data: 1\n\ndata: 2\n\n" == body
    assert b"transfer-encoding" not in head.lower()
    assert b"content-length" not in head.lower()


@pytest.mark.parametrize("status, method", [(204, "GET"), (304, "GET"), (200, "HEAD")])
def test_a_response_that_has_no_body_gets_none(status: int, method: str) -> None:
    with TraceServer(trace(b"data: 1\n\n", status=status)) as server:
        answer = httpx2.request(method, f"{server.url}/x", **CLIENT)
    assert (status, b"") == (answer.status_code, answer.content)


# --- faults as TCP has them


def broken(fault: str) -> tuple[bytes, type[OSError] | None]:
    """What a raw socket sees of the first two of three blocks, with a fault before the third."""
    three = trace(b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
    with TraceServer(three, faults=fault) as server, connect(server.url) as sock:
        sock.sendall(request())
        return until_closed(sock)


def test_a_reset_is_a_reset_after_what_was_sent_has_arrived() -> None:
    got, error = broken("reset@block:3")
    assert ConnectionResetError is error
    assert ([b"data: 1\n\n", b"data: 2\n\n"], b"") == chunks_of(got)[1:]


def test_a_disconnect_is_a_connection_closed_without_the_last_chunk() -> None:
    got, error = broken("disconnect@block:3")
    assert error is None
    assert got.endswith(b"9\r\ndata: 2\n\n\r\n")


def test_half_a_chunk_announces_more_bytes_than_arrive() -> None:
    got, error = broken("half_chunk@block:2")
    assert error is None
    _, chunks, left = chunks_of(got)
    size, _, data = left.partition(b"\r\n")
    assert 0 < len(data) < int(size, 16)
    assert b"data: 1\n\ndata: 2\n\n".startswith(b"".join(chunks) + data)


@pytest.mark.parametrize("fault, error", [("reset@head", ConnectionResetError), ("disconnect@head", None)])
def test_at_the_head_no_response_begins(fault: str, error: type[OSError] | None) -> None:
    assert (b"", error) == broken(fault)


def test_a_body_of_a_known_length_breaks_off_before_it() -> None:
    recorded = trace(b'{"a":', b"1}", headers=(("Content-Length", "7"),))
    with TraceServer(recorded, faults="disconnect@block:2") as server, connect(server.url) as sock:
        sock.sendall(request())
        got, _ = until_closed(sock)
    assert b"content-length: 7" in got.lower()
    assert got.endswith(b'\r\n\r\n{"a":')


OUTCOMES = {
    "reset@0.5": ("ReadError", "ConnectionError", "ClientOSError"),
    "disconnect@0.5": ("RemoteProtocolError", "ChunkedEncodingError", "ClientPayloadError"),
    "half_chunk@0.5": ("RemoteProtocolError", "ChunkedEncodingError", "ClientPayloadError"),
    "truncate@0.5": ("", "", ""),
    "empty": ("", "", ""),
    "drop@event:2": ("", "", ""),
    "status=503": ("", "", ""),
}


@pytest.mark.quick(3)
@pytest.mark.parametrize("fault", OUTCOMES)
def test_each_client_meets_a_fault_as_its_own_exception(fault: str) -> None:
    with TraceServer(PLAIN, speed=0, faults=fault) as server:
        url = server.url + PATH
        met = []
        try:
            httpx2.post(url, **CLIENT)
            met.append("")
        except httpx2.HTTPError as error:
            met.append(type(error).__name__)
        requests = pytest.importorskip("requests")
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.post(url)
            met.append("")
        except requests.RequestException as error:
            met.append(type(error).__name__)
        met.append(with_aiohttp(url))
    first, second, third = OUTCOMES[fault]
    assert first == met[0]
    assert met[1] in (second, "ChunkedEncodingError" if second else "")  # urllib3 wraps a reset in either
    assert met[2] in (third, "ClientPayloadError" if third else "")


SOME_FAULTS = {
    name: {"stall": "stall=0", "delay": "delay=0", "slow_close": "slow_close=0", "bandwidth": "bandwidth=1e9"}.get(
        name, name
    )
    for name in FAULTS
}


def outcome(client: Any, url: str, name: str, fault: str) -> tuple[int | None, bytes, str]:
    """Status, body, and what was raised."""
    status, body, raised = None, [], ""
    headers = {"x-streamkit-fault": fault}
    try:
        with client.stream("POST", url + PATH, content=asks(name), headers=headers) as response:
            status = response.status_code
            body += response.iter_raw()
    except httpx2.HTTPError as error:
        raised = type(error).__name__
    return status, b"".join(body), raised


@pytest.mark.quick(3)
@pytest.mark.parametrize("fault", FAULTS)
def test_over_the_wire_a_fault_is_what_it_is_in_place_of_the_network(fault: str) -> None:
    text = SOME_FAULTS[fault]
    with TraceServer(TRACES, speed=0) as server, httpx2.Client(**CLIENT) as over_the_wire:
        for name in some(NAMES, len(fault))[:: 1 if TIER == "whole" else 7]:
            recorded = TRACES / f"{name}.trace.jsonl"
            transport = streamkit.ReplayTransport(recorded, speed=0, faults=text)
            with httpx2.Client(transport=transport) as in_place:
                expected = outcome(in_place, "http://replayed", name, text)
            assert expected == outcome(over_the_wire, server.url, name, text), name


def with_aiohttp(url: str) -> str:
    import asyncio

    aiohttp = pytest.importorskip("aiohttp")

    async def post() -> str:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(url) as response:
                    await response.read()
                return ""
            except aiohttp.ClientError as error:
                return type(error).__name__

    return asyncio.run(post())


def test_the_same_seed_gives_the_same_bytes_over_the_wire() -> None:
    faults = "corrupt=3@random;drop@random"
    with TraceServer(PLAIN, speed=0, faults=faults, recut="random", seed=7) as server:
        bodies = {httpx2.post(server.url + PATH, **CLIENT).content for _ in range(2)}
    assert 1 == len(bodies)
    assert PLAIN.body not in bodies


def test_a_silent_sender_is_silent_until_the_reader_leaves() -> None:
    with TraceServer(trace(b"data: 1\n\n", b"data: 2\n\n"), faults="stall@block:2") as server:
        with httpx2.Client(**CLIENT) as client, client.stream("POST", server.url + PATH) as response:
            assert b"data: 1\n\n" == next(response.iter_raw())
        assert "left" == last(server).ended


# --- which trace


def test_a_trace_is_chosen_by_header_by_query_by_model_and_by_the_same_request() -> None:
    other = read_trace(TRACES / "vllm" / "plain.trace.jsonl")
    with TraceServer(TRACES, speed=0) as server:
        assert PLAIN.body == chat(server.url, PLAIN.request).content
        assert other.body == chat(server.url, PLAIN.request, x_streamkit_trace="vllm/plain").content
        query = httpx2.post(f"{server.url}{PATH}?x-streamkit-trace=vllm/plain", json=PLAIN.request, **CLIENT)
        assert other.body == query.content
        assert other.body == chat(server.url, {**PLAIN.request, "model": "vllm/plain"}).content
        assert 404 == chat(server.url, PLAIN.request, x_streamkit_trace="nope").status_code
        assert ["llama.cpp/plain", *["vllm/plain"] * 3, ""] == [one.trace for one in server.requests]


def test_a_miss_names_the_nearest_recording_and_the_first_difference_in_the_shape_of_the_api() -> None:
    with TraceServer(TRACES) as server:
        answer = chat(server.url, {**PLAIN.request, "seed": 7})
        error = answer.json()["error"]
    assert (404, "invalid_request_error", "trace_miss") == (answer.status_code, error["type"], error["code"])
    for words in ("llama.cpp/plain", "$.seed", "recorded: 42", "sent:     7", "streamkit record --upstream"):
        assert words in error["message"]


def test_traces_that_are_passed_one_by_one_are_taken_in_turn() -> None:
    failed = trace(b'{"error":{}}', status=429, headers=(("Content-Type", "application/json"), ("Retry-After", "0")))
    with TraceServer([failed, PLAIN], speed=0, repeat=False) as server:
        assert [429, 200, 404] == [chat(server.url, {"stream": True}).status_code for _ in range(3)]


def test_a_recorded_failure_is_followed_by_what_came_next(tmp_path: Path) -> None:
    asked = {"method": "POST", "path": PATH, "request": {"model": "m", "messages": [], "stream": True}}
    failed = trace(b'{"error":{"message":"slow down"}}', status=429, headers=(("retry-after", "0.01"),), **asked)
    write_trace(failed, tmp_path / "001-a.trace.jsonl")
    write_trace(trace(PLAIN.body, **asked), tmp_path / "002-a.trace.jsonl")
    openai = pytest.importorskip("openai")
    with TraceServer(tmp_path) as server, openai.DefaultHttpxClient(**CLIENT) as http:
        client = openai.OpenAI(api_key="any", base_url=f"{server.url}/v1", http_client=http)
        chunks = list(client.chat.completions.create(model="m", messages=[], stream=True))
        assert chunks
        (verdict,) = server.verdict()
    assert verdict.retried
    assert not verdict.too_early
    assert verdict.request.retry_after == 0.01
    assert str(verdict).startswith("request 1 (001-a): status 429: sent again ")
    assert ["001-a", "002-a"] == [one.trace for one in server.requests]


def test_an_exchange_that_a_fault_struck_may_be_played_again_to_the_retry(tmp_path: Path) -> None:
    asked = {"method": "POST", "path": PATH, "request": {"model": "m"}}
    write_trace(trace(PLAIN.body, **asked), tmp_path / "001-a.trace.jsonl")
    with TraceServer(tmp_path, repeat=False, faults="status=503", fault_times=2) as server:
        assert [503, 503, 200, 404] == [chat(server.url, {"model": "m"}).status_code for _ in range(4)]


def test_a_request_that_asks_for_no_stream_gets_the_response() -> None:
    recorded = trace(b'{"object":"chat.completion"}', headers=(("Content-Type", "application/json"),))
    with TraceServer(PLAIN, speed=0) as server:
        answer = chat(server.url, {"model": "any"})
    assert ("application/json", 200) == (answer.headers["content-type"], answer.status_code)
    assert reassemble(PLAIN.body) == streamkit.loads(answer.content, CreateChatCompletionResponse)
    with TraceServer(recorded) as server:  # recorded without streaming, it is given as recorded
        assert (
            recorded.body == chat(server.url, {"stream": False}).content == chat(server.url, {"stream": True}).content
        )


def test_models_are_listed_unless_that_was_recorded(tmp_path: Path) -> None:
    with TraceServer(TRACES) as server:
        listed = httpx2.get(f"{server.url}/v1/models", **CLIENT).json()
    names = [one["id"] for one in listed["data"]]
    assert set(NAMES) == set(names[: len(NAMES)])
    assert PLAIN.request is not None
    assert PLAIN.request["model"] in names[len(NAMES) :]
    recorded = trace(b'{"data":[]}', method="GET", path="/v1/models", headers=(("Content-Type", "application/json"),))
    write_trace(recorded, tmp_path / "models.trace.jsonl")
    with TraceServer(tmp_path) as server:
        assert b'{"data":[]}' == httpx2.get(f"{server.url}/v1/models", **CLIENT).content


def test_the_page_lists_every_trace_and_escapes_their_names() -> None:
    with TraceServer(trace(b"", case="<b>&")) as server:
        page = httpx2.get(server.url, **CLIENT)
    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert '<td><a href="?x-streamkit-view=%3Cb%3E%26">&lt;b&gt;&amp;</a><td>' in page.text


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer right"}, 200),
        ({"x-api-key": "right"}, 200),
    ],
)
def test_a_wrong_key_is_refused_where_one_is_asked_for(headers: dict[str, str], status: int) -> None:
    with TraceServer(PLAIN, speed=0, api_key="right") as server:
        answer = httpx2.post(server.url + PATH, headers=headers, **CLIENT)
    assert status == answer.status_code
    assert status == 200 or "invalid_api_key" == answer.json()["error"]["code"]


def test_an_unknown_model_is_refused_as_the_api_refuses_it() -> None:
    with TraceServer(TRACES) as server:
        error = chat(server.url, {"model": "gpt-9", "messages": []}).json()["error"]
        other = httpx2.post(f"{server.url}/v1/messages", json={"model": "gpt-9"}, **CLIENT).json()
    assert ("model_not_found", "invalid_request_error") == (error["code"], error["type"])
    assert ("error", "not_found_error") == (other["type"], other["error"]["type"])


# --- what a request says, and what clients do


def test_a_request_says_how_it_wants_to_be_answered() -> None:
    with TraceServer(PLAIN, speed=0) as server:
        url = f"{server.url}{PATH}"
        assert 429 == httpx2.post(url, headers={"x-streamkit-fault": "status=429"}, **CLIENT).status_code
        assert 503 == httpx2.post(f"{url}?x-streamkit-fault=status=503", **CLIENT).status_code
        with httpx2.stream("POST", url, headers={"x-streamkit-recut": "one"}, **CLIENT) as response:
            assert [PLAIN.body] == list(response.iter_raw())
        assert 200 == httpx2.post(url, **CLIENT).status_code
        assert ["status=429", "status=503", "", ""] == [one.fault for one in server.requests]
        assert PATH == server.requests[1].path


@pytest.mark.parametrize(
    "said, words",
    [
        ({"x-streamkit-fault": "bogus"}, "no fault is called 'bogus'"),
        ({"x-streamkit-speed": "fast"}, "takes a number"),
        ({"x-streamkit-speed": "-1"}, "speed takes 0"),
        ({"x-streamkit-seed": "-1"}, "seed takes a whole number"),
        ({"x-streamkit-sped": "1"}, "no option is called 'x-streamkit-sped'"),
        ({"x-streamkit-fault": "drop@event:999"}, "this stream has"),
    ],
)
def test_an_option_of_a_request_that_means_nothing_is_named(said: dict[str, str], words: str) -> None:
    with TraceServer(PLAIN, speed=0) as server:
        answer = httpx2.post(server.url + PATH, headers=said, **CLIENT)
    assert 400 == answer.status_code
    assert words in answer.json()["error"]["message"]


def test_faults_strike_as_often_as_is_said_and_the_verdict_says_what_clients_did() -> None:
    openai = pytest.importorskip("openai")
    with TraceServer(PLAIN, speed=0, faults="status=429,retry_after=0.02", fault_times=1) as server:
        with openai.DefaultHttpxClient(**CLIENT) as http:
            client = openai.OpenAI(api_key="any", base_url=f"{server.url}/v1", http_client=http)
            assert list(client.chat.completions.create(model="m", messages=[], stream=True))
            server.strike("truncate", 1)
            assert list(client.chat.completions.create(model="n", messages=[], stream=True))
        first, second = server.verdict()
    assert (True, False, 0.02) == (first.retried, first.too_early, first.request.retry_after)
    assert 0.02 <= first.after < PATIENCE
    assert (False, None, "request 3 (llama.cpp/plain): truncate: not sent again") == (
        second.retried,
        second.after,
        str(second),
    )
    assert [429, 200, 200] == [one.status for one in server.requests]
    assert {"model": "m", "messages": [], "stream": True} == server.requests[0].json


def test_a_client_that_leaves_a_silent_answer_and_asks_again_on_another_connection_sent_it_again() -> None:
    asked = request(PATH, b"", "POST", "x-streamkit-fault: stall@block:2")
    with TraceServer(trace(b"data: 1\n\n", b"data: 2\n\n")) as server, connect(server.url) as other:
        for _ in range(
            10
        ):  # the other connection is there already: its bytes are read in the same turn as the end of the first
            with connect(server.url) as sock:
                sock.sendall(asked)
                got = b""
                while b"data: 1" not in got:
                    got += sock.recv(65536)
            other.sendall(request())
            got = b""
            while not got.endswith(b"0\r\n\r\n"):
                got += other.recv(65536)
        last(server)
        assert [True] * 10 == [one.retried for one in server.verdict()]


# --- bounds


def test_a_head_that_is_never_whole_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamkit._recording.uvicorn_edge import Protocol

    monkeypatch.setattr(Protocol, "head_seconds", 0.05)
    with TraceServer(PLAIN, speed=0) as server:
        for begun in (b"", b"POST / HTTP/1.1\r\nX: "):
            with connect(server.url) as sock:
                sock.sendall(begun)
                assert b"" == until_closed(sock)[0]
        with connect(server.url) as sock:  # and one that begins on a connection that was used before
            sock.sendall(request("/", b"", "GET"))
            got = b""
            while not got.endswith(b"</table>\n"):
                got += sock.recv(65536)
            sock.sendall(b"POST / HT")
            assert b"" == until_closed(sock)[0]
        assert 200 == httpx2.post(server.url + PATH, **CLIENT).status_code


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read() -> None:
    with TraceServer(PLAIN, speed=0) as server, connect(server.url) as sock:
        sock.sendall(b"POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n{")
        assert b"HTTP/1.1 413" == sock.recv(65536)[:12]
        assert 200 == httpx2.post(server.url + PATH, **CLIENT).status_code


def test_bodies_that_are_no_json_and_deep_ones_are_answered() -> None:
    with TraceServer(TRACES) as server:
        for body in (b"{", b"\xff", b"[" * 100_000, b'{"model": [1]}', b'{"a":' * 50_000):
            answer = httpx2.post(server.url + PATH, content=body, **CLIENT)
            assert (404, "trace_miss") == (answer.status_code, answer.json()["error"]["code"])


def descriptors() -> set[tuple[str, str]]:
    """What is open, as Linux lists it: with the inode, since what an earlier test left may be closed at any time."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the list itself
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="lists descriptors as Linux does")
def test_no_descriptor_is_left() -> None:
    before = descriptors()
    with TraceServer(PLAIN, speed=0) as server:
        for fault in ("reset@0.5", "disconnect@0.5", "half_chunk", "truncate"):
            with connect(server.url) as sock:
                sock.sendall(request(PATH, b"", "POST", f"x-streamkit-fault: {fault}", "Connection: close"))
                until_closed(sock)
        with connect(server.url) as sock:
            sock.sendall(request(PATH, b"", "POST", "x-streamkit-fault: stall@block:2"))
            sock.recv(65536)
        assert "left" == last(server).ended
    assert set() == descriptors() - before


# --- the server itself


@pytest.mark.anyio
async def test_it_is_an_async_context_manager_on_any_event_loop(anyio_backend: str) -> None:
    async with TraceServer(PLAIN, speed=0) as server, httpx2.AsyncClient(**CLIENT) as client:
        assert PLAIN.body == (await client.post(server.url + PATH)).content
    assert f"{server.url}/v1" == server.environment["OPENAI_BASE_URL"]


def test_closing_it_breaks_off_what_is_going_on_and_frees_the_port(caplog: pytest.LogCaptureFixture) -> None:
    server = TraceServer(trace(b"data: 1\n\n", b"data: 2\n\n"), faults="stall@block:2").start()
    with connect(server.url) as sock:
        sock.sendall(request())
        got = b""
        while b"data: 1" not in got:
            got += sock.recv(65536)
        server.close()
        assert b"0\r\n\r\n" not in until_closed(sock)[0]
    socket.create_server(("127.0.0.1", int(server.url.rpartition(":")[2]))).close()
    assert [] == caplog.messages


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"source": "no/such/folder"}, "takes a directory of traces"),
        ({"source": 3}, "takes a directory"),
        ({"source": []}, "no trace"),
        ({"speed": -1}, "speed takes"),
        ({"faults": "bogus"}, "no fault is called"),
        ({"fault_times": -1}, "fault_times="),
        ({"listen": "h"}, "HOST:PORT"),
        ({"api_key": ""}, "api_key="),
        ({"max_body": "1"}, "max_body="),
        ({"repeat": 1}, "repeat="),
        ({"seed": "x"}, "seed takes"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(MisuseError, match=words):
        TraceServer(**{"source": PLAIN, **arguments})


@pytest.mark.parametrize("end", ["unknown", "cancelled"])
def test_a_trace_that_answers_nothing_is_refused_and_not_played_as_an_empty_success(end: str, tmp_path: Path) -> None:
    write_trace(Trace(end=end), tmp_path / "x.trace.jsonl")
    for source in (Trace(end=end), tmp_path / "x.trace.jsonl", [tmp_path / "x.trace.jsonl"]):
        with pytest.raises(
            MisuseError, match=r"(^this trace|x\.trace\.jsonl.*) answers nothing: it was cut off before a status"
        ):
            TraceServer(source)
