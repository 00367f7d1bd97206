"""One Redis for all tests of the gateway, and stores in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from helpers.redis_server import redis_server

_prefixes = count()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def new_store(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes stores, each time an empty one."""
    gateway = pytest.importorskip("streamkit.gateway", exc_type=ImportError)
    if request.param == "memory":
        return gateway.MemoryStore  # type: ignore[no-any-return]
    url = request.getfixturevalue("redis_url")
    return lambda **options: gateway.RedisStore(url, prefix=f"test{next(_prefixes)}", **options)
