"""Traces as a table: a row each, with what the trace says, the response, and the timing of `timing_of`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest

pa = pytest.importorskip("pyarrow")

from helpers.command import TRACES  # noqa: E402
from streamkit import FormatError, MisuseError, timing_of  # noqa: E402
from streamkit.corpus import SCHEMA, traces_to_arrow  # noqa: E402
from streamkit.corpus._schema import FIGURES, INSTANTS, TOKENS  # noqa: E402
from streamkit.trace import read_trace, write_trace  # noqa: E402


def test_a_folder_of_traces_is_a_table_with_the_timing_of_each() -> None:
    rows = traces_to_arrow(TRACES).to_pylist()
    assert sorted(map(str, TRACES.glob("*/*.trace.jsonl"))) == sorted(row["file"] for row in rows)
    for row in rows:
        trace = read_trace(row["file"])
        timing, found = timing_of(trace), row["timing"]
        assert (trace.sender, trace.case, trace.status, trace.end) == tuple(
            row[name] for name in ("sender", "case", "status", "end")
        )
        if not trace.timed:
            assert found is None
            continue
        for name in (*INSTANTS, *FIGURES, *TOKENS):
            assert found[name] == pytest.approx(getattr(timing, name), abs=1e-8), name
        assert found["chunk_times"] == pytest.approx(list(timing.chunk_times), abs=1e-8)
        assert found["output_times"] == pytest.approx(list(timing.output_times), abs=1e-8)


def test_blocks_are_kept_where_they_are_asked_for() -> None:
    file = TRACES / "llama.cpp/plain.trace.jsonl"
    (row,) = traces_to_arrow(str(file), blocks=True).to_pylist()
    assert [block.data for block in read_trace(file).blocks] == row["blocks"]
    assert "blocks" not in traces_to_arrow([file]).column_names


def test_no_trace_is_a_table_of_no_rows(tmp_path: Path) -> None:
    assert (0, SCHEMA.names) == ((t := traces_to_arrow(tmp_path)).num_rows, t.column_names[-len(SCHEMA) :])


def test_other_files_of_a_folder_are_passed_over_but_what_is_named_is_read(tmp_path: Path) -> None:
    shutil.copy(TRACES / "llama.cpp/plain.trace.jsonl", tmp_path / "a.trace.jsonl")
    (tmp_path / "lines.jsonl").write_bytes(b'{"a":1}\n')
    assert 1 == traces_to_arrow(tmp_path).num_rows
    with pytest.raises(FormatError):
        traces_to_arrow(tmp_path / "lines.jsonl")


def test_a_trace_without_times_has_no_timing(tmp_path: Path) -> None:
    trace = attrs.evolve(read_trace(TRACES / "llama.cpp/plain.trace.jsonl"), observed="none")
    write_trace(trace, tmp_path / "x.trace.jsonl")
    (row,) = traces_to_arrow(tmp_path).to_pylist()
    assert ("none", None, "complete") == (row["observed"], row["timing"], row["outcome"])


@pytest.mark.parametrize("odd", [5, None, b"x", [5], object()])
def test_what_are_no_paths_is_misuse(odd: Any) -> None:
    with pytest.raises(MisuseError, match="takes paths"):
        traces_to_arrow(odd)
    with pytest.raises(MisuseError, match="blocks= takes True or False"):
        traces_to_arrow([], blocks=odd)
