"""What the app of the trace server has noted by the time its client can know: asked at each message that it sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from streamkit.trace import Block, Trace

pytest.importorskip("uvicorn")
pytest.importorskip("httpx2")
server_app = pytest.importorskip("streamkit._recording.server_app")

from streamkit._recording.playing import Playing  # noqa: E402
from streamkit._recording.shelf import Shelf  # noqa: E402
from streamkit._recording.verdict import ServedRequest  # noqa: E402

PATH = "/v1/chat/completions"
CHUNKED = (("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"))
CLOSING = (("Content-Type", "text/event-stream"), ("Connection", "close"))
TWO = (b"data: 1\n\n", b"data: 2\n\n")


def trace(*blocks: bytes, headers: Any = CHUNKED, **more: Any) -> Trace:
    """A trace of these blocks, all at once."""
    known = {"status": 200, "headers": headers, "blocks": tuple(Block(0.0, block) for block in blocks), "end": "eof"}
    return Trace(**{**known, **more})


def app_of(*source: Trace, key: str | None = None, **playing: Any) -> Any:
    """An app that answers with these traces in turn."""
    shelf = Shelf(source, match=None, ignore=(), repeat=False)
    return server_app.ServerApp(shelf, Playing(speed=0, **playing), times=1, api_key=key, max_body=1000)


class Client:
    """Sends one request to an app, and keeps what it had noted just as each message arrived.

    `leaves`: how many messages it reads. `then`: called with each message, and awaited before the app gets on.
    """

    def __init__(
        self, app: Any, method: str = "POST", path: str = PATH, *, leaves: int = 1000, then: Any = None
    ) -> None:
        self.app, self.method, self.path, self.leaves, self.then = app, method, path, leaves, then
        self.seen: list[tuple[dict[str, Any], ServedRequest]] = []
        self._gone = anyio.Event()

    async def __call__(self) -> Client:
        scope = {
            "type": "http",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "headers": [],
        }
        asked = [{"type": "http.request", "body": b'{"stream": true}', "more_body": False}]

        async def receive() -> dict[str, Any]:
            if asked:
                return asked.pop()
            await self._gone.wait()
            return {"type": "http.disconnect"}

        number = len(self.app.served.requests())

        async def send(message: dict[str, Any]) -> None:
            self.seen.append((message, self.app.served.requests()[number]))
            if len(self.seen) == self.leaves:
                self._gone.set()
            if self.then is not None:
                await self.then(message)

        await self.app(scope, receive, send)
        return self

    @property
    def ended(self) -> list[str]:
        """How the answer had ended at each message."""
        return [one.ended for _, one in self.seen]


async def retries(app: Any, when: Callable[[dict[str, Any]], bool]) -> tuple[Any, ...]:
    """Ask once, and again from within the message at which the client knows; return what the verdict says."""

    async def then(message: dict[str, Any]) -> None:
        if when(message):
            await Client(app)()

    await Client(app, then=then)()
    return app.served.verdict()


@pytest.mark.parametrize(
    "recorded, method, expected",
    [
        (trace(*TWO), "POST", ["open", "open", "open", "eof"]),
        (trace(*TWO, headers=CLOSING), "POST", ["open", "open", "open", "eof"]),
        (trace(*TWO, headers=(("Content-Length", "18"),)), "POST", ["open", "open", "eof", "eof"]),
        (trace(*TWO, b"", headers=(("Content-Length", "18"),)), "POST", ["open", "open", "eof", "eof"]),
        (trace(headers=(("Content-Length", "0"),)), "POST", ["eof", "eof"]),
        (trace(*TWO), "HEAD", ["eof", "eof"]),
        (trace(*TWO, status=204), "POST", ["eof", "eof"]),
    ],
)
@pytest.mark.anyio
async def test_the_end_is_noted_before_the_bytes_are_sent_by_which_a_client_knows_it(
    recorded: Trace, method: str, expected: list[str]
) -> None:
    client = await Client(app_of(recorded), method)()
    assert expected == client.ended
    assert [None if word == "open" else True for word in expected] == [
        None if one.end_t is None else one.head_t is not None and one.t <= one.head_t <= one.end_t
        for _, one in client.seen
    ]


@pytest.mark.parametrize("key, path", [("right", PATH), (None, "/v1/models"), (None, "/v1/odd?x-streamkit-sped=1")])
@pytest.mark.anyio
async def test_what_is_answered_without_a_trace_is_noted_before_its_head(key: str | None, path: str) -> None:
    method = "GET" if path == "/v1/models" else "POST"
    assert ["eof", "eof"] == (await Client(app_of(trace(*TWO), key=key), method, path)()).ended


@pytest.mark.parametrize(
    "headers", [CHUNKED, CLOSING, (("Content-Length", "2"),)], ids=["chunked", "closing", "length"]
)
@pytest.mark.anyio
async def test_a_retry_from_within_the_last_bytes_of_a_failure_is_one(headers: Any) -> None:
    failed = trace(b"{}", headers=headers, status=503)
    last = "more_body" if headers[0][0] == "Content-Length" else "end"

    def knows(message: dict[str, Any]) -> bool:
        body = message["type"] == "http.response.body"
        return body and (bool(message["body"]) if last == "more_body" else not message.get("more_body"))

    (verdict,) = await retries(app_of(failed, trace(*TWO)), knows)
    assert verdict.retried
    assert verdict.after >= 0


@pytest.mark.anyio
async def test_a_retry_after_the_head_of_a_failure_is_one_since_few_clients_wait_for_its_body() -> None:
    failed = trace(b"{}", headers=(("Retry-After", "0"),), status=429)
    (verdict,) = await retries(app_of(failed, trace(*TWO)), lambda message: message["type"] == "http.response.start")
    assert (True, False) == (verdict.retried, verdict.too_early)


@pytest.mark.anyio
async def test_a_retry_from_within_the_last_bytes_of_a_truncated_stream_is_one_and_one_before_is_not() -> None:
    app = app_of(trace(*TWO), trace(*TWO), faults="truncate@block:2")
    (verdict,) = await retries(app, lambda message: message.get("more_body") is None and "body" in message)
    assert verdict.retried
    app = app_of(trace(*TWO), trace(*TWO), faults="truncate@block:2")
    (verdict,) = await retries(app, lambda message: bool(message.get("more_body")))
    assert not verdict.retried


@pytest.mark.anyio
async def test_a_client_that_leaves_with_its_whole_answer_did_not_leave_first() -> None:
    recorded = trace(*TWO, headers=(("Content-Length", "18"),), end_time=3600.0)
    app = app_of(recorded)
    app.playing = Playing(speed=1)
    assert ["open", "open", "eof"] == (await Client(app, leaves=3)()).ended
    assert "eof" == app.served.requests()[0].ended
    app = app_of(trace(*TWO, end_time=3600.0))
    app.playing = Playing(speed=1)
    await Client(app, leaves=3)()
    assert "left" == app.served.requests()[0].ended


@pytest.mark.anyio
async def test_a_client_that_leaves_while_the_last_bytes_wait_for_it_left_first() -> None:
    async def stuck(message: dict[str, Any]) -> None:
        if "body" in message and not message.get("more_body"):
            await anyio.sleep_forever()

    app = app_of(trace(*TWO))
    client = await Client(app, leaves=4, then=stuck)()
    assert ["open", "open", "open", "eof"] == client.ended
    assert "left" == app.served.requests()[0].ended


@pytest.mark.anyio
async def test_a_server_that_stops_after_the_last_bytes_of_an_answer_has_not_cut_it_off() -> None:
    app = app_of(trace(*TWO))

    async def stop(message: dict[str, Any]) -> None:
        if "body" in message and not message.get("more_body"):
            app.stop()

    await Client(app, then=stop)()
    assert "eof" == app.served.requests()[0].ended
    app = app_of(trace(*TWO))

    async def stop_early(message: dict[str, Any]) -> None:
        app.stop()
        await anyio.lowlevel.checkpoint()

    await Client(app, then=stop_early)()
    assert "incomplete" == app.served.requests()[0].ended
