"""`streamkit diff`: the same bytes, the same cuts, the same response; the first difference, and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from helpers.command import TRACES, on_a_terminal, posix
from streamkit._cli import main as cli
from streamkit.trace import Block, read_trace, write_trace

PLAIN = TRACES / "llama.cpp/plain.trace.jsonl"
TRACE = read_trace(PLAIN)


@pytest.fixture
def other(tmp_path: Path) -> Any:
    """Writes the plain trace with other blocks and gives its path."""

    def write(*blocks: bytes) -> str:
        path = tmp_path / "other.trace.jsonl"
        write_trace(
            attrs.evolve(TRACE, blocks=tuple(Block(1.0, data) for data in blocks), end_time=None, head_time=None), path
        )
        return str(path)

    return write


def diff(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any]:
    code = cli.main(["diff", str(PLAIN), *args])
    return code, json.loads(capsys.readouterr().out)


def test_a_trace_is_the_same_as_itself_at_other_times(capsys: pytest.CaptureFixture[str], other: Any) -> None:
    path = other(*(block.data for block in TRACE.blocks))
    code, found = diff(capsys, path)
    same = {"same": True}
    assert 0 == code
    assert {
        "a": str(PLAIN),
        "b": path,
        "same": True,
        "bytes": same,
        "cuts": same,
        "response": same,
        "varying": [],
    } == found


def test_other_cuts_of_the_same_bytes_are_a_difference_of_cuts_alone(
    capsys: pytest.CaptureFixture[str], other: Any
) -> None:
    path = other(TRACE.body[:300], TRACE.body[300:])
    code, found = diff(capsys, path)
    assert (1, True, True) == (code, found["bytes"]["same"], found["response"]["same"])
    assert {"same": False, "where": "the end of block 1", "a": 536, "b": 300} == found["cuts"]
    assert 0 == diff(capsys, path, "--only", "bytes", "--only", "response")[0]


def test_the_first_difference_of_bytes_and_of_the_response_is_found(
    capsys: pytest.CaptureFixture[str], other: Any
) -> None:
    at = TRACE.body.index(b" sea")
    code, found = diff(capsys, other(TRACE.body.replace(b" sea", b" lake", 1)))
    assert 1 == code
    assert (f"byte {at + 1} (event 3, block 2)", "sea", "lake") == (
        found["bytes"]["where"],
        found["bytes"]["a"][:3],
        found["bytes"]["b"][:4],
    )
    assert "$.choices[0].message.content" == found["response"]["where"]


def test_what_differs_between_two_equal_answers_is_no_difference_of_the_response(
    capsys: pytest.CaptureFixture[str], other: Any
) -> None:
    path = other(TRACE.body.replace(b"chatcmpl-VLJ", b"chatcmpl-XYZ"))
    code, found = diff(capsys, path)
    assert (1, False, True, ["$.id"]) == (code, found["bytes"]["same"], found["response"]["same"], found["varying"])
    assert 0 == diff(capsys, path, "--only", "response")[0]


def test_a_stream_that_ends_in_another_way_has_another_response(capsys: pytest.CaptureFixture[str], other: Any) -> None:
    _, found = diff(capsys, other(TRACE.body[:-600]), "--only", "response")
    assert found["response"]["where"] in ("$.choices[0].message.content", "$.choices[0].finish_reason", "$.outcome")


def test_nothing_at_all_is_told_from_null(capsys: pytest.CaptureFixture[str], other: Any) -> None:
    _, found = diff(capsys, other())
    assert (["same", "where", "a"], ["same", "where", "a"]) == (list(found["bytes"]), list(found["cuts"]))


@posix
def test_on_a_terminal_it_is_a_few_lines(other: Any) -> None:
    shown = on_a_terminal("diff", PLAIN, other(TRACE.body.replace(b" sea", b" lake", 1)))
    assert "response  differ at $.choices[0].message.content\n  A: The sea is" in shown
    same = on_a_terminal("diff", PLAIN, PLAIN)
    assert "bytes     same\ncuts      same\nresponse  same\n" == same


def test_standard_input_is_read_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.main(["diff", "-", "-"])
    assert "standard input can be read once only" in capsys.readouterr().err
