"""A `ChatCompletionAgent` of semantic-kernel, streamed."""

from __future__ import annotations

from typing import Any

from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.functions import kernel_function

from frameworks.tools import Seen, note


class Tools:
    @kernel_function(name="get_weather", description="Report the weather in a city.")
    def get_weather(self, city: str) -> str:
        return note("get_weather", {"city": city})

    @kernel_function(name="get_time", description="Report the time in a time zone.")
    def get_time(self, zone: str) -> str:
        return note("get_time", {"zone": zone})


async def run(page: dict[str, Any]) -> Seen:
    agent = ChatCompletionAgent(service=page["service"], name="a", plugins=[Tools()])
    text = [str(item.message.content or "") async for item in agent.invoke_stream(messages="?")]
    return Seen("".join(text))
