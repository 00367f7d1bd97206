"""What a cleaning transport costs beneath the openai SDK: the SDK reads a stream from memory, with it and without.

In: made streams of shapes.py, one event a block, as a transport of httpx yields them. Out: figures. No network: what that costs
is the same for both, and would hide what is measured.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import shapes
from figures import Figure, at_most
from workloads import TITLES, Bench, Blocks

__all__ = ("transport",)

MOST = 15.0  # percent of what the SDK takes by itself
QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": True}


def transport(bench: Bench) -> Iterator[Figure]:
    """What the cleaning transport adds to the CPU time that openai-python takes for a chunk, one event a block"""
    try:
        library, openai = importlib.import_module("httpx2"), importlib.import_module("openai")
    except ImportError:
        return
    from streamkit.integrations.httpx import async_cleaning_transport, cleaning_transport

    for shape in ("text", "tool_arguments", "logprobs", "choices"):
        raw = shapes.SHAPES[shape](bench.chunks)
        blocks, count = shapes.events(raw), shapes.chunks(raw)
        inner, async_inner = _given(library, blocks)
        for way, read, alone, cleaned in (
            ("sync", _reader(library, openai), inner, cleaning_transport(inner)),
            ("async", _async_reader(library, openai), async_inner, async_cleaning_transport(async_inner)),
        ):
            took = bench.medians({"alone": lambda: read(alone), "cleaned": lambda: read(cleaned)})  # noqa: B023
            each = {name: seconds / count * 1e6 for name, seconds in took.items()}
            note = f"{each['cleaned'] - each['alone']:.1f} µs more than {each['alone']:.1f}"
            added = (took["cleaned"] / took["alone"] - 1) * 100
            yield at_most(f"{TITLES[shape]}, {way}: added to a chunk", added, MOST, " %", note)


def _given(library: Any, blocks: Blocks) -> tuple[Any, Any]:
    """Return a transport of each kind that answers each request with these blocks."""
    headers = {"content-type": "text/event-stream"}

    class Body(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            return iter(blocks)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for block in blocks:
                yield block

    class Given(library.BaseTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            return library.Response(200, headers=headers, stream=Body())

    class AsyncGiven(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            return library.Response(200, headers=headers, stream=Body())

    return Given(), AsyncGiven()


def _reader(library: Any, openai: Any) -> Callable[[Any], None]:
    def read(transport: Any) -> None:
        http = library.Client(transport=transport)
        chat = openai.OpenAI(api_key="k", base_url="http://sender.test/v1", http_client=http)
        for _ in chat.chat.completions.create(**QUESTION):
            pass

    return read


def _async_reader(library: Any, openai: Any) -> Callable[[Any], None]:
    async def read(transport: Any) -> None:
        http = library.AsyncClient(transport=transport)
        chat = openai.AsyncOpenAI(api_key="k", base_url="http://sender.test/v1", http_client=http)
        async for _ in await chat.chat.completions.create(**QUESTION):
            pass

    return lambda transport: asyncio.run(read(transport))
