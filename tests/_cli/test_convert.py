"""`streamkit import` and `streamkit export`: from other tools and for them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from helpers.command import HELLO, TRACES, one_line, run
from streamkit.trace import read_trace

LINES = b'{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n'
CASSETTE = b"""
interactions:
- request: {body: null, headers: {}, method: GET, uri: 'https://x.test/a'}
  response: {body: {string: "one"}, headers: {}, status: {code: 200}}
- request: {body: null, headers: {}, method: GET, uri: 'https://x.test/b'}
  response: {body: {string: "two"}, headers: {}, status: {code: 200}}
"""


def test_one_exchange_goes_to_standard_output(tmp_path: Path) -> None:
    (tmp_path / "answer.sse").write_bytes(HELLO)
    done = run("import", tmp_path / "answer.sse", "--sender", "acme")
    assert (0, b"") == (done.returncode, done.stderr)
    trace = read_trace(io.BytesIO(done.stdout))
    assert (HELLO, "none", "acme", "answer") == (trace.body, trace.observed, trace.sender, trace.case)
    assert HELLO == read_trace(io.BytesIO(run("import", "-", "--kind", "sse", stdin=HELLO).stdout)).body


def test_a_folder_goes_into_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "answer.sse").write_bytes(HELLO)
    (tmp_path / "in" / "text.chunks.txt").write_bytes(LINES)
    (tmp_path / "in" / "two.yaml").write_bytes(CASSETTE)
    done = run("import", tmp_path / "in", "-o", tmp_path / "out")
    assert (0, b"") == (done.returncode, done.stdout)
    names = ["answer.trace.jsonl", "text.trace.jsonl", "two-001.trace.jsonl", "two-002.trace.jsonl"]
    assert names == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert (b"two", "/b") == ((trace := read_trace(tmp_path / "out" / names[-1])).body, trace.path)


def test_a_trace_is_not_imported_again(tmp_path: Path) -> None:
    (tmp_path / "answer.trace.jsonl").write_bytes((TRACES / "llama.cpp/plain.trace.jsonl").read_bytes())
    done = run("import", tmp_path)
    assert (2, b"") == (done.returncode, done.stdout)
    assert "answer.trace.jsonl: this is a trace already" in one_line(done.stderr)


def test_several_exchanges_without_a_folder_are_misuse(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "two.yaml").write_bytes(CASSETTE)
    done = run("import", tmp_path / "two.yaml")
    assert (2, b"") == (done.returncode, done.stdout)
    assert "--output" in one_line(done.stderr)


def test_what_cannot_be_imported_is_said_and_the_rest_is_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.ndjson").write_bytes(b"{}\nnot json\n")
    (tmp_path / "good.sse").write_bytes(HELLO)
    done = run("import", tmp_path / "bad.ndjson", tmp_path / "good.sse", "-o", tmp_path / "x.trace.jsonl")
    assert 2 == done.returncode
    assert "line 2" in one_line(done.stderr)
    assert HELLO == read_trace(tmp_path / "x.trace.jsonl").body


def test_a_trace_is_exported_as_its_body_and_as_a_timeline(tmp_path: Path) -> None:
    path = TRACES / "llama.cpp" / "plain.trace.jsonl"
    done = run("export", path)
    assert (0, read_trace(path).body) == (done.returncode, done.stdout)
    assert 0 == run("export", path, "-o", tmp_path / "t.json").returncode
    timeline = json.loads((tmp_path / "t.json").read_bytes())
    assert len(timeline["traceEvents"]) > len(read_trace(path).blocks)
    assert timeline == json.loads(run("export", path, "--format", "chrome").stdout)


def test_a_timeline_without_times_is_misuse() -> None:
    done = run("export", TRACES / "vllm" / "engine_killed.trace.jsonl", "--format", "chrome")
    assert (2, b"") == (done.returncode, done.stdout)
    assert "times" in one_line(done.stderr)
