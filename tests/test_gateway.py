"""The example gateway between a real client and a real upstream, on loopback."""

from __future__ import annotations

import gzip
import importlib.util
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import Any

import anyio
import pytest

from helpers.loopback import PATIENCE
from streamkit import reassemble
from streamkit.testing import DONE, chunk, event, stream_bytes

httpx = pytest.importorskip("httpx")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

WIRE = stream_bytes("Hel", "lo", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
LONG = PATIENCE
PATH = "/v1/chat/completions"


def gateway() -> Any:
    path = Path(__file__).parents[1] / "examples" / "gateway.py"
    spec = importlib.util.spec_from_file_location("example_gateway", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(app: Any, lifespan: str) -> Iterator[str]:
    """Serve `app` on a free port; it takes connections before its loop runs, so nobody has to wait for that."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, lifespan=lifespan, ws="none", log_config=None, timeout_graceful_shutdown=LONG)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(LONG)
            assert not thread.is_alive()


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
        self.query = b""
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
        self.query = scope["query_string"]
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

        def make(upstream: Upstream) -> Setup:
            over: Queue[Any] = Queue()
            base = stack.enter_context(served(upstream, "off"))
            front = stack.enter_context(served(gateway().create_app(base, over.put), "on"))
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
    watched = made.over()
    assert reassemble(WIRE) == watched.response
    assert 5 == watched.response.usage.total_tokens
    assert "done" == watched.outcome.reason
    assert watched.error is None


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

    with served(silent, "off") as base, served(gateway().create_app(base), "on") as front:
        with socket.create_connection(("127.0.0.1", int(front.rpartition(":")[2])), LONG) as client:
            client.sendall(f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            assert asked.wait(LONG)
        assert left.wait(LONG)


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
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gateway"]
    assert line.startswith("the upstream broke off: RemoteProtocolError")


def test_a_dirty_upstream_is_cleaned_where_that_is_asked_for(setup: Callable[..., Setup]) -> None:
    dirty = [event('{"choices":{"delta":{"content":"Hel"}},"model":"m"}'), event(chunk("lo", finish="stop")) + DONE]
    upstream = Upstream(dirty)
    upstream.go_on.clear()
    made = setup(upstream)
    with made.client.stream("POST", PATH + "?clean&k=1") as answer:
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
    assert body == setup(Upstream([body], 404, b"application/json")).client.post(PATH + "?clean").content


GZIP = ((b"content-encoding", b"gzip"),)


def test_an_upstream_that_encodes_though_nobody_asked_is_cleaned_too(setup: Callable[..., Setup]) -> None:
    packed = gzip.compress(WIRE)
    made = setup(Upstream([packed[:50], packed[50:]], headers=GZIP))
    with made.client.stream("POST", PATH + "?clean") as answer:
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


def test_an_upstream_that_says_gzip_and_sends_none_breaks_off(
    setup: Callable[..., Setup], caplog: pytest.LogCaptureFixture
) -> None:
    made = setup(Upstream([WIRE], headers=GZIP))
    with caplog.at_level("INFO"), pytest.raises(httpx.RemoteProtocolError):
        made.client.post(PATH + "?clean")
    made.over()
    assert [] == [record for record in caplog.records if record.exc_info]
    assert any("DecodingError" in record.getMessage() for record in caplog.records if record.name == "gateway")


def test_an_error_of_the_upstream_goes_on_as_it_is(setup: Callable[..., Setup]) -> None:
    body = b'{"error":{"message":"no such model","code":404}}'
    made = setup(Upstream([body], 404, b"application/json"))
    answer = made.client.post(PATH, content=b"{}")
    assert (404, body) == (answer.status_code, answer.content)
    assert ("failed", "error_body") == ((outcome := made.over().outcome).name, outcome.reason)


def test_an_upstream_that_is_not_there_is_a_bad_gateway() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with (
        served(gateway().create_app(nobody), "on") as front,
        httpx.Client(base_url=front, trust_env=False, timeout=LONG) as client,
    ):
        assert 502 == client.post(PATH).status_code


def test_what_is_over_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    example = gateway()

    async def main() -> None:
        async with example.async_tee([WIRE]) as watched:
            async for _ in watched:
                pass
        example.report(watched)

    with caplog.at_level("INFO"):
        anyio.run(main)
    assert ["model=a-model outcome=complete reason=done prompt_tokens=3 completion_tokens=2"] == caplog.messages


def test_the_example_is_short() -> None:
    path = Path(__file__).parents[1] / "examples" / "gateway.py"
    assert len(path.read_text("utf-8").splitlines()) < 120
