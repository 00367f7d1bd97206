"""A loop of tools, with calls side by side that ask a model themselves, played in any order in which its tasks may run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from helpers.loopback import CLIENT
from helpers.sender import Answer, Sender, said
from helpers.tier import TIER
from helpers.wire import DONE, delta, sse
from streamkit import recording

pydantic_ai = pytest.importorskip("pydantic_ai")
openai = pytest.importorskip("openai")

GONE = "http://127.0.0.1:9/v1"


def model(body: dict[str, Any], number: int) -> Answer:
    """Three turns: two calls side by side, two more, an answer. What a tool asks is answered at once."""
    messages = body["messages"]
    if body["model"] == "sub":
        return said(f"sub:{messages[-1]['content']}", stream=bool(body.get("stream")))
    results = [one["content"] for one in messages if one["role"] == "tool"]
    if len(results) >= 4:
        return said("+".join(results))
    calls = [
        {"index": n, "id": f"call-{number}-{n}", "type": "function"}
        | {"function": {"name": "look", "arguments": json.dumps({"what": f"{name}{len(results)}"})}}
        for n, name in enumerate("ab")
    ]
    return Answer(
        (*(sse(delta(json.dumps({"tool_calls": [call]}))) for call in calls), sse(delta("{}", "tool_calls")), DONE)
    )


async def converse(url: str, question: str, chance: Random) -> str:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = openai.AsyncOpenAI(
        base_url=url, api_key="any", max_retries=0, http_client=openai.DefaultAsyncHttpxClient(**CLIENT)
    )
    agent = pydantic_ai.Agent(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client)))

    async def pause() -> None:
        for _ in range(chance.randrange(20)):
            await asyncio.sleep(0)

    @agent.tool_plain
    async def look(what: str) -> str:
        await pause()
        message: Any = {"role": "user", "content": f"{question}:{what}"}
        answer = await client.chat.completions.create(model="sub", messages=[message])
        await pause()
        return str(answer.choices[0].message.content)

    async with client:
        await pause()
        async with agent.run_stream(question) as result:
            return str(await result.get_output())


async def two(url: str, seed: int) -> list[str]:
    return [*await asyncio.gather(*(converse(url, question, Random(f"{seed}{question}")) for question in ("x", "y")))]


RUNS = 5 if TIER == "quick" else 100


def test_any_interleaving_meets_the_same_answers(tmp_path: Path) -> None:
    with Sender(model) as sender, recording(tmp_path):
        expected = asyncio.run(two(sender.url, 0))
    assert ["sub:x:a0", "sub:x:b0"] == ["".join(one.split()) for one in expected[0].split("+")][:2]
    assert 14 == len(sender.requests)  # of each: three turns, and four that tools asked
    orders = set()
    for seed in range(1, 1 + RUNS):
        with recording(tmp_path, mode="none") as run:
            assert expected == asyncio.run(two(GONE, seed))
        assert ((), ()) == (run.misses, run.unplayed)
        orders.add(tuple(json.dumps(one.request) for one in run.requests))
    assert len(orders) > RUNS / 2
