"""LangChain's class in its place: reasoning, refusals and calls that were cut off, streamed and not."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("streamkit.integrations.langchain", exc_type=ImportError)

import anyio
import httpx
import openai

from helpers.scenario_server import ScenarioServer
from helpers.scenarios import CITY, TOOLS
from streamkit import Ended
from streamkit.integrations.langchain import ChatOpenAI

versions = pytest.mark.parametrize("version", ["v0", "v1"])
TEXT = "Grüß Gott, 世界 🌍 und mehr."


def model(url: str, **more: Any) -> Any:
    return ChatOpenAI(model="m", base_url=url, api_key="none", max_retries=0, **more)


def streamed(scenario: str, **more: Any) -> Any:
    with ScenarioServer() as server:
        asked = model(server.url(scenario), **more)
        with asked.root_client:  # LangChain closes no client
            return added(asked.bind_tools(TOOLS).stream("?"))


def added(chunks: Any) -> Any:
    first, *others = chunks
    for other in others:
        first += other
    return first


def pairs(message: Any) -> list[tuple[str, str]]:
    return [(block["type"], block.get(block["type"])) for block in message.content_blocks]


@versions
def test_reasoning_stands_among_the_content_blocks_and_not_in_the_text(version: str) -> None:
    message = streamed("reasoning", output_version=version)
    assert [("reasoning", "Erst überlegen … 🤔"), ("text", TEXT)] == pairs(message)
    assert TEXT == message.text


@versions
def test_reasoning_stands_before_the_calls(version: str) -> None:
    message = streamed("reasoning_tools", output_version=version)
    assert ["reasoning", "tool_call", "tool_call"] == [block["type"] for block in message.content_blocks]
    assert [{"city": "Zürich"}, {"zone": "Asia/Tōkyō"}] == [call["args"] for call in message.tool_calls]


@versions
def test_a_refusal_stands_among_the_content_blocks(version: str) -> None:
    assert [("refusal", "Das lehne ich ab.")] == pairs(streamed("refusal", output_version=version))


@versions
def test_a_call_that_length_cut_off_is_invalid_and_the_one_before_it_is_a_call(version: str) -> None:
    message = streamed("length_in_args", output_version=version)
    assert [("get_weather", json.loads(CITY))] == [(call["name"], call["args"]) for call in message.tool_calls]
    assert [("get_time", "call_b")] == [(call["name"], call["id"]) for call in message.invalid_tool_calls]


def chunk(delta: str, finish: str = "null") -> bytes:
    return (
        b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
        % (
            delta.encode(),
            finish.encode(),
        )
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{",
        '{"a":',
        '{"a":"',
        '{"a":"b',
        '{"a":"b\\',
        '{"a":[1,',
        '{"a":[{"b":"c',
        '{"a":[{"b":"\\\\',
        '{"a":"b"',
        '{"a":"]',
    ],
)
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_wherever_arguments_are_cut_the_call_is_invalid(arguments: str, finish: str) -> None:
    call = json.dumps({"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": arguments}})
    body = [chunk(f'{{"role":"assistant","tool_calls":[{call}]}}'), chunk("{}", f'"{finish}"'), b"data: [DONE]\n\n"]
    message = added(over(b"".join(body)).stream("?"))
    assert [] == message.tool_calls
    assert ["f"] == [call["name"] for call in message.invalid_tool_calls]


def over(body: bytes, kind: str = "text/event-stream") -> Any:
    """The model, whose sender answers with this."""
    from streamkit.integrations.httpx import cleaning_transport

    given = httpx.MockTransport(lambda request: httpx.Response(200, content=body, headers={"content-type": kind}))
    return model("http://sender/v1", http_client=httpx.Client(transport=cleaning_transport(given)))


def test_a_call_that_is_whole_stays_one_when_the_text_after_it_is_cut() -> None:
    call = '{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}'
    body = [chunk(f'{{"tool_calls":[{call}]}}'), chunk('{"content":"a"}', '"length"'), b"data: [DONE]\n\n"]
    assert [{}] == [call["args"] for call in added(over(b"".join(body)).stream("?")).tool_calls]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_without_streaming_reasoning_and_refusal_are_there_too(field: str) -> None:
    said = f'{{"role":"assistant","content":"a","{field}":"b","refusal":"c"}}'
    body = f'{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"finish_reason":"stop","message":{said}}}]}}'
    message = over(body.encode(), "application/json").invoke("?")
    assert {("reasoning", "b"), ("text", "a"), ("refusal", "c")} == {*pairs(message)}


@pytest.mark.parametrize("scenario", ["truncated", "truncated_tools", "reset"])
def test_what_broke_off_raises(scenario: str) -> None:
    with pytest.raises(openai.APIConnectionError):
        streamed(scenario)


def test_a_cut_call_raises_where_it_is_to_raise() -> None:
    with pytest.raises(openai.APIConnectionError):
        streamed("length_in_args", incomplete_calls="raise")


def test_with_http_clients_of_the_caller_what_is_for_the_transports_is_refused() -> None:
    with httpx.Client() as one:
        other = httpx.AsyncClient()
        with pytest.raises(ValueError, match="pass them to yours"):
            model("http://x", http_client=one, http_async_client=other, incomplete_calls="raise")


def test_on_end_is_called_once_async_too() -> None:
    ends: list[Ended] = []

    async def go(url: str) -> Any:
        asked = model(url, on_end=ends.append)
        async with asked.root_async_client:
            return added([one async for one in asked.bind_tools(TOOLS).astream("?")])

    with ScenarioServer() as server:
        message = anyio.run(go, server.url("tools_no_index"))
    assert ["complete"] == [ended.outcome.name for ended in ends]
    assert ["get_weather", "get_time"] == [call["name"] for call in message.tool_calls]
