"""For tests of what reads streams: chunks and streams to build, recorded ones, cuts, a clock, sources, checks for sources.

    wire = stream_bytes("Hel", "lo", usage={...})
    for blocks in every_cut(wire): assert my_reader(blocks) == "Hello"
    check_source(lambda blocks: MySource(blocks))
    for recorded in traces(): assert my_reader(recorded.blocks) == recorded.response

Nothing here needs a test framework: checks raise AssertionError with a sentence. Nothing sleeps, and what is random is so
by a seed. Async fakes go through anyio, and so run on asyncio and trio alike.
"""

from __future__ import annotations

from .._clean.chunk_dict import DONE_EVENT as DONE
from ._builders import chunk, event, fragment, response, stream_bytes
from ._clock import FakeClock
from ._cuts import each_byte, every_cut, random_cuts
from ._fakes import FOREVER, AsyncFakeSource, FakeSource
from ._source_checks import check_async_source, check_source
from ._traces import RecordedStream, traces

__all__ = (
    "DONE",
    "FOREVER",
    "AsyncFakeSource",
    "FakeClock",
    "FakeSource",
    "RecordedStream",
    "check_async_source",
    "check_source",
    "chunk",
    "each_byte",
    "event",
    "every_cut",
    "fragment",
    "random_cuts",
    "response",
    "stream_bytes",
    "traces",
)
