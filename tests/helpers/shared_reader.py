"""What a page makes of the events of a shared stream: an `EventSource` and its listeners, in the few lines of each."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

__all__ = ("PageReader", "split")


def split(data: bytes) -> list[tuple[str, str, Any]]:
    """The events in `data`: id, name and JSON of each, without comments and `retry`."""
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


class PageReader:
    """Keeps the text and the calls of choice 0, and what was on the screen: the text as it grew, with each change of mind."""

    def __init__(self) -> None:
        self.id = ""
        self.ids: list[str] = []
        self.names: list[str] = []
        self.text = ""
        self.typed = ""
        """Every character that was added, in order; the screen wiped is `~`."""
        self.calls: dict[int, list[str]] = {}
        self.response: Any = None
        self.end: Any = None

    def take(self, data: bytes) -> None:
        for id, name, said in split(data):
            assert self.end is None, "an event after the end"
            self.id = id
            self.ids.append(id)
            self.names.append(name)
            getattr(self, f"_{name}")(said)

    def _snapshot(self, said: Any) -> None:
        self.response = said
        message = {} if said is None or not said["choices"] else said["choices"][0]["message"]
        text = message.get("content") or ""
        self.typed += text[len(self.text) :] if text.startswith(self.text) else "~" + text
        self.text = text
        calls = message.get("tool_calls") or []
        self.calls = {at: [one["function"]["name"], one["function"]["arguments"]] for at, one in enumerate(calls)}

    def _chunk(self, said: Any) -> None:
        for choice in said["choices"]:
            if choice["index"] == 0:
                self.text += choice["delta"].get("content", "")
                self.typed += choice["delta"].get("content", "")
                for one in choice["delta"].get("tool_calls", ()):
                    call = self.calls.setdefault(one["index"], ["", ""])
                    call[0] += one["function"].get("name", "")
                    call[1] += one["function"]["arguments"]

    def _end(self, said: Any) -> None:
        self.end = said

    async def follow(self, events: AsyncIterator[bytes]) -> PageReader:
        async for some in events:
            self.take(some)
        return self
