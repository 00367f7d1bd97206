"""Figures over every recorded stream: traces/, and ../shared/traces where it is present; see recorded.py.

Streams are sorted into classes of length by their events, as half of them have at most 13 and users have those. The time
of a stream takes in everything from the first byte to the response as JSON. The floor is what cannot be done without:
the same bytes split on blank lines, and the JSON of each event decoded by jiter.

Warm: each stream is read several times in a row and its least time counts, as in a process that reads such streams all
the time. With cold caches: each stream is read once a round, all of them by turns, and the median round counts. The goals
are of warm caches: the other figure says as much of the processor as of the code.
"""

from __future__ import annotations

import gc
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jiter

import peers
import streamkit
from figures import Figure, at_least, at_most, ratio
from recorded import Recording, collections
from streamkit._fast import block_reader
from streamkit._fold.assembler import Assembler
from workloads import Bench, absorb, have

__all__ = ("beginnings", "recorded")

ROUNDS = 5
WARM_ROUNDS = 14  # of each stream
CLASSES = ((0, 5), (6, 15), (16, 30), (31, 60), (61, 200), (201, None))
SHORT = 2000  # bytes
GOALS = {f"below {SHORT:,} bytes": (16, 12), "the shorter half": (14, None), "all": (5.8, 16)}
"""Of a set of streams, in one block: the most times the floor with warm caches, and the least median ratio to
openai-python. The bare floor itself is 180 times as fast as openai-python in the median, so that no goal is near that."""

BEGINNING_GOAL = 1.15
"""Of a class of length: the most times what the better of no lane and one from the first event takes."""

Blocks = tuple[bytes, ...]


def to_json(blocks: Blocks, *, fast: bool = True) -> bytes | None:
    """From the first byte to the response as JSON."""
    acc = streamkit.Accumulator(fast=fast)
    for block in blocks:
        acc.absorb(block)
    acc.close()
    return acc.dumps()


def floor(blocks: Blocks, blank: bytes) -> None:
    """Do what cannot be left out: split on blank lines, which are known, and the JSON of each event."""
    for block in blocks:
        for event in block.split(blank):
            if event.startswith(b"data: {"):
                try:
                    jiter.from_json(event[6:])
                except ValueError:
                    continue


def warm(cuts: list[Blocks], blanks: list[bytes]) -> tuple[float, float]:
    """Return the seconds that a stream takes and those of its floor, on average: the least of several rounds for each."""
    ours = least = 0.0
    gc.collect()
    gc.disable()
    try:
        for blocks, blank in zip(cuts, blanks, strict=True):
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(WARM_ROUNDS):
                begin = time.process_time()
                to_json(blocks)
                between = time.process_time()
                floor(blocks, blank)
                times[0].append(between - begin)
                times[1].append(time.process_time() - between)
            ours += min(times[0])
            least += min(times[1])
    finally:
        gc.enable()
    return ours / len(cuts), least / len(cuts)


def blank_line(body: bytes) -> bytes:
    """Return the blank line that ends the events of a body: two of the longest streams are written with CRLF."""
    return b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"


def in_lane(recordings: list[Recording]) -> tuple[int, int]:
    """Events that took the fast lane, and all events."""
    slow = every = 0
    begin = Assembler.begin

    def counting(assembler: Assembler, *arguments: object) -> None:
        nonlocal slow
        slow += 1
        begin(assembler, *arguments)  # type: ignore[arg-type]

    Assembler.begin = counting  # type: ignore[assignment,method-assign]
    try:
        for one in recordings:
            acc = streamkit.Accumulator()
            acc.absorb(one.body)
            acc.close()
            every += acc.statistics().events
    finally:
        Assembler.begin = begin  # type: ignore[method-assign]
    return every - slow, every


def ratio_on(bench: Bench, blocks: Blocks) -> float | None:
    """Return how many times as long openai-python takes on one stream, None where it does not complete it."""
    body = b"".join(blocks)
    try:
        peers.openai_python(body if len(blocks) == 1 else iter(blocks))
    except Exception:  # whatever an SDK raises on a stream that it cannot read
        return None
    theirs: Callable[[], Any] = lambda: peers.openai_python(body if len(blocks) == 1 else iter(blocks))  # noqa: E731
    took = bench.medians({"ours": lambda: absorb(blocks), "openai": theirs}, rounds=ROUNDS, fill=0.002)
    return took["openai"] / took["ours"]


def event_count(body: bytes) -> int:
    """Return how many events a body has, about: its blank lines."""
    return body.count(b"\n\n") + body.count(b"\n\r\n")


def as_events(body: bytes) -> Blocks:
    """One event a block, as a live stream mostly arrives."""
    blank = blank_line(body)
    *events, last = body.split(blank)
    return (*(event + blank for event in events), *((last,) if last else ()))


def by_class(streams: list[Recording]) -> dict[str, list[Recording]]:
    """Return the streams of each class of length."""
    sets = {}
    for least, most in CLASSES:
        name = f"{least} to {most} events" if most else f"{least} events and more"
        sets[name] = [one for one in streams if least <= event_count(one.body) <= (most or 10**9)]
    return sets


def beginnings(bench: Bench) -> Iterator[Figure]:
    """When the fast lane begins: a class of recorded streams beside the better of two ways, without it and with it from the first event. Caches warm: each stream several times in a row, the least time counts"""
    streams = [one for recordings in collections().values() for one in recordings]
    default = block_reader._LATE, block_reader._MANY_EVENTS
    ways = {"default": (default, True), "without": (default, False), "from the first event": ((0, 0), True)}
    for name, some in by_class(streams).items():
        for cut in ("one block", "live") if some else ():
            took = dict.fromkeys(ways, 0.0)
            for one in some:
                blocks = (one.body,) if cut == "one block" else as_events(one.body)
                for way, (numbers, fast) in ways.items():
                    block_reader._LATE, block_reader._MANY_EVENTS = numbers  # type: ignore[misc]
                    took[way] += least_time(blocks, fast=fast)
            block_reader._LATE, block_reader._MANY_EVENTS = default  # type: ignore[misc]
            better = min(took["without"], took["from the first event"])
            note = ", ".join(f"{way} {took[way] / len(some) * 1e6:,.0f} µs" for way in ways)
            yield at_most(f"{name}, {cut}", took["default"] / better, BEGINNING_GOAL, " ×", note=note)


def least_time(blocks: Blocks, *, fast: bool) -> float:
    """Return the least seconds that one stream takes in a few rounds."""
    times = []
    gc.disable()
    try:
        for _ in range(WARM_ROUNDS):
            begin = time.process_time()
            to_json(blocks, fast=fast)
            times.append(time.process_time() - begin)
    finally:
        gc.enable()
    return min(times)


def recorded(bench: Bench) -> Iterator[Figure]:
    """Every recorded stream, by how many events it has, from its bytes to the response as JSON; in one block, and with one event a block (live). Caches cold: each stream once a round, by turns; warm: each several times in a row"""
    warnings.filterwarnings("ignore", message="Pydantic serializer")  # openai-python on what it did not expect
    found = collections()
    streams = sorted((one for recordings in found.values() for one in recordings), key=lambda one: len(one.body))
    sets = by_class(streams)
    sets[f"below {SHORT:,} bytes"] = [one for one in streams if len(one.body) < SHORT]
    sets["the shorter half"] = streams[: len(streams) // 2]
    sets["all"] = streams
    ratios: dict[tuple[str, str], float] = {}
    if have("openai"):
        for one in streams:
            for cut, blocks in (("one block", (one.body,)), ("live", as_events(one.body))):
                if (times := ratio_on(bench, blocks)) is not None:
                    ratios[one.name, cut] = times
    for name, some in sets.items():
        for cut in ("one block", "live") if some else ():
            cuts = [(one.body,) if cut == "one block" else as_events(one.body) for one in some]
            blanks = [blank_line(one.body) for one in some]
            took = bench.medians(
                {
                    "ours": lambda cuts=cuts: [*map(to_json, cuts)],
                    "floor": lambda cuts=cuts, blanks=blanks: [*map(floor, cuts, blanks)],
                }
            )
            ours, least = took["ours"] / len(some), took["ours"] / took["floor"]
            theirs = sorted(ratios[one.name, cut] for one in some if (one.name, cut) in ratios)
            note = f"{len(some)} streams, {ours * 1e6:,.0f} µs each"
            most_floors, least_times = GOALS.get(name, (None, None)) if cut == "one block" else (None, None)
            if most_floors is not None:
                warmly, bare = warm(cuts, blanks)
                times = warmly / bare
                title = f"{name}, {cut}: times the floor, caches warm"
                yield at_most(title, times, most_floors, " ×", note=f"{len(some)} streams, {warmly * 1e6:,.0f} µs each")
            yield ratio(f"{name}, {cut}: times the floor, caches cold", least, note=note)
            if theirs and least_times is None:
                yield ratio(f"{name}, {cut}: median ratio to openai-python", statistics.median(theirs), spread(theirs))
            elif theirs:
                median = statistics.median(theirs)
                yield at_least(
                    f"{name}, {cut}: median ratio to openai-python", median, least_times, note=spread(theirs)
                )
    for name, recordings in found.items():
        fast, events = in_lane(recordings)
        yield Figure(f"{name}: events in the fast lane", 100 * fast / events, " %", note=f"{fast:,} of {events:,}")
        theirs = sorted(ratios[one.name, "one block"] for one in recordings if (one.name, "one block") in ratios)
        if theirs:
            yield ratio(f"{name}: median ratio to openai-python", statistics.median(theirs), note=spread(theirs))


def spread(ratios: list[float]) -> str:
    """Return the lowest, the tenth and the ninetieth hundredth, the highest."""
    tenth, ninetieth = (ratios[int(len(ratios) * share)] for share in (0.1, 0.9))
    return f"{ratios[0]:.0f}, {tenth:.0f} … {ninetieth:.0f}, {ratios[-1]:.0f} on the {len(ratios)} that it completes"
