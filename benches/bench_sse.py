"""Blocks to server-sent events, by the size of the blocks; groups are shared with test_peers.py."""

from __future__ import annotations

from typing import Any

import pytest

import shapes
from streamkit.sse import EventDecoder

# Block sizes: a large read, one TCP segment, less than one event, one event a block.
CUTS = {"64 KiB blocks": 65536, "1,400-byte blocks": 1400, "100-byte blocks": 100, "one event a block": 0}


def cut(raw: bytes, size: int) -> list[bytes]:
    return shapes.blocks(raw, size) if size else shapes.events(raw)


def decode(blocks: list[bytes]) -> int:
    decoder = EventDecoder()
    count = sum(len(decoder.feed(block)) for block in blocks)
    decoder.close()
    return count


def bare_split(blocks: list[bytes]) -> int:
    """Cut at blank lines and do nothing else: the yardstick. A longer needle is found faster, so less is possible."""
    return len(b"".join(blocks).split(b"\n\n"))


@pytest.mark.parametrize("name", CUTS)
def bench_text(measure: Any, name: str) -> None:
    blocks = cut(shapes.text(shapes.CHUNKS), CUTS[name])
    assert measure(f"events: text, {name}", decode, blocks) == len(shapes.events(b"".join(blocks)))


def bench_yardstick_bare_split(measure: Any) -> None:
    blocks = cut(shapes.text(shapes.CHUNKS), 65536)
    measure("events: text, 64 KiB blocks", bare_split, blocks)


@pytest.mark.parametrize("ends", ["CRLF", "CR"])
def bench_other_line_ends(measure: Any, ends: str) -> None:
    raw = shapes.text(shapes.CHUNKS).replace(b"\n", {"CRLF": b"\r\n", "CR": b"\r"}[ends])
    measure("events: text, 64 KiB blocks", decode, shapes.blocks(raw, 65536))


@pytest.mark.parametrize("size", [200_000, 3_200_000])
def bench_one_event_dripped_in_64_byte_blocks(measure: Any, size: int) -> None:
    blocks = shapes.blocks(shapes.one_huge_event(size), 64)
    assert measure("events: one huge event, 64-byte blocks", decode, blocks, chunks=len(blocks)) == 5
