"""What carries a response of httpx: found where it is its own, left alone where it only passes one through."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streamkit.sources._detect import is_httpx
from streamkit.sources._openai import carried


class Response(SimpleNamespace):
    """As much of a response of httpx as tells it."""

    def iter_raw(self) -> None: ...

    def aiter_raw(self) -> None: ...


RESPONSE = Response()


@pytest.mark.parametrize("name", ["response", "http_response"])
def test_a_response_is_found_in_what_carries_it(name: str) -> None:
    assert is_httpx(RESPONSE)
    assert RESPONSE is carried(SimpleNamespace(**{name: RESPONSE}))


@pytest.mark.parametrize("source", [SimpleNamespace(response=SimpleNamespace()), {"response": RESPONSE}, [], None])
def test_what_carries_none_is_left_alone(source: Any) -> None:
    assert carried(source) is None
