"""What ends the command early: an interrupt, and a reader that leaves."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from helpers.command import (
    COMMAND,
    DONE,
    HELLO,
    PATIENCE,
    content,
    delta,
    environment,
    expect,
    finish,
    interruptible,
    one_line,
    posix,
    put,
    running,
    sse,
    stop,
)


@posix
def test_an_interrupt_leaves_the_response_so_far() -> None:
    with running("--stream", "-o", "-", "-", preexec_fn=interruptible) as process:
        put(process, sse(delta("Hé")))
        expect(process, "Hé")
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stderr is not None
        rest = process.stdout.read()  # while the sender's end is still open
        assert 130 == process.wait()
        assert b"\n" == rest[:1]
        assert "Hé" == content(rest)
        assert "standard input: cancelled: the caller left first (after event 1)" == one_line(process.stderr.read())


@posix
def test_an_interrupt_after_done_takes_nothing_from_a_complete_response() -> None:
    with running("--stream", "-o", "-", "-", preexec_fn=interruptible) as process:
        put(process, sse(delta("Hé"), stop()) + DONE)
        expect(process, "Hé\n")
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert "Hé" == content(process.stdout.read())
        assert 0 == process.wait()


@posix
def test_a_process_told_to_ignore_interrupts_ignores_them() -> None:
    def ignoring() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with running("--stream", "-", preexec_fn=ignoring) as process:
        put(process, sse(delta("a")))
        expect(process, "a")
        process.send_signal(signal.SIGINT)
        put(process, sse(delta("b"), stop()) + DONE)
        assert (0, b"b\n", b"") == finish(process)


@posix
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("options", [[], ["--stream"]])
def test_a_reader_that_leaves_is_no_error(options: list[str], unbuffered: str) -> None:
    with running("-", *options, env=environment(PYTHONUNBUFFERED=unbuffered)) as process:
        assert process.stdout is not None
        process.stdout.close()
        put(process, HELLO)
        assert (141, b"", b"") == finish(process)


@posix
def test_help_into_a_reader_that_left_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "--help"], stdout=writing, stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE
    )
    os.close(writing)
    assert (141, b"") == (done.returncode, done.stderr)


@posix
def test_the_file_is_still_written_when_the_reader_of_the_text_leaves(tmp_path: Path) -> None:
    with running("-", "--stream", "-o", tmp_path / "answer.json") as process:
        put(process, sse(delta("Hé")))
        expect(process, "Hé")
        assert process.stdout is not None
        process.stdout.close()
        put(process, sse(delta("llo"), stop()) + DONE)
        assert (0, b"", b"") == finish(process)
    assert "Héllo" == content((tmp_path / "answer.json").read_bytes())
