"""The SDK's own stream helper, which frameworks and agents by hand are built on."""

from __future__ import annotations

from typing import Any

from frameworks.tools import Seen, call
from helpers.scenarios import CUSTOM_TOOL, TOOLS


def run(page: dict[str, Any]) -> Seen:
    messages: list[Any] = [{"role": "user", "content": "?"}]
    while True:
        asked = {"model": "m", "messages": messages, "tools": [*TOOLS, CUSTOM_TOOL]}
        with page["chat"].chat.completions.stream(**asked) as stream:
            for _ in stream:
                pass
            completion = stream.get_final_completion()
        message = completion.choices[0].message
        if not message.tool_calls:
            usage = completion.usage
            counted = usage and (usage.prompt_tokens, usage.completion_tokens)
            return Seen(message.content or message.refusal or "", counted or None)
        messages.append({"role": "assistant", "tool_calls": [one.to_dict() for one in message.tool_calls]})
        for one in message.tool_calls:
            result = call(one.function.name, one.function.arguments)
            messages.append({"role": "tool", "tool_call_id": one.id, "content": result})
