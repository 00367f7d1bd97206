"""A real server on the loopback interface that keeps its connections, and counts them: what does the next request cost?

    with Kept("behind") as server: ...
    server.connections

Senders differ in how a body ends after `[DONE]`:
    together    in the same write
    behind      in a separate write, at once
    told        when the test asks for it: `server.go`
    silent      never: nothing arrives until the client leaves
    pings       never: a keep-alive arrives repeatedly
    flood       never: as much arrives as the client reads
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.accepting import Accepting
from helpers.loopback import CLIENT, EVENTS, PATIENCE, read_request

LINGERING = ("silent", "pings", "flood")
_PING = b": still here\n\n"


class Kept(Accepting):
    """Answers any number of requests, on any number of connections, with `EVENTS`.

    `connections`: how many there were. `bodies`: how many clients saw through to their end. `left`: set when a client
    has left a body that does not end. `encoding`: None or "gzip", each event flushed.
    """

    def __init__(self, ending: str, encoding: str | None = None) -> None:
        super().__init__()
        self.ending = ending
        self.encoding = encoding
        self.connections = 0
        self.go, self.left = threading.Event(), threading.Event()
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __exit__(self, *raised: Any) -> None:
        self.go.set()
        super().__exit__(*raised)

    def accepted(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while select.select([connection], [], [])[0] and connection.recv(1, socket.MSG_PEEK):
                read_request(connection)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        if self.encoding:
            head += f"Content-Encoding: {self.encoding}\r\n"
        connection.sendall(f"{head}\r\n".encode())
        packer: Any = zlib.compressobj(wbits=zlib.MAX_WBITS | 16) if self.encoding else None
        for event in EVENTS[:-1]:
            connection.sendall(framed(event, packer))
        last = framed(EVENTS[-1], packer)
        end = (framed(b"", packer, end=True) if packer else b"") + b"0\r\n\r\n"
        if self.ending == "together":
            connection.sendall(last + end)
            return
        connection.sendall(last)
        if self.ending == "behind":
            connection.sendall(end)
        elif self.ending == "told":
            if self.go.wait(PATIENCE):
                connection.sendall(end)
        else:
            try:
                self._linger(connection)
            finally:
                self.left.set()

    def _linger(self, connection: socket.socket) -> None:
        # What a client of this sends while the body goes on, its leaving above all, ends it.
        wait = {"silent": PATIENCE, "pings": 0.002, "flood": 0.0}[self.ending]
        while not select.select([connection], [], [], wait)[0]:
            if self.ending != "silent":
                connection.sendall(framed(_PING * (1000 if self.ending == "flood" else 1), None))
        raise ConnectionResetError


def framed(data: bytes, packer: Any, end: bool = False) -> bytes:
    """`data` as a chunk of HTTP."""
    if packer is not None:
        data = packer.compress(data) + packer.flush(zlib.Z_FINISH if end else zlib.Z_SYNC_FLUSH)
    return b"%x\r\n%b\r\n" % (len(data), data)


# --- clients that are asked again and again; each gives what opens a response


@contextlib.contextmanager
def httpx(server: Kept) -> Iterator[Any]:
    module = pytest.importorskip("httpx")
    with module.Client(**CLIENT) as client:
        yield lambda: client.stream("GET", server.url)


@contextlib.contextmanager
def httpx2(server: Kept) -> Iterator[Any]:
    module = pytest.importorskip("httpx2")
    with module.Client(**CLIENT) as client:
        yield lambda: client.stream("GET", server.url)


@contextlib.contextmanager
def requests(server: Kept) -> Iterator[Any]:
    module = pytest.importorskip("requests")
    with module.Session() as session:
        session.trust_env = False
        yield lambda: session.get(server.url, stream=True)


@contextlib.contextmanager
def niquests(server: Kept) -> Iterator[Any]:
    module = pytest.importorskip("niquests")
    with module.Session() as session:
        session.trust_env = False
        yield lambda: session.get(server.url, stream=True)


@contextlib.contextmanager
def urllib3(server: Kept) -> Iterator[Any]:
    module = pytest.importorskip("urllib3")
    if not hasattr(module.HTTPResponse, "read1"):
        pytest.skip("urllib3 before 2.0 has no read that gives what is there")
    with module.PoolManager() as manager:
        yield lambda: contextlib.closing(manager.request("GET", server.url, preload_content=False, retries=False))


QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}


@contextlib.contextmanager
def openai(server: Kept) -> Iterator[Any]:
    module = pytest.importorskip("openai")
    http = module.DefaultHttpxClient(**CLIENT)
    with module.OpenAI(api_key="none", base_url=server.url, max_retries=0, http_client=http) as client:
        yield lambda: client.chat.completions.create(**QUESTION)


SYNC = [httpx, httpx2, requests, niquests, urllib3, openai]


@contextlib.asynccontextmanager
async def async_httpx(server: Kept) -> Any:
    module = pytest.importorskip("httpx")
    async with module.AsyncClient(**CLIENT) as client:
        yield lambda: client.stream("GET", server.url)


@contextlib.asynccontextmanager
async def async_httpx2(server: Kept) -> Any:
    module = pytest.importorskip("httpx2")
    async with module.AsyncClient(**CLIENT) as client:
        yield lambda: client.stream("GET", server.url)


@contextlib.asynccontextmanager
async def async_aiohttp(server: Kept) -> Any:
    module = pytest.importorskip("aiohttp")
    async with module.ClientSession() as session:
        yield lambda: session.get(server.url)


@contextlib.asynccontextmanager
async def async_niquests(server: Kept) -> Any:
    module = pytest.importorskip("niquests")

    @contextlib.asynccontextmanager
    async def opened() -> Any:
        response = await session.get(server.url, stream=True)
        try:
            yield response
        finally:
            await response.close()

    async with module.AsyncSession() as session:
        session.trust_env = False
        yield opened


@contextlib.asynccontextmanager
async def async_curl_cffi(server: Kept) -> Any:
    module = pytest.importorskip("curl_cffi")

    @contextlib.asynccontextmanager
    async def opened() -> Any:
        yield await session.get(server.url, stream=True)

    async with module.AsyncSession(trust_env=False, timeout=PATIENCE) as session:
        yield opened


@contextlib.asynccontextmanager
async def async_openai(server: Kept) -> Any:
    module = pytest.importorskip("openai")

    @contextlib.asynccontextmanager
    async def opened() -> Any:
        async with await client.chat.completions.create(**QUESTION) as stream:
            yield stream

    http = module.DefaultAsyncHttpxClient(**CLIENT)
    async with module.AsyncOpenAI(api_key="none", base_url=server.url, max_retries=0, http_client=http) as client:
        yield opened


ASYNC = [
    *((one, backend) for one in (async_httpx, async_httpx2, async_openai) for backend in ("asyncio", "trio")),
    (async_aiohttp, "asyncio"),
    (async_niquests, "asyncio"),
    (async_curl_cffi, "asyncio"),
]
