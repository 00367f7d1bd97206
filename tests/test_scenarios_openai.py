"""The openai SDK on 34 streams of senders: alone, over the transport, and by the drop-in for its stream helper."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

pytest.importorskip("openai")

import openai
from openai.types import chat

from helpers.loopback import CLIENT
from helpers.openai_agent import Seen, library_of_sdk, run, run_async, wrong
from helpers.scenario_server import ScenarioServer
from helpers.scenarios import SCENARIOS, Scenario
from streamkit.integrations.openai import AsyncChatEvents, ChatEvents, client

# Before 1.99 the SDK knows no custom tools.
SAID = [one for one in SCENARIOS if one.name != "custom" or hasattr(chat, "ChatCompletionMessageCustomToolCall")]
scenarios = pytest.mark.parametrize("scenario", SAID, ids=lambda one: one.name)
libraries = pytest.mark.parametrize("library", ["httpx2", "httpx"])
OF_THE_SDK = {"custom"}  # its own accumulator has no place for a call that is not of a function


def sync_client(server: ScenarioServer, scenario: Scenario, library: str) -> Any:
    http = library_of_sdk(library).Client(**CLIENT)
    return openai.OpenAI(api_key="none", base_url=server.url(scenario), max_retries=0, http_client=http)


def async_client(server: ScenarioServer, scenario: Scenario, library: str) -> Any:
    http = library_of_sdk(library).AsyncClient(**CLIENT)
    return openai.AsyncOpenAI(api_key="none", base_url=server.url(scenario), max_retries=0, http_client=http)


def by_transport(server: ScenarioServer, scenario: Scenario, library: str) -> Seen:
    with client(sync_client(server, scenario, library)) as cleaned:
        return run(cleaned, scenario)


def by_async_transport(server: ScenarioServer, scenario: Scenario, library: str) -> Seen:
    async def go() -> Seen:
        async with client(async_client(server, scenario, library)) as cleaned:
            return await run_async(cleaned, scenario)

    return anyio.run(go)


def by_drop_in(server: ScenarioServer, scenario: Scenario, library: str) -> Seen:
    with sync_client(server, scenario, library) as bare:
        return run(bare, scenario, ChatEvents)


def by_async_drop_in(server: ScenarioServer, scenario: Scenario, library: str) -> Seen:
    async def go() -> Seen:
        async with async_client(server, scenario, library) as bare:
            return await run_async(bare, scenario, AsyncChatEvents)

    return anyio.run(go)


@pytest.mark.quick(8)
@libraries
@scenarios
@pytest.mark.parametrize("way", [by_drop_in, by_async_drop_in], ids=lambda one: one.__name__)
def test_by_the_drop_in_every_stream_is_right(way: Any, scenario: Scenario, library: str) -> None:
    with ScenarioServer() as server:
        assert wrong(scenario, way(server, scenario, library)) is None


@pytest.mark.quick(8)
@libraries
@scenarios
@pytest.mark.parametrize("way", [by_transport, by_async_transport], ids=lambda one: one.__name__)
def test_through_the_transport_every_stream_is_right_that_the_sdk_can_say(
    way: Any, scenario: Scenario, library: str
) -> None:
    with ScenarioServer() as server:
        found = wrong(scenario, way(server, scenario, library))
    assert (found is not None) == (scenario.name in OF_THE_SDK), found


def test_alone_the_sdk_is_wrong_where_this_helps() -> None:
    wrongs: dict[str, str] = {}
    with ScenarioServer() as server:
        for scenario in SCENARIOS:
            with openai.OpenAI(
                api_key="none",
                base_url=server.url(scenario),
                max_retries=0,
                http_client=openai.DefaultHttpxClient(**CLIENT),
            ) as bare:
                if (found := wrong(scenario, run(bare, scenario))) is not None:
                    wrongs[scenario.name] = found
    print(len(wrongs), wrongs)
    assert {"tools_no_index", "tools_all_zero", "truncated", "truncated_tools", "bom", "last_unterminated"} <= set(
        wrongs
    )
