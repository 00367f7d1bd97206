"""What an object looks like: the response in it, its status and content type, and what to pass instead of it."""

from __future__ import annotations

import pathlib
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from streamkit.sources_shape import closer, head_of, refusal, response_of


class Response(SimpleNamespace):
    """As much of a response of httpx as tells it."""

    def iter_raw(self) -> None: ...

    def aiter_raw(self) -> None: ...


RESPONSE = Response(status_code=200, headers={"content-type": "text/event-stream"})


@pytest.mark.parametrize("name", ["response", "http_response"])
def test_a_response_is_found_in_what_carries_it(name: str) -> None:
    assert RESPONSE is response_of(RESPONSE)
    assert RESPONSE is response_of(SimpleNamespace(**{name: RESPONSE}))


@pytest.mark.parametrize("source", [SimpleNamespace(response=SimpleNamespace()), {"response": RESPONSE}, [], None])
def test_what_carries_none_is_left_alone(source: Any) -> None:
    assert response_of(source) is None


@pytest.mark.parametrize(
    "source, expected",
    [
        (RESPONSE, (200, "text/event-stream")),
        (SimpleNamespace(status=404, headers={"Content-Type": "text/html"}), (404, "text/html")),
        (SimpleNamespace(status_code=200, status="200 OK", headers={}), (200, None)),
        (SimpleNamespace(status="closed", headers=None), (None, None)),
        (object(), (None, None)),
    ],
    ids=["response", "other-names", "no-type", "no-status", "no-response"],
)
def test_status_and_content_type_are_read_wherever_they_stand(source: Any, expected: Any) -> None:
    assert {"status": expected[0], "content_type": expected[1]} == head_of(source)


def test_the_first_that_can_be_closed_is_closed() -> None:
    def close() -> None: ...

    def aclose() -> None: ...

    both = SimpleNamespace(close=close, aclose=aclose)
    assert close == closer(object(), both)
    assert aclose == closer(both, asynchronous=True)
    assert close == closer(SimpleNamespace(close=close), asynchronous=True)
    assert closer(object()) is None


@pytest.mark.parametrize(
    "source, asynchronous, hint",
    [
        (pathlib.Path("stream.sse"), True, "read_bytes"),
        (SimpleNamespace(iter_content=print), False, r"\.iter_content\(\) without a size"),
        (SimpleNamespace(aiter_bytes=print), True, r"\.aiter_bytes\(\) without a size"),
        (SimpleNamespace(stdout=None, returncode=0), True, "pass its stdout"),
        (SimpleNamespace(read=print), True, "block the event loop.*wrap_file"),
        (SimpleNamespace(read=print), False, "AsyncChatStream"),
    ],
    ids=["path", "client", "async-client", "process", "file", "async-file"],
)
def test_a_refusal_says_what_to_pass_instead(source: Any, asynchronous: bool, hint: str) -> None:
    with pytest.raises(Exception, match=hint):
        raise refusal(source, asynchronous=asynchronous)


def test_a_socket_is_refused_as_it_gives_more_than_the_body() -> None:
    with socket.socket() as source:
        assert "makefile" in str(refusal(source, asynchronous=False))
