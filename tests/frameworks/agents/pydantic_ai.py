"""An `Agent` that streams each of its requests."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    async def events(_: Any, stream: Any) -> None:
        async for _event in stream:
            pass

    agent = Agent(page["model"], tools=[get_weather, get_time])
    result = await agent.run("?", event_stream_handler=events)
    usage = result.usage() if callable(result.usage) else result.usage
    return Seen(result.output, (usage.input_tokens, usage.output_tokens))
