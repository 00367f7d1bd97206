"""A chat in a terminal: text as it arrives, Ctrl-C to stop an answer, /retry, tools, and errors in words for people.

    python examples/chat.py http://127.0.0.1:8080/v1 MODEL

`streamkit serve traces/` is a server to try it with: its models are llama.cpp/plain, llama.cpp/tool_parallel and others, and
`--fault reset@0.5` or `--fault status=429,retry_after=3` breaks their answers.

What arrived is kept, however an answer ended: the next turn continues from there. /retry says first whether it would show
again what is on the screen, and waits for as long as the server asks.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

import streamkit
from streamkit.errors import ErrorKind, SourceError, StreamError
from streamkit.events import ContentDelta, ReasoningDelta, RefusalDelta
from streamkit.sources import retry_after

ROUNDS = 8  # of tool calls in one turn: a model may call for ever
DEADLINES = streamkit.Deadlines(
    idle=60, total=600
)  # seconds; the client's read timeout ends a wait for one that is silent

WORDS: dict[ErrorKind, str] = {
    "rate_limit": "That was too much for now",
    "overloaded": "The service is too busy",
    "context_length": "The conversation is too long for this model",
    "content_filter": "The service will not answer that",
    "auth": "The service does not accept the key",
    "bad_request": "The service does not understand the request",
    "network": "The connection broke",
    "sender": "The service failed",
    "unknown": "Something went wrong",
}

WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


def run(name: str, arguments: str) -> str:
    """Run a tool. What it cannot do is an answer for the model, which may correct itself."""
    return f"18 degrees in {json.loads(arguments).get('city')}" if name == "get_weather" else f"there is no tool {name}"


def in_words(error: StreamError, wait: float | None) -> str:
    """Return what happened and what a retry would do, for people; `wait`: the seconds that the server asks for."""
    if not error.retryable:
        return f"[{WORDS[error.kind]}. Asking again will not help.]"
    again = "would begin the answer anew" if error.emitted else "is safe"
    return f"[{WORDS[error.kind]}. /retry {again}{'' if wait is None else f', in {wait:.0f} s'}.]"


class Chat:
    """One conversation. `show` takes text for the screen; `run` a tool's name and its arguments, for what it returns."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        model: str,
        show: Callable[[str], object],
        run: Callable[[str, str], str] = run,
    ) -> None:
        self.messages: list[dict[str, Any]] = []
        self.wait: float | None = None
        """For how many seconds the server asked to wait."""
        self._client, self._url, self._model, self._show, self._run = client, url, model, show, run
        self._stream: streamkit.ChatStream | None = None

    def ask(self, text: str) -> StreamError | None:
        """Say something, show the answer; return what went wrong, if anything did."""
        self.messages.append({"role": "user", "content": text})
        return self._turn()

    def retry(self) -> StreamError | None:
        """Ask again what was asked last; what had arrived of the answer is dropped."""
        while self.messages and self.messages[-1]["role"] != "user":
            self.messages.pop()
        return self._turn()

    def stop(self) -> bool:
        """Stop the answer that is arriving, from any thread or a signal handler; False if there is none."""
        if self._stream is None:
            return False
        self._stream.close()
        return True

    def _turn(self) -> StreamError | None:
        for _ in range(ROUNDS):
            error, calls = self._answer()
            if error is not None or not calls:
                return error
            for call in calls:
                result = self._run(call.function.name, call.function.arguments)
                self.messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return None

    def _answer(self) -> tuple[StreamError | None, list[Any]]:
        """Show one answer and keep it; return what went wrong, and the calls that are to be run."""
        tools = [{"type": "function", "function": WEATHER}]
        request = {"model": self._model, "messages": self.messages, "tools": tools, "stream": True}
        sent, self.wait = time.monotonic(), None
        try:
            with self._client.stream("POST", self._url, json=request) as http:
                self.wait = retry_after(http)
                with streamkit.ChatStream(http, sent=sent, deadlines=DEADLINES) as self._stream:
                    for event in self._stream:
                        if isinstance(event, ContentDelta | ReasoningDelta | RefusalDelta):
                            self._show(event.text)
        except httpx.HTTPError as error:  # before there is a response: nothing was shown
            return SourceError(str(error)), []
        except StreamError:
            pass  # the outcome has it, and that of a stream that ended without raising
        finally:
            stream, self._stream = self._stream, None
        assert stream is not None
        assert stream.outcome is not None
        calls = self._keep(stream.snapshot())
        if any(one.severity == "lost" for one in stream.anomalies) and stream.outcome.ok:
            self._show("\n[A piece of this answer could not be read.]")
        return stream.outcome.error, calls

    def _keep(self, response: Any) -> list[Any]:
        """Keep what arrived, whole or not; return the calls that are fit to be run."""
        if response is None or not response.choices:
            return []
        message = response.choices[0].message
        self.messages.append(streamkit.unstructure(message.to_request()))
        return [call for call in message.tool_calls or [] if call.complete]


def main(url: str, model: str) -> None:
    """Chat until the end of the input."""
    with httpx.Client(timeout=60) as client:
        chat = Chat(client, f"{url}/chat/completions", model, lambda text: print(text, end="", flush=True))

        def interrupted(number: int, frame: Any) -> None:
            if not chat.stop():
                raise KeyboardInterrupt

        signal.signal(signal.SIGINT, interrupted)
        while text := input("\n> "):
            if text == "/retry" and chat.wait:
                time.sleep(chat.wait)
            error = chat.retry() if text == "/retry" else chat.ask(text)
            if error is not None:
                print("\n" + in_words(error, chat.wait))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (EOFError, KeyboardInterrupt):
        print()
