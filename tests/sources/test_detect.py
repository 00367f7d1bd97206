"""What an object looks like: its status and content type, and how it is closed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamkit.sources._detect import closer, head_of


class Response(SimpleNamespace):
    """As much of a response of httpx as tells it."""

    def iter_raw(self) -> None: ...

    def aiter_raw(self) -> None: ...


RESPONSE = Response(status_code=200, headers={"content-type": "text/event-stream"})


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
