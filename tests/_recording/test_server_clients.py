"""Every client that is installed gets from the trace server what was recorded: its text, with and without streaming."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import streamkit
from helpers.command import PATIENCE, TRACES
from helpers.loopback import CLIENT
from helpers.tier import some
from streamkit import reassemble
from streamkit.trace import Block, Trace, read_trace

pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

MODEL = "llama.cpp/plain"
PLAIN = read_trace(TRACES / f"{MODEL}.trace.jsonl")
TEXT = reassemble(PLAIN.body).choices[0].message.content
MESSAGES: list[Any] = [{"role": "user", "content": "Hi"}]
ASK = {"model": MODEL, "messages": MESSAGES}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of all traces, named by the variables that SDKs read."""
    with streamkit.TraceServer(TRACES, speed=0) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**server.environment, "OPENAI_API_KEY": "any", "NO_PROXY": "127.0.0.1"}.items():
            patch.setenv(name, value)
        yield f"{server.url}/v1"


def sdk(name: str, kind: str) -> Any:
    openai = pytest.importorskip("openai")
    return getattr(openai, name)(http_client=getattr(openai, kind)(**CLIENT))  # over httpx before 3.0, httpx2 since


def openai_create(url: str) -> str:
    with sdk("OpenAI", "DefaultHttpxClient") as client:
        chunks = client.chat.completions.create(**ASK, stream=True)
        return "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)


def openai_whole(url: str) -> str:
    with sdk("OpenAI", "DefaultHttpxClient") as client:
        return str(client.chat.completions.create(**ASK).choices[0].message.content)


def openai_stream(url: str) -> str:
    with sdk("OpenAI", "DefaultHttpxClient") as client, client.chat.completions.stream(**ASK) as stream:
        return str(stream.get_final_completion().choices[0].message.content)


def openai_async_create(url: str) -> str:
    async def go() -> str:
        async with sdk("AsyncOpenAI", "DefaultAsyncHttpxClient") as client:
            chunks = await client.chat.completions.create(**ASK, stream=True)
            return "".join([one.choices[0].delta.content or "" async for one in chunks if one.choices])

    return asyncio.run(go())


def openai_async_stream(url: str) -> str:
    async def go() -> str:
        async with (
            sdk("AsyncOpenAI", "DefaultAsyncHttpxClient") as client,
            client.chat.completions.stream(**ASK) as stream,
        ):
            return str((await stream.get_final_completion()).choices[0].message.content)

    return asyncio.run(go())


def langchain(url: str) -> str:
    model = pytest.importorskip("langchain_openai").ChatOpenAI(model=MODEL, streaming=True)
    return "".join(str(one.content) for one in model.stream("Hi"))


def pydantic_ai(url: str) -> str:
    agent = pytest.importorskip("pydantic_ai").Agent
    model = pytest.importorskip("pydantic_ai.models.openai").OpenAIChatModel
    provider = pytest.importorskip("pydantic_ai.providers.openai").OpenAIProvider

    async def go() -> str:
        async with (
            sdk("AsyncOpenAI", "DefaultAsyncHttpxClient") as client,
            agent(model(MODEL, provider=provider(openai_client=client))).run_stream("Hi") as run,
        ):
            return str(await run.get_output())

    return asyncio.run(go())


def openai_agents(url: str) -> str:
    agents = pytest.importorskip("agents")
    agents.set_tracing_disabled(True)

    async def go() -> str:
        async with sdk("AsyncOpenAI", "DefaultAsyncHttpxClient") as client:
            model = agents.OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
            run = agents.Runner.run_streamed(agents.Agent(name="a", model=model), "Hi")
            async for _ in run.stream_events():
                pass
            return str(run.final_output)

    return asyncio.run(go())


def litellm_sync(url: str) -> str:
    litellm = pytest.importorskip("litellm")
    chunks = litellm.completion(model=f"openai/{MODEL}", messages=MESSAGES, stream=True, api_base=url)
    return "".join(one.choices[0].delta.content or "" for one in chunks)


def litellm_async(url: str) -> str:
    litellm = pytest.importorskip("litellm")

    async def go() -> str:
        chunks = await litellm.acompletion(model=f"hosted_vllm/{MODEL}", messages=MESSAGES, stream=True, api_base=url)
        return "".join([one.choices[0].delta.content or "" async for one in chunks])

    return asyncio.run(go())


def with_aiohttp(url: str) -> str:
    aiohttp = pytest.importorskip("aiohttp")

    async def go() -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/chat/completions", json={**ASK, "stream": True}) as response,
            streamkit.AsyncChatStream(response) as stream,
        ):
            return "".join([text async for text in stream.text()])

    return asyncio.run(go())


def with_requests(url: str) -> str:
    requests = pytest.importorskip("requests")
    asked = {**ASK, "stream": True}
    with requests.Session() as session, session.post(f"{url}/chat/completions", json=asked, stream=True) as response:
        session.trust_env = False
        with streamkit.ChatStream(response) as stream:
            return "".join(stream.text())


def curl(url: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    asked = json.dumps({**ASK, "stream": True})
    command = ["curl", "-sN", "--noproxy", "*", f"{url}/chat/completions", "-d", asked]
    return str(
        reassemble(subprocess.run(command, capture_output=True, timeout=PATIENCE).stdout).choices[0].message.content
    )


NODE = """
const OpenAI = require('openai'), client = new (OpenAI.default ?? OpenAI)(), ask = %s
;(async () => {
  if (process.argv[2] === 'stream')
    return process.stdout.write(await client.chat.completions.stream(ask).finalContent())
  for await (const chunk of await client.chat.completions.create({...ask, stream: true}))
    process.stdout.write(chunk.choices[0]?.delta?.content ?? '')
})()
"""


def node(how: str) -> Callable[[str], str]:
    """The openai package of npm, where NODE_PATH names a folder that has it."""

    def run(url: str) -> str:
        if shutil.which("node") is None or "NODE_PATH" not in os.environ:
            pytest.skip("no node, or no NODE_PATH with openai in it")
        command = ["node", "-", how]
        done = subprocess.run(
            command, input=NODE % json.dumps(ASK), capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE
        )
        assert not done.stderr, done.stderr
        return done.stdout

    return run


CLIENTS: dict[str, Callable[[str], str]] = {
    "openai-python create": openai_create,
    "openai-python without streaming": openai_whole,
    "openai-python stream": openai_stream,
    "openai-python async create": openai_async_create,
    "openai-python async stream": openai_async_stream,
    "openai-node create": node("create"),
    "openai-node stream": node("stream"),
    "curl": curl,
    "langchain-openai": langchain,
    "pydantic-ai": pydantic_ai,
    "openai-agents": openai_agents,
    "litellm": litellm_sync,
    "litellm async": litellm_async,
    "aiohttp": with_aiohttp,
    "requests": with_requests,
}


# What these packages warn of in their own code is not ours to mend.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", some([*CLIENTS]))
def test_a_client_gets_what_was_recorded(name: str, url: str) -> None:
    assert TEXT == CLIENTS[name](url)
    gc.collect()  # some leave connections of their own open; here their warnings are not taken for errors


@pytest.mark.filterwarnings("ignore")
def test_an_exchange_of_another_api_is_given_as_it_is() -> None:
    anthropic = pytest.importorskip("anthropic")
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "usage": usage}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    events: tuple[dict[str, Any], ...] = (
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )
    wire = (f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events)
    blocks = tuple(Block(0.0, event) for event in wire)
    headers = (("content-type", "text/event-stream"),)
    recorded = Trace(method="POST", path="/v1/messages", status=200, headers=headers, blocks=blocks, end="eof")
    with streamkit.TraceServer(recorded) as server:
        client = anthropic.Anthropic(api_key="any", base_url=server.url)
        with client.messages.stream(model="c", max_tokens=9, messages=MESSAGES) as stream:
            assert "Grüße" == stream.get_final_text()
