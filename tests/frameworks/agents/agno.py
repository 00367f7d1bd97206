"""An `Agent` of agno that streams."""

from __future__ import annotations

from typing import Any

from agno.agent import Agent
from agno.run.agent import RunErrorEvent

from frameworks.tools import Seen, get_time, get_weather


def run(page: dict[str, Any]) -> Seen:
    agent = Agent(model=page["model"], tools=[get_weather, get_time], telemetry=False)
    last: Any = None
    for event in agent.run("?", stream=True, stream_events=True, yield_run_output=True):
        if isinstance(event, RunErrorEvent):
            raise RuntimeError(event.content)
        last = event
    metrics = last.metrics
    counted = metrics and (metrics.input_tokens, metrics.output_tokens)
    return Seen(last.content, counted if counted and any(counted) else None)
