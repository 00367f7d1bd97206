"""A `FunctionAgent` of llama-index, which streams."""

from __future__ import annotations

from typing import Any

from llama_index.core.agent.workflow import FunctionAgent

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    agent = FunctionAgent(tools=[get_weather, get_time], llm=page["llm"])
    return Seen(str(await agent.run("?")))
