"""Corpora: the kernel beside its floor, and engines running it, over the recorded streams cycled.

    python benches/corpora.py                         # all of it, 5,000 rows
    python benches/corpora.py --rows 50000 engines    # some of it
    python benches/corpora.py --rows 1000000 long     # one run of the command over that many rows, niced

In: recorded streams (traces/, ../shared/traces where it is, or `--streams FOLDER` of .sse files). Out: lines. Figures are CPU time
in medians of rounds by turns, as the machine is shared; wall time is named where it is meant. An engine that is not installed is
left out.

    kernel    us a row: split + jiter, row by row, reassemble_batch, Arrow in and out, openai-python
    engines   us of CPU a row outside the kernel, of all processes together, after start-up; digests
    workers   Spark with 1 and 2 workers beside 1 and 2 plain processes that run the kernel: wall time
    faults    a worker and a driver killed in the middle; bad rows; a body of 300 MB with its peak memory
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recorded import collections
from streamkit import Accumulator
from streamkit.corpus import SCHEMA, _kernel, reassemble_batch
from streamkit.corpus._parts import make_plan, run_part
from streamkit.corpus._rows import row_of

MARK = "STREAMKIT_CORPORA"
TICK = os.sysconf("SC_CLK_TCK")
ROUNDS = 3
MOST = 50_000  # rows that are written; more are files of the same rows


def streams(folder: str | None) -> list[bytes]:
    """Every recorded body, in order."""
    if folder is not None:
        return [path.read_bytes() for path in sorted(Path(folder).glob("*/*.sse"))]
    return [one.body for found in collections().values() for one in found]


def write_corpus(file: Path, bodies: list[bytes], rows: int) -> int:
    """Write the bodies, cycled, as Parquet; return their bytes. Each group of rows is one cycle."""
    schema = pa.schema([("row_id", pa.int64()), ("body", pa.binary())])
    size = 0
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as writer:
        for start in range(0, rows, len(bodies)):
            some = bodies[: min(len(bodies), rows - start)]
            size += sum(map(len, some))
            columns = {"row_id": range(start, start + len(some)), "body": pa.array(some, pa.binary())}
            writer.write_table(pa.table(columns, schema=schema))
    return size


def digest(folder: Path) -> str:
    """Return what two runs have in common where all their columns are equal."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("part-*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(1000):
            for row in batch.to_pylist():
                found.update(repr(row).encode())
    return found.hexdigest()[:8]


# --- the kernel


def kernel(bodies: list[bytes]) -> Iterator[str]:
    """CPU time a row, by turns."""
    import jiter

    from peers import openai_python

    batch = pa.record_batch({"body": pa.array(bodies, pa.binary())})
    rows = [row_of([(0, body)], None, {}) for body in bodies]
    names = _kernel.Columns("body", None, None, None, (), {})

    def floor() -> None:
        for body in bodies:
            for event in body.split(b"\n\n"):
                if event.startswith(b"data: {"):
                    try:
                        jiter.from_json(event[6:])
                    except ValueError:
                        continue

    def rows_alone() -> None:
        for body in bodies:
            accumulator = Accumulator()
            accumulator.absorb(body)
            accumulator.close()
            accumulator.snapshot()
            accumulator.dumps()

    warnings.simplefilter("ignore")  # pydantic's, of content that is not text

    def openai() -> None:
        for body in bodies:
            try:
                openai_python(body)
            except Exception:
                continue

    def arrow() -> None:
        _kernel._views(batch.column(0))
        names._made(batch, rows, SCHEMA)

    works: dict[str, Callable[[], object]] = {
        "split + jiter": floor,
        "Accumulator, snapshot and dumps, row by row": rows_alone,
        "reassemble_batch": lambda: reassemble_batch(batch),
        "Arrow in and out, of it": arrow,
        "openai-python": openai,
    }
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            begin = time.process_time()
            work()
            took[name].append(time.process_time() - begin)
    size = sum(map(len, bodies))
    for name, times in took.items():
        second = statistics.median(times)
        speed = f"{len(bodies) / second:>9,.0f} rows/s {size / second / 1e6:>7.1f} MB/s"
        yield f"{name:<45}{second / len(bodies) * 1e6:>8.0f} us a row {speed}"


# --- engines


def cpu_of_all(mark: str) -> float:
    """Return the CPU seconds of every process that has the mark in its environment, with its children that ended."""
    total = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/environ", "rb") as file:
                    if f"{MARK}={mark}".encode() not in file.read():
                        continue
                with open(f"/proc/{entry.name}/stat") as text:
                    fields = text.read().rpartition(") ")[2].split()
            except OSError:
                continue
            total += sum(map(int, fields[11:15]))
    return total / TICK


def timed_part(job: Any) -> tuple[Any, float]:
    """Make a part; return what `run_part` does, and the CPU seconds inside the kernel."""
    import time

    from streamkit.corpus import _parts

    spent = [0.0]
    plain = _kernel.Columns.read

    class Timed(_kernel.Columns):
        def read(self, batch: Any, most: int | None) -> Any:
            inner = plain(self, batch, most)
            while True:
                begin = time.thread_time()
                out = next(inner, None)
                spent[0] += time.thread_time() - begin
                if out is None:
                    return
                yield out

    _parts.Columns = Timed  # type: ignore[misc]
    try:
        return run_part(job), spent[0]
    finally:
        _parts.Columns = _kernel.Columns  # type: ignore[misc]


def plan(source: Path, target: Path, parts: int) -> tuple[Any, ...]:
    columns = {"body": "body", "blocks": None, "arrival_ns": None, "encoding": None}
    return make_plan(
        str(source), str(target), columns=columns, keep={"row_id": "row_id"}, sender=None, parts=parts
    ).jobs


def measure(engine: str, source: str, target: str, workers: int, parts: int) -> dict[str, float]:
    """Run an engine over a corpus in this process, after one part to start it up."""
    import importlib

    run = importlib.import_module(f"streamkit.corpus.{engine}").run
    begin = time.monotonic()
    warm = plan(Path(source), Path(target) / "warm", parts * workers)[: 2 * workers]
    list(run(timed_part, warm, workers=workers))
    started, before = time.monotonic(), cpu_of_all(os.environ[MARK])
    found = list(run(timed_part, plan(Path(source), Path(target) / "out", parts), workers=workers))
    wall, cpu = time.monotonic() - started, cpu_of_all(os.environ[MARK]) - before
    rows = sum(result[1]["rows"] for result, _ in found)
    return {
        "rows": rows,
        "wall": wall,
        "cpu": cpu,
        "kernel": sum(spent for _, spent in found),
        "start": started - begin,
    }


def measured(engine: str, source: Path, target: Path, workers: int, parts: int) -> dict[str, float] | None:
    """`measure` in a separate process; None where the engine is not installed."""
    environment = {**os.environ, MARK: uuid.uuid4().hex, "PYSPARK_PYTHON": sys.executable, "RAY_worker_niceness": "0"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [
        sys.executable,
        __file__,
        "measure",
        "--measure",
        engine,
        str(source),
        str(target),
        str(workers),
        str(parts),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600)
    if "No module named" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def engines(source: Path, size: int, folder: Path, rounds: int) -> Iterator[str]:
    """CPU time a row outside the kernel, and whether all rows agree."""
    found: dict[str, list[dict[str, float]]] = {}
    digests: dict[str, str] = {}
    parts = max(size // (64 * 1024 * 1024), 4)
    for number in range(rounds):
        for engine, workers in (("local", 1), ("ray", 2), ("spark", 2)):
            target = folder / f"{engine}-{number}"
            if (one := measured(engine, source, target, workers, parts)) is not None:
                found.setdefault(engine, []).append(one)
                if not number:
                    digests[engine] = digest(target / "out")
    for engine, each in found.items():
        one = {name: statistics.median(run[name] for run in each) for name in each[0]}
        rows = one["rows"]
        yield (
            f"{engine:<6} {(one['cpu'] - one['kernel']) / rows * 1e6:>7.0f} us a row outside the kernel, {one['kernel'] / rows * 1e6:.0f}"
            f" inside; {rows / one['wall']:,.0f} rows/s, {size / one['wall'] / 1e6:.1f} MB/s of wall time; start-up {one['start']:.1f} s;"
            f" digest {digests[engine]}"
        )


def row_by_row(source: Path) -> str:
    """Return the digest of the rows, each fed to the kernel alone."""
    found = hashlib.sha256()
    for batch in pq.ParquetFile(source).iter_batches(100):
        for number in range(len(batch)):
            (row,) = reassemble_batch(batch.slice(number, 1), keep=["row_id"]).to_pylist()
            found.update(repr(row).encode())
    return found.hexdigest()[:8]


def workers(source: Path, size: int, folder: Path) -> Iterator[str]:
    """Wall time with one worker and with two: Spark, and plain processes."""
    parts = max(size // (32 * 1024 * 1024), 4)
    walls: dict[str, dict[int, float]] = {"spark": {}, "plain processes": {}}
    for count in (1, 2):
        one = measured("spark", source, folder / f"workers-{count}", count, parts)
        if one is None:
            return
        walls["spark"][count] = one["wall"]
        jobs = plan(source, folder / f"plain-{count}", parts)
        begin, children = time.monotonic(), []
        for share in range(count):
            if (child := os.fork()) == 0:
                for job in jobs[share::count]:
                    run_part(job)
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        walls["plain processes"][count] = time.monotonic() - begin
    gains = {name: each[1] / each[2] for name, each in walls.items()}
    for name, each in walls.items():
        yield f"{name:<16} {each[1]:.1f} s with one, {each[2]:.1f} s with two: {gains[name]:.2f} times"
    yield f"of their gain: {gains['spark'] / gains['plain processes']:.2f}"


# --- faults


def command(source: Path, target: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "streamkit", "corpus", str(source), str(target), "--keep", "row_id", *more]


def faults(source: Path, folder: Path) -> Iterator[str]:
    """Processes that are killed, rows that are bad, a row that is large."""
    subprocess.run(command(source, folder / "whole", "--partitions", "8"), check=True, capture_output=True)
    want = digest(folder / "whole")
    with subprocess.Popen(command(source, folder / "killed", "--partitions", "8"), stderr=subprocess.DEVNULL) as driver:
        while len(list((folder / "killed").glob("part-*"))) < 3:
            time.sleep(0.01)
        driver.send_signal(signal.SIGKILL)
    there = {file.name: file.stat().st_mtime_ns for file in (folder / "killed").glob("part-*")}
    again = subprocess.run(command(source, folder / "killed", "--partitions", "8"), check=True, capture_output=True)
    kept = all((folder / "killed" / name).stat().st_mtime_ns == stamp for name, stamp in there.items())
    same = digest(folder / "killed") == want
    yield f"driver killed after {len(there)} of 8 parts: same digest {same}, finished parts left alone {kept}"
    yield f"    {again.stderr.decode().splitlines()[0]}"
    yield f"row by row: same digest {row_by_row(source) == want}"
    for title, body in (
        ("300 MB in chunks of 200 bytes", large()),
        ("200 MB of them", large(1_000_000)),
        ("one event of 300 MB", large(1, 300_000_000)),
    ):
        yield f"{title}: {in_a_process(body)}"


def large(chunks: int = 1_500_000, size: int = 200) -> bytes:
    """Return a body of `chunks` chunks with `size` characters each."""
    head = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"'
    tail = b'"},"finish_reason":null}]}\n\n'
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    return (head + b"x" * (size - len(head) - len(tail)) + tail) * chunks + end


def in_a_process(body: bytes) -> str:
    """Read a body as one row in a separate process; return its outcome and what it cost."""
    batch = pa.record_batch({"body": pa.array([body], pa.large_binary())})
    size, (read, write) = len(body), os.pipe()
    del body
    if os.fork() == 0:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew; that of a fork is its parent's
        before, begin = memory("VmRSS"), time.process_time()
        out = reassemble_batch(batch)
        took, more = time.process_time() - begin, memory("VmHWM") - before
        said = f"{out.column('outcome')[0]} ({out.column('reason')[0]}), {took:.1f} CPU s, peak +{more / 1024:,.0f} MB"
        os.write(write, f"{said}, {more * 1024 / size:.1f} times the body".encode())
        os._exit(0)
    os.wait()
    return os.read(read, 1000).decode()


def memory(what: str) -> int:
    """Return KB of this process: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def long(source: Path, size: int, folder: Path, times: int) -> Iterator[str]:
    """One run of the command, niced, with its time and its peak memory."""
    (folder / "in").mkdir()
    for number in range(times):
        os.link(source, folder / "in" / f"{number:03}.parquet")
    begin, size = time.monotonic(), size * times
    done = subprocess.run(["nice", *command(folder / "in", folder / "long")], check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, cpu = time.monotonic() - begin, used.ru_utime + used.ru_stime
    yield f"{size / 1e9:.2f} GB: {cpu:,.0f} CPU s, {wall:,.0f} s of wall time, peak {used.ru_maxrss / 1024:,.0f} MB"
    yield from (
        f"    {line}" for line in done.stdout.decode().splitlines()[-2:] + done.stderr.decode().splitlines()[-1:]
    )


SECTIONS = ("kernel", "engines", "workers", "faults", "long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", default=SECTIONS[:-1], help=", ".join(SECTIONS))
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--streams", help="a folder of folders of .sse files")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        engine, source, target, count, parts = args.measure
        print(json.dumps(measure(engine, source, target, int(count), int(parts))))
        return
    bodies = streams(args.streams)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "corpus.parquet"
        times = max(args.rows // MOST, 1) if "long" in args.sections else 1  # that many names for one file
        size = write_corpus(source, bodies, args.rows // times)
        works: dict[str, Callable[[], Iterator[str]]] = {
            "kernel": lambda: kernel(bodies),
            "engines": lambda: engines(source, size, folder, args.rounds),
            "workers": lambda: workers(source, size, folder),
            "faults": lambda: faults(source, folder),
            "long": lambda: long(source, size, folder, times),
        }
        print(
            f"{args.rows:,} rows, {size * times / 1e6:,.0f} MB of bodies, {len(bodies)} different ones; load {os.getloadavg()[0]:.0f}"
        )
        for section in args.sections:
            print(f"\n{section}: {(works[section].__doc__ or globals()[section].__doc__).splitlines()[0]}", flush=True)
            for line in works[section]():
                print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
