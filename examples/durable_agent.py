"""An agent that survives `kill -9`: another worker continues where it was killed, in mid-stream and in the middle of a tool call.

    uvicorn resumable_model:model --app-dir examples --port 8080     the model
    python examples/durable_agent.py work                            as many workers as you like; kill any of them
    python examples/durable_agent.py ask "How is the weather in Paris?"

REDIS and UPSTREAM in the environment say where those are. What a run needs is in Redis: its question, each turn of the model as a
shared stream (with its checkpoint), what each tool returned. All workers follow every run; for each turn one of them has the lease
and reads, the others wait until it is over or the lease has run out.

The user reads each character once. A tool may run twice, where a worker was killed between running it and noting what it
returned: make tools that can be repeated.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import httpx2
from redis import asyncio as redis

from streamkit import unstructure
from streamkit.gateway import CannotResumeError, RedisStore, SharedStreams, new_key
from streamkit.sse import EventDecoder, ServerSentEvent

RUNS = "agent:runs"  # a hash: run -> question, of the runs that are not over
LEASE = 5.0  # seconds without a sign of life after which a worker is taken for dead
LOOK = 0.1  # seconds between two looks for runs, or for the next turn of one


class Agent:
    """One worker, or one reader. `url`: of Redis. `upstream`: of the model, without the `/v1`."""

    def __init__(self, url: str, upstream: str, lease: float = LEASE) -> None:
        self.redis = redis.from_url(url)
        self.streams = SharedStreams(RedisStore(self.redis, prefix="agent"), lease=lease, takeover=600, keep=2000)
        self.client = httpx2.AsyncClient(base_url=upstream, timeout=httpx2.Timeout(10, read=None), trust_env=False)

    # --- a worker

    async def work(self) -> None:
        """Bring every run to its end, for ever."""
        async with asyncio.TaskGroup() as tasks:
            mine: dict[bytes, asyncio.Task[None]] = {}
            while True:
                for run, question in (await self.redis.hgetall(RUNS)).items():
                    if run not in mine or mine[run].done():
                        mine[run] = tasks.create_task(self.attend(run.decode(), question.decode()))
                await asyncio.sleep(LOOK)

    async def attend(self, run: str, question: str) -> None:
        """Do what `run` does; where it fails, report that and leave the run for another try."""
        try:
            await self.run(run, question)
        except Exception as error:
            print(f"failed {run}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(1)

    async def run(self, run: str, question: str) -> None:
        """Bring one run to its end: all that happened before is read from Redis, not done again."""
        messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
        for turn in count():
            key = f"{run}-{turn}"
            answer = await self.streams.ensure(key, lambda offset, key=key: self.open(key, messages, offset))
            if answer.response is None or not answer.outcome.ok:
                break  # the reader has seen how it ended; this is the place to try again with another key
            message = answer.response.choices[0].message
            messages.append(unstructure(message.to_request()))
            calls = [call for call in message.tool_calls or () if call.complete]
            for call in calls:
                messages.append({"role": "tool", "tool_call_id": call.id, "content": await self.once(key, call)})
            if not calls:
                break
        await self.redis.hdel(RUNS, run)

    async def open(self, key: str, messages: list[dict[str, Any]], offset: int) -> Any:
        """Ask the model, or let it continue after `offset` bytes of what it wrote for this key."""
        print(f"reads {key} from byte {offset}", flush=True)
        url, body = f"/v1/chat/completions?offset={offset}", {"model": "a-model", "messages": messages, "stream": True}
        request = self.client.build_request("POST", url, json=body, headers={"idempotency-key": key})
        response = await self.client.send(request, stream=True)
        if offset and response.status_code != 200:
            await response.aclose()
            raise CannotResumeError(f"the model has lost {key}: HTTP {response.status_code}")
        return response

    async def once(self, key: str, call: Any) -> str:
        """Return what a tool returned for this call, of whichever worker ran it first."""
        place = f"agent:tool:{key}:{call.id}"
        if await self.redis.get(place) is None:
            arguments = json.loads(call.function.arguments)
            found = f"rain until six in {arguments['city']}, 18 degrees {arguments['units']}."
            await self.redis.set(place, found, nx=True, ex=3600)
        noted: bytes = await self.redis.get(place)
        return noted.decode()

    # --- a reader

    async def ask(self, question: str) -> AsyncIterator[str]:
        """Begin a run, and yield what is to be shown of it, as it is said."""
        run = new_key()
        await self.redis.hset(RUNS, run, question)
        for turn in count():
            screen = Screen()
            while not screen.over:  # the turn has not begun yet, or this connection was lost
                async for text in self.follow(f"{run}-{turn}", screen):
                    yield text
                if not screen.over:
                    await asyncio.sleep(LOOK)
            if not screen.calls:
                return

    async def follow(self, key: str, screen: Screen) -> AsyncIterator[str]:
        """Yield what one turn adds to the screen. A browser does the same with an `EventSource`."""
        decoder = EventDecoder()
        async for block in self.streams.events(key, screen.last):
            for event in decoder.feed_all(block):
                if isinstance(event, ServerSentEvent):
                    if text := screen.take(event):
                        yield text


class Screen:
    """What was shown of one turn. `last`: the id of the last event; `calls`: whether it calls tools."""

    def __init__(self) -> None:
        self.last, self.shown, self.calls, self.over = "", "", False, False

    def take(self, event: ServerSentEvent) -> str:
        """Return what an event adds."""
        self.last = event.id
        said = json.loads(event.data)
        if event.event == "end":
            self.over = True
            return "\n" if said["outcome"] == "complete" else f"\n[{said['outcome']}: {said['reason']}]\n"
        new = ""
        if event.event == "snapshot" and said is not None:
            whole = self._words(said["choices"][0]["message"])
            new = whole[len(self.shown) :] if whole.startswith(self.shown) else f"\n[again]\n{whole}"
        elif event.event == "chunk":
            new = self._words(said["choices"][0]["delta"])
        self.shown += new
        return new

    def _words(self, message: dict[str, Any]) -> str:
        words = message.get("content") or ""
        for call in message.get("tool_calls") or ():
            self.calls = True
            function = call["function"]
            words += (f"\n{function['name']} " if function.get("name") else "") + function["arguments"]
        return words


async def main(verb: str = "", *words: str) -> None:
    """Work, or ask."""
    address, upstream = (
        os.environ.get("REDIS", "redis://127.0.0.1:6379"),
        os.environ.get("UPSTREAM", "http://127.0.0.1:8080"),
    )
    agent = Agent(address, upstream, float(os.environ.get("LEASE", LEASE)))
    if verb == "work":
        await agent.work()
    elif verb == "ask":
        async for text in agent.ask(" ".join(words)):
            print(text, end="", flush=True)
    else:
        sys.exit(f"usage: durable_agent.py work, or durable_agent.py ask QUESTION; not {verb!r}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
