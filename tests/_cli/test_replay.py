"""`streamkit replay`: a recorded stream live again, as text, as events or as bytes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from helpers.command import (
    COMMAND,
    HELLO,
    PATIENCE,
    TRACES,
    environment,
    every_trace,
    interrupt,
    interruptible,
    on_a_terminal,
    one_line,
    posix,
    run,
)
from streamkit import FAULTS, reassemble
from streamkit._cli import main as cli
from streamkit.trace import Block, Trace, read_trace, write_trace

PLAIN = TRACES / "llama.cpp/plain.trace.jsonl"
TOOLS = TRACES / "llama.cpp/tool_parallel.trace.jsonl"


def lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


@posix
def test_on_a_terminal_it_shows_the_text_with_its_tool_calls() -> None:
    assert '[tool call 0: get_time]\x1b[22m {"city": "Tokyo"}\n' in on_a_terminal("replay", TOOLS, "--speed", "0")


def test_elsewhere_it_writes_the_events_of_the_library_as_json_lines_with_their_times() -> None:
    done = run("replay", PLAIN, "--speed", "100")
    found = lines(done.stdout)
    assert (0, b"") == (done.returncode, done.stderr)
    text = "".join(line["text"] for line in found if line["event"] == "ContentDelta")
    response = reassemble(PLAIN)
    assert response.choices[0].message.content == text
    assert {"name": "complete", "reason": "done", "error": None} == found[-1]["outcome"]
    times = [line["t"] for line in found]
    assert sorted(times) == times
    assert pytest.approx(read_trace(PLAIN).blocks[-1].t / 100) == times[-1]


def test_text_and_bytes_are_formats_too() -> None:
    assert run("replay", PLAIN, "--speed", "0", "--format", "bytes").stdout == read_trace(PLAIN).body
    text = run("replay", PLAIN, "--speed", "0", "--format", "text").stdout.decode()
    assert reassemble(PLAIN).choices[0].message.content == text.rstrip("\n")


def test_a_fault_ends_the_stream_as_it_would_a_live_one(capsys: pytest.CaptureFixture[str]) -> None:
    for fault, code, words in (
        ("reset@0.5", 3, "truncated"),
        ("half_chunk@event:3", 3, "truncated"),
        ("reset@head", 4, "failed: the source failed before any chunk had arrived"),
        ("status=503", 4, "failed: the sender answered with an error object"),
        ("empty", 4, "failed"),
        ("drop@event:5", 0, ""),
    ):
        assert code == cli.main(["replay", str(PLAIN), "--speed", "0", "--fault", fault]), fault
        assert words in capsys.readouterr().err, fault


def test_faults_may_be_given_again_and_say_more_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["replay", str(PLAIN), "--speed", "0", "--fault", "drop@event:5", "--fault", "reset@0.5", "-v"]
    assert 3 == cli.main(args)
    err = capsys.readouterr().err
    assert f"{PLAIN}: the source raised ConnectionResetError: [Errno 104] Connection reset by peer\n" in err
    assert "blocks given, late by" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--fault", "stal"], "no fault is called 'stal': did you mean 'stall'?"),
        (["--fault", "drop@event:900"], 'this stream has 51 events: name one from "event:1"'),
        (["--recut", "foo"], "recut takes 'bytes'"),
        (["--speed", "-1"], "speed takes 0 (no waiting)"),
        (["--jitter", "2"], "pace(jitter=...) takes a share of itl from 0 to 1"),
    ],
)
def test_misuse_says_what_is_taken(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.main(["replay", str(PLAIN), *args])
    out, err = capsys.readouterr()
    assert ("", True) == (out, said in err)


def test_every_fault_stands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["replay", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert [] == [name for name in FAULTS if name not in shown]


def test_a_trace_without_times_is_played_at_once_or_at_a_made_up_pace(tmp_path: Path) -> None:
    path = tmp_path / "x.trace.jsonl"
    write_trace(Trace(sender="x", case="x", observed="none", blocks=(Block(0.0, HELLO),)), path)
    refused = run("replay", path)
    assert 2 == refused.returncode
    assert "cannot be played at speed 1: pass --speed 0 for no waiting, or --itl 0.02" in one_line(refused.stderr)
    assert 0 == run("replay", path, "--speed", "0").returncode
    assert 0.25 == lines(run("replay", path, "--ttft", "0.25", "--itl", "0.01").stdout)[0]["t"]


def test_a_body_is_played_as_well() -> None:
    done = run("replay", "-", "--speed", "0", "--format", "text", stdin=HELLO)
    assert (0, "Héllo 👋\n") == (done.returncode, done.stdout.decode())


def test_a_torn_trace_is_played_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.trace.jsonl"
    path.write_bytes(PLAIN.read_bytes()[:5000])
    done = run("replay", path, "--speed", "0", "--format", "text")
    assert 3 == done.returncode
    assert b"this recording was cut" in done.stderr


@posix
def test_an_interrupt_ends_it_as_cancelled() -> None:
    command = [*COMMAND, "replay", str(PLAIN), "--format", "text", "--fault", "stall@event:3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), preexec_fn=interruptible
    ) as process:
        assert process.stdout is not None
        assert b"The" == process.stdout.read(3)
        interrupt(process)
        _, err = process.communicate(timeout=PATIENCE)
    assert (130, True) == (process.returncode, b"cancelled" in err)


@every_trace
def test_every_trace_is_replayed_in_every_format(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["replay", str(path), "--speed", "0", "--format", "bytes"]) in (0, 3, 4)
    assert read_trace(path).body == capfdbinary.readouterr().out
    assert cli.main(["replay", str(path), "--speed", "0", "--format", "events"]) in (0, 3, 4)
    assert "End" == lines(capfdbinary.readouterr().out)[-1]["event"]
