"""Figures beside others over the made streams of shapes.py: openai-python, the floors, parts managers, httpx-sse.

Each section is a function from a `Bench` to its figures. µs a chunk count every chunk of the stream, the role, finish
and usage chunks with them. Each of them has shown before it is timed that the text it makes is the text that was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jiter

import bench_sse
import peers
import shapes
import streamkit
from figures import Figure, at_least, at_most, us
from streamkit._fold.fields import Context
from streamkit._fold.reducer import Reducer
from streamkit.limits import DEFAULT_LIMITS
from streamkit.rules import RULES
from streamkit.types import CreateChatCompletionStreamResponse
from workloads import LARGE, TITLES, Bench, Blocks, absorb, cuts, have, right

__all__ = ("beside_openai", "decoder", "floors", "reducer")

# --- openai-python

GOALS = {
    "text": (300, 180),
    "text_obfuscated": (250, 160),
    "tool_arguments": (250, 160),
    "calls_interleaved": (180, 160),
    "choices": (150, 120),
    "logprobs": (300, 250),
}
"""How many times as fast as openai-python: in large blocks, and one event a block."""


def beside_openai(bench: Bench) -> Iterator[Figure]:
    """How many times as long openai-python takes for the same blocks, to its final completion"""
    for shape, goals in GOALS.items():
        raw = shapes.SHAPES[shape](bench.chunks)
        n = shapes.chunks(raw)
        for (cut, blocks), goal in zip(cuts(raw).items(), goals, strict=True):
            right(shape, raw, absorb(blocks))
            contestants: dict[str, Callable[[], Any]] = {"ours": lambda blocks=blocks: absorb(blocks)}
            if have("openai"):
                right(shape, raw, peers.openai_python(blocks))
                contestants["theirs"] = lambda blocks=blocks: peers.openai_python(blocks)
            took = {name: seconds / n * 1e6 for name, seconds in bench.medians(contestants).items()}
            name = f"{TITLES[shape]}, {cut}"
            if "theirs" in took:
                note = f"{took['theirs']:,.0f} µs a chunk against {took['ours']:.2f}"
                yield at_least(name, took["theirs"] / took["ours"], goal, note=note)
            else:
                yield Figure(name, took["ours"], " µs", note="openai is not installed")


# --- floors

# µs a chunk on the machine where the goals were set: the same fold in Rust with serde_json, and the floor of text,
# which jiter, Rust as well, sets there. By the floor here Rust's figures are scaled to this machine.
RUST = {"text": 1.4, "tool_arguments": 1.9, "logprobs": 4.7}
FLOOR_THEN = 0.4 + 1.5


def floors(bench: Bench) -> Iterator[Figure]:
    """What less cannot be done in; and the same fold in Rust, scaled to this machine by the floor of text"""
    scale = 0.0
    for shape, rust in RUST.items():
        title = TITLES[shape]
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
        title = TITLES[shape]
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
