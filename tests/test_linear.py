"""Four times as many chunks cost less than eight times as much: what arrived before makes no chunk more expensive.

Half of `n` and twice `n` are measured in one run, by turns, and the best of several rounds counts: no absolute times.
`n` is such that a cost that grows with what arrived before (text joined at each piece, a list copied, a buffer searched
again) would be most of the time at twice `n`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

import shapes
from helpers.measure import best
from helpers.tier import some
from streamkit import Accumulator
from streamkit.sse import EventDecoder


def fed(blocks: list[bytes]) -> None:
    accumulator = Accumulator()
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()
    accumulator.snapshot()


def fed_the_long_way(blocks: list[bytes]) -> None:
    accumulator = Accumulator(fast=False)
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()
    accumulator.snapshot()


def absorbed(blocks: list[bytes]) -> None:
    accumulator = Accumulator()
    for block in blocks:
        accumulator.absorb(block)
    accumulator.close()
    accumulator.snapshot()


def decoded(blocks: list[bytes]) -> None:
    decoder = EventDecoder()
    for block in blocks:
        decoder.feed(block)
    decoder.close()


def events(delta: Callable[[int], dict[str, Any]], **more: Any) -> Callable[[int], list[bytes]]:
    """Streams of `n` chunks, one a block, each with the delta that its number gives."""

    def make(n: int) -> list[bytes]:
        chunks = ({"id": "c", "created": 1, "choices": [{"index": 0, "delta": delta(i)}], **more} for i in range(n))
        return [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks]

    return make


def one_block(make: Callable[[int], list[bytes]], end: bytes) -> Callable[[int], list[bytes]]:
    """What `make` makes with these line ends, all of it as one block."""
    return lambda n: [b"".join(make(n)).replace(b"\n", end)]


def by_turns(i: int) -> dict[str, Any]:
    """Deltas that the fast lane takes, and deltas that it does not, by turns."""
    return {"content": LINE} if i % 2 else {"images": [i]}


def drip(make: Callable[[int], bytes], size: int = 64) -> Callable[[int], list[bytes]]:
    """What `make` makes, `size` bytes a block."""
    return lambda n: shapes.blocks(make(n), size)


def live(make: Callable[[int], bytes]) -> Callable[[int], list[bytes]]:
    """What `make` makes, one event a block."""
    return lambda n: shapes.events(make(n))


def a_call(i: int) -> dict[str, Any]:
    return {"tool_calls": [{"index": i, "id": f"call_{i}", "function": {"name": "f", "arguments": "{}"}}]}


def a_choice_a_chunk(n: int) -> bytes:
    return shapes.choices(n, k=n)


def lines(n: int) -> bytes:
    return b"data: [\n" + n * b"data: 1,\n" + b"data: 1]\n\n"


def unknown_lines(n: int) -> bytes:
    return n * b"x\n" + b"data: {}\n\n"


def whitespace(n: int) -> bytes:
    return n * b" \n\r\t" + b"data: {}\n\n"


def body(n: int) -> bytes:
    return b'{"choices":[{"index":0,"message":{"content":"%b"}}]}' % (n * b"x")


def torn(n: int) -> bytes:
    return n * b'data: {"choices":[\n\n'


DETAIL = {"type": "reasoning.text", "index": 0}
AUDIO = base64.b64encode(bytes(300)).decode()
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}

LINE = "words to be copied, if ever they are copied, again and again. " * 4  # long, so that a copy at each piece shows

text = events(lambda i: {"content": LINE})
arguments = events(lambda i: {"tool_calls": [{"index": 0, "function": {"arguments": LINE}}]})
thoughts = events(lambda i: {"reasoning": LINE})

CASES: dict[str, tuple[Callable[[list[bytes]], None], Callable[[int], list[bytes]], int]] = {
    "text": (fed, text, 10_000),
    "text, the long way": (fed_the_long_way, text, 4_000),
    "text, without events": (absorbed, text, 10_000),
    "text, in large blocks": (absorbed, lambda n: shapes.blocks(b"".join(text(n)), 65_536), 10_000),
    "in and out of the fast lane, in one block": (absorbed, one_block(events(by_turns), b"\n"), 2_000),
    "the same with CRLF": (absorbed, one_block(events(by_turns), b"\r\n"), 2_000),
    "tool arguments": (fed, arguments, 10_000),
    "tool arguments, the long way": (fed_the_long_way, arguments, 4_000),
    "reasoning": (fed, thoughts, 10_000),
    "reasoning, the long way": (fed_the_long_way, thoughts, 4_000),
    "function call": (fed, events(lambda i: {"function_call": {"arguments": LINE}}), 4_000),
    "logprobs": (fed, live(shapes.logprobs), 1_500),
    "reasoning details": (fed, events(lambda i: {"reasoning_details": [{**DETAIL, "text": LINE}]}), 2_000),
    "annotations": (fed, events(lambda i: {"annotations": [{"url": "u"}]}), 2_000),
    "audio": (fed, events(lambda i: {"audio": {"data": AUDIO, "transcript": LINE}}), 2_000),
    "unknown text": (fed, events(lambda i: {"x": f"{i} {LINE}"}), 2_000),
    "usage in every chunk": (fed, events(lambda i: {"content": LINE}, usage=USAGE), 2_000),
    "eight choices": (fed, live(shapes.choices), 15_000),
    "eight choices, the long way": (fed_the_long_way, live(shapes.choices), 5_000),
    "a choice for each chunk": (fed, live(a_choice_a_chunk), 500),
    "a call for each chunk": (fed, events(a_call), 500),
    "one event, dripped": (fed, drip(shapes.one_huge_event), 2_000_000),
    "one event of many lines, dripped": (decoded, drip(lines), 60_000),
    "unknown lines, dripped": (decoded, drip(unknown_lines), 60_000),
    "whitespace before the first event, dripped": (fed, drip(whitespace, 8), 50_000),
    "a body that is no stream, dripped": (fed, drip(body, 8), 200_000),
    "torn events": (fed, live(torn), 1_000),
}


@pytest.mark.quick(3)
@pytest.mark.parametrize(("read", "make", "n"), [pytest.param(*CASES[name], id=name) for name in some(tuple(CASES))])
def test_four_times_as_much_costs_less_than_eight_times(
    read: Callable[[list[bytes]], None], make: Callable[[int], list[bytes]], n: int
) -> None:
    once, four_times = best(read, make(n // 2), make(2 * n), enough=6)
    assert four_times < 8 * once
