"""Figures of use over the made streams of shapes.py: by length, way in, snapshots asked, streams at once.

Each section is a function from a `Bench` to its figures. µs a chunk count every chunk of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bench_sse
import shapes
import streamkit
from figures import Figure, at_most, ratio, us
from workloads import TITLES, Bench, Blocks, absorb, cuts, feed, reference

__all__ = ("cleaning", "growth", "interleaved", "snapshots", "ways")

# --- length

LONG, SHORT = 64_000, 4_000


def growth(bench: Bench) -> Iterator[Figure]:
    """The cost of a chunk in a long stream, and of a byte in a long event, against a short one"""
    for shape in ("text", "tool_arguments", "logprobs"):
        raws = {n: shapes.SHAPES[shape](n) for n in (SHORT, LONG)}
        by_length = {n: cuts(raw) for n, raw in raws.items()}
        for cut in by_length[SHORT]:
            blocks = {n: found[cut] for n, found in by_length.items()}
            took = bench.medians({str(n): lambda n=n, b=blocks: absorb(b[n]) for n in blocks}, rounds=5)
            short, long = (took[str(n)] / shapes.chunks(raws[n]) * 1e6 for n in (SHORT, LONG))
            note = f"{long:.2f} µs a chunk at {LONG:,} against {short:.2f} at {SHORT:,}"
            yield at_most(f"{TITLES[shape]}, {cut}", long / short, 1.3, " ×", note)
    sizes = (200_000, 3_000_000)
    dripped = {size: shapes.blocks(shapes.one_huge_event(size), 64) for size in sizes}
    for name, work in (("Accumulator", absorb), ("EventDecoder", bench_sse.decode)):
        took = bench.medians({str(n): lambda n=n, work=work: work(dripped[n]) for n in sizes}, rounds=5)
        short, long = (took[str(n)] / len(dripped[n]) * 1e6 for n in sizes)
        note = f"{long:.2f} µs a block against {short:.2f}"
        yield at_most(f"one event of 3 MB in 64-byte blocks against 200 KB, {name}", long / short, 1.5, " ×", note)


# --- ways to use it


def snapshot_each(blocks: Blocks, k: int) -> None:
    acc = streamkit.Accumulator()
    for number, block in enumerate(blocks):
        acc.absorb(block)
        if number % k == 0:
            acc.snapshot()
    acc.close()


def snapshots(bench: Bench) -> Iterator[Figure]:
    """A snapshot after every k-th chunk, one event a block: what it adds to the stream, spread over its chunks"""
    for n in (bench.chunks, 8 * bench.chunks):
        blocks = shapes.events(shapes.text(n))
        never = n * 2
        took = bench.medians({str(k): lambda k=k, b=blocks: snapshot_each(b, k) for k in (1, 10, 100, never)}, rounds=5)
        yield us(f"{n:,} chunks, no snapshot: a chunk", took[str(never)], len(blocks))
        for k in (1, 10, 100):
            asked = -(-len(blocks) // k)
            each = (took[str(k)] - took[str(never)]) / (asked - 1) * 1e6
            name = (
                f"{n:,} chunks, a snapshot every {k}: a chunk"
                if k > 1
                else f"{n:,} chunks, a snapshot at each: a chunk"
            )
            yield us(name, took[str(k)], len(blocks), f"{each:.1f} µs a snapshot")


STREAMS, EACH = 1000, 200


def in_turn(blocks: Blocks) -> None:
    accs = [streamkit.Accumulator() for _ in range(STREAMS)]
    for block in blocks:
        for acc in accs:
            acc.absorb(block)
    for acc in accs:
        acc.close()


def one_by_one(blocks: Blocks) -> None:
    for _ in range(STREAMS):
        acc = streamkit.Accumulator()
        for block in blocks:
            acc.absorb(block)
        acc.close()


def interleaved(bench: Bench) -> Iterator[Figure]:
    """1,000 streams of 200 chunks in one thread, one event a block, each in turn; one after the other for comparison"""
    for shape in ("text", "tool_arguments"):
        blocks = shapes.events(shapes.SHAPES[shape](EACH))
        took = bench.medians(
            {
                "turn": lambda blocks=blocks: in_turn(blocks),
                "alone": lambda blocks=blocks: one_by_one(blocks),
            },
            rounds=5,
        )
        each = {name: seconds / len(blocks) / STREAMS * 1e6 for name, seconds in took.items()}
        note = f"{each['alone']:.2f} µs one after the other"
        yield Figure(f"{TITLES[shape]}: a chunk", each["turn"], " µs", note=note)
        yield ratio(f"{TITLES[shape]}: in turn against one after the other", each["turn"] / each["alone"])


def ways(bench: Bench) -> Iterator[Figure]:
    """Events wanted (feed) and not wanted (absorb), by cut; and the fast lane turned off"""
    for shape in ("text", "tool_arguments", "choices"):
        raw = shapes.SHAPES[shape](bench.chunks)
        n = shapes.chunks(raw)
        by_cut = cuts(raw)
        if shape == "text":  # what a network delivers: segments, and less than an event
            by_cut |= {f"{size:,}-byte blocks": shapes.blocks(raw, size) for size in (1400, 100)}
        for cut, blocks in by_cut.items():
            took = bench.medians(
                {
                    "feed": lambda blocks=blocks: feed(blocks),
                    "absorb": lambda blocks=blocks: absorb(blocks),
                    "reference": lambda blocks=blocks: reference(blocks),
                }
            )
            beside = f"absorb {took['absorb'] / n * 1e6:.2f}; without the fast lane {took['reference'] / n * 1e6:.2f}"
            yield us(f"{TITLES[shape]}, {cut}: feed, a chunk", took["feed"], n, beside)


# --- writing clean


def clean(blocks: Blocks, **options: Any) -> None:
    cleaner = streamkit.Cleaner(**options)
    for block in blocks:
        cleaner.feed(block)
    cleaner.close()


def cleaning(bench: Bench) -> Iterator[Figure]:
    """A stream written clean while it runs, against `feed`"""
    for shape in ("text", "tool_arguments", "logprobs", "choices"):
        raw = shapes.SHAPES[shape](bench.chunks)
        for cut, blocks in cuts(raw).items():
            took = bench.medians(
                {
                    "feed": lambda blocks=blocks: feed(blocks),
                    "clean": lambda blocks=blocks: clean(blocks),
                    "strict": lambda blocks=blocks: clean(blocks, clean=streamkit.Clean(order="index")),
                }
            )
            of_chunk = {name: seconds / shapes.chunks(raw) * 1e6 for name, seconds in took.items()}
            note = f"{of_chunk['clean']:.2f} µs a chunk; {of_chunk['strict']:.2f} with choices by index"
            name, times = f"{TITLES[shape]}, {cut}", took["clean"] / took["feed"]
            yield ratio(name, times, note) if shape == "logprobs" else at_most(name, times, 5, " ×", note)
