"""How each sync client gives its response, from a `Loopback`; what is not installed is skipped."""

from __future__ import annotations

import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.loopback import CLIENT, PATIENCE, Loopback


@contextlib.contextmanager
def by_httpx(server: Loopback) -> Iterator[Any]:
    httpx = pytest.importorskip("httpx")
    with httpx.Client(**CLIENT) as client, client.stream("GET", server.url) as response:
        yield response


@contextlib.contextmanager
def by_httpx2(server: Loopback) -> Iterator[Any]:
    httpx2 = pytest.importorskip("httpx2")
    with httpx2.Client(**CLIENT) as client, client.stream("GET", server.url) as response:
        yield response


@contextlib.contextmanager
def by_requests(server: Loopback) -> Iterator[Any]:
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        session.trust_env = False
        with session.get(server.url, stream=True) as response:
            yield response


@contextlib.contextmanager
def by_niquests(server: Loopback) -> Iterator[Any]:
    niquests = pytest.importorskip("niquests")
    with niquests.Session() as session:
        session.trust_env = False
        with session.get(server.url, stream=True) as response:
            yield response


@contextlib.contextmanager
def by_curl_cffi(server: Loopback) -> Iterator[Any]:
    curl_cffi = pytest.importorskip("curl_cffi")
    with curl_cffi.Session(trust_env=False, timeout=PATIENCE) as session:
        yield session.get(server.url, stream=True)


@contextlib.contextmanager
def by_urllib3(server: Loopback) -> Iterator[Any]:
    urllib3 = pytest.importorskip("urllib3")
    with urllib3.PoolManager(headers={"accept-encoding": "gzip"}) as manager:
        response = manager.request("GET", server.url, preload_content=False, retries=False)
        try:
            yield response
        finally:
            response.close()


@contextlib.contextmanager
def by_urllib_request(server: Loopback) -> Iterator[Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(server.url) as response:
            yield response
    except urllib.error.HTTPError as error:  # what urllib.request gives for other answers than 200
        with error:
            yield error


@contextlib.contextmanager
def by_http_client(server: Loopback) -> Iterator[Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    with contextlib.closing(connection):
        connection.request("GET", "/v1")
        with connection.getresponse() as response:
            yield response


QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}


@contextlib.contextmanager
def openai_client(server: Loopback) -> Iterator[Any]:
    openai = pytest.importorskip("openai")
    http = openai.DefaultHttpxClient(**CLIENT)
    with openai.OpenAI(api_key="none", base_url=server.url, max_retries=0, http_client=http) as client:
        yield client


def helper(client: Any) -> Any:
    """Return the method of an openai client, sync or async, that helps to read a stream; before 1.92 it was in
    `beta`."""
    completions = client.chat.completions
    return completions.stream if hasattr(completions, "stream") else client.beta.chat.completions.stream


@contextlib.contextmanager
def by_openai(server: Loopback) -> Iterator[Any]:
    with openai_client(server) as client, client.chat.completions.create(**QUESTION) as stream:
        yield stream


@contextlib.contextmanager
def by_openai_raw(server: Loopback) -> Iterator[Any]:
    with openai_client(server) as client:
        yield client.chat.completions.with_raw_response.create(**QUESTION)


@contextlib.contextmanager
def by_openai_streaming(server: Loopback) -> Iterator[Any]:
    with (
        openai_client(server) as client,
        client.chat.completions.with_streaming_response.create(**QUESTION) as response,
    ):
        yield response


CLIENTS = [
    by_httpx,
    by_httpx2,
    by_requests,
    by_niquests,
    by_curl_cffi,
    by_urllib3,
    by_urllib_request,
    by_http_client,
    by_openai,
    by_openai_raw,
    by_openai_streaming,
]
# libcurl's transfer runs in a thread that ends when the sender next says something: only then does that see that it was
# left.
LEAVE_LATE = (by_curl_cffi,)
RAISE_BY_STATUS = (by_openai, by_openai_raw, by_openai_streaming)
# The modules whose exceptions report a broken connection: those of the client, if it has any.
OWNERS: dict[Any, set[str]] = {
    by_httpx: {"httpx"},
    by_requests: {"requests"},
    by_niquests: {"niquests"},
    by_curl_cffi: {"curl_cffi"},
    by_urllib3: {"urllib3", "urllib3_future"},
    by_urllib_request: {"http", "builtins"},
    by_http_client: {"http", "builtins"},
}


def name_of(client: Any) -> str:
    """What a test says that it runs."""
    return str(client.__name__).removeprefix("by_").strip("<>")
