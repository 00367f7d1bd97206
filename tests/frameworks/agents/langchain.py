"""An agent of `create_agent`, whose messages are streamed."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent

from frameworks.tools import Seen, get_time, get_weather


async def run(page: dict[str, Any]) -> Seen:
    agent = create_agent(page["model"], [get_weather, get_time])
    last: Any = None
    async for mode, found in agent.astream(
        {"messages": [{"role": "user", "content": "?"}]}, stream_mode=["messages", "values"]
    ):
        if mode == "values":
            last = found["messages"][-1]
    blocks = last.content_blocks
    text = "".join(one["text"] for one in blocks if one["type"] == "text")
    refusal = "".join(one["refusal"] for one in blocks if one["type"] == "refusal")
    reasoning = "".join(one.get("reasoning", "") for one in blocks if one["type"] == "reasoning")
    usage = last.usage_metadata
    counted = usage and (usage["input_tokens"], usage["output_tokens"])
    return Seen(text or refusal, counted or None, reasoning or None)
