"""An `Agent` of haystack, whose generator streams."""

from __future__ import annotations

from typing import Any

from haystack.components.agents import Agent
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function

from frameworks.tools import Seen, get_time, get_weather


def run(page: dict[str, Any]) -> Seen:
    tools = [create_tool_from_function(one) for one in (get_weather, get_time)]
    agent = Agent(chat_generator=page["generator"], tools=tools, streaming_callback=lambda chunk: None)
    last = agent.run(messages=[ChatMessage.from_user("?")])["messages"][-1]
    return Seen(last.text)
