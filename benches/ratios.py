"""One table in one run: microseconds a chunk by shape, streamkit beside openai-python and two yardsticks.

    python benches/ratios.py [--chunks 1000] [--rounds 9] [--traces] [--markdown]

Every number is the median of its rounds. In a round each contestant runs once, one after the other, with the garbage
collector off, so that a slow moment of the machine falls on all of them. openai-python has fewer rounds where it takes
seconds. `large` is the body in 64 KiB blocks, `live` one event a block; both take no events (`absorb`). The
yardsticks: `split` cuts the body at its blank lines, `json` decodes each event to a dict by jiter.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiter

import peers
import shapes
import streamkit

LARGE = 65536

Contestants = dict[str, Callable[[], Any]]


def absorb(blocks: list[bytes] | tuple[bytes, ...]) -> Any:
    acc = streamkit.Accumulator()
    for block in blocks:
        acc.absorb(block)
    acc.close()
    return acc.snapshot()


def medians(contestants: Contestants, rounds: int, slow_rounds: int = 3) -> dict[str, float]:
    """Seconds for each contestant; one that takes more than a second runs only `slow_rounds` times."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for work in contestants.values():
        work()  # warm: imports, caches, the specialising interpreter
    for _ in range(rounds):
        for name, work in contestants.items():
            if len(times[name]) >= slow_rounds and max(times[name]) > 1:
                continue
            gc.collect()
            gc.disable()
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
            gc.enable()
    return {name: statistics.median(found) for name, found in times.items()}


def contestants_for(raw: bytes, with_openai: bool) -> Contestants:
    large, live = shapes.blocks(raw, LARGE), shapes.events(raw)
    bodies = [event[6:] for event in live if not event.startswith(b"data: [DONE]")]
    found: Contestants = {
        "split": lambda: raw.split(b"\n\n"),
        "json": lambda: [jiter.from_json(body) for body in bodies],
        "large": lambda: absorb(large),
        "live": lambda: absorb(live),
    }
    if with_openai:
        found["openai"] = lambda: peers.openai_python(raw)
    return found


def machine() -> str:
    """Processor, cores, interpreter and versions: what the numbers below are true of."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = models[0] if models else model
    found = peers.versions("streamkit-llm", "openai", "pydantic", "jiter", "attrs", "cattrs")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.system()}; {python}; " + ", ".join(
        f"{name} {number}" for name, number in found.items()
    )


def table(rows: list[list[str]], markdown: bool) -> str:
    if markdown:
        rows = [rows[0], ["---", *["---:"] * (len(rows[0]) - 1)], *rows[1:]]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def by_shape(chunks: int, rounds: int, with_openai: bool) -> list[list[str]]:
    head = ["shape", "split", "json", "large blocks", "one event a block"]
    rows = [[*head, *(["openai-python", "large: times", "live: times"] if with_openai else [])]]
    for name, make in shapes.SHAPES.items():
        raw = make(chunks)
        each = {
            who: seconds / shapes.chunks(raw) * 1e6
            for who, seconds in medians(contestants_for(raw, with_openai), rounds).items()
        }
        row = [name, *(f"{each[who]:.2f}" for who in ("split", "json", "large", "live"))]
        if with_openai:
            row += [
                f"{each['openai']:.0f}",
                f"{each['openai'] / each['large']:.0f}",
                f"{each['openai'] / each['live']:.0f}",
            ]
        rows.append(row)
    return rows


def by_collection(rounds: int, with_openai: bool) -> list[list[str]]:
    """Recorded streams: total time and MB/s over all, and the ratio stream by stream where openai-python completes."""
    from recorded import collections

    rows = [["recorded streams", "streams", "MB", "ms in all", "MB/s"]]
    rows[0] += ["openai-python completes", "median: times", "lowest", "highest"] if with_openai else []
    for name, recordings in collections().items():
        size = sum(len(recording.body) for recording in recordings) / 1e6
        total = medians({"all": lambda r=recordings: [absorb([one.body]) for one in r]}, rounds)["all"]
        row = [name, f"{len(recordings)}", f"{size:.2f}", f"{total * 1e3:.1f}", f"{size / total:.0f}"]
        if with_openai:
            ratios = sorted(ratio for one in recordings if (ratio := ratio_on(one.body)) is not None)
            row.append(f"{len(ratios)}")
            row += [f"{at:.0f}" for at in (statistics.median(ratios), ratios[0], ratios[-1])] if ratios else ["-"] * 3
        rows.append(row)
    return rows


def ratio_on(body: bytes, rounds: int = 5) -> float | None:
    """How many times as long openai-python takes on one stream, None where it does not complete it."""
    try:
        peers.openai_python(body)
    except Exception:  # whatever an SDK raises on a stream that it cannot read
        return None
    each = medians({"ours": lambda: absorb([body]), "openai": lambda: peers.openai_python(body)}, rounds)
    return each["openai"] / each["ours"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=1000, help="chunks that carry the shape (default 1000)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that each median is of (default 9)")
    parser.add_argument("--traces", action="store_true", help="also over the recorded streams")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Pydantic serializer")  # openai-python on what it did not expect
    with_openai = bool(peers.versions("openai"))
    print(machine())
    print(
        f"µs a chunk, medians of {options.rounds} rounds of {options.chunks} chunks; times: openai-python / streamkit\n"
    )
    print(table(by_shape(options.chunks, options.rounds, with_openai), options.markdown))
    if not with_openai:
        print("\nopenai-python is not installed: pip install openai gives its columns")
    if options.traces:
        print()
        print(table(by_collection(options.rounds, with_openai), options.markdown))


if __name__ == "__main__":
    main()
