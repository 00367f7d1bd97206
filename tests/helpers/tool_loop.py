"""A model that wants tools in three turns, and how often a loop of tools is played.

Two calls side by side, two more, an answer that joins the four results; what a tool itself asks (model "sub") is answered at
once. `pause` lets other tasks run, as often as a seed says.
"""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

from helpers.sender import Answer, said
from helpers.tier import TIER
from helpers.wire import DONE, delta, sse

__all__ = ("RUNS", "model", "pause")

RUNS = 5 if TIER == "quick" else 100


def model(body: dict[str, Any], number: int) -> Answer:
    messages = body["messages"]
    if body["model"] == "sub":
        return said(f"sub:{messages[-1]['content']}", stream=bool(body.get("stream")))
    results = [one["content"] for one in messages if one["role"] == "tool"]
    if len(results) >= 4:
        return said("+".join(results))
    calls = [
        {"index": n, "id": f"call-{number}-{n}", "type": "function"}
        | {"function": {"name": "look", "arguments": json.dumps({"what": f"{name}{len(results)}"})}}
        for n, name in enumerate("ab")
    ]
    return Answer(
        (*(sse(delta(json.dumps({"tool_calls": [call]}))) for call in calls), sse(delta("{}", "tool_calls")), DONE)
    )


async def pause(chance: Random) -> None:
    for _ in range(chance.randrange(20)):
        await asyncio.sleep(0)
