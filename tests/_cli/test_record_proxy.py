"""`streamkit record --upstream URL DIR`: run as users run it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.command import COMMAND, PATIENCE, environment, interrupt, interruptible, posix, run
from helpers.loopback import EVENTS, Loopback
from helpers.raw_http import RawUpstream
from streamkit.trace import read_trace

httpx = pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
# Asks what OPENAI_BASE_URL names, without a proxy of the environment, and exits with 7.
PROGRAM = (
    "import os, sys, urllib.request as u; "
    "assert os.environ['OPENAI_API_BASE'] == os.environ['OPENAI_BASE_URL'] == os.environ['ANTHROPIC_BASE_URL'] + '/v1'; "
    "u.build_opener(u.ProxyHandler({})).open(os.environ['OPENAI_BASE_URL'] + '/models').read(); sys.exit(7)"
)


@contextmanager
def proxying(upstream: str, into: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The command, and its URL; killed where a test leaves it running."""
    command = [*COMMAND, "record", "--upstream", upstream, str(into)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), preexec_fn=interruptible)
    try:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        found = re.fullmatch(r"streamkit: recording (.*) at (http://127\.0\.0\.1:\d+) into .*\n", line)
        assert found is not None, line
        assert upstream == found[1]
        yield process, found[2]
    finally:
        process.kill()
        process.wait(PATIENCE)
        process.communicate()


@posix
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_says_where_it_listens_records_and_stops_at_a_signal(number: int, code: int, tmp_path: Path) -> None:
    with RawUpstream(OK) as upstream, proxying(upstream.url, tmp_path) as (process, url):
        assert "ok" == httpx.get(f"{url}/v1/models", trust_env=False, timeout=PATIENCE).text
        interrupt(process, number)
        assert code == process.wait(PATIENCE)
    (path,) = tmp_path.iterdir()
    assert ("/v1/models", b"ok", "eof") == ((trace := read_trace(path)).path, trace.body, trace.end)


@posix
def test_killed_in_mid_stream_the_file_is_read_up_to_there_and_the_port_is_free(tmp_path: Path) -> None:
    with Loopback() as upstream, proxying(upstream.url.removesuffix("/v1"), tmp_path) as (process, url):
        with (
            httpx.Client(trust_env=False, timeout=PATIENCE) as client,
            client.stream("POST", f"{url}/v1/x") as response,
        ):
            blocks = response.iter_raw()
            assert EVENTS[0] == next(blocks)
            upstream.saw(EVENTS[0])
            assert EVENTS[1] == next(blocks)
            process.kill()
            with pytest.raises(httpx.HTTPError):
                list(blocks)
        process.wait(PATIENCE)
        socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    (path,) = tmp_path.iterdir()
    trace = read_trace(path)
    assert ("unknown", True, list(EVENTS[:2])) == (trace.end, trace.torn, [block.data for block in trace.blocks])


@posix
def test_a_command_runs_with_the_variables_of_sdks_and_its_exit_code_is_ours(tmp_path: Path) -> None:
    with RawUpstream(OK) as upstream:
        done = run("record", "--upstream", upstream.url, tmp_path, "--", sys.executable, "-c", PROGRAM)
    assert (7, b"", b"") == (done.returncode, done.stdout, done.stderr)
    (path,) = tmp_path.iterdir()
    assert "/v1/models" == read_trace(path).path


@posix
def test_a_command_that_a_signal_ended_gives_128_and_its_number(tmp_path: Path) -> None:
    done = run("record", "--upstream", "http://h", tmp_path, "--", "sh", "-c", "kill -TERM $$")
    assert 128 + signal.SIGTERM == done.returncode


@pytest.mark.quick(2)
@pytest.mark.parametrize(
    "options, words",
    [
        (["--upstream", "h", "x"], b"http: or https: URL"),
        (["--upstream", "http://h", "--listen", "1", "x"], b"--listen takes HOST:PORT"),
        (["--upstream", "http://h", "x", "y"], b"takes one folder, and 'y' was passed too"),
        (["--upstream", "http://h", "--tee", "x"], b"--tee is for a body"),
        (["--upstream", "http://h", "x", "--", "no-such-command"], b"no-such-command: No such file"),
        (["--listen", "127.0.0.1:0", "-", "x"], b"give --upstream URL"),
        (["-", "x", "--", "true"], b"-- COMMAND is for a proxy"),
        (["-"], b"record takes FILE and OUT"),
    ],
)
def test_misuse_exits_with_2_and_says_what_is_accepted(options: list[Any], words: bytes, tmp_path: Path) -> None:
    options = [tmp_path / one if one in ("x", "y") else one for one in options]
    done = run("record", *options)
    assert (2, b"") == (done.returncode, done.stdout)
    assert words in done.stderr.replace(str(tmp_path).encode() + b"/", b"")
    assert [] == [*tmp_path.iterdir()]
