"""The gateway between a real client and a real upstream, on loopback."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import Any

import anyio
import pytest

from helpers.loopback import PATIENCE, read_request
from helpers.raw_http import nobody
from helpers.served import served
from streamkit import Clean, Ended, MisuseError, reassemble
from streamkit.testing import DONE, chunk, event, stream_bytes

httpx = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")
create_app = pytest.importorskip("streamkit.gateway", exc_type=ImportError).create_app

CALL = event(
    '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}]}'
)
WIRE = stream_bytes("Hel", "lo", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
LONG = PATIENCE
PATH = "/v1/chat/completions"
CLEAN = "/clean/v1/chat/completions"


class Upstream:
    """An upstream that sends `blocks`, with a wait for the test between the first and the others, if told to.

    In place of None it breaks off.
    """

    def __init__(
        self,
        blocks: list[bytes | None],
        status: int = 200,
        kind: bytes = b"text/event-stream",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.blocks = blocks
        self.headers = headers
        self.path = self.query = b""
        self.method = ""
        self.url = ""
        self.clients: set[Any] = set()
        self.status = status
        self.kind = kind
        self.requests: Queue[tuple[dict[bytes, bytes], bytes]] = Queue()
        self.go_on = Event()
        self.go_on.set()
        self.left = Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        self.path, self.query, self.method = scope["raw_path"], scope["query_string"], scope["method"]
        self.clients.add(tuple(scope["client"]))
        self.requests.put((dict(scope["headers"]), body))
        headers = [(b"content-type", self.kind), (b"x-request-id", b"r1"), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for number, block in enumerate(self.blocks):
            if number == 1 and not self.go_on.is_set():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.notice, receive, tasks.cancel_scope)
                    await anyio.to_thread.run_sync(self.go_on.wait, LONG, abandon_on_cancel=True)
                    tasks.cancel_scope.cancel()
                if self.left.is_set():
                    return
            if block is None:
                return
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def notice(self, receive: Any, scope: anyio.CancelScope) -> None:
        if (await receive())["type"] == "http.disconnect":
            self.left.set()
            scope.cancel()


class Setup:
    """A client of a gateway to an upstream, and what the gateway says of each request."""

    def __init__(self, upstream: Upstream, client: Any, over: Queue[Any]) -> None:
        self.upstream = upstream
        self.client = client
        self._over = over

    def over(self) -> Any:
        return self._over.get(timeout=LONG)


@pytest.fixture
def setup() -> Iterator[Callable[..., Setup]]:
    with ExitStack() as stack:

        def make(upstream: Upstream, **options: Any) -> Setup:
            over: Queue[Any] = Queue()
            base = upstream.url = stack.enter_context(served(upstream, "off"))
            front = stack.enter_context(served(create_app(base, on_end=over.put, **options), "on"))
            client = stack.enter_context(httpx.Client(base_url=front, timeout=LONG, trust_env=False))
            return Setup(upstream, client, over)

        yield make


def test_the_bytes_are_equal_and_the_usage_is_seen(setup: Callable[..., Setup]) -> None:
    made = setup(Upstream([WIRE[:7], WIRE[7:200], WIRE[200:]]))
    with made.client.stream("POST", PATH, content=b'{"stream":true}', headers={"authorization": "Bearer k"}) as answer:
        assert WIRE == b"".join(answer.iter_raw())
    assert (200, "text/event-stream", "r1") == (
        answer.status_code,
        answer.headers["content-type"],
        answer.headers["x-request-id"],
    )
    headers, body = made.upstream.requests.get(timeout=LONG)
    assert (b'{"stream":true}', b"Bearer k") == (body, headers[b"authorization"])
    over = made.over()
    assert reassemble(WIRE) == over.response
    assert (5, "done", 200, {"stream": True}) == (
        over.usage.total_tokens,
        over.outcome.reason,
        over.status,
        over.request,
    )
    assert f"{made.upstream.url}{PATH}" == over.url


def test_a_block_is_forwarded_before_the_next_one_is_there(setup: Callable[..., Setup]) -> None:
    upstream = Upstream([WIRE[:200], WIRE[200:]])
    upstream.go_on.clear()
    made = setup(upstream)
    with made.client.stream("POST", PATH) as answer:
        blocks = answer.iter_raw()
        first = next(blocks)
        upstream.go_on.set()
        assert WIRE == first + b"".join(blocks)


def test_a_client_that_leaves_early_closes_the_upstream(setup: Callable[..., Setup]) -> None:
    upstream = Upstream([WIRE[:300], WIRE[300:]])
    upstream.go_on.clear()
    made = setup(upstream)
    with made.client.stream("POST", PATH) as answer:
        next(answer.iter_raw())
    assert upstream.left.wait(LONG)
    assert "cancelled" == made.over().outcome.name


def test_a_client_that_leaves_before_any_answer_closes_the_upstream_too() -> None:
    asked, left = Event(), Event()

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            asked.set()
        left.set()

    over: Queue[Ended] = Queue()
    with served(silent, "off") as base, served(create_app(base, on_end=over.put), "on") as front:
        with socket.create_connection(("127.0.0.1", int(front.rpartition(":")[2])), LONG) as client:
            client.sendall(f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            assert asked.wait(LONG)
        assert left.wait(LONG)
        ended = over.get(timeout=LONG)
    assert ("cancelled", None, None) == (ended.outcome.name, ended.response, ended.status)
    assert over.empty()


def test_an_upstream_that_breaks_off_breaks_the_client_off_with_one_line_in_the_log(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(Upstream([WIRE[:300], None]))
    with caplog.at_level("INFO"), made.client.stream("POST", PATH) as answer:
        came = answer.iter_raw()
        assert WIRE[:300] == next(came)
        with pytest.raises(httpx.RemoteProtocolError):
            next(came)
        assert ("truncated", "mid_event") == ((outcome := made.over().outcome).name, outcome.reason)
    assert [] == [record for record in caplog.records if record.exc_info]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith("the upstream broke off: RemoteProtocolError")


def test_a_dirty_upstream_is_cleaned_where_that_is_asked_for(setup: Callable[..., Setup]) -> None:
    dirty = [event('{"choices":{"delta":{"content":"Hel"}},"model":"m"}'), event(chunk("lo", finish="stop")) + DONE]
    upstream = Upstream(dirty)
    upstream.go_on.clear()
    made = setup(upstream)
    with made.client.stream("POST", CLEAN + "?k=1") as answer:
        came = answer.iter_raw()
        first = next(came)
        while b'"Hel"' not in first:
            first += next(came)
        upstream.go_on.set()
        clean = first + b"".join(came)
    response = reassemble(clean, strict=True)
    assert ("Hello", "m") == (response.choices[0].message.content, response.model)
    assert {"object": "chat.completion.chunk"}.items() <= json.loads(clean.split(b"\n\n")[0][6:]).items()
    assert b"k=1" == upstream.query
    body = b'{"error":{"message":"no"}}'
    assert body == setup(Upstream([body], 404, b"application/json")).client.post(CLEAN).content


def test_a_clean_stream_that_the_upstream_cut_short_ends_with_an_error(setup: Callable[..., Setup]) -> None:
    made = setup(Upstream([event(chunk("Hel"))]))
    clean = made.client.post(CLEAN).content
    assert b'"code":"no_finish"}}\n\n' == clean[-len(b'"code":"no_finish"}}\n\n') :]
    assert "truncated" == made.over().outcome.name


GZIP = ((b"content-encoding", b"gzip"),)


def test_an_upstream_that_encodes_though_nobody_asked_is_cleaned_too(setup: Callable[..., Setup]) -> None:
    packed = gzip.compress(WIRE)
    made = setup(Upstream([packed[:50], packed[50:]], headers=GZIP))
    with made.client.stream("POST", CLEAN) as answer:
        clean = b"".join(answer.iter_raw())
    assert "content-encoding" not in answer.headers
    assert reassemble(WIRE) == reassemble(clean, strict=True)
    assert reassemble(WIRE) == made.over().response


def test_an_encoded_body_goes_on_as_it_is_where_nothing_is_cleaned(setup: Callable[..., Setup]) -> None:
    packed = gzip.compress(WIRE)
    made = setup(Upstream([packed], headers=(*GZIP, (b"content-length", b"%d" % len(packed)))))
    with made.client.stream("POST", PATH) as answer:
        assert packed == b"".join(answer.iter_raw())
    assert "gzip" == answer.headers["content-encoding"]
    assert WIRE == made.client.post(PATH).content


@pytest.mark.quick(1)
@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_what_an_encoded_body_says_is_seen(setup: Callable[..., Setup], size: int) -> None:
    packed = gzip.compress(WIRE)
    made = setup(Upstream([packed[at : at + size] for at in range(0, len(packed), size)], headers=GZIP))
    assert WIRE == made.client.post(PATH).content
    over = made.over()
    assert ("complete", reassemble(WIRE)) == (over.outcome.name, over.response)


@pytest.mark.quick(1)
@pytest.mark.parametrize(
    "encoding, body, said",
    [(b"compress", b"\x1f\x9d", "a stream cannot be watched"), (b"gzip", WIRE, "watching a stream failed")],
)
def test_an_encoded_body_that_cannot_be_watched_goes_on_all_the_same(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture, encoding: bytes, body: bytes, said: str
) -> None:
    made = setup(Upstream([body], headers=((b"content-encoding", encoding),)))
    with made.client.stream("POST", PATH) as answer:
        assert body == b"".join(answer.iter_raw())
    assert "failed" == made.over().outcome.name
    assert any(said in record.getMessage() for record in caplog.records if record.name == "streamkit.gateway")


def test_an_upstream_that_says_gzip_and_sends_none_breaks_off(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(Upstream([WIRE], headers=GZIP))
    with caplog.at_level("INFO"), pytest.raises(httpx.RemoteProtocolError):
        made.client.post(CLEAN)
    made.over()
    assert [] == [record for record in caplog.records if record.exc_info]
    assert any(
        "cannot be unpacked" in record.getMessage() for record in caplog.records if record.name == "streamkit.gateway"
    )


def test_an_error_of_the_upstream_goes_on_as_it_is(setup: Callable[..., Setup]) -> None:
    body = b'{"error":{"message":"no such model","code":404}}'
    made = setup(Upstream([body], 404, b"application/json"))
    answer = made.client.post(PATH, content=b"{}")
    assert (404, body) == (answer.status_code, answer.content)
    assert ("failed", "error_body") == ((outcome := made.over().outcome).name, outcome.reason)


def test_an_upstream_that_is_not_there_is_a_bad_gateway() -> None:
    over: Queue[Ended] = Queue()
    with nobody() as base, served(create_app(base, on_end=over.put), "on") as front, client_of(front) as client:
        assert 502 == client.post(PATH).status_code
    outcome = over.get(timeout=LONG).outcome
    assert ("failed", "source_error") == (outcome.name, outcome.reason)
    assert ("network", True, False) == (outcome.error.kind, outcome.error.retryable, outcome.error.emitted)
    assert over.empty()


# --- fields of the connection, and framing


def test_fields_that_connection_names_stay_where_they_are_either_way(setup: Callable[..., Setup]) -> None:
    hop = ((b"connection", b"X-Hop, x-other"), (b"x-hop", b"1"), (b"X-Other", b"2"), (b"x-end", b"3"))
    made = setup(Upstream([WIRE], headers=hop))
    asked = [("Connection", "keep-alive, X-Secret"), ("x-secret", "s"), ("X-Kept", "k"), ("TE", "trailers")]
    with made.client.stream("POST", PATH, headers=asked) as answer:
        assert WIRE == b"".join(answer.iter_raw())
    assert {"x-hop", "x-other"}.isdisjoint(answer.headers)
    assert "3" == answer.headers["x-end"]
    headers, _ = made.upstream.requests.get(timeout=LONG)
    assert {b"x-secret", b"te"}.isdisjoint(headers)
    assert b"k" == headers[b"x-kept"]


BOTH = b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"


def no_traceback(caplog: pytest.LogCaptureFixture) -> bool:
    return not any(record.exc_info for record in caplog.records)


def test_a_request_with_both_framings_is_a_bad_request(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(Upstream([WIRE]))
    with socket.create_connection(("127.0.0.1", made.client.base_url.port), LONG) as connection:
        head = b"POST %b HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n%b\r\n" % (PATH.encode(), BOTH)
        connection.sendall(head + b"2\r\n{}\r\n0\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert b"400" == answer.split()[1]
    assert made.upstream.requests.empty()
    assert no_traceback(caplog)


def test_an_upstream_with_both_framings_is_a_bad_gateway(caplog: pytest.LogCaptureFixture) -> None:
    with Raw(b"HTTP/1.1 200 OK\r\n%b\r\n2\r\n{}\r\n0\r\n\r\n" % BOTH) as upstream:
        with served(create_app(upstream.url), "on") as front, client_of(front) as client:
            answer = client.post(PATH, content=b"{}")
        assert upstream.left.wait(LONG)
    assert (502, "application/json") == (answer.status_code, answer.headers["content-type"])
    error = answer.json()["error"]  # as SDKs read it
    assert ("server_error", True) == (error["type"], "both Content-Length and Transfer-Encoding" in error["message"])
    assert no_traceback(caplog)


class Raw:
    """An upstream that answers one request with these bytes, and then waits for its client to leave."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.left = Event()
        self._thread = Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            read_request(connection)
            connection.sendall(self._answer)
            connection.settimeout(LONG)
            if connection.recv(1) == b"":
                self.left.set()

    def __enter__(self) -> Raw:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(LONG)
        self._listener.close()


def client_of(front: str) -> Any:
    return httpx.Client(base_url=front, timeout=LONG, trust_env=False)


# --- how much, how many


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_request_body_has_a_bound(chunked: bool) -> None:
    upstream = Upstream([WIRE])
    with (
        served(upstream, "off") as base,
        served(create_app(base, max_body=1000), "on") as front,
        client_of(front) as client,
    ):
        for size, status in ((1000, 200), (1001, 413)):
            body = bytes(size)
            answer = client.post(PATH, content=iter((body[:900], body[900:])) if chunked else body)
            assert status == answer.status_code
    assert 1000 == len(upstream.requests.get(timeout=LONG)[1])
    assert upstream.requests.empty()


CROWD = 300


def test_three_hundred_clients_are_served_at_once() -> None:
    came = 0
    everybody = anyio.Event()

    async def upstream(scope: Any, receive: Any, send: Any) -> None:
        """Answers nobody before all of them have come."""
        nonlocal came
        came += 1
        if came == CROWD:
            everybody.set()
        await everybody.wait()
        start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
        await send(start)
        await send({"type": "http.response.body", "body": WIRE})

    ask = b"POST %b HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}" % PATH.encode()
    answers = []

    async def client(port: int) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(ask)
            answers.append(b"".join([block async for block in stream]))

    async def main(port: int) -> None:
        with anyio.fail_after(6 * LONG):
            async with anyio.create_task_group() as tasks:
                for _ in range(CROWD):
                    tasks.start_soon(client, port)

    patient = httpx.Timeout(None)  # of a loaded machine nothing is asked but the answers
    with served(upstream, "off") as base, served(create_app(base, timeout=patient), "on") as front:
        anyio.run(main, httpx.URL(front).port)
    assert CROWD == len(answers)
    assert all(answer.startswith(b"HTTP/1.1 200 ") and WIRE in answer for answer in answers)


def test_a_full_pool_is_named_in_the_answer(setup: Callable[..., Setup]) -> None:
    upstream = Upstream([WIRE[:200], WIRE[200:]])
    upstream.go_on.clear()
    one = {"connections": httpx.Limits(max_connections=1), "timeout": httpx.Timeout(LONG, pool=0.5)}
    made = setup(upstream, **one)
    with made.client.stream("POST", PATH) as first:
        blocks = first.iter_raw()
        next(blocks)
        second = made.client.post(PATH)
        upstream.go_on.set()
    assert (502, True) == (second.status_code, "PoolTimeout" in second.text)


# --- what is logged


def test_a_key_in_the_query_goes_to_the_upstream_and_into_no_log(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(Upstream([WIRE]))
    with caplog.at_level("DEBUG"):
        answer = made.client.post(PATH + "?api-key=secret&x=%2F+y")
    assert (200, b"api-key=secret&x=%2F+y") == (answer.status_code, made.upstream.query)
    access = [record for record in caplog.records if record.name in ("uvicorn.access", "httpx2")]
    assert access
    assert [] == [record.getMessage() for record in caplog.records if "secret" in record.getMessage()]


def test_the_openai_sdk_gets_the_clean_form_by_its_base_url(setup: Callable[..., Setup]) -> None:
    openai = pytest.importorskip("openai")
    made = setup(Upstream([event('{"choices":{"delta":{"content":"Hello"}},"model":"m"}') + DONE]))
    http = openai.DefaultHttpxClient(trust_env=False)
    url = f"{made.client.base_url}/clean/v1"
    with openai.OpenAI(api_key="k", base_url=url, max_retries=0, http_client=http) as client:
        asked = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
        texts = [one.choices[0].delta.content for one in client.chat.completions.create(**asked) if one.choices]
    assert "Hello" == "".join(filter(None, texts))


def test_what_is_over_is_logged(setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture) -> None:
    made = setup(Upstream([WIRE]))
    with caplog.at_level("INFO"):
        made.client.post(PATH)
        made.over()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "streamkit.gateway"]
    assert re.fullmatch(
        r"model=a-model outcome=complete reason=done status=200 kind=None prompt_tokens=3 completion_tokens=2 ttft=\d+\.\d+",
        line,
    )


def test_a_request_that_was_refused_is_logged_with_its_status_and_kind(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(Upstream([b'{"error":{"message":"Slow down"}}'], 429, b"application/json"))
    with caplog.at_level("INFO"):
        made.client.post(PATH)
        made.over()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "streamkit.gateway"]
    assert "outcome=failed reason=error_body status=429 kind=rate_limit" in line


@pytest.mark.parametrize(
    "path, blocks, expected",
    [
        (CLEAN, [event(chunk("Hel"))], 0),  # it ends cleanly, without `[DONE]`
        (PATH, [event(chunk("Hel")), None], 1),  # the upstream's, which is an app under uvicorn too, and not ours
        (CLEAN, [event(chunk("Hel")), None], 1),
    ],
)
def test_breaking_off_is_not_logged_as_a_fault_of_the_app(
    setup: Callable[..., Setup],
    caplog: pytest.LogCaptureFixture,
    path: str,
    blocks: list[bytes | None],
    expected: int,
) -> None:
    made = setup(Upstream(blocks), clean=Clean(truncated="raise"))
    with pytest.raises(httpx.RemoteProtocolError):
        made.client.post(path)
    assert "truncated" == made.over().outcome.name
    assert expected == [record.getMessage() for record in caplog.records].count(
        "ASGI callable returned without completing response."
    )


def test_a_hook_that_fails_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Ended) -> None:
        raise ZeroDivisionError

    with (
        served(Upstream([WIRE]), "off") as base,
        served(create_app(base, on_end=fail), "on") as front,
        client_of(front) as client,
    ):
        assert WIRE == client.post(PATH).content
        assert WIRE == client.post(PATH).content
    assert ["on_end failed"] * 2 == [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]


def test_when_what_arrived_is_known(setup: Callable[..., Setup]) -> None:
    made = setup(Upstream([WIRE[:200], WIRE[200:]]))
    for path in (PATH, CLEAN):
        made.client.post(path)
        timing = made.over().timing
        instants = [timing.sent, timing.head, timing.first_byte, timing.first_chunk, timing.last_chunk, timing.closed]
        assert None not in instants
        assert instants == sorted(instants)
        assert timing.first_chunk <= timing.first_output <= timing.last_chunk
        assert reassemble(WIRE, strict=True).usage.completion_tokens == timing.output_tokens
        assert len(WIRE.split(b"data: {")) - 1 == len(timing.chunk_times)


def test_a_hook_of_opentelemetry_records_what_went_through(setup: Callable[..., Setup]) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from streamkit.integrations.opentelemetry import Telemetry

    reader = InMemoryMetricReader()
    telemetry = Telemetry(meter_provider=MeterProvider([reader]))
    with (
        served(Upstream([WIRE]), "off") as base,
        served(create_app(base, on_end=telemetry), "on") as front,
        client_of(front) as client,
    ):
        client.post(PATH, content=b'{"model":"asked","stream":true}')
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {one.name: one for one in data.resource_metrics[0].scope_metrics[0].metrics}
    assert 4 == len(metrics)
    (first,) = metrics["gen_ai.client.operation.time_to_first_chunk"].data.data_points
    assert (1, "asked", "127.0.0.1") == (
        first.count,
        first.attributes["gen_ai.request.model"],
        first.attributes["server.address"],
    )


# --- which request goes where


@pytest.mark.parametrize("method, path", [("GET", "/v1/models"), ("POST", "/v1/embeddings"), ("DELETE", "/v1/x%2Fy")])
def test_other_requests_below_v1_go_on_and_are_not_watched(setup: Callable[..., Setup], method: str, path: str) -> None:
    made = setup(Upstream([b'{"data":', b"[]}"], kind=b"application/json"))
    answer = made.client.request(method, path + "?k=1")
    assert (200, b'{"data":[]}') == (answer.status_code, answer.content)
    assert (path.encode(), b"k=1", method) == (made.upstream.path, made.upstream.query, made.upstream.method)
    made.client.post(PATH)
    assert "not_a_stream" == made.over().outcome.reason  # the first that is over is the one that is watched


def test_nothing_else_reaches_the_upstream(setup: Callable[..., Setup]) -> None:
    made = setup(Upstream([WIRE]))
    for target in (
        "/",
        "/v2/x",
        "/clean/",
        "//evil/v1/x",
        "http://evil/v1/x",
        "/v1/../x",
        "/v1/%2e%2e/x",
        "/clean/v1/../x",
        "/clean//evil/v1/x",
    ):
        with socket.create_connection(("127.0.0.1", made.client.base_url.port), LONG) as connection:
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n".encode())
            assert (target, b"404") == (target, connection.makefile("rb").read().split()[1])
    assert made.upstream.requests.empty()


def test_an_upstream_may_have_a_path_before_v1(setup: Callable[..., Setup]) -> None:
    upstream = Upstream([WIRE])
    with (
        served(upstream, "off") as base,
        served(create_app(f"{base}/api/"), "on") as front,
        client_of(front) as client,
    ):
        assert WIRE == client.post(PATH).content
    assert b"/api" + PATH.encode() == upstream.path


@pytest.mark.parametrize("upstream", ["", "localhost:80", "ftp://h", "http://h/?x=1", "http://h/#x", 5, None])
def test_what_is_no_upstream_is_refused(upstream: Any) -> None:
    with pytest.raises(MisuseError, match="upstream is an http: or https: URL"):
        create_app(upstream)


@pytest.mark.parametrize(
    "options", [{"on_end": 5}, {"clean": 5}, {"limits": 5}, {"dialect": 5}, {"max_body": "5"}, {"max_body": True}]
)
def test_odd_options_are_refused_when_the_app_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        create_app("http://h", **options)


def test_every_path_is_clean_where_that_is_asked_for(setup: Callable[..., Setup]) -> None:
    made = setup(Upstream([event('{"choices":[{"delta":{"content":"Hel"}}]}') + DONE]), always_clean=True)
    assert b'"object":"chat.completion.chunk"' in made.client.post(PATH).content


# --- what a client that knows no `[DONE]` must see


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "blocks, reason",
    [
        ([event(chunk("Hel"))], "no_finish"),
        ([CALL], "no_finish"),
        ([event(chunk("Hel"))[:-9]], "mid_event"),
        ([CALL, event(chunk(finish="length")), DONE], "length"),
        ([event(chunk("Hel")), None], "mid_event"),
    ],
    ids=["truncated", "truncated with a call", "mid event", "length in arguments", "reset"],
)
def test_a_clean_stream_never_breaks_off_silently(
    setup: Callable[..., Setup], blocks: list[bytes | None], reason: str
) -> None:
    openai = pytest.importorskip("openai")
    made = setup(Upstream(blocks))
    http = openai.DefaultHttpxClient(trust_env=False)
    url = f"{made.client.base_url}/clean/v1"
    with openai.OpenAI(api_key="k", base_url=url, max_retries=0, http_client=http) as client:
        asked = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(**asked))


@pytest.mark.usefixtures("long_grace")
def test_the_connection_to_the_upstream_is_used_again(setup: Callable[..., Setup]) -> None:
    made = setup(Upstream([WIRE]))
    for path in (PATH, CLEAN, CLEAN, PATH):
        made.client.post(path)
        made.over()
    assert 1 == len(made.upstream.clients)


# --- metrics


def test_metrics_are_prometheus_text(setup: Callable[..., Setup]) -> None:
    pytest.importorskip("prometheus_client")
    made = setup(Upstream([WIRE]))
    made.client.post(PATH)
    made.client.post(CLEAN)
    for _ in range(2):
        made.over()
    answer = made.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    for line in (
        'streamkit_streams_total{form="raw",outcome="complete",reason="done"} 1.0',
        'streamkit_streams_total{form="clean",outcome="complete",reason="done"} 1.0',
        'streamkit_tokens_total{type="input"} 6.0',
        "streamkit_duration_seconds_count 2.0",
        "streamkit_open_requests 0.0",
    ):
        assert line in lines


def test_metrics_count_what_failed_by_its_kind(setup: Callable[..., Setup]) -> None:
    pytest.importorskip("prometheus_client")
    made = setup(Upstream([b'{"error":{"message":"Slow down"}}'], 429, b"application/json"))
    made.client.post(PATH)
    assert "rate_limit" == made.over().outcome.error.kind
    assert 'streamkit_errors_total{kind="rate_limit"} 1.0' in made.client.get("/metrics").text


def test_there_are_no_metrics_where_they_are_not_wanted(setup: Callable[..., Setup]) -> None:
    answer = setup(Upstream([WIRE]), metrics=False).client.get("/metrics")
    assert (404, True) == (answer.status_code, "prometheus-client" in answer.text)


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(__file__).parents[2] / "examples" / "gateway.py"
    assert len(path.read_text("utf-8").splitlines()) < 40
    spec = importlib.util.spec_from_file_location("example_gateway", path)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    with served(Upstream([event(chunk("Hel"))]), "off") as base:
        monkeypatch.setenv("UPSTREAM", base)
        with caplog.at_level("INFO"), served(example.create(), "on") as front, client_of(front) as client:
            client.post(PATH)
    said = [record.getMessage() for record in caplog.records if record.name == "gateway"]
    assert said[0].startswith("truncated (network)")
    row = json.loads(said[1])
    assert ("truncated", "no_finish", "network") == tuple(row[name] for name in ("outcome", "reason", "kind"))
    assert row["ttft"] > 0
