"""`streamkit scrub`: what is found goes, and the exit code says whether there was anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.command import HELLO, one_line, run
from streamkit.trace import Block, Trace, read_trace, write_trace

KEY = "sk-proj-Ab0_dE1fGh2iJk3lMn4oPq5r"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_trace(Trace(blocks=(Block(0, HELLO),), end="eof"), tmp_path / "a.trace.jsonl")
    write_trace(Trace(blocks=(Block(0, f"data: {KEY}\n\n".encode()),), end="eof"), tmp_path / "b.trace.jsonl")
    return tmp_path


def test_a_folder_is_scrubbed_and_each_finding_is_a_line(folder: Path) -> None:
    before = (folder / "a.trace.jsonl").read_bytes()
    done = run("scrub", folder)
    assert (1, b"") == (done.returncode, done.stderr)
    expected = {"file": str(folder / "b.trace.jsonl"), "secrets": True, "encoded": "", "replaced": True}
    assert expected == json.loads(done.stdout)
    assert before == (folder / "a.trace.jsonl").read_bytes()
    assert f"data: {'x' * len(KEY)}\n\n".encode() == read_trace(folder / "b.trace.jsonl").body
    assert (0, b"") == ((again := run("scrub", folder)).returncode, again.stdout)


def test_check_looks_only(folder: Path) -> None:
    assert 1 == run("scrub", "--check", folder).returncode
    assert KEY.encode() in (folder / "b.trace.jsonl").read_bytes()


def test_patterns_and_variables_of_the_users_are_searched_too(folder: Path) -> None:
    assert 0 == run("scrub", "--check", folder / "a.trace.jsonl").returncode
    assert 1 == run("scrub", "--check", "--find", "llo", folder / "a.trace.jsonl").returncode
    long = "chat.completion.chunk"
    assert 1 == run("scrub", "--check", folder / "a.trace.jsonl", MY_SECRET=long).returncode


def test_what_is_no_trace_is_said_and_the_rest_is_scrubbed(folder: Path) -> None:
    (folder / "c.trace.jsonl").write_bytes(b"data: {}\n")
    done = run("scrub", folder)
    assert 2 == done.returncode
    assert one_line(done.stderr).startswith(f"{folder / 'c.trace.jsonl'}, line 1: expected one JSON object")
    assert KEY.encode() not in (folder / "b.trace.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(("--find", "("), "regular expression"), (("-",), "standard input"), (("no.jsonl",), "No such file")],
)
def test_misuse_says_what_to_do(arguments: tuple[str, ...], text: str, folder: Path) -> None:
    done = run("scrub", *arguments, folder / "a.trace.jsonl")
    assert 2 == done.returncode
    assert text in one_line(done.stderr)
