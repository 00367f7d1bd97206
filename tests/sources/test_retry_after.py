"""How long a sender asks to wait: its two headers, in each form, from the responses of each client."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from streamkit.sources import retry_after

DATE = "Sat, 28 Nov 2026 08:00:00 GMT"
LATER = "Sat, 28 Nov 2026 08:00:07 GMT"


class Response:
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    "headers, expected",
    [
        ({"retry_after": "3"}, 3.0),
        ({"Retry_After": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": LATER, "date": DATE}, 7.0),
        ({"retry_after": DATE, "date": LATER}, 0.0),
        ({"retry_after": "-1"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "Sat, 99 Nov 2026 08:00:00 GMT"}, None),
        ({"retry_after": ""}, None),
        ({}, None),
    ],
)
def test_the_headers_say_how_long_in_any_form(headers: dict[str, str], expected: float | None) -> None:
    assert expected == retry_after(Response(**headers))


def test_a_date_without_the_time_of_the_response_counts_from_now() -> None:
    asked = retry_after(Response(retry_after=formatdate(time.time() + 3600, usegmt=True)))
    assert asked is not None
    assert 3000 < asked <= 3600


@pytest.mark.parametrize("source", [None, 5, b"data: [DONE]\n\n", [b"data: [DONE]\n\n"], object()])
def test_what_is_no_response_does_not_ask(source: Any) -> None:
    assert None is retry_after(source)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_responses_of_clients_are_read(library: str) -> None:
    client = pytest.importorskip(library)
    assert 3.0 == retry_after(client.Response(429, headers={"Retry-After": "3"}))


def test_the_responses_of_requests_are_read() -> None:
    requests = pytest.importorskip("requests")
    response = requests.Response()
    response.headers["Retry-After"] = "3"
    assert 3.0 == retry_after(response)
