"""The command, run as users run it: real processes, real pipes, real bytes. No sleeping: a pipe says when."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamkit import Accumulator, dumps
from streamkit._cli import main as cli
from streamkit._cli.io import blocks_of_file
from streamkit._cli.live_text import View
from streamkit.trace import read_trace

TRACES = Path(__file__).resolve().parents[2] / "traces"
COMMAND = [sys.executable, "-W", "error", "-m", "streamkit"]
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


DONE = b"data: [DONE]\n\n"
HELLO = sse(delta("Hé"), delta("llo 👋"), stop()) + DONE


def environment(**more: str) -> dict[str, str]:
    unset = ("NO_COLOR", "PYTHONUNBUFFERED")  # unbuffered, what is never flushed would pass for live
    return {**{name: value for name, value in os.environ.items() if name not in unset}, "TERM": "xterm", **more}


def run(*args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment(**env), timeout=PATIENCE)


def assemble(*args: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    return run("assemble", *args, stdin=stdin, **env)


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


def interruptible() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background may have it ignored


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
        (b"", "the stream had no chunk at all"),
        (DONE, "the stream had no chunk at all, with or without `[DONE]` (event 1)"),
        (b"<html>\n<body>502 Bad Gateway", "the sender answered with a web page: '<html>\\n<body>502 Bad Gateway'"),
        (b"hello\nworld\n\n", "the bytes are no event stream"),
        (b'{"error": {"message": "no such model"}}', "(before any event): no such model"),
        (b'{"hello": 1}', "the bytes are no event stream"),
    ],
)
def test_what_is_no_stream_fails_and_prints_nothing(body: bytes, said: str) -> None:
    done = assemble("-", stdin=body)
    assert (4, b"") == (done.returncode, done.stdout)
    assert said in one_line(done.stderr)


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
    assert "more came than a limit allows" in one_line(err)


def test_verbose_says_the_outcome_the_figures_and_each_anomaly() -> None:
    done = assemble("--verbose", "-", stdin=b": ping\n\n" + sse(delta("a"), stop()))
    assert 0 == done.returncode
    outcome, figures, anomaly = done.stderr.decode().splitlines()
    assert "standard input: complete: every choice has a finish reason; the stream ended without `[DONE]`" in outcome
    assert "2 events, 1 comments, 2 chunks" in figures
    assert anomaly.startswith(
        "streamkit: note: missing_done (event 2, $): The stream has finish reasons but no `[DONE]`."
    )


def test_a_complete_stream_of_which_something_was_lost_is_not_passed_over_in_silence() -> None:
    done = assemble("-", stdin=sse(delta("a")) + b"data: what?\n\n" + sse(stop()) + DONE)
    assert (0, "a") == (done.returncode, content(done.stdout))
    assert "complete, but something in it could not be used, 1 times" in one_line(done.stderr)


# --- misuse


@pytest.mark.parametrize(
    "args, said",
    [
        ([], "name a command: assemble"),
        (["assemble"], "required: FILE"),
        (["assamble", "x"], "invalid choice"),
        (["assemble", "--str", "x"], "unrecognized arguments: --str"),
        (["assemble", "nowhere.sse"], "streamkit: nowhere.sse: No such file or directory\n"),
        (["assemble", str(TRACES)], "Is a directory\n"),
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
        ("cut", b'{"format":"streamkit-trace","version":1,"sender":"s","case":"c"}\n{"t":0,"te', "not a trace, line 2"),
        (
            "new",
            b'{"format":"streamkit-trace","version":2,"sender":"s","case":"c"}\n',
            "line 1: expected 1 ($.version)",
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


# --- text while it comes


def test_text_is_written_before_the_next_event_is_there(tmp_path: Path) -> None:
    with running("--stream", "-o", tmp_path / "answer.json", "-") as process:
        put(process, sse(delta("Hé")))
        expect(process, "Hé")
        put(process, sse(delta("llo"))[:-1])  # its blank line is not there yet
        put(process, b"\n")
        expect(process, "llo")
        put(process, sse(stop()) + DONE)
        assert (0, b"\n", b"") == finish(process)
    assert "Héllo" == content((tmp_path / "answer.json").read_bytes())


@posix
def test_a_named_pipe_is_read_live_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with running("--stream", tmp_path / "pipe") as process:
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
            pipe.write(sse(delta("Hé")))
            expect(process, "Hé")
            pipe.write(sse(stop()) + DONE)
        assert (0, b"\n", b"") == finish(process)


@posix
def test_an_input_that_has_nothing_yet_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with running("--stream", "-", stdin=reading) as process:
        os.close(reading)
        os.write(writing, sse(delta("Hé")))
        expect(process, "Hé")  # now it reads again, and there is nothing
        os.write(writing, sse(stop()) + DONE)
        os.close(writing)
        assert (0, b"\n", b"") == finish(process)


def test_one_choice_is_shown_at_a_time_and_the_others_under_their_numbers() -> None:
    with running("--stream", "-") as process:
        put(process, sse(delta("a0", 0), delta("a1", 1), delta(" b0", 0), delta(" b1", 1), delta("c2", 2)))
        expect(process, "a0 b0")
        put(process, sse(stop(0)))
        expect(process, "\n[1] a1 b1")
        put(process, sse(delta(" d1", 1)))
        expect(process, " d1")
        assert (3, b"\n[2] c2\n") == finish(process)[:2]


def test_choices_known_from_the_start_are_all_numbered() -> None:
    both = sse(delta("", 0), delta("", 1), delta("x", 0), delta("y", 1), stop(1), stop(0)) + DONE
    assert "[0] x\n[1] y\n" == assemble("-", "--stream", stdin=both).stdout.decode()


def test_a_choice_that_goes_on_after_its_end_is_shown() -> None:
    stream = sse(delta("x", 0), stop(0), delta("y", 0), stop(0)) + DONE
    assert "xy\n" == assemble("-", "--stream", stdin=stream).stdout.decode()


def test_tool_calls_are_shown_as_they_start_with_their_arguments() -> None:
    with running("--stream", "-") as process:
        put(process, sse(delta("Let me look.")))
        expect(process, "Let me look.")
        put(process, sse(tool('{"index":0,"id":"a","type":"function","function":{"name":"get_time","arguments":""}}')))
        expect(process, "\n[tool call 0: get_time] ")
        put(process, sse(tool('{"index":0,"function":{"arguments":"{\\"city\\":"}}')))
        expect(process, '{"city":')
        put(process, sse(tool('{"index":0,"function":{"arguments":"\\"Oslo\\"}"}}')))
        expect(process, '"Oslo"}')
        put(process, sse(tool('{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}')))
        put(process, sse(stop()) + DONE)
        assert (0, b"\n[tool call 1: f] {}\n", b"") == finish(process)


def function(name: str, arguments: str) -> str:
    call = json.dumps({"name": name, "arguments": arguments})
    return f'{{"index":0,"delta":{{"function_call":{call}}},"finish_reason":null}}'


def test_a_function_call_is_shown_as_its_arguments_come() -> None:
    with running("--stream", "-") as process:
        put(process, sse(function("f", '{"a":'), function("", "1")))
        expect(process, '[function call: f] {"a":1')
        put(process, sse(function("", "}")))
        expect(process, "}")
        put(process, sse(stop()) + DONE)
        assert (0, b"\n", b"") == finish(process)


@pytest.mark.parametrize("end", [sse(stop()) + DONE, DONE, b""], ids=["finished", "done", "cut off"])
def test_a_function_call_of_one_piece_is_shown_at_the_end(end: bytes) -> None:
    assert b"[function call: f] {}\n" == assemble("-", "--stream", stdin=sse(function("f", "{}")) + end).stdout


def test_a_call_written_twice_is_shown_once() -> None:
    both = '{"index":0,"delta":{"function_call":{"name":"f","arguments":"%s"},"tool_calls":[{"index":0,"id":"a",'
    both += '"type":"function","function":{"name":"f","arguments":"%s"}}]},"finish_reason":null}'
    stream = sse(*(both % (piece, piece) for piece in "{ }"), stop()) + DONE
    assert b"[tool call 0: f] { }\n" == assemble("-", "--stream", stdin=stream).stdout


def test_reasoning_and_refusal_are_named_where_they_cannot_be_told_by_colour() -> None:
    stream = sse(delta("Hm.", field="reasoning_content"), delta("Yes."), delta("No.", field="refusal"), stop()) + DONE
    assert "[reasoning] Hm.\n[content] Yes.\n[refusal] No.\n" == assemble("-", "--stream", stdin=stream).stdout.decode()


def on_a_terminal(stream: bytes, *options: str, **env: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = os.openpty()
    command = [*COMMAND, "assemble", *(options or ("--stream",)), "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=environment(**env)
    ) as process:
        os.close(theirs)
        process.communicate(stream, timeout=PATIENCE)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:
        pass  # how Linux says that nobody writes to a terminal any more
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


@posix
def test_reasoning_is_dim_on_a_terminal() -> None:
    stream = sse(delta("Hm.", field="reasoning"), delta("Yes."), stop()) + DONE
    assert "\x1b[2mHm.\x1b[22m\nYes.\n" == on_a_terminal(stream)
    assert "\x1b[2mHm.\x1b[22m\nYes.\n" == on_a_terminal(stream, NO_COLOR="")  # empty is as good as unset


@posix
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_is_honoured_on_a_terminal(env: dict[str, str]) -> None:
    stream = sse(delta("Hm.", field="reasoning"), delta("Yes."), stop()) + DONE
    assert "[reasoning] Hm.\n[content] Yes.\n" == on_a_terminal(stream, **env)


@posix
def test_a_sender_cannot_steer_a_terminal() -> None:
    stream = sse(delta("a\x1b[2J\u009b31m\x07\tb\n"), stop()) + DONE
    assert "a␛[2J\ufffd31m␇\tb\n" == on_a_terminal(stream)


CONTROLS = "".join(map(chr, (*range(32), *range(0x7F, 0xA0))))


@posix
@pytest.mark.parametrize(
    "options", [["--stream"], ["--stream", "--verbose", "--output", os.devnull], ["--verbose"], ["--compact"]]
)
def test_no_control_character_of_a_sender_reaches_a_terminal_wherever_it_stands(options: list[str]) -> None:
    function = {"name": CONTROLS, "arguments": CONTROLS}
    calls = [{"index": 0, "id": CONTROLS, "type": "function", "function": function}]
    stream = sse(
        *(delta(each) for each in CONTROLS),  # each in a delta by itself: no sequence is looked for
        delta(CONTROLS, field="reasoning"),
        delta(CONTROLS, field="refusal"),
        json.dumps({"id": "c1", "model": CONTROLS, "choices": [{"index": 0, "delta": {"tool_calls": calls}}]}),
        json.dumps({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": CONTROLS}]}),
        json.dumps({"error": {"message": CONTROLS, "type": CONTROLS, "code": CONTROLS}}),
    )
    shown = on_a_terminal(stream, *options, NO_COLOR="1", TERM="dumb")
    assert [] == [one for one in shown if one in CONTROLS and one not in "\t\n"]
    assert "--output" in options or "--stream" not in options or "␛" in shown


def test_a_file_gets_the_text_as_the_sender_wrote_it_and_the_json_escaped() -> None:
    stream = sse(delta("a\x1b[2J\u009b31m\r\nb"), stop()) + DONE
    assert "a\x1b[2J\u009b31m\r\nb\n".encode() == assemble("-", "--stream", stdin=stream).stdout
    printed = assemble("-", stdin=stream).stdout
    assert b'"a\\u001b[2J\\u009b31m\\r\\nb"' in printed
    assert "a\x1b[2J\u009b31m\r\nb" == content(printed)


def shown(body: bytes, cut: Callable[[bytes], list[bytes]]) -> bytes:
    out, accumulator = io.BytesIO(), Accumulator()
    view = View(out)
    for block in cut(body):
        view.show(accumulator.feed(block))
    view.show(accumulator.close().events)
    return out.getvalue()


@every_trace
def test_the_text_shown_is_the_same_whatever_the_cut_and_leaves_nothing_out(path: Path) -> None:
    trace = read_trace(path)
    whole = shown(trace.body, lambda body: [body])
    assert whole == shown(trace.body, lambda _: [block.data for block in trace.blocks])
    assert whole == shown(trace.body, lambda body: [body[at : at + 1] for at in range(len(body))])
    accumulator = Accumulator()
    accumulator.absorb(trace.body)
    accumulator.close()
    response = accumulator.snapshot()
    for choice in response.choices if response is not None else []:
        assert (choice.message.content or "").encode() in whole
        for call in choice.message.tool_calls or []:
            assert call.function.arguments.encode() in whole  # type: ignore[union-attr]


@pytest.mark.parametrize("text", [HELLO, b'{"error":\n{"message":"x"}}', b'{"a": 1}', b'{"no": "end', b"", b"{"])
def test_a_body_comes_through_unchanged_while_it_is_asked_whether_it_is_a_trace(text: bytes) -> None:
    class ByteByByte(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    for file in (io.BytesIO(text), ByteByByte(text)):
        assert text == b"".join(blocks_of_file(file, "x"))


# --- leaving


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


# --- the command itself


def test_version_and_help_go_to_standard_output() -> None:
    version, about, assembling = run("--version"), run("--help"), run("assemble", "--help")
    assert version.stdout.startswith(b"streamkit")
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
