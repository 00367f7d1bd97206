"""What one packed block unpacks to, client by client: the table of docs/decompression.md.

    python benches/decompression.py                        measures, and prints the table
    python benches/decompression.py --write                writes it into docs/decompression.md too
    python benches/decompression.py --also PYTHON          with a second interpreter, for clients that this one lacks

In: a bomb of `--size` MiB of blanks, packed once an encoding and sent as one block by a server on the loopback interface. Out: for
each client and encoding the largest block that its reader held, and by how much the memory of its process grew at most:
read as the client returns it, and through `streamkit.sources`. Every figure is of a fresh process. A few seconds a client.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import http.client
import importlib
import importlib.metadata
import json
import resource
import socket
import subprocess
import sys
import threading
import urllib.request
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "decompression.md"
BEGIN, END = "<!-- table: python benches/decompression.py --write -->", "<!-- end of the table -->"
MIB = 1024 * 1024


def brotli(body: bytes) -> bytes:
    packed: bytes = importlib.import_module("brotli").compress(body, quality=5, lgwin=24)
    return packed


def zstd(body: bytes) -> bytes:
    packed: bytes = importlib.import_module("zstandard").compress(body)
    return packed


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli,
    "zstd": zstd,
}

# --- clients: each returns (response, what a user of it iterates over)

Given = Iterator[tuple[Any, Callable[[], Any]]]


def by_httpx(url: str, name: str = "httpx") -> Given:
    with importlib.import_module(name).Client(trust_env=False) as client, client.stream("GET", url) as response:
        yield response, response.iter_bytes


def by_httpx2(url: str) -> Given:
    return by_httpx(url, "httpx2")


def by_requests(url: str, name: str = "requests") -> Given:
    with importlib.import_module(name).Session() as session:
        session.trust_env = False
        with session.get(url, stream=True) as response:
            yield response, lambda: response.iter_content(None if name == "requests" else -1)


def by_niquests(url: str) -> Given:
    return by_requests(url, "niquests")


def by_urllib3(url: str) -> Given:
    with importlib.import_module("urllib3").PoolManager() as manager:
        response = manager.request("GET", url, preload_content=False, retries=False)
        yield response, lambda: iter(lambda: response.read1(decode_content=True), b"")


def by_urllib(url: str) -> Given:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as response:
        yield response, lambda: iter(lambda: response.read1(65536), b"")


def by_http_client(url: str) -> Given:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/{path}")
    with connection.getresponse() as response:
        yield response, lambda: iter(lambda: response.read1(65536), b"")
    connection.close()


AsyncGiven = AsyncIterator[tuple[Any, Callable[[], Any]]]


async def by_async_httpx(url: str) -> AsyncGiven:
    httpx = importlib.import_module("httpx")
    async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url) as response:
        yield response, response.aiter_bytes


async def by_aiohttp(url: str) -> AsyncGiven:
    aiohttp = importlib.import_module("aiohttp")
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        yield response, response.content.iter_any


async def by_async_niquests(url: str) -> AsyncGiven:
    async with importlib.import_module("niquests").AsyncSession() as session:
        session.trust_env = False
        response = await session.get(url, stream=True)
        pieces = await response.iter_content()
        yield response, lambda: pieces


CLIENTS: dict[str, tuple[str, Any]] = {
    "httpx": ("httpx", by_httpx),
    "httpx, async": ("httpx", by_async_httpx),
    "httpx2": ("httpx2", by_httpx2),
    "requests": ("requests", by_requests),
    "urllib3": ("urllib3", by_urllib3),
    "niquests": ("niquests", by_niquests),
    "niquests, async": ("niquests", by_async_niquests),
    "aiohttp": ("aiohttp", by_aiohttp),
    "urllib.request": ("", by_urllib),
    "http.client": ("", by_http_client),
}

# --- one measurement, in a separate process


def measure(client: str, url: str, ours: bool) -> dict[str, Any]:
    from streamkit.sources import async_blocks, blocks

    library, opened = CLIENTS[client]
    version = importlib.metadata.version(library) if library else f"Python {sys.version.split()[0]}"
    sizes = [0]
    before = 0

    def began() -> None:
        nonlocal before
        before = peak()

    async def read_async() -> None:
        async for response, theirs in opened(url):
            began()
            async for block in async_blocks(response) if ours else theirs():
                sizes.append(len(block))

    if "async" in getattr(opened, "__name__", "") or client == "aiohttp":
        asyncio.run(read_async())
    else:
        for response, theirs in opened(url):
            began()
            for block in blocks(response) if ours else theirs():
                sizes.append(len(block))
    return {"version": version, "largest": max(sizes), "total": sum(sizes), "grew": peak() - before}


def peak() -> int:
    """Return the most bytes of memory that this process has had."""
    try:  # on Linux ru_maxrss starts with what the parent had
        status = Path("/proc/self/status").read_text("ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# --- the server, and the table


def serve(listening: socket.socket, bodies: dict[str, bytes]) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as file:
            encoding = file.readline().split()[1].decode().strip("/")
            while file.readline().strip():
                pass
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: {encoding}\r\n"
            head += f"Content-Length: {len(bodies[encoding])}\r\nConnection: close\r\n\r\n"
            try:
                connection.sendall(head.encode() + bodies[encoding])
            except ConnectionError:
                continue


def asked(python: str, client: str, url: str, ours: bool) -> dict[str, Any] | None:
    """Return a measurement by another process; None where it could not be made."""
    command = [python, __file__, "--client", client, "--url", url, *(["--ours"] if ours else [])]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(run.stdout) if run.returncode == 0 else None


def cell(theirs: dict[str, Any] | None, ours: dict[str, Any] | None, size: int) -> str:
    def said(found: dict[str, Any] | None) -> str:
        if found is None:
            return "fails"
        if found["total"] < size:
            return "packed"
        return f"{found['largest'] / MIB:,.2f} (+{found['grew'] / MIB:,.0f})"

    return f"{said(theirs)} → {said(ours)}"


def table(pythons: list[str], bodies: dict[str, bytes], url: str, size: int) -> list[str]:
    rows = [f"| client | {' | '.join(bodies)} |", "|---" * (len(bodies) + 1) + "|"]
    for client in CLIENTS:
        for python in pythons:
            found = [
                (asked(python, client, url + word, False), asked(python, client, url + word, True)) for word in bodies
            ]
            if (version := next((one["version"] for pair in found for one in pair if one), None)) is not None:
                rows.append(f"| {client} {version} | {' | '.join(cell(*pair, size) for pair in found)} |")
                break
        else:
            rows.append(f"| {client} | {' | '.join('not installed' for _ in bodies)} |")
        print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=128, help="MiB that the block unpacks to")
    parser.add_argument("--write", action="store_true", help="write the table into docs/decompression.md")
    parser.add_argument(
        "--also", action="append", default=[], metavar="PYTHON", help="an interpreter with other clients"
    )
    for name in ("--client", "--url"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        print(json.dumps(measure(options.client, options.url, options.ours)))
        return
    size = options.size * MIB
    bodies = {name: pack(b" " * size) for name, pack in PACK.items()}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening, bodies), daemon=True).start()
        rows = table([sys.executable, *options.also], bodies, f"http://127.0.0.1:{listening.getsockname()[1]}/", size)
    packed = ", ".join(f"{name} {len(body):,}" for name, body in bodies.items())
    text = "\n".join([f"One block of {options.size} MiB of blanks; packed bytes: {packed}.", "", *rows])
    print(text)
    if options.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
