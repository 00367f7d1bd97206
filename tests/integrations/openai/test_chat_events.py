"""`ChatEvents`: the SDK's events from the bytes of a stream, in place of what `chat.completions.stream()` gives."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

pytest.importorskip("openai")

import openai
import pydantic

from helpers.loopback import CLIENT, PATIENCE, Loopback
from helpers.loopback_reuse import Kept
from helpers.loopback_sync import helper
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import BY_NAME, TEXT
from helpers.wire import delta, sse
from streamkit import RemoteError, SourceError, TruncatedError
from streamkit.integrations.openai import AsyncChatEvents, ChatEvents
from streamkit.testing import DONE

# On trio the SDK and its client leave their generators to the collector, with or without this.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(http|openai):ResourceWarning")
QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


class Answer(pydantic.BaseModel):
    city: str


def sync(url: str) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(**CLIENT)
    return openai.OpenAI(api_key="none", base_url=url, max_retries=0, http_client=http)


def asynchronous(url: str) -> openai.AsyncOpenAI:
    http = openai.DefaultAsyncHttpxClient(**CLIENT)
    return openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http)


def managed(chat: Any, **more: Any) -> Any:
    return helper(chat)(**QUESTION, **more)


def created(chat: Any) -> Any:
    return chat.chat.completions.create(**QUESTION, stream=True)


@pytest.mark.parametrize("source", [managed, created, lambda _: BY_NAME["bom"].body, lambda _: [BY_NAME["bom"].body]])
def test_a_source_is_what_the_sdk_gives_or_any_other(source: Any) -> None:
    with ScenarioServer() as server, sync(server.url("bom")) as chat, ChatEvents(source(chat)) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        assert TEXT == "".join(deltas)
        assert TEXT == stream.get_final_completion().choices[0].message.content


def test_the_helper_that_was_entered_already_is_one_too() -> None:
    with (
        ScenarioServer() as server,
        sync(server.url("bom")) as chat,
        managed(chat) as helper,
        ChatEvents(helper) as stream,
    ):
        assert TEXT == stream.get_final_completion().choices[0].message.content


BODY = sse(delta('{"content":"{\\"city\\":"}'), delta('{"content":"\\"Bern\\"}"}'), delta(finish="stop")) + DONE


def test_what_the_sdk_was_told_to_parse_by_is_known() -> None:
    with (
        Loopback("length", body=BODY) as server,
        sync(server.url) as chat,
        ChatEvents(managed(chat, response_format=Answer)) as stream,
    ):
        events = list(stream)
        assert Answer(city="Bern") == next(one.parsed for one in events if one.type == "content.done")
        assert Answer(city="Bern") == stream.get_final_completion().choices[0].message.parsed


def test_it_can_be_said_by_hand() -> None:
    with ChatEvents(BODY, response_format=Answer) as stream:
        assert Answer(city="Bern") == stream.get_final_completion().choices[0].message.parsed


@pytest.mark.parametrize(
    "name, kind, ours",
    [
        ("truncated", openai.APIConnectionError, TruncatedError),
        ("reset", openai.APIConnectionError, TruncatedError),
        ("error", openai.APIError, RemoteError),
        ("error_first", openai.APIError, RemoteError),
    ],
)
def test_an_error_is_of_the_sdk_with_ours_as_the_cause(name: str, kind: Any, ours: Any) -> None:
    with (
        ScenarioServer() as server,
        sync(server.url(name)) as chat,
        ChatEvents(created(chat)) as stream,
        pytest.raises(kind) as raised,
    ):
        list(stream)
    assert kind is type(raised.value)
    assert isinstance(raised.value.__cause__, ours)
    assert raised.value.request.url.path == f"/{name}/v1/chat/completions"

    async def main(url: str) -> Exception:
        async with asynchronous(url) as chat, AsyncChatEvents(managed(chat)) as stream:
            with pytest.raises(kind) as raised:
                await stream.until_done()
        return raised.value

    with ScenarioServer() as server:
        assert isinstance(anyio.run(main, server.url(name)).__cause__, ours)


def test_a_client_that_waited_too_long_is_a_timeout() -> None:
    with Loopback() as server, sync(server.url) as chat, ChatEvents(response := created(chat)) as stream:
        response.response.request.extensions["timeout"]["read"] = 0.1  # not before: the head may take longer
        with pytest.raises(openai.APITimeoutError):
            list(stream)


def test_a_body_that_stays_open_after_the_end_holds_nobody_up() -> None:
    with Kept("silent") as server, sync(server.url) as chat, ChatEvents(created(chat)) as stream:
        assert "Grüße" == stream.get_final_completion().choices[0].message.content


@pytest.mark.usefixtures("long_grace")
def test_three_streams_take_one_connection() -> None:
    with Kept("behind") as server, sync(server.url) as chat:
        for _ in range(3):
            with ChatEvents(managed(chat)) as stream:
                assert "Grüße" == stream.get_final_completion().choices[0].message.content
        assert 1 == server.connections


@pytest.mark.parametrize("source", [managed, created])
def test_leaving_early_closes_the_upstream(source: Any) -> None:
    with Loopback() as server, sync(server.url) as chat:
        with ChatEvents(source(chat)) as stream:
            next(stream)
        assert server.left.wait(PATIENCE)


@pytest.mark.parametrize("source", [managed, created])
def test_leaving_before_anything_was_read_closes_the_upstream(source: Any) -> None:
    with Loopback() as server, sync(server.url) as chat:
        with ChatEvents(source(chat)):
            pass
        assert server.left.wait(PATIENCE)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_it_reads_and_leaves_alike(backend: str) -> None:
    async def main(url: str) -> str:
        async with asynchronous(url) as chat:
            async with AsyncChatEvents(managed(chat)) as stream:
                await anext(stream)
            async with AsyncChatEvents(await created(chat)) as stream:
                completion = await stream.get_final_completion()
                assert stream.response.status_code == 200
                return str(completion.choices[0].message.content)

    with ScenarioServer() as server:
        assert TEXT == anyio.run(main, server.url("bom"), backend=backend)


def test_a_source_that_breaks_before_any_chunk_can_be_asked_again() -> None:
    def broken() -> Any:
        raise ConnectionResetError("gone")
        yield b""

    with ChatEvents(broken()) as stream, pytest.raises(openai.APIConnectionError) as raised:
        list(stream)
    assert isinstance(raised.value.__cause__, SourceError)
