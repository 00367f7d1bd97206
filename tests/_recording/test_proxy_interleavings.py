"""A loop of tools on litellm, whose client the hook does not see: recorded by the proxy, and played by the server in any order
in which its tasks may run."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from helpers.sender import Sender
from helpers.tool_loop import RUNS, model, pause
from streamkit import RecordingProxy, TraceServer

pytest.importorskip("uvicorn")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else its import asks a server on the Internet
litellm: Any = pytest.importorskip("litellm")
pytestmark = pytest.mark.filterwarnings("ignore")  # its own, of pydantic and of clients that it leaves open

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


async def ask(url: str, name: str, messages: list[Any], **options: Any) -> Any:
    """Stream an answer and return its message."""
    to = {"api_base": url, "api_key": "any", "num_retries": 0, "max_retries": 0, "stream": True}
    stream = await litellm.acompletion(model=f"openai/{name}", messages=messages, **to, **options)
    return litellm.stream_chunk_builder([chunk async for chunk in stream]).choices[0].message


async def converse(url: str, question: str, chance: Random) -> str:
    async def look(call: Any) -> dict[str, str]:
        await pause(chance)
        what = json.loads(call.function.arguments)["what"]
        answer = await ask(url, "sub", [{"role": "user", "content": f"{question}:{what}"}])
        await pause(chance)
        return {"role": "tool", "tool_call_id": call.id, "content": answer.content}

    messages: list[Any] = [{"role": "user", "content": question}]
    while True:
        await pause(chance)
        answer = await ask(url, "m", messages, tools=[TOOL])
        if not answer.tool_calls:
            return str(answer.content)
        messages.append(answer.model_dump(include={"role", "content", "tool_calls"}))
        messages += await asyncio.gather(*map(look, answer.tool_calls))


async def two(url: str, seed: int) -> list[str]:
    return [*await asyncio.gather(*(converse(url, question, Random(f"{seed}{question}")) for question in ("x", "y")))]


def test_any_interleaving_meets_the_same_answers(tmp_path: Path) -> None:
    with Sender(model) as sender, RecordingProxy(sender.url.removesuffix("/v1"), tmp_path) as proxy:
        expected = asyncio.run(two(f"{proxy.url}/v1", 0))
    assert ["sub:x:a0", "sub:x:b0"] == ["".join(one.split()) for one in expected[0].split("+")][:2]
    assert 14 == len(sender.requests) == len([*tmp_path.glob("*.jsonl")])
    orders = set()
    for seed in range(1, 1 + RUNS):
        with TraceServer(tmp_path, speed=0, repeat=False) as server:
            assert expected == asyncio.run(two(f"{server.url}/v1", seed))
        assert server.session is not None
        assert ((), ()) == (server.session.misses, server.session.unplayed)
        orders.add(tuple(json.dumps(one.json) for one in server.requests))
    assert len(orders) > RUNS / 2
