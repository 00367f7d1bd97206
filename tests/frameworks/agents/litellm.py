"""A loop over `litellm.completion`, whose chunks its `stream_chunk_builder` puts together."""

from __future__ import annotations

from typing import Any

import litellm

from frameworks.tools import Seen, call, note
from helpers.scenarios import CUSTOM_TOOL, TOOLS


def run(page: dict[str, Any]) -> Seen:
    messages: list[Any] = [{"role": "user", "content": "?"}]
    while True:
        chunks = list(page["complete"](messages=messages, tools=[*TOOLS, CUSTOM_TOOL], stream=True))
        message = litellm.stream_chunk_builder(chunks).choices[0].message
        if not message.tool_calls:
            return Seen(message.content)
        messages.append(message.model_dump(exclude_none=True))
        for one in message.tool_calls:
            custom = getattr(one, "custom", None)
            if custom:
                result = (
                    note(custom["name"], custom["input"])
                    if isinstance(custom, dict)
                    else note(custom.name, custom.input)
                )
            else:
                result = call(one.function.name, one.function.arguments)
            messages.append({"role": "tool", "tool_call_id": one.id, "content": result})
