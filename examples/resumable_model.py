"""A model server for trials that keeps writing while nobody listens, and lets a client resume: an ASGI app.

    uvicorn resumable_model:model --app-dir examples --port 8080

`Idempotency-Key` names an answer: a request with a key that was seen before gets the same answer, as it was or still is
being written, from byte `?offset=` on. An offset in an answer that is not there (the server was restarted) is a 404.

It says that it looks something up, calls the tool `weather`, and says what that returned.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

PACE = 0.02  # seconds between two pieces


class Answer:
    """One answer that is being written."""

    def __init__(self, pieces: list[bytes], think: Callable[[], Awaitable[None]]) -> None:
        self.data = bytearray()
        self.over = False
        self._more = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._write(pieces, think))

    async def _write(self, pieces: list[bytes], think: Callable[[], Awaitable[None]]) -> None:
        for piece in pieces:
            await think()
            self.data += piece
            self._ring()
        self.over = True
        self._ring()

    def _ring(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

    async def more(self, at: int) -> bytes:
        """Return what follows byte `at`, as soon as there is something; nothing at the end."""
        while len(self.data) <= at and not self.over:
            await self._more.wait()
        return bytes(self.data[at:])


class Model:
    """The app. `pace`: seconds between two pieces."""

    def __init__(self, pace: float = PACE) -> None:
        self._pace = pace
        self._answers: dict[str, Answer] = {}

    async def think(self) -> None:
        """Wait before the next piece."""
        await asyncio.sleep(self._pace)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        key = dict(scope["headers"])[b"idempotency-key"].decode()
        at = int(scope["query_string"].decode().partition("offset=")[2] or 0)
        answer = self._answers.get(key)
        if answer is None and not at:
            answer = self._answers[key] = Answer(written(json.loads(body)["messages"]), self.think)
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 404 if answer is None else 200, "headers": headers})
        while answer is not None and (data := await answer.more(at)):
            at += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def written(messages: list[dict[str, Any]]) -> list[bytes]:
    """Return the answer to these messages, piece by piece."""
    last = messages[-1]
    if last["role"] == "tool":
        return streamed(f"Here is what I found: {last['content']} Pack an umbrella, and enjoy the evening 🌦.")
    call = {"city": "Paris", "days": ["Monday", "Tuesday", "Wednesday"], "units": "celsius", "hourly": False}
    return streamed("Let me look that up for you, one moment. ", call)


def streamed(text: str, arguments: Any = None) -> list[bytes]:
    """Return a text, and then a tool call, in small pieces."""
    deltas: list[dict[str, Any]] = [{"content": text[at : at + 3]} for at in range(0, len(text), 3)]
    if arguments is not None:
        header = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
        deltas.append({"tool_calls": [header]})
        said = json.dumps(arguments)
        pieces = [said[at : at + 4] for at in range(0, len(said), 4)]
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    finish = "stop" if arguments is None else "tool_calls"
    choices = [*({"index": 0, "delta": one} for one in deltas), {"index": 0, "delta": {}, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763720000, "model": "a-model"}
    return [
        *(b"data: %b\n\n" % json.dumps({**head, "choices": [one]}).encode() for one in choices),
        b"data: [DONE]\n\n",
    ]


model = Model()
