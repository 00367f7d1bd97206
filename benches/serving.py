"""The trace server under many clients at once, and the pace through the recording proxy.

    python benches/serving.py                       1,000 replays at once, of a trace at its pace: how late blocks are
    python benches/serving.py --proxied             recorded traces through the proxy: bytes, boundaries, how far times are off

In: traces of this repository. Out: for replays the lag of blocks (median, p99, the largest), as the server saw it, whether every
client got every byte, and the descriptors of the server's process before and after. For the proxy, by trace: whether bytes are
equal, whether boundaries are, and the differences between recorded times (p50, p99). The clients are in a separate process.
On a loaded machine lags say how loaded it is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from streamkit import RecordingProxy, TraceServer
from streamkit.trace import read_trace

TRACES = Path(__file__).resolve().parent.parent / "traces"


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# --- many replays


async def clients(port: int, count: int, name: str) -> None:
    body = b'{"model":"%b","stream":true}' % name.encode()
    asked = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked % (len(body), body))
        answer = await reader.read()
        writer.close()
        return len(answer) if answer.endswith(b"0\r\n\r\n") else -1

    sizes = await asyncio.gather(*(one() for _ in range(count)))
    print(len(set(sizes)) == 1 and sizes[0] > 0)


def many(count: int, name: str) -> None:
    before = descriptors()
    with TraceServer(TRACES) as server:
        port = server.url.rpartition(":")[2]
        began, cpu = time.monotonic(), time.process_time()
        command = [sys.executable, __file__, "--clients", port, "--count", str(count), "--trace", name]
        whole = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        lags = list(server.lags)
        while any(one.ended == "open" for one in server.requests):
            time.sleep(0.01)
        ended = {one.ended for one in server.requests}
    trace = read_trace(TRACES / f"{name}.trace.jsonl")
    print(
        f"{count} replays at once of {name}: {len(trace.blocks)} blocks in {trace.blocks[-1].t:.1f} s; took {took:.1f} s"
    )
    print(
        f"every byte of every one: {whole}; ended {ended}; blocks measured {len(lags)}, {1e6 * cpu / len(lags):.0f} us of CPU time each"
    )
    print(
        f"lag: p50 {1e3 * statistics.median(lags):.1f} ms, p99 {1e3 * share(lags, 0.99):.1f} ms, max {1e3 * max(lags):.1f} ms"
    )
    print(f"descriptors: {before} before, {descriptors()} after")


# --- through the proxy


def proxied(names: list[str], speed: float) -> None:
    import httpx2

    offs: list[float] = []
    equal = refined = 0
    with TraceServer(TRACES, speed=speed) as server, tempfile.TemporaryDirectory() as folder:
        with RecordingProxy(server.url, folder) as proxy, httpx2.Client(trust_env=False, timeout=None) as client:
            for name in names:
                try:
                    client.post(f"{proxy.url}/v1/chat/completions", json={"model": name, "stream": True})
                except httpx2.HTTPError:
                    pass  # recorded so
        for name, path in zip(names, sorted(Path(folder).iterdir()), strict=True):
            first, second = read_trace(TRACES / f"{name}.trace.jsonl"), read_trace(path)
            assert (first.body, first.status) == (second.body, second.status), name
            assert first.end == second.end, name
            wanted = list(accumulate(len(one.data) for one in first.blocks))
            got = list(accumulate(len(one.data) for one in second.blocks))
            assert set(wanted) <= set(got), name
            equal, refined = equal + (wanted == got), refined + (wanted != got)
            if wanted == got and speed:
                offs += [b.t - a.t / speed for a, b in zip(first.blocks, second.blocks, strict=True)]
    print(
        f"{len(names)} traces at speed {speed:g}: bytes, status and end equal; boundaries equal {equal}, refined {refined}"
    )
    if offs:
        print(
            f"times later by: p50 {1e3 * statistics.median(offs):.1f} ms, p99 {1e3 * share(offs, 0.99):.1f} ms, max {1e3 * max(offs):.1f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--trace", default="vllm/plain")
    parser.add_argument("--clients", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--proxied", action="store_true")
    parser.add_argument("--speed", type=float, default=10)
    options = parser.parse_args()
    if options.clients is not None:
        asyncio.run(clients(options.clients, options.count, options.trace))
    elif options.proxied:
        names = [
            str(one.relative_to(TRACES)).removesuffix(".trace.jsonl") for one in sorted(TRACES.glob("*/*.trace.jsonl"))
        ]
        proxied(names, options.speed)
    else:
        many(options.count, options.trace)


if __name__ == "__main__":
    main()
