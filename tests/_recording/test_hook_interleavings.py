"""A loop of tools, with calls side by side that ask a model themselves, played in any order in which its tasks may run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from helpers.loopback import CLIENT
from helpers.sender import Sender
from helpers.tool_loop import RUNS, model, pause
from streamkit import recording

pydantic_ai = pytest.importorskip("pydantic_ai")
openai = pytest.importorskip("openai")

GONE = "http://127.0.0.1:9/v1"


async def converse(url: str, question: str, chance: Random) -> str:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = openai.AsyncOpenAI(
        base_url=url, api_key="any", max_retries=0, http_client=openai.DefaultAsyncHttpxClient(**CLIENT)
    )
    agent = pydantic_ai.Agent(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client)))

    @agent.tool_plain
    async def look(what: str) -> str:
        await pause(chance)
        message: Any = {"role": "user", "content": f"{question}:{what}"}
        answer = await client.chat.completions.create(model="sub", messages=[message])
        await pause(chance)
        return str(answer.choices[0].message.content)

    async with client:
        await pause(chance)
        async with agent.run_stream(question) as result:
            return str(await result.get_output())


async def two(url: str, seed: int) -> list[str]:
    return [*await asyncio.gather(*(converse(url, question, Random(f"{seed}{question}")) for question in ("x", "y")))]


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
