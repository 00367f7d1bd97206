"""Fuzz with coverage: each target in turn, for its share of the time, in a separate process.

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
NAMES = ("accumulator", "text", "codec", "cleaner", "growth", "check", "checkpoint", "decoder", "trace")
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
    FOUND.mkdir(exist_ok=True)
    # Hashes by chance would make another order of sets, and with it another run.
    environment = {**os.environ, "PYTHONHASHSEED": "0"} if seed is not None else dict(os.environ)
    environment["STREAMKIT_FUZZ_UNTIL"] = str(time.time() + seconds)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        printed, log = place / "printed", place / "log"
        with printed.open("wb") as out, log.open("wb") as err:
            command = command_of(name, place, seconds, seed)
            try:
                done = subprocess.run(command, stdout=out, stderr=err, env=environment, timeout=seconds + 2 * HANG)
                code = done.returncode
            except subprocess.TimeoutExpired:
                code = -1
        text, numbers = printed.read_text("utf-8", "replace").strip(), log.read_text("utf-8", "replace")
        broken = sorted((place / "broken").iterdir())
        count = len(re.findall(r"^FOUND ", text, re.MULTILINE)) + len(broken)
        runs = _last(r"stat::number_of_executed_units: +(\d+)", numbers) or _last(r"#(\d+)\t", numbers)
        branches, kept = _last(r"cov: (\d+)", numbers), _last(r"corp: (\d+)", numbers)
        print(
            f"{name:12} {int(runs or 0):9,} executions, {branches} branches covered, {kept} inputs kept, {count} findings"
        )
        print(text + "\n" * bool(text), end="", flush=True)
        for path in broken:
            report(name, path.read_bytes(), f"the process ended: {path.name.partition('-')[0]}")
        if code and not count:
            count += 1
            print(f"{name}: the process ended with {code}\n{numbers[-2000:]}", flush=True)
        return count


def command_of(name: str, place: Path, seconds: int, seed: int | None) -> list[str]:
    """Write what libFuzzer begins with into `place`; return the command that fuzzes one target."""
    import seeds
    import targets

    corpus = place / "corpus" if seed is not None else HERE / "corpus" / name
    begin, broken, words = place / "seeds", place / "broken", place / "words"
    for one in (corpus, begin, broken):
        one.mkdir(parents=True, exist_ok=True)
    first = list(targets.TARGETS[name].seeds())
    for data in first[:: max(1, -(-len(first) // SEEDS))]:
        (begin / hashlib.sha1(data).hexdigest()).write_bytes(data)
    escaped = ("".join(rf"\x{byte:02x}" for byte in one) for one in seeds.TOKENS)
    words.write_text("".join(f'"{one}"\n' for one in escaped))
    return [
        *(sys.executable, __file__, "--child", name, str(corpus), str(begin)),
        *(f"-max_total_time={seconds}", f"-max_len={targets.TARGETS[name].SIZE}", "-len_control=0", f"-dict={words}"),
        *(f"-timeout={HANG}", f"-rss_limit_mb={MEMORY}", f"-report_slow_units={HANG}", f"-artifact_prefix={broken}/"),
        *("-print_final_stats=1", *([f"-seed={seed}"] if seed is not None else [])),
    ]


def _last(pattern: str, text: str) -> str:
    found = re.findall(pattern, text)
    return found[-1] if found else ""


def report(name: str, data: bytes, what: str) -> None:
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
                report(name, data, f"{type(error).__name__}: {error}")

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
