"""`streamkit view` and `streamkit check --html`, run as users run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command import HELLO, TRACES, on_a_terminal, one_line, posix, run
from helpers.pages import classed, parsed, text_of
from streamkit._cli import main as cli

PLAIN = TRACES / "llama.cpp/plain.trace.jsonl"
OTHER = TRACES / "vllm/plain.trace.jsonl"


def test_a_trace_becomes_a_page_in_a_file_and_two_become_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["view", str(PLAIN), str(OTHER), "-o", str(tmp_path / "report.html")])
    assert ("", "") == capsys.readouterr()
    root = parsed((tmp_path / "report.html").read_bytes())
    assert [f"A {PLAIN}", f"B {OTHER}"] == [text_of(one) for one in classed(root, "which")]


def test_without_a_file_the_page_is_on_standard_output() -> None:
    done = run("view", "-", stdin=HELLO)
    assert (0, b"") == (done.returncode, done.stderr)
    assert "standard input" == text_of(classed(parsed(done.stdout), "which")[0])


@posix
def test_a_page_is_not_written_to_a_terminal() -> None:
    assert "name a file, -o report.html" in on_a_terminal("view", PLAIN)


def test_what_cannot_be_drawn_or_written_is_said_and_no_file_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, out = tmp_path / "x.trace", tmp_path / "out.html"
    copy.write_bytes(PLAIN.read_bytes())
    cases = {
        ("view", "a", "b", "c"): "view takes one trace, or two for comparison, and 3 were passed",
        ("view", "-", "-", "-o", str(out)): "-: standard input can be read once only",
        ("view", str(copy), "-o", str(copy)): f"{copy}: cannot be read and written at once",
        ("view", str(copy), "-o", str(tmp_path)): f"{tmp_path}: is a folder: name a file in it, {tmp_path}/report.html",
        ("view", str(tmp_path / "none"), "-o", str(out)): f"{tmp_path / 'none'}: No such file or directory",
        ("view", str(copy), "-o", str(tmp_path / "no/x.html")): f"{tmp_path / 'no/x.html'}: No such file or directory",
        (
            "view",
            str(copy),
            "-o",
            f"{out}.sse",
        ): f"{out}.sse: is named like a stream, and a page is HTML: name it report.html",
        ("check", str(copy), "--html", str(copy)): f"{copy}: cannot be read and written at once",
    }
    for arguments, words in cases.items():
        assert 2 == cli.main(arguments)
        assert f"streamkit: {words}\n" == capsys.readouterr().err
    assert [copy] == list(tmp_path.iterdir())
    assert PLAIN.read_bytes() == copy.read_bytes()


def test_check_writes_a_page_about_a_folder_and_the_summary_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "streams"
    folder.mkdir()
    (folder / "good.sse").write_bytes(HELLO)
    (folder / "cut.sse").write_bytes(HELLO[:200])
    (folder / "bad.trace.jsonl").write_bytes(b"nothing")
    done = run("check", "--html", tmp_path / "report.html", folder)
    assert 2 == done.returncode
    assert "bad.trace.jsonl: not a trace" in one_line(done.stderr)
    assert done.stdout.decode().endswith("3 streams: 0 clean, 1 with notes, 1 faulty, 1 not read\n")
    root = parsed((tmp_path / "report.html").read_bytes())
    tiles = [text_of(one) for one in classed(root, "tile")]
    assert ["streams 2", "clean 0", "with notes 1", "faulty 1", "senders 1", "not read 1"] == tiles


def test_the_page_of_check_can_be_all_of_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert 0 == cli.main(["check", "--html", "-", str(PLAIN)])
    assert "created_changed" in text_of(parsed(capsysbinary.readouterr().out))


def test_a_format_that_is_asked_for_is_written_beside_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["check", "--html", str(tmp_path / "x.html"), "--format", "lines", str(PLAIN)])
    assert capsys.readouterr().out.startswith("notes   complete   done")
    assert (tmp_path / "x.html").exists()
