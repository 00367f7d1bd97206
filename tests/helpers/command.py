"""The command line as a process: real pipes, real bytes, and streams for it to read. No sleeping: a pipe says when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.forking import Forks
from helpers.tier import TIER
from streamkit.testing import DONE

TRACES = Path(__file__).resolve().parents[2] / "traces"
COMMAND = [sys.executable, "-W", "error", "-m", "streamkit"]
_AT_START = ("PYTHON", "LC_", "LANG")  # read by the interpreter when it starts
PATIENCE = 60.0  # seconds until a process that hangs is killed; nothing waits for it otherwise
posix = pytest.mark.skipif(os.name != "posix", reason="signals, terminals and device files as POSIX has them")
every_trace = pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in sorted(TRACES.glob("*/*.trace.jsonl"))],
)


def sse(*choices: str, more: str = "") -> bytes:
    """One event for each choice given as JSON."""
    head = '"id":"c1","object":"chat.completion.chunk","created":1,"model":"m"'
    return b"".join(f'data: {{{head},"choices":[{choice}]{more}}}\n\n'.encode() for choice in choices)


def delta(text: str, index: int = 0, field: str = "content") -> str:
    return f'{{"index":{index},"delta":{{"{field}":{json.dumps(text, ensure_ascii=False)}}},"finish_reason":null}}'


def stop(index: int = 0) -> str:
    return f'{{"index":{index},"delta":{{}},"finish_reason":"stop"}}'


def tool(fragment: str) -> str:
    return f'{{"index":0,"delta":{{"tool_calls":[{fragment}]}},"finish_reason":null}}'


HELLO = sse(delta("Hé"), delta("llo 👋"), stop()) + DONE


def environment(**more: str) -> dict[str, str]:
    unset = ("NO_COLOR", "PYTHONUNBUFFERED")  # unbuffered, what is never flushed would pass for live
    return {**{name: value for name, value in os.environ.items() if name not in unset}, "TERM": "xterm", **more}


def run(*args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end. In the quick tier the interpreter is one that has been started before, where it can."""
    if TIER == "quick" and sys.platform == "linux" and not any(name.startswith(_AT_START) for name in env):
        return Forks.shared().run([*map(str, args)], stdin=stdin, env=environment(**env), patience=PATIENCE)
    command = [*COMMAND, *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment(**env), timeout=PATIENCE)


def assemble(*args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    return run("assemble", *args, stdin=stdin, **env)


def on_a_terminal(*args: str | Path, **env: str) -> str:
    """What a command writes to a terminal of 100 columns, its two outputs together."""
    ours, theirs = os.openpty()
    shown = b""
    command = [*COMMAND, *map(str, args)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment(COLUMNS="100", **env)) as process:
        os.close(theirs)
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:
            pass  # how Linux says that nobody writes to a terminal any more
        process.wait(PATIENCE)
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def content(data: bytes, choice: int = 0) -> str:
    text = json.loads(data)["choices"][choice]["message"]["content"]
    assert isinstance(text, str)
    return text


def one_line(data: bytes) -> str:
    line = data.decode()
    assert 1 == line.count("\n"), line
    assert line.startswith("streamkit: ")
    return line.removeprefix("streamkit: ").rstrip("\n")


@contextmanager
def running(*args: str | Path, **popen: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The command with pipes at its ends; killed if it hangs."""
    usual: dict[str, Any] = {**dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE), "env": environment()}
    process = subprocess.Popen([*COMMAND, "assemble", *map(str, args)], bufsize=0, **{**usual, **popen})
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def put(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    """End its input; its exit code and what it wrote from here on."""
    if process.stdin is not None:
        process.stdin.close()
    out = process.stdout.read() if process.stdout is not None and not process.stdout.closed else b""
    err = process.stderr.read() if process.stderr is not None else b""
    return process.wait(), out, err


def expect(process: subprocess.Popen[bytes], text: str) -> None:
    """Waits until standard output has said `text`, and not a byte more."""
    assert process.stdout is not None
    wanted, got = text.encode(), b""
    while len(got) < len(wanted) and (more := process.stdout.read(len(wanted) - len(got))):
        got += more
    assert wanted == got


def interrupt(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> None:
    """Send a signal to a process once it waits for something. One that arrives between its last look for signals and the
    wait, as where it has just written what a test waited for, is noticed by Python only when that wait is over."""
    state = Path(f"/proc/{process.pid}/stat")
    ends = time.monotonic() + PATIENCE
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] == "R" and time.monotonic() < ends:
        time.sleep(0.001)
    process.send_signal(number)


def interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background may have it ignored
