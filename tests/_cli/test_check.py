"""`streamkit check`: run as users run it, and for the rest in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.wire import DONE, chunk, delta, sse
from streamkit import check_stream
from streamkit._cli import main as cli
from streamkit._cli.check import render
from streamkit.trace import Block, Trace, write_trace

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-W", "error", "-m", "streamkit", "check"]
PATIENCE = 60.0  # seconds until a process that hangs is killed; nothing waits for it otherwise
posix = pytest.mark.skipif(os.name != "posix", reason="terminals as POSIX has them")

START = delta('{"role":"assistant"}')
HI = delta('{"content":"Hi"}')
STOP = delta("{}", "stop")
CLEAN = sse(START, HI, STOP) + DONE
NOTES = sse(START, HI, STOP, STOP) + DONE
ODD = sse(START, HI, STOP).replace(b'"index":0,', b"") + DONE
CUT = sse(START, HI)
FILES = {"clean.sse": CLEAN, "notes.sse": NOTES, "odd.sse": ODD, "cut.sse": CUT}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a stream of each verdict."""
    for name, stream in FILES.items():
        (tmp_path / name).write_bytes(stream)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "TERM": "xterm", "PYTHONPATH": path, **more}


def run(*args: str, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, *args]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment(**env), timeout=PATIENCE)


def check(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = cli.main(["check", *args])
    out, err = capsys.readouterr()
    return code, out, err


def lines(stream: bytes, **options: Any) -> list[str]:
    return list(render(check_stream(stream, name="x"), **{"width": 100, **options}))


# --- the command


def test_a_file_is_reported_on_and_the_exit_code_says_whether_it_passes(folder: Path) -> None:
    clean, odd = run("clean.sse"), run("odd.sse")
    assert (0, b"") == (clean.returncode, clean.stderr)
    assert clean.stdout.startswith(b"clean.sse: clean\n")
    assert (1, b"") == (odd.returncode, odd.stderr)
    assert b"  repaired  index_missing      1      3  $.choices[0].index\n" in odd.stdout


def test_standard_input_is_read_and_the_output_is_utf_8_whatever_the_locale() -> None:
    stream = sse(START, delta('{"content":"a"}'), delta("{}", "schluß")) + DONE
    done = run("-", stdin=stream, LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (0, b"") == (done.returncode, done.stderr)
    assert done.stdout.startswith(b"standard input: notes\n")
    assert "seen: schluß\n".encode() in done.stdout


def test_json_is_one_document_with_an_object_a_file(folder: Path) -> None:
    done = run("--json", *FILES)
    assert (1, b"") == (done.returncode, done.stderr)
    told = json.loads(done.stdout)
    assert list(FILES) == [one["name"] for one in told]
    assert ["clean", "notes", "faulty", "faulty"] == [one["verdict"] for one in told]
    assert [check_stream(stream, name=name).as_json() for name, stream in FILES.items()] == [
        {**one, "counts": {**one["counts"], "blocks": 1}} for one in told
    ]


def test_help_explains_the_exit_codes_and_has_examples() -> None:
    done = run("--help")
    assert b"exit codes: 0 no faults, 1 faults in at least one stream, 2 misuse" in done.stdout
    for example in cli.COMMANDS["check"].examples:
        assert example.encode() in done.stdout


# --- the exit code


@pytest.mark.parametrize(
    "args, code",
    [
        (["clean.sse"], 0),
        (["notes.sse"], 0),
        (["notes.sse", "--strict"], 1),
        (["clean.sse", "--strict"], 0),
        (["odd.sse"], 1),
        (["cut.sse"], 1),
        (["clean.sse", "odd.sse", "clean.sse"], 1),
        (["clean.sse", "notes.sse"], 0),
        (["clean.sse", "nowhere.sse"], 2),
        (["odd.sse", "nowhere.sse"], 2),
        (["--json", "odd.sse"], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst_file(
    folder: Path, capsys: pytest.CaptureFixture[str], args: list[str], code: int
) -> None:
    assert code == check(capsys, *args)[0]


def test_no_file_at_all_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["check"])
    assert 2 == left.value.code
    assert "required: FILE" in capsys.readouterr().err


def test_standard_input_is_read_once_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert (2, "", "streamkit: -: standard input can be read once only\n") == check(capsys, "-", "-")


def test_a_file_that_cannot_be_read_is_said_and_the_others_are_reported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = check(capsys, "nowhere.sse", "clean.sse")
    assert (2, "streamkit: nowhere.sse: No such file or directory\n") == (code, err)
    assert "clean.sse: clean\n" in out
    assert out.endswith("2 streams: 1 clean, 0 with notes, 0 faulty, 1 not read\n")


def test_a_broken_trace_is_said_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.trace.jsonl").write_bytes(CLEAN)
    code, out, err = check(capsys, "a.trace.jsonl")
    assert (2, "") == (code, out)
    assert err.startswith("streamkit: a.trace.jsonl: not a trace, line 1: ")


# --- several files


def test_several_files_end_with_a_line_that_counts_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = check(capsys, *FILES)
    assert "4 streams: 1 clean, 1 with notes, 2 faulty" == out.splitlines()[-1]
    assert "streams:" not in check(capsys, "clean.sse")[1]


def test_quiet_leaves_out_what_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = check(capsys, "--quiet", *FILES)
    assert ["odd.sse: faulty", "cut.sse: faulty"] == [line for line in out.splitlines() if ".sse: " in line]
    assert (0, "", "") == check(capsys, "--quiet", "clean.sse")
    _, out, _ = check(capsys, "--quiet", "--strict", "--json", *FILES)
    assert ["notes.sse", "odd.sse", "cut.sse"] == [one["name"] for one in json.loads(out)]


def test_a_trace_is_known_by_its_content_and_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    headers = (("Content-Type", "application/json"),)
    blocks = (Block(0.0, CLEAN[:9]), Block(0.5, CLEAN[9:]))
    recorded = Trace(sender="acme", sender_version="1.2", case="hi", status=200, headers=headers, blocks=blocks)
    write_trace(recorded, folder / "nameless")
    _, out, _ = check(capsys, "nameless")
    assert "  trace          acme 1.2, hi, HTTP 200, application/json, end: unknown\n" in out
    assert "  note      content_type" in out
    assert "in 2 blocks\n" in out


# --- the table


def test_the_report_of_an_odd_stream_reads_like_this() -> None:
    expected = """\
x: faulty
  outcome        complete (done): `[DONE]` came, and a finish reason for every choice.
  counts         4 events, 3 chunks, 1 choice; 448 bytes in 1 block
  model          m
  finish reason  stop
  usage          none
  [DONE]         yes

  SEVERITY  CODE           EVENT  TIMES  PATH
  repaired  index_missing      1      3  $.choices[0].index
            A choice has no index. Its position was used.
            breaks: openai-python 3.54, openai-node 7.57, openai-agents 0.24, openinference,
              openllmetry (fails); vercel/ai (reported)"""
    assert expected.splitlines() == [line.replace(f"{len(ODD)} bytes", "448 bytes") for line in lines(ODD)]


def test_a_clean_stream_is_told_in_its_facts_alone() -> None:
    usage = chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}')
    told = lines(sse(START, HI, STOP, usage) + DONE)
    assert "  usage          1 prompt, 2 completion, 3 total" in told
    assert "" not in told


def test_a_failure_is_told_in_the_senders_words() -> None:
    told = " ".join(" ".join(lines(sse(START, '{"error":{"message":"no room left"}}'))).split())
    assert "(remote_error): the sender reported an error inside the stream. The sender: no room left" in told


def test_who_misreads_an_ending_stands_under_it() -> None:
    _, outcome, breaks, *_ = lines(CUT, width=200)
    assert outcome.startswith("  outcome        truncated (no_finish): the bytes ended with neither")
    assert breaks.startswith("                 breaks: openai-python 3.54, ")


def test_the_threads_are_shown_when_asked_for() -> None:
    thread = "https://github.com/langchain-ai/langchain/issues/38366"
    assert [] == [line for line in lines(NOTES) if thread in line]
    assert [thread] == [line.strip() for line in lines(NOTES, verbose=True) if thread in line]


def test_unknown_fields_are_listed_the_first_twenty_of_them() -> None:
    fields = ",".join(f'"f{n}":"a"' for n in range(25))
    told = lines(sse(START, delta(f'{{"content":"a",{fields}}}'), STOP) + DONE)
    assert "        1  choices[].delta.f0" in told
    assert "           and 5 more" == told[-1]


@pytest.mark.parametrize("width", [44, 60, 80, 131])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    from _check.test_observations import SEEN_IN as observations
    from test_anomalies import SEEN_IN as anomalies

    wide = json.dumps({"content": 5, "漢字" * 60: "漢字" * 60, "odd_" + "name" * 40: [{"a": "b"}]}, ensure_ascii=False)
    error = sse(START, json.dumps({"error": {"message": "漢" * 300 + " " + "x" * 300}}))
    for stream in (*anomalies.values(), *observations.values(), sse(START, delta(wide), STOP), error):
        for line in lines(stream, width=width):
            assert width >= len(line) + sum(char in "漢字" for char in line), line


def test_what_a_sender_wrote_stays_on_its_line_and_steers_no_terminal() -> None:
    stream = sse(START, HI, delta("{}", "a\\n\\u001b[2Jb\\u009b31m")) + DONE
    assert "            seen: a ␛[2Jb\ufffd31m" in lines(stream)


def test_json_steers_no_terminal_either(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "odd.sse").write_bytes(sse(START, HI, delta("{}", "a\\u001b\\u009b31m")) + DONE)
    _, out, _ = check(capsys, "--json", "odd.sse")
    assert '"a\\u001b\\u009b31m"' in out
    assert "a\x1b\x9b31m" == json.loads(out)[0]["findings"][0]["excerpt"]


# --- colour


def test_colour_marks_severity_and_verdict() -> None:
    told = lines(ODD, colour=True)
    assert "x: \x1b[31mfaulty\x1b[0m" == told[0]
    assert [] != [line for line in told if line.startswith("  \x1b[33mrepaired\x1b[0m  index_missing")]
    assert lines(ODD) == [line.replace("\x1b[31m", "").replace("\x1b[33m", "").replace("\x1b[0m", "") for line in told]


def on_a_terminal(*args: str, **env: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = os.openpty()
    with subprocess.Popen([*COMMAND, *args], stdout=theirs, env=environment(**env)) as process:
        os.close(theirs)
        process.wait(PATIENCE)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:
        pass  # how Linux says that nobody writes to a terminal any more
    os.close(ours)
    return shown.decode()


@posix
def test_colour_is_for_terminals_and_no_color_is_honoured(folder: Path) -> None:
    assert "clean.sse: \x1b[32mclean\x1b[0m\r\n" in on_a_terminal("clean.sse")
    assert "\x1b" not in on_a_terminal("clean.sse", NO_COLOR="1")
    assert "\x1b" not in on_a_terminal("clean.sse", TERM="dumb")
    assert b"\x1b" not in run("clean.sse").stdout


@posix
def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, *FILES], stdout=writing, stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE
    )
    os.close(writing)
    assert (141, b"") == (done.returncode, done.stderr)
