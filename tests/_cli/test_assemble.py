"""`streamkit assemble`: the response as JSON, how its stream ended, and leaving early."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from helpers.command import (
    COMMAND,
    DONE,
    HELLO,
    PATIENCE,
    TRACES,
    assemble,
    content,
    delta,
    environment,
    every_trace,
    expect,
    finish,
    interrupt,
    interruptible,
    one_line,
    posix,
    put,
    running,
    sse,
    stop,
)
from streamkit import Accumulator, dumps
from streamkit._cli import main as cli
from streamkit.trace import read_trace

# --- the response as JSON


def test_the_response_is_printed_as_readable_json() -> None:
    done = assemble("-", stdin=HELLO)
    expected = """\
{
  "id": "c1",
  "choices": [
    {
      "index": 0,
      "message": {
        "content": "Héllo 👋",
        "role": "assistant"
      },
      "finish_reason": "stop"
    }
  ],
  "created": 1,
  "model": "m",
  "object": "chat.completion",
  "usage": null
}
"""
    assert json.loads(expected) == json.loads(done.stdout)
    assert expected.splitlines()[:8] == done.stdout.decode().splitlines()[:8]
    assert (0, b"") == (done.returncode, done.stderr)


def test_compact_json_is_one_line() -> None:
    done = assemble("--compact", "-", stdin=HELLO)
    assert b"\n" == done.stdout[-1:]
    assert 1 == done.stdout.count(b"\n")
    assert "Héllo 👋" == content(done.stdout)


def test_output_is_utf_8_whatever_the_locale() -> None:
    done = assemble("-", stdin=HELLO, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert "Héllo 👋".encode() in done.stdout
    shown = assemble("-", "--stream", stdin=HELLO, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "Héllo 👋\n".encode() == shown.stdout


def test_a_dump_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "answer.sse").write_bytes(HELLO)
    done = assemble(tmp_path / "answer.sse")
    assert (0, "Héllo 👋") == (done.returncode, content(done.stdout))


def test_a_trace_is_read_from_a_file_from_standard_input_and_under_any_name(tmp_path: Path) -> None:
    trace = TRACES / "llama.cpp" / "unicode.trace.jsonl"
    shutil.copy(trace, tmp_path / "nameless")
    by_name, by_content, piped = (
        assemble(trace),
        assemble(tmp_path / "nameless"),
        assemble("-", stdin=trace.read_bytes()),
    )
    assert by_name.stdout == by_content.stdout == piped.stdout
    assert content((trace.parent / "unicode.json").read_bytes()) == content(by_name.stdout)
    assert [0, 0, 0] == [by_name.returncode, by_content.returncode, piped.returncode]


def test_a_full_response_in_place_of_a_stream_is_no_trace() -> None:
    body = b'{\n "id": "c1", "object": "chat.completion", "created": 1, "model": "m",\n "choices": [{"index": 0, '
    body += b'"message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}]\n}'
    assert "whole" == content(assemble("-", stdin=body).stdout)


@every_trace
def test_every_recorded_trace_gives_what_the_accumulator_gives(
    path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    accumulator = Accumulator()
    for block in read_trace(path).blocks:
        accumulator.absorb(block.data)
    outcome = accumulator.close()
    expected = accumulator.snapshot()
    code = cli.main(["assemble", "--compact", str(path)])
    out, err = capsysbinary.readouterr()
    assert {"complete": 0, "truncated": 3, "failed": 4}[outcome.name] == code
    assert (b"" if expected is None else dumps(expected) + b"\n") == out
    assert (code != 0) == (err != b"")


# --- how it ended


@pytest.mark.parametrize(
    "case, code, said",
    [
        ("llama.cpp/plain", 0, ""),
        ("llama.cpp/killed", 3, "truncated: the bytes ended with neither `[DONE]` nor a finish reason for every choice (after event 41)"),
        ("vllm/engine_killed", 4, "failed: the sender reported an error inside the stream (event 46, InternalServerError, 500): EngineCore"),
        ("llama.cpp/too_long", 4, "failed: the sender answered with an error object instead of a stream (before any event, exceed_context_size_error, 400): request"),
    ],
)  # fmt: skip
def test_the_exit_code_and_one_line_say_how_a_stream_ended(case: str, code: int, said: str) -> None:
    path = TRACES / f"{case}.trace.jsonl"
    done = assemble(path)
    assert code == done.returncode
    if said:
        assert one_line(done.stderr).startswith(f"{path}: {said}")
    else:
        assert b"" == done.stderr


@pytest.mark.parametrize(
    "stream, code, said",
    [
        (sse(delta("Hel")), 3, "standard input: truncated: the bytes ended with neither"),
        (sse(delta("Hel")) + b'data: {"id":"c1","cho', 3, "standard input: truncated: the bytes ended inside an event"),
        (
            sse(delta("Hel")) + b'data: {"error":{"message":"overloaded","code":503}}\n\n',
            4,
            "(event 2, 503): overloaded",
        ),
    ],
    ids=["truncated", "inside an event", "failed"],
)
def test_a_response_in_part_is_printed_all_the_same(stream: bytes, code: int, said: str) -> None:
    done = assemble("-", stdin=stream)
    assert (code, "Hel") == (done.returncode, content(done.stdout))
    assert said in one_line(done.stderr)


@pytest.mark.parametrize(
    "body, said",
    [
        (b"", "the stream had no chunk"),
        (DONE, "no chunk, or `[DONE]` arrived without any output or finish reason before it (event 1)"),
        (b"<html>\n<body>502 Bad Gateway", "the sender answered with a web page: '<html>\\n<body>502 Bad Gateway'"),
        (b"hello\nworld\n\n", "the bytes are not an event stream"),
        (b'{"error": {"message": "no such model"}}', "(before any event): no such model"),
        (b'{"hello": 1}', "the bytes are not an event stream"),
    ],
)
def test_what_is_no_stream_fails_and_prints_nothing(body: bytes, said: str) -> None:
    done = assemble("-", stdin=body)
    assert (4, b"") == (done.returncode, done.stdout)
    assert said in one_line(done.stderr)


def test_a_stream_whose_finish_reason_says_that_it_failed_is_printed_and_exits_as_failed() -> None:
    done = assemble("-", stdin=(sse(delta("a")) + sse(stop()) + DONE).replace(b'"stop"', b'"network_error"'))
    assert 4 == done.returncode
    assert "network_error" == json.loads(done.stdout)["choices"][0]["finish_reason"]
    assert "a finish reason reports that the sender failed (event 3, network_error)" in one_line(done.stderr)


def test_a_senders_error_is_one_line_that_steers_no_terminal() -> None:
    error = json.dumps({"error": {"message": "first\nsecond \x1b[31m" + "pages " * 500}})
    said = one_line(assemble("-", stdin=b"data: " + error.encode() + b"\n\n").stderr)
    assert "first second ␛[31mpages" in said
    assert len(said) < 600
    assert said.endswith("…")


def test_a_stream_over_a_limit_ends_the_command_though_the_sender_goes_on() -> None:
    def flood(process: subprocess.Popen[bytes]) -> None:
        for _ in range(1000):
            put(process, b"data: " + b"a" * 65536)

    with running("-") as process:
        with pytest.raises(BrokenPipeError):
            flood(process)
        code, _, err = finish(process)
    assert 4 == code
    assert "more arrived than a limit allows" in one_line(err)


def test_verbose_says_the_outcome_the_figures_and_each_anomaly() -> None:
    done = assemble("--verbose", "-", stdin=b": ping\n\n" + sse(delta("a"), stop()))
    assert 0 == done.returncode
    outcome, figures, anomaly = done.stderr.decode().splitlines()
    assert "standard input: complete: every choice has a finish reason; the stream ended without `[DONE]`" in outcome
    assert "2 events, 1 comment, 2 chunks" in figures
    assert anomaly.startswith(
        "streamkit: note: missing_done (event 2, $): The stream has finish reasons but no `[DONE]`."
    )


def test_a_complete_stream_of_which_something_was_lost_is_not_passed_over_in_silence() -> None:
    done = assemble("-", stdin=sse(delta("a")) + b"data: what?\n\n" + sse(stop()) + DONE)
    assert (0, "a") == (done.returncode, content(done.stdout))
    assert "complete, but something in it could not be used, 1 time (--verbose" in one_line(done.stderr)


# --- a file for the JSON


def test_the_json_goes_to_a_file_and_standard_output_stays_empty(tmp_path: Path) -> None:
    done = assemble("-", "--output", tmp_path / "answer.json", stdin=HELLO)
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    assert "Héllo 👋" == content((tmp_path / "answer.json").read_bytes())


def test_text_goes_to_standard_output_while_the_json_goes_to_a_file(tmp_path: Path) -> None:
    done = assemble("-", "--stream", "-o", tmp_path / "answer.json", stdin=HELLO)
    assert "Héllo 👋\n" == done.stdout.decode()
    assert "Héllo 👋" == content((tmp_path / "answer.json").read_bytes())


def test_text_and_json_can_both_go_to_standard_output() -> None:
    text, _, rest = assemble("-", "--stream", "-o", "-", stdin=HELLO).stdout.partition(b"\n")
    assert ("Héllo 👋", "Héllo 👋") == (text.decode(), content(rest))


def test_a_stream_is_not_begun_when_its_output_cannot_be_written(tmp_path: Path) -> None:
    with running("-", "-o", tmp_path / "nowhere" / "answer.json") as process:
        assert process.stderr is not None
        assert one_line(process.stderr.read()).endswith("answer.json: No such file or directory")
        assert 2 == process.wait()


@pytest.mark.parametrize("piped", [False, True])
def test_the_input_is_never_overwritten_by_the_output(tmp_path: Path, piped: bool) -> None:
    path = tmp_path / "x.sse"
    path.write_bytes(HELLO)
    command = [*COMMAND, "assemble", "-" if piped else str(path), "-o", str(path)]
    with open(path, "rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, env=environment(), timeout=PATIENCE)
    assert (2, b"") == (done.returncode, done.stdout)
    assert one_line(done.stderr).endswith("x.sse: cannot be read and written at once")
    assert HELLO == path.read_bytes()


# --- leaving


@posix
def test_an_interrupt_leaves_the_response_so_far() -> None:
    with running("--stream", "-o", "-", "-", preexec_fn=interruptible) as process:
        put(process, sse(delta("Hé")))
        expect(process, "Hé")
        interrupt(process)
        assert process.stdout is not None
        assert process.stderr is not None
        rest = process.stdout.read()  # while the sender's end is still open
        assert 130 == process.wait()
        assert b"\n" == rest[:1]
        assert "Hé" == content(rest)
        assert "standard input: cancelled: the caller closed the stream before it ended (after event 1)" == one_line(
            process.stderr.read()
        )


@posix
def test_an_interrupt_after_done_takes_nothing_from_a_complete_response() -> None:
    with running("--stream", "-o", "-", "-", preexec_fn=interruptible) as process:
        put(process, sse(delta("Hé"), stop()) + DONE)
        expect(process, "Hé\n")
        interrupt(process)
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
        interrupt(process)
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
