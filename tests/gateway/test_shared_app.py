"""The gateway that shares, over HTTP: asked once, followed by many, from any worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import anyio
import pytest

from helpers.loopback import PATIENCE
from helpers.raw_http import nobody
from helpers.served import served
from helpers.shared_reader import PageReader
from streamkit import MisuseError
from streamkit.testing import DONE, chunk, event

httpx = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")
gateway = pytest.importorskip("streamkit.gateway", exc_type=ImportError)
create_shared_app, SharedStreams = gateway.create_shared_app, gateway.SharedStreams

PATH = "/v1/chat/completions"


class Upstream:
    """Says each block that the test puts in, until DONE; keeps the requests."""

    def __init__(self, *blocks: bytes, status: int = 200, kind: str = "text/event-stream; charset=utf-8") -> None:
        self.blocks: Queue[bytes] = Queue()
        for one in blocks:
            self.blocks.put(one)
        self.requests: list[tuple[dict[bytes, bytes], Any]] = []
        self.status, self.kind = status, kind

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        self.requests.append((dict(scope["headers"]), json.loads(body)))
        headers = [(b"content-type", self.kind.encode()), (b"x-request-id", b"r1")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        said = b""
        while not said.endswith((DONE, b"}")):
            said = await anyio.to_thread.run_sync(self.blocks.get, abandon_on_cancel=True)
            await send({"type": "http.response.body", "body": said, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def client() -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:

        def make(upstream: Any, **options: Any) -> Any:
            base = stack.enter_context(served(upstream, "off"))
            front = stack.enter_context(served(create_shared_app(base, **options), "on"))
            return stack.enter_context(httpx.Client(base_url=front, timeout=PATIENCE, trust_env=False))

        yield make


def follow(client: Any, path: str, id: str = "") -> PageReader:
    reader = PageReader()
    with client.stream("GET", path, headers={"last-event-id": id} if id else {}) as answer:
        assert 200 == answer.status_code
        reader.take(answer.read())
    return reader


WORDS = [event(chunk(f"{word} ")) for word in "to be or not to be".split()]
END = event(chunk(finish="stop")) + DONE


def test_it_is_asked_for_once_and_followed_by_many(client: Callable[..., Any]) -> None:
    upstream = Upstream(*WORDS, END)
    front = client(upstream)
    body = {"model": "m", "messages": [], "stream": False}
    asked = front.post(PATH, json=body, headers={"authorization": "Bearer k", "cookie": "c", "origin": "o"})
    assert 202 == asked.status_code
    said = asked.json()
    assert said["events"] == asked.headers["location"] == f"/v1/streams/{said['key']}"
    for _ in range(3):
        assert "to be or not to be " == follow(front, said["events"]).text
    (headers, sent) = upstream.requests[0]
    assert 1 == len(upstream.requests)
    assert {**body, "stream": True} == sent
    assert b"Bearer k" == headers[b"authorization"]
    assert {b"cookie", b"origin"}.isdisjoint(headers)


def test_what_a_reader_gets_is_fit_for_a_browser(client: Callable[..., Any]) -> None:
    front = client(Upstream(*WORDS, END))
    path = front.post(PATH, json={}).json()["events"]
    reader = follow(front, path)
    with front.stream("GET", path) as answer:
        kept = {name: answer.headers[name] for name in ("content-type", "cache-control", "x-accel-buffering")}
    assert {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
    } == kept
    assert reader.ids, "at least the end, however late the reader is"
    for last in reader.ids[:-1][-3:]:
        missed = follow(front, f"{path}?last_event_id={last}")
        assert reader.ids[reader.ids.index(last) + 1 :] == missed.ids
        assert missed.ids == follow(front, f"{path}?last_event_id=old-1", last).ids  # the header is the newer one


def test_after_the_end_204_stops_an_event_source(client: Callable[..., Any]) -> None:
    front = client(Upstream(*WORDS, END))
    path = front.post(PATH, json={}).json()["events"]
    end = follow(front, path).ids[-1]
    answers = [
        front.get(path, headers={"last-event-id": end}),
        front.get("/v1/streams/gone", headers={"last-event-id": end}),
    ]
    assert [(204, b""), (204, b"")] == [(one.status_code, one.content) for one in answers]


def test_anything_else_is_not_there_and_a_request_is_an_object(client: Callable[..., Any]) -> None:
    front = client(Upstream())
    asked = {
        "GET": ["/v1/streams/nothing", "/v1/streams/", "/v1/streams/%0A", "/v1/streams/" + "x" * 300, PATH],
        "POST": ["/v1/streams/a", "/v1/embeddings"],
    }
    for method, paths in asked.items():
        assert {404} == {front.request(method, path).status_code for path in paths}
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
        assert 400 == front.post(PATH, content=body).status_code


def test_a_body_that_is_too_large_is_refused(client: Callable[..., Any]) -> None:
    assert 413 == client(Upstream(), max_body=5).post(PATH, content=b'{"a":1}').status_code


def test_an_answer_that_is_not_a_stream_is_passed_on(client: Callable[..., Any]) -> None:
    front = client(Upstream(b'{"error":{"message":"no"}}', status=429, kind="application/json"))
    answer = front.post(PATH, json={})
    assert (429, {"error": {"message": "no"}}, "r1") == (
        answer.status_code,
        answer.json(),
        answer.headers["x-request-id"],
    )
    assert "application/json" == answer.headers["content-type"]


def test_an_upstream_that_does_not_answer_is_a_502() -> None:
    with nobody() as base, served(create_shared_app(base), "on") as front:
        answer = httpx.post(front + PATH, json={}, trust_env=False, timeout=PATIENCE)
    assert 502 == answer.status_code
    assert "did not answer" in answer.text


def test_a_client_that_leaves_before_it_has_the_key_takes_the_request_with_it() -> None:
    async def test() -> None:
        left = []

        async def upstream(scope: Any, receive: Any, send: Any) -> None:
            try:
                await anyio.sleep_forever()  # it thinks
            finally:
                left.append(True)

        app = create_shared_app("http://upstream")
        app._client = httpx.AsyncClient(transport=httpx.ASGITransport(upstream))
        messages = [{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        scope = {"type": "http", "method": "POST", "path": PATH, "headers": []}
        with anyio.fail_after(PATIENCE):
            await app(scope, receive, None)  # type: ignore[arg-type]
        await app.aclose()
        assert [True] == left

    anyio.run(test)


def test_a_shutdown_ends_what_is_read_as_cancelled() -> None:
    async def test() -> None:
        streams = SharedStreams()

        async def source() -> Any:
            yield event(chunk("a"))
            await anyio.sleep_forever()

        task = await streams.start("k", source())
        events = streams.events("k")
        reader = PageReader()
        while not reader.text:
            reader.take(await anext(events))
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await create_shared_app("http://127.0.0.1:1", streams)({"type": "lifespan"}, receive, send)
        assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent
        await reader.follow(events)
        assert ("a", "cancelled", True) == (reader.text, reader.end["outcome"], task.done())

    anyio.run(test)


def test_starlette_and_fastapi_take_a_response() -> None:
    starlette = pytest.importorskip("starlette.applications")
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    streams = SharedStreams()

    async def endpoint(request: Any) -> Any:
        async def source() -> Any:
            yield b"".join(WORDS) + END

        if request.method == "POST":
            await streams.start(key := gateway.new_key(), source())
            return PlainTextResponse(key)
        return streams.response(request.path_params["key"])

    routes = [Route("/ask", endpoint, methods=["POST"]), Route("/answers/{key}", endpoint), Mount("/raw", streams)]
    with (
        served(starlette.Starlette(routes=routes), "on") as front,
        httpx.Client(base_url=front, timeout=PATIENCE, trust_env=False) as client,
    ):
        key = client.post("/ask").text
        first, second = follow(client, f"/answers/{key}"), follow(client, f"/raw/{key}")
        assert "to be or not to be " == first.text == second.text
        assert 204 == client.get(f"/answers/{key}", headers={"last-event-id": first.id}).status_code
        assert 405 == client.post(f"/raw/{key}").status_code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ftp://a",), "upstream is an http: or https: URL"),
        (("http://a", 5), "streams= takes a SharedStreams"),
    ],
)
def test_odd_arguments_are_named(arguments: Any, said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        create_shared_app(*arguments)


# --- two workers


WORKER = """
import os, socket, sys, uvicorn
from streamkit.gateway import RedisStore, SharedStreams, create_shared_app
streams = SharedStreams(RedisStore(os.environ["REDIS"], prefix="workers"), lease=600)
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config(create_shared_app(os.environ["UPSTREAM"], streams), ws="none", log_config=None)
uvicorn.Server(config).run(sockets=[listening])
"""


@contextmanager
def workers(count: int, redis: str, upstream: str) -> Iterator[list[tuple[Any, str]]]:
    """Processes that serve the same streams, each with its address."""
    environment = {**os.environ, "REDIS": redis, "UPSTREAM": upstream}
    environment["PYTHONPATH"] = str(Path(gateway.__file__).parents[2])
    begun = [
        subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(count)
    ]
    try:
        yield [(one, f"http://127.0.0.1:{one.stdout.readline().strip()}") for one in begun if one.stdout is not None]
    finally:
        for one in begun:
            one.kill()
            one.communicate(timeout=PATIENCE)


def until(client: Any, address: str, reader: PageReader, text: str) -> None:
    """Follow until that text is there, then break the connection."""
    headers = {"last-event-id": reader.id} if reader.id else {}
    with client.stream("GET", address, headers=headers) as answer:
        waiting = b""
        for block in answer.iter_raw():
            *whole, waiting = (waiting + block).split(b"\n\n")
            for one in whole:
                reader.take(one + b"\n\n")
                if text in reader.text:
                    return


def test_any_worker_serves_any_reader_also_one_that_returns_and_one_that_lost_its_writer(redis_url: str) -> None:
    upstream = Upstream()
    redis = pytest.importorskip("redis").from_url(redis_url)
    with (
        redis,
        served(upstream, "off") as base,
        workers(2, redis_url, base) as ((first, one), (_, two)),
        httpx.Client(timeout=PATIENCE, trust_env=False) as client,
    ):
        path = client.post(one + PATH, json={}).json()["events"]
        readers = PageReader(), PageReader()
        said = ""
        for number, word in enumerate(WORDS):  # each reader changes the worker after each event
            upstream.blocks.put(word)
            said += "to be or not to be".split()[number] + " "
            for turn, reader in enumerate(readers):
                until(client, ((one, two) if (number + turn) % 2 else (two, one))[0] + path, reader, said)
        upstream.blocks.put(END)
        for reader in readers:
            reader.take(client.get(two + path, headers={"last-event-id": reader.id}).content)
            assert "to be or not to be " == reader.text == reader.typed
            assert "complete" == reader.end["outcome"]
            assert sorted(set(reader.ids), key=reader.ids.index) == reader.ids

        path = client.post(one + PATH, json={}).json()["events"]
        reader = PageReader()
        upstream.blocks.put(WORDS[0])
        until(client, two + path, reader, "to ")
        first.send_signal(signal.SIGKILL)
        first.wait(PATIENCE)
        # As if the last sign of life were long ago. A short lease would run out where the worker waits for a processor.
        (lease,) = redis.keys("workers:*:lease")
        assert redis.pexpire(lease, 100)
        reader.take(client.get(two + path, headers={"last-event-id": reader.id}).content)
        assert ("to ", "to ", "truncated", "writer_lost") == (
            reader.text,
            reader.typed,
            reader.end["outcome"],
            reader.end["reason"],
        )
        upstream.blocks.put(DONE)
