"""Fuzz with coverage: each target in turn, for its share of the time, in a process of its own.

    python fuzz/run.py [TARGET ...] [--minutes 2] [--seed 1]

Needs atheris. Without `--seed` it goes on from fuzz/corpus/, where it keeps what reached new code; with one it begins
afresh, from the seeds alone, and the same inputs are tried in the same order. A finding does not end a run: the first
of each kind is printed as a Python literal and written to fuzz/found/, and the exit code is 1. What takes the process
down with it (a hang in C, no memory) is a finding, too. `python fuzz/replay.py FILE` judges it again, without atheris.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).resolve().parent
FOUND = HERE / "found"
NAMES = ("accumulator", "text", "codec", "cleaner", "growth", "check", "decoder", "trace")
HANG = 150  # seconds by the clock for one input: only what no CPU limit can break off
MEMORY = 2048  # MB for a process
SEEDS = 250  # at most for one target: they are all run before the first change is tried


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--minutes", type=float, default=2.0, help="for all targets together (%(default)s)")
    parser.add_argument("--seed", type=int, help="begin afresh with this number; by default go on by chance")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(*options.child)
    names = options.targets or list(NAMES)
    if unknown := sorted({*names} - {*NAMES}):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(NAMES)}")
    seconds = max(1, round(60 * options.minutes / len(names)))
    print(f"{len(names)} targets, {seconds} s each", flush=True)
    findings = sum([one_target(name, seconds, options.seed) for name in names])
    print(f"{findings} findings" + (f", in {FOUND}" if findings else ""))
    return int(findings > 0)


def one_target(name: str, seconds: int, seed: int | None) -> int:
    """Fuzz one target; print a line of counts and each finding; return how many there were."""
    import seeds
    import targets

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        corpus = place / "corpus" if seed is not None else HERE / "corpus" / name
        begin, broken = place / "seeds", place / "broken"
        for one in (corpus, begin, broken, FOUND):
            one.mkdir(parents=True, exist_ok=True)
        first = list(targets.TARGETS[name].seeds())
        for data in first[:: max(1, -(-len(first) // SEEDS))]:
            (begin / hashlib.sha1(data).hexdigest()).write_bytes(data)
        words = place / "words"
        escaped = ("".join(rf"\x{byte:02x}" for byte in one) for one in seeds.TOKENS)
        words.write_text("".join(f'"{one}"\n' for one in escaped))
        command = [sys.executable, __file__, "--child", name, str(corpus), str(begin), f"-artifact_prefix={broken}/"]
        command += [f"-max_total_time={seconds}", f"-max_len={targets.TARGETS[name].SIZE}", f"-dict={words}"]
        command += [
            f"-timeout={HANG}",
            f"-rss_limit_mb={MEMORY}",
            f"-report_slow_units={HANG}",
            "-print_final_stats=1",
            "-len_control=0",
        ]
        command += [f"-seed={seed}"] if seed is not None else []
        # Hashes by chance would make another order of sets, and with it another run.
        environment = {**os.environ, "PYTHONHASHSEED": "0"} if seed is not None else dict(os.environ)
        environment["STREAMKIT_FUZZ_UNTIL"] = str(time.time() + seconds)
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
        count = done.stdout.count("\nFOUND ") + done.stdout.startswith("FOUND ")
        runs = _last(r"stat::number_of_executed_units: +(\d+)", done.stderr) or _last(r"#(\d+)\t", done.stderr)
        branches, kept = _last(r"cov: (\d+)", done.stderr), _last(r"corp: (\d+)", done.stderr)
        print(
            f"{name:12} {int(runs or 0):9,} executions, {branches} branches covered, {kept} inputs kept, "
            f"{count} findings",
            flush=True,
        )
        if done.stdout:
            print(done.stdout.strip(), flush=True)
        for path in sorted(broken.iterdir()):
            count += 1
            data = path.read_bytes()
            said(name, data, f"the process ended: {path.name.partition('-')[0]}")
        if done.returncode and not count:
            count += 1
            print(f"{name}: the process ended with {done.returncode}\n{done.stderr[-2000:]}")
        return count


def _last(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    return found[-1] if found else ""


def said(name: str, data: bytes, what: str) -> None:
    """Print one finding, and write it to a file."""
    path = FOUND / f"{name}-{hashlib.sha1(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"FOUND by {name}: {what}\n  {data!r}\n  again: python fuzz/replay.py {path}", flush=True)


def child(name: str, *arguments: str) -> int:
    """Fuzz one target in this process, which atheris ends."""
    import atheris

    with atheris.instrument_imports(include=["streamkit"]):
        import targets
    import mutate

    kinds: set[str] = set()

    def one_input(data: bytes) -> None:
        try:
            targets.run(name, data)
        except Exception as error:
            kind = _kind(error)
            if kind not in kinds:
                kinds.add(kind)
                said(name, data, f"{type(error).__name__}: {error}")

    def change(data: bytes, size: int, seed: int) -> bytes:
        by_chance = Random(seed)
        if by_chance.random() < 0.4:
            return bytes(atheris.Mutate(data, size))
        try:
            return mutate.mutated(data, size, by_chance)
        except RecursionError:  # as deep as JSON may be
            return bytes(atheris.Mutate(data, size))

    atheris.Setup([sys.argv[0], *arguments], one_input, custom_mutator=change)
    atheris.Fuzz()
    return 0


def _kind(error: Exception) -> str:
    """What tells one finding from another: where it was raised, by the last of our frames, and the first words."""
    frames: list[Any] = [*traceback.extract_tb(error.__traceback__)]
    cause = error.__cause__  # what was too slow: there
    frames += traceback.extract_tb(cause.__traceback__) if cause is not None else []
    inner = [one for one in frames if "/streamkit/" in one.filename] or frames
    words = re.sub(r"[^A-Za-z ,]+.*", "", str(error).partition("\n")[0])[:60]
    return f"{type(error).__name__} {words} {inner[-1].filename}:{inner[-1].name}"


if __name__ == "__main__":
    sys.exit(main())
