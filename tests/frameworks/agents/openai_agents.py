"""An `Agent` of openai-agents, streamed by its `Runner`."""

from __future__ import annotations

from typing import Any

from agents import Agent, Runner, function_tool

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    agent = Agent(name="a", model=page["model"], tools=[function_tool(get_weather), function_tool(get_time)])
    result = Runner.run_streamed(agent, "?")
    async for _ in result.stream_events():
        pass
    usage = result.context_wrapper.usage
    return Seen(result.final_output, (usage.input_tokens, usage.output_tokens))
