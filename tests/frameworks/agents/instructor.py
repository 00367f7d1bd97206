"""One object, read from a call while it grows: of the scenarios those that must not pass for whole."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from frameworks.tools import Seen, note


class Weather(BaseModel):
    """Report the weather in a city."""

    city: str


def run(page: dict[str, Any]) -> Seen:
    asked = {"model": "m", "messages": [{"role": "user", "content": "?"}], "response_model": Weather}
    if grown := list(page["client"].create_partial(**asked)):
        note("get_weather", grown[-1].model_dump())
    return Seen()
