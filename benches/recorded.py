"""Recorded streams to measure over: this repository's traces/, and ../shared/traces where it is present.

A collection is named by its folder; each stream in it is its blocks, as they were recorded, and its body.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from streamkit.trace import read_trace

__all__ = ("Recording", "collections")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "traces"


@attrs.frozen
class Recording:
    """One recorded stream. Without known block boundaries the blocks are its events."""

    name: str
    body: bytes
    blocks: tuple[bytes, ...]


def collections() -> dict[str, list[Recording]]:
    """Every collection that is there, by name; empty ones are left out."""
    found: dict[str, list[Recording]] = {}
    for path in sorted((ROOT / "traces").glob("*/*.trace.jsonl")):
        trace = read_trace(path)
        name = path.name.removesuffix(".trace.jsonl")
        one = Recording(f"{path.parent.name}/{name}", trace.body, tuple(block.data for block in trace.blocks))
        found.setdefault("traces", []).append(one)
    for path in sorted(SHARED.glob("*/*.sse")):
        body = path.read_bytes()
        blocks = tuple(part + b"\n\n" for part in body.split(b"\n\n") if part)
        found.setdefault("../shared/traces", []).append(Recording(f"{path.parent.name}/{path.stem}", body, blocks))
    return found
