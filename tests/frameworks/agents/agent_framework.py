"""An `Agent` of agent-framework, streamed."""

from __future__ import annotations

from typing import Any

from agent_framework import Agent

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    agent = Agent(client=page["chat_client"], tools=[get_weather, get_time])
    stream = agent.run("?", stream=True)
    text = [update.text or "" async for update in stream]
    return Seen("".join(text))
