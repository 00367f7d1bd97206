"""`streamkit serve`: run as users run it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from helpers.command import COMMAND, PATIENCE, TRACES, environment, interrupt, interruptible, posix, run
from streamkit.trace import read_trace

httpx = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

PLAIN = read_trace(TRACES / "llama.cpp" / "plain.trace.jsonl")


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """The command, and a client of it; killed where a test leaves it running."""
    command = [*COMMAND, "serve", str(TRACES), "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), preexec_fn=interruptible)
    try:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.fullmatch(r"streamkit: serving \d+ traces of .* at (http://127\.0\.0\.1:\d+)\n", line)
        assert found is not None, line
        with httpx.Client(base_url=found[1], trust_env=False, timeout=PATIENCE) as client:
            yield process, client
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.communicate()


@posix
def test_it_serves_says_what_it_did_and_stops_when_it_is_interrupted() -> None:
    with serving("--speed", "0", "--fault", "status=503", "--fault-times", "1") as (process, client):
        answers = [client.post("/v1/chat/completions", json=PLAIN.request) for _ in range(2)]
        assert [503, 200] == [one.status_code for one in answers]
        assert PLAIN.body == answers[1].content
        interrupt(process)
        _, said = process.communicate(timeout=PATIENCE)
    lines = said.decode().splitlines()
    assert "streamkit: POST /v1/chat/completions: llama.cpp/plain, eof" in lines
    assert "request 1 (llama.cpp/plain): status=503: sent again" in lines[-1]
    assert 130 == process.returncode


@posix
def test_killed_in_mid_stream_its_port_is_free_and_its_clients_see_a_broken_connection() -> None:
    with serving("--speed", "0", "--fault", "stall@0.5") as (process, client):
        with client.stream("POST", "/v1/chat/completions", json=PLAIN.request) as response:
            blocks = response.iter_raw()
            assert PLAIN.body.startswith(next(blocks))
            process.kill()
            with pytest.raises(httpx.HTTPError):
                list(blocks)
        process.wait(PATIENCE)
        port = client.base_url.port
        socket.create_server(("127.0.0.1", port)).close()


@posix
def test_a_command_runs_with_the_variables_of_sdks_and_its_exit_code_is_ours() -> None:
    program = (
        "import os, sys, urllib.request as u; url = os.environ['OPENAI_BASE_URL'] + '/models'; "
        "sys.exit(7 if b'llama.cpp/plain' in u.build_opener(u.ProxyHandler({})).open(url).read() else 1)"
    )
    assert 7 == run("serve", TRACES, "--", sys.executable, "-c", program).returncode


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "options, words",
    [
        (["no/such/folder"], b"takes a directory of traces"),
        ([TRACES, "--listen", "8000"], b"--listen takes HOST:PORT"),
        ([TRACES, "--fault", "bogus"], b"no fault is called"),
        ([TRACES, "--ignore", "["], b"JSON path"),
        ([TRACES, "--", "no-such-command"], b"no-such-command: No such file"),
    ],
)
def test_misuse_exits_with_2_and_says_what_is_accepted(options: list[Any], words: bytes) -> None:
    done = run("serve", *options)
    assert (2, b"") == (done.returncode, done.stdout)
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
