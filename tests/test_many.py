"""Many streams at once in one process: each costs what one costs, and when they are over nothing of them is left.

All of them are open together: a server on the loopback interface sends the second half of each when all have the first.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

from helpers.loopback_async import ASK
from helpers.wire import DONE, delta, sse
from streamkit import AsyncChatStream

PIECES = 50
HALF = b"".join(sse(delta(f'{{"content":"piece {number:04} of the text "}}')) for number in range(PIECES))
END = sse(delta(finish="stop")) + DONE
TEXT = "".join(f"piece {number:04} of the text " for number in range(PIECES)) * 2


async def read_at_once(count: int) -> int:
    """The bytes that so many streams hold when half of each has come, those of the server's side too."""
    halves, together = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HALF)
        await together.wait()
        writer.write(HALF + END)
        writer.close()
        await writer.wait_closed()

    async def read(port: int) -> None:
        nonlocal halves
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK)
        async with AsyncChatStream(reader) as stream:
            pieces = 0
            async for _ in stream.text():
                pieces += 1
                if pieces == PIECES:
                    halves += 1
                    if halves == count:
                        gc.collect()
                        held.append(tracemalloc.get_traced_memory()[0])
                        together.set()
        writer.close()
        await writer.wait_closed()
        assert stream.outcome.name == "complete"
        assert TEXT == stream.response.choices[0].message.content

    held: list[int] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=count)
    before = tracemalloc.get_traced_memory()[0]
    async with server:
        await asyncio.gather(*(read(server.sockets[0].getsockname()[1]) for _ in range(count)))
    me = asyncio.current_task()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not me))  # the server's side of each
    return held[0] - before


def left_over() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_a_stream_among_many_costs_what_a_stream_costs_and_leaves_nothing() -> None:
    async def main() -> None:
        await read_at_once(10)  # what is loaded and cached by the first
        each = {count: await read_at_once(count) / count for count in (30, 80)}
        assert each[80] < each[30] * 1.1
        assert each[80] < 64 * 1024  # of it, 3 KiB are the text
        grown = []
        for _ in range(5):  # a leak would show in each; what the event loop has yet to let go of does not
            before = left_over()
            await read_at_once(80)
            grown.append(left_over() - before)
            if grown[-1] < 80 * 64:
                break
        assert min(grown) < 80 * 64, "under 64 bytes a stream: nothing of them"

    tracemalloc.start()
    try:
        # Without the debug mode of `python -X dev`, which keeps a traceback for every task and handle.
        asyncio.run(main(), debug=False)
    finally:
        tracemalloc.stop()
