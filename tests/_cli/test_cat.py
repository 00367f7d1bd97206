"""`streamkit cat`: what a trace holds, at the level that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.command import HELLO, TRACES, on_a_terminal, posix, run
from helpers.corpus import chunks_of
from streamkit import reassemble
from streamkit.trace import Block, Trace, read_trace, write_trace

PLAIN = TRACES / "llama.cpp/plain.trace.jsonl"


def lines(*args: str | Path, **options: Any) -> list[Any]:
    return [json.loads(line) for line in run("cat", *args, **options).stdout.splitlines()]


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A trace with a comment, a character in two blocks and an event in two."""
    path = tmp_path / "x.trace.jsonl"
    blocks = (
        Block(0.5, b': hi\n\ndata: "\xc3'),
        Block(1.5, b'\xa9"\n\nevent: x\ndata: 2\n\n'),
        Block(2.0, b"data: [DONE]\n\n"),
    )
    write_trace(Trace(case="x", end="eof", blocks=blocks), path)
    return path


def test_without_a_level_it_is_the_body() -> None:
    assert read_trace(PLAIN).body == run("cat", PLAIN).stdout


def test_blocks_are_lines_as_in_the_trace_with_a_number(cut: Path) -> None:
    assert [
        {"block": 1, "t": 0.5, "base64": "OiBoaQoKZGF0YTogIsM="},
        {"block": 2, "t": 1.5, "base64": "qSIKCmV2ZW50OiB4CmRhdGE6IDIKCg=="},
        {"block": 3, "t": 2.0, "text": "data: [DONE]\n\n"},
    ] == lines("--blocks", cut)


def test_events_have_their_number_type_and_the_time_at_which_they_were_whole(cut: Path) -> None:
    assert [
        {"event": 1, "t": 1.5, "type": "message", "text": '"é"'},
        {"event": 2, "t": 1.5, "type": "x", "text": "2"},
        {"event": 3, "t": 2.0, "type": "message", "text": "[DONE]"},
    ] == lines("--events", cut)


def test_chunks_are_the_objects_that_the_sender_wrote(cut: Path) -> None:
    assert chunks_of(read_trace(PLAIN).body) == lines("--chunks", PLAIN)
    done = run("cat", "--chunks", cut)
    assert (0, b"") == (done.returncode, done.stdout)
    assert b"streamkit: 2 events without a JSON object left out: --events shows them\n" == done.stderr


def test_text_is_what_was_said() -> None:
    assert reassemble(PLAIN).choices[0].message.content == run("cat", "--text", PLAIN).stdout.decode().rstrip("\n")


def test_a_body_has_no_times() -> None:
    assert [None] == [line["t"] for line in lines("--blocks", "-", stdin=HELLO)]


@posix
def test_on_a_terminal_each_is_a_line_that_fits(cut: Path) -> None:
    blocks = on_a_terminal("cat", "--blocks", cut).splitlines()
    assert r'     1    0.500000 s       14 B  : hi\n\ndata: "�' == blocks[0]
    events = on_a_terminal("cat", "--events", PLAIN).splitlines()
    assert (51, True) == (len(events), max(map(len, events)) <= 100)
    assert "    51    0.356736 s  message [DONE]" == events[-1]
