"""The command itself: its arguments, its help, misuse, and other programs that call it."""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import streamkit
from helpers.command import (
    COMMAND,
    HELLO,
    PATIENCE,
    TRACES,
    assemble,
    content,
    delta,
    environment,
    one_line,
    posix,
    run,
    sse,
)
from streamkit._cli import main as cli

# --- misuse


@pytest.mark.quick(3)
@pytest.mark.parametrize(
    "args, said",
    [
        ([], "name a command: assemble"),
        (["assemble"], "required: FILE"),
        (["assamble", "x"], "invalid choice"),
        (["assemble", "--str", "x"], "unrecognized arguments: --str"),
        (["assemble", "nowhere.sse"], "streamkit: nowhere.sse: No such file or directory\n"),
        (["assemble", str(TRACES)], ": is a folder: name a file in it (check, stat and scrub take folders)\n"),
        (["view", str(TRACES), "-o", "page.html"], ": is a folder: name a file in it"),
        (["assemble", str(TRACES / "llama.cpp" / "plain.trace.jsonl"), "-o", str(TRACES)], "Is a directory\n"),
    ],
)
@posix
def test_misuse_is_exit_2_and_says_what_was_wrong(args: list[str], said: str) -> None:
    done = run(*args)
    assert (2, b"") == (done.returncode, done.stdout)
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("body.jsonl", HELLO, "not a trace, line 1: expected one JSON object in UTF-8: 'data: {"),
        ("empty.jsonl", b"", "not a trace, line 1: expected one JSON object"),
        (
            "bad",
            b'{"format":"streamkit-trace","version":1,"sender":"s","case":"c"}\n{"t":0,"te\n',
            "not a trace, line 2",
        ),
        (
            "new",
            b'{"format":"streamkit-trace","version":3,"sender":"s","case":"c"}\n',
            "line 1: expected 1 or 2 ($.version)",
        ),
    ],
)
def test_a_file_that_promises_a_trace_and_is_none_is_misuse(tmp_path: Path, name: str, text: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(text)
    done = assemble(tmp_path / name)
    assert (2, b"") == (done.returncode, done.stdout)
    assert said in one_line(done.stderr)


def test_a_file_that_breaks_off_under_the_reader_still_gives_what_was_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.RawIOBase):
        blocks = iter([sse(delta("Hel"))])

        def read(self, size: int = -1) -> bytes:
            for block in self.blocks:
                return block
            raise OSError(5, "Input/output error")

    class Standard:
        buffer = Broken()

    monkeypatch.setattr(sys, "stdin", Standard)
    assert 2 == cli.main(["assemble", "-"])
    out, err = capsys.readouterr()
    assert "Hel" == content(out.encode())
    assert "streamkit: standard input: Input/output error\n" == err


@posix
def test_a_full_disk_is_said_without_a_traceback(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    (tmp_path / "x.sse").write_bytes(HELLO)
    standard = "standard output"
    for name, options in ((standard, []), (standard, ["--stream"]), ("/dev/full", ["-o", "/dev/full"])):
        with open("/dev/full", "wb") as full:
            command = [*COMMAND, "assemble", str(tmp_path / "x.sse"), *options]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE)
        assert 2 == done.returncode
        assert f"{name}: No space left on device" == one_line(done.stderr)


@posix
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_standard_stream_is_no_traceback(tmp_path: Path, closed: int) -> None:
    (tmp_path / "x.sse").write_bytes(HELLO)
    script = f'exec "$@" {closed}{"<" if closed == 0 else ">"}&-'
    source = "-" if closed == 0 else str(tmp_path / "x.sse")
    command = ["sh", "-c", script, "sh", *COMMAND, "assemble", source]
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=PATIENCE)
    if closed == 2:
        assert (0, "Héllo 👋") == (done.returncode, content(done.stdout))
    else:
        assert (2, b"") == (done.returncode, done.stdout)
        assert ("standard input is closed", "standard output is closed")[closed] == one_line(done.stderr)


# --- the command itself


def test_version_and_help_go_to_standard_output() -> None:
    version, about, assembling = run("--version"), run("--help"), run("assemble", "--help")
    assert f"streamkit {streamkit.__version__}\n" == version.stdout.decode()
    for name, command in cli.COMMANDS.items():
        assert f"{name}  " in about.stdout.decode()
        assert command.help in about.stdout.decode()
    for example in cli.COMMANDS["assemble"].examples:
        assert example in assembling.stdout.decode()
    assert b"exit codes: 0 complete, 2 misuse, 3 truncated, 4 failed" in assembling.stdout
    assert {(0, b"")} == {(done.returncode, done.stderr) for done in (version, about, assembling)}


def test_a_command_is_a_function_and_an_entry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def echo(args: argparse.Namespace) -> int:
        """Says it again."""
        print(args.word)
        return 7

    entry = cli.Command(echo, help="say it again", examples=("streamkit echo x",), arguments=((("word",), {}),))
    monkeypatch.setitem(cli.COMMANDS, "echo", entry)
    assert 7 == cli.main(["echo", "hello"])
    assert "hello\n" == capsys.readouterr().out


def test_the_command_can_be_called_from_a_thread_of_another_program(tmp_path: Path) -> None:
    (tmp_path / "x.sse").write_bytes(HELLO)
    codes: list[int] = []
    arguments = ["assemble", str(tmp_path / "x.sse"), "-o", str(tmp_path / "x.json")]
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=lambda: codes.append(cli.main(arguments)))
    thread.start()
    thread.join()
    codes.append(cli.main(arguments))
    assert [0, 0] == codes
    assert before is signal.getsignal(signal.SIGINT)


def test_nothing_of_a_terminal_library_is_needed() -> None:
    program = "import sys; sys.modules['rich'] = None; from streamkit._cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "assemble", "--stream", "-"]
    done = subprocess.run(command, input=HELLO, capture_output=True, env=environment(), timeout=PATIENCE)
    assert (0, "Héllo 👋\n", b"") == (done.returncode, done.stdout.decode(), done.stderr)
