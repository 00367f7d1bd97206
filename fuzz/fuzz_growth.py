"""Target: cost in proportion to the bytes. Four times as much of anything costs at most seven times as much.

Input: one byte for the way in, one for the size of the blocks, then pieces divided by FF. Every second piece is repeated n
times; in it FE stands for the number of the repetition, FD for `a` and `b` by turns. FC is 10,000 letters, anywhere. So `{"k<FE>":1}` makes n keys, and
two repeated pieces make n of one thing and then n of another.

Oracle: design rules 3 and 11. A first look, here: calls counted at n, 2n and 4n (exact, so that a small quadratic part
shows in a short stream), CPU time and memory at two sizes. What is suspect is measured in a fresh process without
coverage, where it has to show again: CPU time over 7 times at 4n, best of three by turns; the peak of 24 MB of it over 4
times the bytes and 64 MB; the fast lane at over 1.5 times the reference path (1.25 and room).

    python fuzz/fuzz_growth.py FILE     measure one input, and print what was found as JSON
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import attrs

import seeds as of
import streamkit
from bounds import TooSlow, cpu_limit
from streamkit import Accumulator, Cleaner, StreamError, check_stream, types
from streamkit.sse import EventDecoder
from streamkit.trace import read_trace

SIZE = 600
HEAD = 2
LARGEST = 24 * 2**20
LETTERS = b"z" * 10_000
BLOCKS = (16384, 64, 1024, 65536)
SLOWEST = 40.0  # seconds of CPU time for a measurement: more is a finding
TIMEOUT = 180  # seconds by the clock: more says nothing, the machine may have other work
UNTIL = "STREAMKIT_FUZZ_UNTIL"  # environment: when a run ends, as time.time() counts; nothing is measured after it
LOOK = 3.0  # seconds of CPU time for a look: 50 kB are read in it, the honest ones in a tenth
LANES = 1.5  # times the reference path; 1.25 is promised, the rest is room for a machine with other work
ENOUGH = 10.0  # seconds of CPU time for the memory of one stream: what takes longer is a matter of time, not memory


def _feed(blocks: list[bytes], **options: Any) -> None:
    accumulator = Accumulator(**options)
    for block in blocks:
        accumulator.feed(block)
    accumulator.close()
    accumulator.snapshot()


def _absorb(blocks: list[bytes], **options: Any) -> None:
    accumulator = Accumulator(**options)
    for block in blocks:
        accumulator.absorb(block)
    accumulator.close()
    accumulator.snapshot()


def _clean(blocks: list[bytes]) -> None:
    cleaner = Cleaner()
    for block in blocks:
        cleaner.feed(block)
    cleaner.close()


def _decode(blocks: list[bytes]) -> None:
    decoder = EventDecoder()
    for block in blocks:
        decoder.feed_all(block)
    decoder.close()


def _load(blocks: list[bytes]) -> None:
    streamkit.dumps(streamkit.loads(b"".join(blocks), types.CreateChatCompletionStreamResponse))


WAYS: dict[str, Callable[[list[bytes]], Any]] = {
    "feed": _feed,
    "absorb": _absorb,
    "feed, fast=False": lambda blocks: _feed(blocks, fast=False),
    "absorb, fast=False": lambda blocks: _absorb(blocks, fast=False),
    "Cleaner": _clean,
    "check_stream": check_stream,
    "EventDecoder": _decode,
    "loads, dumps": _load,
    "read_trace": lambda blocks: read_trace(BytesIO(b"".join(blocks))),
}


@attrs.frozen
class Shape:
    """What an input stands for: a stream of any length."""

    way: str
    block: int
    pieces: tuple[bytes, ...]

    @classmethod
    def of(cls, data: bytes) -> Shape:
        head = data[:HEAD].ljust(HEAD, b"\0")
        names = list(WAYS)
        pieces = tuple(piece.replace(b"\xfc", LETTERS) for piece in data[HEAD:].split(b"\xff"))
        return cls(names[head[0] % len(names)], BLOCKS[head[1] % len(BLOCKS)], pieces)

    @property
    def unit(self) -> int:
        """How many bytes one repetition has, about."""
        return sum(map(len, self.pieces[1::2]))

    @property
    def scale(self) -> int:
        """How many times as long a stream has to be to have as many repetitions as others."""
        return 200 if any(LETTERS in piece for piece in self.pieces[1::2]) else 1

    def made(self, size: int) -> list[bytes]:
        """Return a stream of about `size` bytes, in blocks."""
        count = max(1, size // max(1, self.unit))
        raw = b"".join(_repeated(piece, count) if at % 2 else piece for at, piece in enumerate(self.pieces))
        return [raw[at : at + self.block] for at in range(0, len(raw), self.block)]

    def run(self, blocks: list[bytes]) -> None:
        """Read the blocks in this way; what is refused is refused."""
        try:
            WAYS[self.way](blocks)
        except StreamError:
            pass

    @property
    def name(self) -> str:
        """The shape without its words and numbers: what one finding is told from another by."""
        return " ".join([self.way, *(re.sub(r"\w+", "w", repr(piece)) for piece in self.pieces[1::2])])


def _repeated(piece: bytes, count: int) -> bytes:
    if b"\xfe" not in piece and b"\xfd" not in piece:
        return piece * count
    turns = (b"a", b"b")
    return b"".join(piece.replace(b"\xfe", b"%d" % at).replace(b"\xfd", turns[at % 2]) for at in range(count))


_measured: set[tuple[str, str]] = set()


def check(data: bytes) -> None:
    """Look at one shape; measure what is suspect, each kind of shape once a process."""
    shape = Shape.of(data)
    if not shape.unit:
        return
    suspicions = suspicions_of(shape)
    if not suspicions or time.time() > float(os.environ.get(UNTIL, "inf")):
        return
    _measured.update((name, shape.name) for name in suspicions)
    found = measured_elsewhere(data, suspicions)
    if found:
        raise AssertionError(f"{shape.way}, blocks of {shape.block}: {found}")


# --- the first look


def suspicions_of(shape: Shape) -> list[str]:
    """Return what to measure of a shape; where a look itself takes long, its time and nothing else."""
    found = []
    for name, look in LOOKS.items():
        if (name, shape.name) in _measured:
            continue
        try:
            with cpu_limit(LOOK):
                suspect = look(shape)
        except TooSlow:
            return ["time"] if ("time", shape.name) not in _measured else []
        finally:
            tracemalloc.stop()
            sys.setprofile(None)
        if suspect:
            found.append(name)
    return found


def _by_calls(shape: Shape) -> bool:
    """Whether the calls of a second n are more than those of the first n."""
    one, two, four = (_calls(shape, shape.made(size * shape.scale)) for size in (1500, 3000, 6000))
    if four - two <= 1.3 * 2 * max(two - one, 40):
        return False
    one, two, four = (_calls(shape, shape.made(size * shape.scale)) for size in (6000, 12000, 24000))
    return four - two > 1.5 * 2 * max(two - one, 40)


def _calls(shape: Shape, blocks: list[bytes]) -> int:
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(counted)
    shape.run(blocks)
    sys.setprofile(None)
    return count


def _by_time(shape: Shape) -> bool:
    small, large = _seconds(shape, 8_000 * shape.scale), _seconds(shape, 32_000 * shape.scale)
    return large > 0.008 and large > 6 * max(small, 0.001)


def _seconds(shape: Shape, size: int) -> float:
    blocks = shape.made(size)
    start = time.process_time()
    shape.run(blocks)
    return time.process_time() - start


def _by_memory(shape: Shape) -> bool:
    """Whether 24 kB more of it take more than 4 times that."""
    if shape.way == "read_trace" or shape.way.startswith("loads"):
        return False  # what they return is the caller's
    peaks = []
    for size in (8_000, 32_000):
        blocks = attrs.evolve(shape, block=min(shape.block, 4096)).made(size)  # the events of a block are the caller's
        tracemalloc.start()
        shape.run(blocks)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return peaks[1] - peaks[0] > 4.5 * 24_000


def _by_lanes(shape: Shape) -> bool:
    """Whether the fast lane makes more calls than the reference path."""
    if shape.way not in ("feed", "absorb"):
        return False
    blocks = shape.made(24_000)
    if b"".join(blocks).count(b"data") < 100:
        return False
    other = attrs.evolve(shape, way=shape.way + ", fast=False")
    return _calls(shape, blocks) > 1.25 * _calls(other, blocks)


LOOKS: dict[str, Callable[[Shape], bool]] = {
    "calls": _by_calls,
    "time": _by_time,
    "memory": _by_memory,
    "lanes": _by_lanes,
}


# --- the measurement


def measured_elsewhere(data: bytes, suspicions: list[str]) -> str:
    """Measure one input in a fresh process; return what was found, in words."""
    command = [sys.executable, __file__, "-", *suspicions]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        print(f"not measured within {TIMEOUT} s: {suspicions} of {data!r}", file=sys.stderr)
        return ""
    if done.returncode:
        return f"the measurement failed: {done.stderr.decode()[-500:]}"
    return str(json.loads(done.stdout))


def measured(data: bytes, suspicions: list[str]) -> str:
    """Return what is out of proportion in one input, in words; empty where nothing is."""
    shape = Shape.of(data)
    try:
        with cpu_limit(SLOWEST):
            found = growth(shape) if "calls" in suspicions or "time" in suspicions else []
            if "memory" in suspicions and not found:
                found += memory(shape)
            if "lanes" in suspicions and not found:
                found += lanes(shape)
    except TooSlow as error:
        return f"{error} to measure {', '.join(suspicions)}"
    return "; ".join(found)


def growth(shape: Shape) -> list[str]:
    """CPU time at 4n over that at n, where n is long enough to be measured."""
    size = 256
    while _seconds(shape, size) < 0.02 and size < 2**17 * shape.scale:
        size *= 2
    ratios = []
    for _ in range(3):
        small, large = _seconds(shape, size), _seconds(shape, 4 * size)
        ratios.append((large / small, small, large))
        if min(ratios)[0] <= 7:
            return []
        if min(ratios)[0] > 10 and large > 0.5:
            break  # no noise
    ratio, small, large = min(ratios)
    return [f"CPU x{ratio:.1f} at 4n: {small:.3f} s for {size} bytes, {large:.3f} s for {4 * size}"]


def memory(shape: Shape) -> list[str]:
    """The peak of a long stream, read in blocks, over what is promised."""
    import resource  # no such module on Windows

    # One event is held as bytes until it is whole, and is refused where it is over its limit: it stays below, to its end.
    many = b"\n" in b"".join(shape.pieces[1::2])
    blocks = attrs.evolve(shape, block=65536).made(LARGEST if many else LARGEST // 2)
    end = time.process_time() + ENOUGH
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fed = 0
    peak = bound = 0.0
    reader: Any = {"Cleaner": Cleaner, "EventDecoder": EventDecoder}.get(shape.way, Accumulator)()
    take = reader.absorb if shape.way == "absorb" else reader.feed
    for number, block in enumerate(blocks, 1):
        fed += len(block)
        try:
            take(block)
        except StreamError:
            break
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        bound = 4 * fed / 2**20 + 64
        # After a quarter it is clear where most are going.
        if many and number == len(blocks) // 4 and 6 * peak < 4 * LARGEST / 2**20 + 64:
            return []
        if getattr(reader, "outcome", None) is not None or time.process_time() > end:
            break
    return [f"{peak:.0f} MB for {fed / 2**20:.1f} MB fed, over {bound:.0f}"] if peak > bound else []


def lanes(shape: Shape) -> list[str]:
    """CPU time of the fast lane over that of the reference path, both at best, by turns."""
    blocks = shape.made(400_000)
    fast, slow = 1e9, 1e9
    other = attrs.evolve(shape, way=shape.way + ", fast=False")
    for _ in range(7):
        for one in (shape, other):
            start = time.process_time()
            one.run(blocks)
            took = time.process_time() - start
            fast, slow = (min(fast, took), slow) if one is shape else (fast, min(slow, took))
        if fast <= LANES * slow:
            return []
    return [
        f"the fast lane takes {fast / slow:.2f} times as long as fast=False: {fast:.3f} s for {len(b''.join(blocks))} bytes"
    ]


# --- seeds


def _chunk(delta: bytes, index: bytes = b"0", more: bytes = b"") -> bytes:
    return b'data: {"id":"c","choices":[{"index":%b,"delta":%b%b}]}\n\n' % (index, delta, more)


UNITS: tuple[bytes, ...] = (
    _chunk(b'{"content":"x"}'),
    _chunk(b'{"content":"x"}', b"\xfe"),
    _chunk(b'{"k\xfe":"a"}'),
    _chunk(b'{"k":"a"}'),
    _chunk(b'{"k":{"\xfe":[1]}}'),
    _chunk(b'{"reasoning_details":[{"index":\xfe,"text":"x"}]}'),
    _chunk(b'{"tool_calls":[{"index":\xfe,"id":"c\xfe","function":{"name":"f","arguments":"{}"}}]}'),
    _chunk(b'{"tool_calls":[{"index":0,"function":{"arguments":"x"}}]}'),
    _chunk(b"{}", more=b',"finish_reason":"\xfd"'),
    _chunk(b'{"role":"assistant"}'),
    _chunk(b"{}", more=b',"message":{"content":"y"},"finish_reason":"stop"'),
    _chunk(
        b'{"content":"a"}', more=b',"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]}'
    ),
    _chunk(b'{"annotations":[{"url":"\xfe"}]}'),
    _chunk(b'{"content":"\\ud83d"}'),
    b'data: {"choices":[],"usage":{"k\xfe":1}}\n\n',
    b'data: {"choices":[],"usage":{"total_tokens":\xfe}}\n\n',
    b'data: {"k\xfe":"a","choices":[]}\n\n',
    b'data: {"error":{"message":"\xfe"}}\n\n',
    b"data: {\n\n",
    b"{}",
    b"[],",
    b"[",
    b" ",
    b"\n",
    b": ping\n\n",
    b"x\n",
    b"data: data: {",
    b"<title",
    b"event: \xfd\ndata: \xfe\n\n",
    b"data: [DONE]\n\n",
    b'"\xfe":[{}],',
)


def seeds() -> Iterator[bytes]:
    """Yield each unit by itself, inside a document, before and after a text, and in pairs."""
    start, ways = _chunk(b'{"role":"assistant","content":"hi"}'), len(WAYS)
    for number, unit in enumerate(UNITS):
        yield b"%c\0\xff%b\xff" % (number % 2, unit)
        yield b"%c%c%b\xff%b\xffx\n\n" % (number % ways, number % 4, start, unit)
        yield b'\0\0%bdata: {"choices":[{"index":0,"delta":{"z":[\xff%b\xff]}}]}\n\n' % (start, unit)
        other = UNITS[(number * 7 + 8) % len(UNITS)]
        yield b"\0\0\xff%b\xff\xff%b\xff" % (_chunk(b'{"content":"\xfc"}'), unit)
        yield b"\0\0%b\xff%b\xff%b\xff%b\xff" % (start, unit, start, other)
    for inner in (
        b'"a":1\xff,"k\xfe":"a"\xff',
        b'"reasoning_details":[{}\xff,{"index":\xfe}\xff]',
        b'"z":[[]\xff,{}\xff]',
    ):
        yield b"\0\0" + start + _chunk(b"{%b}" % inner)
        yield (
            b"\0\0"
            + start
            + _chunk(b"{%b}" % inner)
            + b"\xff"
            + _chunk(b"{}", more=b',"finish_reason":"\xfd"')
            + b"\xff"
        )
    for number, raw in enumerate(of.literals(SIZE - 8)):
        yield b"%c%c\xff%b\xff" % (number % ways, number % 4, raw.replace(b"\xff", b""))


if __name__ == "__main__":
    given = sys.stdin.buffer.read() if sys.argv[1] == "-" else Path(sys.argv[1]).read_bytes()
    print(json.dumps(measured(given, sys.argv[2:] or list(LOOKS))))
