"""`client`: the SDK's own clients over a cleaning transport, on real servers: errors, retries, connections, cancelling."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import pytest

pytest.importorskip("openai")

import openai

from helpers.loopback import CLIENT, PATIENCE, Loopback
from helpers.loopback_reuse import Kept
from helpers.openai_agent import library_of_sdk
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import TEXT
from streamkit import Clean, Deadlines, Ended, MisuseError, TruncatedError
from streamkit.integrations.httpx import AsyncCleaningTransport, CleaningTransport, cleaning_transport
from streamkit.integrations.openai import client

QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}
# On trio the SDK and its client leave their generators to the collector, with or without a transport of ours.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(http|openai):ResourceWarning")
libraries = pytest.mark.parametrize("library", ["httpx2", "httpx"])
MAJOR = int(openai.__version__.partition(".")[0])
wraps = pytest.mark.skipif(MAJOR < 3, reason="before 3.0 the SDK lets its client's errors through where a body breaks")


def sync(url: str, library: str | None = None, **options: Any) -> openai.OpenAI:
    make = openai.DefaultHttpxClient if library is None else library_of_sdk(library).Client
    http = make(**CLIENT)
    raw = openai.OpenAI(api_key="none", base_url=url, max_retries=0, http_client=http)
    return client(raw, **options)


def asynchronous(url: str, library: str | None = None, **options: Any) -> openai.AsyncOpenAI:
    make = openai.DefaultAsyncHttpxClient if library is None else library_of_sdk(library).AsyncClient
    http = make(**CLIENT)
    raw = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http)
    return client(raw, **options)


def text_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


# --- errors


@wraps
@libraries
@pytest.mark.parametrize("scenario", ["truncated", "truncated_tools", "reset"])
def test_a_stream_that_broke_off_raises_the_error_that_code_over_the_sdk_catches(library: str, scenario: str) -> None:
    with ScenarioServer() as server, sync(server.url(scenario), library) as chat:
        stream = chat.chat.completions.create(**QUESTION)
        with pytest.raises(openai.APIConnectionError) as raised:
            list(stream)
    theirs = raised.value.__cause__
    assert library == type(theirs).__module__.partition(".")[0]
    assert isinstance(theirs.__cause__, TruncatedError)  # type: ignore[union-attr]
    assert theirs.__cause__.partial is not None  # type: ignore[union-attr]


@wraps
@libraries
def test_a_deadline_raises_the_timeout_of_the_sdk(library: str) -> None:
    with (
        Loopback(patience=0.2) as server,
        sync(server.url, library, deadlines=Deadlines(total=0.05)) as chat,
        pytest.raises(openai.APITimeoutError),
    ):
        list(chat.chat.completions.create(**QUESTION))


def test_the_error_of_a_sender_is_the_error_of_the_sdk() -> None:
    with (
        ScenarioServer() as server,
        sync(server.url("error")) as chat,
        pytest.raises(openai.APIError, match="The engine ran out of memory") as raised,
    ):
        list(chat.chat.completions.create(**QUESTION))
    assert not isinstance(raised.value, openai.APIConnectionError)


def test_a_request_that_found_no_connection_is_asked_again_and_reported_each_time() -> None:
    ended: list[Ended] = []
    with ScenarioServer() as server:
        url = server.url("text")
    with sync(url, on_end=ended.append) as chat, pytest.raises(openai.APIConnectionError):
        chat.with_options(max_retries=1).chat.completions.create(**QUESTION)
    assert [("failed", True)] * 2 == [(one.outcome.name, one.outcome.error.retryable) for one in ended]


@pytest.mark.parametrize(
    "status, kind", [("401 Unauthorized", openai.AuthenticationError), ("429 Slow", openai.RateLimitError)]
)
def test_a_refusal_is_raised_by_its_status_and_reported(status: str, kind: type[Exception]) -> None:
    ended: list[Ended] = []
    body = b'{"error":{"message":"No"}}'
    with (
        Loopback(status=status, content_type="application/json", body=body) as server,
        sync(server.url, on_end=ended.append) as chat,
        pytest.raises(kind, match="No"),
    ):
        chat.chat.completions.create(**QUESTION)
    assert [int(status[:3])] == [one.status for one in ended]


@wraps
def test_a_call_that_was_cut_off_raises_where_that_is_asked_for() -> None:
    clean = Clean(incomplete_calls="raise")
    with (
        ScenarioServer() as server,
        sync(server.url("length_in_args"), clean=clean) as chat,
        pytest.raises(openai.APIConnectionError),
    ):
        list(chat.chat.completions.create(**QUESTION))


# --- connections


@libraries
@pytest.mark.usefixtures("long_grace")
def test_three_streams_take_one_connection(library: str) -> None:
    with Kept("behind") as server, sync(server.url, library) as chat:
        texts = [text_of(chat.chat.completions.create(**QUESTION)) for _ in range(3)]
        assert (["Grüße"] * 3, 1) == (texts, server.connections)


@libraries
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.usefixtures("long_grace")
def test_three_async_streams_take_one_connection(library: str, backend: str) -> None:
    async def three(url: str) -> list[str]:
        async with asynchronous(url, library) as chat:
            found = []
            for _ in range(3):
                chunks = [chunk async for chunk in await chat.chat.completions.create(**QUESTION)]
                found.append(text_of(chunks))
            return found

    with Kept("behind") as server:
        assert ["Grüße"] * 3 == anyio.run(three, server.url, backend=backend)
        assert 1 == server.connections


@libraries
def test_leaving_early_closes_the_upstream(library: str) -> None:
    ended: list[Ended] = []
    with Loopback() as server, sync(server.url, library, on_end=ended.append) as chat:
        with chat.chat.completions.create(**QUESTION) as stream:
            next(stream)
        assert server.left.wait(PATIENCE)
    assert ["cancelled"] == [one.outcome.name for one in ended]


@libraries
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_in_mid_stream_it_is_reported_once_with_what_had_arrived(library: str, backend: str) -> None:
    ended: list[Ended] = []

    async def cancelled(url: str) -> None:
        async with asynchronous(url, library, on_end=ended.append) as chat:
            with anyio.CancelScope() as scope:
                async for chunk in await chat.chat.completions.create(**QUESTION):
                    if chunk.choices[0].delta.content:
                        scope.cancel()  # the next read is broken off, which waits for an event that never comes
            assert scope.cancelled_caught

    with Loopback() as server:
        anyio.run(cancelled, server.url, backend=backend)
        assert server.left.wait(PATIENCE)
    (one,) = ended
    assert ("cancelled", "Gr") == (one.outcome.name, one.response.choices[0].message.content)  # type: ignore[union-attr]


def test_a_task_that_is_cancelled_by_asyncio_itself_is_reported_once() -> None:
    ended: list[Ended] = []

    async def main(url: str) -> None:
        import asyncio

        async with asynchronous(url, on_end=ended.append) as chat:
            began = asyncio.Event()

            async def read() -> None:
                async for _ in await chat.chat.completions.create(**QUESTION):
                    began.set()

            task = asyncio.create_task(read())
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with Loopback() as server:
        anyio.run(main, server.url)
        assert server.left.wait(PATIENCE)
    assert ["cancelled"] == [one.outcome.name for one in ended]


def test_a_framework_that_closes_the_http_client_after_each_request_can_go_on_with_the_transport() -> None:
    transport = cleaning_transport()
    with ScenarioServer() as server:
        for _ in range(2):
            http = openai.DefaultHttpxClient(transport=transport, timeout=60)
            with openai.OpenAI(api_key="none", base_url=server.url("bom"), http_client=http) as chat:
                assert TEXT == text_of(chat.chat.completions.create(**QUESTION))


# --- the client itself


class Noting(openai.OpenAI):
    """A subclass, as that of Azure is one."""


def test_it_is_of_the_same_class_and_has_the_same_options() -> None:
    raw = Noting(api_key="k", base_url="http://x.test/v1", max_retries=5, timeout=7, default_headers={"a": "b"})
    made = client(raw)
    assert type(made) is Noting
    assert ("k", raw.base_url, 5, 7) == (made.api_key, made.base_url, made.max_retries, made.timeout)
    assert "b" == made.default_headers["a"]
    http: Any = made._client
    assert (raw._client.timeout, raw._client.follow_redirects) == (http.timeout, http.follow_redirects)
    assert isinstance(http._transport, CleaningTransport)
    assert not isinstance(raw._client._transport, CleaningTransport)


def test_an_azure_client_is_one_too() -> None:
    with ScenarioServer() as server:
        raw = openai.AzureOpenAI(
            api_key="k", api_version="v", azure_endpoint=server.url("azure_first"), http_client=sync("http://x")._client
        )
        with client(raw) as chat:
            assert TEXT == text_of(chat.chat.completions.create(**QUESTION))


@libraries
def test_a_custom_transport_beneath_still_sees_the_request(library: str) -> None:
    module = library_of_sdk(library)
    seen: list[str] = []

    class Watching(module.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            seen.append(request.url.path)
            return super().handle_request(request)

    with ScenarioServer() as server:
        http = module.Client(transport=Watching(verify=CLIENT["verify"]), timeout=60)
        with client(openai.OpenAI(api_key="k", base_url=server.url("bom"), http_client=http)) as chat:
            assert TEXT == text_of(chat.chat.completions.create(**QUESTION))
    assert ["/bom/v1/chat/completions"] == seen


@libraries
def test_mounts_are_wrapped_and_those_without_a_transport_stay_so(library: str) -> None:
    module = library_of_sdk(library)
    mounts = {"http://": module.HTTPTransport(verify=CLIENT["verify"]), "http://other.test": None}
    with ScenarioServer() as server:
        http = module.Client(mounts=mounts, **CLIENT)
        with client(openai.OpenAI(api_key="k", base_url=server.url("bom"), http_client=http)) as chat:
            kinds = [type(mount) for mount in chat._client._mounts.values()]
            assert TEXT == text_of(chat.chat.completions.create(**QUESTION))
    assert {CleaningTransport, type(None)} == set(kinds)


def test_twice_is_once() -> None:
    raw = openai.OpenAI(api_key="k")
    http: Any = client(client(raw))._client
    assert http._transport.inner is raw._client._transport


def test_the_original_may_be_thrown_away() -> None:
    with ScenarioServer() as server:
        chat = client(openai.OpenAI(api_key="k", base_url=server.url("text"), http_client=None))
        stream = chat.chat.completions.create(**QUESTION)
        gc.collect()
        assert TEXT == text_of(stream)
        chat.close()


def test_an_async_client_is_wrapped_in_an_async_transport() -> None:
    http: Any = client(openai.AsyncOpenAI(api_key="k"))._client
    assert isinstance(http._transport, AsyncCleaningTransport)


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(MisuseError, match="OpenAI or AsyncOpenAI over httpx, not Stream"):
        client(openai.Stream.__new__(openai.Stream))


def test_an_answer_that_is_no_stream_is_as_without_it() -> None:
    body = (
        b'{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
        b'"message":{"role":"assistant","content":"hi"}}]}'
    )
    with Loopback("length", content_type="application/json", body=body) as server, sync(server.url) as chat:
        found = chat.chat.completions.with_raw_response.create(**{**QUESTION, "stream": False})
    assert body == found.content
    assert "hi" == found.parse().choices[0].message.content
