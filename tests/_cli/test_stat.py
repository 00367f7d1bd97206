"""`streamkit stat`: counts and the timing table, each figure by the definition that it follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.command import HELLO, TRACES, on_a_terminal, posix, run
from streamkit import Timing
from streamkit._cli import main as cli
from streamkit._cli.stat import FIGURES, stat_of
from streamkit._live.timing import timing_of
from streamkit.testing import traces
from streamkit.trace import Block, Trace

PLAIN = TRACES / "llama.cpp/plain.trace.jsonl"


def test_each_trace_is_a_line_of_json_with_its_counts_and_times() -> None:
    done = run("stat", PLAIN, TRACES / "vllm")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (0, b"") == (done.returncode, done.stderr)
    assert len(list((TRACES / "vllm").glob("*.jsonl"))) + 1 == len(found)
    first = found[0]
    assert (str(PLAIN), "llama.cpp", "complete", 13337, 50, 51, 50) == tuple(
        first[name] for name in ("file", "sender", "outcome", "bytes", "blocks", "events", "chunks")
    )
    assert (0.062052, 0.356736) == (first["timing"]["ttft"], first["timing"]["last_byte"])


@pytest.mark.parametrize("recorded", traces(), ids=str)
def test_figures_are_those_of_the_timing_of_the_trace(recorded: object) -> None:
    trace = recorded.trace  # type: ignore[attr-defined]
    timing, found = timing_of(trace), stat_of(trace, "x")["timing"]
    for name in FIGURES:
        if hasattr(Timing, name):
            value = getattr(timing, name)
            assert found[name] == (None if value is None else pytest.approx(value, abs=1e-9)), name


def test_a_trace_without_times_has_counts_alone(tmp_path: Path) -> None:
    (tmp_path / "x.sse").write_bytes(HELLO)
    (found,) = [json.loads(line) for line in run("stat", tmp_path / "x.sse").stdout.splitlines()]
    assert (1, 4, {None}) == (found["blocks"], found["events"], set(found["timing"].values()))


def test_the_longest_silence_is_found() -> None:
    trace = Trace(blocks=(Block(1.0, b": a\n\n"), Block(4.5, HELLO), Block(5.0, b"\n")))
    assert 3.5 == stat_of(trace, "x")["timing"]["longest_gap"]


@posix
def test_on_a_terminal_it_is_a_table_of_one_trace_or_of_many() -> None:
    one = on_a_terminal("stat", PLAIN, NO_COLOR="1")
    assert (
        "  ttft                          0.0621 s   first output, reasoning counts - sent (AIPerf, GuideLLM)\n" in one
    )
    assert "  blocks                            50\n" in one
    many = on_a_terminal("stat", TRACES, NO_COLOR="1").rpartition("\r\x1b[K")[2]  # progress, where it took a second
    assert many.startswith("81 traces\n  65 complete (done), ")
    assert "  ttft                    s           73 " in many
    assert max(map(len, one.splitlines())) <= 100
    assert [json.loads(line)["chunks"] for line in on_a_terminal("stat", PLAIN, "--json").splitlines()] == [50]


def test_what_cannot_be_read_is_said_and_the_others_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.trace.jsonl").write_bytes(b"{}\n")
    assert 2 == cli.main(["stat", str(tmp_path), str(tmp_path / "none"), str(PLAIN)])
    out, err = capsys.readouterr()
    assert (1, 2) == (out.count("\n"), err.count("\n"))
    assert "bad.trace.jsonl: not a" in err
