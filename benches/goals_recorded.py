"""Figures over every recorded stream: traces/, and ../shared/traces where it is present; see recorded.py.

Each stream is one block, and its time takes in everything from the first byte to the response in hand. Streams are
short, so what a stream costs once, before its first chunk, weighs more here than in the made ones.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Iterator

import peers
import streamkit
from figures import Figure, at_least
from recorded import Recording, collections
from streamkit._fold.assembler import Assembler
from workloads import Bench, absorb, have

__all__ = ("recorded",)

ROUNDS = 5
GOAL = 150


def in_lane(recordings: list[Recording]) -> tuple[int, int]:
    """Events that took the fast lane, and all events."""
    slow = every = 0
    event = Assembler.event

    def counting(assembler: Assembler, *arguments: object) -> None:
        nonlocal slow
        slow += 1
        event(assembler, *arguments)  # type: ignore[arg-type]

    Assembler.event = counting  # type: ignore[assignment,method-assign]
    try:
        for one in recordings:
            acc = streamkit.Accumulator()
            acc.absorb(one.body)
            acc.close()
            every += acc.statistics().events
    finally:
        Assembler.event = event  # type: ignore[method-assign]
    return every - slow, every


def ratio_on(bench: Bench, body: bytes) -> float | None:
    """How many times as long openai-python takes on one stream, None where it does not complete it."""
    try:
        peers.openai_python(body)
    except Exception:  # whatever an SDK raises on a stream that it cannot read
        return None
    took = bench.medians(
        {"ours": lambda: absorb((body,)), "openai": lambda: peers.openai_python(body)}, rounds=ROUNDS, fill=0.002
    )
    return took["openai"] / took["ours"]


def recorded(bench: Bench) -> Iterator[Figure]:
    """Every recorded stream as one block: how fast, and how often that goes into what openai-python takes"""
    warnings.filterwarnings("ignore", message="Pydantic serializer")  # openai-python on what it did not expect
    all_ratios: list[float] = []
    all_streams: list[Recording] = []
    for name, recordings in collections().items():
        all_streams += recordings
        size = sum(len(one.body) for one in recordings) / 1e6
        took = bench.medians({"all": lambda streams=recordings: [absorb((one.body,)) for one in streams]})["all"]
        fast, events = in_lane(recordings)
        yield Figure(f"{name}: time in all", took * 1e3, " ms", note=f"{len(recordings)} streams, {size:.2f} MB")
        yield Figure(f"{name}: throughput", size / took, " MB/s", note=f"{took / events * 1e6:.1f} µs an event")
        yield Figure(f"{name}: events in the fast lane", 100 * fast / events, " %", note=f"{fast:,} of {events:,}")
        if have("openai"):
            ratios = sorted(found for one in recordings if (found := ratio_on(bench, one.body)) is not None)
            all_ratios += ratios
            if ratios:
                yield at_least(
                    f"{name}: median ratio to openai-python", statistics.median(ratios), GOAL, note=spread(ratios)
                )
    if all_ratios:
        note = f"{spread(sorted(all_ratios))} of {len(all_streams)}"
        yield at_least(
            "all recorded streams: median ratio to openai-python", statistics.median(all_ratios), GOAL, note=note
        )


def spread(ratios: list[float]) -> str:
    """The lowest, the tenth and the ninetieth hundredth, the highest."""
    tenth, ninetieth = (ratios[int(len(ratios) * share)] for share in (0.1, 0.9))
    return f"{ratios[0]:.0f}, {tenth:.0f} … {ninetieth:.0f}, {ratios[-1]:.0f} on the {len(ratios)} that it completes"
