"""How each async client and stream gives its response, from a `Loopback`; what is not installed is skipped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from helpers.loopback import CLIENT, PATIENCE, Loopback

Opener = Callable[[Loopback], Any]


@contextlib.asynccontextmanager
async def by_httpx(server: Loopback) -> AsyncIterator[Any]:
    httpx = pytest.importorskip("httpx")
    async with (
        httpx.AsyncClient(**CLIENT) as client,
        client.stream("GET", server.url) as response,
    ):
        yield response


@contextlib.asynccontextmanager
async def by_httpx2(server: Loopback) -> AsyncIterator[Any]:
    httpx2 = pytest.importorskip("httpx2")
    async with (
        httpx2.AsyncClient(**CLIENT) as client,
        client.stream("GET", server.url) as response,
    ):
        yield response


@contextlib.asynccontextmanager
async def by_aiohttp(server: Loopback) -> AsyncIterator[Any]:
    aiohttp = pytest.importorskip("aiohttp")
    async with aiohttp.ClientSession() as session, session.get(server.url) as response:
        yield response


@contextlib.asynccontextmanager
async def by_aiohttp_content(server: Loopback) -> AsyncIterator[Any]:
    async with by_aiohttp(server) as response:
        yield response.content


@contextlib.asynccontextmanager
async def by_niquests(server: Loopback) -> AsyncIterator[Any]:
    niquests = pytest.importorskip("niquests")
    async with niquests.AsyncSession() as session:
        session.trust_env = False
        response = await session.get(server.url, stream=True)
        try:
            yield response
        finally:
            await response.close()


@contextlib.asynccontextmanager
async def by_curl_cffi(server: Loopback) -> AsyncIterator[Any]:
    curl_cffi = pytest.importorskip("curl_cffi")
    async with curl_cffi.AsyncSession(trust_env=False, timeout=PATIENCE) as session:
        yield await session.get(server.url, stream=True)


@contextlib.asynccontextmanager
async def by_niquests_raw(server: Loopback) -> AsyncIterator[Any]:
    async with by_niquests(server) as response:
        yield response.raw


QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}


@contextlib.asynccontextmanager
async def openai_client(server: Loopback) -> AsyncIterator[Any]:
    openai = pytest.importorskip("openai")
    http = openai.DefaultAsyncHttpxClient(**CLIENT)
    async with openai.AsyncOpenAI(api_key="none", base_url=server.url, max_retries=0, http_client=http) as client:
        yield client


@contextlib.asynccontextmanager
async def by_openai(server: Loopback) -> AsyncIterator[Any]:
    async with openai_client(server) as client, await client.chat.completions.create(**QUESTION) as stream:
        yield stream


@contextlib.asynccontextmanager
async def by_openai_raw(server: Loopback) -> AsyncIterator[Any]:
    async with openai_client(server) as client:
        yield await client.chat.completions.with_raw_response.create(**QUESTION)


@contextlib.asynccontextmanager
async def by_openai_streaming(server: Loopback) -> AsyncIterator[Any]:
    async with (
        openai_client(server) as client,
        client.chat.completions.with_streaming_response.create(**QUESTION) as response,
    ):
        yield response


ASK = b"GET / HTTP/1.0\r\n\r\n"


@contextlib.asynccontextmanager
async def by_asyncio(server: Loopback) -> AsyncIterator[Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(ASK)
        await reader.readuntil(b"\r\n\r\n")
        yield reader
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def by_anyio(server: Loopback) -> AsyncIterator[Any]:
    async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        await stream.send(ASK)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive(1)
        yield stream


@contextlib.asynccontextmanager
async def by_trio(server: Loopback) -> AsyncIterator[Any]:
    trio = pytest.importorskip("trio")
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        await stream.send_all(ASK)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(1)
        yield stream


ANYWHERE: list[Opener] = [by_httpx, by_httpx2, by_openai, by_openai_raw, by_openai_streaming]
HTTP: list[tuple[Opener, str]] = [
    *((client, backend) for client in ANYWHERE for backend in ("asyncio", "trio")),
    (by_aiohttp, "asyncio"),
    (by_aiohttp_content, "asyncio"),
    (by_niquests, "asyncio"),
    (by_niquests_raw, "asyncio"),
    (by_curl_cffi, "asyncio"),
]
STREAMS: list[tuple[Opener, str]] = [
    (by_asyncio, "asyncio"),
    (by_anyio, "asyncio"),
    (by_anyio, "trio"),
    (by_trio, "trio"),
]
# Reads ahead without a bound, gives no response before the first byte of its body, and its own `aclose` waits for the
# last.
READS_AHEAD = (by_curl_cffi,)
WITHOUT_HEAD = (by_asyncio, by_anyio, by_trio, by_aiohttp_content)
# The modules whose exceptions report a broken connection.
OWNERS: dict[Any, set[str]] = {
    by_httpx: {"httpx"},
    by_aiohttp: {"aiohttp"},
    by_aiohttp_content: {"aiohttp"},
    by_niquests: {"niquests"},
    by_curl_cffi: {"curl_cffi"},
    by_niquests_raw: {"urllib3", "urllib3_future"},
}


def run(main: Callable[[], Awaitable[None]], backend: str) -> None:
    """Run `main` on asyncio or trio."""
    if backend == "trio":
        pytest.importorskip("trio")
    anyio.run(main, backend=backend)


def named(cases: list[tuple[Opener, str]]) -> Any:
    """A test for each of these clients, each on its loop."""

    def name(client: Opener, backend: str) -> str:
        return f"{client.__name__.removeprefix('by_')}-{backend}"

    return pytest.mark.parametrize("client, backend", cases, ids=[name(*case) for case in cases])
