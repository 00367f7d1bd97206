"""Clients of httpx and httpx2, sync and async, over a cleaning transport: the same request by each of the four.

    @pytest.mark.parametrize("way", WAYS, ids=str)
    def test_…(way: Way) -> None:
        answer = way.ask(server.url, on_end=ended.append)

`answer`: what the client gave, block by block, and what it raised. Each request is made by a client of its own, unless `ask`
is called on an open `way.client(...)`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import attrs
import pytest

from helpers.loopback import CLIENT
from streamkit.integrations.httpx import async_cleaning_transport, cleaning_transport

ASKED: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "?"}]}


@attrs.frozen
class Answer:
    """What a client gave for one request."""

    status: int
    headers: dict[str, str] = attrs.field(repr=False)
    blocks: list[bytes]
    raised: Exception | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.blocks)


@attrs.frozen
class Way:
    """One of the four: a library, and whether it is the async client. `backend`: of anyio."""

    name: str
    asynchronous: bool
    backend: str = "asyncio"

    def __str__(self) -> str:
        return f"{self.name}-{self.backend if self.asynchronous else 'sync'}"

    @property
    def library(self) -> Any:
        return pytest.importorskip(self.name)

    @property
    def transport(self) -> Callable[..., Any]:
        return async_cleaning_transport if self.asynchronous else cleaning_transport

    def inner(self, **options: Any) -> Any:
        """The transport of the library itself, which knows no environment."""
        kind = self.library.AsyncHTTPTransport if self.asynchronous else self.library.HTTPTransport
        return kind(verify=CLIENT["verify"], **options)

    def client(self, transport: Any, **options: Any) -> Any:
        kind = self.library.AsyncClient if self.asynchronous else self.library.Client
        return kind(transport=transport, **{**CLIENT, **options})

    def ask(self, url: str, body: Any = ASKED, **options: Any) -> Answer:
        """Post `body` and read the answer to its end; `options`: of the cleaning transport."""

        def ask() -> Any:
            return self.ask_with(self.client(self.transport(self.inner(), **options)), url, body)

        return self.run(ask)

    def run(self, ask: Callable[[], Any]) -> Any:
        """Call a function, and wait for what it gives where this is an async way."""
        if not self.asynchronous:
            return ask()

        async def waited() -> Any:
            given = ask()
            return await given if inspect.isawaitable(given) else given

        return anyio.run(waited, backend=self.backend)

    def ask_with(self, client: Any, url: str, body: Any = ASKED, read: Callable[[bytes], Any] | None = None) -> Any:
        """As `ask`, by a client that is closed after it. `read`: is given each block."""
        return (self._ask_async if self.asynchronous else self._ask)(client, url, body, read or _nothing)

    def _ask(self, client: Any, url: str, body: Any, read: Any) -> Answer:
        blocks: list[bytes] = []
        with client, client.stream("POST", url, json=body) as response:
            raised = None
            try:
                for block in response.iter_raw():
                    blocks.append(block)
                    read(block)
            except self.library.RequestError as error:
                raised = error
            return Answer(response.status_code, dict(response.headers), blocks, raised)

    async def _ask_async(self, client: Any, url: str, body: Any, read: Any) -> Answer:
        blocks: list[bytes] = []
        async with client, client.stream("POST", url, json=body) as response:
            raised = None
            try:
                async for block in response.aiter_raw():
                    blocks.append(block)
                    read(block)
            except self.library.RequestError as error:
                raised = error
            return Answer(response.status_code, dict(response.headers), blocks, raised)


def _nothing(_: bytes) -> None:
    """Take a block."""


WAYS = [
    Way("httpx", False),
    Way("httpx2", False),
    Way("httpx", True),
    Way("httpx2", True),
    Way("httpx2", True, "trio"),
]


@contextlib.contextmanager
def environment(monkeypatch: pytest.MonkeyPatch, **names: str) -> Iterator[None]:
    """Set these variables, and no other that a client looks at."""
    with monkeypatch.context() as patched:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
            patched.delenv(name, raising=False)
            patched.delenv(name.lower(), raising=False)
        for name, value in names.items():
            patched.setenv(name, value)
        yield
