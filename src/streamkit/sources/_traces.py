"""A `Trace`: the blocks that it recorded, without their times; those of an encoded body unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..trace import Trace
from ._blocks import AsyncBlocks, Blocks
from ._iterables import Each
from ._unpack import each_unpacked

__all__ = ("asynchronous", "blocks_of_trace", "sync")


def sync(source: Any, unpack: bool) -> Blocks | None:
    """A trace in memory; that of a path is one of `_files`."""
    if not isinstance(source, Trace):
        return None
    return Blocks(blocks_of_trace(source, unpack), chunks=False, status=source.status)


def asynchronous(source: Any, unpack: bool) -> AsyncBlocks | None:
    """A trace in memory, which cannot block."""
    if not isinstance(source, Trace):
        return None
    return AsyncBlocks(Each(blocks_of_trace(source, unpack)), chunks=False, status=source.status)


def blocks_of_trace(trace: Trace, unpack: bool = True) -> Iterator[bytes]:
    """Return the blocks that a trace recorded; those of an encoded body unpacked, where that is asked for."""
    return each_unpacked((block.data for block in trace.blocks), trace.encoding if unpack else None)
