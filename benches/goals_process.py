"""Figures of whole processes: the memory that streams hold, and what importing costs.

Memory is asked of tracemalloc for one stream, and of the operating system for many, in a separate process. Imports
are timed in fresh interpreters, by turns.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator

import peers
import shapes
import streamkit
from figures import Figure, at_most
from workloads import TITLES, Bench, cuts

__all__ = ("imports", "memory")

CONSTANT = 20_000  # bytes that a stream may hold beside its text
GIB = 1024**3


def run(code: str, *arguments: str, cache: str = "") -> str:
    """Return what `code` prints in a new interpreter, which finds modules as this one does.

    `cache`: a folder for compiled files, the same for all whose imports are compared.
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if cache:
        env["PYTHONPYCACHEPREFIX"] = cache
        env.pop("PYTHONDONTWRITEBYTECODE", None)
    made = subprocess.run([sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=True)
    return made.stdout


# --- memory


def held(blocks: list[bytes]) -> int:
    """Bytes that an open accumulator holds once it has read `blocks`, by tracemalloc."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        acc = streamkit.Accumulator()
        for block in blocks:
            acc.absorb(block)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    del acc
    return after - before


def kept(blocks: list[bytes], events: bool) -> int:
    """To how many of `blocks` an open accumulator still refers when it has read them all."""
    places = range(len(blocks))
    before = [sys.getrefcount(blocks[at]) for at in places]
    acc = streamkit.Accumulator()
    for block in blocks:
        if events:
            acc.feed(block)
        else:
            acc.absorb(block)
    del block
    gc.collect()
    more = sum(sys.getrefcount(blocks[at]) > before[at] for at in places)
    del acc
    return more


# VmHWM is the peak of this process alone: on Linux ru_maxrss also remembers that of the process which started it.
MANY = """
import gc, sys
import shapes, streamkit
blocks = shapes.events(shapes.SHAPES[sys.argv[1]](int(sys.argv[3])))[:-2]
accs = [streamkit.Accumulator() for _ in range(int(sys.argv[2]))]
for at in range(0, len(blocks), 50):
    for acc in accs:
        for block in blocks[at : at + 50]:
            acc.absorb(block)
assert not any(acc.done for acc in accs)
try:
    with open("/proc/self/status") as status:
        print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
except OSError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def memory(bench: Bench) -> Iterator[Figure]:
    """What open streams hold"""
    for shape in ("text", "tool_arguments", "choices"):
        raw = shapes.SHAPES[shape](bench.chunks)
        text = sum(len(one.encode()) for one in shapes.said(raw))
        for cut, blocks in cuts(raw).items():
            held(blocks)  # what is made once for all streams
            size, goal = held(blocks), 2 * text + CONSTANT
            note = f"text {text / 1000:.1f} kB, twice, and {CONSTANT / 1000:.0f}"
            name = f"state of {bench.chunks:,} chunks, {TITLES[shape]}, {cut}"
            yield at_most(name, size / 1000, goal / 1000, " kB", note)
    raw = shapes.text(bench.chunks)
    ends = {**cuts(raw), "100-byte blocks": shapes.blocks(raw, 100)}
    for cut, blocks in ends.items():
        count = kept(blocks, events=False) + kept(blocks, events=True)
        yield at_most(f"blocks still referred to, {cut}", count, 0, note=f"of {len(blocks):,}, absorb and feed")
    for shape in ("text", "tool_arguments"):
        peak = int(run(MANY, shape, str(bench.open), str(shapes.CHUNKS)))
        goal = 1024 * bench.open / 10_000
        note = f"{peak / bench.open / 1000:.1f} kB each, interpreter and all"
        name = f"{bench.open:,} open accumulators of 1,000 chunks, {TITLES[shape]}"
        yield at_most(name, peak / GIB * 1024, goal, " MiB", note)


# --- imports

TIMED = """
import sys, time
start = time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - start)
"""
PULLED = """
import json, sys
before = set(sys.modules)
import streamkit
print(json.dumps(sorted(set(sys.modules) - before)))
"""
CORE = {"attr", "attrs", "cattrs", "jiter", "streamkit", "typing_extensions"}
CLIENTS = set("openai httpx httpx2 httpcore aiohttp requests urllib3 niquests anyio asyncio socket ssl".split())
COMMAND_LINE = set("argparse rich click typer".split())


def imports(bench: Bench) -> Iterator[Figure]:
    """Importing, in fresh interpreters whose files are in the cache"""
    names = ["streamkit", "cattrs", *(["openai"] if peers.versions("openai") else [])]
    times: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as cache:
        for at in range(bench.measurer.rounds + 1):
            for name in names:
                taken = float(run(TIMED, name, cache=cache))
                if at:  # the first writes the compiled files
                    times[name].append(taken)
    took = {name: statistics.median(found) * 1e3 for name, found in times.items()}
    if "openai" in took:
        note = f"{took['streamkit']:.0f} ms against {took['openai']:.0f}: a sixth is {1 / 6:.3f}"
        yield at_most("import streamkit against import openai", took["streamkit"] / took["openai"], 1 / 6, " ×", note)
    else:
        yield Figure("import streamkit", took["streamkit"], " ms", note="openai is not installed")
    yield Figure("import cattrs alone, which is part of it", took["cattrs"], " ms")
    pulled = json.loads(run(PULLED))
    tops = {name.split(".")[0] for name in pulled}
    foreign = sorted(name for name in tops - CORE if name not in sys.stdlib_module_names)
    unwanted = sorted(tops & (CLIENTS | COMMAND_LINE) | set(foreign))
    own = sum(name.split(".")[0] == "streamkit" for name in pulled)
    note = f"of {len(pulled)} modules, {own} of them streamkit's; {', '.join(unwanted) or 'attrs, cattrs, jiter alone'}"
    yield at_most("clients, command-line and other libraries pulled in", len(unwanted), 0, note=note)
