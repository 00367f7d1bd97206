"""Figures over the made streams of shapes.py: time a chunk, by shape, length, cut and way in.

Each section is a function from a `Bench` to its figures. µs a chunk count every chunk of the stream, the role, finish
and usage chunks with them, and the time takes in everything from the first byte to the response in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import jiter

import bench_sse
import peers
import shapes
import streamkit
from figures import Figure, Measurer, at_least, at_most, ratio, us
from streamkit.cells import Context
from streamkit.limits import DEFAULT_LIMITS
from streamkit.reducer import Reducer
from streamkit.rules import RULES
from streamkit.types import CreateChatCompletionStreamResponse

__all__ = (
    "Bench",
    "absorb",
    "decoder",
    "floors",
    "growth",
    "interleaved",
    "reducer",
    "shapes_table",
    "snapshots",
    "ways",
)

LARGE = 65536
Blocks = list[bytes]


@attrs.frozen
class Bench:
    """What sections need to know: how to measure, how long the streams are, which peers are there."""

    measurer: Measurer
    chunks: int = shapes.CHUNKS
    open: int = 10_000  # accumulators at once, for the memory that they take

    def medians(self, contestants: dict[str, Callable[[], Any]], **how: Any) -> dict[str, float]:
        return self.measurer.medians(contestants, **how)


def absorb(blocks: Blocks | tuple[bytes, ...]) -> Any:
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
    """Whoever is timed shows first that the text it makes is the text that was sent."""
    if peers.said_by(made) != shapes.said(raw):
        raise AssertionError(f"{shape}: not the text that was sent")


def have(*names: str) -> bool:
    return len(peers.versions(*names)) == len(names)


# --- beside openai-python

GOALS = {
    "text": ("text", 300, 180),
    "text_obfuscated": ("text with obfuscation", 250, 160),
    "tool_arguments": ("tool arguments", 250, 160),
    "choices": ("n = 8 interleaved", 200, 120),
    "logprobs": ("logprobs, top 5", 300, 250),
}


def shapes_table(bench: Bench) -> Iterator[Figure]:
    """How many times as long openai-python takes for the same blocks, to its final completion"""
    for shape, (title, large_goal, live_goal) in GOALS.items():
        raw = shapes.SHAPES[shape](bench.chunks)
        n = shapes.chunks(raw)
        for cut, blocks, goal in (
            ("large blocks", shapes.blocks(raw, LARGE), large_goal),
            ("one event a block", shapes.events(raw), live_goal),
        ):
            right(shape, raw, absorb(blocks))
            contestants: dict[str, Callable[[], Any]] = {"ours": lambda blocks=blocks: absorb(blocks)}
            if have("openai"):
                right(shape, raw, peers.openai_python(blocks))
                contestants["theirs"] = lambda blocks=blocks: peers.openai_python(blocks)
            took = {name: seconds / n * 1e6 for name, seconds in bench.medians(contestants).items()}
            name = f"{title}, {cut}"
            if "theirs" in took:
                note = f"{took['theirs']:,.0f} µs a chunk against {took['ours']:.2f}"
                yield at_least(name, took["theirs"] / took["ours"], goal, note=note)
            else:
                yield Figure(name, took["ours"], " µs", note="openai is not installed")


# µs a chunk on the machine where the goals were set: the same fold in Rust with serde_json, and the floor of text, which
# jiter, Rust as well, sets there. By the floor here Rust's figures are scaled to this machine.
RUST = {"text": 1.4, "tool_arguments": 1.9, "logprobs": 4.7}
FLOOR_THEN = 0.4 + 1.5


def floors(bench: Bench) -> Iterator[Figure]:
    """What less cannot be done in; and the same fold in Rust, scaled to this machine by the floor of text"""
    scale = 0.0
    for shape, rust in RUST.items():
        title = GOALS[shape][0]
        raw = shapes.SHAPES[shape](bench.chunks)
        n = shapes.chunks(raw)
        large = shapes.blocks(raw, LARGE)
        took = bench.medians(
            {
                "split": lambda raw=raw: raw.split(b"\n\n"),
                "json": lambda raw=raw: [jiter.from_json(event[6:]) for event in raw.split(b"\n\n")[:-2]],
                "ours": lambda large=large: absorb(large),
            }
        )
        scale = scale or took["json"] / n * 1e6 / FLOOR_THEN
        note = f"Rust, {rust} µs where the floor of text was {FLOOR_THEN}"
        ours, there = took["ours"] / n * 1e6, rust * scale
        yield us(f"{title}: bare split on blank lines", took["split"], n)
        yield us(f"{title}: split and JSON to dict (jiter)", took["json"], n)
        # Of logprobs the goal does not speak: what they are is what has to be decoded.
        goal = there if shape != "logprobs" else None
        yield Figure(f"{title}: bytes to response", ours, " µs", goal, note=f"{note}: {there:.2f}")


# --- the reducer


def typed(raw: bytes) -> list[Any]:
    lines = [event[6:] for event in shapes.events(raw)[:-1]]
    return [streamkit.loads(line, CreateChatCompletionStreamResponse) for line in lines]


def fold(chunks: list[Any], events: bool) -> Any:
    reducer = Reducer(Context(RULES, DEFAULT_LIMITS, lambda *_: None))
    for chunk in chunks:
        reducer.fold(chunk, [] if events else None)
    return reducer.snapshot()


def add(chunks: list[Any]) -> Any:
    acc = streamkit.Accumulator()
    for chunk in chunks:
        acc.add(chunk)
    acc.close()
    return acc.snapshot()


# What pydantic-ai's parts manager took on the machine where the goals were set: µs a chunk.
PARTS = {"text": 2.2, "tool_arguments": 4.8}


def reducer(bench: Bench) -> Iterator[Figure]:
    """The reducer alone: typed chunks in, state out, with events, as pydantic-ai's parts manager makes them too"""
    for shape, goal in PARTS.items():
        title = GOALS[shape][0]
        raw = shapes.SHAPES[shape](bench.chunks)
        ours = typed(raw)
        n = len(ours)
        right(shape, raw, fold(ours, True))
        contestants: dict[str, Callable[[], Any]] = {
            "events": lambda ours=ours: fold(ours, True),
            "no events": lambda ours=ours: fold(ours, False),
            "add": lambda ours=ours: add(ours),
        }
        if have("openai"):
            chunks = list(peers.openai_chunks(raw))
            for name, (module, make) in peers.FOLDS.items():
                if have({"pydantic_ai": "pydantic-ai-slim"}.get(module, module.replace("_", "-"))):
                    contestants[name] = make(chunks)
                    right(shape, raw, contestants[name]())
        took = {name: seconds / n * 1e6 for name, seconds in bench.medians(contestants).items()}
        parts = next(iter(peers.FOLDS))
        beside = took.get(parts, goal)
        note = f"{parts}, here" if parts in took else f"{parts}, elsewhere; not installed here"
        yield at_most(f"{title}: Reducer.fold", took["events"], beside, " µs", note)
        yield Figure(f"{title}: the same without events", took["no events"], " µs")
        yield Figure(f"{title}: Accumulator.add", took["add"], " µs", note="with what the accumulator looks after")
        for name in peers.FOLDS:
            if name in took:
                yield Figure(f"{title}: {name}", took[name], " µs", note="from openai-python's chunks")


# --- length

LONG, SHORT = 64_000, 4_000


def growth(bench: Bench) -> Iterator[Figure]:
    """The cost of a chunk in a long stream, and of a byte in a long event, against a short one"""
    for shape in ("text", "tool_arguments", "logprobs"):
        raws = {n: shapes.SHAPES[shape](n) for n in (SHORT, LONG)}
        for cut, make in (
            ("large blocks", lambda raw: shapes.blocks(raw, LARGE)),
            ("one event a block", shapes.events),
        ):
            blocks = {n: make(raw) for n, raw in raws.items()}
            took = bench.medians({str(n): lambda n=n, b=blocks: absorb(b[n]) for n in blocks}, rounds=5)
            short, long = (took[str(n)] / shapes.chunks(raws[n]) * 1e6 for n in (SHORT, LONG))
            note = f"{long:.2f} µs a chunk at {LONG:,} against {short:.2f} at {SHORT:,}"
            yield at_most(f"{GOALS[shape][0]}, {cut}", long / short, 1.3, " ×", note)
    sizes = (200_000, 3_000_000)
    dripped = {size: shapes.blocks(shapes.one_huge_event(size), 64) for size in sizes}
    for name, work in (("Accumulator", absorb), ("EventDecoder", bench_sse.decode)):
        took = bench.medians({str(n): lambda n=n, work=work: work(dripped[n]) for n in sizes}, rounds=5)
        short, long = (took[str(n)] / len(dripped[n]) * 1e6 for n in sizes)
        note = f"{long:.2f} µs a block against {short:.2f}"
        yield at_most(f"one event of 3 MB in 64-byte blocks against 200 KB, {name}", long / short, 1.5, " ×", note)


# --- events


def split(blocks: Blocks) -> int:
    return sum(len(block.split(b"\n\n")) for block in blocks)


def decoder(bench: Bench) -> Iterator[Figure]:
    """The event decoder alone, beside a bare split and httpx-sse, which reads the same blocks through httpx"""
    raw = shapes.text(bench.chunks)
    events = len(shapes.events(raw))
    expected = [event.decode()[6:-2] for event in shapes.events(raw)]
    for name, size in {**bench_sse.CUTS, "20-byte blocks": 20}.items():
        blocks = bench_sse.cut(raw, size)
        contestants: dict[str, Callable[[], Any]] = {"ours": lambda blocks=blocks: bench_sse.decode(blocks)}
        if size == LARGE:
            contestants["split"] = lambda blocks=blocks: split(blocks)
        if have("httpx", "httpx-sse"):
            assert peers.httpx_sse_data(blocks) == expected
            contestants["httpx-sse"] = lambda blocks=blocks: peers.httpx_sse(blocks)
        assert bench_sse.decode(blocks) == events
        took = {who: seconds / events * 1e6 for who, seconds in bench.medians(contestants).items()}
        if "split" in took:
            note = f"{took['ours']:.2f} µs an event against {took['split']:.2f}"
            yield at_most(f"{name}: against a bare split", took["ours"] / took["split"], 1.5, " ×", note)
        if "httpx-sse" in took:
            note = f"httpx-sse {took['httpx-sse']:.1f} µs an event against {took['ours']:.2f}"
            yield at_least(f"{name}: httpx-sse takes", took["httpx-sse"] / took["ours"], 1, note=note)
        else:
            yield Figure(f"{name}: an event", took["ours"], " µs", note="httpx-sse is not installed")


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
        yield Figure(f"{GOALS[shape][0]}: a chunk", each["turn"], " µs", note=note)
        yield ratio(f"{GOALS[shape][0]}: in turn against one after the other", each["turn"] / each["alone"])


def ways(bench: Bench) -> Iterator[Figure]:
    """Events wanted (feed) and not wanted (absorb); and the fast lane turned off"""
    for shape in ("text", "tool_arguments", "choices"):
        raw = shapes.SHAPES[shape](bench.chunks)
        n = shapes.chunks(raw)
        for cut, blocks in (("large blocks", shapes.blocks(raw, LARGE)), ("one event a block", shapes.events(raw))):
            took = bench.medians(
                {
                    "feed": lambda blocks=blocks: feed(blocks),
                    "absorb": lambda blocks=blocks: absorb(blocks),
                    "reference": lambda blocks=blocks: reference(blocks),
                }
            )
            beside = f"absorb {took['absorb'] / n * 1e6:.2f}; without the fast lane {took['reference'] / n * 1e6:.2f}"
            yield us(f"{GOALS[shape][0]}, {cut}: feed, a chunk", took["feed"], n, beside)


def reference(blocks: Blocks) -> Any:
    acc = streamkit.Accumulator(fast=False)
    for block in blocks:
        acc.absorb(block)
    acc.close()
    return acc.snapshot()
