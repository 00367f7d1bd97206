"""What it costs a gateway to watch what it forwards: chunks a second and core, by turns in one run.

    python benches/gateway.py                              the gateway: forwarding alone, watching, clean
    python benches/gateway.py --litellm VENV/bin/litellm   and the LiteLLM proxy beside it

In: `--streams` streams at once of `--chunks` chunks, one event a block: an upstream sends the next event when the client has
the one before. Both run in this process, the gateway in another. Out: for each way the chunks for each second of CPU time
that the process of the gateway took, median of `--rounds`, and its share of what the same app reaches that only forwards
(a path below /v1/ that is not watched). Needs Linux, as CPU times are read from /proc. On a loaded machine the shares
hold, the numbers do not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EVENT = (
    b'data: {"id":"chatcmpl-9hYJg1fZ0Q2r3","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-2024-08-06",'
    b'"service_tier":"default","system_fingerprint":"fp_0ba0d124f1","choices":[{"index":0,"delta":{"content":" token%d"},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
LAST = EVENT.replace(b'{"content":" token%d"}', b"{}").replace(b'"finish_reason":null', b'"finish_reason":"stop"')
TICKS = os.sysconf("SC_CLK_TCK")
WAYS = {
    "forwards alone": "/v1/forwarded",
    "watches": "/v1/chat/completions",
    "writes clean": "/clean/v1/chat/completions",
}
KEY = f"sk-{secrets.token_hex(32)}"  # the proxy does not start without one
ASK = b'{"model":"bench","stream":true,"messages":[{"role":"user","content":"%d"}]}'


class Upstream:
    """Sends a stream of events, each when its client has the one before; which stream is whose, the request's text says."""

    def __init__(self, chunks: int) -> None:
        self.chunks = chunks
        self.turns: dict[int, asyncio.Semaphore] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().partition(b":")[::2] for line in head.split(b"\r\n")[1:])
                length = int(fields.get(b"content-length", 0))
                if not length:  # a proxy that looks whether somebody is there
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                body = await reader.readexactly(length)
                number = int(body.rpartition(b'"content":"')[2].partition(b'"')[0])
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
                turns = self.turns[number]
                for at in range(self.chunks):
                    self._send(writer, LAST if at == self.chunks - 1 else EVENT % at)
                    await turns.acquire()
                self._send(writer, b"data: [DONE]\n\n")
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    @staticmethod
    def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))


async def client(port: int, path: str, number: int, upstream: Upstream) -> None:
    """Ask for one stream and read it to its end; each event lets the upstream send the next."""
    turns = upstream.turns[number] = asyncio.Semaphore(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = ASK % number
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), KEY.encode(), len(body), body)
    )
    seen, rest = 0, b""
    while block := await reader.read(65536):
        data = rest + block
        seen += data.count(b"data: {")
        rest = data[-6:] if not data.endswith(b"\n\n\r\n") else b""
        for _ in range(data.count(b"data: {")):
            turns.release()
    writer.close()
    # A gateway that holds the finish reason back to the end sends fewer events than it got, never more.
    assert seen >= upstream.chunks - 2, f"{path}: {seen} of {upstream.chunks} events arrived"


def cpu(pid: int) -> float:
    """Return the seconds of CPU time that a process and its threads have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(port: int, pid: int, path: str, streams: int, upstream: Upstream) -> float:
    """Return the chunks for each second of CPU time of one round."""
    before = cpu(pid)
    await asyncio.gather(*(client(port, path, number, upstream) for number in range(streams)))
    return streams * upstream.chunks / (cpu(pid) - before)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


async def started(command: list[str], port: int, seconds: float = 300) -> subprocess.Popen[bytes]:
    """Start a server; return it when it takes connections."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220
    for _ in range(int(seconds * 10)):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
        else:
            writer.close()
            return process
    process.kill()
    raise TimeoutError(f"{command[0]} took no connection within {seconds} s")


CONFIG = """
model_list:
  - model_name: bench
    litellm_params: {{model: openai/bench, api_base: "http://127.0.0.1:{port}/v1", api_key: k}}
general_settings: {{master_key: "{key}"}}
"""


async def main(options: argparse.Namespace) -> None:
    upstream = Upstream(options.chunks)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    behind = server.sockets[0].getsockname()[1]
    port = free_port()
    command = [sys.executable, "-m", "streamkit", "gateway", "--upstream", f"http://127.0.0.1:{behind}"]
    processes = [await started([*command, "--listen", f"127.0.0.1:{port}"], port)]
    ways = {name: (port, processes[0].pid, path) for name, path in WAYS.items()}
    with tempfile.TemporaryDirectory() as folder:
        if options.litellm:
            config = Path(folder) / "config.yaml"
            config.write_text(CONFIG.format(port=behind, key=KEY))
            port = free_port()
            processes.append(await started([options.litellm, "--config", str(config), "--port", str(port)], port))
            ways["LiteLLM proxy"] = (port, processes[1].pid, "/v1/chat/completions")
        try:
            found: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(options.rounds + 1):
                for name, (port, pid, path) in ways.items():
                    figure = await measure(port, pid, path, options.streams, upstream)
                    if turn:  # the first warms up
                        found[name].append(figure)
        finally:
            for process in processes:
                process.terminate()
                process.wait(30)
    alone = found["forwards alone"]
    print(f"{options.streams} streams of {options.chunks} chunks, {options.rounds} rounds")
    for name, figures in found.items():
        shares = [one / two for one, two in zip(figures, alone, strict=True)]
        print(f"{name:16} {statistics.median(figures):10,.0f} chunks/s/core {statistics.median(shares):7.1%}")
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--litellm", help="the command of a LiteLLM proxy, from an environment that has one")
    asyncio.run(main(parser.parse_args()))
