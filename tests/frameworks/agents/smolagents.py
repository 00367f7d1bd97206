"""A loop over the deltas of `generate_stream`: its agents take a text alone for no answer, and ask on."""

from __future__ import annotations

from typing import Any

from smolagents import Tool
from smolagents.models import agglomerate_stream_deltas

from frameworks.tools import Seen, call, get_time, get_weather


class Weather(Tool):
    name, description, output_type = "get_weather", "Report the weather in a city.", "string"
    inputs = {"city": {"type": "string", "description": "The city."}}  # noqa: RUF012

    def forward(self, city: str) -> str:
        return get_weather(city)


class Time(Tool):
    name, description, output_type = "get_time", "Report the time in a time zone.", "string"
    inputs = {"zone": {"type": "string", "description": "The time zone."}}  # noqa: RUF012

    def forward(self, zone: str) -> str:
        return get_time(zone)


def run(page: dict[str, Any]) -> Seen:
    messages: list[Any] = [_user("?")]
    used = [0, 0]
    while True:
        deltas = list(page["model"].generate_stream(messages, tools_to_call_from=[Weather(), Time()]))
        message = agglomerate_stream_deltas(deltas)
        if (usage := message.token_usage) is not None:
            used = [used[0] + usage.input_tokens, used[1] + usage.output_tokens]
        if not message.tool_calls:
            return Seen(message.content, (used[0], used[1]) if any(used) else None)
        calls = [
            {
                "id": one.id,
                "type": "function",
                "function": {"name": one.function.name, "arguments": one.function.arguments},
            }
            for one in message.tool_calls
        ]
        messages.append({"role": "assistant", "tool_calls": calls, "content": _user("")["content"]})
        for one in message.tool_calls:
            messages.append(_user(call(one.function.name, one.function.arguments)))


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}
