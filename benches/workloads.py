"""What the sections of ratios.py share: how they measure, the ways through a stream, and the proof of each.

A way takes blocks and returns the response: everything from the first byte to the response in hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

import peers
import shapes
import streamkit
from figures import Measurer

__all__ = ("LARGE", "TITLES", "Bench", "Blocks", "absorb", "cuts", "feed", "have", "reference", "right")

LARGE = 65536
Blocks = list[bytes]

TITLES = {
    "text": "text",
    "text_obfuscated": "text with obfuscation",
    "tool_arguments": "tool arguments",
    "calls_interleaved": "four calls interleaved",
    "choices": "n = 8 interleaved",
    "logprobs": "logprobs, top 5",
}


@attrs.frozen
class Bench:
    """What a section needs to know: how to measure, and how long the streams are."""

    measurer: Measurer
    chunks: int = shapes.CHUNKS
    open: int = 10_000  # accumulators at once, for the memory that they take

    def medians(self, contestants: dict[str, Callable[[], Any]], **how: Any) -> dict[str, float]:
        return self.measurer.medians(contestants, **how)


def absorb(blocks: Blocks | tuple[bytes, ...]) -> Any:
    """Without events: the fastest way in."""
    acc = streamkit.Accumulator()
    for block in blocks:
        acc.absorb(block)
    acc.close()
    return acc.snapshot()


def feed(blocks: Blocks) -> Any:
    """With events, looked at and let go."""
    acc = streamkit.Accumulator()
    for block in blocks:
        for _ in acc.feed(block):
            pass
    acc.close()
    return acc.snapshot()


def right(shape: str, raw: bytes, made: Any) -> None:
    """Check, before any of them is timed, that the text it makes is the text that was sent."""
    if peers.said_by(made) != shapes.said(raw):
        raise AssertionError(f"{shape}: not the text that was sent")


def have(*names: str) -> bool:
    """Return whether these distributions are all installed."""
    return len(peers.versions(*names)) == len(names)


def reference(blocks: Blocks) -> Any:
    """Without the fast lane and without events."""
    acc = streamkit.Accumulator(fast=False)
    for block in blocks:
        acc.absorb(block)
    acc.close()
    return acc.snapshot()


def cuts(raw: bytes) -> dict[str, Blocks]:
    """Return the two cuts into blocks that goals speak of."""
    return {"large blocks": shapes.blocks(raw, LARGE), "one event a block": shapes.events(raw)}
