"""A `Trace`: its recorded blocks, without their times; unpacked if the body was encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..trace import Trace
from ._blocks import AsyncBlocks, Blocks
from ._iterables import Each
from ._unpack import each_unpacked

__all__ = ("asynchronous", "blocks_of_trace", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """Read a trace in memory; `_files` reads one from a path."""
    if not isinstance(source, Trace):
        return None
    return Blocks(blocks_of_trace(source, unpack), chunks=False, status=source.status)


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """Read a trace in memory, which cannot block."""
    if not isinstance(source, Trace):
        return None
    return AsyncBlocks(Each(blocks_of_trace(source, unpack)), chunks=False, status=source.status)


def blocks_of_trace(trace: Trace, unpack: bool = True) -> Iterator[bytes]:
    """Return the recorded blocks of a trace; with `unpack`, those of an encoded body are unpacked."""
    return each_unpacked((block.data for block in trace.blocks), trace.encoding if unpack else None)
