"""An `Agent` of strands, which always streams."""

from __future__ import annotations

from typing import Any

from strands import Agent, tool

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    agent = Agent(model=page["model"], tools=[tool(get_weather), tool(get_time)], callback_handler=None)
    result = await agent.invoke_async("?")
    return Seen("".join(block.get("text", "") for block in result.message["content"]))
