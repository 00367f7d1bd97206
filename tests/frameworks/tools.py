"""The two tools of every scenario, as functions that note what they were called with, and what an agent came to."""

from __future__ import annotations

import json
from typing import Any

import attrs

RESULT = "It is noted 4711."
"""What both tools return: a request that holds it brings the result of a tool, whatever role its framework gives it."""

RAN: list[tuple[str, str]] = []
"""Each call that was run: its name, and its arguments as JSON."""


@attrs.define
class Seen:
    """What an agent came to; None for what its framework does not report."""

    text: str | None = ""
    usage: tuple[int, int] | None = None
    """Tokens of the prompt and of the answer, added over all requests of the run."""
    reasoning: str | None = None


def note(name: str, arguments: Any) -> str:
    """Note a call that is run."""
    RAN.append((name, json.dumps(arguments, ensure_ascii=False)))
    return RESULT


def get_weather(city: str) -> str:
    """Report the weather in a city.

    Args:
        city: The city.
    """
    return note("get_weather", {"city": city})


def get_time(zone: str) -> str:
    """Report the time in a time zone.

    Args:
        zone: The time zone.
    """
    return note("get_time", {"zone": zone})


def call(name: str, arguments: str | dict[str, Any]) -> str:
    """Run a call by name, for loops that are written by hand."""
    given = json.loads(arguments) if isinstance(arguments, str) else arguments
    return {"get_weather": get_weather, "get_time": get_time}[name](**given)
