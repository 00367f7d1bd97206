"""A `Module` over `dspy.LM` with native calls, streamed by `streamify`."""

from __future__ import annotations

from typing import Any

import dspy

from frameworks.tools import Seen, call
from helpers.scenarios import TOOLS


class Loop(dspy.Module):  # type: ignore[misc]
    def __init__(self, lm: Any) -> None:
        super().__init__()
        self.lm = lm

    async def aforward(self, question: str) -> Any:
        messages: list[Any] = [{"role": "user", "content": question}]
        while True:
            (found,) = await self.lm.acall(messages=messages, tools=TOOLS)
            calls = [] if isinstance(found, str) else found.get("tool_calls") or []
            if not calls:
                text = found if isinstance(found, str) else found.get("text")
                return dspy.Prediction(text=text)
            messages.append({"role": "assistant", "content": None, "tool_calls": [_dict(one) for one in calls]})
            for one in map(_dict, calls):
                result = call(one["function"]["name"], one["function"]["arguments"])
                messages.append({"role": "tool", "tool_call_id": one["id"], "content": result})


def _dict(one: Any) -> dict[str, Any]:
    given: dict[str, Any] = one if isinstance(one, dict) else one.model_dump()
    return given


async def run(page: dict[str, Any]) -> Seen:
    program = dspy.streamify(Loop(page["lm"]), is_async_program=True)
    last: Any = None
    async for item in program(question="?"):
        if isinstance(item, dspy.Prediction):
            last = item
    return Seen(last.text)
