"""An `AssistantAgent` of autogen that streams, and that goes on until there is text."""

from __future__ import annotations

from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    agent = AssistantAgent(
        "a",
        page["model_client"],
        tools=[get_weather, get_time],
        model_client_stream=True,
        max_tool_iterations=4,
    )
    last: Any = None
    async for event in agent.run_stream(task="?"):
        if isinstance(event, TaskResult):
            last = event.messages[-1]
    return Seen(str(last.content))
