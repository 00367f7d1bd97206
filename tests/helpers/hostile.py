"""Chunks of hostile senders, and what a stream of them takes: `python -m helpers.hostile SHAPE` prints the growth of the
process in bytes, and the bytes that were fed until the stream ended or failed at a limit."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from itertools import count

from streamkit import Accumulator

__all__ = ("MEMORY", "call", "chunk", "fed", "finish", "names")


def chunk(text: str, *, delta: bool = False) -> bytes:
    """An event with this JSON; with `delta`, with this delta of choice 0."""
    return b"data: " + (f'{{"choices":[{{"index":0,"delta":{text}}}]}}' if delta else text).encode() + b"\n\n"


def finish(reason: str, index: int = 0) -> bytes:
    return chunk(f'{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"{reason}"}}]}}')


def names(n: int, value: str = '"a"', start: int = 0) -> bytes:
    """An event with n unknown fields in its delta."""
    return chunk("{" + ",".join(f'"{i:x}":{value}' for i in range(start, start + n)) + "}", delta=True)


def call(index: int, arguments: str, *, id: str | None = None, name: str = "f") -> bytes:
    function = json.dumps({"name": name, "arguments": arguments} if name else {"arguments": arguments})
    id = f"c{index}" if id is None else id
    return chunk(f'{{"tool_calls":[{{"index":{index},"id":"{id}","function":{function}}}]}}', delta=True)


def fed(stream: bytes, **options: bool) -> Accumulator:
    """An accumulator that has read this stream, in blocks of 64 KiB."""
    accumulator = Accumulator(**options)  # type: ignore[arg-type]
    for start in range(0, len(stream), 65536):
        accumulator.feed(stream[start : start + 65536])
    accumulator.close()
    return accumulator


def _lists(item: str, each: int, field: str = "z") -> Iterator[bytes]:
    items = ",".join([item] * each)
    for number in count():  # so that no list begins as the one before, and would be taken for a repeat of it
        yield chunk(f'{{"{field}":[{number},{items}]}}', delta=True)


def _fields(value: str) -> Iterator[bytes]:
    for start in range(0, 2_000_000, 20_000):
        yield names(20_000, value, start)


def _details() -> Iterator[bytes]:
    for start in range(0, 1_000_000, 10_000):
        items = ",".join(f'{{"index":{i}}}' for i in range(start, start + 10_000))
        yield chunk(f'{{"reasoning_details":[{items}]}}', delta=True)


def _calls() -> Iterator[bytes]:
    items = ",".join(f'{{"index":{i},"function":{{"name":"f"}}}}' for i in range(1000))
    for choice in range(1000):
        yield chunk(f'{{"choices":[{{"index":{choice},"delta":{{"tool_calls":[{items}]}}}}]}}')


def _counts() -> Iterator[bytes]:
    for start in range(0, 1_000_000, 10_000):
        counts = ",".join(f'"{i:x}":1' for i in range(start, start + 10_000))
        yield chunk(f'{{"choices":[],"usage":{{{counts}}}}}')


def _count_lists() -> Iterator[bytes]:
    items = ",".join(["{}"] * 5000)
    for number in range(2000):
        yield chunk(f'{{"choices":[],"usage":{{"k{number}":[{items}]}}}}')


def _tokens(entry: str) -> Iterator[bytes]:
    entries = ",".join([entry] * 2000)
    event = chunk(f'{{"choices":[{{"index":0,"delta":{{}},"logprobs":{{"content":[{entries}]}}}}]}}')
    while True:
        yield event


MEMORY: dict[str, Callable[[], Iterator[bytes]]] = {
    "unknown fields of text": lambda: _fields('"a"'),
    "unknown fields of objects": lambda: _fields('{"a":{}}'),
    "null fields": lambda: _fields("null"),
    "lists of empty objects": lambda: _lists("{}", 10_000),
    "lists of lists": lambda: _lists("[1]", 10_000),
    "lists of small objects": lambda: _lists('{"a":1}', 10_000),
    "annotations": lambda: _lists("{}", 10_000, "annotations"),
    "reasoning details": _details,
    "tool calls": _calls,
    "counts of the usage": _counts,
    "lists in the usage": _count_lists,
    "entries of log probabilities that say nothing": lambda: _tokens("{}"),
    "entries of log probabilities with unknown fields": lambda: _tokens('{"token":"a","x":[{},{},{}]}'),
    "lists in the bytes of log probabilities": lambda: _tokens('{"bytes":[%s]}' % ",".join(["[]"] * 20)),
    "numbers in the bytes of log probabilities": lambda: _tokens('{"bytes":[%s]}' % ",".join(["1e5"] * 20)),
    "alternatives of one token that say nothing": lambda: _tokens('{"top_logprobs":[%s]}' % ",".join(["{}"] * 20)),
    "alternatives of one token with other bytes": lambda: _tokens(
        '{"token":"a","top_logprobs":[%s]}' % ",".join(['{"token":"","logprob":0.5,"bytes":[9]}'] * 20)
    ),
}


def _measure(shape: str) -> tuple[int, int]:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    accumulator, size, before = Accumulator(), 0, peak()
    for event in MEMORY[shape]():
        accumulator.feed(event)
        size += len(event)
        if accumulator.done or size > 12_000_000:
            break
    accumulator.close()
    accumulator.snapshot()
    return peak() - before, size


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
