"""`streamkit check`: run as users run it, and for the rest in this process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from _check.test_observations import SEEN_IN as OBSERVATIONS_SEEN_IN
from helpers.wire import DONE, chunk, delta, sse
from streamkit import CODES, Limits, check_stream
from streamkit._check.observations import OBSERVATIONS
from streamkit._cli import main as cli
from streamkit._cli.check import render
from streamkit.trace import Block, Trace, write_trace
from test_anomalies import SEEN_IN as ANOMALIES_SEEN_IN

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
  outcome        complete (done): `[DONE]` arrived, and a finish reason for every choice.
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


@pytest.mark.parametrize("width", [40, 44, 60, 80, 131])
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


@pytest.mark.parametrize("code", [*CODES, *OBSERVATIONS])
def test_a_code_is_whole_however_narrow_the_terminal(code: str) -> None:
    stream = ANOMALIES_SEEN_IN.get(code) or OBSERVATIONS_SEEN_IN.get(code, b"")
    for width in (40, 56, 80):
        report = check_stream(stream, name="x")
        told = list(render(report, width=width))
        for finding in report.findings:
            assert [] != [line for line in told if finding.code in line.split()], (width, finding.code)


def test_at_40_columns_a_report_reads_like_this() -> None:
    expected = """\
x: faulty
  outcome: complete (done): `[DONE]`
    arrived, and a finish reason for
    every choice.
  counts: 4 events, 3 chunks, 1 choice;
    448 bytes in 1 block
  model: m
  finish reason: stop
  usage: none
  [DONE]: yes

  SEVERITY  CODE
  repaired  index_missing
    event 1, 3 times, $.choices[0].index
    A choice has no index. Its position
    was used."""
    told = [line.replace(f"{len(ODD)} bytes", "448 bytes") for line in lines(ODD, width=40)]
    assert expected.splitlines() == told[: len(expected.splitlines())]


# --- the error's own sentence


@pytest.mark.parametrize(
    "stream, limits, said",
    [
        (b"\x1f\x8b\x08\x00" + b"a" * 40, {}, "This body is still compressed (gzip): decode it first, or pass"),
        (b"\x28\xb5\x2f\xfd" + b"a" * 40, {}, "This body is still compressed (zstd): decode it first, or pass"),
        (CLEAN, {"max_event_bytes": 50}, "An event of more than 50 bytes (`Limits(max_event_bytes=50)`)"),
        (CLEAN, {"max_response_bytes": 200}, "in one response (`Limits(max_response_bytes=200)`)"),
        (sse(START, HI, '{"error":{"message":"full","type":"busy","code":503}}'), {}, "The sender: full (busy, 503)"),
        (b'{"message":"Not Found"}', {}, "The sender: Not Found"),
        (b"<html><title>502 Bad Gateway</title>", {}, "502 Bad Gateway."),
        (b'data: {"type":"response.created"}\n\n', {}, "OpenAI's Responses API"),
    ],
)
def test_a_failure_is_told_by_the_sentence_of_its_error(stream: bytes, limits: dict[str, int], said: str) -> None:
    report = check_stream(stream, name="x", limits=Limits(**limits))
    for width in (40, 100):
        told = " ".join(" ".join(render(report, width=width)).split())
        assert said in told
        assert 1 == told.count(said)


def test_what_the_sentence_of_the_ending_says_already_is_not_said_twice() -> None:
    told = " ".join(" ".join(lines(CUT)).split())
    assert 1 == told.casefold().count("the bytes ended with neither")


def test_no_python_stands_in_a_report() -> None:
    for stream in (*ANOMALIES_SEEN_IN.values(), *OBSERVATIONS_SEEN_IN.values()):
        told = "\n".join(lines(stream))
        assert not re.search(r"\bNone\b|\bTrue\b(?!\)`)|\bFalse\b|b'|\{'|\['", told), told


def test_figures_that_were_not_reported_are_left_out() -> None:
    usage = chunk(more='"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}')
    report = check_stream(sse(START, HI, STOP, usage) + DONE, name="x")
    assert report.usage is not None
    object.__setattr__(report.usage, "total_tokens", None)  # absent, as where a sender leaves it out
    assert "  usage          1 prompt, 2 completion" in list(render(report, width=100))


# --- names


def test_where_standard_output_is_no_terminal_the_name_is_whole(folder: Path) -> None:
    long = "a-" * 100 + ".sse"
    (folder / long).write_bytes(CLEAN)
    assert run(long, COLUMNS="40").stdout.decode().startswith(f"{long}: clean\n")
    assert max(map(len, lines(CLEAN))) <= 100
    assert ["n" * 92 + "…: clean", "n" * 200 + ": clean"] == [
        next(render(check_stream(CLEAN, name="n" * 200), width=100, whole_name=whole)) for whole in (False, True)
    ]


# --- a line each, and all together


def recorded(folder: Path, sender: str, case: str, stream: bytes, *times: float) -> None:
    size = len(stream) // len(times) + 1
    blocks = tuple(Block(t, stream[n * size : (n + 1) * size]) for n, t in enumerate(times))
    (folder / sender).mkdir(parents=True, exist_ok=True)
    write_trace(Trace(sender=sender, case=case, blocks=blocks), folder / sender / f"{case}.trace.jsonl")


def test_a_line_a_file_has_the_verdict_the_times_and_the_codes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(folder, "acme", "odd", ODD, 0.25, 1.5, 2.0)
    code, out, _ = check(capsys, "--format", "lines", "acme/odd.trace.jsonl", *FILES)
    assert 1 == code
    assert [
        "faulty complete done 3 chunks 1.500 s 2.000 s acme/odd.trace.jsonl: index_missing 3",
        "clean complete done 3 chunks - - clean.sse",
        "notes complete done 4 chunks - - notes.sse: finish_repeated 1",
        "faulty complete done 3 chunks - - odd.sse: index_missing 3",
        "faulty truncated no_finish 2 chunks - - cut.sse",
    ] == [" ".join(line.split()) for line in out.splitlines()]
    assert 1 == len({line.index(" chunks") for line in out.splitlines()}), "columns stand under each other"


def test_several_streams_are_summed_up_by_code_and_sender(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        recorded(folder, "acme", f"odd{number}", ODD, 0.5)
    recorded(folder, "zeta", "odd", ODD, 0.5)
    expected = """\
  SEVERITY   CODE             STREAMS  SENDERS
  truncated  no_finish              1  unknown 1
  repaired   index_missing          5  acme 3, unknown 1, zeta 1
  note       finish_repeated        1  unknown 1

8 streams: 1 clean, 1 with notes, 6 faulty
"""
    code, out, _ = check(capsys, "--format", "summary", "acme", "zeta", *FILES)
    assert (1, expected) == (code, out)
    assert check(capsys, "acme", "zeta", *FILES)[1].endswith(f"\n\n{expected}")


def test_a_summary_fits_into_40_columns(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    for number in range(9):
        recorded(folder, f"sender-{number}", "odd", ODD, 0.5)
    out = check(capsys, "--format", "summary", ".")[1]
    assert 40 >= max(map(len, out.splitlines()))
    assert "  repaired   index_missing\n    10 streams: unknown 1, sender-0 1," in out


# --- folders


def test_a_folder_stands_for_the_streams_in_it_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(folder, "b", "hi", CLEAN, 0.5)
    recorded(folder, "a", "hi", CLEAN, 0.5)
    for name in ("README.md", "answer.json", ".hidden.sse"):
        (folder / name).write_bytes(b"no stream")
    (folder / ".git").mkdir()
    (folder / ".git" / "a.sse").write_bytes(b"no stream")
    _, out, err = check(capsys, "--json", ".")
    expected = [*sorted(FILES), "a/hi.trace.jsonl", "b/hi.trace.jsonl"]
    assert (expected, "") == ([Path(one["name"]).as_posix() for one in json.loads(out)], err)


def test_a_folder_without_streams_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    code, out, err = check(capsys, "empty", "clean.sse")
    assert 2 == code
    assert err.startswith("streamkit: empty: no stream is in this folder: names that end with .sse, .jsonl")
    assert out.endswith("2 streams: 1 clean, 0 with notes, 0 faulty, 1 not read\n")


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


@pytest.mark.parametrize("form", ["report", "lines", "summary"])
def test_two_forms_at_once_are_misuse(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    code, out, err = check(capsys, "--json", "--format", form, "clean.sse")
    assert (2, "") == (code, out)
    assert f"--json means --format json, and --format {form} was passed too: leave one of them out" in err


def test_the_same_form_twice_is_that_form(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = check(capsys, "--json", "--format", "json", "clean.sse")
    assert (0, "clean.sse") == (code, json.loads(out)[0]["name"])
