"""`streamkit gateway`: run as users run it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.command import COMMAND, HELLO, PATIENCE, environment, interrupt, interruptible, posix, run, sse
from helpers.served import served
from helpers.tier import TIER
from streamkit import reassemble

httpx = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")


async def upstream(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request with a stream: below /v1/x with one that breaks off."""
    while (await receive()).get("more_body", False):
        pass
    body = HELLO if scope["path"] == "/v1/chat/completions" else sse('{"delta":{"content":"Hel"}}')
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def gateway(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """The command, and a client of it; killed where a test leaves it running."""
    with served(upstream, "off") as base:
        command = [*COMMAND, "gateway", "--upstream", base, "--listen", "127.0.0.1:0", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), preexec_fn=interruptible
        )
        try:
            assert process.stderr is not None
            line = process.stderr.readline().decode()
            found = re.fullmatch(r"streamkit: listening on (http://127\.0\.0\.1:\d+), forwarding to (.*)\n", line)
            assert found is not None, line
            assert base == found[2].rstrip("/")
            with httpx.Client(base_url=found[1], trust_env=False, timeout=PATIENCE) as client:
                yield process, client
        finally:
            process.kill()
            process.wait(PATIENCE)
            process.communicate()


@posix
def test_it_forwards_logs_and_stops_when_it_is_interrupted() -> None:
    with gateway() as (process, client):
        assert HELLO == client.post("/v1/chat/completions?key=secret").content
        assert b"no_finish" in client.post("/clean/v1/x/chat/completions").content
        client.close()
        interrupt(process)
        out, err = process.communicate(timeout=PATIENCE)
    assert (130, b"") == (process.returncode, out)
    assert b"model=m outcome=complete reason=done" in err
    assert b"outcome=truncated reason=no_finish" in err
    assert b"secret" not in err
    assert b"Traceback" not in err


def test_every_stream_is_clean_where_that_is_asked_for() -> None:
    with gateway("--clean") as (_, client):
        clean = client.post("/v1/chat/completions").content
    assert HELLO != clean
    assert reassemble(HELLO).choices == reassemble(clean, strict=True).choices


@posix
def test_a_line_of_json_for_each_request_is_appended_to_a_file(tmp_path: Path) -> None:
    log = tmp_path / "usage.jsonl"
    log.write_text("{}\n")
    with gateway("--log", str(log)) as (process, client):
        client.post("/v1/chat/completions?key=secret", json={"model": "asked", "stream": True, "messages": ["secret"]})
        client.post("/clean/v1/x/chat/completions", json={"model": "asked", "stream": True})
        client.get("/v1/models")
        client.close()
        interrupt(process)
        process.communicate(timeout=PATIENCE)
    _, *rows = map(json.loads, log.read_text().splitlines())
    facts = ("asked", "model", "stream", "status", "outcome", "kind")
    assert [("asked", "m", True, 200, "complete", None), ("asked", "m", True, 200, "truncated", "network")] == [
        tuple(row[fact] for fact in facts) for row in rows
    ]
    assert all(row["ttft"] > 0 and row["time"].endswith("+00:00") for row in rows)
    assert "secret" not in log.read_text()


@posix
@pytest.mark.skipif(TIER == "quick", reason="starts a process: whole tier (STREAMKIT_EXAMPLES=1)")
def test_lines_of_json_go_to_standard_output_where_that_is_asked_for() -> None:
    with gateway("--log", "-") as (process, client):
        client.post("/v1/chat/completions", json={"model": "asked"})
        client.close()
        interrupt(process)
        out, _ = process.communicate(timeout=PATIENCE)
    assert ("m", False) == tuple(json.loads(out)[fact] for fact in ("model", "stream"))


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "args, said",
    [
        (["--upstream", "localhost"], b"upstream is an http: or https: URL"),
        (
            ["--upstream", "http://h", "--log", "/no/such/folder/x"],
            b"--log /no/such/folder/x: No such file or directory",
        ),
        (["--upstream", "http://h", "--listen", "8000"], b"--listen takes HOST:PORT"),
        (["--upstream", "http://h", "--listen", "h:x"], b"--listen takes HOST:PORT"),
        (["--upstream", "http://h", "--listen", "127.0.0.1:99999"], b"--listen takes HOST:PORT"),
        ([], b"--upstream"),
    ],
)
def test_wrong_arguments_are_misuse(args: list[str], said: bytes) -> None:
    done = run("gateway", *args)
    assert (2, b"") == (done.returncode, done.stdout)
    assert said in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a port may be shared")
def test_a_port_that_is_taken_is_misuse() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("gateway", "--upstream", "http://h", "--listen", listen)
    assert 2 == done.returncode
    assert f"streamkit: {listen}: Address already in use\n".encode() == done.stderr
