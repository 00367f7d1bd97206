"""A loop over `LLM.call`, which streams and gives the calls back where it is given no functions to run."""

from __future__ import annotations

from typing import Any

from frameworks.tools import Seen, call
from helpers.scenarios import TOOLS


def run(page: dict[str, Any]) -> Seen:
    messages: list[Any] = [{"role": "user", "content": "?"}]
    while True:
        found = page["llm"].call(messages, tools=TOOLS)
        if isinstance(found, str):
            return Seen(found)
        calls = [one if isinstance(one, dict) else one.to_dict() for one in found]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        for one in calls:
            result = call(one["function"]["name"], one["function"]["arguments"])
            messages.append({"role": "tool", "tool_call_id": one["id"], "content": result})
