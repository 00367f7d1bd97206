"""`streamkit record`: standard input as a trace, and how it ended as the exit code."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from helpers.command import (
    COMMAND,
    HELLO,
    PATIENCE,
    delta,
    environment,
    interrupt,
    interruptible,
    one_line,
    posix,
    run,
    sse,
)
from streamkit.trace import read_trace


def test_standard_input_is_written_as_a_trace(tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text('{"model": "m"}')
    done = run(
        *("record", "-", tmp_path / "x.trace.jsonl", "--request", tmp_path / "request.json"),
        *("--sender", "acme", "--case", "hello", "--notes", "by curl"),
        stdin=HELLO,
    )
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    trace = read_trace(tmp_path / "x.trace.jsonl")
    assert (HELLO, "reader", "eof") == (trace.body, trace.observed, trace.end)
    assert ("acme", "hello", {"model": "m"}) == (trace.sender, trace.case, trace.request)
    assert trace.notes.startswith("by curl")


def test_tee_hands_the_bytes_on_each_when_it_arrives(tmp_path: Path) -> None:
    command = [*COMMAND, "record", "--tee", "-", str(tmp_path / "x.jsonl")]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment(), preexec_fn=interruptible
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for event in HELLO.split(b"\n\n")[:-1]:
            process.stdin.write(event + b"\n\n")
            assert event + b"\n\n" == process.stdout.read(len(event) + 2)
        process.stdin.close()
        assert 0 == process.wait(PATIENCE)
    trace = read_trace(tmp_path / "x.jsonl")
    assert [event + b"\n\n" for event in HELLO.split(b"\n\n")[:-1]] == [block.data for block in trace.blocks]


@pytest.mark.parametrize(("body", "code"), [(HELLO, 0), (sse(delta("He")), 3), (b"", 4)])
def test_the_exit_code_says_how_the_stream_ended_and_it_is_recorded_all_the_same(
    body: bytes, code: int, tmp_path: Path
) -> None:
    assert code == run("record", "-", tmp_path / "x.jsonl", stdin=body).returncode
    assert (body, "eof") == ((trace := read_trace(tmp_path / "x.jsonl")).body, trace.end)


@posix
def test_an_interrupt_ends_the_recording_as_cancelled(tmp_path: Path) -> None:
    command = [*COMMAND, "record", "--tee", "-", str(tmp_path / "x.jsonl")]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment(), preexec_fn=interruptible
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(sse(delta("He")))
        assert process.stdout.read(len(sse(delta("He"))))
        interrupt(process)
        assert 130 == process.wait(PATIENCE)
        process.stdin.close()
    trace = read_trace(tmp_path / "x.jsonl")
    assert (sse(delta("He")), "cancelled") == (trace.body, trace.end)


def test_a_file_gives_its_name_to_the_case_and_a_folder_numbers_its_traces(tmp_path: Path) -> None:
    (tmp_path / "answer.sse").write_bytes(HELLO)
    assert 0 == run("record", tmp_path / "answer.sse", tmp_path / "session").returncode
    (path,) = (tmp_path / "session").iterdir()
    assert path.name.startswith("001-")
    assert "answer" == read_trace(path).case


def test_credentials_are_replaced_unless_that_is_not_wanted(tmp_path: Path) -> None:
    key = "sk-proj-Ab0_dE1fGh2iJk3lMn4oPq5r"
    body = sse(delta(f"it is {key}"))
    run("record", "-", tmp_path / "x.jsonl", stdin=body)
    assert key.encode() not in (tmp_path / "x.jsonl").read_bytes()
    run("record", "--no-scrub", "-", tmp_path / "y.jsonl", stdin=body)
    assert body == read_trace(tmp_path / "y.jsonl").body


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk, as Linux has it")
def test_what_cannot_be_recorded_is_misuse_and_the_bytes_go_on(tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    done = run("record", "--tee", "-", tmp_path / "full.jsonl", stdin=HELLO)
    assert (2, HELLO) == (done.returncode, done.stdout)
    assert "No space left" in one_line(done.stderr)


def test_a_request_that_is_no_json_object_is_misuse(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps([1]))
    done = run("record", "-", tmp_path / "x.jsonl", "--request", tmp_path / "r.json", stdin=HELLO)
    assert (2, False) == (done.returncode, (tmp_path / "x.jsonl").exists())
    assert "--request" in one_line(done.stderr)


def test_a_recording_that_is_there_is_not_replaced_unless_it_is_forced(tmp_path: Path) -> None:
    place = tmp_path / "x.trace.jsonl"
    place.write_bytes(b"")  # of mktemp: nothing is lost
    assert 0 == run("record", "-", place, stdin=HELLO).returncode
    before = place.read_bytes()
    done = run("record", "-", place, stdin=sse(delta("other")))
    assert (2, before) == (done.returncode, place.read_bytes())
    assert f"{place} is there already: name another file or a folder, or replace it with --force" in one_line(
        done.stderr
    )
    assert 2 == run("record", "--upstream", "http://127.0.0.1:9", place).returncode
    assert before == place.read_bytes()
    assert 0 == run("record", "--force", "-", place, stdin=HELLO + HELLO).returncode
    assert HELLO + HELLO == read_trace(place).body
