"""The whole path over every recorded stream of traces/, and of ../shared/traces where it is present.

openai-python is beside it over the streams that it completes; many it does not. For the ratio stream by stream:
`python benches/ratios.py recorded`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import streamkit
from recorded import Recording, collections

COLLECTIONS = collections()


def absorb_each(streams: list[tuple[bytes, ...]]) -> None:
    for blocks in streams:
        acc = streamkit.Accumulator()
        for block in blocks:
            acc.absorb(block)
        acc.close()
        acc.snapshot()


def feed_each(streams: list[tuple[bytes, ...]]) -> None:
    for blocks in streams:
        acc = streamkit.Accumulator()
        for block in blocks:
            acc.feed(block)
        acc.close()
        acc.snapshot()


def completes(work: Callable[[bytes], Any], recording: Recording) -> bool:
    try:
        work(recording.body)
    except Exception:  # whatever an SDK raises on a stream that it cannot read
        return False
    return True


def name_of(name: str, recordings: list[Recording]) -> str:
    size = sum(len(recording.body) for recording in recordings) / 1e6
    return f"{len(recordings)} streams of {name}, {size:.2f} MB"


def events_in(recordings: list[Recording]) -> int:
    return sum(recording.body.count(b"data:") for recording in recordings)


@pytest.mark.parametrize("name", COLLECTIONS)
@pytest.mark.parametrize("way", ["whole, absorb", "recorded blocks, absorb", "recorded blocks, feed"])
def bench_recorded(measure: Any, name: str, way: str) -> None:
    recordings = COLLECTIONS[name]
    streams = [(r.body,) if way.startswith("whole") else r.blocks for r in recordings]
    work = feed_each if way.endswith("feed") else absorb_each
    measure(name_of(name, recordings), work, streams, chunks=events_in(recordings))


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # openai-python on what it did not expect
@pytest.mark.parametrize("name", COLLECTIONS)
@pytest.mark.parametrize("who", ["streamkit", "openai-python"])
def bench_recorded_that_openai_completes(measure: Any, name: str, who: str) -> None:
    pytest.importorskip("openai")
    from peers import openai_python

    able = [recording for recording in COLLECTIONS[name] if completes(openai_python, recording)]
    group = f"{name_of(name, able)}, all that openai-python completes"
    if who == "streamkit":
        measure(group, absorb_each, [(recording.body,) for recording in able], chunks=events_in(able))
    else:
        measure(group, lambda: [openai_python(r.body) for r in able], chunks=events_in(able), slow=True)
