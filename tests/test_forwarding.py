"""What apps that forward requests share: header rules, bounded bodies, readers that leave."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from streamkit.forwarding import (
    has_both_framings,
    has_dot_segments,
    kept_headers,
    read_body,
    refuse,
    respond,
    serve_lifespan,
    until_left,
)


class Client:
    """What an app is called with: `receive` gives these messages, then waits; what is sent is kept."""

    def __init__(self, messages: Iterable[dict[str, Any]] = ()) -> None:
        self.messages = iter(messages)
        self.sent: list[Any] = []

    async def receive(self) -> Any:
        for message in self.messages:
            return message
        await anyio.sleep_forever()

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def test_fields_of_one_connection_stay_and_so_do_those_that_it_names() -> None:
    headers = [(b"X-A", b"1"), (b"Connection", b"close, X-Hop"), (b"TE", b"trailers"), (b"x-hop", b"2"), (b"X-A", b"3")]
    assert [(b"X-A", b"1"), (b"X-A", b"3")] == kept_headers(headers) == kept_headers(iter(headers))
    assert [] == kept_headers(headers, b"x-a")


@pytest.mark.parametrize(
    "names, both",
    [("Content-Length", False), ("transfer-encoding", False), ("Content-Length Transfer-ENCODING", True)],
)
def test_a_message_with_both_framings_is_known(names: str, both: bool) -> None:
    assert both is has_both_framings([(name.encode(), b"1") for name in names.split()])


@pytest.mark.parametrize("path, leaves", [("/v1/x", False), ("/v1/..", True), ("/./x", True), ("/...", False)])
def test_a_path_that_leaves_its_place_is_known(path: str, leaves: bool) -> None:
    assert leaves is has_dot_segments(path)


def part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    "messages, got",
    [
        ([part(b"ab"), part(b"c", False)], b"abc"),
        ([part(b"abc"), part(b"defg"), part(b"never")], b"abcdefg"),  # more than it may have: no further
        ([part(b"ab"), {"type": "http.disconnect"}], None),
    ],
)
def test_a_body_is_read_up_to_what_it_may_have(messages: list[Any], got: bytes | None) -> None:
    assert got == anyio.run(read_body, Client(messages).receive, 5)


def test_a_body_that_is_not_whole_in_time_is_not_waited_for() -> None:
    with pytest.raises(TimeoutError):
        anyio.run(read_body, Client([part(b"ab")]).receive, 5, 0.001)


def test_a_client_that_leaves_ends_what_is_done_for_it() -> None:
    async def answering() -> bool:
        client = Client([part(b""), {"type": "http.disconnect"}])
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_left, client.receive, scope)
                await anyio.sleep_forever()
        return scope.cancelled_caught

    assert anyio.run(answering)


def test_an_answer_has_its_length_and_more_fields() -> None:
    client = Client()
    anyio.run(respond, client.send, 404, "nö", "text/x", ((b"X-A", b"1"),))
    head, body = client.sent
    assert [(b"content-type", b"text/x"), (b"content-length", b"3"), (b"X-A", b"1")] == head["headers"]
    assert (404, "nö".encode()) == (head["status"], body["body"])


@pytest.mark.parametrize(
    "path, body",
    [
        (
            "/v1/chat/completions",
            {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "x"}},
        ),
        ("/v1/messages?beta=1", {"type": "error", "error": {"type": "not_found_error", "message": "no"}}),
    ],
)
def test_a_refusal_has_the_shape_that_the_sdk_of_its_path_reads(path: str, body: dict[str, Any]) -> None:
    client = Client()
    anyio.run(lambda: refuse(client.send, 404, "no", code="x", path=path, headers=[(b"a", b"b")]))
    start, answer = client.sent
    assert (404, True) == (start["status"], (b"a", b"b") in start["headers"])
    assert (b"content-type", b"application/json") in start["headers"]
    assert body == json.loads(answer["body"])


@pytest.mark.parametrize("closes", [True, False])
def test_a_server_that_stops_is_answered_after_the_app_has_closed(closes: bool) -> None:
    did: list[str] = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Any:
        return {"type": next(asked)}

    async def send(message: Any) -> None:
        did.append(message["type"])

    async def close() -> None:
        did.append("closed")

    anyio.run(serve_lifespan, receive, send, close if closes else None)
    assert ["lifespan.startup.complete", *["closed"] * closes, "lifespan.shutdown.complete"] == did
