"""This checkout beside another one, by turns in one run: what became slower, and what faster.

    git worktree add ../before COMMIT
    python benches/turns.py ../before/src [--rounds 9] [--chunks 1000]

In: the source folder of the other checkout. Out: a line for each way through each stream, in CPU time: before, now, and their
ratio, the median over the rounds of one by the other. Each checkout runs in a separate process, and a round is a turn of
each: a slow moment of the machine falls on both. Only what any version has is used: `Accumulator`, `dumps` and `Cleaner`.

Streams: the shapes of shapes.py in two cuts (feed, absorb, without the fast lane, cleaned), and the recorded streams by how many
events they have (goals_recorded.py), from bytes to JSON, in one block and with one event a block.
"""

from __future__ import annotations

import argparse
import gc
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
FILL = 0.03  # seconds that a way runs in a round, or once where it takes longer
Streams = list[tuple[bytes, ...]]


# --- in a process for each checkout


def ways() -> dict[str, Callable[[tuple[bytes, ...]], Any]]:
    """Return the ways through the blocks of a stream, each to the response in hand."""
    import streamkit

    def read(blocks: tuple[bytes, ...], *, events: bool, fast: bool = True) -> Any:
        accumulator = streamkit.Accumulator(fast=fast)
        take: Callable[[bytes], Any] = accumulator.feed if events else accumulator.absorb
        for block in blocks:
            take(block)
        accumulator.close()
        return accumulator.snapshot()

    def to_json(blocks: tuple[bytes, ...]) -> None:
        response = read(blocks, events=False)
        if response is not None:
            streamkit.dumps(response)

    def clean(blocks: tuple[bytes, ...]) -> None:
        cleaner = streamkit.Cleaner()
        for block in blocks:
            cleaner.feed(block)
        cleaner.close()

    return {
        "feed": lambda blocks: read(blocks, events=True),
        "absorb": lambda blocks: read(blocks, events=False),
        "without the fast lane": lambda blocks: read(blocks, events=False, fast=False),
        "cleaned": clean,
        "bytes to JSON": to_json,
    }


def worker(jobs: Path) -> None:
    """Time the jobs whose numbers arrive on standard input; print the seconds of each."""
    work: list[tuple[str, Streams]] = pickle.loads(jobs.read_bytes())
    run, often = ways(), {}
    gc.disable()
    for line in sys.stdin:
        number = int(line)
        way, streams = work[number]

        def once(way: str = way, streams: Streams = streams) -> float:
            begin = time.process_time()
            for blocks in streams:
                run[way](blocks)
            return time.process_time() - begin

        if number not in often:
            once()
            often[number] = max(1, round(FILL / max(once(), 1e-6)))
        gc.collect()
        print(sum(once() for _ in range(often[number])) / often[number], flush=True)


# --- in this one


def jobs(chunks: int) -> Iterator[tuple[str, str, Streams]]:
    """Yield a title, a way and the streams that it reads."""
    import shapes
    from goals_recorded import CLASSES
    from recorded import collections
    from workloads import TITLES, cuts

    for shape, title in TITLES.items():
        for cut, blocks in cuts(shapes.SHAPES[shape](chunks)).items():
            for way in ("feed", "absorb", "without the fast lane", "cleaned"):
                yield f"{title}, {cut}: {way}", way, [tuple(blocks)]
    recorded = [one for found in collections().values() for one in found]
    for low, high in CLASSES:
        some = [
            one.body
            for one in recorded
            if low <= len(shapes.events(one.body)) and (high is None or len(shapes.events(one.body)) <= high)
        ]
        title = f"recorded, {low} events and more" if high is None else f"recorded, {low} to {high} events"
        yield f"{title}, one block", "bytes to JSON", [(body,) for body in some]
        yield f"{title}, live", "bytes to JSON", [tuple(shapes.events(body)) for body in some]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the src folder of the other checkout")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--chunks", type=int, default=1000)
    options = parser.parse_args()
    if not (options.other / "streamkit").is_dir():
        parser.error(f"{options.other} has no package streamkit: pass the src folder of a checkout")
    work = list(jobs(options.chunks))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "jobs"
        file.write_bytes(pickle.dumps([(way, streams) for _, way, streams in work]))
        both = [turn(source, file) for source in (options.other, HERE.parents[1] / "src")]
        taken: list[list[list[float]]] = [[[], []] for _ in work]
        for _ in range(options.rounds):
            for number, (title, _, _) in enumerate(work):
                for process, times in zip(both, taken[number], strict=True):
                    print(number, file=process.stdin, flush=True)
                    said = process.stdout.readline() if process.stdout else ""
                    if not said:
                        raise SystemExit(f"a checkout cannot do this: {title}")
                    times.append(float(said))
        for process in both:
            process.communicate()
    for (title, _, streams), (before, now) in zip(work, taken, strict=True):
        times = statistics.median(b / a for a, b in zip(before, now, strict=True))
        each = [statistics.median(one) / len(streams) * 1e6 for one in (before, now)]
        print(f"{title:<62}{each[0]:>10,.0f} us{each[1]:>10,.0f} us{times:>7.2f}")


def turn(source: Path, file: Path) -> subprocess.Popen[str]:
    """Start the process of a checkout."""
    code = "import sys; sys.path[:0] = sys.argv[1:3]; import turns, pathlib; turns.worker(pathlib.Path(sys.argv[3]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(source.resolve()), str(HERE.parent), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main()
