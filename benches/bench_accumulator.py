"""The whole path, bytes to response, by shape and by way in; groups are shared with test_peers.py.

1,000 chunks each, so a median in milliseconds is µs a chunk.
"""

from __future__ import annotations

from typing import Any

import pytest

import shapes
import streamkit
from streamkit.types import CreateChatCompletionStreamResponse


def feed(blocks: list[bytes]) -> Any:
    """With events: what a user interface does."""
    acc = streamkit.Accumulator()
    for block in blocks:
        acc.feed(block)
    acc.close()
    return acc.snapshot()


def absorb(blocks: list[bytes]) -> Any:
    """Without events: what a gateway does."""
    acc = streamkit.Accumulator()
    for block in blocks:
        acc.absorb(block)
    acc.close()
    return acc.snapshot()


def snapshot_each(blocks: list[bytes]) -> Any:
    """Take a snapshot after every block: what an agent framework does that shows partial messages."""
    acc = streamkit.Accumulator()
    for block in blocks:
        acc.absorb(block)
        acc.snapshot()
    acc.close()
    return acc.snapshot()


LARGE = 65536
WAYS = {
    "large blocks, absorb": (absorb, lambda raw: shapes.blocks(raw, LARGE)),
    "large blocks, feed": (feed, lambda raw: shapes.blocks(raw, LARGE)),
    "one event a block, absorb": (absorb, shapes.events),
    "one event a block, feed": (feed, shapes.events),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", shapes.SHAPES)
def bench_whole_path(measure: Any, shape: str, way: str) -> None:
    work, cut = WAYS[way]
    response = measure(f"whole path: {shape}", work, cut(shapes.SHAPES[shape](shapes.CHUNKS)))
    assert response.usage.completion_tokens == shapes.CHUNKS


@pytest.mark.parametrize("shape", shapes.SHAPES)
def bench_reassemble(measure: Any, shape: str) -> None:
    measure(f"whole path: {shape}", streamkit.reassemble, shapes.SHAPES[shape](shapes.CHUNKS))


def bench_one_huge_event_in_large_blocks(measure: Any) -> None:
    measure(
        "whole path: one huge event of 3 MB", absorb, shapes.blocks(shapes.one_huge_event(3_000_000), LARGE), chunks=1
    )


def bench_a_snapshot_after_every_block(measure: Any) -> None:
    measure("snapshots: text, one event a block", snapshot_each, shapes.events(shapes.text(shapes.CHUNKS)))


def add_all(chunks: list[Any]) -> Any:
    acc = streamkit.Accumulator()
    for chunk in chunks:
        acc.add(chunk)
    acc.close()
    return acc.snapshot()


@pytest.mark.parametrize("shape", ["text", "tool_arguments", "logprobs"])
def bench_typed_chunks(measure: Any, shape: str) -> None:
    lines = [event.removeprefix(b"data: ") for event in shapes.events(shapes.SHAPES[shape](shapes.CHUNKS))[:-1]]
    chunks = [streamkit.loads(line, CreateChatCompletionStreamResponse) for line in lines]
    measure(f"typed chunks to state: {shape}", add_all, chunks)


def thousand_interleaved(blocks: list[bytes]) -> None:
    accs = [streamkit.Accumulator() for _ in range(1000)]
    for block in blocks:
        for acc in accs:
            acc.absorb(block)
    for acc in accs:
        acc.close()


def bench_a_thousand_streams_in_turn(measure: Any) -> None:
    n = 20
    blocks = shapes.events(shapes.text(n))
    measure("1,000 streams of 20 chunks in turn", thousand_interleaved, blocks, chunks=1000 * n, slow=True)
